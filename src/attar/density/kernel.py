"""Kernel density estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from sklearn.utils import check_random_state

from attar._settings import is_positive
from attar.data.dataset import Doubles
from attar.density.base import BLOCK, Density, RandomState
from attar.density.gaussian import factor, log_normal, whitened
from attar.errors import DataError

RULES = ("likelihood", "silverman")
# Samples whose likelihood under others chooses the bandwidth.
_JUDGES = 512
# Bandwidths are looked for between these multiples of Silverman's; samples that occur twice would take it to 0.
_RANGE = (0.05, 3.0)
# Least bandwidth by whose square the largest distance there can be is divided without an overflow.
_NARROWEST = 1e-80


class Kernel(Density):
    r"""A normal kernel, of the shape of the samples' covariance, at each sample.

    .. math:: p(x) = \frac{1}{n} \sum_i N(x; x_i, h^2 \Sigma)

    Silverman's rule is best where samples are normal: h = (4 / (n (d + 2)))^{1 / (d + 4)}. The likelihood of samples
    under the kernels of all others (leave-one-out) makes no such assumption. Of more than 16,384 samples it is that of
    so many drawn at random, and what it is against Silverman's is kept: both fall with n at the same rate.

    References:
        Silverman, Density Estimation for Statistics and Data Analysis, 1986, sections 3.4 and 4.3,
        https://doi.org/10.1201/9781315140919
        Habbema, Hermans and van den Broek, A Stepwise Discriminant Analysis Program Using Density Estimation, 1974

    Arguments:
        bandwidth: h; or how it is chosen: "likelihood" or "silverman".
        random_state: chooses the samples that choose the bandwidth.

    Attributes:
        bandwidth_: h.
        samples_: what was learnt from, whitened `(n, d)`.

    Example:
        >>> random = np.random.default_rng(0)
        >>> X = random.choice([-5.0, 5.0], (400, 1)) + random.normal(0, 1, (400, 1))
        >>> kernel, silverman = Kernel(random_state=0).fit(X), Kernel("silverman").fit(X)
        >>> kernel.bandwidth_ < silverman.bandwidth_, kernel.score(X) > silverman.score(X)
        (True, True)
    """

    def __init__(self, bandwidth: float | str = "likelihood", *, random_state: RandomState = None) -> None:
        self.bandwidth = bandwidth
        self.random_state = random_state

    def _fit(self, u: Doubles) -> None:
        h: Any = self.bandwidth
        if h not in RULES if isinstance(h, str) else not (is_positive(h) and h >= _NARROWEST):
            suited = f"a finite number from {_NARROWEST}, or one of {', '.join(map(repr, RULES))}"
            raise DataError(f"Kernel needs bandwidth to be {suited}; got bandwidth={h!r}")
        n, d = u.shape
        self._factor, self._log_det = factor(u.T @ u / n)
        self.samples_ = whitened(u, self._factor)
        if isinstance(h, str):
            self.bandwidth_ = _silverman(n, d) * (1.0 if h == "silverman" else self._likeliest())
        else:
            self.bandwidth_ = float(h)

    def _likeliest(self) -> float:
        """The bandwidth of the largest leave-one-out likelihood, as a multiple of Silverman's."""
        n, d = self.samples_.shape
        some = self.samples_[check_random_state(self.random_state).permutation(n)[: BLOCK // _JUDGES]]
        squares = cdist(some[:_JUDGES], some, "sqeuclidean")
        np.fill_diagonal(squares, np.inf)
        usual = _silverman(len(some), d)

        def loss(log_share: float) -> float:
            h = usual * np.exp(log_share)
            return float(d * log_share - logsumexp(squares / (-2 * h * h), axis=1).mean())

        bounds = tuple(np.log(_RANGE))
        return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 0.01}).x))

    def _score(self, u: Doubles) -> Doubles:
        n, d = self.samples_.shape
        x, h = whitened(u, self._factor), self.bandwidth_
        log_p = np.empty(len(x))
        block = max(1, BLOCK // n)
        for start in range(0, len(x), block):
            squares = cdist(x[start : start + block], self.samples_, "sqeuclidean")
            log_p[start : start + block] = logsumexp(squares / (-2 * h * h), axis=1)
        constant = np.log(n) + d * np.log(h) + self._log_det - log_normal(np.zeros((1, d)))[0]
        return np.asarray(log_p - constant, dtype=np.float64)

    def _sample(self, n: int, random: np.random.RandomState) -> Doubles:
        chosen = self.samples_[random.randint(len(self.samples_), size=n)]
        moved = chosen + self.bandwidth_ * random.standard_normal(chosen.shape)
        drawn: Doubles = moved @ self._factor.T
        return drawn


def _silverman(n: int, d: int) -> float:
    """The bandwidth that is best where samples are normal."""
    return float((4 / (n * (d + 2))) ** (1 / (d + 4)))
