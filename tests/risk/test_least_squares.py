"""The whole path against a solver called for every p, gradient descent, and the theory of ridgeless regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.linalg import lstsq

from attar.errors import DataError
from attar.risk import least_squares_path
from attar.risk._path import Path

Array = np.ndarray[Any, np.dtype[np.float64]]


def predictions(x: Array, y: Array, t: Array) -> Array:
    """Of the path for every p `(p_max, n_test, m)`."""
    found: dict[int, Array] = {}
    for step in Path(x, y, t).steps():
        found.update(step.predictions(np.arange(1, x.shape[1] + 1)))
    return np.stack([found[p] for p in range(1, x.shape[1] + 1)])


def naive(x: Array, y: Array, t: Array) -> tuple[Array, Array]:
    """The same by lstsq, and the condition numbers, of what is not rounding."""
    answers, conditions = [], []
    for p in range(1, x.shape[1] + 1):
        beta, _, _, values = lstsq(x[:, :p], y, cond=1e-11)
        kept = values[values > 1e-11 * values[0]]
        answers.append(t[:, :p] @ beta)
        conditions.append(kept[0] / kept[-1] if len(kept) else 1.0)
    return np.stack(answers), np.array(conditions)


def made(name: str, rng: np.random.Generator, n: int, p: int, n_test: int) -> tuple[Array, Array]:
    x, t = rng.standard_normal((n, p)), rng.standard_normal((n_test, p))
    if name == "correlated":
        root = np.linalg.cholesky(0.9 ** np.abs(np.subtract.outer(np.arange(p), np.arange(p))))
        return x @ root.T, t @ root.T
    if name == "rank-deficient":
        rank = int(rng.integers(1, min(n, p) // 2 + 2))
        return x[:, :rank] @ rng.standard_normal((rank, p)), t
    if name == "duplicated":
        place = rng.integers(0, max(1, p // 2), p)
        return x[:, place], t[:, place]
    if name == "zeros":
        x[:, rng.random(p) < 0.3] = 0.0
    if name == "scaled":
        scale = 10.0 ** rng.uniform(-3, 3, p)
        return x * scale, t * scale
    return x, t


@pytest.mark.parametrize("name", ["random", "correlated", "rank-deficient", "duplicated", "zeros", "scaled"])
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), p=st.integers(1, 150))
@example(seed=0, n=34, p=39)  # rank-deficient: rounding amplified by a condition number of 900
@example(seed=34022, n=3, p=146)  # rank-deficient: a column with nothing outside the span
@example(seed=1111848, n=1, p=132)  # scaled: predictions that grow where the solution shrinks
def test_every_size_equals_the_solver(name: str, seed: int, n: int, p: int) -> None:
    rng = np.random.default_rng(seed)
    x, t = made(name, rng, n, p, n_test=7)
    y = rng.standard_normal((n, 2))
    expected, condition = naive(x, y, t)
    error = np.abs(predictions(x, y, t) - expected).max((1, 2)) / np.maximum(np.abs(expected).max((1, 2)), 1e-30)
    # Of sixteen digits the condition number takes its own: both ways of computing are within that.
    assert (error <= 1e-13 * np.maximum(condition, 1) * n).all()
    assert (error[condition < 1e3] <= 1e-8).all()


def test_risks_and_norm_are_those_of_the_solver() -> None:
    rng = np.random.default_rng(0)
    x, t, y, z = (rng.standard_normal(s) for s in ((30, 80), (50, 80), (30, 3), (50, 1)))
    curve = least_squares_path(x, y, t, z, sizes=[5, 29, 30, 31, 80])
    for i, p in enumerate(curve.axis.astype(int)):
        beta = np.linalg.pinv(x[:, :p]) @ y
        assert curve.train_risk[i] == pytest.approx(((x[:, :p] @ beta - y) ** 2).mean(), abs=1e-12)
        assert curve.test_risk[i] == pytest.approx(((t[:, :p] @ beta - z) ** 2).mean(), rel=1e-8)
        assert curve.norm is not None
        assert curve.condition is not None
        assert curve.norm[i] == pytest.approx(np.linalg.norm(beta, axis=0).mean(), rel=1e-8)
        scaled = np.linalg.norm(x[:, :p]) * np.linalg.norm(np.linalg.pinv(x[:, :p]))
        assert curve.condition[i] == pytest.approx(scaled, rel=1e-8)
    assert curve.threshold == 30


def test_several_targets_are_each_as_alone_and_scale_with_them() -> None:
    rng = np.random.default_rng(1)
    x, t, y, z = (rng.standard_normal(s) for s in ((20, 70), (9, 70), (20, 4), (9, 4)))
    together = least_squares_path(x, y, t, z).test_risk
    alone = np.mean([least_squares_path(x, y[:, i], t, z[:, i]).test_risk for i in range(4)], axis=0)
    assert np.allclose(together, alone, rtol=1e-9)
    assert np.allclose(least_squares_path(x, 1e6 * y, t, 1e6 * z).test_risk, 1e12 * together, rtol=1e-9)


def test_the_order_of_samples_and_the_choice_of_sizes_change_nothing() -> None:
    rng = np.random.default_rng(2)
    x, t, y, z = (rng.standard_normal(s) for s in ((25, 60), (9, 60), (25,), (9,)))
    whole = least_squares_path(x, y, t, z)
    order = rng.permutation(25)
    assert np.allclose(least_squares_path(x[order], y[order], t, z).test_risk, whole.test_risk, rtol=1e-9)
    few = least_squares_path(x, y, t, z, sizes=[60, 3, 25])
    assert few.axis.tolist() == [3, 25, 60]
    assert np.allclose(few.test_risk, whole.test_risk[[2, 24, 59]], rtol=1e-12)


def test_the_means_over_noise_are_what_draws_of_it_tend_to() -> None:
    rng = np.random.default_rng(6)
    x, t, f, g = (rng.standard_normal(s) for s in ((20, 50), (30, 50), (20,), (30,)))
    sizes, noise, draws = [5, 17, 30, 50], 0.4, 4000
    exact = least_squares_path(x, f, t, g, sizes, noise=noise)
    y = f[:, None] + noise**0.5 * rng.standard_normal((20, draws))
    z = g[:, None] + noise**0.5 * rng.standard_normal((30, draws))
    drawn = least_squares_path(x, y, t, z, sizes)
    assert np.allclose(exact.test_risk, drawn.test_risk, rtol=0.05)
    assert np.allclose(exact.train_risk, drawn.train_risk, rtol=0.05, atol=1e-12)
    assert exact.bias2 is not None
    assert exact.variance is not None
    for i, p in enumerate(sizes):
        inverse = np.linalg.pinv(x[:, :p])
        assert exact.bias2[i] == pytest.approx(((t[:, :p] @ inverse @ f - g) ** 2).mean(), rel=1e-8)
        assert exact.variance[i] == pytest.approx(noise * ((t[:, :p] @ inverse) ** 2).sum() / 30, rel=1e-8)
        assert exact.norm is not None
        squared = ((inverse @ f) ** 2).sum() + noise * (inverse**2).sum()
        assert exact.norm[i] == pytest.approx(squared**0.5, rel=1e-8)
    assert np.allclose(exact.bias2 + exact.variance + noise, exact.test_risk)
    several = least_squares_path(x, np.stack([f, 3 * f], axis=1), t, np.stack([g, g], axis=1), sizes, noise=noise)
    assert several.norm is not None
    for norm, p in zip(several.norm, sizes):
        inverse = np.linalg.pinv(x[:, :p])
        squared = (1 + 9) / 2 * ((inverse @ f) ** 2).sum() + noise * (inverse**2).sum()
        assert norm == pytest.approx(squared**0.5, rel=1e-8)
    silent = least_squares_path(x, f, t, g, sizes, noise=0.0)
    assert np.allclose(silent.test_risk, least_squares_path(x, f, t, g, sizes).test_risk)


def test_gradient_descent_arrives_at_the_minimum_norm_solution_from_zero_and_at_the_projection_from_elsewhere() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((15, 60)), rng.standard_normal(15)
    step = 1 / np.linalg.norm(x, 2) ** 2
    for start in (np.zeros(60), rng.standard_normal(60)):
        beta = start.copy()
        for _ in range(2000):
            beta -= step * x.T @ (x @ beta - y)
        # With X_test = I the predictions are the coefficients themselves.
        least = predictions(x, (y - x @ start)[:, None], np.eye(60))[-1][:, 0]
        assert np.abs(beta - (start + least)).max() < 1e-6


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.8, 1.3, 2.0, 5.0])
def test_the_risk_of_isotropic_features_is_that_of_the_theory(ratio: float) -> None:
    """Hastie et al., theorem 1: σ²γ/(1−γ) below the threshold, r²(1−1/γ) + σ²/(γ−1) above; at finite n exactly the
    same with n − 1 for n (moments of the inverse Wishart distribution)."""
    n, draws, signal, noise = 50, 200, 1.0, 0.25
    p = round(ratio * n)
    rng = np.random.default_rng(4)
    risks = []
    for _ in range(draws):
        beta = rng.standard_normal(p)
        beta *= np.sqrt(signal) / np.linalg.norm(beta)
        x = rng.standard_normal((n, p))
        y = x @ beta + np.sqrt(noise) * rng.standard_normal(n)
        # X_test = I and y_test = β: the mean squared error times p is ‖β̂ − β‖², the risk over isotropic samples.
        risks.append(p * float(least_squares_path(x, y, np.eye(p), beta, sizes=[p]).test_risk[0]))
    expected = noise * p / (n - p - 1) if p < n else signal * (1 - n / p) + noise * n / (p - n - 1)
    assert abs(np.mean(risks) - expected) < 3 * np.std(risks, ddof=1) / np.sqrt(draws)


def test_a_huge_peak_leaves_no_trace_in_the_sizes_after_it() -> None:
    """Nearly dependent columns at the threshold: the solution is 1e8 times as long there as a few columns later."""
    rng = np.random.default_rng(5)
    x, t, y = rng.standard_normal((20, 80)), rng.standard_normal((9, 80)), rng.standard_normal((20, 1))
    x[:, 19] = x[:, :19] @ rng.standard_normal(19) + 1e-8 * x[:, 19]
    expected, _ = naive(x, y, t)
    found = predictions(x, y, t)
    assert np.abs(expected[19]).max() > 1e6 * np.abs(expected[40]).max()
    error = np.abs(found - expected).max((1, 2)) / np.abs(expected).max((1, 2))
    assert error[25:].max() < 1e-8


def good() -> dict[str, Any]:
    return {"X": np.eye(4), "y": np.ones(4), "X_test": np.ones((2, 4)), "y_test": np.ones(2)}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"X": np.empty((0, 4))}, "X has shape"),
        ({"X": np.empty((4, 0))}, "X has shape"),
        ({"X": np.ones(4)}, "X has shape"),
        ({"X": [["a"]]}, "X is not numeric"),
        ({"X": np.diag([1, np.nan, 1, 1])}, "X has a missing or infinite value in row 1"),
        ({"y_test": [1, np.inf]}, "y_test has a missing or infinite value in row 1"),
        ({"y": np.ones(3)}, "4 rows and y 3"),
        ({"X_test": np.ones((2, 3))}, "X_test 3"),
        ({"y_test": np.ones((2, 3))}, "3: give as many"),
        ({"sizes": [0]}, "from 1 to 4"),
        ({"sizes": [5]}, "from 1 to 4"),
        ({"sizes": []}, "from 1 to 4"),
        ({"sizes": [1.5]}, "from 1 to 4"),
        ({"noise": -1.0}, "noise is -1"),
        ({"noise": np.nan}, "noise is nan"),
        ({"noise": "0.1"}, "noise is 0.1"),
    ],
)
def test_bad_input_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        least_squares_path(**{**good(), **changed})


def test_one_sample_one_feature_and_constants_have_a_curve() -> None:
    one = least_squares_path([[2.0]], [4.0], [[1.0]], [2.0])
    assert one.test_risk.tolist() == [0.0]
    assert one.threshold == 1
    nothing = least_squares_path(np.zeros((3, 2)), np.ones(3), np.ones((1, 2)), [5.0])
    assert nothing.test_risk.tolist() == [25.0, 25.0]
    assert nothing.threshold is None
