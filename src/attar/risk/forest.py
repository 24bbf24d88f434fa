"""The risk of trees: forests and boosting, over leaves and over trees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.tree import DecisionTreeRegressor

from attar._settings import is_positive
from attar.errors import DataError
from attar.risk._measured import losses, measured_curve
from attar.risk.curve import Curve
from attar.risk.grid import counts, flat, forest_grid, spread
from attar.risk.task import Task, noisy_draws

# Of boosting, where none are given: leaves of a tree, the most trees, and how many numbers of them.
_LEAVES, _MOST, _TREES = 8, 512, 40


def forest_curve(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    *,
    model: str = "forest",
    leaves: npt.ArrayLike | None = None,
    trees: npt.ArrayLike | None = None,
    max_features: float | str | None = "sqrt",
    bootstrap: bool = False,
    learning_rate: float = 0.1,
    label_noise: float = 0.0,
    draws: int = 1,
    random_state: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> Curve:
    """Risk of trees over the number of leaves, and then of trees.

    A forest first has one tree of more and more leaves, up to interpolation, and then more and more such trees; its
    answer is their mean. Boosting adds small trees, each fitted to what is left of the targets:

        F₀ = mean of y,   F_t = F_{t−1} + η · tree(x, y − F_{t−1})

    Classes are targets of 0 and 1, one column for each; squared errors are summed over the columns of a sample.

    References:
        Belkin, Hsu, Ma, Mandal, Reconciling modern machine-learning practice and the classical bias-variance trade-off,
        2019, https://arxiv.org/abs/1812.11118 (figure 4, without bootstrap)
        Bühlmann, Yu, Boosting with the L2 loss, 2003, https://doi.org/10.1198/016214503000125

    Arguments:
        X: training samples `(n, *shape)`, flattened.
        y: `(n,)` classes or numbers, or `(n, m)` numbers.
        X_test: test samples `(n_test, *shape)`.
        y_test: `(n_test,)` or `(n_test, m)`.
        model: "forest" or "boosting".
        leaves: the most leaves a tree may have, one number or several; by default 1 to n for a forest, 8 for boosting,
            where it must be one number.
        trees: how many, one number or several; by default 1 to 64 for a forest, 1 to 512 for boosting.
        max_features: how many columns a split may choose among: as in scikit-learn. Boosted trees see all of them.
        bootstrap: whether each tree of a forest sees a bootstrap sample; then none interpolates.
        learning_rate: η of boosting.
        label_noise: share of the training samples that get another class.
        draws: how many times trees and label noise are drawn.
        random_state: seed of the first draw's trees; the following draws have the following seeds.
        on_step: called with the number of trees grown and of all.

    Returns:
        A curve over "trees" where `leaves` is one number or the model is boosting; over "leaves" where
        `trees` is one number; else over "leaves of all trees", as `ForestGrid.over_both`. `zero_one` for classes.

    Raises:
        DataError: not numeric or not finite, shapes that do not fit, no sample; leaves, trees, rate, share or draws out
            of range.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> X, T = rng.normal(size=(60, 4)), rng.normal(size=(200, 4))
        >>> curve = forest_curve(X, X[:, 0] > 0, T, T[:, 0] > 0, trees=[1, 4, 16])
        >>> curve.over, curve.best <= 60 * 16, curve.threshold < 60
        ('leaves of all trees', True, True)
    """
    if model not in ("forest", "boosting"):
        raise DataError(f"model is {model!r}: give 'forest' or 'boosting'")
    if model == "forest":
        grid = forest_grid(
            X,
            y,
            X_test,
            y_test,
            leaves=leaves,
            trees=trees,
            max_features=max_features,
            bootstrap=bootstrap,
            label_noise=label_noise,
            draws=draws,
            random_state=random_state,
            on_step=on_step,
        )
        if len(grid.leaves) == 1:
            return grid.over_trees(int(grid.leaves[0]))
        return grid.over_leaves(int(grid.trees[0])) if len(grid.trees) == 1 else grid.over_both()
    task = Task.of(X, y, X_test, y_test)
    return _boosting(task, leaves, trees, learning_rate, label_noise, draws, random_state, on_step)


def _boosting(
    task: Task,
    leaves: npt.ArrayLike | None,
    trees: npt.ArrayLike | None,
    learning_rate: float,
    label_noise: float,
    draws: int,
    random_state: int,
    on_step: Callable[[int, int], None] | None,
) -> Curve:
    # A tree answers for all columns of y at once.
    leaf, tree = counts("leaves", leaves, np.array([_LEAVES])), counts("trees", trees, spread(_MOST, _TREES))
    if len(leaf) > 1 or leaf[0] < 2:
        raise DataError("boosted trees all have the same number of leaves, at least 2: give one number")
    if not is_positive(learning_rate) or learning_rate > 1:
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
