"""A map of samples in the plane, on which neighbours stay neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import sparse

from attar.data.dataset import Floats, Ints

if TYPE_CHECKING:
    from attar.training.progress import Progress


# Samples whose neighbours are looked for at once.
_CHUNK = 2048
# Halvings of the interval that σ is known to lie in.
_HALVINGS = 48
# Random others that each edge pushes away, parts of an epoch between which places are updated, longest step.
_OTHERS, _PARTS, _STEP = 5, 8, 4.0
# Where the map begins: within ±10 of its middle.
_REACH = 10.0
_LEAST = float(np.finfo(np.float32).tiny)


def nearest(z: Floats, k: int, progress: Progress) -> tuple[Floats, Ints]:
    """The k nearest others of each sample, by comparison with all of them.

    Arguments:
        z: `(n, d)`.
        k: at most n − 1.
        progress: where the samples are reported.

    Returns:
        Euclidean distances `(n, k)`, ascending, and indices `(n, k)`.

    Example:
        >>> from attar.training.progress import Silent
        >>> nearest(np.array([[0.0], [1.0], [3.0]], dtype=np.float32), 1, Silent())[1]
        array([[1],
               [0],
               [1]])
    """
    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(z)
    distance, index = np.empty((len(z), k), dtype=np.float32), np.empty((len(z), k), dtype=np.int64)
    with progress.task("neighbours", len(z)) as task:
        for start in range(0, len(z), _CHUNK):
            far, who = search.kneighbors(z[start : start + _CHUNK])
            itself = who == np.arange(start, start + len(who))[:, None]
            # Among equals, a sample need not be its own nearest, nor among the nearest at all.
            itself[~itself.any(axis=1), -1] = True
            distance[start : start + len(who)] = far[~itself].reshape(len(who), k)
            index[start : start + len(who)] = who[~itself].reshape(len(who), k)
            task.advance(len(who))
    return distance, index


def memberships(distance: Floats) -> npt.NDArray[np.float64]:
    """How much each neighbour belongs to a sample's neighbourhood, as a share of what the nearest does.

    w_ij = exp(−(r_ij − r_i1) / σᵢ),  Σⱼ w_ij = log₂ k

    Arguments:
        distance: to the k nearest others, ascending, `(n, k)`.

    Returns:
        Shares in [0, 1], `(n, k)`, 1 for the nearest.
    """
    beyond = distance.astype(np.float64) - distance[:, :1]
    wanted = np.log2(distance.shape[1])
    low, high = np.zeros(len(distance)), np.full(len(distance), np.inf)
    sigma = np.maximum(beyond.mean(axis=1), _LEAST)
    for _ in range(_HALVINGS):
        wide = np.exp(-beyond / sigma[:, None]).sum(axis=1) > wanted
        high, low = np.where(wide, sigma, high), np.where(wide, low, sigma)
        # Where all are equally far, no σ is small enough: it only must not become 0.
        sigma = np.where(np.isinf(high), 2 * sigma, np.maximum((low + high) / 2, _LEAST))
    shares: npt.NDArray[np.float64] = np.exp(-beyond / sigma[:, None])
    return shares


def umap(
    distance: Floats, index: Ints, start: Floats, epochs: int, rng: np.random.Generator, progress: Progress
) -> Floats:
    """Places in the plane, such that who is close there is who is a neighbour.

    With w = a + aᵀ − a ∘ aᵀ, a the `memberships`, and q(d) = 1 / (1 + d²), the cross-entropy

    − Σ_ij w_ij ln q(‖yᵢ − yⱼ‖) + (1 − w_ij) ln(1 − q(‖yᵢ − yⱼ‖))

    is made smaller by stochastic gradient descent. In each epoch an edge is taken with probability w_ij / max w, its
    ends are drawn together, and one of them is pushed away from five random samples. Many edges are worked on at
    once, so that arrays do what elsewhere needs compiled loops, and a seed gives one result.

    References:
        McInnes, Healy and Melville, UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction,
        2018, https://arxiv.org/abs/1802.03426
        Böhm, Berens and Kobak, Attraction-Repulsion Spectrum in Neighbor Embeddings, 2022 (on q without further
        parameters), https://arxiv.org/abs/2007.08902

    Arguments:
        distance: from each sample to its k nearest others, `(n, k)`.
        index: which these are, `(n, k)`.
        start: where each sample begins, `(n, 2)`, such as its two largest principal components: they decide how far
            groups lie from each other on the map.
        epochs: passes over the edges.
        rng: of everything random.
        progress: where the epochs are reported.

    Returns:
        Places `(n, 2)`.
    """
    n, k = distance.shape
    a = sparse.csr_matrix((memberships(distance).ravel(), index.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    w = (a + a.T - a.multiply(a.T)).tocoo()
    # An edge that would be taken less than once is left out.
    kept = w.data >= w.data.max() / epochs
    head, tail, often = w.row[kept], w.col[kept], (w.data[kept] / w.data.max()).astype(np.float32)
    centred = start - start.mean(axis=0)
    y: Floats = (centred * (_REACH / max(float(np.abs(centred).max()), _REACH * _LEAST))).astype(np.float32)
    with progress.task("map", epochs) as task:
        for epoch in range(epochs):
            taken = np.flatnonzero(rng.random(len(often), dtype=np.float32) < often)
            rng.shuffle(taken)
            for part in np.array_split(taken, _PARTS):
                _step(y, head[part], tail[part], 1 - epoch / epochs, rng)
            task.advance()
    return y


def _step(y: Floats, head: Ints, tail: Ints, rate: float, rng: np.random.Generator) -> None:
    """One step of gradient descent on some edges, in place."""
    n = len(y)
    gap = y[head] - y[tail]
    pull = np.clip(gap * (-2 / (1 + np.einsum("ij,ij->i", gap, gap)))[:, None], -_STEP, _STEP)
    away = y[head][:, None] - y[rng.integers(0, n, (len(head), _OTHERS), dtype=np.int32)]
    square = np.einsum("ijk,ijk->ij", away, away)
    push = np.clip(away * (2 / ((1e-3 + square) * (1 + square)))[..., None], -_STEP, _STEP).sum(axis=1)
    for axis in (0, 1):
        moved = np.bincount(head, pull[:, axis] + push[:, axis], n) - np.bincount(tail, pull[:, axis], n)
        y[:, axis] += rate * moved
