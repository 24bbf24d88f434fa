"""Benign overfitting: whether data has so many weak directions that fitting noise in them does no harm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attar._settings import check_count
from attar.errors import DataError
from attar.risk._regression import numbers

# Of the noise, what may be added where overfitting still counts as benign.
_BENIGN = 0.1


@dataclass(frozen=True)
class EffectiveRanks:
    """How the tail of a spectrum spreads.

    Arguments:
        n: samples.
        k: k*, directions that stand out; None where no tail is long enough.
        small: r_k(Σ), or NaN.
        large: R_k(Σ), or NaN.
    """

    n: int
    k: int | None
    small: float
    large: float

    @property
    def harm(self) -> float:
        """k*/n + n/R_k*: to a constant, the share of the noise that interpolation adds to the risk; at most 1."""
        return 1.0 if self.k is None else min(1.0, self.k / self.n + self.n / self.large)

    def verdict(self) -> str:
        """What that means, in a sentence."""
        if self.k is None:
            return (
                f"No tail of the spectrum is long enough for {self.n} samples: a model that fits all of them exactly "
                "carries their noise into its predictions."
            )
        spread = (
            f"{self.k} directions stand out, and the others are as many as {self.large:.0f} equal ones for "
            f"{self.n} samples"
        )
        if self.harm <= _BENIGN:
            return f"Overfitting is benign here: {spread}, so that noise that is fitted is spread thin."
        return f"Overfitting is not benign here: {spread}, and of fitted noise about {self.harm:.0%} comes back."


def effective_ranks(
    X: npt.ArrayLike | None = None, *, eigenvalues: npt.ArrayLike | None = None, n: int | None = None
) -> EffectiveRanks:
    """The effective ranks that decide whether the interpolant of least norm overfits harmlessly.

        r_k = Σ_{i>k} λᵢ / λ_{k+1}      R_k = (Σ_{i>k} λᵢ)² / Σ_{i>k} λᵢ²      k* = min {k ≥ 0: r_k ≥ n}

    The excess risk that noise causes is σ² (k*/n + n/R_k*), to a constant, from both sides. The eigenvalues are those
    of the data's own covariance; of n samples no more than n of them are known, so that a k* is found only for fewer
    samples than the spectrum was measured on: `n` smaller than the rows of X.

    Warning:
        The spectrum of a few samples of many features is more spread than that of the law they come from.

    References:
        Bartlett, Long, Lugosi, Tsigler, Benign overfitting in linear regression, 2020,
        https://arxiv.org/abs/1906.11300, definition 3 and theorem 4

    Arguments:
        X: samples `(N, p)`; centred here.
        eigenvalues: of the covariance `(p,)`, instead of X.
        n: samples that a model is to be fitted to; half of those in X where left out.

    Raises:
        DataError: neither or both of X and eigenvalues, not finite, or n below 1.

    Example:
        >>> tail = np.concatenate([[50.0, 20.0], np.full(10_000, 0.01)])
        >>> found = effective_ranks(eigenvalues=tail, n=100)
        >>> found.k, round(found.large), found.harm < 0.1
        (2, 10000, True)
    """
    if (X is None) == (eigenvalues is None):
        raise DataError("give either X or eigenvalues")
    if eigenvalues is not None:
        values = numbers("eigenvalues", eigenvalues).ravel()
        if n is None or not len(values) or (values < 0).any():
            raise DataError("with eigenvalues, which must be zero or more, say n, the samples of the model")
    else:
        x = numbers("X", X)
        if x.ndim != 2 or not x.size:
            raise DataError(f"X has shape {x.shape}: give (n, p), not empty")
        n = max(1, len(x) // 2) if n is None else n
        values = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2 / len(x)
    check_count("n", n)
    values = np.sort(values)[::-1]
    values = values[values > values[0] * np.finfo(float).eps * len(values)] if values.any() else values[:0]
    # Ranks know no units, and squares of values in small ones would vanish.
    values = values / values[:1]
    sums = np.cumsum(values[::-1])[::-1]
    squares = np.cumsum(values[::-1] ** 2)[::-1]
    long_enough = np.flatnonzero(sums / values >= n)
    if not len(long_enough):
        return EffectiveRanks(n, None, np.nan, np.nan)
    k = int(long_enough[0])
    return EffectiveRanks(n, k, float(sums[k] / values[k]), float(sums[k] ** 2 / squares[k]))
