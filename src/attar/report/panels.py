"""Samples side by side, and what was found out about their quality."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from attar.data.quality import Finding
from attar.report.explored import Line, Panel, Shown
from attar.report.words import prose, text


def panel(panel: Panel) -> str:
    """Lines of samples beneath a sentence, as an HTML fragment."""
    return f"<p>{prose(panel.said)}</p>" + "".join(_line(line, panel.aligned) for line in panel.lines)


def quality(findings: Sequence[Finding], drawn: Mapping[int, Shown]) -> str:
    """Each thing that was looked for, what was found, and the samples, by index, that show it, as an HTML fragment."""
    return f'<ul class="checks">{"".join(_finding(finding, drawn) for finding in findings)}</ul>'


def _finding(finding: Finding, drawn: Mapping[int, Shown]) -> str:
    mark, name = ("✓", "fine") if finding.fine else ("!", "look")
    pairs = "".join(
        f'<div class="pair">{sample(drawn[one])}{sample(drawn[other])}</div>' for one, other in finding.pairs
    )
    shown = f'<details><summary>Show</summary><div class="pairs">{pairs}</div></details>' if pairs else ""
    return (
        f'<li class="{name}"><span class="state" role="img" aria-label="{name}">{mark}</span>'
        f"<div><b>{text(finding.name)}</b> <span>{prose(finding.said)}</span>{shown}</div></li>"
    )


def _line(line: Line, aligned: bool) -> str:
    samples = "".join(sample(shown) for shown in line.samples)
    if not line.name:
        return f'<div class="samples">{samples}</div>'
    way = f'class="samples aligned" style="--n:{len(line.samples)}"' if aligned else 'class="samples"'
    return f'<div class="line-of"><h3>{text(line.name)}</h3><div {way}>{samples}</div></div>'


def sample(shown: Shown) -> str:
    """One sample as an image: neither runs it scripts, nor does it reach the network.

    >>> sample(Shown("data:image/png;base64,AA"))
    '<span class="sample"><img alt="" src="data:image/png;base64,AA"></span>'
    """
    drawn = shown.drawn
    if drawn.startswith("<svg"):
        drawn = f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"
    lines = [text(line) for line in shown.said.splitlines()]
    said = ": ".join(lines)
    image = f'<img alt="{said}" src="{text(drawn) if drawn.startswith("data:image/") else ""}">'
    beneath = "".join(f"<small>{line}</small>" for line in lines)
    if shown.index is None:
        return f'<span class="sample">{image}{beneath}</span>'
    return f'<button type="button" class="sample" data-index="{shown.index}" title="{said}">{image}{beneath}</button>'
