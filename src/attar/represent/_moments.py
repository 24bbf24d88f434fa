"""Mean and scatter of samples that come in parts, merged exactly in any order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.linalg
from scipy.linalg.blas import dsyr, dsyrk

from attar.represent._parts import FloatArray, parts
from attar.represent._threads import each, one_thread_each

Floats64 = npt.NDArray[np.float64]

# Rows that are summed in the precision of the samples before their sums are added in float64.
SUMMED = 64
# Rows from which the variance of a part is estimated.
SAMPLED = 256
# Multiplications below which starting threads takes longer than they save.
WORTH_THREADS = 1e8
# Features up to which the threads of an eigensolver only wait for each other.
SMALL = 1024
# A few eigenvalues are one of so many at most; one below this share of the largest is blurred by products.
FEW, BLURRED = 4, 1e-6


def column_means(X: FloatArray) -> Floats64:
    """Means of the columns, as precise as float64 sums at the speed of the samples' own type."""
    whole = len(X) - len(X) % SUMMED
    groups = X[:whole].reshape(-1, SUMMED, X.shape[1]).sum(axis=1)
    sums: Floats64 = groups.sum(axis=0, dtype=np.float64) + X[whole:].sum(axis=0, dtype=np.float64)
    return sums / len(X)


class Moments(ABC):
    """Number of samples, their mean, and their scatter Σ (x − mean)(x − mean)ᵀ in a form that subclasses choose.

    Two parts of n and m samples whose means differ by δ have together the sum of their scatters, and one row more,

    .. math:: S = S_n + S_m + \\frac{nm}{n + m} \\delta \\delta^T

    in which nothing is subtracted: a large mean costs no precision, however the samples were split.

    Attributes:
        epsilon: of the least precise samples.

    References:
        Algorithms for Computing the Sample Variance (Chan, Golub, LeVeque, 1983).
    """

    def __init__(self, dim: int) -> None:
        self.count = 0
        self.epsilon = float(np.finfo(np.float64).eps)
        # The mean is near + rest: one number has no digits left for deviations that are far smaller than itself.
        self._near: Floats64 = np.zeros(dim)
        self._rest: Floats64 = np.zeros(dim)

    @property
    def mean(self) -> Floats64:
        """Mean `(dim,)`."""
        return self._near + self._rest

    def update(self, X: FloatArray) -> Self:
        """Add samples `(n, dim)`; of values too large to sum, the mean or the scatter are then not finite."""
        with np.errstate(invalid="ignore", over="ignore"):
            self._see(X)
        return self

    def merge(self, other: Moments) -> Self:
        """Add the samples that `other` has seen."""
        if other.count:
            with np.errstate(invalid="ignore", over="ignore"):
                self._add(other)
                self._row(self._join(other.count, other._near, other._rest))
        return self

    @property
    def is_finite(self) -> bool:
        """Whether all variances are."""
        with np.errstate(invalid="ignore", over="ignore"):
            return bool(np.isfinite(self.diagonal().sum()))

    @abstractmethod
    def _see(self, X: FloatArray) -> None:
        """Add samples `(n, dim)`."""

    def _join(self, count: int, near: Floats64, rest: Floats64) -> Floats64:
        """Take in the mean near + rest of `count` samples; the row that the scatter gains by it."""
        if not self.count:
            self._near = near
        total = self.count + count
        delta = (near - self._near) + (rest - self._rest)
        row: Floats64 = delta * np.sqrt(self.count / total * count)
        self._rest = self._rest + delta * (count / total)
        self.count = total
        return row

    @abstractmethod
    def _add(self, other: Moments) -> None:
        """Add the scatter of `other` around its own mean."""

    @abstractmethod
    def _row(self, row: Floats64) -> None:
        """Add row rowᵀ to the scatter."""

    @abstractmethod
    def packed(self) -> Floats64:
        """All of it as one vector, for another process; `unpacked` is the way back."""

    def _pack(self, epsilon: float, body: Floats64) -> Floats64:
        return np.concatenate([[self.count, len(self._near), epsilon], self._near, self._rest, body])

    @abstractmethod
    def diagonal(self) -> Floats64:
        """Diagonal of the scatter `(dim,)`."""

    @abstractmethod
    def spectrum(self, k: int) -> tuple[Floats64, Floats64]:
        """The k largest eigenvalues of the scatter `(k,)`, descending, and their eigenvectors `(k, dim)`."""

    @property
    @abstractmethod
    def resolution(self) -> float:
        """Smallest eigenvalue, relative to the largest, that is told from rounding."""


