"""Directions of representations: of most spread, and of most spread for what there is among those that are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import eigh

from attar.data.dataset import Doubles, Floats
from attar.errors import DataError

# Principal axes among which others are chosen.
PRINCIPAL = 256
# A spread among those that are alike is rounding below this share of the spread of all.
_SAME = 1e-6
# Powers of two up to which float32 holds the square of a number, with room for sums of them, and the number and its
# reciprocal.
_SQUARED, _HELD = 30, 125
# Share of the mean distance of those that are alike that is added in all directions.
_RIDGE = 0.1


def principal(z: npt.ArrayLike, k: int) -> tuple[Floats | Doubles, Floats, Floats]:
    """Mean of representations `(n, dim)`, their widest principal axes `(dim, ≤ k)`, and coordinates on these.

    The mean is in the precision given: far from zero, float32 has no digits left for what differs. Axes are of length
    one, but of numbers so large or small that their squares would leave float32: there coordinates are in units of the
    largest, which is a power of two.

    Raises:
        DataError: float32 does not hold how much they differ.
    """
    z = np.asarray(z)
    mean = z.mean(0, dtype=np.float64).astype(np.float32 if z.dtype == np.float32 else np.float64)
    centred = z - mean
    power = int(np.frexp(max(centred.max(), -centred.min()))[1])
    if abs(power) > _HELD:
        raise DataError(f"samples differ by up to 2^{power}, which float32 does not hold: give them in another unit")
    unit = 2.0**power if abs(power) > _SQUARED else 1.0
    centred = np.ascontiguousarray(centred / unit, dtype=np.float32)
    axes = principal_axes(centred, k)
    return mean, axes / np.float32(unit), centred @ axes


def principal_axes(centred: Floats, k: int) -> Floats:
    """The widest `k` principal axes of centred representations `(n, dim)`, the widest first: `(dim, ≤ k)`."""
    n, dim = centred.shape
    # Axes of few samples are scaled to length one: in float32, what is rounding would become axes too, and askew.
    rows = centred.astype(np.float64).T if n <= dim else centred
    gram = rows.T @ rows
    size = len(gram)
    values, vectors = eigh(gram.astype(np.float64), subset_by_index=[max(0, size - k), size - 1])
    values, axes = values[::-1], np.asarray(vectors[:, ::-1])
    if n <= dim:
        kept = values > 1e-9 * max(values[0], 1e-300)
        kept[0] = True  # samples that are all the same have an axis too, on which all are 0
        axes = rows @ axes[:, kept]
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-300)
    return np.ascontiguousarray(axes, dtype=np.float32)


def local_axes(points: npt.NDArray[Any], within: Doubles, k: int) -> Doubles | None:
    """The `k` directions in which samples spread most for how much they do among those that are alike.

    .. math:: \\max_v \\frac{v^T T v}{v^T (W + \\epsilon \\bar w I) v}, \\quad T = \\frac1n \\sum_i x_i x_i^T

    with w̄ the mean of W's diagonal, and ε = 0.1. What differs among neighbours, or within a recording, is noise for
    most questions, however wide it is. On these axes W + ε w̄ I is the identity, and T is diagonal.

    References:
        He, Niyogi, Locality Preserving Projections, 2003,
        https://papers.nips.cc/paper/2359-locality-preserving-projections
        Bar-Hillel et al., Learning a Mahalanobis Metric from Equivalence Constraints, 2005,
        https://jmlr.org/papers/v6/bar-hillel05a.html (of groups)

    Arguments:
        points: x, centred `(n, d)`.
        within: W, of `among_neighbours` or `among_groups`.
        k: how many; at most d.

    Returns:
        V `(d, ≤ k)`, the best first; None where those that are alike are the same.
    """
    x = np.asarray(points, np.float64)
    mean, d = float(np.trace(within)) / len(within), len(within)
    if mean <= _SAME * float(x.var(0).mean()):
        return None
    within = within + _RIDGE * mean * np.eye(d)
    vectors: Doubles = eigh(x.T @ x / len(x), within, subset_by_index=[max(0, d - k), d - 1])[1][:, ::-1]
    return vectors


def among_neighbours(points: npt.NDArray[Any], neighbours: sparse.csr_matrix) -> Doubles:
    """W = 1 / (2 |E|) · Σ_{(i, j) ∈ E} (x_i − x_j)(x_i − x_j)ᵀ.

    Arguments:
        points: x `(n, d)`.
        neighbours: a symmetric graph `(n, n)`, whose entries other than 0 are E.
    """
    x = np.asarray(points, np.float64)
    edges = neighbours.astype(bool).astype(np.float64)
    degree = np.asarray(edges.sum(1))
    w: Doubles = ((x * degree).T @ x - x.T @ (edges @ x)) / max(edges.sum(), 1.0)
    return w


def among_groups(points: npt.NDArray[Any], together: npt.NDArray[np.integer]) -> Doubles:
    """W = 1 / n · Σ_i (x_i − m_i)(x_i − m_i)ᵀ, m_i the mean of the group of x_i.

    Arguments:
        points: x `(n, d)`.
        together: the number of each sample's group `(n,)`.
    """
    x = np.asarray(points, np.float64)
    groups, place, size = np.unique(together, return_inverse=True, return_counts=True)
    member = sparse.csr_matrix((np.ones(len(x)), (place, np.arange(len(x)))), shape=(len(groups), len(x)))
    apart = x - (member @ x / size[:, None])[place]
    w: Doubles = apart.T @ apart / len(x)
    return w
