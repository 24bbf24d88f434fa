"""Values on a common scale: that of the normal quantile of their rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtri

from attar.density.base import AnyFloats

# Quantiles beyond this are one: how far out a sample lies says no more about whether it is odd.
LIMIT = 20.0


@dataclass(frozen=True)
class NormalScores:
    r"""A monotone map under which the values that it learnt from look normal, whatever their distribution.

    .. math:: z_i = \Phi^{-1}\left(\frac{r_i - 1/2}{n}\right)

    for the value of rank r_i among n, the mean rank where several are equal; linear in between. Beyond the smallest
    and the largest it goes on by Φ⁻¹(1 − 1/2m), m being the number of distinct values, for each distance from the
    median to there: where none are equal, along the line through the median and them. So what lies farther out has a
    larger z, up to 20.

    References:
        Statistical Estimates and Transformed Beta-Variables (Blom, 1958).

    Arguments:
        values: the distinct values, ascending `(m,)`.
        quantiles: their z `(m,)`.
        median: of the values.

    Example:
        >>> NormalScores.learn(np.array([1.0, 10.0, 100.0]))(np.array([1.0, 10.0, 100.0, 190.0])).round(2).tolist()
        [-0.97, 0.0, 0.97, 1.93]
    """

    values: AnyFloats
    quantiles: AnyFloats
    median: float

    @classmethod
    def learn(cls, x: AnyFloats) -> Self:
        """From values `(n,)`, all of them finite."""
        values, counts = np.unique(x, return_counts=True)
        quantiles = ndtri((np.cumsum(counts) - counts / 2) / len(x))
        return cls(values, quantiles, float(np.median(x)))

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """The z of values `(n,)`."""
        low, high = float(self.values[0]), float(self.values[-1])
        z: AnyFloats = np.interp(x, self.values, self.quantiles)
        # Of a value that was always the same, too, so that another one is out of the ordinary.
        step = float(ndtri(1 - 0.5 / len(self.values))) if len(self.values) > 1 else 1.0
        for outside, end, sign in ((x > high, high, 1.0), (x < low, low, -1.0)):
            z[outside] += sign * step * np.abs(x[outside] - end) / self._reach(end)
        return np.clip(z, -LIMIT, LIMIT)

    def _reach(self, end: float) -> float:
        """From the median to an end, the other end where they are one, or the size of the values."""
        spread = float(self.values[-1] - self.values[0])
        return abs(end - self.median) or spread or abs(end) or 1.0
