"""Distances of sets of samples against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression

from attar.density import frechet_distance, two_sample_accuracy
from attar.errors import DataError
from tests.density.test_base import samples


class TestFrechetDistance:
    def test_equals_the_formula_with_a_matrix_root(self) -> None:
        x, y = samples(80, 5), samples(70, 5, seed=1) @ np.diag([1, 2, 3, 1, 1]) + 1
        a, b = np.cov(x.T), np.cov(y.T)
        expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * sqrtm(a @ b).real)
        assert frechet_distance(x, y) == pytest.approx(expected)
        assert frechet_distance(y, x) == pytest.approx(expected)

    def test_of_tensors_with_gradients(self) -> None:
        x, y = samples(), samples(seed=1)
        given = (torch.tensor(a, requires_grad=True) for a in (x, y))
        assert frechet_distance(*given) == frechet_distance(x, y)

    def test_in_one_dimension(self) -> None:
        x, y = samples(50, 1), 3 * samples(60, 1, seed=1) + 2
        expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
        assert frechet_distance(x, y) == pytest.approx(expected)

    def test_the_same_samples(self) -> None:
        x = samples(50, 5)
        assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-9)
        # Fewer than their columns, so that the covariance has no inverse.
        assert frechet_distance(samples(4, 9), samples(4, 9)) == pytest.approx(0, abs=1e-6)

    def test_a_shift_and_a_scale(self) -> None:
        x = samples(50, 3)
        assert frechet_distance(x, x + np.array([1, 2, 2])) == pytest.approx(9)
        centred = x - x.mean(0)
        assert frechet_distance(centred, 3 * centred) == pytest.approx(4 * np.trace(np.cov(x.T)))

    def test_rotation_changes_nothing(self) -> None:
        x, y = samples(50, 4), samples(50, 4, seed=1) + 1
        q = np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0]
        assert frechet_distance(x @ q, y @ q) == pytest.approx(frechet_distance(x, y))

    def test_of_fewer_samples_than_columns_it_is_that_of_their_products(self) -> None:
        x, y = samples(50, 60), samples(40, 60, seed=1) + 1
        one, other = ((a - a.mean(axis=0)) / np.sqrt(len(a) - 1) for a in (x, y))
        overlap = np.linalg.svd(one @ other.T, compute_uv=False).sum()
        shift = np.square(x.mean(axis=0) - y.mean(axis=0)).sum()
        expected = shift + np.square(one).sum() + np.square(other).sum() - 2 * overlap
        # By roots of variances that are 0 up to rounding it was off in the ninth digit.
        assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-11)


class TestTwoSampleAccuracy:
    @pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
    def test_normal_samples_apart(self, shift: float) -> None:
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((1500, 2)), rng.standard_normal((1500, 2)) + np.array([shift, 0])
        accuracy = two_sample_accuracy(x, y, classifier=LogisticRegression(), random_state=0)
        # The best that any classifier can do: half the distance, in standard deviations.
        assert accuracy == pytest.approx(norm.cdf(shift / 2), abs=4 * 0.5 / np.sqrt(3000))

    def test_unequal_sizes(self) -> None:
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((1500, 2)), rng.standard_normal((150, 2))
        assert two_sample_accuracy(x, y, random_state=0) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(300))

    def test_a_small_set_is_told_from_a_large_one(self) -> None:
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((200, 2)), rng.standard_normal((5000, 2)) + 1
        for given in ((x, y), (y, x)):
            # With all of the larger set the answer was always that one, and the accuracy 0.52.
            accuracy = two_sample_accuracy(*given, classifier=LogisticRegression(), random_state=0)
            assert accuracy == pytest.approx(norm.cdf(np.sqrt(2) / 2), abs=4 * 0.5 / np.sqrt(400))

    def test_equal_moments_are_told_apart(self) -> None:
        rng = np.random.default_rng(0)
        x = rng.choice([-1.0, 1.0], (400, 1)) + rng.normal(0, 0.1, (400, 1))
        assert two_sample_accuracy(x, rng.normal(0, 1, (400, 1)), random_state=0) > 0.75


@pytest.mark.parametrize("function", [frechet_distance, two_sample_accuracy])
def test_hostile_input(function) -> None:
    x = samples(20)
    with pytest.raises(DataError, match="X has 3 columns and Y has 2"):
        function(x, x[:, :2])
    with pytest.raises(ValueError, match="1 sample"):
        function(x[:1], x)
    with pytest.raises(ValueError, match="Y contains NaN"):
        function(x, np.full((3, 3), np.nan))
