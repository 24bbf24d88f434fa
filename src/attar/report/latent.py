"""The latent map: each sample where its representation puts it."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter

from attar.report.facts import Facts, LatentPoint
from attar.report.style import COLOURS, SHAPES, symbol
from attar.report.words import clean, count, plural, shorten, text

_GRID = 10_000  # coordinates are sent as whole numbers of this grid, finer than any screen


def latent(facts: Facts) -> str:
    """A canvas, a legend that switches classes, and the samples as data for latent.js, as an HTML fragment."""
    shown, classes = facts.latent, facts.classes
    labelled = sum(p.label is not None for p in shown)
    size = f"{plural(len(shown), 'sample')} in {plural(len(classes), 'class')}"
    return (
        f"<p>{text(facts.latent_of)}: {plural(len(shown), 'sample')}, coloured by predicted class; a ring marks the "
        f"{plural(labelled, 'labelled sample')} shown. Close together means alike in this representation.</p>"
        '<figure class="latent"><div class="map" id="map">'
        f'<canvas tabindex="0" role="application" aria-label="Latent map of {size}" '
        'aria-describedby="map-help"></canvas><div class="here" hidden></div>'
        '<div class="card" hidden><img alt=""><dl></dl></div>'
        '<p class="absent muted">The map needs JavaScript and a browser of 2023 or later.</p></div>'
        f'<div class="legend">{_legend(classes, shown)}</div>'
        '<p class="unseen" aria-live="polite" id="map-said"></p>'
        '<figcaption class="key" id="map-help">Point at a sample, tap it, or move with the arrow keys to see it. '
        "The legend shows and hides classes.</figcaption></figure>"
        f'<script type="application/octet-stream" id="map-data">{_payload(classes, shown)}</script>'
    )


def _legend(classes: tuple[str, ...], shown: tuple[LatentPoint, ...]) -> str:
    predicted = Counter(p.predicted for p in shown)
    entries = "".join(
        f'<button type="button" aria-pressed="true" data-class="{i}">{symbol(i)}<bdi title="{text(name)}">'
        f"{text(shorten(name, 22.0))}</bdi><span>{count(predicted[name])}</span></button>"
        for i, name in enumerate(classes)
    )
    return (
        '<div class="switch"><h3>Predicted class</h3><button type="button" data-all="true">All</button>'
        f'<button type="button" data-all="false">None</button></div><div class="entries">{entries}</div>'
    )


def _payload(classes: tuple[str, ...], shown: tuple[LatentPoint, ...]) -> str:
    """Write the samples as columns of JSON, deflated: thumbnails repeat themselves, and base64 cannot end a script."""
    index = {name: i for i, name in enumerate(classes)}
    left, low = min(p.x for p in shown), min(p.y for p in shown)
    # One scale for both axes, so that distances on the page are distances on the map.
    span = max(max(p.x for p in shown) - left, max(p.y for p in shown) - low) or 1.0
    columns = {
        "classes": [clean(name) for name in classes],
        "short": [shorten(name, 8.0) for name in classes],
        "shapes": SHAPES,
        "colours": COLOURS,
        "x": [round(_GRID * (p.x - left) / span) for p in shown],
        "y": [round(_GRID * (p.y - low) / span) for p in shown],
        "class": [index[p.predicted] for p in shown],
        "probability": [round(p.probability, 3) for p in shown],
        "label": [None if p.label is None else clean(p.label) for p in shown],
        "id": [clean(p.id) for p in shown],
        "thumbnail": [_image(p.thumbnail) for p in shown],
    }
    written = json.dumps(columns, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(written, 6)).decode()


def _image(thumbnail: str) -> str:
    """A thumbnail, where it is what an img element can show: it neither runs scripts nor reaches the network."""
    return thumbnail if thumbnail.startswith(("data:image/", "<svg")) else ""
