"""A curve finds its regimes, says its verdict, and comes back from its files as it was."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.errors import DataError
from attar.risk import Curve


def descending_twice(**changed: object) -> Curve:
    held: dict[str, object] = {
        "axis": np.arange(1, 9),
        "train_risk": [4, 2, 1, 0.5, 0, 0, 0, 0],
        "test_risk": [5, 3, 4, 6, 9, 4, 2, 1],
    }
    return Curve(**(held | changed))  # type: ignore[arg-type]


def same(one: Curve, other: Curve) -> bool:
    return one.to_json() == other.to_json()


def test_regimes_minima_and_the_verdict() -> None:
    curve = descending_twice()
    assert curve.threshold == 5
    assert curve.regimes == ["classical"] * 4 + ["interpolating"] * 4
    assert (curve.minima, curve.peaks, curve.best) == ((2.0, 8.0), (5.0,), 8.0)
    assert curve.verdict() == (
        "Test risk falls to 3 at 2 features, peaks at 9 at the interpolation threshold of 5 features, and falls again "
        "to 1 at 8 features, below the first minimum."
    )


def test_a_peak_is_told_from_a_threshold_that_is_near() -> None:
    assert "peaks at 9 at 5 features, near the interpolation threshold of 6 features, and falls" in (
        descending_twice(threshold=6.0).verdict()
    )


@pytest.mark.parametrize(
    ("risk", "verdict"),
    [
        ([4, 3, 2, 1], "falls all the way"),
        ([1, 2, 3, 4], "rises from"),
        ([3, 1, 2, 4], "and rises after it"),
        ([3.0, 2.99, 3.01, 3.0], "hardly changes"),
        ([1, 5, 3, 2], "Test risk begins with 1 at 0 features, peaks at 5 at"),
        ([1, 5, 3, 2], ", and falls to 2 at 3 features, not below where it began."),
    ],
)
def test_curves_of_one_bend_or_none(risk: list[float], verdict: str) -> None:
    assert verdict in Curve(np.arange(4.0), np.zeros(4), risk).verdict()


def test_over_samples_the_interpolating_ones_come_first() -> None:
    curve = descending_twice(train_risk=[0, 0, 0, 1, 2, 3, 4, 5], over="samples", threshold=3.0)
    assert curve.regimes == ["interpolating"] * 3 + ["classical"] * 5


def test_t_min_and_t_int() -> None:
    assert (descending_twice().t_min, descending_twice().t_int) == (2, 5)
    assert descending_twice(train_risk=np.ones(8)).t_int is None
    # Interpolated before the test risk turns: t_int is not before t_min.
    assert descending_twice(train_risk=np.zeros(8)).t_int == 2
    falling = descending_twice(test_risk=np.arange(8, 0, -1))
    assert (falling.t_min, falling.t_int) == (8, 8)
    rising = descending_twice(test_risk=np.arange(1, 9))
    assert (rising.t_min, rising.t_int) == (1, 5)


@pytest.mark.parametrize("seed", range(20))
def test_over_epochs_ripples_are_no_minima(seed: int) -> None:
    log = np.linspace(0, 7, 60)
    risk = 0.3 + 0.4 * np.exp(-3 * log) + 0.2 * np.exp(-((log - 4) ** 2) / 2)
    rippled = risk * (1 + 0.03 * np.random.default_rng(seed).standard_normal(60))
    curve = Curve(np.exp(log), np.exp(-3 * log), rippled, over="epochs")
    low = log[np.argmin(risk[:25])]
    assert np.log(curve.minima) == pytest.approx([low, 7], abs=0.8)
    assert np.log(curve.peaks) == pytest.approx([4], abs=0.5)
    assert curve.t_min == curve.minima[0]


def test_curves_can_be_compared_and_are_then_the_same_or_not() -> None:
    one, other = (Curve([1, 2], [1, 0], [2, 1]) for _ in range(2))
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_a_bend_within_the_uncertainty_is_none() -> None:
    risk = np.array([4.0, 3.0, 4.0, 3.0])
    assert Curve(np.arange(4.0), risk, risk).peaks == (2.0,)
    wide = np.stack([risk - 3, risk + 3], axis=1)
    assert Curve(np.arange(4.0), risk, risk, test_interval=wide).peaks == ()
    # A hundred draws tell ten times smaller bends.
    assert Curve(np.arange(4.0), risk, risk, test_interval=wide, draws=100).peaks == (2.0,)


@given(
    # Of what is next to no number at all, half may be nothing.
    st.lists(st.just(0.0) | st.floats(1e-300, 1e6) | st.just(float("inf")), min_size=1, max_size=30),
    st.floats(1e-3, 1e3),
)
def test_minima_and_peaks_take_turns_whatever_the_scale(risk: list[float], scale: float) -> None:
    curve = Curve(np.arange(float(len(risk))), np.zeros(len(risk)), risk)
    minima, peaks = list(curve.minima), list(curve.peaks)
    assert len(minima) - len(peaks) in (0, 1)
    turns = [place for pair in zip(minima, peaks) for place in pair] + minima[len(peaks) :]
    assert turns == sorted(turns)
    scaled = Curve(curve.axis, curve.train_risk, 2.0 ** np.round(np.log2(scale)) * curve.test_risk)
    assert (scaled.minima, scaled.peaks) == (curve.minima, curve.peaks)
    assert curve.verdict()


@pytest.mark.parametrize("ending", ["json", "arrow"])
def test_it_comes_back_from_a_file(tmp_path: Path, ending: str) -> None:
    interval = np.stack([np.zeros(8), np.full(8, np.inf)], axis=1)
    curve = descending_twice(
        over="width",
        draws=3,
        test_interval=interval,
        noise=0.5,
        bias2=np.ones(8),
        zero_one=descending_twice(loss="error"),
    )
    path = tmp_path / f"curve.{ending}"
    curve.save(path)
    back = Curve.load(path)
    assert same(back, curve)
    assert back.zero_one is not None
    assert back.zero_one.loss == "error"
    assert back.test_interval is not None
    assert np.isnan(back.test_interval[:, 1]).all()  # what is infinite is missing in JSON


def test_an_infinite_risk_is_not_the_lowest_when_it_comes_back() -> None:
    curve = descending_twice(test_risk=[5, 3, 4, 6, np.inf, 4, 2, 1])
    again = Curve.from_json(curve.to_json())
    assert again.best == curve.best == 8
    assert again.minima == curve.minima


def test_infinite_draws_leave_a_doubt_without_end() -> None:
    interval = np.array([[1.0, np.inf]] * 7 + [[np.inf, np.inf]])
    curve = descending_twice(test_interval=interval, draws=3)
    assert not curve.peaks
    assert curve.verdict()


def test_its_table_has_a_row_for_each_place() -> None:
    interval = np.stack([np.zeros(8), np.ones(8)], axis=1)
    table = descending_twice(test_interval=interval, zero_one=descending_twice()).to_arrow()
    assert table.num_rows == 8
    assert table.column_names == [
        *("features", "train_risk", "test_risk", "test_interval_low", "test_interval_high"),
        *("zero_one_train_risk", "zero_one_test_risk"),
    ]


@pytest.mark.parametrize(
    "written", ["", "[]", "{}", "null", '{"axis": [1]}', json.dumps({"axis": [1], "train_risk": [1], "test_risk": []})]
)
def test_other_files_are_refused(tmp_path: Path, written: str) -> None:
    path = tmp_path / "curve.json"
    path.write_text(written)
    with pytest.raises(DataError, match=r"curve\.json holds no curve"):
        Curve.load(path)
    (tmp_path / "curve.arrow").write_text(written)
    with pytest.raises(DataError, match="holds no curve"):
        Curve.load(tmp_path / "curve.arrow")
    with pytest.raises(DataError, match="is written as"):
        descending_twice().save(tmp_path / "curve.png")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_risk": [1, 2]}, r"train_risk has shape \(2,\) and the axis 8 values"),
        ({"axis": np.ones(8)}, "must ascend"),
        ({"axis": [1, 2, 3, np.nan, 5, 6, 7, 8]}, "must ascend"),
        ({"axis": [], "train_risk": [], "test_risk": []}, "at least one"),
        ({"bias2": [1.0]}, r"bias2 has shape \(1,\)"),
        ({"test_interval": np.ones(8)}, r"test_interval has shape .* give \(8, 2\)"),
        ({"axis": np.arange(8)[:, None]}, "axis has shape"),
    ],
)
def test_bad_curves_are_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        descending_twice(**changed)


def test_a_curve_is_told_in_one_line() -> None:
    curve = Curve([1, 2, 50], [1, 0, 0], [3, 2, 2.5], over="epochs", loss="cross-entropy")
    assert repr(curve) == "Curve(cross-entropy over epochs, 3 values from 1 to 50)"
