from __future__ import annotations

import numpy as np
from scipy.stats import norm

from attar.adapt.prior import weighted, weights


def test_the_posterior_of_rare_classes_becomes_that_of_equal_ones() -> None:
    x, prior = np.linspace(-4, 6, 50)[:, None], np.array([0.9, 0.07, 0.03])
    likelihood = norm.pdf(x, loc=[0, 1, 2])
    codes = np.repeat([0, 1, 2], [90, 7, 3])
    found = weighted(likelihood * prior / (likelihood @ prior)[:, None], weights(codes, 3))
    np.testing.assert_allclose(found, likelihood / likelihood.sum(1, keepdims=True), rtol=1e-12)


def test_weights_make_classes_count_the_same_and_leave_equal_ones_as_they_are() -> None:
    rng = np.random.default_rng(0)
    codes, p = rng.integers(0, 4, 30), rng.dirichlet(np.ones(4), (2, 7))
    w = weights(codes, 4)
    np.testing.assert_allclose([w[codes[codes == c]].sum() for c in range(4)], 30 / 4)
    np.testing.assert_allclose(weighted(weighted(p, w), 1 / w), p)
    np.testing.assert_allclose(weighted(p, weights(np.arange(4), 4)), p)
    np.testing.assert_allclose(weighted(p, w).sum(-1), 1)
    # A class without a label keeps what it had, beside the others.
    assert weights(np.array([1, 1, 2]), 4)[[0, 3]].tolist() == [1, 1]
