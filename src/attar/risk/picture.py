"""A risk curve as a picture: one SVG that needs nothing else, and takes the colours of the page it is put into."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from attar.risk._words import number
from attar.risk._words import place as place_of

if TYPE_CHECKING:
    from attar.risk.curve import Curve

Doubles = npt.NDArray[np.float64]

# Left, right, top and bottom of the plot.
_MARGINS = 64, 16, 56, 46
# From this ratio of the ends on, an axis is logarithmic.
_WIDE = 15.0
# A risk that is zero stands this far below the smallest that is not, on a logarithmic axis, but no further than this
# below the test risks.
_BELOW, _DEPTH = 2.0, 30.0
# A band may make the plot so many times as high as its lines need.
_PRESSED = 2.5
_STYLE = (
    "text{fill:var(--text,#1b1f24);font:12px system-ui,sans-serif}.m{fill:var(--muted,#5a636d)}"
    ".g{stroke:var(--rule,#dde1e5)}.t{stroke:var(--muted,#5a636d);stroke-dasharray:2 4}"
    "polyline{fill:none;stroke-width:2;stroke-linejoin:round}.test{stroke:var(--c0,#0072b2)}"
    ".train{stroke:var(--c5,#d55e00);stroke-dasharray:6 4}.theory{stroke:var(--text,#1b1f24);stroke-dasharray:1 4}"
    ".bias2{stroke:var(--c2,#009e73);stroke-width:1.5}.variance{stroke:var(--c3,#c4609a);stroke-width:1.5}"
    "polygon{fill:var(--c0,#0072b2);fill-opacity:.15}polygon.of-train{fill:var(--c5,#d55e00)}"
    "circle{fill:var(--page,#fff);stroke:var(--c0,#0072b2);stroke-width:2.5}"
)


@dataclass(frozen=True)
class _Scale:
    """From values to places between two ends; logarithmic where it says so."""

    low: float
    high: float
    logarithmic: bool
    start: float
    end: float

    def at(self, values: npt.ArrayLike) -> Doubles:
        clipped = np.clip(np.nan_to_num(np.asarray(values, dtype=float), nan=self.low), self.low, self.high)
        low, high = self.low, self.high
        if self.logarithmic:
            clipped, low, high = np.log(clipped), math.log(low), math.log(high)
        share = (clipped - low) / (high - low) if high > low else np.full_like(clipped, 0.5)
        places: Doubles = np.round(self.start + share * (self.end - self.start), 1)
        return places

    def ticks(self) -> list[float]:
        """Round values within the ends, at most seven."""
        if not self.logarithmic:
            span = max(self.high - self.low, 1e-12 * max(abs(self.high), 1))
            step = 10.0 ** math.floor(math.log10(span))
            step *= next((f for f in (0.1, 0.2, 0.25, 0.5, 1, 2) if span / (step * f) <= 6), 2)
            return [i * step for i in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]
        decades = range(math.floor(math.log10(self.low)) - 1, math.ceil(math.log10(self.high)) + 2)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [d * 10.0**e for e in decades for d in digits if self.low <= d * 10.0**e * 1.0000001 <= self.high]
            if len(found) <= 7:
                return found
        return found[:: math.ceil(len(found) / 7)]


def picture(curve: Curve, width: int = 720, height: int = 400) -> str:
    """Draw a curve: test and train risk with their bands, what is known of them, the threshold and the best place.

    Arguments:
        curve: of any sweep.
        width, height: in pixels.

    Returns:
        an SVG element. Classes and variables are those of attar's pages; elsewhere their defaults hold.
    """
    left, right, top, bottom = _MARGINS
    across = _across(curve.axis, left + 8, width - right - 8)
    lines = {
        "test": ("test risk", curve.test_risk),
        "train": ("training risk", curve.train_risk),
        "theory": ("theory", curve.theory),
        "bias2": ("bias²", curve.bias2),
        "variance": ("variance", curve.variance),
    }
    shown = {key: (name, values) for key, (name, values) in lines.items() if values is not None}
    bands = [band for band in (curve.train_interval, curve.test_interval) if band is not None]
    # Shares of wrong answers are seen best as they are.
    judged = curve.test_risk if "zero-one" not in curve.loss else np.zeros(0)
    up = _up([values for _, values in shown.values()], bands, judged, height - bottom, top + 8)
    x = across.at(curve.axis)
    parts = [f'<rect width="{width}" height="{height}" style="fill:var(--page,#fff)"/>']
    for tick, y in zip(up.ticks(), up.at(up.ticks())):
        parts.append(f'<line class="g" x1="{left}" x2="{width - right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="m" x="{left - 8}" y="{y + 4}" text-anchor="end">{number(tick)}</text>')
    for tick, place in zip(across.ticks(), across.at(across.ticks())):
        parts.append(
            f'<text class="m" x="{place}" y="{height - bottom + 18}" text-anchor="middle">{number(tick)}</text>'
        )
    parts.append(
        f'<text class="m" x="{width - right}" y="{height - 8}" text-anchor="end">{html.escape(curve.over)}</text>'
        f'<text class="m" x="8" y="{top - 16}">{html.escape(curve.loss)}</text>'
    )
    if curve.threshold is not None and across.low <= curve.threshold <= across.high:
        place = float(across.at(curve.threshold))
        end = place > width / 2
        parts.append(
            f'<line class="t" x1="{place}" x2="{place}" y1="{top - 14}" y2="{height - bottom}"/>'
            f'<text class="m" x="{place + (-6 if end else 6)}" y="{top - 4}" text-anchor="{"end" if end else "start"}">'
            f"interpolation threshold {number(curve.threshold)}</text>"
        )
    for key, band in (("train", curve.train_interval), ("test", curve.test_interval)):
        if band is not None:
            around = [*zip(x, up.at(band[:, 1])), *reversed([*zip(x, up.at(band[:, 0]))])]
            parts.append(f'<polygon class="of-{key}" points="{_points(around)}"/>')
    for key, (_, values) in reversed(shown.items()):
        seen = np.isfinite(values) if key != "test" else np.ones(len(x), dtype=bool)
        parts.append(f'<polyline class="{key}" points="{_points([*zip(x[seen], up.at(_high(values[seen], up)))])}"/>')
    best = int(np.nanargmin(curve.test_risk))
    parts.append(
        f'<circle cx="{x[best]}" cy="{up.at(curve.test_risk[best])}" r="5"><title>lowest test risk: '
        f"{number(curve.test_risk[best])} at {html.escape(place_of(curve.axis[best], curve.over))}</title></circle>"
    )
    parts.append(_legend([(key, name) for key, (name, _) in shown.items()], width - right, 18))
    label = html.escape(f"{curve.loss.capitalize()} over {curve.over}. {curve.verdict()}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="risk" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{label}" style="max-width:100%;height:auto">'
        f"<style>{''.join(_scoped())}</style>{''.join(parts)}</svg>"
    )


def _scoped() -> list[str]:
    """The style, for this picture alone: in a page it would be everyone's."""
    return [f".risk {rule}}}" for rule in _STYLE.split("}") if rule]


