"""Risk over the course of training."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from attar._settings import check_count
from attar.risk._trained import Progress, Setting, curve_of, measure, settled, steps_of
from attar.risk.curve import Curve
from attar.risk.task import Task


def epoch_curve(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    *,
    net: str = "mlp",
    width: int = 64,
    depth: int = 1,
    epochs: float = 200,
    batch_size: int = 32,
    lr: float | None = None,
    label_noise: float = 0.0,
    seeds: int = 3,
    points: int = 60,
    random_state: int = 0,
    on_step: Progress | None = None,
    **recipe: Any,
) -> Curve:
    """Risk of a network after more and more epochs, the mean over seeds that are trained together.

    Its `t_min` and `t_int` say where the test risk first turns, and where the training error reaches zero: at most 1 %
    of the labels as given to the network.

    References:
        Nakkiran et al., Deep Double Descent, 2020, https://arxiv.org/abs/1912.02292 (Fig. 9 and 10)
        Heckel, Yilmaz, Early Stopping in Deep Networks: Double Descent and How to Eliminate it, 2021,
        https://arxiv.org/abs/2007.10099 (why: parts of a network that learn at different speeds)

    Arguments:
        X, y, X_test, y_test: as in `network_curve`, like all that is not described here.
        net: "mlp" or "conv".
        epochs: how long to train.
        seeds: networks that the risks are means over.
        points: how often the risks are measured at most, at equal ratios.

    Returns:
        A curve over epochs, parts of an epoch included.

    Raises:
        DataError: see `network_curve`.
        TrainingError: a loss became NaN or infinite.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X = rng.normal(size=(60, 5))
        >>> curve = epoch_curve(X[:30], X[:30, 0] > 0, X[30:], X[30:, 0] > 0, epochs=100, points=5, seeds=2)
        >>> curve.axis.round(1).tolist()
        [1.0, 3.0, 10.0, 32.0, 100.0]
    """
    task = Task.of(X, y, X_test, y_test)
    whole_recipe, lr = settled(task, recipe, lr)
    n = len(task.x)
    setting = Setting(width, batch_size, lr, n, label_noise)
    check_count("points", points)
    steps = steps_of(setting, n, epochs)
    epoch = steps / epochs
    first = epoch if 1 < epoch < steps else 1
    looks = np.unique(np.geomspace(steps, first, points).round()).astype(int)
    earlier = looks[:-1].tolist()
    risks = measure(task, [setting], whole_recipe, net, depth, epochs, seeds, random_state, earlier, on_step)
    return curve_of(task, looks / epoch, risks[0].swapaxes(0, 1), "epochs", whole_recipe.loss)
