"""What a value yields does not depend on the others; what cannot be swept is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attar.errors import DataError, TrainingError
from attar.risk import network_curve

RNG = np.random.default_rng(0)
X, X_TEST = RNG.normal(2, [1, 3, 0, 1], size=(30, 4)), RNG.normal(2, [1, 3, 1, 1], size=(20, 4))
Y, Y_TEST = np.where(X[:, 0] > 2, "b", "a"), np.where(X_TEST[:, 0] > 2, "b", "a")


def test_what_a_value_yields_does_not_depend_on_the_others() -> None:
    some = network_curve(X, Y, X_TEST, Y_TEST, values=[2, 40], epochs=10, label_noise=0.1)
    more = network_curve(X, Y, X_TEST, Y_TEST, values=[40, 3, 2, 17], epochs=10, label_noise=0.1)
    assert more.axis.tolist() == [2, 3, 17, 40]
    np.testing.assert_allclose(more.test_risk[[0, 3]], some.test_risk, rtol=1e-4)


def test_what_the_caller_has_set_in_torch_changes_nothing(unusual_torch) -> None:
    expected = network_curve(X, Y, X_TEST, Y_TEST, values=[2, 8], epochs=2, seeds=1)
    with unusual_torch():
        found = network_curve(X, Y, X_TEST, Y_TEST, values=[2, 8], epochs=2, seeds=1)
    np.testing.assert_array_equal(found.test_risk, expected.test_risk)


@pytest.mark.parametrize(
    ("over", "values"),
    [
        ("parameters", [1, 4]),
        ("batch size", [4, 64]),
        ("learning rate", [0.001, 0.1]),
        ("samples", [2, 30]),
        ("label noise", [0.0, 0.5]),
    ],
)
def test_every_axis_has_a_curve_and_means_of_its_seeds(over: str, values: list[float]) -> None:
    curve = network_curve(X, Y, X_TEST, Y_TEST, over, values, epochs=2, seeds=2, width=4)
    assert curve.over == over
    assert curve.axis.tolist() == ([1 * 5 + 2 * 2, 4 * 5 + 2 * 5] if over == "parameters" else values)
    assert curve.draws == 2
    for risk in (curve, curve.zero_one):
        assert risk is not None
        assert risk.test_interval is not None
        assert (risk.test_interval[:, 0] <= risk.test_risk).all()
        assert (risk.test_risk <= risk.test_interval[:, 1]).all()


@pytest.mark.parametrize("over", ["width", "batch size", "samples", "label noise"])
def test_defaults_suit_a_small_task(over: str) -> None:
    curve = network_curve(X, Y, X_TEST, Y_TEST, over, epochs=0.1, seeds=1)
    assert len(curve.axis) >= 2
    assert curve.test_interval is None


def test_images_and_series_are_convolved() -> None:
    rng = np.random.default_rng(1)
    for shape in ((2, 6, 5), (3, 9)):
        x = rng.normal(size=(8, *shape))
        curve = network_curve(x, rng.normal(size=8), x, rng.normal(size=8), values=[1, 2], net="conv", epochs=2)
        assert curve.loss == "squared error"
        assert curve.zero_one is None


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.ones((1, 3)), ["a"]),
        (np.ones((1, 3)), [1.5]),
        (np.ones((5, 3)), ["a"] * 5),
        (np.ones((5, 3)), [2.0] * 5),
        (RNG.normal(size=(3, 2)), ["a", "b", "c"]),
    ],
    ids=["one sample", "one number", "one class", "constant numbers", "as many classes as samples"],
)
def test_little_to_learn_from_has_a_curve(x: np.ndarray[Any, Any], y: list[Any]) -> None:
    test = [*y, "z"] if isinstance(y[0], str) else [*y, 0.0]
    curve = network_curve(x, y, np.concatenate([x, x[:1]]), test, values=[1, 8], epochs=3, label_noise=0.0)
    assert np.isfinite(curve.test_risk).all()
    assert np.isfinite(curve.train_risk).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"X": np.where(X[3, 1] == X, np.nan, X)}, "X has a missing or infinite value in row 3"),
        ({"over": "depth"}, "over is 'depth'"),
        ({"values": []}, "values is empty"),
        ({"values": [0, 4]}, "width is 0"),
        ({"values": [1.5]}, "width is 1.5"),
        ({"values": [float("nan")]}, "values has a missing"),
        ({"over": "samples", "values": [31]}, "samples is 31: .* to 30"),
        ({"over": "batch size", "values": [0]}, "batch size is 0"),
        ({"over": "learning rate", "values": [-0.1]}, "learning rate is -0.1"),
        ({"over": "label noise", "values": [1.5]}, "label noise is 1.5"),
        ({"epochs": 0}, "epochs is 0"),
        ({"lr": "fast"}, "learning rate is fast"),
        ({"momentum": None}, "momentum is None"),
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": 2.5}, "seeds is 2.5"),
        ({"over": "batch size", "width": None}, "width is None"),
        ({"net": "conv"}, r"samples have shape \(4,\)"),
        ({"weight_decy": 1}, "there is no setting 'weight_decy': a recipe has loss, optimizer, .*weight_decay"),
        ({"loss": "hinge"}, "loss is 'hinge'"),
        ({"y": X[:, 0], "y_test": X_TEST[:, 0], "loss": "cross-entropy"}, "cross-entropy is for classes"),
    ],
)
def test_bad_input_is_named(changed: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"X": X, "y": Y, "X_test": X_TEST, "y_test": Y_TEST, "epochs": 1}
    with pytest.raises(DataError, match=message):
        network_curve(**{**good, **changed})


def test_a_learning_rate_that_is_too_large_is_named() -> None:
    with pytest.raises(TrainingError, match=r"learning rate 1e\+10"):
        network_curve(X, 1.0 * (Y == "a"), X_TEST, 1.0 * (Y_TEST == "a"), "learning rate", [0.01, 1e10], epochs=20)
