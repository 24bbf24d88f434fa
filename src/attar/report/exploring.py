"""The page of an exploration: self-contained, no network, no library, one file to send."""

from __future__ import annotations

import math

from attar.report.explored import Explored
from attar.report.panels import panel, quality
from attar.report.places import places
from attar.report.scree import holding, scree
from attar.report.sections import about_data, card, sectioned
from attar.report.words import NONE, count, plural, text


def render_explored(explored: Explored) -> str:
    """Render an exploration as one HTML page that needs nothing else.

    Every string is escaped, and a content security policy allows this page's own scripts alone.
    """
    sections = [
        ("map", "Map", places(explored)),
        ("quality", "Quality", quality(explored.findings, explored.drawn)),
        ("directions", "Directions", scree(explored.spectrum)),
        *((f"panel-{i}", one.title, panel(one)) for i, one in enumerate(explored.panels)),
        ("data", "Data", _data(explored)),
    ]
    return sectioned(
        explored,
        sections,
        kind=f"explore {explored.kind}",
        # Short enough that all stand in one line.
        links={
            f"panel-{i}": one.title.removeprefix("The ").removesuffix(" samples").capitalize()
            for i, one in enumerate(explored.panels)
            if one.title.startswith("The ")
        },
        what=" · ".join((text(explored.source), text(explored.kind), plural(explored.n, "sample"))),
        figures=_figures(explored),
        scripts=("copy", "map", "explore"),
        styles=("page", "explore"),
    )


def _figures(explored: Explored) -> str:
    spectrum = explored.spectrum
    held = holding(spectrum, 0.9)
    shown = len(explored.ids)
    intrinsic = f"{spectrum.intrinsic:.1f}" if math.isfinite(spectrum.intrinsic) else NONE
    odd = sum(not finding.fine for finding in explored.findings)
    return "".join(
        (
            card(
                "Samples", count(explored.n), "all on the map" if shown == explored.n else f"{count(shown)} looked at"
            ),
            card(
                "Directions",
                NONE if held is None else count(held),
                f"hold 90\u00a0% of the variance of {plural(spectrum.values, 'value')}",
            ),
            card("Effective dimension", f"{spectrum.effective:.1f}", "equal directions of the same spread"),
            card("Intrinsic dimension", intrinsic, "of the surface that neighbours lie on"),
            card("To look at", count(odd), f"of {plural(len(explored.findings), 'check')}"),
        )
    )


def _data(explored: Explored) -> str:
    about = {
        "Source": explored.source,
        "Kind": explored.kind,
        "Samples": count(explored.n),
        "Shape of one sample": " × ".join(map(count, explored.shape)),
    }
    return about_data(about, explored.notes, " on reading")
