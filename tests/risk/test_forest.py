"""Curves of forests, and boosting against scikit-learn's and a naive loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.tree import DecisionTreeRegressor

from attar.errors import DataError
from attar.risk import forest_curve, forest_grid

Array = np.ndarray[Any, np.dtype[np.float64]]


def samples() -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(0)
    x, t = (rng.standard_normal((n, 4)) for n in (70, 90))
    return x, x[:, 0] * x[:, 1], t, t[:, 0] * t[:, 1]


def test_the_axis_is_what_is_varied() -> None:
    x, y, t, expected = samples()
    grid = forest_grid(x, y > 0, t, expected > 0, leaves=[2, 70], trees=[1, 3])
    for leaves, trees, curve in (
        ([2, 70], [1, 3], grid.over_both()),
        ([2, 70], 1, grid.over_leaves(1)),
        (70, [1, 3], grid.over_trees(70)),
    ):
        made = forest_curve(x, y > 0, t, expected > 0, leaves=leaves, trees=trees)
        assert made.to_json() == curve.to_json()
    assert [grid.over_both().over, grid.over_leaves(1).over, grid.over_trees(70).over] == [
        "leaves of all trees",
        "leaves",
        "trees",
    ]


def test_a_tree_of_as_many_leaves_as_samples_interpolates() -> None:
    x, y, t, expected = samples()
    curve = forest_curve(x, y > 0, t, expected > 0)
    assert curve.train_risk[-1] == 0
    assert curve.threshold is not None
    assert curve.threshold <= 70
    assert curve.axis[-1] == 70 * 64
    assert (np.diff(curve.train_risk[curve.axis <= 70]) <= 1e-12).all()


def test_boosting_equals_that_of_scikit_learn() -> None:
    x, y, t, expected = samples()
    x, t = x[:, :1], t[:, :1]  # of several columns, two may split the last few samples equally well
    curve = forest_curve(x, y, t, expected, model="boosting", trees=[1, 2, 10, 40], leaves=4, learning_rate=0.3)
    peer = GradientBoostingRegressor(n_estimators=40, max_leaf_nodes=4, max_depth=None, learning_rate=0.3).fit(x, y)
    for risk, a, b in ((curve.train_risk, x, y), (curve.test_risk, t, expected)):
        staged = [np.square(made - b).mean() for made in peer.staged_predict(a)]
        np.testing.assert_allclose(risk, np.array(staged)[[0, 1, 9, 39]], rtol=1e-9)


def test_boosting_of_classes_equals_a_naive_loop() -> None:
    x, y, t, expected = samples()
    classes, truth = np.digitize(y, [-0.3, 0.3]), np.digitize(expected, [-0.3, 0.3])
    curve = forest_curve(x, classes, t, truth, model="boosting", trees=[5], leaves=3)
    targets = np.eye(3)[classes]
    fitted, made = np.tile(targets.mean(0), (70, 1)), np.tile(targets.mean(0), (90, 1))
    for _ in range(5):
        tree = DecisionTreeRegressor(max_leaf_nodes=3, random_state=0).fit(x, targets - fitted)
        fitted, made = fitted + 0.1 * tree.predict(x), made + 0.1 * tree.predict(t)
    assert curve.zero_one is not None
    assert curve.train_risk[0] == pytest.approx(np.square(targets - fitted).sum(1).mean())
    assert curve.test_risk[0] == pytest.approx(np.square(np.eye(3)[truth] - made).sum(1).mean())
    assert curve.zero_one.test_risk[0] == pytest.approx((made.argmax(1) != truth).mean())


def test_boosting_of_hostile_samples_has_an_answer() -> None:
    x, y, t, expected = samples()
    for train, labels in ((x[:1], y[:1]), (np.ones_like(x), y), (x, np.zeros(70)), (x[:3], y[:3])):
        curve = forest_curve(train, labels, t, expected, model="boosting", trees=[1, 5], draws=2)
        assert np.isfinite(curve.test_risk).all()
    one = forest_curve(x, np.zeros(70), t, np.ones(90), model="boosting", trees=3)
    assert (one.train_risk[0], one.test_risk[0]) == (0, 1)


def test_steps_are_counted() -> None:
    x, y, t, expected = samples()
    for model in ("forest", "boosting"):
        seen: list[tuple[int, int]] = []
        forest_curve(
            x,
            y,
            t,
            expected,
            model=model,
            trees=[2, 4],
            draws=2,
            on_step=lambda a, b: seen.append((a, b)),  # noqa: B023
        )
        assert seen == [(i + 1, 8) for i in range(8)]


def test_bad_input_is_named() -> None:
    x, y, t, expected = samples()
    for change, words in (
        ({"model": "bagging"}, "give 'forest' or 'boosting'"),
        ({"model": "boosting", "leaves": [2, 4]}, "give one number"),
        ({"model": "boosting", "leaves": 1}, "at least 2"),
        ({"model": "boosting", "learning_rate": 0.0}, "above 0"),
        ({"model": "boosting", "learning_rate": None}, "learning_rate is None"),
        ({"model": "boosting", "draws": 0}, "draws is 0"),
        ({"model": "boosting", "draws": 2.5}, "draws is 2.5: give a whole number from 1"),
        ({"model": "boosting", "trees": [0]}, "whole numbers"),
        ({"model": "boosting", "random_state": None}, "random_state is None: give a whole number from 0"),
        ({"random_state": None}, "random_state is None: give a whole number from 0"),
    ):
        with pytest.raises(DataError, match=words):
            forest_curve(x, y, t, expected, **change)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="label noise is for classes"):
        forest_curve(x, y, t, expected, label_noise=0.2)
