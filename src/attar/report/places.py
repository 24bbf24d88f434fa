"""The map of an exploration: up to many thousands of samples, as numbers that a script draws."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import numpy.typing as npt

from attar.report.atlas import SIDE
from attar.report.explored import Colour, Explored
from attar.report.style import COLOURS
from attar.report.words import clean, plural, shorten, text

# Coordinates are sent as whole numbers up to here, finer than any screen; the ends of a scale leave so much out.
_GRID = 65_535
_ENDS = (2.0, 98.0)
# Letters of a name.
_LONGEST = 80


def places(explored: Explored) -> str:
    """A canvas, what it can be coloured by, and the samples as data for explore.js, as an HTML fragment."""
    layouts = "".join(
        f'<button type="button" data-layout="{i}" aria-pressed="{str(i == 0).lower()}">{text(name)}</button>'
        for i, name in enumerate(explored.layouts)
    )
    colours = "".join(
        f'<option value="{i}">{text(shorten(colour.name, 30.0))}</option>' for i, colour in enumerate(explored.colours)
    )
    n = len(explored.ids)
    return (
        '<div class="controls"><div class="choice" role="group" aria-label="Layout">'
        f'{layouts}</div><label>Colour <select id="colour">{colours}</select></label></div>'
        '<figure class="latent"><div class="map" id="places">'
        f'<canvas tabindex="0" role="application" aria-label="Map of {plural(n, "sample")}" '
        'aria-describedby="places-help"></canvas><div class="here" hidden></div>'
        '<div class="card" hidden><canvas width="96" height="96"></canvas><dl></dl></div>'
        '<div class="zoom"><button type="button" data-zoom="2" aria-label="Closer">+</button>'
        '<button type="button" data-zoom="0.5" aria-label="Farther">−</button>'
        '<button type="button" data-zoom="0" aria-label="Everything">⤢</button></div>'
        '<p class="absent muted">The map needs JavaScript and a browser of 2023 or later.</p></div>'
        '<div class="legend" id="places-legend"></div>'
        '<p class="unseen" aria-live="polite" id="places-said"></p>'
        '<figcaption class="key" id="places-help">Point at a sample or tap it; drag to move, and zoom with the '
        "buttons, two fingers, or the wheel after a click. In “Neighbours”, samples that are alike lie together, and "
        "distances between groups mean little; “Principal components” keeps distances as well as two directions can."
        "</figcaption></figure>"
        f'<script type="application/octet-stream" id="places-data">{_payload(explored)}</script>'
        f'<script type="application/octet-stream" id="places-sheets">{_sheets(explored)}</script>'
    )


def _payload(explored: Explored) -> str:
    """The length of a header of JSON, the header, and columns of numbers: deflated, and in base64."""
    order = explored.order
    columns: list[npt.NDArray[np.generic]] = [order.astype("<i4")]
    columns += [_whole(layout[order]) for layout in explored.layouts.values()]
    colours = []
    for colour in explored.colours:
        header, column = _coloured(colour, order)
        colours.append(header)
        columns.append(column)
    header = {
        "n": len(order),
        "layouts": list(explored.layouts),
        "colours": colours,
        "palette": COLOURS,
        "ids": [shorten(str(explored.ids[i]), 0.5 * _LONGEST) for i in order],
        "words": [clean(explored.words[i]) for i in order] if explored.words else [],
        "cell": list(explored.cell),
        "side": SIDE,
    }
    written = json.dumps(header, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    written += b" " * (-len(written) % 4)
    whole = len(written).to_bytes(4, "little") + written + b"".join(column.tobytes() for column in columns)
    return base64.b64encode(zlib.compress(whole, 6)).decode()


def _whole(places: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Places on a grid with one scale for both axes, `(2, n)`."""
    low = places.min(axis=0)
    span = float((places.max(axis=0) - low).max()) or 1.0
    return np.ascontiguousarray(np.rint((places - low).T.astype(np.float64) / span * _GRID).astype("<u2"))


def _coloured(colour: Colour, order: npt.NDArray[np.int64]) -> tuple[dict[str, object], npt.NDArray[np.generic]]:
    values = colour.values[order]
    header: dict[str, object] = {"name": clean(colour.name), "said": clean(colour.said)}
    if colour.classes:
        codes = np.where(np.isnan(values), -1, values).astype("<i4")
        return header | {"classes": [shorten(name, 22.0) for name in colour.classes]}, codes
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, _ENDS).tolist() if len(finite) else (0.0, 1.0)
    return header | {"classes": [], "low": low, "high": high}, values.astype("<f4")


def _sheets(explored: Explored) -> str:
    kind = "webp" if explored.sheets and explored.sheets[0][:4] == b"RIFF" else "jpeg"
    return "\n".join(f"data:image/{kind};base64,{base64.b64encode(sheet).decode()}" for sheet in explored.sheets)
