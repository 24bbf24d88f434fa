from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from attar.adapt import well_spread
from attar.errors import DataError


def test_each_sample_is_as_likely_drawn_as_any_other() -> None:
    # Crowded and lonely ones, and copies.
    z = np.concatenate(
        [np.random.default_rng(0).normal(size=(20, 2)), np.zeros((6, 2)), [[50.0, 0], [0, 90], [-70, 3]]]
    )
    draws = 1000
    counts = np.zeros(len(z))
    for seed in range(draws):
        counts[well_spread(z, 7, random_state=seed)] += 1
    share = 7 / len(z)
    assert counts.sum() == 7 * draws
    assert np.abs(counts / draws - share).max() < 4.5 * np.sqrt(share * (1 - share) / draws)


def test_those_drawn_lie_farther_apart_than_by_chance() -> None:
    z = load_digits().data[:600]

    def reach(drawn):
        return np.sqrt(np.square(z[:, None] - z[None, drawn]).sum(2)).min(1).mean()

    rng = np.random.default_rng(0)
    chance = [reach(rng.permutation(len(z))[:30]) for _ in range(20)]
    spread = [reach(well_spread(z, 30, random_state=seed)) for seed in range(20)]
    assert np.mean(spread) < np.mean(chance) - 2 * np.std(chance) / np.sqrt(20)


def test_of_groups_far_apart_each_has_its_share() -> None:
    rng = np.random.default_rng(0)
    sizes = [10, 30, 60]
    z = np.concatenate([rng.normal(size=(size, 3)) + 1e4 * i for i, size in enumerate(sizes)])
    group = np.repeat([0, 1, 2], sizes)
    for seed in range(20):
        assert np.bincount(group[well_spread(z, 10, random_state=seed)]).tolist() == [1, 3, 6]


def test_a_draw_follows_from_its_seed() -> None:
    z = np.random.default_rng(1).normal(size=(200, 4))
    one, other = well_spread(z, 20, random_state=3), well_spread(z, 20, random_state=4)
    assert np.array_equal(one, well_spread(z, 20, random_state=3))
    assert not np.array_equal(one, other)
    assert np.array_equal(one, np.unique(one))


@pytest.mark.parametrize("z", [np.zeros((9, 2)), np.arange(9.0)[:, None], 1e30 * np.ones((9, 1)), np.eye(9)])
@pytest.mark.parametrize("n", [1, 4, 8, 9])
def test_so_many_are_drawn_as_are_asked_for(z, n) -> None:
    assert len(well_spread(z, n, random_state=0)) == n


def test_one_sample_alone_is_drawn() -> None:
    assert well_spread([[1.0]], 1).tolist() == [0]


@pytest.mark.parametrize("n", [0, -1, 10, 2.5, None, True])
def test_what_cannot_be_drawn_is_refused(n) -> None:
    with pytest.raises(DataError, match=r"^n is .*: give how many of 9 samples to draw, a whole number from 1$"):
        well_spread(np.zeros((9, 2)), n)


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        well_spread([[np.nan], [1.0]], 1)
    with pytest.raises(ValueError, match="0 sample"):
        well_spread(np.zeros((0, 2)), 1)


def test_what_is_masked_is_not_drawn_by() -> None:
    with pytest.raises(ValueError, match="NaN"):
        well_spread(np.ma.masked_greater(np.arange(20.0)[:, None], 15), 3)
