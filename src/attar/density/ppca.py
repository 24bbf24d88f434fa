"""Probabilistic principal components."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from attar._settings import is_count
from attar.data.dataset import Doubles
from attar.density.base import FLOOR, Density
from attar.density.gaussian import log_normal
from attar.errors import DataError


class ProbabilisticPCA(Density):
    r"""A normal distribution with q directions of their own variance and the same noise in all others.

    .. math:: x = \mu + W z + \epsilon, \quad z \sim N(0, I_q), \; \epsilon \sim N(0, \sigma^2 I)
        \quad\Rightarrow\quad p(x) = N(x; \mu, W W^T + \sigma^2 I)

    The maximum of the likelihood in closed form: W = U (Λ − σ² I)^{1/2}, with U and Λ the first q principal directions
    and variances, and σ² the mean of the other variances.

    References:
        Tipping and Bishop, Probabilistic Principal Component Analysis, 1999, https://doi.org/10.1111/1467-9868.00196

    Arguments:
        n_components: q, below the number of columns, and with two samples more than that, as n samples lie in n − 1
            directions, beyond which the likelihood has no bound; None: that of the best BIC, with two samples or more
            for each direction.

    Attributes:
        n_components_: q.
        components_: Uᵀ `(q, d)`.
        explained_variance_: diagonal of Λ `(q,)`, in raw units.
        noise_variance_: σ², in raw units.

    Example:
        >>> random = np.random.default_rng(0)
        >>> X = random.standard_normal((500, 2)) @ random.standard_normal((2, 6)) + random.normal(0, 0.1, (500, 6))
        >>> ppca = ProbabilisticPCA().fit(X)
        >>> ppca.n_components_, round(float(ppca.noise_variance_), 2)
        (2, 0.01)
    """

    _one_scale: ClassVar[bool] = True

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def _fit(self, u: Doubles) -> None:
        n, d = u.shape
        k: Any = self.n_components
        if k is not None and not (is_count(k, 0) and k < d):
            raise DataError(
                f"ProbabilisticPCA needs n_components to be None, or from 0 to less than n_features = {d}; "
                f"got n_components={k!r}"
            )
        if k is not None and k > n - 2:
            raise DataError(
                f"ProbabilisticPCA of {k} components needs at least {k + 2} samples, as their likelihood has no bound "
                f"otherwise; got n_samples = {n}: take fewer components, or None"
            )
        _, singular, directions = np.linalg.svd(u, full_matrices=False)
        variances = np.zeros(d)
        variances[: len(singular)] = np.square(singular) / n
        q = _by_bic(variances, n) if k is None else int(k)
        self._noise = max(float(variances[q:].mean()), FLOOR)
        self._variances = np.maximum(variances[:q], self._noise)
        self.n_components_ = q
        self.components_: Doubles = directions[:q]
        self.explained_variance_: Doubles = self._variances * self.scale_[0] ** 2
        self.noise_variance_ = self._noise * float(self.scale_[0]) ** 2

    def _score(self, u: Doubles) -> Doubles:
        inside = u @ self.components_.T
        outside = u - inside @ self.components_
        rest = u.shape[1] - self.n_components_
        along = log_normal(inside / np.sqrt(self._variances)) - 0.5 * np.log(self._variances).sum()
        across = -0.5 * (np.square(outside).sum(axis=1) / self._noise + rest * np.log(2 * np.pi * self._noise))
        log_p: Doubles = along + across
        return log_p

    def _sample(self, n: int, random: np.random.RandomState) -> Doubles:
        z = random.standard_normal((n, self.n_components_)) * np.sqrt(self._variances - self._noise)
        noise = random.standard_normal((n, self.n_features_in_)) * np.sqrt(self._noise)
        u: Doubles = z @ self.components_ + noise
        return u


def _by_bic(variances: Doubles, n: int) -> int:
    """The q of least −2 log-likelihood + log(n) · parameters, up to n / 2: near n it falls without end."""
    d = len(variances)
    q = np.arange(min((n - 1) // 2, d - 1) + 1)
    floored = np.maximum(variances, FLOOR)
    first = np.concatenate([[0.0], np.cumsum(np.log(floored))])[q]
    rest = np.maximum((variances.sum() - np.concatenate([[0.0], np.cumsum(variances)])[q]) / (d - q), FLOOR)
    deviance = n * (first + (d - q) * np.log(rest) + d * np.log(2 * np.pi) + d)
    parameters = d * q - q * (q - 1) / 2 + 1 + d
    return int(np.argmin(deviance + np.log(n) * parameters))
