"""Labels spread over the neighbour graph of a representation, from few samples to all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from attar._fitted import unchanged_on_failure
from attar._settings import check_counts, is_positive
from attar.adapt.axes import PRINCIPAL, among_neighbours, local_axes, principal
from attar.adapt.calibration import sharpened, sharpness
from attar.adapt.labels import known_classes
from attar.adapt.prior import frequencies
from attar.adapt.validate import Indices, cross_validate
from attar.data.dataset import UNLABELLED, Doubles, Floats, Ints
from attar.data.held import plain
from attar.errors import DataError
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    from torch import nn

# A neighbour's weight falls to almost nothing as it becomes no nearer than the last one, so that answers do not jump
# where samples change places in the ranking. This is left of it, so that neighbours that are all equally near count.
NEARER = 1e-4
# Entries of the similarity matrix at a time.
_BLOCK = 2**24
# Cosines that differ by less are equal in float32, and so are unit vectors that agree in so many digits.
_SAME, _DIGITS = 1e-6, 4
# From so many samples on, neighbours choose the subspace: among fewer they are too far apart to be of one class.
# And the most samples that it is chosen on.
_MANY, _ENOUGH = 1000, 8192
# Columns that are spread at once: more of them would not stay in the cache.
_COLUMNS = 32
# Values, samples times columns, in which labellings are spread at once.
_SPREAD = 2**25
# Folds of the labels that the sharpness is chosen on.
_FOLDS = 5
# Iteration ends where α^k is below this: what is left changes no label.
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Frame:
    """A subspace in which representations are compared by their direction.

    Arguments:
        mean: of the representations `(dim,)`.
        axes: of the subspace `(dim, k)`.
    """

    mean: Floats | Doubles
    axes: Floats

    @classmethod
    def learn(cls, z: npt.ArrayLike, max_axes: int = 64) -> Frame:
        """The subspace of representations `(n, dim)`; a few thousand of them suffice."""
        return cls.among(*principal(z, PRINCIPAL), max_axes)

    @classmethod
    def among(cls, mean: Floats | Doubles, axes: Floats, points: npt.NDArray[Any], max_axes: int = 64) -> Frame:
        """The subspace within principal axes `(dim, k)` on which representations have coordinates `(n, k)`.

        It is that of the widest axes; of a thousand samples and more, that in which neighbours among these lie closest
        together (`local_axes`).
        """
        widest = cls(mean, np.ascontiguousarray(axes[:, :max_axes]))
        if len(points) < _MANY:
            return widest
        points = points[:: -(-len(points) // _ENOUGH)]
        near = np.asarray(points[:, :max_axes], np.float32)
        found = local_axes(points, among_neighbours(points, neighbour_graph(_unit(near)).weights), max_axes)
        return widest if found is None else cls(mean, np.ascontiguousarray(axes @ found, dtype=np.float32))

    def coordinates(self, z: npt.ArrayLike) -> Floats:
        """Representations `(n, dim)` on the axes `(n, k)`."""
        return np.asarray((np.asarray(z) - self.mean).astype(np.float32) @ self.axes, np.float32)

    def place(self, z: npt.ArrayLike) -> Floats:
        """Unit vectors `(n, k)` of representations `(n, dim)`."""
        return _unit(self.coordinates(z))


@dataclass(frozen=True)
class Graph:
    """Samples and their nearest neighbours by cosine.

    Arguments:
        points: unit vectors `(n, k)`.
        weights: symmetrically normalised affinities D^(−1/2) W D^(−1/2) `(n, n)`.
        scale: σ in w = exp((cos − 1) / σ), the median distance to the last neighbour that is no duplicate.
        copies: a number `(n,)`, the same for duplicates.
    """

    points: Floats
    weights: sparse.csr_matrix
    scale: float
    copies: npt.NDArray[np.intp]


def neighbour_graph(points: Floats, n_neighbors: int = 10) -> Graph:
    """The graph of unit vectors `(n, k)`: each sample and its `n_neighbors` most similar.

    Example:
        >>> z = np.random.default_rng(0).standard_normal((50, 8))
        >>> graph = neighbour_graph(Frame.learn(z).place(z), n_neighbors=5)
        >>> bool(abs(graph.weights - graph.weights.T).max() < 1e-12)
        True
    """
    n = len(points)
    k = min(n_neighbors, n - 1)
    similarity, index = _nearest(points, points, k, skip_self=True)
    # A sample with so many duplicates does not say how far apart neighbours are.
    apart = 1 - similarity[:, -1]
    apart = apart[apart > _SAME]
    scale = float(np.median(apart)) if len(apart) else 1.0
    rows = np.repeat(np.arange(n), k)
    w = sparse.csr_matrix((np.exp((similarity.ravel() - 1.0) / scale), (rows, index.ravel())), shape=(n, n))
    w = w.maximum(w.T)
    degree = np.asarray(w.sum(1)).ravel()
    inverse = sparse.diags(1 / np.sqrt(np.maximum(degree, 1e-12)))
    copies = np.unique(np.round(points, _DIGITS), axis=0, return_inverse=True)[1]
    return Graph(points, (inverse @ w @ inverse).tocsr(), scale, copies.reshape(-1))


def spread(weights: sparse.csr_matrix, seeds: Doubles, alpha: float) -> Doubles:
    """F = (1 − α) (I − α S)⁻¹ Y by iteration: F ← α S F + (1 − α) Y.

    Each column of `seeds` is spread on its own, so many label sets can be spread at once. It is in single precision,
    which takes half the time and loses nothing: all terms are positive.

    Arguments:
        weights: S, symmetrically normalised `(n, n)`.
        seeds: Y, `(n, m)`.
        alpha: share of its neighbours in what a sample becomes, in (0, 1).

    Returns:
        F, `(n, m)`.

    References:
        Zhou et al., Learning with Local and Global Consistency, 2004, eq. 4,
        https://papers.nips.cc/paper/2506-learning-with-local-and-global-consistency
    """
    single, found = weights.astype(np.float32), np.empty(seeds.shape)
    for begin in range(0, seeds.shape[1], _COLUMNS):
        some = slice(begin, begin + _COLUMNS)
        f = seeds[:, some].astype(np.float32)
        given = np.float32(1 - alpha) * f
        for _ in range(int(np.ceil(np.log(_TOLERANCE) / np.log(alpha)))):
            f = single @ f
            f *= np.float32(alpha)
            f += given
        found[:, some] = f
    return found


def label_distributions(spread_seeds: Doubles, mass: Doubles) -> Doubles:
    """Class probabilities `(n, n_classes)` from spread seeds, each class given its mass `(n_classes,)` in all.

    A sample that no label reaches is of each class with the probability of its mass.

    References:
        Zhu, Ghahramani, Lafferty, Semi-supervised learning using Gaussian fields, 2003, section 4 (class mass
        normalisation), https://mlg.eng.cam.ac.uk/zoubin/papers/zgl.pdf
    """
    f: Doubles = spread_seeds / np.maximum(spread_seeds.sum(0), 1e-300) * (mass / mass.mean())
    total = f.sum(1, keepdims=True)
    p: Doubles = np.tile(mass / mass.sum(), (len(f), 1))
    np.divide(f, total, out=p, where=total > 1e-12 / len(f))
    return p


def propagated(
    weights: sparse.csr_matrix, labels: Sequence[Ints], masses: Sequence[Doubles], alpha: float
) -> Iterator[Doubles]:
    """Class probabilities `(n, n_classes)` of all samples by each of several labellings.

    Arguments:
        weights: S as in `spread`.
        labels: codes `(n,)`, -1 where unlabelled.
        masses: of the classes `(n_classes,)`, for each labelling.
        alpha: as in `spread`.
    """
    if not labels:
        return
    n_classes = len(masses[0])
    at_once = max(1, _SPREAD // (weights.shape[0] * n_classes))
    for begin in range(0, len(labels), at_once):
        some = labels[begin : begin + at_once]
        seeds = np.concatenate([y[:, None] == np.arange(n_classes) for y in some], axis=1).astype(np.float64)
        for f, mass in zip(np.split(spread(weights, seeds, alpha), len(some), axis=1), masses[begin:]):
            yield label_distributions(f, mass)


class LabelPropagation(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Semi-supervised classifier: labels spread over the neighbour graph of all samples.

    Each class has the mass of its `attar.adapt.prior.frequencies`. A new sample takes the mean of its neighbours'
    distributions, weighted by the same affinity and by how much nearer each is than the first neighbour that is not
    asked, at the temperature that makes labels likely that were held out.

    References:
        Zhou et al., Learning with Local and Global Consistency, 2004,
        https://papers.nips.cc/paper/2506-learning-with-local-and-global-consistency

    Arguments:
        n_neighbors: of each sample.
        alpha: how far labels travel, in (0, 1).

    Attributes:
        classes_: labels, sorted, without -1.
        label_distributions_: class probabilities of all samples `(n, n_classes)`, the same for duplicates, before
            they are `sharpened`.
        sharpness_: t.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> known = np.where(np.arange(len(y)) < 100, y, -1)
        >>> LabelPropagation().fit(X, known).score(X[100:], y[100:]) > 0.85
        True
    """

    def __init__(self, n_neighbors: int = 10, alpha: float = 0.95) -> None:
        self.n_neighbors = n_neighbors
        self.alpha = alpha

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike) -> Self:
        """Spread the labels.

        Arguments:
            X: representations `(n, dim)` of labelled and unlabelled samples.
            y: integer labels `(n,)`, -1 where unlabelled.

        Raises:
            LabelError: labels are no whole numbers, or those known are of fewer than two classes.
            DataError: a setting is out of its range.
        """
        check_counts(self, "n_neighbors")
        if not is_positive(self.alpha) or self.alpha >= 1:
            raise DataError(f"LabelPropagation needs alpha to be between 0 and 1; got alpha={self.alpha!r}")
        with unchanged_on_failure(self):
            z, labels = validate_data(self, plain(X), plain(y), dtype=[np.float64, np.float32], ensure_min_samples=2)
            frame = Frame.learn(z)
            return self.fit_graph(frame, neighbour_graph(frame.place(z), self.n_neighbors), labels)

    def fit_graph(
        self,
        frame: Frame,
        graph: Graph,
        y: npt.NDArray[np.integer],
        *,
        mass: Doubles | None = None,
        sharpness: float | None = None,
    ) -> Self:
        """Spread labels over a graph that is already there.

        Arguments:
            frame: of the representations.
            graph: of all samples.
            y: labels `(n,)`, -1 where unlabelled.
            mass: of each class; None: as frequent as it is among the labels.
            sharpness: t; None: by five folds of the labels.
        """
        self.frame_, self.graph_ = frame, graph
        self.n_features_in_ = len(frame.mean)
        self.classes_ = known_classes(y)
        codes = np.where(y == UNLABELLED, UNLABELLED, np.searchsorted(self.classes_, y))
        mass = self._mass(codes) if mass is None else mass
        self.sharpness_ = self._sharpness(graph, codes) if sharpness is None else sharpness
        (spread_out,) = propagated(graph.weights, [codes], [mass], self.alpha)
        # Rounding decides which of many duplicates is a neighbour of a sample: they all give the mean of them.
        total = [np.bincount(graph.copies, of_class) for of_class in spread_out.T]
        self.label_distributions_ = (np.stack(total, 1) / np.bincount(graph.copies)[:, None])[graph.copies]
        return self

    def _mass(self, codes: Ints) -> Doubles:
        return frequencies(np.bincount(codes[codes != UNLABELLED], minlength=len(self.classes_)))

    def _sharpness(self, graph: Graph, codes: Ints) -> float:
        known = np.flatnonzero(codes != UNLABELLED)

        def answer(parts: list[Indices]) -> list[Doubles]:
            labels = [np.where(np.isin(np.arange(len(codes)), known[part]), codes, UNLABELLED) for part in parts]
            return [p[known] for p in propagated(graph.weights, labels, [*map(self._mass, labels)], self.alpha)]

        (held_out,) = cross_validate(answer, codes[known], folds=_FOLDS, repeats=1, seed=0)
        return sharpness(held_out, codes[known])

    def predict_proba(self, X: npt.ArrayLike) -> Doubles:
        """Probability of each class `(n, n_classes)` for any samples, seen or not."""
        check_is_fitted(self)
        z = validate_data(self, plain(X), dtype=[np.float64, np.float32], reset=False)
        return self.answer(self.frame_.place(z))

    def answer(self, points: Floats) -> Doubles:
        """Probability of each class for samples that are placed in the frame already `(n, k)`."""
        k = min(self.n_neighbors + 1, len(self.graph_.points))
        similarity, index = _nearest(points, self.graph_.points, k)
        weights = np.exp((similarity - similarity[:, :1]) / self.graph_.scale)
        weights *= similarity - similarity[:, -1:] + NEARER
        # A sparse product, for the distributions of all neighbours would take k times the memory.
        ends = np.arange(0, index.size + 1, k)
        p: Doubles = (
            sparse.csr_matrix((weights.ravel(), index.ravel(), ends), (len(index), len(self.graph_.points)))
            @ self.label_distributions_
        )
        return sharpened(p / p.sum(1, keepdims=True), self.sharpness_)

    def predict(self, X: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The most probable label of each sample `(n,)`."""
        best = self.predict_proba(X).argmax(1)
        labels: npt.NDArray[np.int64] = self.classes_[best]
        return labels

    @usual_defaults()
    def to_module(self) -> nn.Module:
        """The classifier with its memory of samples, from `(n, dim)` to logits `(n, n_classes)`."""
        from attar.adapt.heads import NeighbourHead

        check_is_fitted(self)
        frame, graph = self.frame_, self.graph_
        return NeighbourHead(
            frame.mean,
            frame.axes,
            graph.points,
            self.label_distributions_,
            graph.scale,
            self.n_neighbors + 1,
            NEARER,
            self.sharpness_,
        )


def _unit(points: Floats) -> Floats:
    return np.asarray(points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12), np.float32)


def _nearest(
    queries: Floats, points: Floats, k: int, *, skip_self: bool = False
) -> tuple[Doubles, npt.NDArray[np.intp]]:
    """Cosine and index of the `k` most similar points of each query, the most similar first."""
    similarity = np.empty((len(queries), k))
    index = np.empty((len(queries), k), dtype=np.intp)
    rows = max(1, _BLOCK // len(points))
    for start in range(0, len(queries), rows):
        s = queries[start : start + rows] @ points.T
        if skip_self:
            s[np.arange(len(s)), np.arange(start, start + len(s))] = -np.inf
        near = np.argpartition(s, -k, axis=1)[:, -k:] if k < s.shape[1] else np.tile(np.arange(k), (len(s), 1))
        order = np.argsort(-np.take_along_axis(s, near, 1), axis=1, kind="stable")
        index[start : start + rows] = np.take_along_axis(near, order, 1)
        similarity[start : start + rows] = np.take_along_axis(s, index[start : start + rows], 1)
    return similarity, index
