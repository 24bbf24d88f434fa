from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import dirichlet_multinomial, norm

from attar.adapt.prior import class_weights, frequencies, weighted


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


@pytest.mark.parametrize("counts", [[5, 7], [30, 1], [12, 3, 0], [60, 2, 2, 1], [1, 1], [400, 30]])
def test_frequencies_are_the_mean_under_the_likeliest_prior(counts) -> None:
    beside = np.geomspace(1, 256, 17)
    likely = [dirichlet_multinomial.logpmf(counts, np.full(len(counts), a), sum(counts)) for a in beside]
    # Of so many beside the labels that the prior is a point: the multinomial of equal classes.
    likely.append(dirichlet_multinomial.logpmf(counts, np.full(len(counts), 1e9), sum(counts)))
    a = [*beside, 1e12][int(np.argmax(likely))]
    mean = (np.array(counts) + a) / (sum(counts) + len(counts) * a)
    np.testing.assert_allclose(frequencies(np.array(counts)), mean * len(counts), atol=1e-6)


def test_frequencies_of_equal_counts_are_equal_and_of_many_labels_those_counted() -> None:
    np.testing.assert_array_equal(frequencies(np.array([7, 7, 7])), 1)
    np.testing.assert_allclose(frequencies(np.array([9000, 1000])), [1.8, 0.2], atol=1e-3)
