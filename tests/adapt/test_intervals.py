from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from attar.adapt.choice import choose
from attar.adapt.intervals import LEVEL, binomial_interval, effective_size, estimate, standard_error


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


def test_level_is_that_of_the_reports() -> None:
    assert LEVEL == 0.9


def test_where_classes_count_the_same_the_accuracy_is_balanced() -> None:
    rng = np.random.default_rng(0)
    classes, right = rng.integers(0, 3, 60), rng.random(60)
    right[7] = np.nan
    by_class = [right[(classes == c) & ~np.isnan(right)] for c in range(3)]
    accuracy, (low, high) = estimate(right, None, classes=classes)
    assert accuracy == pytest.approx(np.mean([part.mean() for part in by_class]))
    each = np.array([binomial_interval(part.mean(), len(part)) for part in by_class])
    means = np.array([part.mean() for part in by_class])
    assert low == pytest.approx(accuracy - np.sqrt(((means - each[:, 0]) ** 2).sum()) / 3, abs=0.01)
    assert high == pytest.approx(accuracy + np.sqrt(((each[:, 1] - means) ** 2).sum()) / 3, abs=0.01)
    assert estimate(right, None, classes=np.full(60, 4)) == estimate(right, None)
    assert estimate(np.full(2, np.nan), None, classes=np.array([0, 1])) == (0.0, (0.0, 1.0))
    assert estimate(right, None, 0.1, classes=classes)[0] == pytest.approx(accuracy - 0.1)


def test_intervals_of_a_balanced_accuracy_hold_and_a_rare_class_makes_them_wide() -> None:
    rng, held = np.random.default_rng(0), 0
    classes = np.repeat([0, 1], [150, 8])
    for _ in range(400):
        right = (rng.random(158) < np.where(classes == 0, 0.97, 0.6)).astype(float)
        low, high = estimate(right, None, classes=classes)[1]
        held += low <= (0.97 + 0.6) / 2 <= high
    assert held > 0.88 * 400
    # All of three are right, which says little of others.
    low, _ = estimate(np.ones(153), None, classes=np.repeat([0, 1], [150, 3]))[1]
    assert low < 0.85


def test_intervals_of_a_balanced_accuracy_hold_where_groups_have_samples_of_all_classes() -> None:
    """Persons whose common and rare samples are hard together."""
    rng, held, apart = np.random.default_rng(0), 0, 0
    for _ in range(300):
        place = np.repeat(np.arange(12), 12)
        classes = np.tile(np.repeat([0, 1], [9, 3]), 12)
        right = (rng.random(144) < rng.beta(4, 1, 12)[place]).astype(float)
        low, high = estimate(right, place, classes=classes)[1]
        held += low <= 0.8 <= high
        low, high = estimate(right, None, classes=classes)[1]
        apart += low <= 0.8 <= high
    assert held > 0.88 * 300
    assert apart < 0.85 * 300


def test_the_standard_error_of_a_balanced_mean_is_its_spread_over_draws_of_groups() -> None:
    rng = np.random.default_rng(0)
    place, classes = np.repeat(np.arange(200), 4), np.tile([0, 0, 0, 1], 200)
    classes[::9] = 1
    values = rng.random(200)[place] * 0.5 + rng.random(800)
    means = []
    for _ in range(2000):
        some = (4 * rng.integers(200, size=200)[:, None] + np.arange(4)).ravel()
        means.append(np.mean([values[some][classes[some] == c].mean() for c in (0, 1)]))
    assert standard_error(values[None], place, classes)[0] == pytest.approx(np.std(means), rel=0.07)
    assert standard_error(values[None], place, np.zeros(800)) == pytest.approx(standard_error(values[None], place))
