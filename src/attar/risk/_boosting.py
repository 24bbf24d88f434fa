"""Boosted trees: the risk after every round of one fit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeRegressor

from attar.errors import DataError
from attar.risk._measured import losses, measured_curve
from attar.risk.curve import Curve
from attar.risk.grid import counts, flat, spread
from attar.risk.task import Task, noisy_draws

# Where none are given: leaves of a tree, the most trees, and how many numbers of them.
_LEAVES, _MOST, _TREES = 8, 512, 40


def boosting_curve(
    task: Task,
    *,
    leaves: npt.ArrayLike | None,
    trees: npt.ArrayLike | None,
    learning_rate: float,
    label_noise: float,
    draws: int,
    random_state: int,
    on_step: Callable[[int, int], None] | None,
) -> Curve:
    """F₀ = mean of y, F_t = F_{t−1} + η · tree(x, y − F_{t−1}); a tree answers for all columns of y at once.

    Arguments and errors as in `forest_curve`.
    """
    leaf, tree = counts("leaves", leaves, np.array([_LEAVES])), counts("trees", trees, spread(_MOST, _TREES))
    if len(leaf) > 1 or leaf[0] < 2:
        raise DataError("boosted trees all have the same number of leaves, at least 2: give one number")
    if not 0 < learning_rate <= 1:
        raise DataError(f"learning_rate is {learning_rate}: give a number above 0, at most 1")
    noisy_tasks = noisy_draws(task, label_noise, draws, random_state)
    x, t = flat(task.x), flat(task.x_test)
    most = int(tree[-1])
    risks = np.empty((draws, 4, len(tree)))
    for draw, noisy in enumerate(noisy_tasks):
        seeds = np.random.default_rng([random_state, draw, 1]).integers(2**31, size=most)
        train, test = (np.broadcast_to(noisy.y.mean(0), y.shape).copy() for y in (noisy.y, noisy.y_test))
        for i in range(most):
            grown = DecisionTreeRegressor(max_leaf_nodes=int(leaf[0]), random_state=int(seeds[i]))
            grown.fit(x, noisy.y - train)
            train += learning_rate * grown.predict(x).reshape(train.shape)
            test += learning_rate * grown.predict(t).reshape(test.shape)
            if i + 1 in tree:
                risks[draw, :, int(np.searchsorted(tree, i + 1))] = losses(noisy, train[None], test[None])[:, 0]
            if on_step is not None:
                on_step(draw * most + i + 1, draws * most)
    return measured_curve(tree, risks, "trees", task.classes is not None)
