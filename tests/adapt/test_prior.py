from __future__ import annotations

import numpy as np
from scipy.stats import norm

from attar.adapt.prior import class_weights, weighted


def test_the_posterior_of_rare_classes_becomes_that_of_equal_ones() -> None:
    rng, prior = np.random.default_rng(0), np.array([0.9, 0.07, 0.03])
    codes = rng.choice(3, 200_000, p=prior)

    def likelihood(x):
        return norm.pdf(x[:, None], loc=[0, 1, 2])

    def posterior(x, prior):
        return likelihood(x) * prior / (likelihood(x) @ prior)[:, None]

    w = class_weights(posterior(rng.normal(codes), prior), codes)
    x = np.linspace(-4, 6, 50)
    np.testing.assert_allclose(weighted(posterior(x, prior), w), posterior(x, np.ones(3)), atol=0.01)


def test_weights_make_up_for_what_a_model_expects() -> None:
    rng = np.random.default_rng(0)
    codes, p = rng.integers(0, 4, 30), rng.dirichlet(np.ones(4), 30)
    w = class_weights(p, codes)
    np.testing.assert_allclose(w * p.mean(0), 0.25)
    np.testing.assert_allclose(weighted(weighted(p, w), 1 / w), p)
    np.testing.assert_allclose(weighted(p, w).sum(-1), 1)
    # Of one that fits its labels, that is how often each class is among these.
    by_heart = class_weights(np.eye(4)[codes], codes)
    np.testing.assert_allclose([by_heart[codes[codes == c]].sum() for c in range(4)], 30 / 4)
    np.testing.assert_allclose(class_weights(np.eye(4), np.arange(4)), 1)
    # A class without a label keeps what it had, and one that is never expected is not raised without end.
    assert class_weights(p, np.array([1, 1, 2] * 10))[[0, 3]].tolist() == [1, 1]
    assert np.isfinite(class_weights(np.eye(2)[[0, 0]], np.array([0, 1]))).all()
