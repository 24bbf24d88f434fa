from __future__ import annotations

import numpy as np
import pytest

from attar.adapt.choice import choose, within_one_standard_error


def test_a_difference_between_few_groups_is_no_reason_to_choose() -> None:
    place = np.repeat(np.arange(4), 10)
    right = np.ones((2, 40))
    right[0, place == 3] = 0  # one group of four tells against the simple one
    assert within_one_standard_error(right, [0, 1]).tolist() == [1]
    assert within_one_standard_error(right, [0, 1], place).tolist() == [0, 1]
    assert choose(right, [0, 1], 0).index == 1
    assert choose(right, [0, 1], 0, place).index == 0


RIGHT = np.array([[1, 1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1, 1, 1.0]])


@pytest.mark.parametrize(
    ("rows", "order", "index"),
    [
        ([1, 2], [0, 1], 0),  # one sample apart: the simpler
        ([1, 2], [1, 0], 1),  # the better is the simpler too
        ([0, 2], [0, 1], 1),  # half the samples apart: the better
        ([0, 1, 2], [0, 1, 2], 1),
        ([0, 1, 2], [9, 9, 9], 2),  # equally simple: the better
        ([2, 2], [1, 0], 1),  # equally good: the simpler
        ([0], [0], 0),
    ],
)
def test_one_standard_error(rows, order, index) -> None:
    assert choose(RIGHT[rows], order, 0).index == index


def test_one_standard_error_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        right = (rng.random((5, 12)) < rng.random((5, 1))).astype(float)
        order = rng.permutation(5).tolist()
        best = max(range(5), key=lambda i: (right[i].mean(), -order[i]))
        close = []
        for i in range(5):
            difference = right[best] - right[i]
            if difference.mean() <= difference.std(ddof=1) / np.sqrt(12) + 1e-9:
                close.append(i)
        assert within_one_standard_error(right, order).tolist() == close


def test_one_sample() -> None:
    assert choose(np.array([[0.0], [1.0]]), [0, 1], seed=0).index == 0


@pytest.mark.parametrize("size", [1, 2, 9])
def test_one_group_alone_decides_nothing_whatever_its_size(size) -> None:
    place = np.repeat(np.arange(5), [size, 1, 4, 4, 7])
    right = np.ones((2, len(place)))
    right[0, np.flatnonzero(place == 0)[0]] = 2 / 3
    assert within_one_standard_error(right, [0, 1], place).tolist() == [0, 1]
    right[0, place == 1] = 0  # another one agrees
    assert within_one_standard_error(right, [0, 1], place).tolist() == [1]


def test_the_best_of_many_coins_is_a_coin() -> None:
    rng = np.random.default_rng(0)
    own, corrected = [], []
    for seed in range(12):
        right = (rng.random((40, 30)) < 0.5).astype(float)
        choice = choose(right, [0] * 40, seed)
        own.append(right[choice.index].mean())
        corrected.append(choice.accuracy)
        assert choice.optimism == pytest.approx(own[-1] - choice.accuracy)
    assert np.mean(own) > 0.65
    assert abs(np.mean(corrected) - 0.5) < 0.09


def test_one_candidate_needs_no_correction() -> None:
    right = (np.random.default_rng(0).random((1, 60)) < 0.8).astype(float)
    choice = choose(right, [0], seed=0)
    assert abs(choice.optimism) < 0.02


def test_interval_of_the_chosen_covers_its_accuracy() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    runs = 120
    for seed in range(runs):
        # Candidates of unlike accuracy, right and wrong on much the same samples.
        truth = np.sort(rng.uniform(0.6, 0.95, 8))
        difficulty = rng.random(40)
        noise = rng.random((8, 40))
        own = np.where(rng.random((8, 1)) < 0.5, difficulty, noise)
        choice = choose((own < truth[:, None]).astype(float), list(range(8)), seed)
        low, high = choice.interval
        covered += low <= truth[choice.index] <= high
    assert covered / runs >= 0.9


def test_samples_that_were_never_held_out_count_nothing() -> None:
    right = np.array([[1, 0, 1, np.nan], [1, 1, 1, np.nan]])
    with_them, without = choose(right, [0, 1], 0), choose(right[:, :3], [0, 1], 0)
    assert with_them == without
    nothing = choose(np.full((2, 3), np.nan), [1, 0], 0)
    assert nothing.index == 1
    assert nothing.interval == (0.0, 1.0)


def test_where_classes_count_the_same_one_that_knows_the_rare_is_chosen() -> None:
    classes = np.repeat([0, 1], [90, 10])
    always, careful = (classes == 0).astype(float), np.ones(100)
    careful[:20] = 0
    right = np.stack([always, careful])
    assert choose(right, [0, 1], 0).index == 0
    choice = choose(right, [0, 1], 0, None, classes)
    assert choice.index == 1
    assert choice.accuracy == pytest.approx((70 / 90 + 1) / 2, abs=0.02)
    assert within_one_standard_error(right, [0, 1], None, classes).tolist() == [1]
    one = choose(right, [0, 1], 0, None, np.zeros(100))
    assert (one.index, one.accuracy) == (0, choose(right, [0, 1], 0).accuracy)


def test_a_rare_class_that_a_draw_has_not_is_no_optimism() -> None:
    """A single candidate cannot flatter itself by having been chosen."""
    for common, rare in ((1.0, 0.0), (0.0, 1.0)):
        right, classes = np.repeat([common, rare], [60, 2]), np.repeat([0, 1], [60, 2])
        assert choose(right[None], [0], 0, None, classes).optimism == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("balanced", [False, True])
def test_the_optimism_equals_that_of_groups_that_are_copied_as_often_as_drawn(balanced) -> None:
    rng = np.random.default_rng(0)
    right, order = rng.integers(0, 4, (4, 60)) / 3, [2, 0, 1, 3]
    place, y = rng.integers(0, 15, 60), rng.integers(0, 3, 60) if balanced else np.zeros(60, int)
    place = np.unique(place, return_inverse=True)[1]
    m, optimism, draws = place.max() + 1, [], np.random.default_rng(5)
    for _ in range(400):
        again = draws.integers(m, size=m)
        rows = [np.flatnonzero(place == g) for g in again]
        at, groups = np.concatenate(rows), np.repeat(np.arange(m), [len(one) for one in rows])
        then = min(within_one_standard_error(right[:, at], order, groups, y[at]), key=lambda i: order[i])
        there = np.unique(y[at])
        looks = np.mean([right[then, at][y[at] == c].mean() for c in there])
        optimism.append(looks - np.mean([right[then, y == c].mean() for c in there]))
    found = choose(right, order, 5, place, y if balanced else None)
    assert found.optimism == pytest.approx(max(0.0, np.mean(optimism)), abs=1e-12)


def test_of_equals_the_simplest_is_the_best_whatever_rounding_makes_of_their_means() -> None:
    # 0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 are not the same in floating point.
    thirds = np.array([0.1, 0.2, 0.3])
    right = np.stack([thirds, thirds[::-1]])
    assert right[0].sum() != right[1].sum()
    for order in ([0, 1], [1, 0]):
        assert within_one_standard_error(right, order).tolist() == [0, 1]
        assert choose(right, order, 0).index == order.index(0)
