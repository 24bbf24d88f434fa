"""Least squares on given columns, such as a representation: over how many, over λ, over samples, over label noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._measured import losses, measured_curve
from attar.risk._prefixes import fits
from attar.risk._regression import sizes_of, thin_svd
from attar.risk.curve import Curve
from attar.risk.ridge import left_out
from attar.risk.task import Task

PENALTIES = np.geomspace(1e-7, 10, 25)
"""Values of λ that are tried, in units of the mean squared length of a centred sample; the first is as good as none."""


def columns_curve(
    Z: npt.ArrayLike,
    y: npt.ArrayLike,
    Z_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    sizes: npt.ArrayLike,
    *,
    random_state: int = 0,
) -> Curve:
    """Risk of the least-squares fit of least norm, with a constant, on the first p columns in a random order.

    Arguments:
        Z: training samples `(n, p_max)`.
        y: `(n,)` classes or numbers, or `(n, m)` numbers.
        Z_test, y_test: likewise.
        sizes: numbers p, from 1 to p_max.
        random_state: seed of the order.

    Returns:
        A curve over "features", with `zero_one` for classes. With the constant the threshold is p = n − 1.

    Raises:
        DataError: as `Task.of`, or sizes out of range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(30, 200)), rng.normal(size=(300, 200))
        >>> curve = columns_curve(Z, Z[:, :9].sum(1), T, T[:, :9].sum(1), [5, 29, 200])
        >>> curve.threshold, curve.peaks
        (29.0, (29.0,))
    """
    task = _flat(Task.of(Z, y, Z_test, y_test))
    p_max = task.x.shape[1]
    asked = sizes_of(sizes, p_max)
    order = np.random.default_rng(random_state).permutation(p_max)[: asked[-1]]
    x, t, constant = _centred(task, order)
    fitted = fits(
        lambda start, stop: x[:, start:stop],
        lambda start, stop: t[:, start:stop],
        task.y - constant,
        asked.tolist(),
        lambda: None,
    )
    risks = losses(task, fitted.train + constant, fitted.test + constant)
    spanned = np.flatnonzero(risks[0] <= 1e-12 * max(float(risks[0].max()), np.finfo(float).tiny))
    # Between two sizes it is where columns that do not depend on each other span the samples.
    rank, before = len(task.y) - 1, asked[spanned[0] - 1] if len(spanned) and spanned[0] else 0
    return measured_curve(
        asked,
        risks[None],
        "features",
        task.classes is not None,
        norm=np.linalg.norm(fitted.norm, axis=1),
        threshold=float(rank if before < rank < asked[spanned[0]] else asked[spanned[0]]) if len(spanned) else None,
    )


def components_curve(
    Z: npt.ArrayLike,
    y: npt.ArrayLike,
    Z_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    sizes: npt.ArrayLike,
) -> Curve:
    """Risk of ridge regression with a constant on the first p columns, λ by leaving one out.

    Arguments:
        Z, y, Z_test, y_test, sizes: as in `columns_curve`; the columns as ordered, of most variance first.

    Returns:
        A curve over "features", with `zero_one` for classes.

    Raises:
        DataError: as `Task.of`, or sizes out of range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(30, 29)), rng.normal(size=(300, 29))
        >>> curve = components_curve(Z, Z[:, :2].sum(1), T, T[:, :2].sum(1), [1, 2, 29])
        >>> curve.best, bool(curve.test_risk[2] < curve.test_risk[0])
        (2.0, True)
    """
    task = _flat(Task.of(Z, y, Z_test, y_test))
    asked = sizes_of(sizes, task.x.shape[1])
    risks = [_tuned(replace(task, x=task.x[:, :size], x_test=task.x_test[:, :size])) for size in asked]
    return measured_curve(asked, np.array(risks).T[None], "features", task.classes is not None)


def penalty_curve(
    Z: npt.ArrayLike,
    y: npt.ArrayLike,
    Z_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    penalties: npt.ArrayLike = PENALTIES,
) -> Curve:
    """Risk of ridge regression with a constant on all columns, over λ.

    Arguments:
        Z, y, Z_test, y_test: as in `columns_curve`.
        penalties: λ > 0, in units of the mean squared length of a centred training sample.

    Returns:
        A curve over "λ", with `zero_one` for classes.

    Raises:
        DataError: as `Task.of`, or a penalty that is not positive.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(40, 40)), rng.normal(size=(300, 40))
        >>> curve = penalty_curve(Z, Z[:, 0] + rng.normal(size=40), T, T[:, 0])
        >>> bool(curve.test_risk[0] > 2 * curve.test_risk.min())
        True
    """
    task = _flat(Task.of(Z, y, Z_test, y_test))
    asked = np.unique(np.asarray(penalties, dtype=np.float64))
    if not len(asked) or not (np.isfinite(asked).all() and asked[0] > 0):
        raise DataError("penalties must be positive numbers, at least one")
    ridge = _Ridge.of(task)
    answers = [ridge.answers(task.y, penalty) for penalty in asked]
    train, test = (np.stack([answer[i] for answer in answers]) for i in range(2))
    return measured_curve(asked, losses(task, train, test)[None], "λ", task.classes is not None)


def samples_curve(
    Z: npt.ArrayLike,
    y: npt.ArrayLike,
    Z_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    sizes: npt.ArrayLike,
    *,
    random_state: int = 0,
) -> Curve:
    """Risk of ridge regression over the number of training samples, drawn in a random order; λ by leaving one out.

    Arguments:
        Z, y, Z_test, y_test: as in `columns_curve`.
        sizes: numbers of samples, from 2 to n.
        random_state: seed of the order.

    Returns:
        A curve over "samples", with `zero_one` for classes.

    Raises:
        DataError: as `Task.of`, or sizes out of range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(80, 20)), rng.normal(size=(300, 20))
        >>> curve = samples_curve(Z, Z[:, 0] > 0, T, T[:, 0] > 0, [10, 80])
        >>> bool(curve.test_risk[1] < curve.test_risk[0])
        True
    """
    task = _flat(Task.of(Z, y, Z_test, y_test))
    n = len(task.x)
    asked = np.unique(np.asarray(sizes))
    if not len(asked) or not np.issubdtype(asked.dtype, np.integer) or asked[0] < 2 or asked[-1] > n:
        raise DataError(f"sizes must be whole numbers from 2 to {n}, the number of samples")
    order = np.random.default_rng(random_state).permutation(n)
    risks = []
    for size in asked:
        part = replace(task, x=task.x[order[:size]], y=task.y[order[:size]])
        risks.append(_tuned(part))
    return measured_curve(asked, np.array(risks).T[None], "samples", task.classes is not None)


def noise_curve(
    Z: npt.ArrayLike,
    y: npt.ArrayLike,
    Z_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    shares: npt.ArrayLike,
    *,
    random_state: int = 0,
) -> Curve:
    """Risk of ridge regression over the share of training labels that are wrong; λ by leaving one out.

    Arguments:
        Z, y, Z_test, y_test: as in `columns_curve`; y are classes.
        shares: 0 to 1. Those wrong with a smaller share are wrong with a larger one too.
        random_state: seed of which.

    Returns:
        A curve over "label noise", with `zero_one`.

    Raises:
        DataError: as `Task.of` and `Task.with_noise`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(80, 5)), rng.normal(size=(300, 5))
        >>> curve = noise_curve(Z, Z[:, 0] > 0, T, T[:, 0] > 0, [0, 0.4])
        >>> bool(curve.test_risk[0] < curve.test_risk[1])
        True
    """
    task = _flat(Task.of(Z, y, Z_test, y_test))
    asked = np.unique(np.asarray(shares, dtype=np.float64))
    risks = [_tuned(task.with_noise(float(share), np.random.default_rng(random_state))) for share in asked]
    return measured_curve(asked, np.array(risks).T[None], "label noise", task.classes is not None)


def _flat(task: Task) -> Task:
    x, t = (a.reshape(len(a), -1).astype(np.float64) for a in (task.x, task.x_test))
    return replace(task, x=x, x_test=t)


def _centred(task: Task, columns: npt.NDArray[np.intp]) -> tuple[Doubles, Doubles, Doubles]:
    x, t = task.x[:, columns], task.x_test[:, columns]
    centre = x.mean(0)
    return x - centre, t - centre, task.y.mean(0)


def _tuned(task: Task) -> Doubles:
    """The losses with the λ that serves samples left out best."""
    ridge = _Ridge.of(task)
    penalty = min(PENALTIES, key=lambda p: float(np.square(ridge.left_out(task.y, p)).sum()))
    train, test = ridge.answers(task.y, penalty)
    return losses(task, train[None], test[None])[:, 0]


class _Ridge:
    """Ridge regression with a constant, for every λ from one decomposition."""

    def __init__(self, u: Doubles, s: Doubles, on_test: Doubles) -> None:
        self.u, self.s, self.on_test = u, s, on_test
        self.unit = float((s**2).sum()) / len(u)

    @classmethod
    def of(cls, task: Task) -> _Ridge:
        x, t, _ = _centred(task, np.arange(task.x.shape[1]))
        u, s, vt = thin_svd(x)
        return cls(u, s, t @ vt.T)

    def answers(self, y: Doubles, penalty: float) -> tuple[Doubles, Doubles]:
        """For training and for test samples."""
        constant = y.mean(0)
        along = self.u.T @ (y - constant)
        shrunk = self.s**2 + penalty * self.unit
        on_train = constant + self.u @ ((self.s**2 / shrunk)[:, None] * along)
        on_test = constant + self.on_test @ ((self.s / shrunk)[:, None] * along)
        return on_train, on_test

    def left_out(self, y: Doubles, penalty: float) -> Doubles:
        """Residuals of samples that were left out."""
        return left_out(self.u, self.s, penalty * self.unit, y - y.mean(0), constant=1 / len(y))
