"""Least squares with a constant against its normal equations, sample by sample left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attar.errors import DataError
from attar.risk.columns import (
    PENALTIES,
    _Ridge,
    columns_curve,
    components_curve,
    noise_curve,
    penalty_curve,
    samples_curve,
)
from attar.risk.task import Task

Array = np.ndarray[Any, np.dtype[np.float64]]


def made(n: int, p: int) -> tuple[Array, Any, Array, Any]:
    rng = np.random.default_rng(0)
    z, t = rng.standard_normal((n, p)) + 5, rng.standard_normal((31, p)) + 5
    y, u = rng.integers(3, size=n), rng.integers(3, size=31)
    y[:3] = u[:3] = [0, 1, 2]
    return z, y, t, u


def solved(z: Array, y: Any, t: Array, penalty: float) -> Array:
    """Predictions of ridge regression with a free constant, by its normal equations."""
    hot, centre = np.eye(3)[y], z.mean(0)
    x = z - centre
    unit = (x**2).sum() / len(x)
    inverse = (
        np.linalg.pinv(x, 1e-10) if not penalty else np.linalg.solve(x.T @ x + penalty * unit * np.eye(x.shape[1]), x.T)
    )
    return np.asarray((t - centre) @ inverse @ (hot - hot.mean(0)) + hot.mean(0))


def risks(p: Array, u: Any) -> tuple[float, float]:
    return float(((p - np.eye(3)[u]) ** 2).sum(1).mean()), float((p.argmax(1) != u).mean())


def test_every_size_is_the_fit_on_those_columns() -> None:
    z, y, t, u = made(20, 60)
    curve = columns_curve(z, y, t, u, [3, 18, 19, 30, 60], random_state=7)
    order = np.random.default_rng(7).permutation(60)
    assert curve.zero_one is not None
    for i, p in enumerate(curve.axis.astype(int)):
        squared, wrong = risks(solved(z[:, order[:p]], y, t[:, order[:p]], 0.0), u)
        assert curve.test_risk[i] == pytest.approx(squared, rel=1e-7)
        assert curve.zero_one.test_risk[i] == wrong
    assert curve.threshold == 19
    # Between two sizes too; columns that are copies of others span no more.
    assert columns_curve(z, y, t, u, [3, 12, 30, 60]).threshold == 19
    again, later = (np.repeat(part[:, :20], 3, axis=1) for part in (z, t))
    assert columns_curve(again, y, later, u, [3, 19, 60]).threshold == 60
    whole = columns_curve(z, y, t, u, [60], random_state=3)
    assert whole.test_risk[0] == pytest.approx(curve.test_risk[-1], rel=1e-9)


def test_of_components_each_number_has_the_penalty_that_serves_what_is_left_out() -> None:
    z, y, t, u = made(20, 30)
    curve = components_curve(z, y, t, u, [3, 19, 30])
    for i, p in enumerate(curve.axis.astype(int)):
        ridge = _Ridge(Task.of(z[:, :p], y, t[:, :p], u))
        penalty = PENALTIES[np.argmin([np.square(ridge.left_out(penalty)).sum() for penalty in PENALTIES])]
        assert curve.test_risk[i] == pytest.approx(risks(solved(z[:, :p], y, t[:, :p], penalty), u)[0], rel=1e-6)


@pytest.mark.parametrize("p", [4, 60])
def test_every_penalty_is_that_of_the_normal_equations(p: int) -> None:
    z, y, t, u = made(20, p)
    curve = penalty_curve(z, y, t, u, [1e-3, 0.1, 3.0])
    for i, penalty in enumerate(curve.axis):
        assert curve.test_risk[i] == pytest.approx(risks(solved(z, y, t, penalty), u)[0], rel=1e-8)
        assert curve.train_risk[i] == pytest.approx(risks(solved(z, y, z, penalty), y)[0], rel=1e-8)


@pytest.mark.parametrize("p", [4, 60])
def test_samples_left_out_are_foretold_without_them(p: int) -> None:
    """The unit of λ is that of all samples, and the constant is fitted anew."""
    z, y, t, u = made(20, p)
    ridge, hot = _Ridge(Task.of(z, y, t, u)), np.eye(3)[y]
    for penalty in (1e-2, 1.0):
        found = ridge.left_out(penalty)
        for j in range(20):
            others = np.arange(20) != j
            a = np.column_stack([z[others] - z.mean(0), np.ones(19)])
            weights = np.linalg.solve(a.T @ a + penalty * ridge.unit * np.diag([1.0] * p + [0.0]), a.T @ hot[others])
            expected = hot[j] - np.append(z[j] - z.mean(0), 1) @ weights
            assert np.allclose(found[j], expected, atol=1e-9)


def test_how_samples_lie_in_memory_changes_no_digit() -> None:
    z, y, t, u = made(60, 40)
    curve = penalty_curve(z, y, t, u)
    other = penalty_curve(np.asfortranarray(z), y, np.asfortranarray(t), u)
    assert curve.to_json() == other.to_json()


def test_more_samples_help_and_wrong_labels_harm() -> None:
    rng = np.random.default_rng(1)
    z, t = rng.standard_normal((200, 10)), rng.standard_normal((500, 10))
    y, u = z[:, 0] > 0, t[:, 0] > 0
    more = samples_curve(z, y, t, u, [5, 50, 200])
    assert (np.diff(more.test_risk) < 0).all()
    wrong = noise_curve(z, y, t, u, [0, 0.2, 0.45])
    assert (np.diff(wrong.test_risk) > 0).all()
    assert wrong.test_risk[0] == pytest.approx(more.test_risk[-1])


def test_one_class_and_constant_columns_have_an_answer() -> None:
    z = np.ones((5, 3))
    for curve in (
        columns_curve(z, ["a"] * 5, z, ["a"] * 5, [1, 3]),
        penalty_curve(z, ["a"] * 5, z, ["a"] * 5, [1.0]),
        samples_curve(z, ["a"] * 5, z, ["a"] * 5, [2, 5]),
    ):
        assert curve.test_risk.max() < 1e-20
    # A class never seen is never right.
    unseen = penalty_curve(z, ["a"] * 5, z[:1], ["b"], [1.0])
    assert unseen.zero_one is not None
    assert unseen.zero_one.test_risk.tolist() == [1.0]


@pytest.mark.parametrize(
    ("function", "values", "message"),
    [
        (columns_curve, [0], "from 1 to 3"),
        (columns_curve, [4], "from 1 to 3"),
        (columns_curve, [], "from 1 to 3"),
        (components_curve, [4], "from 1 to 3"),
        (penalty_curve, [0.0], "positive"),
        (penalty_curve, [np.nan], "positive"),
        (samples_curve, [1], "from 2 to 5"),
        (samples_curve, [2.5], "from 2 to 5"),
        (noise_curve, [1.5], "label noise is"),
    ],
)
def test_values_out_of_range_are_named(function: Any, values: list[float], message: str) -> None:
    z, y = np.arange(15.0).reshape(5, 3), [0, 1, 0, 1, 1]
    with pytest.raises(DataError, match=message):
        function(z, y, z, y, values)
