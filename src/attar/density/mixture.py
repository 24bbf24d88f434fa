"""Mixtures of normal densities."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from copy import copy

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.utils import check_random_state

from attar._settings import check_counts
from attar.data.dataset import Doubles
from attar.density.base import Density, RandomState
from attar.density.gaussian import Gaussian
from attar.errors import DataError

COVARIANCES = ("full", "tied", "diag")
# Least variance of a component against that of a column.
_FLOOR = 1e-6
_ITERATIONS = 100
# Above so many components their number changes the criterion little, and each fit takes long.
_COUNTABLE = 16


class Mixture(Density):
    r"""Normal distributions with weights, as many as the Bayesian information criterion finds.

    .. math:: p(x) = \sum_k \pi_k N(x; \mu_k, \Sigma_k), \qquad
        \mathrm{BIC} = -2 \sum_i \log p(x_i) + \log(n) \cdot \text{parameters}

    Fitted by expectation maximisation from a k-means clustering. The number of components is doubled until the
    criterion has risen twice; where the best is at most 16, the numbers around it are tried too, in steps that are
    halved. Where one of them would have hardly more samples than directions to spread in, fewer are taken: around a
    single odd sample the likelihood has no bound, and with it the criterion. Where one component alone would, as with
    d + 1 samples at most, its covariance is shrunk.

    References:
        Schwarz, Estimating the Dimension of a Model, 1978, https://doi.org/10.1214/aos/1176344136
        Fraley and Raftery, Model-Based Clustering, Discriminant Analysis, and Density Estimation, 2002,
        https://doi.org/10.1198/016214502760047131

    Arguments:
        n_components: how many; None: that of the best BIC, up to `max_components`.
        max_components: most that are tried.
        covariance: "full"; "diag", without correlations within a component; "tied", the same in all; "bic": the best
            of the three.
        random_state: seed of the clustering.

    Attributes:
        n_components_: how many were chosen.
        covariance_: "full", "diag" or "tied".
        bic_: by covariance and number of components, all that were tried; infinite where a component has too few
            samples.
        weights_: π `(n_components_,)`.
        means_: μ `(n_components_, d)`, in raw units.
        covariances_: Σ in raw units: `(n_components_, d, d)`; "diag": variances `(n_components_, d)`; "tied": `(d, d)`.

    Example:
        >>> random = np.random.default_rng(0)
        >>> X = np.concatenate([random.normal(0, 1, (200, 2)), random.normal(9, 1, (100, 2))])
        >>> mixture = Mixture(random_state=0).fit(X)
        >>> mixture.n_components_, mixture.weights_.round(2).tolist()
        (2, [0.67, 0.33])
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        max_components: int = 64,
        covariance: str = "full",
        random_state: RandomState = None,
    ) -> None:
        self.n_components = n_components
        self.max_components = max_components
        self.covariance = covariance
        self.random_state = random_state

    def _fit(self, u: Doubles) -> None:
        self._check_parameters(len(u))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        kinds = COVARIANCES if self.covariance == "bic" else (self.covariance,)
        self.bic_: dict[str, dict[int, float]] = {}
        models = [self._best_of(kind, u, seed) for kind in kinds]
        model = min(models, key=lambda m: self.bic_[m.covariance_type][m.n_components])
        self._model = model
        self.covariance_ = str(model.covariance_type)
        self.n_components_ = int(model.n_components)
        self.weights_: Doubles = model.weights_
        self.means_: Doubles = self.center_ + self.scale_ * model.means_
        units = self.scale_**2 if self.covariance_ == "diag" else np.outer(self.scale_, self.scale_)
        self.covariances_: Doubles = units * model.covariances_

    def _best_of(self, kind: str, u: Doubles, seed: int) -> GaussianMixture:
        """The mixture with one form of covariance and the best number of components."""
        self.bic_[kind] = tried = {}
        models: dict[int, GaussianMixture] = {}

        def best_with(k: int) -> int:
            models[k] = model = _fitted(u, k, kind, seed)
            # In raw units.
            bic = float(model.bic(u)) + 2 * len(u) * float(np.log(self.scale_).sum())
            tried[k] = bic if _bounded(model, *u.shape) else np.inf
            best = min(tried, key=lambda one: (tried[one], one))
            for other in models.keys() - {best}:
                del models[other]
            return best

        best, most = 1, self.n_components or min(self.max_components, len(u) // 2)
        for k in _doubled(self.n_components or 1, most):
            best = best_with(k)
            if k > 2 * best:
                break
        step = best // 2 if self.n_components is None and best <= _COUNTABLE else 0
        while step:
            for k in (best - step, best + step):
                if k not in tried and k <= most:
                    best = best_with(k)
            step //= 2
        return models[best]

    def _score(self, u: Doubles) -> Doubles:
        log_p: Doubles = self._model.score_samples(u)
        return log_p

    def _sample(self, n: int, random: np.random.RandomState) -> Doubles:
        return drawn(self._model, n, random)

    def _check_parameters(self, n: int) -> None:
        check_counts(self, "max_components")
        if self.n_components is not None:
            check_counts(self, "n_components")
            if self.n_components > n:
                raise DataError(f"Mixture of {self.n_components} components needs as many samples; got n_samples = {n}")
        if self.covariance not in (*COVARIANCES, "bic"):
            names = ", ".join((*COVARIANCES, "bic"))
            raise DataError(f"Mixture needs covariance to be one of {names}; got covariance={self.covariance!r}")


def drawn(model: GaussianMixture | BayesianGaussianMixture, n: int, random: np.random.RandomState) -> Doubles:
    """Samples of a mixture of scikit-learn, which is seeded by a setting, and returns them component by component."""
    # Of a copy: what is fitted stays as it is, for whoever samples beside.
    rows: Doubles = copy(model).set_params(random_state=random).sample(n)[0]
    return rows[random.permutation(n)]


def _bounded(model: GaussianMixture, n: int, d: int) -> bool:
    """Whether each component has more samples than directions to spread in; with one covariance, all of them together.

    Otherwise a component may lie around its samples as narrowly as one likes: the likelihood has no bound, and no
    criterion can weigh parameters against it.
    """
    if model.covariance_type == "tied":
        return n > d + int(model.n_components)
    return bool(n * model.weights_.min() > {"full": d + 1, "diag": 2}[model.covariance_type])


def _doubled(first: int, most: int) -> Iterator[int]:
    while first <= most:
        yield first
        first *= 2


def _fitted(u: Doubles, k: int, kind: str, seed: int) -> GaussianMixture:
    model = GaussianMixture(k, covariance_type=kind, reg_covar=_FLOOR, max_iter=_ITERATIONS, random_state=seed)
    with warnings.catch_warnings():
        # Fewer distinct samples than components, and a likelihood that still rises by a little: the criterion judges.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(u)
    if k == 1 and kind != "diag" and not _bounded(model, *u.shape):
        # What is left when no samples are to spare: the one normal density that can still be told, as `Gaussian` does.
        covariance = Gaussian("oas").fit(u).covariance_
        precisions = np.linalg.inv(np.linalg.cholesky(covariance)).T
        shape = model.covariances_.shape
        model.covariances_, model.precisions_cholesky_ = covariance.reshape(shape), precisions.reshape(shape)
    return model
