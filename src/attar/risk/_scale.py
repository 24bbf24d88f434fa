"""The axes of a picture: from values to places, and the round numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Doubles

# From this ratio of the ends on, an axis is logarithmic.
_WIDE = 15.0
# A risk that is zero stands this far below the smallest that is not, on a logarithmic axis, but no further than this
# below the test risks.
_BELOW, _DEPTH = 2.0, 30.0
# A band may make the plot so many times as high as its lines need.
_PRESSED = 2.5


@dataclass(frozen=True)
class Scale:
    """Places of values along one axis of a picture.

    Arguments:
        low, high: values at its ends.
        logarithmic: whether equal ratios are equally far apart, rather than equal differences.
        start, end: places of the ends, in pixels.
    """

    low: float
    high: float
    logarithmic: bool
    start: float
    end: float

    def at(self, values: npt.ArrayLike) -> Doubles:
        """Where values stand; what lies beyond an end stands at it."""
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
            span = max(self.high - self.low, 1e-12 * max(abs(self.low), abs(self.high))) or 1.0
            step = 10.0 ** math.floor(math.log10(span))
            step *= next((f for f in (0.1, 0.2, 0.25, 0.5, 1, 2) if span / (step * f) <= 6), 2)
            return [i * step for i in range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)]
        decades = range(math.floor(math.log10(self.low)) - 1, math.ceil(math.log10(self.high)) + 2)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            ticks = [d * 10.0**e for e in decades for d in digits if self.low <= d * 10.0**e * 1.0000001 <= self.high]
            if len(ticks) <= 7:
                return ticks
        return ticks[:: math.ceil(len(ticks) / 7)]


def horizontal_scale(axis: Doubles, start: float, end: float) -> Scale:
    """From the first value of an axis to the last."""
    wide = axis[0] > 0 and axis[-1] > _WIDE * axis[0]
    return Scale(float(axis[0]), float(axis[-1]), bool(wide), start, end)


def vertical_scale(
    lines: Sequence[Doubles], bands: Sequence[Doubles], judged: Doubles, start: float, end: float
) -> Scale:
    """A scale that holds all lines, and as much of their bands as does not press the lines together.

    Arguments:
        lines: values of each.
        bands: their lower and upper ends `(k, 2)`.
        judged: values that decide whether it is logarithmic.
        start, end: places of its ends.
    """
    values = np.concatenate([line[np.isfinite(line)] for line in lines])
    if not len(values):
        return Scale(0.0, 1.0, False, start, end)
    positive = judged[np.isfinite(judged) & (judged > 0)]
    high = float(values.max())
    if len(positive) and positive.max() > _WIDE * positive.min() and not (judged < 0).any():
        floor = max(float(positive.min()) / _DEPTH, 1e-300)
        low = max(float(values[values > 0].min()) / _BELOW, floor)
        return Scale(low, min(high * 1.1, 1e300), True, start, end)
    tops = [float(band[np.isfinite(band)].max(initial=0.0)) for band in bands]
    high = max([high, *(min(top, _PRESSED * high) for top in tops)])
    return Scale(min(0.0, float(values.min())), high * 1.05 or 1.0, False, start, end)
