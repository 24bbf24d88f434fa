from __future__ import annotations

import numpy as np
import pytest

from attar import kinds
from attar.represent.raw import Raw


@pytest.mark.parametrize("shape", [(5,), (2, 9), (6, 6), (6, 4, 3)])
def test_values_are_standardised_and_flat(shape) -> None:
    x = (np.random.default_rng(0).standard_normal((50, *shape)) * 3 + 7).astype(np.float32)
    raw = Raw()
    z = raw.fit_transform(x)
    assert z.shape == (50, raw.dim_) == (50, np.prod(shape))
    assert abs(z.mean()) < 1e-4
    assert z.std() == pytest.approx(1, abs=1e-3)


def test_missing_values_become_the_mean_and_an_indicator() -> None:
    z = Raw().fit_transform(np.array([[1.0, np.nan], [3.0, 5.0], [2.0, 7.0]]))
    np.testing.assert_allclose(z[0], [-np.sqrt(1.5), 0, 1], atol=1e-6)


def test_constant_columns_are_zero() -> None:
    assert not Raw().fit_transform(np.full((4, 2), 1e6)).any()


def test_a_kind_by_name_or_as_it_is() -> None:
    x = np.random.default_rng(0).standard_normal((20, 6, 6)).astype(np.float32)
    by_name = Raw(kind="series").fit_transform(x)
    np.testing.assert_array_equal(by_name, Raw(kind=kinds.of("series").learn(x)).fit_transform(x))
    assert not np.allclose(by_name, Raw().fit_transform(x))  # a square is an image
