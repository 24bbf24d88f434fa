"""The minimum-norm least-squares solution for the first p columns of a matrix, for every p in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular

from attar.data.dataset import Doubles

# Columns that are added at once: enough for matrix products to be fast, few enough for their own orthogonalisation to
# cost nothing beside them.
_BLOCK = 64
# Rows that are turned at once: what is written in between stays in the cache.
_ROWS = 256
# Largest ‖A QᵀB‖² of a block within the span: the root of it is how much smaller X⁺ may become at once.
_SHRINKS = 400.0
# Where X⁺ has become so much smaller, all is computed anew: of the larger one, rounding would be left.
_REBUILD = 0.1
# Of a column's length, what rounding may leave outside a span that it lies in, times the root of the matrix's size; and
# a share outside so small that rounding may have been amplified to it.
_ROUNDING, _SUSPICIOUS = 64 * np.finfo(float).eps, 1e-6


@dataclass(frozen=True)
class Step:
    """What is known for p = `first` … `first + k − 1`.

    Arguments:
        first: the lowest p.
        before, after: predictions of the test samples `(n_test, m)`.
        changes: `(n_test, k)`; the i-th column times the i-th of the weights is what it adds to the predictions.
        weights: `(k, m)`.
        residual: squared norms of y − Xβ `(k, m)`.
        norm: squared norms of β `(k, m)`.
        rank: of the columns `(k,)`.
        inverse: squared Frobenius norms of X⁺ `(k,)`.
    """

    first: int
    before: Doubles
    after: Doubles
    changes: Doubles
    weights: Doubles
    residual: Doubles
    norm: Doubles
    rank: npt.NDArray[np.intp]
    inverse: Doubles

    def predictions(self, sizes: npt.NDArray[np.intp]) -> Iterator[tuple[int, Doubles]]:
        """Those of the sizes that are among its p, each with the predictions `(n_test, m)`, in any order."""
        k = len(self.weights)
        mine = sizes[(sizes >= self.first) & (sizes < self.first + k)] - self.first
        # From the smaller end: small numbers must not be the difference of large ones.
        backwards = np.linalg.norm(self.after) < np.linalg.norm(self.before)
        current, done = (self.after, k) if backwards else (self.before, 0)
        for i in reversed(mine) if backwards else mine:
            if backwards:
                current = current - self.changes[:, i + 1 : done] @ self.weights[i + 1 : done]
            else:
                current = current + self.changes[:, done : i + 1] @ self.weights[done : i + 1]
            done = i + 1
            yield int(i) + self.first, current


class Path:
    """X_p⁺ Y for p = 1, 2, …, by adding columns to a complete orthogonal decomposition.

        X_p = Q L Z₁ᵀ,   A = L⁻¹,   U = T_p Z₁,   V = A QᵀY,   T_p X_p⁺ Y = U V

    Q `(n, r)` spans the columns, Z₁ `(p, r)` (never formed) the rows. A column outside the span of those before adds a
    direction to both. Columns B within it turn the row space: with M = A QᵀB, that of [L QᵀB] has the orthonormal basis
    Z = [I M]ᵀ (I + M Mᵀ)^−½. The minimum-norm solution is the projection of any solution onto it, so A and V become
    Zᵀ [A 0]ᵀ and Zᵀ [V 0]ᵀ, and U becomes [U T_B] Z. What that takes off a solution lies in the null space, spanned by
    [−M; I] = N C, C = chol(I + MᵀM), of which the first columns belong to the first columns of B: each p within a block
    has its own solution. A block of k columns costs O(n (n + n_test) k), a further right-hand side O((n + n_test) k).
    Blocks are so short that I + MᵀM is well conditioned: predictions are those of a singular value decomposition, to
    rounding times the condition number of X_p.

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
        self._q = np.empty((n, most))
        # Above one another, so that all are turned together: U, Vᵀ and Aᵀ.
        self._state = np.zeros((len(T) + Y.shape[1] + most, most))
        self._rows = len(T), len(T) + Y.shape[1]
        self._rest = Y.copy()
        self._predictions = np.zeros((len(T), Y.shape[1]))
        # Of the columns that added a direction: X = Q R, and their lengths.
        self._r, self._lengths = np.zeros((most, most)), np.zeros(most)
        self._rounding = _ROUNDING * max(X.shape) ** 0.5
        self._largest = 0.0
        # The p at which the columns first span all samples; None: they do not, or not yet.
        self.threshold: float | None = None

    @property
    def _parts(self) -> tuple[Doubles, Doubles, Doubles]:
        """U `(n_test, r)`, Vᵀ `(m, r)`, Aᵀ `(r, r)`."""
        u, v, a = np.split(self._state[:, : self._rank], self._rows)
        return u, v, a[: self._rank]

    def steps(self) -> Iterator[Step]:
        """Every p once, in ascending order."""
        n, p_max = self._x.shape
        p, run = 0, _BLOCK
        while p < p_max:
            step = self._run(p, min(p + min(_BLOCK, 2 * run), p_max))
            k = len(step.weights)
            # Where columns shrink the solution fast, no more than twice as many as it took are tried next; where they
            # differ in kind, a short run says little of the next.
            run = k if self._rank == n else max(k, run // 2)
            p += k
            yield step

    def _run(self, p: int, stop: int) -> Step:
        """The first of the columns p … stop − 1 that lie either all outside the span or all within it."""
        block, q = self._x[:, p:stop], self._q[:, : self._rank]
        most = len(self._x) - self._rank
        if not most:
            return self._turned(p, block)
        inside = q.T @ block
        outside = block - q @ inside
        # Twice is enough (Parlett): once leaves what rounding made of the part inside.
        again = q.T @ outside
        inside, outside = inside + again, outside - q @ again
        directions, lengths = np.linalg.qr(outside[:, :most])
        new = self._outside(block[:, :most], inside[:, :most], lengths)
        if new[0]:
            k = _first_false(new)
            return self._grown(p, inside[:, :k], directions[:, :k], lengths[:k, :k])
        # With those after it that are plainly within; one that is in doubt is looked at as the first of a block.
        within = np.linalg.norm(outside, axis=0) <= self._rounding * np.linalg.norm(block, axis=0)
        within[0] = True
        return self._turned(p, inside[:, : _first_false(within)])

    def _outside(self, block: Doubles, inside: Doubles, lengths: Doubles) -> npt.NDArray[np.bool_]:
        """Which columns lie outside the span of all before by more than rounding; right up to the first that does not.

        A column that is Σ cᵢ xᵢ comes out as far outside as rounding moved the xᵢ: by ε Σ |cᵢ| ‖xᵢ‖.
        """
        left, whole, r = np.abs(np.diag(lengths)), np.linalg.norm(block, axis=0), self._rank
        outside: npt.NDArray[np.bool_] = left > self._rounding * whole
        for j in np.flatnonzero(outside & (left < _SUSPICIOUS * whole)):
            if not outside[:j].all():
                break
            c = solve_triangular(lengths[:j, :j], lengths[:j, j])
            moved = np.abs(c) @ whole[:j]
            c = solve_triangular(self._r[:r, :r], inside[:, j] - inside[:, :j] @ c)
            outside[j] = left[j] > _ROUNDING * (moved + np.abs(c) @ self._lengths[:r])
        return outside

    def _grown(self, p: int, inside: Doubles, directions: Doubles, lengths: Doubles) -> Step:
        """Columns outside the span: B = Q · inside + directions · lengths."""
        r, k = inside.shape
        u, v, a = self._parts
        unit = np.linalg.inv(lengths)
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
        self._r[:r, r : r + k], self._r[r : r + k, r : r + k] = inside, lengths
        self._lengths[r : r + k] = np.linalg.norm(self._x[:, p : p + k], axis=0)
        self._rank += k
        u, v, a = self._parts
        u[:, r:], v[:], a[r:] = test, solution, columns.T
        self._largest = max(self._largest, float(inverse[-1]) ** 0.5)
        if self._rank == len(self._x):
            self.threshold = float(p + k)
            # From here on every column lies within: in the coordinates of the samples themselves, Q is the identity.
            a[:] = self._q @ a
            self._q[:] = np.eye(self._rank)
        return Step(p + 1, before, self._predictions, changes, weights, residual, norm, r + 1 + np.arange(k), inverse)

    def _turned(self, p: int, inside: Doubles) -> Step:
        """Columns within the span: B = Q · inside; so many of them as may shrink the solution at once."""
        u, v, a = self._parts
        m = a.T @ inside
        k = max(1, int(np.searchsorted(np.cumsum((m * m).sum(0)), _SHRINKS)))
        m, test = m[:, :k], self._t[:, p : p + k]
        state = self._state[:, : self._rank]
        along = np.concatenate([part @ m for part in np.split(state, range(_ROWS, len(state), _ROWS))])
        on_test, on_v, on_a = np.split(along, self._rows)
        gram = m.T @ m
        unit = np.linalg.inv(np.linalg.cholesky(gram + np.eye(k)))
        # N = [−M; I] C⁻¹ applied to test samples, solutions and A.
        changes, weights, gone = (on_test - test) @ unit.T, -unit @ on_v.T, unit @ on_a.T
        # (I + M Mᵀ)^−½ = I + M K Mᵀ
        values, vectors = np.linalg.eigh(gram)
        values = np.maximum(values, 0)
        root = np.sqrt(1 + values)
        core = (vectors * (-1 / (root * (1 + root)))) @ vectors.T
        added = along @ core
        added[: len(test)] += test + test @ gram @ core
        for start in range(0, len(state), _ROWS):
            state[start : start + _ROWS] += added[start : start + _ROWS] @ m.T
        squares, lost = weights * weights, (gone * gone).sum(1)
        self._refresh(p + k)
        u, v, a = self._parts
        before, self._predictions = self._predictions, u @ v.T
        norm = (v * v).sum(1) + np.cumsum(squares[::-1], 0)[::-1] - squares
        inverse = float((a * a).sum()) + np.cumsum(lost[::-1])[::-1] - lost
        residual = np.broadcast_to((self._rest * self._rest).sum(0), weights.shape)
        rank = np.full(k, self._rank)
        return Step(p + 1, before, self._predictions, changes, weights, residual, norm, rank, inverse)

    def _refresh(self, p: int) -> None:
        """Compute anew what has become much smaller than what it was computed from."""
        u, v, a = self._parts
        inverse = float(np.linalg.norm(a))
        if inverse < _REBUILD * self._largest:
            q = self._q[:, : self._rank]
            rows, triangle = np.linalg.qr((q.T @ self._x[:, :p]).T)
            a[:] = np.linalg.inv(triangle)
            u[:] = self._t[:, :p] @ rows
            v[:] = (a.T @ (q.T @ self._y)).T
            self._largest = 0.0
        self._largest = max(self._largest, inverse)


def _first_false(values: npt.NDArray[np.bool_]) -> int:
    return len(values) if values.all() else int(np.argmin(values))
