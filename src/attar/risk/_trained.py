"""Risks of networks that are trained on a task, and the curve of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from attar._settings import check_count, is_count, is_positive
from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._measured import measured_curve
from attar.risk.curve import OF_LABELS, Curve
from attar.risk.stacked import plain_network
from attar.risk.task import Task
from attar.risk.together import Recipe, Training, losses, train_together
from attar.training.modes import usual_defaults

Progress = Callable[[int, int], None]

# Training errors up to here, or this share of the targets' variance, are zero: the ε of effective model complexity.
_ZERO = 0.01


@dataclass(frozen=True)
class Setting:
    """One network of a sweep: its width, and what it is trained with."""

    width: int
    batch_size: int
    lr: float
    samples: int
    label_noise: float


def settled(task: Task, given: dict[str, Any], lr: float | None) -> tuple[Recipe, float]:
    """Recipe and learning rate, with a loss that suits the targets, and a rate that suits the optimiser.

    Raises:
        DataError: a setting that there is not, or that does not suit the targets.
    """
    known = [field.name for field in fields(Recipe)]
    if unknown := [name for name in given if name not in known]:
        raise DataError(f"there is no setting {', '.join(map(repr, unknown))}: a recipe has {', '.join(known)}")
    recipe = Recipe(**({"loss": "squared error" if task.classes is None else "cross-entropy"} | given))
    if recipe.loss == "cross-entropy" and task.classes is None:
        raise DataError("cross-entropy is for classes, and y holds numbers: take squared error, or give whole numbers")
    return recipe, lr if lr is not None else {"sgd": 0.02, "adam": 0.001}[recipe.optimizer]


def steps_of(setting: Setting, n: int, epochs: float) -> int:
    """Steps in which n samples are seen so many times.

    Raises:
        DataError: not a positive number of epochs, or a setting out of its range.
    """
    if not is_positive(epochs):
        raise DataError(f"epochs is {epochs}: give a positive number")
    for name, value, highest in (
        ("width", setting.width, math.inf),
        ("batch size", setting.batch_size, math.inf),
        ("samples", setting.samples, n),
    ):
        if not is_count(value) or value > highest:
            most = "" if highest == math.inf else f" to {n}, the rows of X"
            raise DataError(f"{name} is {value}: give a whole number from 1{most}")
    if not is_positive(setting.lr):
        raise DataError(f"learning rate is {setting.lr}: give a positive number")
    return max(1, round(epochs * n / min(setting.batch_size, n)))


@usual_defaults()
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
    """Risks `(settings, seeds, looks + 1, 4)`: losses of training and test samples, then their shares of wrong answers.

    Raises:
        DataError: a setting out of its range.
    """
    check_count("seeds", seeds)
    check_count("random_state", random_state, 0)
    steps = [steps_of(setting, len(task.x), epochs) for setting in settings]
    networks, trainings = [], []
    for setting, total in zip(settings, steps):
        for seed in range(seeds):
            network, training = _begun(task, setting, total, net, depth, np.random.default_rng([random_state, seed]))
            networks.append(network)
            trainings.append(training)
    x, x_test = _standardised(task)
    y_test = torch.tensor(task.y_test, dtype=torch.float32)
    risks = np.empty((len(networks), len(looks) + 1, 4))

    def look(step: int, ids: list[int], answer: Callable[[Tensor], Tensor]) -> None:
        place = looks.index(step) if step in looks else len(looks)
        for i, train, test in zip(ids, answer(x), answer(x_test)):
            rows = trainings[i].rows
            pairs = ((train[rows], trainings[i].y[rows]), (test, y_test))
            risks[i, place, :2] = [float(losses(answers, y, recipe.loss).mean()) for answers, y in pairs]
            risks[i, place, 2:] = [float((answers.argmax(1) != y.argmax(1)).float().mean()) for answers, y in pairs]

    train_together(networks, trainings, x, recipe, looks, look, on_step)
    return risks.reshape(len(settings), seeds, len(looks) + 1, 4)


def _begun(
    task: Task, setting: Setting, steps: int, net: str, depth: int, rng: np.random.Generator
) -> tuple[nn.Sequential, Training]:
    """A network with fresh weights, and what it is to be trained on."""
    order, seed = rng.permutation(len(task.x)), int(rng.integers(2**31))
    noisy = task.with_noise(setting.label_noise, rng)
    training = Training(
        torch.tensor(noisy.y, dtype=torch.float32),
        setting.lr,
        min(setting.batch_size, len(task.x)),
        steps,
        seed,
        torch.tensor(order[: setting.samples]),
    )
    return plain_network(net, task.x.shape[1:], task.y.shape[1], setting.width, depth, seed), training


def curve_of(task: Task, axis: Doubles, risks: Doubles, over: str, loss: str) -> Curve:
    """From risks `(k, seeds, 4)`."""
    classes = task.classes is not None
    train = risks[:, :, 2 if classes else 0].mean(1)
    zero = np.flatnonzero(train <= _ZERO * (1.0 if classes else float(task.y.var(0).sum())))
    # Fewer samples, and fewer wrong ones, are easier to interpolate: there the threshold is the last such place.
    threshold = float(axis[zero[-1 if over in OF_LABELS else 0]]) if len(zero) else None
    return measured_curve(axis, risks.transpose(1, 2, 0), over, classes, loss=loss, threshold=threshold)


def _standardised(task: Task) -> tuple[Tensor, Tensor]:
    """By column, or by channel where samples have more axes than one; what does not vary is zero."""
    axes = (0, *range(2, task.x.ndim))
    x = task.x.astype(np.float64)
    mean, deviation = x.mean(axes, keepdims=True), x.std(axes, keepdims=True)
    scale = np.where(deviation > 1e-12 * np.abs(mean), deviation, np.inf)
    train, test = (torch.tensor((a - mean) / scale, dtype=torch.float32) for a in (x, task.x_test))
    return train, test
