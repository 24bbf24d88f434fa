"""The map of neighbours: its parts against naive loops, and what it keeps."""

import numpy as np
import pytest

from attar.represent.umap import _OTHERS, _step, memberships, nearest, umap
from attar.training.progress import Silent


def two_groups(n=120, d=5):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d)).astype(np.float32)
    x[n // 2 :, 0] += 12
    return x


def test_nearest_is_what_comparing_all_with_all_finds():
    x = two_groups(50)
    x[3] = x[4] = x[5]  # among equals, too, nobody is its own neighbour
    distance, index = nearest(x, 6, Silent())
    gaps = np.linalg.norm(x[:, None].astype(np.float64) - x, axis=2)
    np.fill_diagonal(gaps, np.inf)
    np.testing.assert_allclose(distance, np.sort(gaps, axis=1)[:, :6], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(gaps, index, 1), distance, atol=1e-5)
    assert not (index == np.arange(50)[:, None]).any()


def test_memberships_sum_to_the_logarithm_and_do_not_depend_on_the_unit():
    distance = np.sort(np.random.default_rng(0).random((30, 12)).astype(np.float32), axis=1)
    shares = memberships(distance)
    np.testing.assert_allclose(shares.sum(axis=1), np.log2(12), rtol=1e-6)
    np.testing.assert_array_equal(shares[:, 0], 1)
    assert (np.diff(shares, axis=1) <= 0).all()
    np.testing.assert_allclose(memberships(1024 * distance), shares, rtol=1e-5)


@pytest.mark.parametrize("distance", [np.ones((4, 5)), np.zeros((4, 5))])
def test_memberships_of_equal_distances_are_equal(distance):
    np.testing.assert_array_equal(memberships(distance.astype(np.float32)), 1)


def test_a_step_is_the_gradient_that_a_loop_in_float64_takes():
    y = np.random.default_rng(0).standard_normal((9, 2)).astype(np.float32)
    head, tail = np.array([0, 1, 1, 7]), np.array([2, 0, 8, 1])
    others = np.random.default_rng(5).integers(0, 9, (4, _OTHERS), dtype=np.int32)
    expected, before = y.astype(np.float64), y.astype(np.float64)
    for edge, (i, j) in enumerate(zip(head, tail)):
        gap = before[i] - before[j]
        pull = np.clip(-2 * gap / (1 + gap @ gap), -4, 4)  # of ln(1 + d²)
        expected[i] += 0.3 * pull
        expected[j] -= 0.3 * pull
        for k in others[edge]:
            away = before[i] - before[k]
            expected[i] += 0.3 * np.clip(2 * away / ((1e-3 + away @ away) * (1 + away @ away)), -4, 4)
    _step(y, head, tail, 0.3, np.random.default_rng(5))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


def test_the_map_keeps_neighbours_and_repeats():
    x = two_groups()
    distance, index = nearest(x, 10, Silent())
    places = umap(distance, index, x[:, :2], 60, np.random.default_rng(0), Silent())
    assert np.isfinite(places).all()
    _, close = nearest(places, 10, Silent())
    group = np.arange(120) >= 60
    assert (group[close] == group[:, None]).mean() > 0.98
    kept = np.mean([len(np.intersect1d(a, b)) for a, b in zip(close, index)])
    by_chance = 10 * 10 / 119
    assert kept > 4 * by_chance
    again = umap(distance, index, x[:, :2], 60, np.random.default_rng(0), Silent())
    np.testing.assert_array_equal(places, again)


def test_samples_that_begin_in_one_place_have_a_place():
    distance, index = nearest(np.zeros((9, 2), np.float32), 3, Silent())
    places = umap(distance, index, np.zeros((9, 2), np.float32), 5, np.random.default_rng(0), Silent())
    assert np.isfinite(places).all()
