from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from attar.data.arrays import as_raw
from attar.data.conform import conform
from attar.data.dataset import Column, Form, Note
from attar.data.raw import Raw
from attar.errors import DataError

nan = np.nan
MODEL = [Column("age"), Column("colour", ("blue", "red"))]


def fit(x, kind, shape, model=(), found=(), of=None):
    return conform(Raw(x, columns=found, kind=of), Form(kind, shape, columns=model), where="f")


def test_columns_by_name_and_categories_by_their_text():
    columns = (Column("colour", ("green", "red")), Column("more"), Column("age"))
    dataset = fit(np.array([[1, 0, 30], [0, 0, nan]]), "table", (2,), MODEL, columns, "table")
    assert np.array_equal(dataset.x, [[30, 1], [nan, nan]], equal_nan=True)
    assert dataset.columns == tuple(MODEL)
    assert "column 'colour': 1 value is a category new to the model" in dataset.notes[0]
    assert "1 column is not used (more)" in dataset.notes[1]
    notes = tuple(Note(f"column '{name}' holds dates", name) for name in ("age", "more"))
    raw = Raw(np.ones((2, 3)), columns=columns, kind="table", notes=notes)
    said = conform(raw, Form("table", (1,), [Column("age")]), where="f")
    assert said.notes == (notes[0], "2 columns are not used (colour, more)")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((Column("age"), Column("color")), "no column 'colour', which the model needs; it has age, color"),
        ((Column("age", ("old", "young")), Column("colour", ("red",))), "row 1, column 'age' is 'old' where the model"),
    ],
)
def test_columns_that_do_not_fit(columns, message):
    with pytest.raises(DataError, match=message):
        fit(np.array([[nan, 0.0], [0.0, 0.0]]), "table", (2,), MODEL, columns, "table")


@pytest.mark.parametrize(
    "cells",
    [["1.5", None, "soon"], ["2024-12-31", "31.12.2024", "soon"], ["08:00", "?", "soon"], ["2024-12-31", "2024-13-31"]],
)
def test_the_cell_that_is_no_number_is_named(cells):
    wrong = next(cell for cell in cells if cell in ("soon", "?", "2024-13-31"))
    with pytest.raises(
        DataError, match=rf"row {cells.index(wrong)}, column 'at' is '{re.escape(wrong)}' where the model needs"
    ):
        conform(as_raw(pd.DataFrame({"at": cells})), Form("table", (1,), columns=[Column("at")]), where="f")


def test_a_number_without_the_unit_of_the_others_is_read_and_another_unit_is_named():
    def read(odd):
        cells = [None, *(f"{i}.4 kg" for i in range(60, 99))]
        cells[5] = odd
        return conform(as_raw(pd.DataFrame({"w": cells, "n": 1.0})), form, where="f")

    form = Form("table", (2,), [Column("w"), Column("n")])
    found = read("72.5")
    np.testing.assert_allclose(found.x[:7, 0], [nan, 60.4, 61.4, 62.4, 63.4, 72.5, 65.4], rtol=1e-6)
    assert found.notes[0] == "column 'w' is read as numbers: its cells are written like '60.4 kg', 60.4, and '72.5'"
    assert not any("categories" in note for note in found.notes)
    with pytest.raises(DataError, match=r"f: row 5, column 'w' is '725 g' where others are written like '60.4 kg'"):
        read("725 g")


def test_dates_are_read_as_they_say_themselves_or_else_as_in_training():
    days = pd.Series(pd.date_range("2024-01-01", periods=24))
    model = as_raw(pd.DataFrame({"at": days.dt.strftime("%m/%d/%Y"), "n": 1.0}))

    def read(written, columns=model.columns):
        frame = pd.DataFrame({"at": days.dt.strftime(written), "n": 1.0})
        return conform(as_raw(frame), Form("table", (2,), columns=columns), where="f").x[:, 0]

    for written in ("%d/%m/%Y", "%Y-%m-%d", "%d.%m.%Y", "%d-%b-%y", "%Y/%m/%d"):
        np.testing.assert_array_equal(read(written), model.x[:, 0].astype(np.float32))
    days = days[:12]
    np.testing.assert_array_equal(read("%m/%d/%Y"), model.x[:12, 0].astype(np.float32))
    # So had models of older versions.
    unknown = [replace(column, first="") for column in model.columns]
    with pytest.raises(DataError, match="row 0, column 'at' is '01/01/2024' where the day or the month may"):
        read("%m/%d/%Y", unknown)


