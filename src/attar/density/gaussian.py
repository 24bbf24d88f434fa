"""The multivariate normal density."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.covariance import ledoit_wolf_shrinkage, oas

from attar._settings import is_amount
from attar.data.dataset import Doubles
from attar.density.base import FLOOR, Density
from attar.errors import DataError

SHRINKAGES = ("ledoit-wolf", "oas")


class Gaussian(Density):
    r"""A normal distribution with full covariance, shrunk where samples are few.

    .. math:: \log p(x) = -\tfrac12 \left( d \log 2\pi + \log |\Sigma| + (x - \mu)^T \Sigma^{-1} (x - \mu) \right),
        \qquad \Sigma = (1 - \rho) S + \rho \, \tfrac{\mathrm{tr} S}{d} I

    S is the covariance of standardised columns, and no variance in any direction is below 1e-8 of a column's: with
    columns that are constant or copies of each other, or more columns than samples, p(x) is still defined.

    References:
        Ledoit and Wolf, A Well-Conditioned Estimator for Large-Dimensional Covariance Matrices, 2004,
        https://doi.org/10.1016/S0047-259X(03)00096-4
        Chen et al., Shrinkage Algorithms for MMSE Covariance Estimation, 2010, https://arxiv.org/abs/0907.4698

    Arguments:
        shrinkage: ρ, from 0 to 1; or how it is chosen: "ledoit-wolf", for samples of any distribution, or "oas", for
            normal ones; None: 0.

    Attributes:
        covariance_: Σ in raw units `(d, d)`.
        shrinkage_: ρ.
        center_, scale_: mean and standard deviation of each column.

    Example:
        >>> X = np.random.default_rng(0).standard_normal((1000, 1))
        >>> gaussian = Gaussian(shrinkage=None).fit(X)
        >>> s = X.std()
        >>> np.allclose(gaussian.score_samples(X[:1]), -0.5 * (np.log(2 * np.pi * s**2) + ((X[0] - X.mean()) / s) ** 2))
        True
    """

    def __init__(self, shrinkage: float | str | None = "ledoit-wolf") -> None:
        self.shrinkage = shrinkage

    def _fit(self, u: Doubles) -> None:
        given = self.shrinkage
        if given is not None and given not in SHRINKAGES and not (is_amount(given) and float(given) <= 1):
            raise DataError(
                "Gaussian needs shrinkage to be 'ledoit-wolf', 'oas', None or a number from 0 to 1; "
                f"got shrinkage={given!r}"
            )
        d = u.shape[1]
        correlation = u.T @ u / len(u)
        self.shrinkage_ = self._share(u) if d > 1 and correlation.any() else 0.0
        target = np.trace(correlation) / d * np.eye(d)
        correlation = (1 - self.shrinkage_) * correlation + self.shrinkage_ * target
        self._factor, self._log_det = factor(correlation)
        raw = self.scale_[:, None] * self._factor
        self.covariance_: Doubles = raw @ raw.T

    def _share(self, u: Doubles) -> float:
        if self.shrinkage == "ledoit-wolf":
            return float(ledoit_wolf_shrinkage(u, assume_centered=True))
        if self.shrinkage == "oas":
            return float(oas(u, assume_centered=True)[1])
        return float(self.shrinkage or 0)

    def _score(self, u: Doubles) -> Doubles:
        return log_normal(whitened(u, self._factor)) - self._log_det

    def _sample(self, n: int, random: np.random.RandomState) -> Doubles:
        drawn: Doubles = random.standard_normal((n, len(self._factor))) @ self._factor.T
        return drawn


def factor(covariance: Doubles) -> tuple[Doubles, float]:
    """Lower triangular A with A Aᵀ = Σ, whose variances are at least the floor, and log |A|."""
    variances, directions = np.linalg.eigh(covariance)
    root = directions * np.sqrt(np.maximum(variances, FLOOR))
    lower: Doubles = np.linalg.qr(root.T)[1].T
    lower = lower * np.where(np.diag(lower) < 0, -1.0, 1.0)
    return lower, float(np.log(np.diag(lower)).sum())


def whitened(u: Doubles, lower: Doubles) -> Doubles:
    """A⁻¹ u of each row."""
    solved: Doubles = solve_triangular(lower, u.T, lower=True).T
    return solved


def log_normal(u: Doubles) -> Doubles:
    """log N(u; 0, I) of each row."""
    log_p: Doubles = -0.5 * (np.square(u).sum(axis=1) + u.shape[1] * np.log(2 * np.pi))
    return log_p
