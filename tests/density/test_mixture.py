"""Mixtures against the sum they are, and the choice by the criterion."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from attar.density import Gaussian, Mixture
from tests.density.test_base import samples


def clusters(k: int, n: int = 150, d: int = 2) -> np.ndarray:
    rng = np.random.default_rng(0)
    centers = 12 * np.stack([np.cos(np.arange(k) * 2 * np.pi / k), np.sin(np.arange(k) * 2 * np.pi / k)], axis=1)
    return np.concatenate([center + rng.standard_normal((n, d)) for center in centers])


def test_one_component_is_the_normal_density() -> None:
    x = samples() * [1, 10, 100]
    one = Mixture(1, random_state=0).fit(x).score_samples(x)
    np.testing.assert_allclose(one, Gaussian(None).fit(x).score_samples(x), atol=1e-4)


def test_equals_the_sum_of_its_components() -> None:
    x = samples() * [1, 10, 100] + 5
    p = Mixture(3, random_state=0).fit(x)
    parts = [
        np.log(weight) + multivariate_normal(mean, covariance).logpdf(x)
        for weight, mean, covariance in zip(p.weights_, p.means_, p.covariances_)
    ]
    np.testing.assert_allclose(p.score_samples(x), logsumexp(parts, axis=0), rtol=1e-8)


@pytest.mark.parametrize(("covariance", "shape"), [("full", (2, 3, 3)), ("tied", (3, 3)), ("diag", (2, 3))])
def test_covariances_in_raw_units(covariance: str, shape: tuple[int, ...]) -> None:
    x, units = samples(), np.array([1, 10, 1000])
    one, other = (Mixture(2, covariance=covariance, random_state=0).fit(y).covariances_ for y in (x, x * units))
    assert one.shape == shape
    np.testing.assert_allclose(other, one * (units**2 if covariance == "diag" else np.outer(units, units)), rtol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 7, 8, 11])
def test_finds_how_many_clusters_there_are(k: int) -> None:
    p = Mixture(random_state=0).fit(clusters(k))
    assert p.n_components_ == k
    np.testing.assert_allclose(p.weights_, 1 / k, atol=0.02)


def test_as_many_as_are_asked_for() -> None:
    p = Mixture(8, random_state=0).fit(clusters(2))
    assert p.n_components_ == len(p.weights_) == 8
    assert list(p.bic_["full"]) == [8]


def test_the_criterion_is_that_of_the_raw_samples() -> None:
    x = clusters(2) * [1, 100]
    p = Mixture(random_state=0).fit(x)
    parameters = p.n_components_ * (2 + 3) + p.n_components_ - 1
    expected = -2 * p.score_samples(x).sum() + parameters * np.log(len(x))
    assert p.bic_["full"][p.n_components_] == pytest.approx(expected)
    assert p.bic_["full"][p.n_components_] == min(p.bic_["full"].values())


def test_the_form_of_the_covariance_is_chosen() -> None:
    rng = np.random.default_rng(0)
    stretched = clusters(4) @ np.linalg.cholesky([[1, 0.95], [0.95, 1]]).T
    assert Mixture(covariance="bic", random_state=0).fit(stretched).covariance_ == "tied"
    round_ones = np.concatenate([rng.normal(0, 1, (400, 6)), rng.normal(20, 0.2, (400, 6))])
    assert Mixture(covariance="bic", random_state=0).fit(round_ones).covariance_ == "diag"


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_an_odd_sample_has_no_component_of_its_own(covariance: str) -> None:
    X = np.random.default_rng(0).standard_normal((300, 8))
    X[7] *= 50
    mixture = Mixture(covariance=covariance, random_state=0).fit(X)
    assert mixture.score_samples(X).argmin() == 7
    assert np.inf in mixture.bic_[covariance].values()


def test_few_samples_do_not_fill_many_components() -> None:
    # Each would be narrow around samples that it has seen, and new ones would lie in none.
    X = np.random.default_rng(0).standard_normal((60, 16))
    assert Mixture(random_state=0).fit(X).n_components_ == 1


def test_a_form_whose_likelihood_has_no_bound_is_not_the_best() -> None:
    # Fewer samples than columns: all of them lie in a plane, around which a covariance is as narrow as one likes.
    X, new = (np.random.default_rng(seed).standard_normal((n, 30)) for seed, n in ((0, 20), (1, 500)))
    mixture = Mixture(covariance="bic", random_state=0).fit(X)
    assert mixture.covariance_ == "diag"
    assert mixture.score(new) == pytest.approx(-30 * (1 + np.log(2 * np.pi)) / 2, abs=3)
    tied = Mixture(covariance="tied", random_state=0).fit(X)
    assert tied.n_components_ == 1
    assert set(tied.bic_["tied"].values()) == {np.inf}


@pytest.mark.parametrize("covariance", ["full", "tied"])
@pytest.mark.parametrize("n", [2, 6, 11])
def test_of_samples_that_do_not_fill_the_directions_a_density_is_left_that_new_ones_lie_in(covariance, n) -> None:
    X, new = (np.random.default_rng(seed).standard_normal((size, 10)) for seed, size in ((0, n), (1, 500)))
    mixture = Mixture(covariance=covariance, random_state=0).fit(X)
    assert mixture.score(new) == pytest.approx(Gaussian("oas").fit(X).score(new), rel=1e-9)
    assert mixture.sample(5, random_state=0).shape == (5, 10)


def test_at_most_so_many() -> None:
    assert max(Mixture(max_components=4, random_state=0).fit(clusters(8)).bic_["full"]) == 4


def test_sampling_leaves_the_fitted_model_as_it_is() -> None:
    p = Mixture(2, random_state=0).fit(clusters(2))
    before = dict(vars(p._model))
    p.sample(3, random_state=1)
    assert vars(p._model) == before


def test_samples_come_in_random_order() -> None:
    p = Mixture(2, random_state=0).fit(clusters(2))
    left = p.sample(1000, random_state=0)[:, 0] < 0
    assert left.mean() == pytest.approx(0.5, abs=0.08)
    assert 400 < np.count_nonzero(left[1:] != left[:-1]) < 600
