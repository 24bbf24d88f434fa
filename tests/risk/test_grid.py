"""The grid of forests against scikit-learn's, fitted anew for every setting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from attar.errors import DataError
from attar.risk import forest_grid

Array = np.ndarray[Any, np.dtype[np.float64]]
LEAVES, TREES = [1, 2, 3, 7, 20, 80], [1, 2, 5]


def samples(seed: int = 0) -> tuple[Array, Array, Array, Array]:
    """Three classes, of columns so coarse that many splits are equally good."""
    rng = np.random.default_rng(seed)
    x, t = (rng.standard_normal((n, 5)).round() for n in (80, 50))
    return x, np.digitize(x[:, 0] + rng.standard_normal(80), [-0.5, 0.5]), t, np.digitize(t[:, 0], [-0.5, 0.5])


@pytest.mark.parametrize("bootstrap", [False, True])
@pytest.mark.parametrize("max_features", ["sqrt", 1, None])
def test_every_setting_equals_a_forest_fitted_anew(bootstrap: bool, max_features: Any) -> None:
    x, y, t, expected = samples()
    settings = {"max_features": max_features, "bootstrap": bootstrap}
    grid = forest_grid(x, y, t, expected, leaves=LEAVES, trees=TREES, random_state=7, **settings)
    for i, leaves in enumerate(LEAVES):
        for j, trees in enumerate(TREES):
            if leaves == 1:
                continue  # which scikit-learn refuses
            forest = RandomForestClassifier(trees, max_leaf_nodes=leaves, random_state=7, **settings).fit(x, y)
            for place, (a, b) in enumerate(((x, y), (t, expected))):
                squared = np.square(forest.predict_proba(a) - np.eye(3)[b]).sum(1).mean()
                assert grid.risks[0, place, i, j] == pytest.approx(squared, abs=1e-12)
                assert grid.risks[0, 2 + place, i, j] == pytest.approx((forest.predict(a) != b).mean())


def test_twenty_seeds_are_those_of_scikit_learn() -> None:
    x, y, t, expected = samples(1)
    for seed in range(20):
        grid = forest_grid(x, y, t, expected, leaves=[5, 30], trees=[3], random_state=seed)
        for i, leaves in enumerate((5, 30)):
            forest = RandomForestClassifier(3, max_leaf_nodes=leaves, bootstrap=False, random_state=seed).fit(x, y)
            assert grid.risks[0, 3, i, 0] == pytest.approx(1 - forest.score(t, expected))


@pytest.mark.parametrize("columns", [1, 3])
def test_numbers_are_predicted_as_scikit_learn_does(columns: int) -> None:
    x, _, t, _ = samples()
    y, expected = (np.stack([a[:, k] * a[:, 1] for k in range(columns)], axis=1) for a in (x, t))
    grid = forest_grid(x, y, t, expected, leaves=[6], trees=[4], random_state=3)
    forest = RandomForestRegressor(4, max_leaf_nodes=6, max_features="sqrt", bootstrap=False, random_state=3)
    made = forest.fit(x, y if columns > 1 else y[:, 0]).predict(t).reshape(-1, columns)
    assert grid.test_risk[0, 0] == pytest.approx(np.square(expected - made).sum(1).mean())
    assert grid.over_trees(6).zero_one is None


def test_one_leaf_answers_the_mean_of_all() -> None:
    x, y, t, expected = samples()
    grid = forest_grid(x, y, t, expected, leaves=[1, 80], trees=[2])
    one_hot = np.eye(3)[expected]
    assert grid.test_risk[0, 0] == pytest.approx(np.square(one_hot - np.eye(3)[y].mean(0)).sum(1).mean())


def test_curves_are_cut_from_the_grid() -> None:
    x, y, t, expected = samples()
    grid = forest_grid(x, y, t, expected, leaves=LEAVES, trees=TREES, draws=2, label_noise=0.1)
    assert grid.train_risk.shape == grid.test_risk.shape == (6, 3)
    leaves, trees, both = grid.over_leaves(2), grid.over_trees(20), grid.over_both()
    np.testing.assert_array_equal(leaves.test_risk, grid.test_risk[:, 1])
    np.testing.assert_array_equal(trees.train_risk, grid.train_risk[4])
    np.testing.assert_array_equal(both.test_risk, [*grid.test_risk[:, 0], *grid.test_risk[-1, 1:]])
    assert both.axis.tolist() == [*LEAVES, 160, 400]
    assert both.zero_one is not None
    np.testing.assert_array_equal(both.zero_one.test_risk[:6], grid.risks[:, 3, :, 0].mean(0))
    assert both.draws == 2
    with pytest.raises(DataError, match="no 3 trees, only 1, 2, 5"):
        grid.over_leaves(3)
    with pytest.raises(DataError, match="no 4 leaves"):
        grid.over_trees(4)


def test_draws_are_forests_of_the_following_seeds() -> None:
    x, y, t, expected = samples()
    both = forest_grid(x, y, t, expected, leaves=[9], trees=[2], draws=2, random_state=4)
    one = [forest_grid(x, y, t, expected, leaves=[9], trees=[2], random_state=seed).risks[0] for seed in (4, 5)]
    np.testing.assert_array_equal(both.risks, one)


def test_hostile_samples_have_an_answer() -> None:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((6, 2)), rng.standard_normal((4, 2))
    y, expected = np.array(list("bcdefg")), np.array(list("abcd"))  # "a" is never known, and comes first
    for train, labels in ((x, y), (x[:1], y[:1]), (x, np.full(6, "c")), (np.ones_like(x), y), (x[[0] * 6], y)):
        for bootstrap in (False, True):
            grid = forest_grid(train, labels, t, expected, leaves=[1, 2, 50], trees=[1, 3], bootstrap=bootstrap)
            assert np.isfinite(grid.risks).all()
            assert (grid.risks[0, 3] >= 0.25).all()
    classes = forest_grid(x, y, x, y, leaves=[50], trees=[1])
    assert classes.risks[0, :, 0, 0].tolist() == [0, 0, 0, 0]


def test_bad_input_is_named() -> None:
    x, y, t, expected = samples()
    for change, words in (
        ({"leaves": [0]}, "leaves must be whole numbers"),
        ({"trees": [1.5]}, "trees must be whole numbers"),
        ({"trees": [None, 2]}, "trees must be whole numbers"),
        ({"trees": []}, "trees must be whole numbers"),
        ({"draws": 0}, "draws is 0"),
        ({"draws": 2.5}, "draws is 2.5: give a whole number from 1"),
        ({"label_noise": -0.1}, "from 0 to 1"),
    ):
        with pytest.raises(DataError, match=words):
            forest_grid(x, y, t, expected, **change)  # type: ignore[arg-type]
    x[3, 0] = 1e300
    with pytest.raises(DataError, match="row 3 holds a value above"):
        forest_grid(x, y, t, expected)
    x[3, 0] = np.nan
    with pytest.raises(DataError, match="row 3"):
        forest_grid(x, y, t, expected)