def test_categories_none_of_which_occurs_are_missing_numbers():
    column = pd.Series(pd.Categorical([None, None], categories=["soon"]))
    raw = as_raw(pd.DataFrame({"at": column}))
    assert np.isnan(conform(raw, Form("table", (1,), columns=[Column("at")]), where="f").x).all()


def test_tables_without_names_go_by_position():
    assert fit(np.array([[30, 1]]), "table", (2,), MODEL).x.tolist() == [[30, 1]]
    with pytest.raises(DataError, match="3 columns; the model takes 2"):
        fit(np.zeros((1, 3)), "table", (2,), MODEL)
    with pytest.raises(DataError, match="the model takes a table"):
        fit(np.zeros((1, 3, 3)), "table", (2,), MODEL)


def test_a_column_may_be_missing_throughout_and_infinity_may_not():
    assert np.isnan(fit(np.array([[nan, 1.0]]), "table", (2,)).x[0, 0])
    with pytest.raises(DataError, match="f: row 0, column 'age' is infinite"):
        fit(np.array([[np.inf, 1.0]]), "table", (2,), MODEL)


def test_series_are_cut_and_padded():
    x = np.arange(24.0).reshape(2, 2, 6)
    assert np.array_equal(fit(x, "series", (2, 4)).x, x[:, :, :4])
    longer = fit(x, "series", (2, 8))
    assert np.array_equal(longer.x[:, :, :6], x)
    assert np.isnan(longer.x[:, :, 6:]).all()
    assert "padded" in longer.notes[-1]
    assert fit([x[0], x[1, :, :3]], "series", (2, 6)).x.shape == (2, 2, 6)
    assert fit(np.zeros((3, 6)), "series", (1, 6)).x.shape == (3, 1, 6)
    assert fit(np.zeros((3, 8, 8)), "series", (8, 8)).kind == "series"
    assert fit(np.zeros((3, 6)), "series", (1, 6), (), (Column("a"),) * 6, "table").x.shape == (3, 1, 6)
    with pytest.raises(DataError, match="2 channels; the model takes 3"):
        fit(x, "series", (3, 6))


def test_recordings_of_another_rate_are_brought_to_that_of_the_model():
    t = np.arange(80) / 8
    raw = Raw([np.cos(t)[None], np.sin(t)[None]], kind="series", rate=8)
    found = conform(raw, Form("series", (1, 40), columns=(), rate=4), where="f")
    assert found.x.shape == (2, 1, 40)
    assert np.abs(found.x[0, 0] - np.cos(t[::2]))[2:-2].max() < 0.02
    assert found.notes == ("2 recordings are sampled at 8 Hz, and brought to 4 Hz, at which steps are counted",)
    for known, wanted in ((8, 8), (8, None), (None, 4)):
        same = conform(replace(raw, rate=known), Form("series", (1, 80), columns=(), rate=wanted), where="f")
        np.testing.assert_array_equal(same.x[0, 0], np.cos(t).astype(np.float32))


def test_a_table_of_one_column_is_one_recording():
    column = np.arange(6.0)[:, None]
    dataset = conform(
        Raw(column, ids=list("abcdef"), columns=(Column("v"),), kind="table"),
        Form("series", (1, 6), columns=()),
        where="f",
    )
    assert np.array_equal(dataset.x, column.T[None])
    assert dataset.ids.tolist() == ["0"]
    assert dataset.notes == ("the only column is taken for one recording of 6 steps",)
    assert fit(column, "series", (1, 1), (), (Column("v"),), "table").x.shape == (6, 1, 1)


@pytest.mark.parametrize("source", [(9, 9), (8, 8), (9, 9, 3), (8, 8, 1), (8, 8, 4)])
@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (8, 8, 1)])
def test_images_of_any_size(source, shape):
    assert fit(np.full((2, *source), 7.0), "image", shape).x.shape == (2, *shape)


