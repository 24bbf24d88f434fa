"""The normal density against scipy's, and its covariance against scikit-learn's estimators."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf, oas

from attar.density import Gaussian
from attar.errors import DataError
from tests.density.test_base import samples


@pytest.mark.parametrize("shrinkage", ["ledoit-wolf", "oas", None])
def test_equals_scipy(shrinkage: str | None) -> None:
    x = samples(50, 4) * [1, 10, 0.1, 1] + [0, 5, 0, 1000]
    p = Gaussian(shrinkage).fit(x)
    expected = multivariate_normal(x.mean(axis=0), p.covariance_).logpdf(x)
    np.testing.assert_allclose(p.score_samples(x), expected, rtol=1e-9)


def test_covariance() -> None:
    x = samples(30, 4)
    scale = x.std(axis=0)
    outer = np.outer(scale, scale)
    np.testing.assert_allclose(Gaussian(None).fit(x).covariance_, np.cov(x.T, bias=True), rtol=1e-10)
    for name, function in (("ledoit-wolf", ledoit_wolf), ("oas", oas)):
        covariance, shrinkage = function((x - x.mean(axis=0)) / scale, assume_centered=True)
        p = Gaussian(name).fit(x)
        assert p.shrinkage_ == pytest.approx(shrinkage)
        np.testing.assert_allclose(p.covariance_, covariance * outer, rtol=1e-10)
        given = Gaussian(shrinkage)
        np.testing.assert_allclose(given.fit(x).covariance_, p.covariance_, rtol=1e-10)


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, np.nan, True, "some"])
def test_no_shrinkage(shrinkage: float | str) -> None:
    with pytest.raises(DataError, match="number from 0 to 1"):
        Gaussian(shrinkage).fit(samples())


def test_any_affine_map() -> None:
    x, rng = samples(), np.random.default_rng(1)
    a, b = rng.standard_normal((3, 3)), rng.standard_normal(3)
    mapped = Gaussian(None).fit(x @ a.T + b).score_samples(x @ a.T + b)
    expected = Gaussian(None).fit(x).score_samples(x) - np.linalg.slogdet(a)[1]
    np.testing.assert_allclose(mapped, expected, rtol=1e-9)


def test_moments_of_samples() -> None:
    p = Gaussian().fit(samples())
    drawn = p.sample(40_000, random_state=0)
    np.testing.assert_allclose(drawn.mean(axis=0), p.center_, atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), p.covariance_, rtol=0.05)


def test_shrinkage_goes_where_samples_are_many() -> None:
    assert Gaussian().fit(samples(20)).shrinkage_ > 10 * Gaussian().fit(samples(5000)).shrinkage_
