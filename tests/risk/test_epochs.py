"""A curve over epochs is one training, looked at now and then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attar.errors import DataError
from attar.risk import epoch_curve, network_curve

RNG = np.random.default_rng(0)
X, X_TEST = RNG.normal(size=(40, 3)), RNG.normal(size=(20, 3))
Y, Y_TEST = (X[:, 0] > 0).astype(int), (X_TEST[:, 0] > 0).astype(int)


def test_its_end_is_what_a_sweep_over_widths_finds() -> None:
    common: dict[str, Any] = {"epochs": 12, "batch_size": 8, "label_noise": 0.1, "depth": 2, "optimizer": "adam"}
    curve = epoch_curve(X, Y, X_TEST, Y_TEST, width=6, **common)
    sweep = network_curve(X, Y, X_TEST, Y_TEST, values=[6], **common)
    assert curve.over == "epochs"
    assert curve.axis[[0, -1]].tolist() == [1, 12]
    for a, b in ((curve, sweep), (curve.zero_one, sweep.zero_one)):
        assert a is not None
        assert b is not None
        np.testing.assert_allclose([a.train_risk[-1], a.test_risk[-1]], [b.train_risk[0], b.test_risk[0]], rtol=1e-4)


def test_how_often_it_is_looked_at_changes_nothing() -> None:
    often, seldom = (epoch_curve(X, Y, X_TEST, Y_TEST, epochs=8, batch_size=8, points=p) for p in (60, 3))
    assert len(often.axis) > len(seldom.axis) == 3
    same = np.isin(often.axis, seldom.axis)
    np.testing.assert_allclose(often.test_risk[same], seldom.test_risk, rtol=1e-6)


def test_less_than_an_epoch_and_one_point_have_a_curve() -> None:
    assert epoch_curve(X, Y, X_TEST, Y_TEST, epochs=0.5, batch_size=4).axis.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert epoch_curve(X, Y, X_TEST, Y_TEST, epochs=3, batch_size=8, points=1).axis.tolist() == [3]
    assert epoch_curve(X[:1], Y[:1], X_TEST, Y_TEST, epochs=2).axis.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"points": 0}, "points is 0"),
        ({"points": 2.5}, "points is 2.5"),
        ({"epochs": np.inf}, "epochs is inf"),
        ({"epochs": "ten"}, "epochs is ten"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_bad_input_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        epoch_curve(X, Y, X_TEST, Y_TEST, **changed)