def test_small_images_need_no_guess():
    assert fit(np.zeros((2, 3, 4)), "image", (3, 4)).kind == "image"


def test_an_axis_of_one_channel_changes_no_image():
    pixels = np.arange(128.0).reshape(2, 8, 8)
    for x, shape in ((pixels[..., None], (8, 8)), (pixels, (8, 8, 1))):
        dataset = fit(x, "image", shape)
        assert dataset.notes == ()
        np.testing.assert_array_equal(dataset.x, pixels.reshape(2, *shape))


def test_an_array_of_the_model_s_shape_is_one_sample():
    for kind, shape in (("image", (8, 8, 3)), ("image", (8, 9)), ("series", (3, 20))):
        dataset = fit(np.full(shape, 7.0), kind, shape)
        assert dataset.x.shape == (1, *shape)
        assert "the array is taken for one sample" in dataset.notes


def test_arrays_as_wide_as_the_model_s_images_are_images_whatever_their_numbers():
    assert fit(np.full((4, 96, 80), 7.0), "image", (64, 53)).x.shape == (4, 64, 53)
    with pytest.raises(DataError, match="of kind series"):
        fit(np.zeros((4, 3, 80)), "image", (64, 53))
    with pytest.raises(DataError, match="of kind series"):
        fit(np.zeros((4, 28, 3)), "image", (28, 28, 3))


def test_another_kind():
    with pytest.raises(DataError, match=r"f: of kind table .* the model takes image, each 8 × 8"):
        fit(np.zeros((2, 64)), "image", (8, 8))


def test_a_frame_to_predict():
    frame = pd.DataFrame({"colour": ["red", "pink"], "age": [3, 4]})
    dataset = conform(as_raw(frame), Form("table", (2,), columns=MODEL), where="x")
    assert np.array_equal(dataset.x, [[3, 1], [4, nan]], equal_nan=True)


def one_date(cells, first="day"):
    frame = pd.DataFrame({"at": cells, "n": 1.0})
    columns = [Column("at", first=first), Column("n")]
    return conform(as_raw(frame), Form("table", (2,), columns=columns), where="f")


def test_a_date_alone_has_the_order_of_training() -> None:
    assert one_date(["02/01/1970"]).x[0, 0] == 86400
    assert one_date(["02/01/1970"]).notes == (
        "column 'at' holds dates like '02/01/1970': the day comes first, as in training",
    )
    assert one_date(["01/02/1970"], "month").x[0, 0] == 86400
    assert one_date(["01/01/1970"], "").x[0, 0] == 0
    with pytest.raises(DataError, match="'02/01/1970' where the day or the month may come first; write it as"):
        one_date(["02/01/1970"], "")
    other = one_date(["01/13/1970"])
    assert other.x[0, 0] == 12 * 86400
    assert other.notes[-1] == "column 'at' has the month first in its dates, where training had the day first"


def test_the_cell_that_is_no_date_is_named() -> None:
    for first in ("", "day"):
        with pytest.raises(DataError, match="row 2, column 'at' is 'soon' where the model needs a date like"):
            one_date(["05/05/2023", "10/02/2023", "soon"], first)
    for cell in ("soon", "31/02/2023"):
        with pytest.raises(DataError, match=f"row 0, column 'at' is '{cell}' where the model needs a date; mend it"):
            one_date([cell])


@pytest.mark.parametrize("source", [Column("age"), Column("age", ("old",))])
def test_a_column_that_is_empty_throughout_is_named(source):
    columns = (source, Column("colour", ("red",)), Column("more"))
    x = np.full((1200, 3), nan)
    x[:, 1] = 0
    assert "column 'age' is empty in all 1,200 rows" in fit(x, "table", (2,), MODEL, columns, "table").notes
    assert not any("is empty" in note for note in fit(x[:1], "table", (2,), MODEL, columns, "table").notes)


def test_a_column_with_one_value_is_not_empty():
    x = np.array([[nan, 0.0], [30.0, 0.0], [nan, 0.0]])
    assert not any("is empty" in note for note in fit(x, "table", (2,), MODEL, tuple(MODEL), "table").notes)