def _across(axis: Doubles, start: float, end: float) -> _Scale:
    positive = axis[0] > 0 and axis[-1] > _WIDE * axis[0]
    return _Scale(float(axis[0]), float(axis[-1]), bool(positive), start, end)


def _up(lines: Sequence[Doubles], bands: Sequence[Doubles], test: Doubles, start: float, end: float) -> _Scale:
    values = np.concatenate([line[np.isfinite(line)] for line in lines])
    if not len(values):
        return _Scale(0.0, 1.0, False, start, end)
    known = test[np.isfinite(test) & (test > 0)]
    high = float(values.max())
    if len(known) and known.max() > _WIDE * known.min():
        floor = max(float(known.min()) / _DEPTH, 1e-300)
        low = max(float(values[values > 0].min()) / _BELOW, floor)
        return _Scale(low, min(high * 1.1, 1e300), True, start, end)
    # Bands are seen whole unless they would press the lines together.
    ends = [float(band[np.isfinite(band)].max(initial=0.0)) for band in bands]
    high = max([high, *(min(one, _PRESSED * high) for one in ends)])
    return _Scale(min(0.0, float(values.min())), high * 1.05 or 1.0, False, start, end)


def _high(values: Doubles, up: _Scale) -> Doubles:
    """What is infinite stands at the top."""
    return np.where(np.isfinite(values), values, up.high)


def _points(places: list[tuple[float, float]]) -> str:
    return " ".join(f"{a:g},{b:g}" for a, b in places)


def _legend(names: list[tuple[str, str]], end: float, y: float) -> str:
    parts, x = [], end
    for key, name in reversed(names):
        x -= 7 * len(name)
        parts.append(
            f'<text x="{x}" y="{y}">{name}</text><polyline class="{key}" points="{x - 28},{y - 4} {x - 6},{y - 4}"/>'
        )
        x -= 44
    return "".join(parts)
