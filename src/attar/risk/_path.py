"""The minimum-norm least-squares solution for the first p columns of a matrix, for every p in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import lapack, qr, solve_triangular

Doubles = npt.NDArray[np.float64]

# Columns that are added at once: enough for matrix products to be fast, few enough for their own orthogonalisation to
# cost nothing beside them.
_BLOCK = 64
# Where X⁺ has become so much smaller, what rounding left of the larger one is computed anew.
_REBUILD = 0.01
# Of a column's length, what rounding may leave outside a span that it lies in: times the root of the matrix's size, or
# times the largest cancellation that a direction of the span came from.
_ROUNDING, _AMPLIFIED = 64 * np.finfo(float).eps, 8 * np.finfo(float).eps


@dataclass(frozen=True)
class Step:
    """What is known for p = `first` … `first + k − 1`.

    Arguments:
        first: the lowest p.
        start: predictions of the test samples `(n_test, m)`, before the step, or after it.
        changes: `(n_test, k)`; the i-th column times the i-th of the weights is what it adds to the predictions.
        weights: `(k, m)`.
        backwards: whether `start` is after the step. Where solutions shrink, small numbers must not be the difference
            of large ones.
        residual: squared norms of y − Xβ `(k, m)`.
        norm: squared norms of β `(k, m)`.
        rank: of the columns `(k,)`.
        inverse: squared Frobenius norms of X⁺ `(k,)`.
    """

    first: int
    start: Doubles
    changes: Doubles
    weights: Doubles
    backwards: bool
    residual: Doubles
    norm: Doubles
    rank: npt.NDArray[np.intp]
    inverse: Doubles

    def predictions(self, sizes: npt.NDArray[np.intp]) -> Iterator[tuple[int, Doubles]]:
        """Those of the sizes that are among its p, each with the predictions `(n_test, m)`, in any order."""
        k = len(self.weights)
        mine = sizes[(sizes >= self.first) & (sizes < self.first + k)] - self.first
        current, done = self.start, k if self.backwards else 0
        for i in reversed(mine) if self.backwards else mine:
            if self.backwards:
                current = current - self.changes[:, i + 1 : done] @ self.weights[i + 1 : done]
            else:
                current = current + self.changes[:, done : i + 1] @ self.weights[done : i + 1]
            done = i + 1
            yield int(i) + self.first, current


class Path:
    """X_p⁺ Y for p = 1, 2, …, by adding columns to a complete orthogonal decomposition.

        X_p = Q L Z₁ᵀ,   A = L⁻¹,   U = T_p Z₁,   V = A QᵀY,   T_p X_p⁺ Y = U V

    Q `(n, r)` spans the columns, Z₁ `(p, r)` (never formed) the rows. A column outside the span of those before adds a
    direction to both. One within it turns the row space: with M = A QᵀB, the null space of [L QᵀB] is that of [I M],
    which k Householder reflections map onto k coordinates. Applied to A, U and V they give those of all columns, since
    the minimum-norm solution is the projection of any solution onto the row space. So a block of k columns costs
    O(n (n + n_test) k), and a further right-hand side O((n + n_test) k). What is added within one block is nested:
    each p has its own solution. All steps are orthogonal or triangular, so predictions are those of a singular value
    decomposition to rounding times the condition number.

    References:
        Golub, Van Loan, Matrix Computations, 4th ed., 2013, sections 5.5.2 (complete orthogonal decomposition) and 6.5
        Björck, Numerical Methods for Least Squares Problems, 1996, section 1.2.5 (minimum-norm solutions),
        https://doi.org/10.1137/1.9781611971484

    Arguments:
        X: `(n, p_max)`.
        Y: right-hand sides `(n, m)`.
        T: the same columns of the test samples `(n_test, p_max)`.
    """

    def __init__(self, X: Doubles, Y: Doubles, T: Doubles) -> None:
        n, p_max = X.shape
        self._x, self._t, self._y = X, T, Y
        self._rank, most = 0, min(n, p_max)
        self._q = np.empty((n, most), order="F")
        # Above one another, so that one call turns them all: U, Vᵀ and Aᵀ, behind a block of free columns.
        self._state = np.zeros((len(T) + Y.shape[1] + most, _BLOCK + most), order="F")
        self._rows = len(T), len(T) + Y.shape[1]
        self._rest = Y.copy(order="F")
        self._predictions = np.zeros((len(T), Y.shape[1]))
        self._rounding, self._cancelled = _ROUNDING * max(X.shape) ** 0.5, 1.0
        self._largest = 0.0

    @property
    def _turning(self) -> Doubles:
        """U, Vᵀ and Aᵀ."""
        return self._state[:, _BLOCK : _BLOCK + self._rank]

    @property
    def _parts(self) -> tuple[Doubles, Doubles, Doubles]:
        """U `(n_test, r)`, Vᵀ `(m, r)`, Aᵀ `(r, r)`."""
        u, v, a = np.split(self._turning, self._rows)
        return u, v, a[: self._rank]

    def steps(self) -> Iterator[Step]:
        """Every p once, in ascending order."""
        n, p_max = self._x.shape
        p, full = 0, 0
        while p < p_max:
            left = n - self._rank
            # Beyond the threshold by one, two, four, …: the solution may shrink so fast that it must be computed anew.
            stop = min(p + min(_BLOCK, left or max(p - full, 1)), p_max)
            yield from self._added(p, stop)
            if left and self._rank == n:
                full = stop
            p = stop

    def _added(self, p: int, stop: int) -> Iterator[Step]:
        """The columns p … stop − 1, in runs that lie either all outside the span or all within it."""
        while p < stop:
            block, q = self._x[:, p:stop], self._q[:, : self._rank]
            if self._rank == len(self._x):
                k = stop - p
                yield self._turned(p, block)
            else:
                inside = q.T @ block
                outside = block - q @ inside
                # Twice is enough (Parlett): once leaves what rounding made of the part inside.
                again = q.T @ outside
                inside, outside = inside + again, outside - q @ again
                directions, lengths = qr(outside, mode="economic")
                new = self._outside(block, lengths)
                k = 1 if not new[0] else stop - p if new.all() else int(np.argmin(new))
                if new[0]:
                    yield self._grown(p, inside[:, :k], directions[:, :k], lengths[:k, :k])
                else:
                    yield self._turned(p, inside[:, :k])
            p += k

    def _outside(self, block: Doubles, lengths: Doubles) -> npt.NDArray[np.bool_]:
        """Which columns of a block lie outside the span of all before, by more than rounding."""
        left, whole = np.abs(np.diag(lengths)), np.linalg.norm(block, axis=0)
        cancelled = np.maximum.accumulate(np.append(self._cancelled, whole / np.maximum(left, np.finfo(float).tiny)))
        outside: npt.NDArray[np.bool_] = left > whole * np.maximum(self._rounding, _AMPLIFIED * cancelled[:-1])
        return outside

    def _grown(self, p: int, inside: Doubles, directions: Doubles, lengths: Doubles) -> Step:
        """Columns outside the span: B = Q · inside + directions · lengths."""
        r, k = inside.shape
        u, v, a = self._parts
        unit = solve_triangular(lengths, np.eye(k))
        # The new columns of A: what a unit of each direction in y adds to the solution.
        columns = np.concatenate([-(a.T @ inside) @ unit, unit])
        test = self._t[:, p : p + k]
        changes = u @ columns[:r] + test @ unit
        weights = directions.T @ self._rest
        self._rest -= directions @ weights
        squares = weights * weights
        # From the end backwards: sums of squares cancel nothing.
        residual = (self._rest * self._rest).sum(0) + np.cumsum(squares[::-1], 0)[::-1] - squares
        solution = np.concatenate([v, np.zeros((v.shape[0], k))], axis=1)
        norm = np.empty_like(weights)
        for i in range(k):
            solution += np.outer(weights[i], columns[:, i])
            norm[i] = (solution * solution).sum(1)
        inverse = float((a * a).sum()) + np.cumsum((columns * columns).sum(0))
        before, self._predictions = self._predictions, self._predictions + changes @ weights
        self._q[:, r : r + k] = directions
        self._rank += k
        whole = np.linalg.norm(self._x[:, p : p + k], axis=0)
        self._cancelled = max(self._cancelled, float((whole / np.abs(np.diag(lengths))).max()))
        u, v, a = self._parts
        u[:, r:], v[:], a[r:] = test, solution, columns.T
        self._largest = max(self._largest, float(inverse[-1]) ** 0.5)
        if self._rank == len(self._x):
            # From here on every column lies within: in the coordinates of the samples themselves, Q is the identity.
            a[:] = self._q @ a
            self._q[:] = np.eye(self._rank)
        return Step(p + 1, before, changes, weights, False, residual, norm, r + 1 + np.arange(k), inverse)

    def _turned(self, p: int, inside: Doubles) -> Step:
        """Columns within the span: B = Q · inside."""
        r, k = inside.shape
        _, _, a = self._parts
        null = np.asfortranarray(np.concatenate([np.eye(k), -(a.T @ inside)]))
        reflections, tau, _, _ = lapack.dgeqrf(null, overwrite_a=True)
        free = self._state[:, _BLOCK - k : _BLOCK]
        free[:] = 0
        free[: len(self._t)] = self._t[:, p : p + k]
        both = self._state[:, _BLOCK - k : _BLOCK + r]
        turned, _, _ = lapack.dormqr("R", "N", reflections, tau, both, _BLOCK * len(both), overwrite_c=True)
        if not np.may_share_memory(turned, both):
            both[:] = turned
        changes, weights, gone = np.split(free, self._rows)
        changes, weights = -changes, weights.T.copy()
        squares, lost = weights * weights, (gone * gone).sum(0)
        self._refresh(p + k)
        u, v, a = self._parts
        self._predictions = u @ v.T
        norm = (v * v).sum(1) + np.cumsum(squares[::-1], 0)[::-1] - squares
        inverse = float((a * a).sum()) + np.cumsum(lost[::-1])[::-1] - lost
        residual = np.broadcast_to((self._rest * self._rest).sum(0), weights.shape)
        return Step(p + 1, self._predictions, changes, weights, True, residual, norm, np.full(k, r), inverse)

    def _refresh(self, p: int) -> None:
        """Compute anew what has become much smaller than what it was computed from."""
        u, v, a = self._parts
        inverse = float(np.linalg.norm(a))
        if inverse < _REBUILD * self._largest:
            q = self._q[:, : self._rank]
            rows, triangle = qr((q.T @ self._x[:, :p]).T, mode="economic")
            a[:] = solve_triangular(triangle, np.eye(len(triangle)))
            u[:] = self._t[:, :p] @ rows
            v[:] = (a.T @ (q.T @ self._y)).T
            self._largest = 0.0
        self._largest = max(self._largest, inverse)