class Scatter(Moments):
    """The scatter as a matrix: fast, but eigenvalues below ε of the largest are lost to rounding."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self._lower: Floats64 = np.zeros((dim, dim), order="F")

    def _see(self, X: FloatArray) -> None:
        self.epsilon = max(self.epsilon, float(np.finfo(X.dtype).eps))
        apply = each if X.size * len(self._near) > WORTH_THREADS else map
        means, rows = [], []
        for count, shift, mean, product in apply(_product, parts(X)):
            self._lower += product.T
            means.append(np.sqrt(count) * mean)
            rows.append(self._join(count, shift, mean))
        # Once for all parts: each time, all of the matrix would pass through memory.
        for sign, vectors in ((-1.0, means), (1.0, rows)):
            if vectors:
                self._lower = dsyrk(sign, np.stack(vectors, 1), beta=1.0, c=self._lower, lower=1, overwrite_c=1)

    def _add(self, other: Moments) -> None:
        if isinstance(other, Scatter):
            self._lower += other._lower
            self.epsilon = max(self.epsilon, other.epsilon)
        elif isinstance(other, Root):
            self._lower += other.rows.T @ other.rows

    def _row(self, row: Floats64) -> None:
        self._lower = dsyr(1.0, row, lower=1, a=self._lower, overwrite_a=1)

    def packed(self) -> Floats64:
        return self._pack(self.epsilon, self._lower.ravel(order="F"))

    def diagonal(self) -> Floats64:
        return self._lower.diagonal().copy()

    def spectrum(self, k: int) -> tuple[Floats64, Floats64]:
        d = len(self._near)
        # Above a third of the spectrum divide and conquer on the whole of it is faster.
        subset = {"subset_by_index": [d - k, d - 1]} if 3 * k < d else {"driver": "evd"}
        with one_thread_each() if d <= SMALL else nullcontext():
            values, vectors = scipy.linalg.eigh(self._lower, lower=True, check_finite=False, **subset)
        return np.maximum(values[::-1][:k], 0), vectors.T[::-1][:k]

    @property
    def resolution(self) -> float:
        return len(self._near) * self.epsilon


def _product(X: FloatArray) -> tuple[int, Floats64, Floats64, FloatArray]:
    """Number of samples, a shift, the mean after it, and XᵀX of the shifted samples in their own precision."""
    mean = column_means(X)
    if mean @ mean <= float(X[:: len(X) // SAMPLED + 1].var(axis=0).sum()):
        return len(X), np.zeros_like(mean), mean, X.T @ X
    # In the product of uncentred samples, the square of a larger mean would leave the variance no digits. What
    # rounding leaves of the mean counts too: of a large offset it may exceed the standard deviation.
    near = mean.astype(X.dtype)
    X = X - near
    return len(X), near.astype(np.float64), column_means(X), X.T @ X


class Root(Moments):
    """The scatter as rows with RᵀR = S, kept few by QR: as precise as a singular value decomposition of the samples.

    Forming a product squares the condition number, so that a direction with 1e-5 of the largest standard deviation
    is known to 1e-6 only; rows keep it to 1e-11, at two to four times the arithmetic.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self._parts: list[Floats64] = []

    def _see(self, X: FloatArray) -> None:
        for part in parts(X):
            shift = column_means(part)
            x = part - shift
            rest = column_means(x)
            x -= rest
            self._parts.append(x)
            self._row(self._join(len(x), shift, rest))

    def _add(self, other: Moments) -> None:
        if isinstance(other, Root):
            self._parts.extend(other._parts)
        elif isinstance(other, Scatter):
            values, vectors = other.spectrum(len(other.mean))
            self._parts.append(np.sqrt(values)[:, None] * vectors)

    def _row(self, row: Floats64) -> None:
        self._parts.append(row[None])
        if sum(map(len, self._parts)) > 2 * len(self._near):
            self._compress()

    def _compress(self) -> None:
        rows = np.concatenate(self._parts) if self._parts else np.zeros((0, len(self._near)))
        self._parts = [np.asarray(np.linalg.qr(rows, mode="r")) if len(rows) > len(self._near) else rows]

    @property
    def rows(self) -> Floats64:
        """R `(at most dim, dim)`."""
        self._compress()
        return self._parts[0]

    def packed(self) -> Floats64:
        return self._pack(0.0, self.rows.ravel())

    def diagonal(self) -> Floats64:
        squares: Floats64 = np.einsum("ij,ij->j", self.rows, self.rows)
        return squares

    def spectrum(self, k: int) -> tuple[Floats64, Floats64]:
        _, values, vectors = scipy.linalg.svd(self.rows, full_matrices=False, check_finite=False)
        return values[:k] ** 2, vectors[:k]

    @property
    def resolution(self) -> float:
        return float((len(self._near) * np.finfo(np.float64).eps) ** 2)


class Wide(Root):
    """Rows of fewer samples than features, whose products with each other say where a few eigenvectors lie.

    The eigenvectors u of R Rᵀ span with Rᵀ u the subspace, in which a singular value decomposition is small. It errs by
    less than 1e-9, unless an eigenvalue is among those asked for that the products blur: then all of R is decomposed.
    """

    def spectrum(self, k: int) -> tuple[Floats64, Floats64]:
        rows = self.rows
        n = len(rows)
        if FEW * k > n:
            return super().spectrum(k)
        with one_thread_each() if n <= SMALL else nullcontext():
            _, left = scipy.linalg.eigh(
                rows @ rows.T, lower=True, check_finite=False, overwrite_a=True, subset_by_index=[n - k, n - 1]
            )
        basis = np.linalg.qr(rows.T @ left)[0]
        _, values, vectors = scipy.linalg.svd(rows @ basis, full_matrices=False, check_finite=False)
        relative = (values / max(values[0], np.finfo(np.float64).tiny)) ** 2
        if ((relative > self.resolution) & (relative < BLURRED)).any():
            return super().spectrum(k)
        return values**2, vectors @ basis.T


def unpacked(vector: Floats64) -> Moments:
    """The moments that `Moments.packed` made a vector of."""
    (count, d, epsilon), means, body = vector[:3], vector[3 : 3 + 2 * int(vector[1])], vector[3 + 2 * int(vector[1]) :]
    moments: Scatter | Root
    if epsilon > 0:
        moments = Scatter(int(d))
        moments.epsilon = float(epsilon)
        moments._lower = body.reshape(int(d), int(d), order="F")
    else:
        moments = Root(int(d))
        moments._parts = [body.reshape(-1, int(d))]
    moments.count = int(count)
    moments._near, moments._rest = np.split(means, 2)
    return moments


def over_processes(own: Moments) -> Moments:
    """The moments of the samples of all processes, in each the same to the bit."""
    import torch

    from attar.training.processes import from_each

    vectors = from_each(torch.from_numpy(own.packed()))
    merged = unpacked(next(vectors).numpy())
    for vector in vectors:
        merged.merge(unpacked(vector.numpy()))
    return merged
