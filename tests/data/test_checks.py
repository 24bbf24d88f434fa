from __future__ import annotations

import numpy as np
import pytest

from attar.data import checks
from attar.data.arrays import from_arrays
from attar.data.checks import Places, dates_as_numbers
from attar.data.dataset import Column
from attar.errors import DataError

rng = np.random.default_rng(0)


def test_extremes_equal_those_of_a_loop():
    x = rng.normal(size=(7, 3, 5))
    x[rng.random(x.shape) < 0.3] = np.nan
    low, high = checks.extremes(x, "series")
    for c in range(3):
        known = x[:, c][~np.isnan(x[:, c])]
        assert low[c] == known.min()
        assert high[c] == known.max()


def test_what_is_missing_throughout_is_judged_on_the_training_part():
    x = np.zeros((4, 2))
    x[:2, 1] = np.nan
    columns = [Column("a"), Column("b")]
    ids = list("0123")
    with pytest.raises(DataError, match="column 'b' has no value"):
        checks.to_float32(x, Places("table", ids, columns, "f"), test=np.array([2, 3]))
    checks.to_float32(x, Places("table", ids, columns, "f"), test=np.array([0, 1]))
    x[3, 0] = np.inf
    with pytest.raises(DataError, match="f: row 3, column 'a' is infinite"):
        checks.to_float32(x, Places("table", ids, columns, "f"), test=np.array([3]))


def test_dead_pixels_are_kept_and_dead_colours_refused():
    x = rng.normal(size=(3, 5, 5, 3))
    x[:, 0, 0] = np.nan
    checks.to_float32(x, Places("image", list("012"), [], "f"))
    x[..., 1] = np.nan
    with pytest.raises(DataError, match="channel 1 has no value"):
        checks.to_float32(x, Places("image", list("012"), [], "f"))


def test_whole_samples_without_value_are_counted():
    x = np.zeros((3, 2), np.float32)
    x[1] = np.nan
    assert checks.missing(x, "table")[0] == "1 of 3 samples holds no value at all"
    x = np.zeros((3, 1, 4), np.float32)
    x[1] = np.nan
    assert checks.missing(x, "series") == ["1 of 3 samples holds no value at all"]


def test_cast_refuses_only_what_has_no_float32():
    x = np.full((2, 2), np.nan)
    assert np.isnan(checks.cast(x, Places("table", ["0", "1"], [Column("a"), Column("b")], "f"))).all()
    x[1, 1] = np.inf
    with pytest.raises(DataError, match="row 1, column 'b' is infinite"):
        checks.cast(x, Places("table", ["0", "1"], [Column("a"), Column("b")], "f"))


def test_days_that_are_written_as_numbers_are_said_and_other_numbers_are_not():
    days = np.array([20240131, 20240201, 20231224, 20200229, 19991231, np.nan])
    said = "column 'x' holds dates like 19991231 as numbers, of which float32 blurs the days: write them as 1999-12-31"
    assert dates_as_numbers(days[:, None], [Column("x")]) == [said]
    for other in (days[[0, 1]], days + 0.5, days + 100, days[:5] - 19990000, np.append(days, 20241301)):
        assert dates_as_numbers(other[:, None], [Column("x")]) == []
    assert dates_as_numbers(days[:, None], [Column("x", ("a",))]) == []
    assert dates_as_numbers(np.full((3, 1), np.nan), [Column("x")]) == []
    assert said in from_arrays(np.column_stack([days, np.arange(6)])).notes[0].replace("x0", "x")


def test_a_text_of_numbers_with_a_line_between_is_no_number():
    assert from_arrays(np.array([["12", " 3e1"], ["", "4"]])).x.tolist()[0] == [12, 30]
    with pytest.raises(DataError, match="row 0, column 'x1' is '1_2' where a number is expected"):
        from_arrays(np.array([["3", "1_2"], ["4", "3_4"]]))


def test_nearly_all_that_is_missing_is_told_in_plain_digits():
    x = np.where(np.arange(1000)[:, None] < 2, rng.normal(size=(1000, 2)), np.nan)
    assert "1996 of 2000 values are missing (100 %)" in from_arrays(x).notes
