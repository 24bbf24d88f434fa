"""How odd a sample is, six ways: each learns from samples that are thought normal."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from attar.density.base import AnyFloats

# Added to each variance, as a share of their mean: few samples make some directions look narrower than they are.
RIDGE = 1e-2
# The same for a component of a mixture, which rests on fewer samples.
MIXTURE_RIDGE = 3e-2
COMPONENTS, SAMPLES_EACH = 4, 20
EXPLAINED = 0.9
TREES = 100
# Most constant columns for each sample: with more, a new sample would too often differ in one of them by chance.
_CHANCE = 0.05
# Distances `(rows, m)` that are in memory at a time.
PIECE_VALUES = 1_000_000
# Two samples nearer than this share of their length are copies: differences of squares say no more in float64.
COPY = 1e-6


class Score(Protocol):
    """A number for each sample `(n, d)`, larger for odder ones."""

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n,)`."""


@dataclass(frozen=True)
class Mahalanobis:
    r"""Squared distance from the mean in units of the deviation, :math:`(x-\mu)^T (\Sigma + \rho I)^{-1} (x-\mu)`.

    References:
        On the generalised distance in statistics (Mahalanobis, 1936).
    """

    mean: AnyFloats
    whitening: AnyFloats

    @classmethod
    def learn(cls, x: AnyFloats) -> Self:
        """From samples `(n, d)`."""
        mean, variances, directions = principal(x)
        ridge = RIDGE * variances.mean() or 1.0
        return cls(mean, directions / np.sqrt(variances + ridge))

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n,)`."""
        distance: AnyFloats = np.square((x - self.mean) @ self.whitening).sum(1)
        return distance


@dataclass(frozen=True)
class MixtureScore:
    r"""Negative log-density of a mixture of normals, :math:`-\log \sum_k \pi_k N(x; \mu_k, \Sigma_k)`."""

    model: GaussianMixture

    @classmethod
    def learn(cls, x: AnyFloats, seed: int) -> Self:
        """From samples `(n, d)`."""
        components = max(1, min(COMPONENTS, len(x) // SAMPLES_EACH))
        # k-means finds fewer clusters than asked for among samples of which many are equal.
        components = min(components, len(np.unique(x, axis=0)))
        ridge = MIXTURE_RIDGE * x.var(axis=0).mean() or 1.0
        model = GaussianMixture(components, reg_covar=ridge, max_iter=30, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return cls(model.fit(x))

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n,)`."""
        density: AnyFloats = self.model.score_samples(x)
        return -density


@dataclass(frozen=True)
class Neighbours:
    """Mean distance to the k nearest of the samples learnt from; one copy of the sample itself is not its neighbour.

    References:
        Fast Outlier Detection in High Dimensional Spaces (Angiulli, Pizzuti, 2002).
    """

    samples: AnyFloats
    k: int

    @classmethod
    def learn(cls, x: AnyFloats, k: int) -> Self:
        """From samples `(n, d)`, at least two."""
        return cls(x, min(k, len(x) - 1))

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n,)`."""
        squares, doubled = np.square(self.samples).sum(1), -2 * self.samples.T
        rows = max(1, PIECE_VALUES // len(self.samples))
        mean = np.empty(len(x))
        for start in range(0, len(x), rows):
            piece = x[start : start + rows]
            own = np.square(piece).sum(1)[:, None]
            # Of one sample, distances are in the order of these: what is the same in all of them comes last.
            distances = piece @ doubled
            distances += squares
            distances.partition(self.k, axis=1)
            nearest = np.sort(np.maximum(distances[:, : self.k + 1] + own, 0), axis=1)
            nearest[nearest <= COPY**2 * own] = 0
            nearest = np.sqrt(nearest)
            copied = nearest[:, 0] == 0
            mean[start : start + rows] = np.where(copied, nearest[:, 1:].mean(1), nearest[:, :-1].mean(1))
        return mean


@dataclass(frozen=True)
class Residual:
    r"""Squared error of reconstruction from the principal components, :math:`\|x - \bar x - W^T W (x - \bar x)\|^2`."""

    mean: AnyFloats
    left_out: AnyFloats
    # Smaller errors are taken for this one: they are rounding, and their ranks would say nothing.
    least: float

    @classmethod
    def learn(cls, x: AnyFloats) -> Self:
        """From samples `(n, d)`; the components explain nine tenths of the variance, and at least one is left out."""
        mean, variances, directions = principal(x)
        order = np.argsort(-variances)
        explained = np.cumsum(variances[order])
        kept = int(np.searchsorted(explained, EXPLAINED * explained[-1])) + 1
        return cls(mean, directions[:, order[min(kept, len(order) - 1) :]], COPY**2 * float(explained[-1]))

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n,)`."""
        error: AnyFloats = np.square((x - self.mean) @ self.left_out).sum(1)
        return np.maximum(error, self.least)


@dataclass(frozen=True)
class Tails:
    r"""How far out each value is in its own column, :math:`-\sum_j \log \min(F_j(x_j), 1 - F_j(x_j))`, F from ranks.

    References:
        ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution Functions (Li, Zhao, Hu, Botta,
        Ionescu, Chen, 2022). https://arxiv.org/abs/2201.00382
    """

    ascending: AnyFloats

    @classmethod
    def learn(cls, x: AnyFloats) -> Self:
        """From samples `(n, d)`."""
        return cls(np.sort(x, axis=0))

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n,)`."""
        n, total = len(self.ascending), np.zeros(len(x))
        for known, column in zip(self.ascending.T, x.T, strict=True):
            up_to = np.searchsorted(known, column, side="right")
            from_it = n - np.searchsorted(known, column, side="left")
            total -= np.log((np.minimum(up_to, from_it) + 1) / (n + 1))
        return total


@dataclass(frozen=True)
class Isolation:
    """How few random cuts set a sample apart.

    None are needed where a sample differs in a column that was the same in all samples learnt from. Many such columns,
    as pixels at the border of images are, do not count: one of them differs in many a sample, which says little.

    References:
        Isolation Forest (Liu, Ting, Zhou, 2008). https://doi.org/10.1109/ICDM.2008.17
    """

    model: IsolationForest
    # The columns that no tree cuts, and their values.
    constant: npt.NDArray[np.bool_]
    values: AnyFloats

    @classmethod
    def learn(cls, x: AnyFloats, seed: int) -> Self:
        """From standardised samples `(n, d)`."""
        constant = np.ptp(x, axis=0) < 1
        constant &= constant.sum() < _CHANCE * len(x)
        return cls(IsolationForest(n_estimators=TREES, random_state=seed).fit(x), constant, x[0, constant])

    def __call__(self, x: AnyFloats) -> AnyFloats:
        """`(n,)`."""
        odd: AnyFloats = -self.model.score_samples(x)
        new = (np.abs(x[:, self.constant] - self.values) >= 1).any(axis=1)
        return np.where(new, 1.0, odd)


def principal(x: AnyFloats) -> tuple[AnyFloats, AnyFloats, AnyFloats]:
    """Mean `(d,)`, variances `(d,)` ascending, and the directions that have them, the columns of `(d, d)`."""
    mean = x.mean(axis=0)
    centred = x - mean
    variances, directions = np.linalg.eigh(centred.T @ centred / len(x))
    return mean, np.maximum(variances, 0), directions
