"""Least squares on given columns, such as a representation: over how many, over λ, over samples, over label noise.

All are curves of training samples Z `(n, p_max)` with targets y, `(n,)` classes or numbers or `(n, m)` numbers, and of
test samples likewise; of classes they have `zero_one`. They raise `DataError` as `Task.of` does, and where what is
varied is out of range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._measured import losses, measured_curve
from attar.risk._prefixes import fits
from attar.risk._regression import ascending, sizes_of, thin_svd
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

    With the constant the threshold is p = n − 1.

    Arguments:
        sizes: numbers p, from 1 to p_max.
        random_state: seed of the order.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(30, 200)), rng.normal(size=(300, 200))
        >>> curve = columns_curve(Z, Z[:, :9].sum(1), T, T[:, :9].sum(1), [5, 29, 200])
        >>> curve.threshold, curve.peaks
        (29.0, (29.0,))
    """
    task = Task.of(Z, y, Z_test, y_test).flattened()
    p_max = task.x.shape[1]
    asked = sizes_of(sizes, p_max)
    order = np.random.default_rng(random_state).permutation(p_max)[: asked[-1]]
    x, x_test = task.x[:, order], task.x_test[:, order]
    centre, constant = x.mean(0), task.y.mean(0)
    x, x_test = x - centre, x_test - centre
    fit = fits(
        lambda start, stop: x[:, start:stop],
        lambda start, stop: x_test[:, start:stop],
        task.y - constant,
        asked.tolist(),
    )
    risks = losses(task, fit.train + constant, fit.test + constant)
    return measured_curve(
        asked,
        risks[None],
        "features",
        task.classes is not None,
        norm=np.linalg.norm(fit.norm, axis=1),
        threshold=_threshold(asked, risks[0], len(task.y) - 1),
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
        sizes: as in `columns_curve`; the columns as ordered, of most variance first.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(30, 29)), rng.normal(size=(300, 29))
        >>> curve = components_curve(Z, Z[:, :2].sum(1), T, T[:, :2].sum(1), [1, 2, 29])
        >>> curve.best, bool(curve.test_risk[2] < curve.test_risk[0])
        (2.0, True)
    """
    task = Task.of(Z, y, Z_test, y_test).flattened()
    asked = sizes_of(sizes, task.x.shape[1])
    return _tuned_curve(
        task, asked, "features", lambda size: replace(task, x=task.x[:, :size], x_test=task.x_test[:, :size])
    )


def penalty_curve(
    Z: npt.ArrayLike,
    y: npt.ArrayLike,
    Z_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    penalties: npt.ArrayLike = PENALTIES,
) -> Curve:
    """Risk of ridge regression with a constant on all columns, over λ.

    Arguments:
        penalties: λ > 0, in units of the mean squared length of a centred training sample.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(40, 40)), rng.normal(size=(300, 40))
        >>> curve = penalty_curve(Z, Z[:, 0] + rng.normal(size=40), T, T[:, 0])
        >>> bool(curve.test_risk[0] > 2 * curve.test_risk.min())
        True
    """
    task = Task.of(Z, y, Z_test, y_test).flattened()
    asked = np.unique(np.asarray(penalties, dtype=np.float64))
    if not len(asked) or not (np.isfinite(asked).all() and asked[0] > 0):
        raise DataError("penalties must be positive numbers, at least one")
    ridge = _Ridge(task)
    train, test = (np.stack(of_part) for of_part in zip(*(ridge.answers(penalty) for penalty in asked)))
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
        sizes: numbers of samples, from 2 to n.
        random_state: seed of the order.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(80, 20)), rng.normal(size=(300, 20))
        >>> curve = samples_curve(Z, Z[:, 0] > 0, T, T[:, 0] > 0, [10, 80])
        >>> bool(curve.test_risk[1] < curve.test_risk[0])
        True
    """
    task = Task.of(Z, y, Z_test, y_test).flattened()
    n = len(task.x)
    asked = ascending(sizes, f"sizes must be whole numbers from 2 to {n}, the number of samples", least=2, most=n)
    order = np.random.default_rng(random_state).permutation(n)
    return _tuned_curve(
        task, asked, "samples", lambda size: replace(task, x=task.x[order[:size]], y=task.y[order[:size]])
    )


def noise_curve(
    Z: npt.ArrayLike,
    y: npt.ArrayLike,
    Z_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    shares: npt.ArrayLike,
    *,
    random_state: int = 0,
) -> Curve:
    """Risk of ridge regression over the share of training labels, of classes, that are wrong; λ by leaving one out.

    Arguments:
        shares: 0 to 1. Those wrong with a smaller share are wrong with a larger one too.
        random_state: seed of which.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> Z, T = rng.normal(size=(80, 5)), rng.normal(size=(300, 5))
        >>> curve = noise_curve(Z, Z[:, 0] > 0, T, T[:, 0] > 0, [0, 0.4])
        >>> bool(curve.test_risk[0] < curve.test_risk[1])
        True
    """
    task = Task.of(Z, y, Z_test, y_test).flattened()
    asked = np.unique(np.asarray(shares, dtype=np.float64))
    return _tuned_curve(
        task, asked, "label noise", lambda share: task.with_noise(float(share), np.random.default_rng(random_state))
    )


def _tuned_curve(task: Task, axis: npt.NDArray[Any], over: str, at: Callable[[Any], Task]) -> Curve:
    """The losses of ridge regression on what becomes of the task at each place, with λ by leaving one out."""
    risks = np.array([_tuned(at(place)) for place in axis]).T
    return measured_curve(axis, risks[None], over, task.classes is not None)


def _tuned(task: Task) -> Doubles:
    """The losses with the λ that serves samples left out best."""
    ridge = _Ridge(task)
    penalty = min(PENALTIES, key=lambda p: float(np.square(ridge.left_out(p)).sum()))
    train, test = ridge.answers(penalty)
    return losses(task, train[None], test[None])[:, 0]


def _threshold(sizes: npt.NDArray[np.intp], train_risk: Doubles, rank: int) -> float | None:
    """The fewest columns that interpolate; between two sizes, as many as span the samples if none depends on others."""
    zero = np.flatnonzero(train_risk <= 1e-12 * max(float(train_risk.max()), np.finfo(float).tiny))
    if not len(zero):
        return None
    first = zero[0]
    before = sizes[first - 1] if first else 0
    return float(rank if before < rank < sizes[first] else sizes[first])


class _Ridge:
    """Ridge regression with a constant, for every λ from one decomposition."""

    def __init__(self, task: Task) -> None:
        # Column by column in memory, the sums of their means are pairwise, and lose fewer digits.
        x, x_test = np.asfortranarray(task.x), np.asfortranarray(task.x_test)
        centre = x.mean(0)
        self.u, self.s, vt = thin_svd(x - centre)
        self.on_test = (x_test - centre) @ vt.T
        self.constant = task.y.mean(0)
        self.y = task.y - self.constant
        self.unit = float((self.s**2).sum()) / len(task.y)

    def answers(self, penalty: float) -> tuple[Doubles, Doubles]:
        """For training and for test samples."""
        along = self.u.T @ self.y
        shrunk = self.s**2 + penalty * self.unit
        on_train = self.constant + self.u @ ((self.s**2 / shrunk)[:, None] * along)
        on_test = self.constant + self.on_test @ ((self.s / shrunk)[:, None] * along)
        return on_train, on_test

    def left_out(self, penalty: float) -> Doubles:
        """Residuals of samples that were left out."""
        return left_out(self.u, self.s, penalty * self.unit, self.y, constant=1 / len(self.y))
