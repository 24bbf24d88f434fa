"""How much of the variance lies in how many directions."""

from __future__ import annotations

import math
from itertools import pairwise

from attar.report.explored import Spectrum
from attar.report.style import Axis, grid
from attar.report.words import count, percent, plural

# Components that are drawn.
_DRAWN = 48


def scree(spectrum: Spectrum) -> str:
    """Draw the share of the variance of each principal component, and of all up to it, as an HTML fragment."""
    shares = spectrum.shares[:_DRAWN]
    if not any(shares):
        return '<p class="muted">All samples are the same: there is no direction in which they differ.</p>'
    sums = [math.fsum(shares[: i + 1]) for i in range(len(shares))]
    return (
        f"<p>{_said(spectrum)}</p>"
        f'<div class="columns"><figure class="scree"><h3>Variance of each component</h3>{_bars(shares)}</figure>'
        f'<figure class="scree"><h3>Variance of all up to it</h3>{_line(sums)}</figure></div>'
    )


def holding(spectrum: Spectrum, share: float) -> int | None:
    """How many components hold a share of the variance; None where those that are known do not.

    >>> holding(Spectrum((0.5, 0.3, 0.2), 2.6, 2.0, None, 3), 0.8)
    2
    """
    total = 0.0
    for i, one in enumerate(spectrum.shares):
        total += one
        if total >= share - 1e-9:
            return i + 1
    return None


def _said(spectrum: Spectrum) -> str:
    held = [(share, holding(spectrum, share)) for share in (0.5, 0.9, 0.99)]
    parts = [f"{percent(share).replace('.0', '')} in {plural(k, 'component')}" for share, k in held if k is not None]
    sentences = [f"Of the variance of {plural(spectrum.values, 'value')} lie {', '.join(parts)}." if parts else ""]
    sentences.append(f"It is as spread out as over {spectrum.effective:.1f} equal directions.")
    if spectrum.above_chance is not None:
        vary = f"{plural(spectrum.above_chance, 'component')} {'varies' if spectrum.above_chance == 1 else 'vary'}"
        sentences.append(f"{vary} more than independent values would (parallel analysis).")
    if math.isfinite(spectrum.intrinsic):
        sentences.append(
            f"From their neighbours, samples seem to lie on a surface of about {spectrum.intrinsic:.1f} dimensions."
        )
    return " ".join(filter(None, sentences))


def _bars(shares: tuple[float, ...]) -> str:
    top = max(shares)
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if top / s <= 5)
    ticks = tuple(step * i for i in range(math.ceil(top / step - 1e-9) + 1))
    axis = Axis(0.0, ticks[-1], ticks)
    wide = 100 / len(shares)
    bars = []
    for i, share in enumerate(shares):
        high = axis.at(share)
        bars.append(
            f'<rect class="bar" x="{(i + 0.12) * wide:.2f}%" width="{0.76 * wide:.2f}%" y="{100 - high:.2f}%" '
            f'height="{high:.2f}%"><title>component {i + 1}: {percent(share)}</title></rect>'
        )
    return _framed(axis, "".join(bars), len(shares))


def _line(sums: list[float]) -> str:
    axis, wide = Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0)), 100 / len(sums)
    at = [((i + 0.5) * wide, axis.from_top(total)) for i, total in enumerate(sums)]
    lines = "".join(
        f'<line class="line" x1="{x:.2f}%" y1="{y:.2f}%" x2="{x_next:.2f}%" y2="{y_next:.2f}%"/>'
        for (x, y), (x_next, y_next) in pairwise(at)
    )
    dots = "".join(
        f'<circle class="dot" cx="{x:.2f}%" cy="{y:.2f}%" r="3"><title>{plural(i + 1, "component")}: '
        f"{percent(sums[i])}</title></circle>"
        for i, (x, y) in enumerate(at)
    )
    mark = f'<line class="reference" x1="0" x2="100%" y1="{axis.from_top(0.9)}%" y2="{axis.from_top(0.9)}%"/>'
    return _framed(axis, mark + lines + dots, len(sums))


def _framed(axis: Axis, inside: str, n: int) -> str:
    ends = (
        '<text class="side" x="0" y="100%" dy="20">1</text>'
        f'<text class="side" x="100%" y="100%" dy="20" text-anchor="end">{plural(n, "component")}</text>'
        if n > 1
        else f'<text class="side" x="50%" y="100%" dy="20" text-anchor="middle">{count(n)}</text>'
    )
    lines = grid(axis, " %")
    return f'<svg width="100%" height="180" role="img" aria-label="share of the variance">{lines}{inside}{ends}</svg>'
