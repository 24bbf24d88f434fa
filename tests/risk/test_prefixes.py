"""Fits on the first p columns against a solver called for each p."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.risk import _prefixes
from attar.risk._prefixes import Fits, blocks, fits

Array = np.ndarray[Any, np.dtype[np.float64]]


def fitted(x: Array, t: Array, y: Array, sizes: list[int]) -> Fits:
    return fits(lambda a, b: x[:, a:b], lambda a, b: t[:, a:b], y, sizes, lambda: None)


def check(found: Fits, x: Array, t: Array, y: Array, sizes: list[int], slack: float) -> None:
    for i, p in enumerate(sizes):
        inverse = np.linalg.pinv(x[:, :p], rcond=1e-12)
        beta = inverse @ y
        # What rounding may do: the condition number of the columns times that of a number.
        error = slack * (1 + np.linalg.norm(inverse) * np.linalg.norm(x[:, :p]))
        size = 1 + np.linalg.norm(beta)
        np.testing.assert_allclose(found.train[i], x[:, :p] @ beta, atol=error * size)
        np.testing.assert_allclose(found.test[i], t[:, :p] @ beta, atol=error * size)
        np.testing.assert_allclose(found.norm[i], np.linalg.norm(beta, axis=0), atol=error * size)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 40),
    sizes=st.sets(st.integers(1, 130), min_size=1, max_size=8).map(sorted),
    block=st.sampled_from([3, 16, 1024]),
)
def test_every_size_equals_the_solver(seed: int, n: int, sizes: list[int], block: int) -> None:
    rng = np.random.default_rng(seed)
    x, t, y = (rng.standard_normal(s) for s in ((n, sizes[-1]), (7, sizes[-1]), (n, 2)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_prefixes, "_BLOCK", block)
        patch.setattr(_prefixes, "_walked", None)  # not needed by columns in general position
        found = fitted(x, t, y, sizes)
    check(found, x, t, y, sizes, slack=1e-13)
    assert found.threshold == (n if sizes[-1] >= n else None)


def test_both_ways_agree_beside_the_threshold() -> None:
    rng = np.random.default_rng(0)
    x, t, y = (rng.standard_normal(s) for s in ((150, 600), (20, 600), (150, 3)))
    sizes = [148, 149, 150, 151, 152, 160, 600]
    one = fitted(x, t, y, sizes)
    other = _prefixes._walked(lambda a, b: x[:, a:b], lambda a, b: t[:, a:b], y, sizes)
    assert one.threshold == other.threshold == 150
    np.testing.assert_allclose(one.test, other.test, rtol=0, atol=1e-8)
    np.testing.assert_allclose(one.train, other.train, rtol=0, atol=1e-8)
    np.testing.assert_allclose(one.norm, other.norm, rtol=1e-8)


@pytest.mark.parametrize("name", ["zero column", "equal columns", "equal samples", "zero sample", "all zero"])
def test_dependent_columns_and_samples_have_the_solution_of_least_norm(name: str) -> None:
    rng = np.random.default_rng(1)
    x, t, y = (rng.standard_normal(s) for s in ((12, 40), (5, 40), (12, 2)))
    if name == "zero column":
        x[:, 2] = 0
    elif name == "equal columns":
        x[:, 3] = x[:, 1]
    elif name == "equal samples":
        x[4] = x[9]
    elif name == "zero sample":
        x[4] = 0
    else:
        x[:] = 0
    sizes = [1, 3, 5, 11, 12, 13, 40]
    found = fitted(x, t, y, sizes)
    check(found, x, t, y, sizes, slack=1e-13)
    assert found.threshold == {"zero column": 13, "equal columns": 13}.get(name)


def test_blocks_are_counted_before_they_are_made() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((30, 90)), rng.standard_normal((30, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_prefixes, "_BLOCK", 16)
        for sizes in ([5, 20], [30], [31, 90], [7, 30, 64]):
            made: list[None] = []
            fits(lambda a, b: x[:, a:b], lambda a, b: x[:, a:b], y, sizes, lambda: made.append(None))  # noqa: B023
            assert len(made) == blocks(30, sizes)
