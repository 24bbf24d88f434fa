"""Probabilistic PCA against scikit-learn's likelihood, and its limits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from attar.density import Gaussian, ProbabilisticPCA
from attar.errors import DataError
from tests.density.test_base import samples


def low_rank(n: int, d: int, q: int, noise: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, q)) @ rng.standard_normal((q, d)) * 2 + rng.normal(0, noise, (n, d)) + 100


def test_equals_scikit_learn() -> None:
    x = low_rank(300, 6, 2, 0.3)
    n = len(x)
    reference = PCA(2).fit(x)
    # scikit-learn takes the covariance over n − 1, and the maximum of the likelihood over n.
    covariance = reference.get_covariance() * (n - 1) / n
    deviation = x - x.mean(axis=0)
    distance = np.einsum("ij,jk,ik->i", deviation, np.linalg.inv(covariance), deviation)
    expected = -0.5 * (distance + np.linalg.slogdet(covariance)[1] + 6 * np.log(2 * np.pi))
    p = ProbabilisticPCA(2).fit(x)
    np.testing.assert_allclose(p.score_samples(x), expected, rtol=1e-8)
    assert p.noise_variance_ == pytest.approx(reference.noise_variance_ * (n - 1) / n)


def test_with_all_but_one_direction_it_is_the_normal_density() -> None:
    x = samples(80, 4)
    np.testing.assert_allclose(
        ProbabilisticPCA(3).fit(x).score_samples(x), Gaussian(None).fit(x).score_samples(x), rtol=1e-8
    )


def test_no_component_is_the_round_density() -> None:
    x = samples(80, 4)
    p = ProbabilisticPCA(0).fit(x)
    variance = x.var(axis=0).mean()
    squares = np.square(x - x.mean(axis=0)).sum(axis=1)
    np.testing.assert_allclose(p.score_samples(x), -0.5 * (squares / variance + 4 * np.log(2 * np.pi * variance)))


@pytest.mark.parametrize("q", [1, 3, 5])
def test_finds_how_many_directions_there_are(q: int) -> None:
    assert ProbabilisticPCA().fit(low_rank(500, 10, q, 0.3)).n_components_ == q


@pytest.mark.parametrize(("n", "d", "q"), [(20, 100, 0), (20, 100, 3), (40, 40, 3), (100, 400, 5)])
def test_fewer_samples_than_columns_tell_how_many_directions_there_are(n: int, d: int, q: int) -> None:
    x = low_rank(2 * n, d, q, 1.0)
    p = ProbabilisticPCA().fit(x[:n])
    assert p.n_components_ == q
    # Better on samples not seen than without any direction, or as good.
    assert p.score(x[n:]) >= ProbabilisticPCA(0).fit(x[:n]).score(x[n:])


@pytest.mark.parametrize(("n", "d"), [(20, 50), (20, 20), (2, 3)])
def test_as_many_components_as_leave_a_direction_for_the_noise(n: int, d: int) -> None:
    x = low_rank(n, d, 1, 1.0)
    with pytest.raises(DataError, match=f"of {n - 1} components needs at least {n + 1} samples.*n_samples = {n}: take"):
        ProbabilisticPCA(n - 1).fit(x)
    p = ProbabilisticPCA(n - 2).fit(x)
    # One of the directions that the samples lie in is left, for all the others to share.
    assert p.noise_variance_ == pytest.approx(np.linalg.svd(x - x.mean(0))[1][n - 2] ** 2 / n / (d - n + 2))


def test_rotation_changes_nothing() -> None:
    x = low_rank(100, 5, 2, 0.5)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((5, 5)))[0]
    expected = ProbabilisticPCA(2).fit(x).score_samples(x)
    np.testing.assert_allclose(ProbabilisticPCA(2).fit(x @ rotation).score_samples(x @ rotation), expected, rtol=1e-8)


def test_moments_of_samples() -> None:
    p = ProbabilisticPCA(2).fit(low_rank(300, 4, 2, 0.5))
    w = p.components_.T * np.sqrt(p.explained_variance_ - p.noise_variance_)
    covariance = np.cov(p.sample(40_000, random_state=0).T)
    np.testing.assert_allclose(covariance, w @ w.T + p.noise_variance_ * np.eye(4), atol=0.03 * covariance.max())


def test_a_large_column_without_variation_says_nothing_of_the_others() -> None:
    x, new = samples(300, 2) * 1e-4, samples(50, 2, seed=1) * 1e-4
    by_size = [
        ProbabilisticPCA(1).fit(np.insert(x, 0, size, axis=1)).score_samples(np.insert(new, 0, size, axis=1))
        for size in (0.0, 1.7e9)
    ]
    np.testing.assert_allclose(by_size[1], by_size[0])
