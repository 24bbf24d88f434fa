"""How many principal components to keep."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import gammaln
from sklearn.utils import check_random_state

from attar.errors import DataError
from attar.represent._moments import Floats64

DRAWS = 20
QUANTILE = 0.95


def how_many(
    n_components: Any,
    variances: Floats64,
    feature_variances: Floats64,
    n: int,
    random_state: int | np.random.RandomState | None,
) -> int:
    """How many components are kept of those that were found, by `n_components` of `PCA`.

    Arguments:
        n_components: a number, a fraction below 1, "mle", "parallel" or None.
        variances: of the components that were found, descending.
        feature_variances: of all features `(d,)`.
        n: samples.
        random_state: seed of "parallel".

    Raises:
        DataError: "mle" of fewer samples than features.
    """
    if n_components == "mle":
        d = len(feature_variances)
        if n < d:
            raise DataError(f'PCA(n_components="mle") needs at least as many samples as features; got {n} of {d}')
        return by_minka(variances, n)
    if n_components == "parallel":
        return by_parallel_analysis(variances, feature_variances, n, check_random_state(random_state))
    if n_components is None or isinstance(n_components, Integral):
        return len(variances)
    return by_explained_variance(variances, float(n_components))


def by_explained_variance(variances: Floats64, fraction: float) -> int:
    """The fewest components whose variances exceed a fraction of the total."""
    total = variances.sum()
    if total == 0:
        return 1
    return min(int(np.searchsorted(np.cumsum(variances) / total, fraction, side="right")) + 1, len(variances))


def by_parallel_analysis(
    variances: Floats64, feature_variances: Floats64, n: int, generator: np.random.RandomState
) -> int:
    """Components whose variance exceeds what independent features of the same variances give by chance; at least 1.

    Each draw is a scatter of n normal samples, made by Bartlett's decomposition without making the samples, so that
    its cost does not depend on n. A component counts while it and those before it exceed the 95 % quantile.

    References:
        A rationale and test for the number of factors in factor analysis (Horn, 1965).
        On the theory of statistical regression (Bartlett, 1933).
    """
    if n < 2:
        return 1
    d = len(feature_variances)
    free = n - 1
    # Rounding may leave less than nothing of the variance of a feature that hardly varies.
    scale = np.sqrt(np.maximum(feature_variances, 0.0) / free)
    draws = np.empty((DRAWS, min(free, len(variances))))
    for draw in draws:
        root = generator.standard_normal((min(free, d), d))
        if free >= d:
            root = np.tril(root, -1)
            root[np.diag_indices(d)] = np.sqrt(generator.chisquare(free - np.arange(d)))
            # S = D L Lᵀ D, whose rows are features, where the other branch has samples as rows.
            root = root.T
        draw[:] = np.linalg.svd(root * scale, compute_uv=False)[: len(draw)] ** 2
    above = variances[: draws.shape[1]] > np.quantile(draws, QUANTILE, axis=0)
    return max(1, len(above) if above.all() else int(np.argmin(above)))


def by_minka(variances: Floats64, n: int) -> int:
    """The number of components of largest evidence in probabilistic PCA, by Laplace's approximation.

    References:
        Automatic choice of dimensionality for PCA (Minka, 2000), equation 30.
        https://vismod.media.mit.edu/tech-reports/TR-514.pdf
    """
    d = len(variances)
    # Directions without variance have no density: they are beyond any number that could be chosen.
    floor = variances[0] * d * np.finfo(np.float64).eps
    kept = variances[: min(int(np.sum(variances > floor)), d - 1)]
    if not len(kept):
        return 1
    k = np.arange(1, len(kept) + 1)
    noise = np.maximum(np.cumsum(variances[::-1])[::-1][k] / (d - k), floor)
    # Sums over pairs of a direction and a smaller one, for each k: those of the smaller ones that are noise are alike.
    # Equal variances leave the direction between them free; rounding decides how free.
    gaps = np.triu(np.log(np.maximum(kept[:, None] - variances, floor)), 1).sum(axis=1)
    least = floor / kept**2
    within = np.triu(np.log(np.maximum(1 / kept - 1 / kept[:, None], least[:, None])), 1).sum(axis=0)
    beyond = np.tril(np.log(np.maximum(1 / noise[:, None] - 1 / kept, least))).sum(axis=1)
    dimension = d * k - k * (k + 1) / 2
    log_determinant = np.cumsum(gaps + within) + (d - k) * beyond + dimension * np.log(n)
    log_uniform = np.cumsum(gammaln((d - k + 1) / 2) - np.log(np.pi) * (d - k + 1) / 2) - k * np.log(2)
    evidence = (
        log_uniform
        - n / 2 * np.cumsum(np.log(kept))
        - n * (d - k) / 2 * np.log(noise)
        + (dimension + k) / 2 * np.log(2 * np.pi)
        - log_determinant / 2
        - k / 2 * np.log(n)
    )
    return int(np.argmax(evidence)) + 1
