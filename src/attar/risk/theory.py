"""What theory expects of least squares without and with a ridge, where features and samples grow together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from attar._settings import is_amount, is_count, is_positive
from attar.data.dataset import Doubles
from attar.errors import DataError


@dataclass(frozen=True)
class Expected:
    """The excess risk of a linear model: what it is wrong by beyond the noise in the targets.

    Arguments:
        bias2: squared bias.
        variance: what noise in the training targets adds.
    """

    bias2: float
    variance: float

    @property
    def excess(self) -> float:
        """Both together."""
        return self.bias2 + self.variance


def ridgeless_risk(
    ratio: float,
    *,
    signal: float = 1.0,
    noise: float = 1.0,
    eigenvalues: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> Expected:
    """Excess risk of the least-squares solution of least norm, as n and p grow with p/n = γ.

        isotropic, γ < 1: variance = σ² γ/(1−γ), no bias      γ > 1: bias² = r² (1−1/γ), variance = σ²/(γ−1)

    For features of another covariance and γ > 1, with c the root of 1 − 1/γ = Σᵢ 1/(1 + c γ sᵢ) / p:

        bias² = ‖β‖² (1 + γ c A/B) Σᵢ wᵢ sᵢ/(1 + c γ sᵢ)²      variance = σ² γ c A/B
        A = Σᵢ sᵢ²/(1 + c γ sᵢ)² / p      B = Σᵢ sᵢ/(1 + c γ sᵢ)² / p

    References:
        Hastie, Montanari, Rosset, Tibshirani, Surprises in high-dimensional ridgeless least squares interpolation,
        2022, https://arxiv.org/abs/1903.08560, theorems 1 and 2

    Arguments:
        ratio: γ; of features that vary, not 1.
        signal: ‖β‖².
        noise: σ².
        eigenvalues: s of the covariance of the features `(p,)`, or of a law that they follow; all 1 where left out.
            Those that are 0 are of features that do not vary.
        weights: share of ‖β‖² along each eigenvector `(p,)`; the same where left out.

    Raises:
        DataError: a ratio that is not positive, or is 1, where the variance is infinite; eigenvalues that are all
            zero; other numbers below zero.

    Example:
        >>> ridgeless_risk(2.0, signal=1.0, noise=0.5)
        Expected(bias2=0.5, variance=0.5)
        >>> ridgeless_risk(0.5).excess
        1.0
    """
    _positive(ratio=ratio, strictly=True)
    _positive(signal=signal, noise=noise)
    s, w = _spectrum(eigenvalues, weights)
    # Features that do not vary are none.
    vary = s > 0
    ratio, s, w = ratio * float(vary.mean()), s[vary], w[vary]
    if ratio == 1:
        raise DataError("at a ratio of 1 the variance is infinite: give another")
    if ratio < 1:
        return Expected(0.0, noise * ratio / (1 - ratio))
    if eigenvalues is None:
        return Expected(signal * (1 - 1 / ratio), noise / (ratio - 1))

    def left(c: float) -> float:
        return float((1 / (1 + c * ratio * s)).mean()) - (1 - 1 / ratio)

    high = 1.0 / (ratio * s.mean())
    while left(high) > 0:
        high *= 2
    c = float(brentq(left, 0.0, high, xtol=1e-15 * high, rtol=1e-14))
    shrunk = (1 + c * ratio * s) ** 2
    share = ratio * c * float((s**2 / shrunk).mean() / (s / shrunk).mean())
    return Expected(signal * (1 + share) * float((w * s / shrunk).sum()), noise * share)


def ridge_risk(
    ratio: float,
    ridge: float,
    *,
    signal: float = 1.0,
    noise: float = 1.0,
    eigenvalues: npt.ArrayLike | None = None,
    weights: npt.ArrayLike | None = None,
) -> Expected:
    """Excess risk of β = (XᵀX/n + λ)⁻¹ Xᵀy/n, as n and p grow with p/n = γ.

    With κ the root of κ = λ + κ γ Σᵢ sᵢ/(sᵢ + κ) / p and D = γ Σᵢ sᵢ²/(sᵢ + κ)² / p:

        bias² = ‖β‖² κ² Σᵢ wᵢ sᵢ/(sᵢ + κ)² / (1 − D)      variance = σ² D/(1 − D)

    The best λ for isotropic features is γ σ²/‖β‖²; with it the risk falls in n, and double descent is gone.

    References:
        Dobriban, Wager, High-dimensional asymptotics of prediction: ridge regression and classification, 2018,
        https://arxiv.org/abs/1507.03003
        Nakkiran, Venkat, Kakade, Ma, Optimal regularization can mitigate double descent, 2021,
        https://arxiv.org/abs/2003.01897

    Arguments:
        ratio: γ.
        ridge: λ > 0, of squares that are means over the samples.
        signal, noise, eigenvalues, weights: as in `ridgeless_risk`.

    Raises:
        DataError: as in `ridgeless_risk`, or a ridge that is not positive.

    Example:
        >>> nearly, none = ridge_risk(2.0, 1e-9), ridgeless_risk(2.0)
        >>> round(nearly.bias2, 6), round(nearly.variance, 6), none
        (0.5, 1.0, Expected(bias2=0.5, variance=1.0))
    """
    _positive(ratio=ratio, ridge=ridge, strictly=True)
    _positive(signal=signal, noise=noise)
    s, w = _spectrum(eigenvalues, weights)

    def left(kappa: float) -> float:
        return kappa - ridge - kappa * ratio * float((s / (s + kappa)).mean())

    # κ is at most λ + γ s̄, and where that is λ to rounding, no more than λ.
    kappa = float(brentq(left, ridge, 2 * (ridge + ratio * float(s.mean())), xtol=1e-300, rtol=1e-14))
    d = ratio * float(((s / (s + kappa)) ** 2).mean())
    bias2 = signal * float((w * s * (kappa / (s + kappa)) ** 2).sum()) / (1 - d)
    return Expected(bias2, noise * d / (1 - d))


def weak_features_risk(size: int, n: int, p_max: int, *, signal: float = 1.0, noise: float = 1.0) -> float:
    """Exact mean risk of least squares on p of p_max isotropic Gaussian features that all matter the same.

        p ≤ n − 2: (r² (1 − p/p_max) + σ²) (1 + p/(n−p−1))
        p ≥ n + 2: r² p/p_max (1 − n/p) + (r² (1 − p/p_max) + σ²) (1 + n/(p−n−1))

    What is left out acts as noise; where there is any, the mean between n − 2 and n + 2 is infinite. Noise of a test
    target is included.

    References:
        Belkin, Hsu, Xu, Two models of double descent for weak features, 2020, https://arxiv.org/abs/1903.07571,
        theorem 1 and its corollary for a random choice of features

    Arguments:
        size: p.
        n: samples.
        p_max: features that there are.
        signal: r² = ‖β‖².
        noise: σ².

    Raises:
        DataError: sizes that are no whole numbers, p not from 0 to p_max; signal or noise below zero.

    Example:
        >>> weak_features_risk(10, 10, 100)
        inf
        >>> weak_features_risk(0, 10, 100)
        2.0
    """
    if not (is_count(n) and is_count(p_max) and is_count(size, 0) and size <= p_max):
        raise DataError(f"size is {size}, n {n} and p_max {p_max}: give whole numbers, size from 0 to p_max")
    _positive(signal=signal, noise=noise)
    kept, lost = signal * size / p_max, signal * (1 - size / p_max) + noise
    if size <= n - 2:
        return lost * (1 + size / (n - size - 1))
    if size >= n + 2:
        return kept * (1 - n / size) + lost * (1 + n / (size - n - 1))
    # Where nothing acts as noise, the fit is exact on what it sees.
    return np.inf if lost and size else lost + signal * max(size - n, 0) / p_max


def _positive(*, strictly: bool = False, **numbers: float) -> None:
    for name, value in numbers.items():
        if not (is_positive(value) if strictly else is_amount(value)):
            raise DataError(f"{name} is {value}: give a number {'above zero' if strictly else 'of zero or more'}")


def _spectrum(eigenvalues: npt.ArrayLike | None, weights: npt.ArrayLike | None) -> tuple[Doubles, Doubles]:
    s = np.ones(1) if eigenvalues is None else np.asarray(eigenvalues, dtype=np.float64).ravel()
    if not len(s) or not np.isfinite(s).all() or (s < 0).any() or not s.any():
        raise DataError("eigenvalues must be finite, zero or more, and not all zero")
    w = np.full(len(s), 1 / len(s)) if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    if len(w) != len(s) or not np.isfinite(w).all() or (w < 0).any() or not w.sum():
        raise DataError(f"give {len(s)} weights, one for each eigenvalue, zero or more")
    return s, w / w.sum()
