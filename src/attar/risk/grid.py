"""Random forests of every number of leaves and of trees, read off one whose trees are grown once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from attar.data.dataset import Doubles, Floats
from attar.errors import DataError
from attar.risk._measured import losses, measured_curve
from attar.risk._regression import ascending
from attar.risk.curve import Curve
from attar.risk.task import Task, noisy_draws

Places = npt.NDArray[np.intp]

# Where none are given: how many numbers of leaves and of trees, and the most trees.
_LEAVES, _TREES, _MOST = 24, 20, 64


@dataclass(frozen=True)
class ForestGrid:
    """Risk of forests for all numbers of leaves and of trees at once.

    Arguments:
        leaves: the most leaves that a tree may have `(a,)`, ascending.
        trees: numbers of trees `(b,)`, ascending.
        risks: squared error of training samples and of test samples, and the shares of wrong answers among both
            `(draws, 4, a, b)`.
        classes: whether the targets are classes; otherwise the shares mean nothing.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X, T = rng.normal(size=(60, 4)), rng.normal(size=(200, 4))
        >>> grid = forest_grid(X, X[:, 0] > 0, T, T[:, 0] > 0, leaves=[2, 4, 60], trees=[1, 8])
        >>> grid.test_risk.shape, grid.over_leaves(8).axis.tolist(), grid.over_trees(60).axis.tolist()
        ((3, 2), [2.0, 4.0, 60.0], [1.0, 8.0])
        >>> grid.over_both().axis.tolist()
        [2.0, 4.0, 60.0, 480.0]
    """

    leaves: npt.NDArray[np.intp]
    trees: npt.NDArray[np.intp]
    risks: Doubles
    classes: bool

    @property
    def train_risk(self) -> Doubles:
        """Mean squared error of the training samples `(a, b)`."""
        return np.asarray(self.risks[:, 0].mean(0))

    @property
    def test_risk(self) -> Doubles:
        """Mean squared error of the test samples `(a, b)`."""
        return np.asarray(self.risks[:, 1].mean(0))

    def over_leaves(self, trees: int) -> Curve:
        """The curve over the leaves of each tree, for one number of trees.

        Raises:
            DataError: a number that the grid does not hold.
        """
        return measured_curve(self.leaves, self.risks[..., _place("trees", self.trees, trees)], "leaves", self.classes)

    def over_trees(self, leaves: int) -> Curve:
        """The curve over the number of trees, for one number of leaves.

        Raises:
            DataError: a number that the grid does not hold.
        """
        return measured_curve(
            self.trees, self.risks[:, :, _place("leaves", self.leaves, leaves)], "trees", self.classes
        )

    def over_both(self) -> Curve:
        """The curve over the leaves of all trees together: first larger trees, then more of the largest."""
        axis = np.concatenate([self.leaves * self.trees[0], self.leaves[-1] * self.trees[1:]])
        risks = np.concatenate([self.risks[..., 0], self.risks[:, :, -1, 1:]], axis=2)
        return measured_curve(axis, risks, "leaves of all trees", self.classes)


def forest_grid(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    *,
    leaves: npt.ArrayLike | None = None,
    trees: npt.ArrayLike | None = None,
    max_features: float | str | None = "sqrt",
    bootstrap: bool = False,
    label_noise: float = 0.0,
    draws: int = 1,
    random_state: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> ForestGrid:
    """Risk of random forests for all numbers of leaves and of trees, of which each tree is grown once.

    A tree that is grown best split first numbers its nodes in the order in which they appear: children 2l − 1 and 2l
    are those of the l-th split. The tree of at most L leaves is thus its first 2L − 1 nodes, where a sample is at the
    last of its ancestors among them; and a forest of few trees is the beginning of one of many. Both are what
    scikit-learn yields for the same seed, to the last split. Arguments, errors and references as in `forest_curve`.

    Returns:
        The grid of risks.
    """
    task = Task.of(X, y, X_test, y_test)
    leaf = counts("leaves", leaves, spread(len(task.x), _LEAVES))
    tree = counts("trees", trees, spread(_MOST, _TREES))
    noisy_tasks = noisy_draws(task, label_noise, draws, random_state)
    x, t = flat(task.x), flat(task.x_test)
    risks = np.empty((draws, 4, len(leaf), len(tree)))
    for draw, noisy in enumerate(noisy_tasks):
        train, test = (np.zeros((len(leaf), *y.shape)) for y in (noisy.y, noisy.y_test))
        forest = _fitted(noisy, x, int(tree[-1]), int(leaf[-1]), max_features, bootstrap, random_state + draw)
        known = np.unique(noisy.y.argmax(1))
        for i, grown in enumerate(forest.estimators_):
            values = _values(grown, noisy, known)
            for total, samples in ((train, x), (test, t)):
                for j, nodes in _nodes(grown.tree_, samples, leaf):
                    total[j] += values[nodes]
            if i + 1 in tree:
                risks[draw, :, :, int(np.searchsorted(tree, i + 1))] = losses(noisy, train / (i + 1), test / (i + 1))
            if on_step is not None:
                on_step(draw * int(tree[-1]) + i + 1, draws * int(tree[-1]))
    return ForestGrid(leaf, tree, risks, task.classes is not None)


def _fitted(
    task: Task, x: Floats, trees: int, leaves: int, max_features: float | str | None, bootstrap: bool, seed: int
) -> Any:
    settings = {"n_estimators": trees, "max_features": max_features, "bootstrap": bootstrap, "random_state": seed}
    settings["max_leaf_nodes"] = max(2, leaves)
    if task.classes is not None:
        return RandomForestClassifier(**settings).fit(x, task.y.argmax(1))
    return RandomForestRegressor(**settings).fit(x, task.y if task.y.shape[1] > 1 else task.y[:, 0])


def _values(grown: Any, task: Task, known: Places) -> Doubles:
    """What each node of a tree answers `(nodes, m)`."""
    if task.classes is None:
        return np.asarray(grown.tree_.value[:, :, 0])
    values = np.zeros((grown.tree_.node_count, len(task.classes)))
    values[:, known] = grown.tree_.value[:, 0]
    return values


def _nodes(tree: Any, x: Floats, leaves: Places) -> Iterator[tuple[int, Places]]:
    """For each number of leaves, in any order, its place and the node of every sample `(n,)`."""
    parent = np.zeros(tree.node_count, dtype=np.intp)
    for children in (tree.children_left, tree.children_right):
        inner = np.flatnonzero(children >= 0)
        parent[children[inner]] = inner
    at = tree.apply(x)
    for i in reversed(range(len(leaves))):
        while (later := at > 2 * leaves[i] - 2).any():
            at[later] = parent[at[later]]
        yield i, at


def flat(x: npt.NDArray[Any]) -> Floats:
    """Samples `(n, d)` as trees take them.

    Raises:
        DataError: a value is too large for that.
    """
    with np.errstate(over="ignore"):
        singles = x.reshape(len(x), -1).astype(np.float32)
    if not np.isfinite(singles).all():
        row = int(np.argmin(np.isfinite(singles).all(1)))
        raise DataError(f"row {row} holds a value above 3e38, more than trees can take: scale the columns")
    return singles


def spread(most: int, count: int) -> Places:
    """So many whole numbers from 1 to `most`, at equal ratios."""
    return np.unique(np.geomspace(1, most, count).round()).astype(np.intp)


def counts(name: str, values: npt.ArrayLike | None, default: Places) -> Places:
    """The numbers of leaves or trees that were asked for, ascending, or the default.

    Raises:
        DataError: anything but whole numbers from 1.
    """
    return default if values is None else ascending(values, f"{name} must be whole numbers, at least 1")


def _place(name: str, held: Places, asked: int) -> int:
    if asked not in held:
        raise DataError(f"the grid has no {asked} {name}, only {', '.join(map(str, held))}")
    return int(np.searchsorted(held, asked))
