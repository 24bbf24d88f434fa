"""The formulas against one another, against exact moments, and against draws."""

from __future__ import annotations

import numpy as np
import pytest

from attar.errors import DataError
from attar.risk import ridge_risk, ridgeless_risk, weak_features_risk


@pytest.mark.parametrize("ratio", [1.1, 2.0, 7.0])
def test_equal_eigenvalues_are_the_isotropic_case(ratio: float) -> None:
    isotropic = ridgeless_risk(ratio, signal=2.0, noise=0.3)
    found = ridgeless_risk(ratio, signal=2.0, noise=0.3, eigenvalues=np.ones(50))
    assert found.bias2 == pytest.approx(isotropic.bias2, rel=1e-10)
    assert found.variance == pytest.approx(isotropic.variance, rel=1e-10)


@pytest.mark.parametrize("ratio", [0.3, 0.9, 1.5, 6.0])
def test_a_vanishing_ridge_is_none(ratio: float) -> None:
    s = np.geomspace(0.1, 3, 40)
    w = s**2
    nearly, none = (
        ridge_risk(ratio, 1e-9, noise=0.5, eigenvalues=s, weights=w),
        ridgeless_risk(ratio, noise=0.5, eigenvalues=s, weights=w),
    )
    assert nearly.bias2 == pytest.approx(none.bias2, rel=1e-6, abs=1e-12)
    assert nearly.variance == pytest.approx(none.variance, rel=1e-6)


@pytest.mark.parametrize("ridge", [1e16, 1e200])
def test_a_ridge_beyond_all_features_leaves_nothing_but_bias(ridge: float) -> None:
    found = ridge_risk(0.5, ridge, signal=2.0, eigenvalues=[1.0, 3.0])
    assert found.bias2 == pytest.approx(4.0)
    assert found.variance == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 3.0])
def test_the_best_ridge_is_where_the_formula_says_and_ends_double_descent(ratio: float) -> None:
    best = ratio * 0.5 / 2.0
    at = [ridge_risk(ratio, best * f, signal=2.0, noise=0.5).excess for f in (0.9, 1.0, 1.1)]
    assert at[1] < min(at[0], at[2])
    more_samples = [ridge_risk(g, g * 0.5 / 2.0, signal=2.0, noise=0.5).excess for g in np.geomspace(8, 0.1, 60)]
    assert (np.diff(more_samples) < 0).all()


def test_correlated_features_as_drawn() -> None:
    """With samples of the same spectrum in place of the limit; 40 draws at n = 150."""
    n, p, noise, ridge = 150, 400, 0.5, 0.2
    rng = np.random.default_rng(0)
    s = np.geomspace(0.05, 3, p)
    w = s**2
    beta = np.sqrt(w / w.sum())
    risks: dict[str, list[tuple[float, float]]] = {"none": [], "ridge": []}
    for _ in range(40):
        x = rng.standard_normal((n, p)) * np.sqrt(s)
        inverses = {"none": np.linalg.pinv(x), "ridge": np.linalg.solve(x.T @ x / n + ridge * np.eye(p), x.T / n)}
        for name, inverse in inverses.items():
            moved = inverse @ (x @ beta) - beta
            risks[name].append((float(moved @ (s * moved)), noise * float((inverse**2 * s[:, None]).sum())))
    expected = {
        "none": ridgeless_risk(p / n, noise=noise, eigenvalues=s, weights=w),
        "ridge": ridge_risk(p / n, ridge, noise=noise, eigenvalues=s, weights=w),
    }
    for name, drawn in risks.items():
        mean, error = np.mean(drawn, 0), np.std(drawn, 0, ddof=1) / 40**0.5
        for i, value in enumerate((expected[name].bias2, expected[name].variance)):
            # The limit is off by about 1/n itself.
            assert abs(mean[i] - value) < 3 * error[i] + value / n


def test_weak_features_become_the_isotropic_case_as_all_are_used() -> None:
    n = 4000
    for ratio in (0.4, 2.5):
        p = round(ratio * n)
        exact = weak_features_risk(p, n, p, signal=1.5, noise=0.5) - 0.5
        assert exact == pytest.approx(ridgeless_risk(ratio, signal=1.5, noise=0.5).excess, rel=2e-3)
    assert weak_features_risk(n - 1, n, 2 * n) == np.inf
    assert weak_features_risk(0, n, 2 * n, signal=1.5, noise=0.5) == 2.0


@pytest.mark.parametrize(("ratio", "fewer"), [(2.0, 0.5), (0.8, 0.2), (8.0, 2.0)])
def test_features_that_do_not_vary_are_none(ratio: float, fewer: float) -> None:
    found = ridgeless_risk(ratio, eigenvalues=[2.0, 0.0, 0.0, 0.0], weights=[1.0, 0.0, 0.0, 1.0])
    expected = ridgeless_risk(fewer, signal=0.5, eigenvalues=[2.0])
    assert found.bias2 == pytest.approx(expected.bias2)
    assert found.variance == pytest.approx(expected.variance)


def test_weak_features_without_anything_that_acts_as_noise() -> None:
    rng = np.random.default_rng(0)
    for n in (9, 10, 11):
        left = [np.eye(10) - np.linalg.pinv(x) @ x for x in rng.standard_normal((200, n, 10))]
        drawn = np.mean([np.square(a).sum() / 10 for a in left])
        assert weak_features_risk(10, n, 10, signal=1.0, noise=0.0) == pytest.approx(drawn, abs=1e-9)
    assert weak_features_risk(0, 1, 5, signal=1.5, noise=0.5) == 2.0


@pytest.mark.parametrize("size", [-1, 21, 1.5, True])
def test_weak_features_are_so_many_of_all(size: float) -> None:
    with pytest.raises(DataError, match="whole numbers, size from 0 to p_max"):
        weak_features_risk(size, 10, 20)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="noise is -1"):
        weak_features_risk(3, 10, 20, noise=-1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ratio": 0.0}, "ratio is 0"),
        ({"ratio": np.nan}, "ratio is nan"),
        ({"ratio": 1.0}, "infinite"),
        ({"ratio": 2.0, "noise": -1.0}, "noise is -1"),
        ({"ratio": 2.0, "noise": None}, "noise is None"),
        ({"ratio": 2.0, "eigenvalues": []}, "eigenvalues must"),
        ({"ratio": 2.0, "eigenvalues": [0.0]}, "eigenvalues must"),
        ({"ratio": 2.0, "eigenvalues": [1.0, -1.0]}, "eigenvalues must"),
        ({"ratio": 2.0, "eigenvalues": [1.0], "weights": [1.0, 1.0]}, "give 1 weights"),
    ],
)
def test_bad_input_is_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ridgeless_risk(**arguments)
