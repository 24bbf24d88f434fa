"""Ridge regression against its normal equations, and its left-out samples against leaving them out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attar.errors import DataError
from attar.risk import least_squares_path, ridge_path, tuned_path

Array = np.ndarray[Any, np.dtype[np.float64]]


def solved(x: Array, y: Array, ridge: float) -> Array:
    if not ridge:
        return np.asarray(np.linalg.pinv(x) @ y)
    return np.asarray(np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y))


def made(n: int, p: int, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal(s) for s in ((n, p), (n, 2), (9, p), (9, 2)))  # type: ignore[return-value]


@pytest.mark.parametrize("p", [3, 20, 50])
def test_every_ridge_equals_the_normal_equations(p: int) -> None:
    x, y, t, z = made(20, p)
    ridges = [0.0, 1e-3, 1.0, 50.0]
    curve = ridge_path(x, y, t, z, ridges)
    for i, ridge in enumerate(ridges):
        beta = solved(x, y, ridge)
        assert curve.train_risk[i] == pytest.approx(((x @ beta - y) ** 2).mean(), abs=1e-12, rel=1e-8)
        assert curve.test_risk[i] == pytest.approx(((t @ beta - z) ** 2).mean(), rel=1e-8)
        assert curve.norm is not None
        assert curve.norm[i] == pytest.approx(np.linalg.norm(beta, axis=0).mean(), rel=1e-8)
    assert (curve.threshold == 0) == (p >= 20)


@pytest.mark.parametrize("p", [3, 19, 20, 21, 60])
def test_samples_left_out_are_as_if_never_seen(p: int) -> None:
    x, y, _, _ = made(20, p, seed=1)
    ridges = [0.0, 1e-9, 1e-3, 1.0, 50.0]
    curve = ridge_path(x, y, ridges=ridges)
    for i, ridge in enumerate(ridges):
        if p in (19, 20) and ridge < 1e-3:
            continue  # at the threshold neither way keeps any digits
        errors = []
        for j in range(20):
            others = np.arange(20) != j
            errors.append(y[j] - x[j] @ solved(x[others], y[others], ridge))
        assert curve.test_risk[i] == pytest.approx(np.mean(np.square(errors)), rel=1e-5)


@pytest.mark.parametrize("p", [3, 20, 60])
@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_the_units_of_the_features_change_nothing(p: int, unit: float) -> None:
    x, y, _, _ = made(20, p, seed=2)
    ridges = np.array([1e-2, 1.0, 50.0])
    found, other = ridge_path(x, y, ridges=ridges), ridge_path(x * unit, y, ridges=ridges * unit**2)
    np.testing.assert_allclose(other.test_risk, found.test_risk, rtol=1e-6)
    assert ridge_path(x * unit, y).best == pytest.approx(ridge_path(x, y).best * unit**2)


def test_no_ridge_is_the_least_squares_path_and_a_huge_one_predicts_zero() -> None:
    x, y, t, z = made(15, 40)
    least = least_squares_path(x, y, t, z, sizes=[40])
    curve = ridge_path(x, y, t, z, [0.0, 1e12])
    assert curve.test_risk[0] == pytest.approx(least.test_risk[0], rel=1e-9)
    assert curve.test_risk[1] == pytest.approx((z**2).mean(), rel=1e-6)


def test_the_tuned_path_has_no_peak_where_least_squares_has_one() -> None:
    rng = np.random.default_rng(2)
    beta = np.ones(120) / 120**0.5
    x, t = rng.standard_normal((60, 120)), rng.standard_normal((500, 120))
    y = (x @ beta)[:, None] + 0.5 * rng.standard_normal((60, 20))
    sizes = [20, 40, 58, 60, 62, 80, 120]
    least, tuned = (f(x, y, t, t @ beta, sizes) for f in (least_squares_path, tuned_path))
    assert (tuned.test_risk < least.test_risk).all()
    assert tuned.test_risk.max() < 1.2 < 5 < least.test_risk.max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X_test": np.ones((1, 2))}, "together"),
        ({"ridges": [-1.0]}, "zero or more"),
        ({"ridges": []}, "zero or more"),
        ({"ridges": [np.nan]}, "ridges has a missing"),
        ({"X": np.empty((0, 2))}, "X has shape"),
    ],
)
def test_bad_input_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ridge_path(**({"X": np.eye(2), "y": np.ones(2)} | arguments))


def test_zeros_and_one_sample_have_a_curve() -> None:
    assert ridge_path(np.zeros((3, 2)), np.ones(3)).test_risk.max() == 1.0
    assert np.allclose(ridge_path([[2.0]], [3.0]).test_risk, 9.0)
