"""What the figures share: axes in percent of their box, and a symbol per class that does not rely on colour."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Steps of an axis, at most.
_STEPS = 6
COLOURS = 8
"""Colours `--c0` to `--c7` of page.css: Okabe and Ito (2008), with yellow and black adapted to both backgrounds."""

# Seven shapes against eight colours: 56 classes pass before a pair repeats, and neighbours differ in both.
SHAPES = (
    "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z",
    "M-.88-.88H.88V.88H-.88Z",
    "M0-1.2L1.1.8H-1.1Z",
    "M0-1.25L1.1 0L0 1.25L-1.1 0Z",
    "M-.4-1.15H.4V-.4H1.15V.4H.4V1.15H-.4V.4H-1.15V-.4H-.4Z",
    "M0 1.2L1.1-.8H-1.1Z",
    "M-.53-1.1L0-.57L.53-1.1L1.1-.53L.57 0L1.1.53L.53 1.1L0 .57L-.53 1.1L-1.1.53L-.57 0L-1.1-.53Z",
)


@dataclass(frozen=True)
class Axis:
    """A linear axis: the values at 0 and at 100 % of its box, and those to mark, ascending."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Place a value, in percent of the box; values outside are drawn on its edge.

        >>> Axis(0.5, 1.0, ()).at(0.75)
        50.0
        """
        return round(100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0), 2)

    def from_top(self, value: float) -> float:
        """Place a value on an upright axis, in percent of the box from its top.

        >>> Axis(0.5, 1.0, ()).from_top(0.9)
        20.0
        """
        return round(100 - self.at(value), 2)


def grid(axis: Axis, unit: str = "") -> str:
    """Draw a line across the box at each tick of an upright axis of shares, its percentage beside it."""
    places = [(axis.from_top(tick), tick) for tick in axis.ticks]
    return "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{y}%" y2="{y}%"/>'
        f'<text class="side" x="-8" y="{y}%" dy=".35em" text-anchor="end">{100 * tick:g}{unit}</text>'
        for y, tick in places
    )


def axis_of_shares(shares: list[float]) -> Axis:
    """Choose an axis of percentages that holds all shares and stays within 0 to 100 %.

    >>> axis_of_shares([0.643, 0.92]).ticks
    (0.6, 0.7, 0.8, 0.9, 1.0)
    """
    finite = [min(max(share, 0.0), 1.0) for share in shares if math.isfinite(share)] or [0.0, 1.0]
    for step in (1, 2, 5, 10, 20, 25):
        first = min(math.floor(100 * min(finite) / step + 1e-9), 100 // step - 1)
        last = max(math.ceil(100 * max(finite) / step - 1e-9), first + 1)
        if last - first <= _STEPS:
            break
    values = tuple(i * step / 100 for i in range(first, last + 1))
    return Axis(values[0], values[-1], values)


def symbol(index: int) -> str:
    """Draw the symbol of a class as a small inline SVG, for legends.

    >>> symbol(0).startswith('<svg class="symbol"')
    True
    """
    return (
        '<svg class="symbol" viewBox="-1.5 -1.5 3 3" width="14" height="14" aria-hidden="true">'
        f'<path d="{SHAPES[index % len(SHAPES)]}" style="fill:var(--c{index % COLOURS})"/></svg>'
    )
