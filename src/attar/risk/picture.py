"""A risk curve as a picture: one SVG that needs nothing else, and takes the colours of the page it is put into."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from attar.data.dataset import Doubles
from attar.risk._scale import Scale, horizontal_scale, vertical_scale
from attar.risk._words import number, place

if TYPE_CHECKING:
    from attar.risk.curve import Curve

# Around the plot.
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 56, 46
# From one row of the legend to the next.
_ROW = 18
# Room for a letter.
_LETTER = 7
_STYLE = (
    "text{fill:var(--text,#1b1f24);font:12px system-ui,sans-serif}.m{fill:var(--muted,#5a636d)}"
    ".g{stroke:var(--rule,#dde1e5)}.t{stroke:var(--muted,#5a636d);stroke-dasharray:2 4}"
    "polyline{fill:none;stroke-width:2;stroke-linejoin:round}.test{stroke:var(--c0,#0072b2)}"
    ".train{stroke:var(--c5,#d55e00);stroke-dasharray:6 4}.theory{stroke:var(--text,#1b1f24);stroke-dasharray:1 4}"
    ".bias2{stroke:var(--c2,#009e73);stroke-width:1.5}.variance{stroke:var(--c3,#c4609a);stroke-width:1.5}"
    ".noise{stroke:var(--muted,#5a636d);stroke-width:1.5;stroke-dasharray:8 3}"
    ".dots{fill:none;stroke:var(--text,#1b1f24);stroke-width:6;stroke-linecap:round}"
    "polygon{fill:var(--c0,#0072b2);fill-opacity:.15}polygon.of-train{fill:var(--c5,#d55e00)}"
    "circle{fill:var(--page,#fff);stroke:var(--c0,#0072b2);stroke-width:2.5}"
)


@dataclass(frozen=True)
class Line:
    """One line of a picture.

    Arguments:
        name: in the legend; without one it is not there.
        values: `(k,)`; what is missing is left out, and what is infinite stands at the top.
        look: "test", "train", "theory", "bias2", "variance" or "noise"; "dots" are not joined.
        band: `(k, 2)` around it.
    """

    name: str
    values: Doubles
    look: str
    band: Doubles | None = None


def picture(curve: Curve, width: int = 720, height: int = 400) -> str:
    """Draw a curve: test and train risk with their bands, what is known of them, the threshold and the best place.

    Arguments:
        curve: of any sweep.
        width, height: in pixels.

    Returns:
        an SVG element. Classes and variables are those of attar's pages; elsewhere their defaults hold.
    """
    noise = None if curve.noise is None else np.full(len(curve.axis), curve.noise)
    known = (
        ("test risk", curve.test_risk, "test", curve.test_interval),
        ("training risk", curve.train_risk, "train", curve.train_interval),
        ("theory", curve.theory, "theory", None),
        ("bias²", curve.bias2, "bias2", None),
        ("variance", curve.variance, "variance", None),
        ("noise", noise, "noise", None),
    )
    lines = [Line(name, values, look, band) for name, values, look, band in known if values is not None]
    marks = [] if curve.threshold is None else [("interpolation threshold", curve.threshold)]
    if curve.over == "epochs":
        marks = [(name, t) for name, t in (("t_min", curve.t_min), ("t_int", curve.t_int)) if t is not None]
    said = f"{curve.loss.capitalize()} over {curve.over}. {curve.verdict()}"
    return draw(curve.axis, lines, curve.over, curve.loss, marks, said, width, height, best="lowest test risk")


def draw(
    axis: Doubles,
    lines: Sequence[Line],
    over: str,
    measure: str,
    marks: Sequence[tuple[str, float]] = (),
    said: str = "",
    width: int = 720,
    height: int = 400,
    best: str = "",
) -> str:
    """Draw lines over one axis.

    Arguments:
        axis: `(k,)`, ascending.
        lines: the first one decides whether the axis that goes up is logarithmic.
        over, measure: names of the axes.
        marks: places on the axis, and what they are called.
        said: what the picture shows, for those who cannot see it.
        width, height: in pixels.
        best: name of the lowest place of the first line, which gets a ring; without one it gets none.
    """
    legend, rows = _legend(lines, width - _RIGHT)
    top = _TOP + _ROW * (rows - 1)
    bands = [line.band for line in lines if line.band is not None]
    # Shares of wrong answers are seen best as they are.
    judged = lines[0].values if "zero-one" not in measure else np.zeros(0)
    frame = _Frame(
        width,
        height,
        top,
        horizontal_scale(axis, _LEFT + 8, width - _RIGHT - 8),
        vertical_scale([line.values for line in lines], bands, judged, height - _BOTTOM, top + 8),
    )
    parts = [
        f'<rect width="{width}" height="{height}" style="fill:var(--page,#fff)"/>',
        *frame.ticks(),
        f'<text class="m" x="{width - _RIGHT}" y="{height - 8}" text-anchor="end">{html.escape(over)}</text>'
        f'<text class="m" x="8" y="{top - 20}">{html.escape(measure)}</text>',
        *_marks(frame, marks),
        *(_band(frame, axis, line.look, line.band) for line in lines if line.band is not None),
        # The first line lies over the others.
        *(_stroke(line.look, frame.places(axis, line.values)) for line in reversed(lines)),
        _ring(frame, axis, lines[0].values, best, over) if best else "",
    ]
    # For this picture alone: in a page the style would be everyone's.
    style = "".join(f".risk {rule}}}" for rule in _STYLE.split("}") if rule)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="risk" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{html.escape(said)}" style="max-width:100%;height:auto">'
        f"<style>{style}</style>{''.join(parts)}{legend}</svg>"
    )


@dataclass(frozen=True)
class _Frame:
    """The plot within a picture."""

    width: int
    height: int
    top: int
    horizontal: Scale
    vertical: Scale

    def ticks(self) -> Iterator[str]:
        """Numbers beside both axes, and a rule at each height."""
        heights, places = self.vertical.ticks(), self.horizontal.ticks()
        for tick, y in zip(heights, self.vertical.at(heights)):
            yield f'<line class="g" x1="{_LEFT}" x2="{self.width - _RIGHT}" y1="{y}" y2="{y}"/>'
            yield f'<text class="m" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{number(tick)}</text>'
        y = self.height - _BOTTOM + 18
        for tick, x in zip(places, self.horizontal.at(places)):
            yield f'<text class="m" x="{x}" y="{y}" text-anchor="middle">{number(tick)}</text>'

    def places(self, axis: Doubles, values: Doubles) -> list[tuple[float, float]]:
        """Where a line goes: not through what is missing, and at the top where it is infinite."""
        known = ~np.isnan(values)
        heights = np.where(np.isfinite(values), values, self.vertical.high)[known]
        return [*zip(self.horizontal.at(axis[known]), self.vertical.at(heights))]


def _marks(frame: _Frame, marks: Sequence[tuple[str, float]]) -> Iterator[str]:
    """A dotted line with its names at each of the marks that lies within the plot."""
    names: dict[float, list[str]] = {}
    for name, value in marks:
        if frame.horizontal.low <= value <= frame.horizontal.high:
            names.setdefault(value, []).append(name)
    sides: list[bool] = []
    for value, names_here in names.items():
        x = float(frame.horizontal.at(value))
        label = f"{', '.join(names_here)} {number(float(f'{value:.3g}') if value % 1 else value)}"
        room = 6 + _LETTER * len(label)
        # Of two marks, the first one's name stands on the left and the other's on the right, as far as there is room;
        # where both stand on one side, one below the other.
        if len(names) == 1:
            on_left = x > frame.width / 2
        elif not sides:
            on_left = x - room > _LEFT
        else:
            on_left = x + room > frame.width
        y = frame.top - 4 + 14 * (on_left in sides)
        sides.append(on_left)
        yield (
            f'<line class="t" x1="{x}" x2="{x}" y1="{frame.top - 14}" y2="{frame.height - _BOTTOM}"/>'
            f'<text class="m" x="{x + (-6 if on_left else 6)}" y="{y}" text-anchor="{"end" if on_left else "start"}">'
            f"{html.escape(label)}</text>"
        )


def _band(frame: _Frame, axis: Doubles, look: str, band: Doubles) -> str:
    x, (low, high) = frame.horizontal.at(axis), frame.vertical.at(band.T)
    return f'<polygon class="of-{look}" points="{_points([*zip(x, high), *reversed([*zip(x, low)])])}"/>'


def _ring(frame: _Frame, axis: Doubles, values: Doubles, name: str, over: str) -> str:
    """A ring around the lowest place of a line."""
    if np.isnan(values).all():
        return ""
    i = int(np.nanargmin(values))
    return (
        f'<circle cx="{frame.horizontal.at(axis)[i]}" cy="{frame.vertical.at(values[i])}" r="5"><title>'
        f"{html.escape(name)}: {number(values[i])} at {html.escape(place(axis[i], over))}</title></circle>"
    )


def _points(places: list[tuple[float, float]]) -> str:
    return " ".join(f"{a:g},{b:g}" for a, b in places)


def _stroke(look: str, places: list[tuple[float, float]]) -> str:
    if look == "dots":
        return f'<path class="dots" d="{"".join(f"M{a:g},{b:g}h0" for a, b in places)}"/>'
    return f'<polyline class="{look}" points="{_points(places)}"/>'


def _legend(lines: Sequence[Line], end: float) -> tuple[str, int]:
    """Names from left to right, against the right side, in as many rows as they need."""
    rows: list[list[Line]] = [[]]
    for line in lines:
        if not line.name:
            continue
        if rows[-1] and sum(map(_room, [*rows[-1], line])) > end:
            rows.append([])
        rows[-1].append(line)
    parts = []
    for i, row in enumerate(rows):
        x, y = end, 18 + _ROW * i
        for line in reversed(row):
            x -= _room(line)
            parts.append(f'<text x="{x + 44}" y="{y}">{html.escape(line.name)}</text>')
            parts.append(_stroke(line.look, [(x + 16, y - 4), (x + 38, y - 4)]))
    return "".join(parts), len(rows)


def _room(line: Line) -> float:
    return 44 + _LETTER * len(line.name)
