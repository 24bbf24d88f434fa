from __future__ import annotations

import numpy as np
import pytest

from attar.represent.random_features import RandomFeatures
from attar.represent.raw import Raw


def rows(n=60, d=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_inner_products_are_the_gaussian_kernel() -> None:
    x = rows()
    features = RandomFeatures(20_000, random_state=0).fit(x)
    z, flat = features.transform(x).astype(np.float64), Raw().fit_transform(x).astype(np.float64)
    squared = ((flat[:, None] - flat[None]) ** 2).sum(2)
    kernel = np.exp(-squared / (2 * features.length_scale_**2))
    # Each entry is a mean of 20 000 terms in [-2, 2].
    np.testing.assert_allclose(z @ z.T, kernel, atol=0.05)


def test_the_error_shrinks_with_the_number_of_features() -> None:
    x = rows()
    errors = []
    for dim in (64, 4096):
        features = RandomFeatures(dim, random_state=0).fit(x)
        z, flat = features.transform(x), Raw().fit_transform(x)
        kernel = np.exp(-((flat[:, None] - flat[None]) ** 2).sum(2) / (2 * features.length_scale_**2))
        errors.append(np.sqrt(np.mean((z @ z.T - kernel) ** 2)))
    assert errors[1] < errors[0] / 4


def test_length_scale_is_the_median_distance() -> None:
    x = rows(400)
    flat = Raw().fit_transform(x)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    features = RandomFeatures(8, random_state=0).fit(x)
    assert features.length_scale_ == pytest.approx(np.median(distances[np.triu_indices(400, 1)]), rel=0.1)


@pytest.mark.parametrize("x", [np.ones((5, 3)), np.ones((1, 1)), np.repeat(rows(2), 9, axis=0), 1e-42 * rows(9)])
def test_samples_that_are_all_alike(x) -> None:
    features = RandomFeatures(16, random_state=0).fit(x)
    assert features.length_scale_ > 0
    assert np.isfinite(features.transform(x)).all()


def test_seeds() -> None:
    x = rows()
    one, same, other = (RandomFeatures(16, random_state=s).fit_transform(x) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)
