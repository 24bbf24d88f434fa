"""The learning curve over the number of labels, and what it says about labelling more."""

from __future__ import annotations

import math

from attar.report.facts import CurvePoint, Facts
from attar.report.style import Axis, axis_of_shares, grid
from attar.report.words import count, interval, percent, plural, points


def curve(facts: Facts) -> str:
    """Draw estimated accuracy against the number of labels, with a 90 % band, as an HTML fragment."""
    line = sorted(facts.curve, key=lambda p: p.labels)
    if len(line) < 2:
        return f"<p>{sentence(line, facts.measure)}</p>"
    vertical = axis_of_shares([v for p in line for v in (p.accuracy, p.low, p.high)])
    across = _horizontal(line)
    said = "; ".join(f"{plural(p.labels, 'label')}: {percent(p.accuracy)} ({interval((p.low, p.high))})" for p in line)
    return (
        f'<p>{sentence(line, facts.measure)}</p><figure><div class="curve"><svg role="img" '
        f'aria-label="Learning curve. {said}." width="100%" height="100%">'
        f"{grid(vertical)}{_marks(line, across, facts.measure)}{_band(line, vertical, across)}"
        f"{_dots(line, vertical, across)}</svg></div>"
        f'<figcaption class="key">Estimated {facts.measure} of the chosen candidate against the number of labels '
        "it was trained on. The band holds 90\u00a0% of the draws of so many labels; of all, it is the interval of the "
        "estimate.</figcaption></figure>"
    )


def sentence(line: list[CurvePoint], measure: str = "accuracy") -> str:
    """Say whether more labels would help, if the error goes on falling as a power of their number.

    expected gain = e·(1 − (e / e₀)^(1/d)), with e and e₀ the last error and the one about half the labels before,
    and d the doublings of the labels between the two.

    References:
        Deep learning scaling is predictable, empirically (Hestness et al., 2017), https://arxiv.org/abs/1712.00409

    Arguments:
        line: ascending in the number of labels.
        measure: what its accuracies are.

    >>> sentence([CurvePoint(labels=n, accuracy=a, low=a - 0.02, high=a + 0.02) for n, a in ((25, 0.8), (50, 0.9))])
    'More labels would probably help: ... twice as many would bring about +5.0\xa0points more.'
    """
    if len(line) < 2:
        return "Too few labels were available to draw a learning curve."
    last = line[-1]
    before = min(line[:-1], key=lambda p: abs(math.log2(2 * max(p.labels, 1) / last.labels)))
    doublings = math.log2(last.labels / max(before.labels, 1)) or 1.0
    gain, half = last.accuracy - before.accuracy, (last.high - last.low) / 2
    left, error = max(1 - before.accuracy, 1e-9), max(1 - last.accuracy, 0.0)
    # Of an error that rose, the power may be larger than any float.
    expected = error * (1 - (error / left) ** (1 / doublings)) if error < left else 0.0
    fact = f"from {count(before.labels)} to {count(last.labels)} labels the {measure} changed by {points(gain)}"
    if expected < 0.01:
        return f"More labels would probably change little: {fact}."
    at_this_pace = f"at this pace, twice as many would bring about {points(expected)} more."
    if gain > half:
        return f"More labels would probably help: {fact}; {at_this_pace}"
    return f"More labels may help: {fact}, within the uncertainty of ±{points(half).removeprefix('+')}; {at_this_pace}"


def _horizontal(line: list[CurvePoint]) -> list[float]:
    """Place the points in percent of the box; by doublings where the numbers span a wide range."""
    labels = [max(p.labels, 1) for p in line]
    scale = math.log2 if labels[-1] >= 6 * labels[0] else float
    low, high = scale(labels[0]), scale(labels[-1])
    if high == low:
        return [50.0] * len(line)
    return [round(2 + 96 * (scale(n) - low) / (high - low), 2) for n in labels]


def _marks(line: list[CurvePoint], across: list[float], measure: str) -> str:
    """Numbers of labels below the box, and the names of both axes."""
    marked = [across[-1]]
    # Both ends are always named; between them only what keeps its distance on a telephone too.
    for x in (across[0], *reversed(across[1:-1])):
        if min(abs(x - other) for other in marked) >= 12:
            marked.append(x)
    numbers = "".join(
        f'<text x="{x}%" y="100%" dy="1.6em" text-anchor="middle">{count(point.labels)}</text>'
        for point, x in zip(line, across)
        if x in marked
    )
    return (
        f'{numbers}<text class="side" x="-40" y="-18">{measure}, %</text>'
        '<text class="side" x="100%" y="100%" dy="3em" text-anchor="end">labels</text>'
    )


def _band(line: list[CurvePoint], vertical: Axis, across: list[float]) -> str:
    up = [f"{x},{vertical.from_top(p.high)}" for p, x in zip(line, across)]
    down = [f"{x},{vertical.from_top(p.low)}" for p, x in zip(line, across)]
    middle = [f"{x},{vertical.from_top(p.accuracy)}" for p, x in zip(line, across)]
    return (
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">'
        f'<polygon class="band" points="{" ".join(up + down[::-1])}"/>'
        f'<polyline class="line" points="{" ".join(middle)}" vector-effect="non-scaling-stroke"/></svg>'
    )


def _dots(line: list[CurvePoint], vertical: Axis, across: list[float]) -> str:
    return "".join(
        f"<g><title>{plural(p.labels, 'label')}: {percent(p.accuracy)} ({interval((p.low, p.high))})</title>"
        f'<line class="whisker" x1="{x}%" x2="{x}%" y1="{vertical.from_top(p.low)}%" '
        f'y2="{vertical.from_top(p.high)}%"/>'
        f'<circle class="dot" cx="{x}%" cy="{vertical.from_top(p.accuracy)}%" r="5"/></g>'
        for p, x in zip(line, across)
    )
