"""The risk of trees: forests and boosting, over leaves and over trees."""

from __future__ import annotations

from collections.abc import Callable

import numpy.typing as npt

from attar.errors import DataError
from attar.risk._boosting import boosting_curve
from attar.risk.curve import Curve
from attar.risk.grid import forest_grid
from attar.risk.task import Task


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
    return boosting_curve(
        Task.of(X, y, X_test, y_test),
        leaves=leaves,
        trees=trees,
        learning_rate=learning_rate,
        label_noise=label_noise,
        draws=draws,
        random_state=random_state,
        on_step=on_step,
    )
