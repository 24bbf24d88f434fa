"""The confusion matrix: which classes are taken for which."""

from __future__ import annotations

from dataclasses import dataclass

from attar.report.facts import Facts
from attar.report.words import clean, count, percent, plural, shorten, text, width

LIMIT = 60
"""Classes beyond which a matrix cannot be read; the most frequent confusions still can."""


@dataclass(frozen=True)
class _Layout:
    cell: float
    font: float
    left: float
    top: float
    turned: bool  # column names stand upright where they are wider than a cell
    edge: float  # for the column of recalls

    @classmethod
    def of(cls, names: tuple[str, ...]) -> _Layout:
        n = len(names)
        cell = 46.0 if n <= 8 else 40.0 if n <= 12 else 28.0 if n <= 24 else 18.0 if n <= 40 else 15.0
        font = 13.0 if n <= 12 else 11.0 if n <= 24 else 9.0
        longest = max((width(shorten(name, 13.0)) for name in names), default=0.0) * font * 1.08
        turned = longest > cell - 6
        return cls(cell, font, longest + 30, longest + 34 if turned else font + 28, turned, 4.6 * font)


def confusion(facts: Facts) -> str:
    """Draw counts on a heat map whose colour is the share of the true class, beside the most frequent confusions.

    An HTML fragment; above 60 classes, the list of confusions alone.
    """
    total = sum(map(sum, facts.confusion))
    if total == 0:
        return '<p class="muted">No sample was available for a confusion matrix.</p>'
    right = sum(row[i] for i, row in enumerate(facts.confusion))
    # Test samples of a class that training has not are answered wrongly, and have no row.
    unknown = max(facts.n_test - total, 0)
    without = f", without {plural(unknown, 'sample')} of classes that no model can learn" if unknown else ""
    lead = (
        f"<p>{percent(right / (total + unknown))} of {plural(total + unknown, 'prediction')} are right "
        f"({text(facts.confusion_of)}). Rows are true classes{without}, columns predicted ones.</p>"
    )
    if len(facts.classes) > LIMIT:
        return f"{lead}<p>A matrix of {plural(len(facts.classes), 'class')} cannot be read.</p>{_confusions(facts, 20)}"
    return f'{lead}<div class="beside">{_matrix(facts)}{_confusions(facts, 6)}</div>'


def _matrix(facts: Facts) -> str:
    n = len(facts.classes)
    at = _Layout.of(facts.classes)
    wide, high = at.left + n * at.cell + at.edge, at.top + n * at.cell + 4
    parts = [_columns(facts.classes, at), *(_line(facts, i, at) for i in range(n))]
    # Below 70 % of its size the counts cannot be read: from there on the box scrolls.
    least = 0.7 * wide if n <= 12 else wide
    return (
        f'<div class="scroll" style="width:{wide:.0f}px" tabindex="0" role="region" aria-label="Confusion matrix">'
        f'<svg class="confusion" role="img" aria-label="Confusion matrix of {plural(n, "class")}" '
        f'viewBox="0 0 {wide:.0f} {high:.0f}" style="min-width:{least:.0f}px" font-size="{at.font:g}">'
        f"{''.join(parts)}</svg></div>"
    )


def _columns(classes: tuple[str, ...], at: _Layout) -> str:
    middle = at.left + len(classes) * at.cell / 2
    parts = [
        f'<text class="side" x="{middle:.1f}" y="11" text-anchor="middle">predicted</text>',
        f'<text class="side" x="{at.left + len(classes) * at.cell + at.edge - 2:.1f}" y="{at.top - 7:.1f}" '
        'text-anchor="end">recall</text>',
        f'<text class="side" transform="translate(11 {at.top + len(classes) * at.cell / 2:.1f}) rotate(-90)" '
        'text-anchor="middle">true</text>',
    ]
    for j, name in enumerate(classes):
        x, y = at.left + (j + 0.5) * at.cell, at.top - 7
        place = f'transform="translate({x + 0.35 * at.font:.1f} {y:.1f}) rotate(-90)"'
        if not at.turned:
            place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="middle"'
        parts.append(f"<text {place}>{_named(name)}</text>")
    return "".join(parts)


def _line(facts: Facts, i: int, at: _Layout) -> str:
    row, total = facts.confusion[i], sum(facts.confusion[i])
    y = at.top + i * at.cell
    base = y + at.cell / 2 + 0.36 * at.font
    parts = [
        f'<text x="{at.left - 6:.1f}" y="{base:.1f}" text-anchor="end">{_named(facts.classes[i])}</text>',
        f'<path class="rule" d="M{at.left:.1f} {y + at.cell - 0.5:.1f}h{len(row) * at.cell:.1f}"/>',
    ]
    true = text(shorten(facts.classes[i], 40.0))
    for j, n in enumerate(row):
        if not n:
            continue
        x, share = at.left + j * at.cell, n / total
        font = min(at.font, 1.55 * at.cell / max(len(count(n)), 1))
        parts.append(
            f"<g><title>true {true}, predicted {text(shorten(facts.classes[j], 40.0))}: "
            f"{count(n)} of {count(total)} ({percent(share)})</title>"
            f'<rect class="{"right" if i == j else "wrong"}" x="{x:.1f}" y="{y:.1f}" width="{at.cell - 1:g}" '
            f'height="{at.cell - 1:g}" fill-opacity="{0.08 + 0.47 * share:.2f}"/>'
            f'<text x="{x + at.cell / 2 - 0.5:.1f}" y="{base:.1f}" font-size="{font:.1f}" '
            f'text-anchor="middle">{count(n)}</text></g>'
        )
    recall = f"{100 * row[i] / total:.1f}" if total else "–"
    edge = at.left + len(row) * at.cell + at.edge - 2
    parts.append(f'<text class="side" x="{edge:.1f}" y="{base:.1f}" text-anchor="end">{recall}</text>')
    return "".join(parts)


def _named(name: str) -> str:
    short = shorten(name, 13.0)
    full = f"<title>{text(name)}</title>" if short != clean(name) else ""
    return text(short) + full


def _confusions(facts: Facts, most: int) -> str:
    found = sorted(
        (-n, -n / sum(row), i, j) for i, row in enumerate(facts.confusion) for j, n in enumerate(row) if n and i != j
    )
    if not found:
        return '<div class="aside"><h3>Most frequent confusions</h3><p class="muted">None: all are right.</p></div>'
    lines = "".join(
        f'<li><span><bdi>{text(facts.classes[i])}</bdi> <span class="muted">taken for</span> '
        f'<bdi>{text(facts.classes[j])}</bdi></span> <span class="number">{count(-n)} of '
        f"{count(sum(facts.confusion[i]))}</span></li>"
        for n, _, i, j in found[:most]
    )
    return f'<div class="aside"><h3>Most frequent confusions</h3><ul class="pairs">{lines}</ul></div>'
