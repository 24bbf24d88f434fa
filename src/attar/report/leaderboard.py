"""The leaderboard: every candidate that was tried, with its interval on one common axis."""

from __future__ import annotations

from attar.report.facts import Facts, Row
from attar.report.style import Axis, axis_of_shares
from attar.report.words import duration, interval, milliseconds, percent, plural, size, text


def leaderboard(facts: Facts) -> str:
    """Draw dot and whisker of each candidate, most accurate first, as an HTML fragment."""
    tried, chosen = facts.leaderboard, facts.chosen
    axis = axis_of_shares([v for r in tried for v in (r.accuracy, *r.interval)])
    rows = "".join(_row(row, axis, chosen.accuracy) for row in tried)
    return (
        f'<div class="board leaderboard" role="table" aria-label="Leaderboard, {plural(len(tried), "candidate")}, '
        f'most accurate first">{_head(axis, facts.measure)}{rows}</div>{_key(facts)}'
    )


def _head(axis: Axis, measure: str) -> str:
    ticks = "".join(f'<text x="{axis.at(t)}%" y="14">{100 * t:.0f}</text>' for t in axis.ticks)
    return (
        '<div class="row head" role="row"><span role="columnheader">Candidate</span>'
        '<span class="plot" role="columnheader"><span class="unseen">Interval</span>'
        f'<svg aria-hidden="true" class="ticks" width="100%" height="18">{ticks}</svg></span>'
        f'<span class="number accuracy" role="columnheader">{measure.capitalize()}, %</span>'
        '<span class="number" role="columnheader">Size</span>'
        '<span class="number" role="columnheader">Latency</span>'
        '<span class="number" role="columnheader">Fitted in</span></div>'
    )


def _row(row: Row, axis: Axis, chosen: float) -> str:
    low, high = row.interval
    kind = "chosen" if row.chosen else "baseline" if row.baseline else "candidate"
    grid = "".join(f'<line class="grid" x1="{axis.at(t)}%" x2="{axis.at(t)}%" y1="0" y2="100%"/>' for t in axis.ticks)
    grid += f'<line class="reference" x1="{axis.at(chosen)}%" x2="{axis.at(chosen)}%" y1="0" y2="100%"/>'
    tags = '<span class="tag strong">chosen</span>' if row.chosen else ""
    tags += '<span class="tag">baseline</span>' if row.baseline else ""
    return (
        f'<div class="row {kind}" role="row"><span class="name" role="cell"><bdi>{text(row.name)}</bdi>{tags}</span>'
        f'<span class="plot" role="cell"><svg aria-hidden="true" width="100%" height="100%">{grid}'
        f'<line class="whisker" x1="{axis.at(low)}%" x2="{axis.at(high)}%" y1="50%" y2="50%"/>'
        f'<circle class="dot" cx="{axis.at(row.accuracy)}%" cy="50%" r="5"/></svg></span>'
        f'<span class="number accuracy" role="cell"><b>{100 * row.accuracy:.1f}</b> '
        f"<small>({interval(row.interval)})</small></span>"
        f'<span class="number" role="cell" data-label="size">{size(row.bytes)}</span>'
        f'<span class="number" role="cell" data-label="latency">{milliseconds(row.latency_ms)}</span>'
        f'<span class="number" role="cell" data-label="fitted in">{duration(row.seconds)}</span></div>'
    )


def _key(facts: Facts) -> str:
    chosen = percent(facts.chosen.accuracy)
    sentence = (
        f"Dot: {facts.measure} in repeated cross-validation. Bar: 90\u00a0% interval of that candidate alone. "
        f"Dashed line: the chosen candidate ({chosen})."
    )
    if facts.chosen.accuracy < max(row.accuracy for row in facts.leaderboard):
        sentence += (
            " It is not the highest: what usually serves, or is simplest, is taken within one standard error of it."
        )
    if chosen != percent(facts.accuracy):
        sentence += f" The estimate at the top ({percent(facts.accuracy)}) is corrected for having been chosen."
    if facts.balanced:
        sentence += " Balanced accuracy is the mean of the accuracies on the samples of each class."
    return (
        '<p class="key"><span class="mark chosen"></span>chosen <span class="mark candidate"></span>candidate '
        '<span class="mark baseline"></span>baseline, learns nothing from unlabelled samples</p>'
        f'<p class="key">{sentence}</p>'
    )
