"""The page of a compression: what was tried, what it costs and what it loses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from attar.report.sections import card, described, noted, row, sectioned, table
from attar.report.style import axis_of_shares, grid
from attar.report.words import NONE, count, milliseconds, percent, plural, prose, size, text, times


@dataclass(frozen=True)
class Tried:
    """One attempt, or the network before."""

    name: str  # what was done
    bytes: int  # of its file
    latency_ms: float | None  # per sample; None where it was not measured
    quality: float | None  # accuracy, agreement or R², 0 to 1; None where there were no samples to judge by
    macs: int | None  # multiply-accumulates of one sample; None where they were not counted
    on_front: bool  # whether nothing else is both smaller and better


@dataclass(frozen=True)
class Shrunk:
    """What the page of a compression shows."""

    run: str  # name of the folder
    model: str  # path of the file that was compressed
    verdict: str  # one sentence
    judged: str  # "accuracy", "agreement" or, of answers that are no logits of classes, "R²"
    n_judged: int  # samples to judge by
    tried: tuple[Tried, ...]  # all attempts, in order; the first is the network before
    chosen: int  # place of the chosen one in them
    # Of each tensor, the loss at each number of bits.
    sensitivities: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # what was written, by name, and what it is
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()  # sentences on what was left as it is
    trained: bool = True  # whether something was, and the samples to judge by set aside from that


def render_shrunk(shrunk: Shrunk) -> str:
    """Render a compression as one HTML page that needs nothing else."""
    sections = [
        ("front", "Size and " + shrunk.judged, front(shrunk)),
        ("attempts", "What was tried", _attempts(shrunk)),
        ("tensors", "Which tensors matter", _tensors(shrunk)),
        ("files", "Files", described(dict(shrunk.files)) + noted(shrunk.notes)),
    ]
    return sectioned(
        shrunk,
        sections,
        kind="explore shrunk",
        what=text(shrunk.model),
        figures=_figures(shrunk),
        scripts=("copy",),
        styles=("page", "explore", "shrunk"),
    )


def front(shrunk: Shrunk) -> str:
    """Draw all attempts by bytes, on a scale of doublings, and quality; what nothing else beats is joined by a line."""
    seen = [(one, one.quality, i == shrunk.chosen) for i, one in enumerate(shrunk.tried) if one.quality is not None]
    if len(seen) < 2:
        return '<p class="muted">There were no samples to judge by; give some as data.</p>'
    vertical = axis_of_shares([quality for _, quality, _ in seen])
    low, high = (math.log2(end(one.bytes for one, _, _ in seen)) for end in (min, max))
    wide = max(high - low, 1e-9)

    def at(one: Tried, quality: float) -> tuple[float, float]:
        return round(3 + 94 * (math.log2(one.bytes) - low) / wide, 2), vertical.from_top(quality)

    ends = (
        f'<text x="3%" y="100%" dy="1.6em">{size(round(2**low))}</text>'
        f'<text x="97%" y="100%" dy="1.6em" text-anchor="end">{size(round(2**high))}</text>'
        f'<text class="side" x="-40" y="-18">{text(shrunk.judged)}, %</text>'
    )
    best = sorted((at(one, quality) for one, quality, _ in seen if one.on_front))
    line = (
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">'
        f'<polyline class="line" points="{" ".join(f"{x},{y}" for x, y in best)}" '
        'vector-effect="non-scaling-stroke"/></svg>'
    )
    dots = ""
    for one, quality, chosen in sorted(seen, key=lambda a: a[2]):
        x, y = at(one, quality)
        shape = "dot chosen" if chosen else "dot" if one.on_front else "dot beaten"
        dots += (
            f'<circle class="{shape}" cx="{x}%" cy="{y}%" r="{8 if chosen else 5}"><title>{text(one.name)}: '
            f"{size(one.bytes)}, {percent(quality)}</title></circle>"
        )
    return (
        f'<figure><div class="curve"><svg role="img" aria-label="Bytes and {text(shrunk.judged)} of all attempts" '
        f'width="100%" height="100%">{grid(vertical)}{ends}{line}{dots}</svg></div>'
        f'<figcaption class="key">{text(shrunk.judged.capitalize())} on {_judges(shrunk)}, '
        "against bytes of the file, each step twice as many; the line joins what nothing else beats, and the large "
        "dot is the one that was taken.</figcaption></figure>"
    )


def _judges(shrunk: Shrunk) -> str:
    aside = "that training has not seen" if shrunk.trained else "given"
    return f"{plural(shrunk.n_judged, 'sample')} {aside}"


def _figures(shrunk: Shrunk) -> str:
    dense, chosen = shrunk.tried[0], shrunk.tried[shrunk.chosen]
    ratio = dense.bytes / chosen.bytes
    smaller = f"{times(ratio)} smaller" if ratio >= 1.05 else "not smaller"
    cards = [card("Size", size(chosen.bytes), f"from {size(dense.bytes)}: {smaller}")]
    if chosen.quality is not None:
        # What agrees is compared with what was before, which agrees with itself.
        before = "" if dense.quality is None or shrunk.judged == "agreement" else f"before {percent(dense.quality)}; "
        cards.append(card(shrunk.judged.capitalize(), percent(chosen.quality), f"{before}{_judges(shrunk)}"))
    if chosen.latency_ms is not None:
        before = "" if dense.latency_ms is None else f"before {milliseconds(dense.latency_ms)}; "
        cards.append(card("Latency", milliseconds(chosen.latency_ms), f"{before}per sample, one thread"))
    return "".join(cards)


def _attempts(shrunk: Shrunk) -> str:
    columns = {
        "Size": [size(one.bytes) for one in shrunk.tried],
        text(shrunk.judged.capitalize()): [
            NONE if one.quality is None else f"{100 * one.quality:.2f}\u00a0%" for one in shrunk.tried
        ],
        "Latency": [milliseconds(one.latency_ms) for one in shrunk.tried],
        "Multiply-accumulates": [NONE if one.macs is None else count(one.macs) for one in shrunk.tried],
    }
    # What was measured of none is no column.
    shown = {name: cells for name, cells in columns.items() if {*cells} != {NONE}}
    rows = (
        row((prose(one.name), *cells), chosen=i == shrunk.chosen)
        for i, (one, cells) in enumerate(zip(shrunk.tried, zip(*shown.values())))
    )
    return table(("Attempt", *shown), rows)


def _tensors(shrunk: Shrunk) -> str:
    if not shrunk.sensitivities:
        return '<p class="muted">Not measured: nothing but bits was chosen.</p>'
    bits = sorted({b for losses in shrunk.sensitivities.values() for b in losses}, reverse=True)
    rows = (
        f"<tr><td>{text(name)}</td>"
        + "".join(f"<td{_shade(losses.get(b))}>{_loss(losses.get(b))}</td>" for b in bits)
        + "</tr>"
        for name, losses in shrunk.sensitivities.items()
        if len(losses) == len(bits)
    )
    moved = "the divergence from the answers before, in thousandths of a nat"
    if shrunk.judged == "R²":
        moved = "the mean squared difference from the answers before, in thousandths of their variance"
    return (
        f"<p>How far the answers move where one tensor alone has fewer bits and nothing is trained: {moved}. "
        f"What moves them most keeps the most bits.</p>{table(('Tensor', *(f'{b} bits' for b in bits)), rows)}"
    )


def _loss(loss: float | None) -> str:
    if loss is None or not math.isfinite(loss):
        return NONE if loss is None else "∞"
    return "&lt; 0.01" if 1000 * loss < 0.01 else f"{1000 * loss:.2f}" if 1000 * loss < 100 else f"{1000 * loss:.0f}"


def _shade(loss: float | None) -> str:
    """Darker for what moves the answers more, from a thousandth of a nat to one."""
    if loss is None or loss <= 0:
        return ""
    share = min(max((math.log10(max(loss, 1e-9)) + 3) / 3, 0.0), 1.0)
    return f' style="--share:{100 * share:.0f}%"'
