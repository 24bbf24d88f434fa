"""Minimum-norm least squares on the first p columns of a matrix too large to solve anew, or to hold, for some p."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.linalg import lapack, solve_triangular

from attar.data.dataset import Doubles
from attar.risk._path import Path

# Columns start … stop − 1 for the training samples, and for the test samples.
Columns = Callable[[int, int], Doubles]

# Columns that are made and worked in at once: 80 MB of them for 10 000 samples.
_BLOCK = 1024
# Columns of a panel within the update of a factor: the fastest of 32, 64 and 128.
_PANEL = 64
# A reciprocal condition number below this: whether columns depend on one another is for `Path` to judge.
_DEPENDENT = 1e-13


@dataclass(frozen=True)
class Fits:
    """What was fitted on the first p columns, for k sizes p.

    Arguments:
        train: predictions of the training samples `(k, n, m)`.
        test: of the test samples `(k, n_test, m)`.
        norm: length of the weights `(k, m)`.
        threshold: the p at which the columns first span all samples; None: no asked p has this.
    """

    train: Doubles
    test: Doubles
    norm: Doubles
    threshold: float | None


class _Dependent(Exception):
    """Columns, or samples, that depend on one another as far as rounding lets one see."""


def fits(
    columns: Columns,
    test_columns: Columns,
    y: Doubles,
    sizes: Sequence[int],
    on_block: Callable[[], None] = lambda: None,
) -> Fits:
    """X_p⁺ Y, applied to training and test samples, for each of the sizes p.

        p < n: X_p = Q R,    β = R_p⁻¹ (QᵀY)_p           R_p is the corner of one R for all p
        p ≥ n: X_pᵀ = Q R,   β = X_pᵀ α,  RᵀR α = Y      R for more columns B is the factor of [R; Bᵀ]

    The second way squares no condition number, though Q is not kept: of solutions of least norm the error grows with
    the condition of X itself (Paige). The costs are 4/3 n³ for all p below n, as much again for p = n, and 2n² for each
    column after it. Columns are made twice, so that only n² numbers and a block are held. Where columns or samples
    depend on one another, the path that judges ranks is walked instead, column by column.

    References:
        Paige, An error analysis of a method for solving matrix equations, 1973,
        https://doi.org/10.1090/S0025-5718-1973-0329224-9
        Björck, Numerical Methods for Least Squares Problems, 1996, section 3.2 (updating a QR factorisation)

    Arguments:
        columns: makes columns of the training samples `(n, stop − start)`.
        test_columns: of the test samples `(n_test, stop − start)`.
        y: targets `(n, m)`.
        sizes: ascending.
        on_block: called after each block of columns, `blocks(n, sizes)` times if no columns depend on one another.
    """
    try:
        few, many, norm = _solved(columns, y, sizes, on_block)
    except _Dependent:
        return _walked(columns, test_columns, y, sizes)
    n, m = y.shape
    # A block ends at each size: either all of its columns belong to a fit or none.
    train, test = np.zeros((len(sizes), n, m)), np.zeros((len(sizes), len(test_columns(0, 1)), m))
    for start, stop in _blocks(0, sizes):
        x, t = columns(start, stop), test_columns(start, stop)
        first = int(np.searchsorted(sizes, stop))
        betas = [beta[start:stop] for beta in few[first:]]
        alphas = many[max(first - len(few), 0) :]
        if len(alphas):
            betas += np.split(x.T @ np.concatenate(alphas, axis=1), len(alphas), axis=1)
        beta = np.concatenate(betas, axis=1)
        train[first:] += np.moveaxis((x @ beta).reshape(n, -1, m), 1, 0)
        test[first:] += np.moveaxis((t @ beta).reshape(len(t), -1, m), 1, 0)
        on_block()
    return Fits(train, test, norm, float(n) if sizes[-1] >= n else None)


def blocks(n: int, sizes: Sequence[int]) -> int:
    """How many blocks of columns `fits` makes."""
    later = [p for p in sizes if p > n]
    return len(_blocks(0, sizes)) + len(_blocks(n, later))


def _blocks(start: int, sizes: Sequence[int]) -> list[tuple[int, int]]:
    """From `start` to each size in turn, in blocks."""
    ends = [start]
    for p in sizes:
        ends += [*range(ends[-1] + _BLOCK, p, _BLOCK), p]
    return list(pairwise(ends))


def _solved(
    columns: Columns, y: Doubles, sizes: Sequence[int], on_block: Callable[[], None]
) -> tuple[list[Doubles], list[Doubles], Doubles]:
    """β for each p < n, α for each p ≥ n, and ‖β‖ for all."""
    n, m = y.shape
    below, above = [p for p in sizes if p < n], [p for p in sizes if p >= n]
    most = n if above else below[-1]
    x = np.empty((n, most + m), order="F")
    for start, stop in _blocks(0, [most]):
        x[:, start:stop] = columns(start, stop)
    x[:, most:] = y
    transposed = np.array(x[:, :n].T, order="F") if above else None
    few = _solved_below(x, most, below) if below else []
    norm = [np.linalg.norm(beta, axis=0) for beta in few]
    if transposed is None:
        return few, [], np.array(norm)
    del x  # as large as what follows
    many, norm_above = _solved_above(transposed, columns, y, above, on_block)
    return few, many, np.array([*norm, *norm_above])


def _solved_below(x: Doubles, p_max: int, sizes: Sequence[int]) -> list[Doubles]:
    """β for each p < n; x, the columns with the targets behind them, is overwritten."""
    r = _factor(x)
    betas = []
    for p in sizes:
        _check(r[:p, :p])
        betas.append(solve_triangular(r[:p, :p], r[:p, p_max:], check_finite=False))
    return betas


def _solved_above(
    x: Doubles, columns: Columns, y: Doubles, sizes: Sequence[int], on_block: Callable[[], None]
) -> tuple[list[Doubles], list[Doubles]]:
    """α and ‖β‖ for each p ≥ n; x, the first n columns as rows, is overwritten."""
    n = len(x)
    alphas, norm = [], []
    r = _factor(x)
    for start, stop in [(n, n), *_blocks(n, [p for p in sizes if p > n])]:
        if stop > start:
            added = np.array(columns(start, stop).T, order="F")  # overwritten
            r, _, _, _ = lapack.dtpqrt(0, min(_PANEL, n), r, added, overwrite_a=1, overwrite_b=1)
            on_block()
        if stop in sizes:
            _check(r)
            half = solve_triangular(r, y, trans=1, check_finite=False)
            alphas.append(solve_triangular(r, half, check_finite=False))
            norm.append(np.linalg.norm(half, axis=0))
    return alphas, norm


def _factor(x: Doubles) -> Doubles:
    """R in the upper triangle; what is below it means nothing."""
    (work, _) = lapack.dgeqrf_lwork(*x.shape)
    r: Doubles = lapack.dgeqrf(x, lwork=int(work), overwrite_a=1)[0]
    return r


def _check(r: Doubles) -> None:
    if not lapack.dtrcon(r)[0] > _DEPENDENT:
        raise _Dependent


def _walked(columns: Columns, test_columns: Columns, y: Doubles, sizes: Sequence[int]) -> Fits:
    """The same for columns that may depend on one another."""
    n, m = y.shape
    x, t = columns(0, sizes[-1]), test_columns(0, sizes[-1])
    answers = np.empty((len(sizes), n + len(t), m))
    norm, path = np.empty((len(sizes), m)), Path(x, y, np.concatenate([x, t]))
    for step in path.steps():
        for p, predictions in step.predictions(np.asarray(sizes)):
            answers[sizes.index(p)] = predictions
            norm[sizes.index(p)] = np.sqrt(step.norm[p - step.first])
    return Fits(answers[:, :n], answers[:, n:], norm, path.threshold)
