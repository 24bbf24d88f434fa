"""Risk of networks over their width, and over what they are trained with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from attar.errors import DataError
from attar.risk.curve import Curve
from attar.risk.stacked import plain_network
from attar.risk.task import Task
from attar.risk.together import Recipe, Training, losses, train_together

Doubles = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]

# Training errors up to here, or this share of the targets' variance, are zero: the ε of effective model complexity.
ZERO = 0.01
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
# Fewer samples, and fewer wrong ones, are easier to interpolate: there the threshold is the last such place.
_HARDER = ("samples", "label noise")


@dataclass(frozen=True)
class Setting:
    """One network of a sweep: its width, and what it is trained with."""

    width: int
    batch_size: int
    lr: float
    samples: int
    label_noise: float


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
    how, lr = settled(task, recipe, lr)
    n = len(task.x)
    if over not in _VALUES:
        raise DataError(f"over is {over!r}: give one of {', '.join(_VALUES)}")
    base = Setting(width, batch_size, lr, n, label_noise)
    field = {"parameters": "width", "learning rate": "lr"}.get(over, over.replace(" ", "_"))
    tried = np.unique(np.asarray(_VALUES[over](n) if values is None else values, dtype=np.float64))
    if not len(tried):
        raise DataError("values is empty: give at least one")
    # What is no whole number and must be one is refused by `measure`.
    changes: list[dict[str, Any]] = [{field: int(v) if v % 1 == 0 else v} for v in tried.tolist()]
    settings = [replace(base, **change) for change in changes]
    risks = measure(task, settings, how, net, depth, epochs, seeds, random_state, on_step=on_step)
    axis = tried
    if over == "parameters":
        axis = np.array([_parameters(task, net, s.width, depth) for s in settings])
    return curve_of(task, axis, risks[:, :, 0], over, how.loss)


def settled(task: Task, given: dict[str, Any], lr: float | None) -> tuple[Recipe, float]:
    """Recipe and learning rate, with a loss that suits the targets, and a rate that suits the optimiser."""
    how = Recipe(**({"loss": "squared error" if task.classes is None else "cross-entropy"} | given))
    if how.loss == "cross-entropy" and task.classes is None:
        raise DataError("cross-entropy is for classes, and y holds numbers: take squared error, or give whole numbers")
    return how, lr if lr is not None else {"sgd": 0.02, "adam": 0.001}[how.optimizer]


def steps_of(setting: Setting, n: int, epochs: float) -> int:
    """Steps in which n samples are seen so many times.

    Raises:
        DataError: not a positive number of epochs, or a setting out of its range.
    """
    if not 0 < epochs < math.inf:
        raise DataError(f"epochs is {epochs}: give a positive number")
    for name, value, highest in (
        ("width", setting.width, math.inf),
        ("batch size", setting.batch_size, math.inf),
        ("samples", setting.samples, n),
    ):
        if value % 1 or not 1 <= value <= highest:
            most = "" if highest == math.inf else f" to {n}, the rows of X"
            raise DataError(f"{name} is {value:g}: give a whole number from 1{most}")
    if not 0 < setting.lr < math.inf:
        raise DataError(f"learning rate is {setting.lr:g}: give a positive number")
    return max(1, round(epochs * n / min(setting.batch_size, n)))


def measure(
    task: Task,
    settings: Sequence[Setting],
    recipe: Recipe,
    net: str,
    depth: int,
    epochs: float,
    seeds: int,
    random_state: int,
    looks: Sequence[int] = (),
    on_step: Progress | None = None,
) -> Doubles:
    """Risks `(settings, seeds, looks + 1, 4)`: of training samples loss and error, of test samples loss and error.

    Raises:
        DataError: a setting out of its range.
    """
    n = len(task.x)
    if seeds < 1:
        raise DataError(f"seeds is {seeds}: give at least 1")
    steps = [steps_of(setting, n, epochs) for setting in settings]
    x, x_test = _standardised(task)
    y_test = torch.tensor(task.y_test, dtype=x.dtype)
    networks, trainings = [], []
    for setting, total in zip(settings, steps):
        for seed in range(seeds):
            rng = np.random.default_rng([random_state, seed])
            order, start = rng.permutation(n), int(rng.integers(2**31))
            noisy = task.with_noise(setting.label_noise, rng)
            networks.append(plain_network(net, x.shape[1:], y_test.shape[1], setting.width, depth, start))
            trainings.append(
                Training(
                    torch.tensor(noisy.y, dtype=x.dtype),
                    setting.lr,
                    min(setting.batch_size, n),
                    total,
                    start,
                    torch.tensor(order[: setting.samples]),
                )
            )
    risks = np.empty((len(networks), len(looks) + 1, 4))

    def look(step: int, ids: list[int], answer: Callable[[Tensor], Tensor]) -> None:
        place = looks.index(step) if step in looks else len(looks)
        for i, train, test in zip(ids, answer(x), answer(x_test)):
            rows = trainings[i].rows
            risks[i, place] = [
                *_risks(train[rows], trainings[i].y[rows], recipe.loss),
                *_risks(test, y_test, recipe.loss),
            ]

    train_together(networks, trainings, x, recipe, looks, look, on_step)
    return risks.reshape(len(settings), seeds, len(looks) + 1, 4)


def curve_of(task: Task, axis: Doubles, risks: Doubles, over: str, loss: str) -> Curve:
    """From risks `(k, seeds, 4)`."""
    train = risks[:, :, 1 if task.classes is not None else 0].mean(1)
    zero = np.flatnonzero(train <= ZERO * (1.0 if task.classes is not None else float(task.y.var(0).sum())))
    threshold = float(axis[zero[-1 if over in _HARDER else 0]]) if len(zero) else None

    def curve(train: Doubles, test: Doubles, loss: str, zero_one: Curve | None = None) -> Curve:
        ends = [np.quantile(r, [0.05, 0.95], axis=1).T if r.shape[1] > 1 else None for r in (train, test)]
        return Curve(
            axis,
            train.mean(1),
            test.mean(1),
            over=over,
            loss=loss,
            draws=train.shape[1],
            train_interval=ends[0],
            test_interval=ends[1],
            threshold=threshold,
            zero_one=zero_one,
        )

    judged = None if task.classes is None else curve(risks[:, :, 1], risks[:, :, 3], "zero-one loss")
    return curve(risks[:, :, 0], risks[:, :, 2], loss, judged)


def _standardised(task: Task) -> tuple[Tensor, Tensor]:
    """By column, or by channel where samples have more axes than one; what does not vary is zero."""
    axes = (0, *range(2, task.x.ndim))
    x = task.x.astype(np.float64)
    mean, deviation = x.mean(axes, keepdims=True), x.std(axes, keepdims=True)
    scale = np.where(deviation > 1e-12 * np.abs(mean), deviation, np.inf)
    train, test = (torch.tensor((a - mean) / scale, dtype=torch.float32) for a in (x, task.x_test))
    return train, test


def _risks(outputs: Tensor, y: Tensor, loss: str) -> tuple[float, float]:
    wrong = outputs.argmax(1) != y.argmax(1)
    return float(losses(outputs, y, loss).mean()), float(wrong.float().mean())


def _parameters(task: Task, net: str, width: int, depth: int) -> int:
    network = plain_network(net, task.x.shape[1:], task.y.shape[1], width, depth, 0)
    return sum(p.numel() for p in network.parameters())
