"""Kernel estimates against the sum they are, and their bandwidth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import gaussian_kde, multivariate_normal

from attar.density import Gaussian, Kernel
from attar.errors import DataError
from tests.density.test_base import samples


def test_equals_the_sum_of_its_kernels() -> None:
    x, at = samples(40) * [1, 10, 100] + 5, samples(9, seed=1)
    p = Kernel(0.3).fit(x)
    covariance = 0.09 * np.cov(x.T, bias=True)
    expected = [logsumexp([multivariate_normal(center, covariance).logpdf(a) for center in x]) for a in at]
    np.testing.assert_allclose(p.score_samples(at), np.array(expected) - np.log(40), rtol=1e-8)


def test_silverman_equals_scipy() -> None:
    x = samples(100)
    n = len(x)
    scipy = gaussian_kde(x.T, bw_method="silverman")
    assert Kernel("silverman").fit(x).bandwidth_ == pytest.approx(scipy.factor)
    ours = Kernel(scipy.factor * np.sqrt(n / (n - 1))).fit(x)
    np.testing.assert_allclose(ours.score_samples(x), scipy.logpdf(x.T), rtol=1e-8)


def test_the_likeliest_bandwidth() -> None:
    x = samples(120, 2)
    p = Kernel(random_state=0).fit(x)

    def left_out(h: float) -> float:
        covariance = h * h * np.cov(x.T, bias=True)
        kernels = [multivariate_normal(center, covariance).logpdf(x) for center in x]
        np.fill_diagonal(matrix := np.array(kernels), -np.inf)
        return float(np.mean(logsumexp(matrix, axis=0) - np.log(len(x) - 1)))

    best = left_out(p.bandwidth_)
    assert best > left_out(0.8 * p.bandwidth_)
    assert best > left_out(1.25 * p.bandwidth_)
    # Of two clusters far apart, it is narrower than the rule for one.
    rng = np.random.default_rng(0)
    far = rng.choice([-10.0, 10.0], (200, 1)) + rng.standard_normal((200, 1))
    assert Kernel(random_state=0).fit(far).bandwidth_ < 0.3 * Kernel("silverman").fit(far).bandwidth_


def test_of_many_samples_some_choose_what_the_bandwidth_is_against_silvermans(monkeypatch: pytest.MonkeyPatch) -> None:
    n, rng = 4000, np.random.default_rng(0)
    x = rng.choice([-5.0, 5.0], (n, 1)) + rng.standard_normal((n, 1)) * rng.choice([0.3, 1.0], (n, 1))
    monkeypatch.setattr("attar.density.kernel.BLOCK", 1000 * 512)
    for seed in range(4):
        some = x[np.random.RandomState(seed).permutation(n)[:1000]]
        h = Kernel(random_state=seed).fit(x).bandwidth_ / Kernel("silverman").fit(x).bandwidth_
        left_out, shares = [], np.linspace(0.7, 1.4, 29)
        for share in shares * h:
            bandwidth = share * Kernel("silverman").fit(some).bandwidth_ * x.std()
            log_k = -0.5 * ((some[:512] - some.T) / bandwidth) ** 2
            np.fill_diagonal(log_k, -np.inf)
            left_out.append(logsumexp(log_k, axis=1).mean() - np.log(bandwidth))
        assert abs(shares[int(np.argmax(left_out))] - 1) < 0.03


def test_any_affine_map() -> None:
    x, rng = samples(), np.random.default_rng(1)
    a, b = rng.standard_normal((3, 3)), rng.standard_normal(3)
    mapped = Kernel(random_state=0).fit(x @ a.T + b).score_samples(x @ a.T + b)
    expected = Kernel(random_state=0).fit(x).score_samples(x) - np.linalg.slogdet(a)[1]
    np.testing.assert_allclose(mapped, expected, rtol=1e-6)


def test_a_wide_kernel_adds_its_variance() -> None:
    x = samples(500)
    drawn = Kernel(0.5).fit(x).sample(40_000, random_state=0)
    np.testing.assert_allclose(np.cov(drawn.T), 1.25 * np.cov(x.T, bias=True), rtol=0.05)
    assert Gaussian().fit(x).score(x) < Kernel(random_state=0).fit(x).score(x)


def test_more_samples_than_a_block_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    x = samples(100)
    whole = Kernel(0.3).fit(x).score_samples(x)
    monkeypatch.setattr("attar.density.kernel.BLOCK", 700)
    np.testing.assert_allclose(Kernel(0.3).fit(x).score_samples(x), whole, rtol=1e-12)


def test_the_narrowest_bandwidth_is_finite_everywhere_and_a_narrower_one_is_refused() -> None:
    X = np.random.default_rng(0).standard_normal((20, 2))
    kernel = Kernel(1e-80).fit(X)
    assert np.isfinite(kernel.score_samples(np.concatenate([X, X + 0.1, [[1e300, -1e300]]]))).all()
    for bandwidth in (1e-81, 0, -1.0, np.inf, True, "best"):
        with pytest.raises(
            DataError, match=r"bandwidth to be a finite number from 1e-80, or one of 'likelihood', 'sil"
        ):
            Kernel(bandwidth).fit(X)  # type: ignore[arg-type]
