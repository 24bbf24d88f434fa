"""Risk of networks over their width, and over what they are trained with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.errors import DataError
from attar.risk._regression import numbers
from attar.risk._trained import Progress, Setting, curve_of, measure, settled
from attar.risk.curve import Curve
from attar.risk.stacked import plain_network
from attar.risk.task import Task

# What is varied, and where nothing else is said, over what.
_WIDTHS = (1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 128, 256)
_VALUES: dict[str, Callable[[int], Sequence[float]]] = {
    "width": lambda _n: _WIDTHS,
    "parameters": lambda _n: _WIDTHS,
    "batch size": lambda n: [2**i for i in range(3, 10) if 2**i <= max(n, 8)],
    "learning rate": lambda _n: (0.001, 0.003, 0.01, 0.03),
    "samples": lambda n: np.unique(np.geomspace(min(n, 10), n, 12).round()).tolist(),
    "label noise": lambda _n: (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4),
}


def network_curve(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    over: str = "width",
    values: Sequence[float] | None = None,
    *,
    net: str = "mlp",
    width: int = 64,
    depth: int = 1,
    epochs: float = 200,
    batch_size: int = 32,
    lr: float | None = None,
    label_noise: float = 0.0,
    seeds: int = 3,
    random_state: int = 0,
    on_step: Progress | None = None,
    **recipe: Any,
) -> Curve:
    """Risk of trained networks over one of their settings, all trained together.

    A seed stands for a start, an order of the samples, which labels are wrong and, over samples, which are taken.
    Inputs are standardised by the training samples: tables by column, images and series by channel. The interpolation
    threshold is the first place where the mean training error, on the labels as given to the network, is at most 1 %;
    over samples and label noise, the last one. For numbers it is 1 % of the variance of the targets.

    References:
        Nakkiran et al., Deep Double Descent, 2020, https://arxiv.org/abs/1912.02292 (effective model complexity)
        Belkin, Hsu, Ma, Mandal, Reconciling modern machine-learning practice and the classical bias-variance trade-off,
        2019, https://arxiv.org/abs/1812.11118 (Fig. 3)

    Arguments:
        X: training samples `(n, *shape)`; of images `(n, c, h, w)` and series `(n, c, t)` for "conv".
        y: `(n,)` classes or numbers, or `(n, m)` numbers.
        X_test: `(n_test, *shape)`.
        y_test: like `y`; its labels are left as they are.
        over: "width", "parameters" (of the widths in `values`), "batch size", "learning rate", "samples" (each trained
            for as many steps as all samples take) or "label noise" (share of training samples with another class).
        values: what to try, in any order.
        net: "mlp" or "conv", see `plain_network`.
        width: units of a layer, or channels of the first.
        depth: hidden layers.
        epochs: times that each sample is seen.
        batch_size: samples of a step; no more than there are.
        lr: learning rate; 0.02, and with Adam 0.001, where left out.
        label_noise: share of training samples given another class.
        seeds: networks for each value; the risks are means over them, with their 5 and 95 % quantiles as intervals.
        random_state: of all that is random.
        on_step: is told how many steps of all are done, now and then.
        **recipe: loss, optimizer, momentum, weight_decay, schedule: see `attar.risk.together.Recipe`. The loss is
            cross-entropy for classes and squared error for numbers.

    Returns:
        A curve of the loss, and for classes `zero_one`, of the share of wrong answers.

    Raises:
        DataError: samples that `Task` refuses, or a setting out of its range.
        TrainingError: a loss became NaN or infinite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(60, 5))
        >>> curve = network_curve(X[:30], X[:30, 0] > 0, X[30:], X[30:, 0] > 0, values=[1, 32], epochs=100)
        >>> curve.zero_one.axis.tolist(), bool(curve.zero_one.test_risk[-1] < 0.3)
        ([1.0, 32.0], True)
    """
    task = Task.of(X, y, X_test, y_test)
    whole_recipe, lr = settled(task, recipe, lr)
    n = len(task.x)
    if over not in _VALUES:
        raise DataError(f"over is {over!r}: give one of {', '.join(_VALUES)}")
    base = Setting(width, batch_size, lr, n, label_noise)
    field = {"parameters": "width", "learning rate": "lr"}.get(over, over.replace(" ", "_"))
    tried = np.unique(numbers("values", _VALUES[over](n) if values is None else values))
    if not len(tried):
        raise DataError("values is empty: give at least one")
    # What is no whole number and must be one is refused by `measure`.
    changes: list[dict[str, Any]] = [{field: int(v) if v % 1 == 0 else v} for v in tried.tolist()]
    settings = [replace(base, **change) for change in changes]
    risks = measure(task, settings, whole_recipe, net, depth, epochs, seeds, random_state, on_step=on_step)
    axis = tried if over != "parameters" else np.array([_parameters(task, net, s.width, depth) for s in settings])
    return curve_of(task, axis, risks[:, :, 0], over, whole_recipe.loss)


def _parameters(task: Task, net: str, width: int, depth: int) -> int:
    network = plain_network(net, task.x.shape[1:], task.y.shape[1], width, depth, 0)
    return sum(p.numel() for p in network.parameters())
