"""Gradient descent in closed form against descending step by step, and where it arrives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attar.errors import DataError
from attar.risk import gradient_descent_path


@pytest.mark.parametrize(("n", "p"), [(12, 5), (8, 8), (6, 20)])
@pytest.mark.parametrize("factor", [0.3, 1.0, 1.7])
def test_each_step_is_that_of_descent(n: int, p: int, factor: float) -> None:
    rng = np.random.default_rng(0)
    x, y, t, z, start = (rng.standard_normal(s) for s in ((n, p), (n,), (7, p), (7,), (p,)))
    rate = factor / np.linalg.norm(x, 2) ** 2
    curve = gradient_descent_path(x, y, t, z, [0, 1, 2, 7, 40], start=start, rate=rate)
    beta, place = start.copy(), 0
    for step in range(41):
        if step == curve.axis[place]:
            assert curve.train_risk[place] == pytest.approx(((x @ beta - y) ** 2).mean(), rel=1e-9)
            assert curve.test_risk[place] == pytest.approx(((t @ beta - z) ** 2).mean(), rel=1e-9)
            assert curve.norm is not None
            assert curve.norm[place] == pytest.approx(np.linalg.norm(beta), rel=1e-9)
            place += 1
        beta -= rate * x.T @ (x @ beta - y)


@pytest.mark.parametrize("slow", [1e-4, 1e-7, 1e-9])
def test_a_direction_below_rounding_arrives_too(slow: float) -> None:
    s = np.array([1.0, 0.5, slow])
    steps = round(1 / slow**2)
    curve = gradient_descent_path(np.diag(s), s, np.eye(3), np.ones(3), [steps], rate=1.0)
    # (1 − s²)ᵗ = e⁻¹ in the slowest direction, and 0 in the others.
    assert curve.test_risk[0] == pytest.approx(np.exp(-2) / 3, rel=1e-6)


def test_it_goes_on_until_a_direction_that_is_overshot_has_arrived() -> None:
    x = np.diag([1.0, 0.9])
    assert gradient_descent_path(x, np.ones(2), x, np.ones(2), rate=1.99).train_risk[-1] < 1e-20


@pytest.mark.parametrize("from_zero", [True, False])
def test_it_arrives_at_the_least_norm_or_at_the_projection_of_its_start(from_zero: bool) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((15, 60)), rng.standard_normal(15)
    start = np.zeros(60) if from_zero else rng.standard_normal(60)
    nearest = start + np.linalg.pinv(x) @ (y - x @ start)
    curve = gradient_descent_path(x, y, np.eye(60), nearest, start=start)
    assert curve.test_risk[-1] ** 0.5 < 1e-6
    assert curve.train_risk[-1] < 1e-20
    # Nothing that fits is nearer to the start.
    other = nearest + (np.eye(60) - np.linalg.pinv(x) @ x) @ rng.standard_normal(60)
    assert np.linalg.norm(other - start) > np.linalg.norm(nearest - start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rate": 2.0}, "converges between"),
        ({"rate": 0.0}, "converges between"),
        ({"rate": "fast"}, "rate is fast: descent converges between"),
        ({"steps": [1.5]}, "whole numbers"),
        ({"steps": [-1]}, "whole numbers"),
        ({"start": np.ones(3)}, "one number for each of the 2"),
        ({"start": [np.inf, 0]}, "start has a missing"),
    ],
)
def test_bad_input_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        gradient_descent_path(np.eye(2), np.ones(2), np.eye(2), np.ones(2), **arguments)


def test_zeros_stay_where_they_are() -> None:
    curve = gradient_descent_path(np.zeros((3, 2)), np.ones(3), np.ones((1, 2)), [0.0], start=[1.0, 1.0])
    assert set(curve.test_risk) == {4.0}
