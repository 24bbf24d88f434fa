"""Random features against their kernel, and the curve against a solver called for each size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attar.errors import DataError
from attar.risk import feature_curve
from attar.risk.random_features import _features, _scale
from attar.risk.task import Task

Array = np.ndarray[Any, np.dtype[np.float64]]


def samples(n: int, n_test: int, d: int = 4, seed: int = 0) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng(seed)
    x, t = rng.standard_normal((n, d)), rng.standard_normal((n_test, d))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int), t, (t[:, 0] * t[:, 1] > 0).astype(int)


def test_fourier_features_become_their_kernel() -> None:
    x = np.random.default_rng(0).standard_normal((6, 3))
    z = _features("fourier", 1.5, (0, 0), x, 0, 200_000)
    kernel = np.exp(-np.square(x[:, None] - x).sum(2) / (2 * 1.5**2))
    # Standard deviation of a product of two features: less than √2.
    np.testing.assert_allclose(z @ z.T / 200_000, kernel, atol=4 * 2**0.5 / 200_000**0.5)


def test_relu_features_become_the_arc_cosine_kernel() -> None:
    x = np.random.default_rng(0).standard_normal((5, 3))
    z = _features("relu", 1.0, (0, 0), x, 0, 200_000)
    lengths = np.linalg.norm(x, axis=1)
    angle = np.arccos(np.clip(x @ x.T / np.outer(lengths, lengths), -1, 1))
    # Cho, Saul, Kernel methods for deep learning, 2009, for v on the sphere: E⟨v, x⟩² = ‖x‖² / 3.
    kernel = np.outer(lengths, lengths) * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi) / 3
    np.testing.assert_allclose(z @ z.T / 200_000, kernel, atol=4 * lengths.max() ** 2 / 200_000**0.5)
    np.testing.assert_allclose(_features("relu", 1.0, (0, 0), 3 * x, 0, 9), 3 * z[:, :9])


def test_features_are_the_same_however_they_are_cut() -> None:
    x = np.random.default_rng(0).standard_normal((3, 2))
    whole = _features("fourier", 1.0, (4, 1), x, 0, 700)
    parts = [_features("fourier", 1.0, (4, 1), x, a, b) for a, b in ((0, 100), (100, 256), (256, 257), (257, 700))]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=0, atol=1e-13)
    assert abs(whole - _features("fourier", 1.0, (4, 2), x, 0, 700)).max() > 0.1


@pytest.mark.parametrize("features", ["fourier", "relu"])
def test_risks_are_those_of_a_solver(features: str) -> None:
    x, y, t, expected = samples(40, 60)
    sizes = [3, 20, 39, 40, 41, 60, 300]
    curve = feature_curve(x, y, t, expected, sizes, features=features, scale=2.0)
    assert curve.zero_one is not None
    assert curve.norm is not None
    assert curve.threshold == curve.zero_one.threshold == 40
    for i, p in enumerate(sizes):
        z, u = (_features(features, 2.0, (0, 0), a, 0, p) for a in (x, t))
        beta = np.linalg.lstsq(z, np.eye(2)[y])[0]
        for truth, made, risk, wrong in (
            (y, z @ beta, curve.train_risk, curve.zero_one.train_risk),
            (expected, u @ beta, curve.test_risk, curve.zero_one.test_risk),
        ):
            assert risk[i] == pytest.approx(np.square(np.eye(2)[truth] - made).sum(1).mean(), rel=1e-6, abs=1e-12)
            assert wrong[i] == pytest.approx((made.argmax(1) != truth).mean())
        assert curve.norm[i] == pytest.approx(p**0.5 * np.linalg.norm(beta), rel=1e-7)


def test_the_end_of_the_curve_is_the_interpolant_of_the_kernel() -> None:
    x, _, t, _ = samples(15, 30, d=2)
    y, expected = x[:, 0], t[:, 0]
    curve = feature_curve(x, y, t, expected, [40_000], scale=1.0)
    k, q = (np.exp(-np.square(a[:, None] - x).sum(2) / 2) for a in (x, t))
    alpha = np.linalg.solve(k, y)
    assert curve.norm is not None
    assert curve.norm[0] == pytest.approx((y @ alpha) ** 0.5, rel=0.05)
    assert curve.test_risk[0] == pytest.approx(np.square(expected - q @ alpha).mean(), rel=0.3)


def test_scale_has_the_lowest_leave_one_out_error() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 2))
    y = np.sin(2 * x[:, :1])
    distances = np.sqrt(np.square(x[:, None] - x).sum(2))
    scales = np.median(distances[distances > 0]) * 2.0 ** np.arange(-4, 2)

    def left_out(scale: float) -> float:
        k = np.exp(-0.5 * (distances / scale) ** 2)
        rest = [np.delete(np.arange(30), i) for i in range(30)]
        made = [k[i, r] @ np.linalg.solve(k[np.ix_(r, r)], y[r]) for i, r in enumerate(rest)]
        return float(np.square(y - np.array(made)).sum())

    assert _scale(x, y, rng) == pytest.approx(min(scales, key=left_out))


def test_draws_are_averaged_and_repeat() -> None:
    x, y, t, expected = samples(20, 30)
    sizes = [5, 20, 90]
    settings: dict[str, Any] = {"sizes": sizes, "label_noise": 0.2, "scale": 1.0}
    curve = feature_curve(x, y, t, expected, draws=3, **settings)
    again = feature_curve(x, y, t, expected, draws=3, **settings)
    assert curve.to_json() == again.to_json()
    assert curve.draws == 3
    one = []
    for draw in range(3):
        noisy = Task.of(x, y, t, expected).with_noise(0.2, np.random.default_rng([0, draw])).y
        u = _features("fourier", 1.0, (0, draw), t, 0, 5)
        beta = np.linalg.lstsq(_features("fourier", 1.0, (0, draw), x, 0, 5), noisy)[0]
        one.append(np.square(np.eye(2)[expected] - u @ beta).sum(1).mean())
    assert curve.test_risk[0] == pytest.approx(np.mean(one))
    assert curve.test_interval is not None
    np.testing.assert_allclose(curve.test_interval[0], np.quantile(one, [0.05, 0.95]))


def test_sizes_are_dense_around_the_threshold() -> None:
    x, y, t, expected = samples(400, 10)
    seen: list[tuple[int, int]] = []
    curve = feature_curve(x, y, t, expected, on_step=lambda done, of: seen.append((done, of)))
    assert len(curve.axis) >= 40
    assert {396, 400, 404} <= set(curve.axis)
    assert curve.axis[-1] == 1600
    assert seen == [(i + 1, len(seen)) for i in range(len(seen))]


def test_images_are_flattened() -> None:
    x, y, t, expected = samples(10, 5)
    flat = feature_curve(x, y, t, expected, [30])
    square = feature_curve(x.reshape(10, 2, 2), y, t.reshape(5, 2, 2), expected, [30])
    assert flat.to_json() == square.to_json()


@pytest.mark.parametrize("features", ["fourier", "relu"])
def test_hostile_samples_have_an_answer(features: str) -> None:
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((6, 2)), rng.standard_normal((4, 2))
    y, expected = np.array(list("abcdef")), np.array(list("gabc"))
    settings: dict[str, Any] = {"sizes": [1, 6, 20], "features": features}
    for train, labels in (
        (x, y),  # as many classes as samples, and one that no training sample has
        (x[:1], y[:1]),  # one sample
        (x, np.array(["a"] * 6)),  # one class
        (np.ones_like(x), y),  # nothing to tell them by
        (np.zeros_like(x), y),
        (x[[0, 0, 1, 1, 2, 2]], y),  # the same sample of two classes
        (1e8 * x, y),
    ):
        curve = feature_curve(train, labels, t, expected, **settings)
        assert curve.zero_one is not None
        assert np.isfinite(curve.test_risk).all()
        assert ((curve.zero_one.test_risk >= 0.25) & (curve.zero_one.test_risk <= 1)).all()  # "g" is never known


@pytest.mark.parametrize("features", ["fourier", "relu"])
def test_samples_that_are_there_twice_are_fitted_as_a_solver_does(features: str) -> None:
    x, _, t, expected = samples(12, 30)
    twice = x[[0, 0, 0, 1, 1, *range(2, 12)]]
    y = np.arange(15) % 2
    sizes = [3, 11, 12, 13, 60]
    curve = feature_curve(twice, y, t, expected, sizes, features=features, scale=2.0)
    for i, p in enumerate(sizes):
        z, u = (_features(features, 2.0, (0, 0), a, 0, p) for a in (twice, t))
        beta = np.linalg.pinv(z, rcond=1e-12) @ np.eye(2)[y]
        assert curve.train_risk[i] == pytest.approx(np.square(np.eye(2)[y] - z @ beta).sum(1).mean())
        assert curve.test_risk[i] == pytest.approx(np.square(np.eye(2)[expected] - u @ beta).sum(1).mean(), rel=1e-6)
    assert curve.threshold == 12
    # What contradicts itself remains: ‖eᵢ − 2/3 eᵢ − 1/3 eⱼ‖² and so on, of three and of two.
    assert curve.train_risk[-1] == pytest.approx((2 * 2 / 9 + 8 / 9 + 2 * 0.5) / 15)


def test_bad_input_is_named() -> None:
    x, y, t, expected = samples(6, 4)
    for change, words in (
        ({"features": "sigmoid"}, "give 'fourier' or 'relu'"),
        ({"scale": 0.0}, "positive"),
        ({"scale": np.nan}, "positive"),
        ({"scale": "median"}, "positive"),
        ({"draws": 0}, "draws is 0"),
        ({"draws": 2.5}, "draws is 2.5: give a whole number from 1"),
        ({"sizes": [0, 3]}, "whole numbers"),
        ({"sizes": [2.5]}, "whole numbers"),
        ({"sizes": []}, "whole numbers"),
        ({"label_noise": 1.5}, "from 0 to 1"),
    ):
        with pytest.raises(DataError, match=words):
            feature_curve(x, y, t, expected, **change)  # type: ignore[arg-type]
    x[2, 1] = np.nan
    with pytest.raises(DataError, match="row 2"):
        feature_curve(x, y, t, expected)
