from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from attar.adapt import validate as room
from attar.adapt.validate import (
    binomial_interval,
    choose,
    correctness,
    cross_validate,
    effective_size,
    estimate,
    learning_curve,
    one_standard_error,
    standard_error,
)


class Recorder:
    """Answers with the share of each class in what it was trained on, and remembers what that was."""

    def __init__(self, codes):
        self.codes, self.parts = codes, []

    def __call__(self, parts):
        self.parts += parts
        k = self.codes.max() + 1
        counts = [np.bincount(self.codes[part], minlength=k) for part in parts]
        return [np.tile(c / c.sum(), (len(self.codes), 1)) for c in counts]


@pytest.mark.parametrize("n", [1, 2, 7, 50, 400])
@pytest.mark.parametrize("level", [0.8, 0.9, 0.99])
def test_interval_is_that_of_clopper_and_pearson(n, level) -> None:
    for k in sorted({0, 1, n // 2, n - 1, n}):
        exact = binomtest(k, n).proportion_ci(level, method="exact")
        np.testing.assert_allclose(binomial_interval(k / n, n, level), (exact.low, exact.high), atol=1e-9)


def test_interval_of_shares_that_are_no_count_reaches_to_the_counts_on_both_sides() -> None:
    low, high = binomial_interval(0.855, 20)
    assert low == binomial_interval(17 / 20, 20)[0]
    assert high == binomial_interval(18 / 20, 20)[1]
    assert binomial_interval(0.985, 35)[1] == 1.0


def test_no_model_is_asked_about_a_label_it_has_seen() -> None:
    codes = np.array([0] * 7 + [1] * 4 + [2])

    def peeking(parts):
        # Certain of the samples trained on, and of nothing else.
        seen = [np.isin(np.arange(12), part)[:, None] for part in parts]
        return [np.where(s, np.eye(3)[codes], np.eye(3)[(codes + 1) % 3]) for s in seen]

    held_out = cross_validate(peeking, codes, folds=5, repeats=3, seed=0)
    right = correctness(held_out, codes)
    assert held_out.shape == (3, 12, 3)
    np.testing.assert_array_equal(right[:11], 0)
    assert np.isnan(right[11])  # alone in its class


def test_folds_are_the_same_for_every_candidate_and_every_number_of_repeats() -> None:
    codes = np.arange(30) % 3
    one, more = Recorder(codes), Recorder(codes)
    cross_validate(one, codes, folds=5, repeats=1, seed=4)
    cross_validate(more, codes, folds=5, repeats=3, seed=4)
    assert len(more.parts) == 15
    assert all(np.array_equal(a, b) for a, b in zip(one.parts, more.parts))
    for part in more.parts:
        assert set(codes[part]) == {0, 1, 2}


def test_two_labels_per_class() -> None:
    codes = np.array([0, 0, 1, 1])
    recorder = Recorder(codes)
    held_out = cross_validate(recorder, codes, folds=5, repeats=2, seed=0)
    assert not np.isnan(held_out).any()
    assert all(sorted(codes[part]) == [0, 1] for part in recorder.parts)


def test_correctness_is_a_share_of_repeats() -> None:
    held_out = np.eye(2)[np.array([[0, 1, 1], [0, 0, 1]])]
    np.testing.assert_array_equal(correctness(held_out, np.array([0, 1, 0])), [1, 0.5, 0])


def test_learning_curve() -> None:
    codes = np.array([0] * 20 + [1] * 10 + [2] * 2 + [3])
    recorder = Recorder(codes)
    curve = learning_curve(recorder, codes, sizes=5, draws=4, seed=0)
    labels = [point.labels for point in curve]
    assert labels == sorted(set(labels))
    assert 2 + 2 + 2 + 1 <= labels[0] <= 10
    assert labels[-1] < len(codes)
    for part in recorder.parts:
        assert len(np.unique(part)) == len(part)
        assert set(codes[part]) == {0, 1, 2, 3}
    for point in curve:
        assert 0 <= point.low <= point.accuracy <= point.high <= 1


def test_learning_curve_of_labels_that_are_all_needed() -> None:
    codes = np.array([0, 0, 1, 1, 2])
    assert learning_curve(Recorder(codes), codes, sizes=5, draws=3, seed=0) == []


def test_what_belongs_together_with_what_was_learnt_is_not_judged() -> None:
    together = np.repeat(np.arange(10), 3)
    codes = together % 2

    def by_heart(parts):
        """Right where something of the group was seen, wrong elsewhere."""
        return [np.eye(2)[np.where(np.isin(together, together[part]), codes, 1 - codes)] for part in parts]

    shared = {"folds": 5, "repeats": 2, "seed": 0}
    assert correctness(cross_validate(by_heart, codes, **shared), codes).mean() > 0.9
    assert correctness(cross_validate(by_heart, codes, **shared, together=together), codes).mean() == 0
    curve = {"sizes": 4, "draws": 3, "seed": 0}
    assert learning_curve(by_heart, codes, **curve)[-1].accuracy > 0.8
    assert all(point.accuracy == 0 for point in learning_curve(by_heart, codes, **curve, together=together))


def test_few_groups_are_left_out_one_by_one() -> None:
    for groups, left_out in ((4, 4), (8, 8), (10, 10), (11, 5)):
        together = np.repeat(np.arange(groups), 6)
        recorder = Recorder(np.arange(6 * groups) % 2)
        cross_validate(recorder, recorder.codes, folds=5, repeats=1, seed=0, together=together)
        assert len(recorder.parts) == left_out


@pytest.mark.parametrize("groups", [5, 20])
def test_intervals_of_groups_hold_for_new_groups_and_those_of_samples_do_not(groups: int) -> None:
    """Persons on whom a model is right with probabilities of their own, 85 % in the mean."""
    rng, held, of_samples = np.random.default_rng(0), 0, 0
    for _ in range(300):
        place = np.repeat(np.arange(groups), rng.integers(3, 20, groups))
        right = (rng.random(len(place)) < rng.beta(8.5, 1.5, groups)[place]).astype(float)
        (low, high), (lowest, highest) = estimate(right, place)[1], estimate(right, None)[1]
        held += low <= 0.85 <= high
        of_samples += lowest <= 0.85 <= highest
    assert held > 0.88 * 300
    assert of_samples < 0.85 * 300


def test_the_effective_size_is_the_spread_of_means_over_draws_of_groups() -> None:
    rng = np.random.default_rng(0)
    place = np.repeat(np.arange(400), rng.integers(1, 9, 400))
    right = (rng.random(400)[place] * 0.7 + 0.3 * rng.random(len(place)) > 0.4).astype(float)
    sums, sizes = np.bincount(place, right), np.bincount(place)
    drawn = rng.integers(400, size=(20_000, 400))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    assert effective_size(right, place) == pytest.approx(right.var() / means.var(), rel=0.1)
    assert 400 < effective_size(right, place) < len(right) / 2


def test_the_standard_error_is_the_spread_of_means_over_draws_of_groups() -> None:
    rng = np.random.default_rng(0)
    place = np.repeat(np.arange(300), rng.integers(1, 9, 300))
    values = np.stack([rng.standard_normal(300)[place], rng.standard_normal(len(place))])
    sums, sizes = np.stack([np.bincount(place, row) for row in values]), np.bincount(place)
    drawn = rng.integers(300, size=(20_000, 300))
    means = sums[:, drawn].sum(2) / sizes[drawn].sum(1)
    assert standard_error(values, place) == pytest.approx(means.std(1), rel=0.05)
    alone = values.std(1, ddof=1) / np.sqrt(len(place))
    assert standard_error(values, None) == pytest.approx(alone)
    assert standard_error(values, np.arange(len(place))[::-1]) == pytest.approx(alone)
    assert standard_error(values, place)[0] > 1.5 * alone[0]
    assert standard_error(values, np.zeros(len(place), int)) == pytest.approx(0)


def test_a_difference_between_few_groups_is_no_reason_to_choose() -> None:
    place = np.repeat(np.arange(4), 10)
    right = np.ones((2, 40))
    right[0, place == 3] = 0  # one group of four tells against the simple one
    assert one_standard_error(right, [0, 1]) == 1
    assert one_standard_error(right, [0, 1], place) == 0
    assert choose(right, [0, 1], 0).index == 1
    assert choose(right, [0, 1], 0, place).index == 0


def test_a_learning_curve_leaves_something_of_few_groups_to_judge() -> None:
    codes, together = np.arange(60) % 2, np.repeat(np.arange(3), 20)
    recorder = Recorder(codes)
    points = learning_curve(recorder, codes, sizes=4, draws=6, seed=0, together=together)
    assert len(points) == 4
    assert max(point.labels for point in points) == 40


def test_the_effective_size_of_samples_that_are_alone_together_or_all_right() -> None:
    right, n = np.array([1.0, 0, 1, 1, 0, 1]), 6
    assert effective_size(right, None) == effective_size(right, np.arange(n)[::-1]) == n
    assert effective_size(right, np.zeros(n, int)) == 1
    assert effective_size(np.ones(n), np.array([3, 3, 3, 5, 5, 9])) == 3
    by_few = (student.ppf(0.95, 4 * n - 1) / student.ppf(0.95, n - 1)) ** 2
    assert effective_size(np.repeat(right, 4), np.repeat(np.arange(n), 4)) == pytest.approx((n - 1) * by_few)
    assert effective_size(np.empty(0), np.empty(0, int)) == 0
    # Groups as mixed as all of it tell as much as samples apart, and never more.
    assert effective_size(np.tile([1.0, 0], 20), np.repeat(np.arange(20), 2)) == 20
    choices = [choose(np.repeat(right, 4)[None], [0], 0, t) for t in (None, np.repeat(np.arange(n), 4))]
    assert choices[0].accuracy == pytest.approx(choices[1].accuracy, abs=0.01)
    assert choices[1].interval[0] < choices[0].interval[0] - 0.1


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
    assert one_standard_error(RIGHT[rows], order) == index


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
        assert one_standard_error(right, order) == min(close, key=lambda i: order[i])


def test_one_sample() -> None:
    assert one_standard_error(np.array([[0.0], [1.0]]), [0, 1]) == 1
    assert choose(np.array([[0.0], [1.0]]), [0, 1], seed=0).index == 1


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


def test_level_is_that_of_the_reports() -> None:
    assert room.LEVEL == 0.9
