from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attar.data.arrays import as_raw
from attar.data.conform import conform
from attar.data.dataset import Column, Form
from attar.data.files import read_file
from attar.data.sources import read, read_for_prediction
from attar.data.written import Odd, meant, read_written, readings
from attar.deploy import feed
from attar.errors import DataError, ModelError


def _read(table):
    return read_written(table, readings(table))


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1,153.80 €", "", None, "12.30 €"], [1153.8, np.nan, np.nan, 12.3]),
        (["$1,200", "-$5", "$-5", "($7.50)"], [1200, -5, -5, -7.5]),
        (["968.6 bar", "80 bar"], [968.6, 80]),
        (["5 mm", "7 mm"], [5, 7]),
        (["12.5kg", "7kg"], [12.5, 7]),
        (["80.12 °C", "80.1°C"], [80.12, 80.1]),
        (["5%", "12,5 %"], [5, 12.5]),
        (["\u22125.1", "5.1", "+5.1"], [-5.1, 5.1, 5.1]),
        (["(12.3)", "4"], [-12.3, 4]),
        (["1\u00a0153\u00a0800", "968\u202f600", "7"], [1153800, 968600, 7]),
        (["1\u2019153.5", "1'200"], [1153.5, 1200]),
        (["1.234.567", "2.500"], [1234567, 2500]),
        (["1,5e-3", "2"], [0.0015, 2]),
    ],
)
def test_numbers_that_are_dressed_alike(cells, numbers):
    table, notes = _read(pa.table({"b": ["u"] * len(cells), "a": cells}))
    np.testing.assert_array_equal(table.column("a").to_pylist(), numbers)
    assert table.column("b").to_pylist() == ["u"] * len(cells)
    assert len(notes) == 1
    assert notes[0].startswith("column 'a' is read as numbers: its cells are written like '")


@pytest.mark.parametrize(
    "cells",
    [
        ["1,350", "2,100"],
        ["5 %", "4"],
        ["5 kg", "5 g"],
        ["$5", "5 €"],
        ["12a", "14a"],
        ["op 5", "op 6"],
        ["1.5", "2"],
        ["08:30", "09:30"],
        ["1/2", "3/4"],
        ["5-10", "10-15"],
        ["01.03.24", "02.03.24"],
        ["192.168.1.1", "10.0.0.1"],
        ["1,5", "2.5"],
        ["(5", "6)"],
        ["5 rooms", "6 rooms", "none"],
        ["7½", "8½"],
        ["7 ½", "8 ½"],
        ["5²", "6²"],
    ],
)
def test_other_texts_stay(cells):
    table = pa.table({"a": cells})
    found, notes = _read(table)
    assert found.equals(table)
    assert not notes


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["60.4 kg"] * 3 + ["72.5"], [60.4] * 3 + [72.5]),
        (["60.4 kg", "72.5"], [60.4, 72.5]),
        (["1.053,80 €", "7"], [1053.8, 7]),
        (["1.5", "1.350"], [1.5, 1.35]),
        (["1.000 €", "2,5 €"], [1000, 2.5]),
        ([], []),
    ],
)
def test_numbers_some_of_which_lack_the_unit(cells, numbers):
    found = meant(cells)
    assert [found[cell] for cell in cells] == numbers


@pytest.mark.parametrize(
    ("cells", "odd", "why"),
    [
        (["60.4 kg", "59 kg", "725 g"], "725 g", "where others are written like '60.4 kg'; write all alike"),
        (["60 kg", "60", "61"], "60 kg", "where others are written like '60'; write all alike"),
        (["7,5 kg", "60.4 kg", "60.1 kg"], "7,5 kg", "where others are written like '60.4 kg'; write all alike"),
        (["60.4 kg", "soon"], "soon", "where the model needs a number; mend it"),
        (["50", "5o"], "5o", "where the model needs a number; mend it"),
        (["7", "1.650 €"], "1.650 €", "and may be 1650 or 1.65; write it as 1650.00 or 1.6500"),
        (["-1,350"], "-1,350", "and may be -1350 or -1.35; write it as -1350.00 or -1.3500"),
    ],
)
def test_the_cell_in_the_way_is_one_of_the_fewer(cells, odd, why):
    assert meant(cells) == Odd(odd, why)


def _predicted(path, columns):
    return read_for_prediction(str(path), Form("table", (len(columns),), columns=columns))


def test_what_may_be_thousands_is_read_by_training_or_else_by_other_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("cost;b;label\n" + "".join(f"1.{i},80 €;{i};u\n" for i in range(100, 140)))
    model = read(str(path))
    assert model.x[0].tolist() == pytest.approx([1100.8, 100])
    older = [Column("cost"), Column("b")]  # a model file that does not say
    for fractions, expected in ((",", [1000, 1650]), (".", [1, 1.65])):
        path.write_text(f"cost;b\n1.000 €;1{fractions}5\n1.650 €;2\n")
        learnt, new = read(str(path)), _predicted(path, older)
        assert learnt.x[:, 0].tolist() == new.x[:, 0].tolist() == pytest.approx(expected)
        assert _predicted(path, model.columns).x[:, 0].tolist() == [1000, 1650]


@pytest.mark.parametrize("unit", ["", " kg", "€"])
@pytest.mark.parametrize("form", ["1.350,80", "1,350.80", "1 350,80", "1'350.80", "1350,80", "1350.80"])
@pytest.mark.parametrize("parted", [";", "\t", ","])
def test_each_row_alone_is_read_as_in_training(tmp_path, parted, form, unit):
    rng = np.random.default_rng(0)
    numbers = np.round(rng.normal(size=(12, 3)) * [1e4, 5, 900], 3)
    sign, between = form[-3], form[1:-6]
    trade = str.maketrans({",": between, ".": sign})
    cells = {
        name: [f"{number:,.3f}".translate(trade) + unit for number in numbers[:, j]] for j, name in enumerate("abc")
    }
    frame = pd.DataFrame(cells)
    frame.to_csv(tmp_path / "t.csv", sep=parted, index=False)
    columns = read(str(tmp_path / "t.csv"), kind="table").columns
    for rows in (frame[["c", "a", "b"]], *(frame[i : i + 1] for i in frame.index)):
        rows.to_csv(tmp_path / "new.csv", sep=parted, index=False)
        found = _predicted(tmp_path / "new.csv", columns).x
        np.testing.assert_array_equal(found, numbers[rows.index].astype(np.float32))
        np.testing.assert_array_equal(feed.table(rows, columns, 3)["x"], found)


@pytest.mark.parametrize(
    ("cell", "odd"),
    [
        ("725 g", "is '725 g' where training had the unit 'kg'; write it in that, or without"),
        ("1,350.5 kg", "is '1,350.5 kg' where a comma stands before fractions, as in training; write it so"),
        ("1350.5", "is '1350.5' where a comma stands before fractions, as in training; write it so"),
    ],
)
def test_a_cell_that_is_written_otherwise_than_in_training_is_refused(tmp_path, cell, odd):
    pd.DataFrame({"a": ["1.350,5 kg", "2,5 kg"], "b": [1, 2]}).to_csv(tmp_path / "t.csv", sep=";", index=False)
    columns = read(str(tmp_path / "t.csv")).columns
    for cells in ([cell], ["3,5 kg", cell]):
        new = pd.DataFrame({"a": cells, "b": 1})
        new.to_csv(tmp_path / "new.csv", sep=";", index=False)
        with pytest.raises(DataError, match=re.escape(f"row {len(cells) - 1}, column 'a' {odd}")):
            _predicted(tmp_path / "new.csv", columns)
        with pytest.raises(ModelError, match=re.escape(f"column 'a', row {len(cells) - 1} {odd}")):
            feed.table(new, columns, 2)


@pytest.mark.parametrize("cells", [["2,5 kg", " "], ["2.5", " "], [" ", " "]])
@pytest.mark.parametrize("column", [Column("a"), Column("a", signs=",."), Column("a", signs=",.", unit="kg")])
def test_blanks_alone_are_missing_in_prediction_as_in_training(column, cells):
    if column.signs:
        cells = [cell.replace(".", ",") for cell in cells]
    frame = pd.DataFrame({"a": cells, "b": 1.0})
    expected = [np.nan if cell == " " else 2.5 for cell in cells]
    np.testing.assert_array_equal(feed.table(frame, [column, Column("b")], 2)["x"][:, 0], expected)
    raw = as_raw(frame, kind="table")
    found = conform(raw, Form("table", (2,), columns=[column, Column("b")]), where="x")
    np.testing.assert_array_equal(found.x[:, 0], expected)


@pytest.mark.parametrize(
    ("column", "cells", "odd"),
    [
        (Column("a", unit="kg"), ["5 g", "6 g"], "is in 'g' where training had 'kg'; write it in that, or without"),
        (
            Column("a", signs="."),
            ["5,1", "2,35"],
            "has a comma before fractions where training had a point; write it so",
        ),
    ],
)
def test_a_column_that_is_written_otherwise_than_in_training_is_refused(tmp_path, column, cells, odd):
    pd.DataFrame({"a": ["", *cells], "b": "1,5"}).to_csv(tmp_path / "new.csv", sep=";", index=False)
    with pytest.raises(DataError, match=re.escape(f"row 1, column 'a' {odd}")):
        _predicted(tmp_path / "new.csv", [column, Column("b")])


def test_columns_that_are_to_stay_do():
    table = pa.table({"a": ["5 %", "6 %"]})
    assert read_written(table, readings(table, ["a"])) == (table, [])


def test_a_typing_error_among_dressed_numbers_is_found(tmp_path):
    (tmp_path / "t.csv").write_text(
        "a;b\n" + "".join(f"1.{i}00,5 €;x\n" for i in range(1, 10)) + "7,5 €;x\n8 €;x\nsoon;x\n"
    )
    with pytest.raises(DataError, match="row 11, column 'a' is 'soon' where a number is expected"):
        read_file(tmp_path / "t.csv")


def test_files_and_frames_are_read_alike(tmp_path):
    frame = pd.DataFrame({"a": [f"{i}.5 bar" for i in range(40)], "b": ["u", "v"] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    note = "column 'a' is read as numbers: its cells are written like '10.5 bar', 10.5"
    for raw in (as_raw(frame), read_file(tmp_path / "t.csv"), read_file(tmp_path / "t.parquet")):
        assert [column.categories for column in raw.columns] == [(), ("u", "v")]
        assert raw.x[:3, 0].tolist() == [0.5, 1.5, 2.5]
        assert raw.notes == (note,)


def test_prediction_reads_what_training_has_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b;c;label\n" + "".join(f"1.{i:03};{i},5;{i} kg;u\n" for i in range(1, 40)))
    model = read(str(path))
    assert model.x[:2].tolist() == [[1001, 1.5, 1], [1002, 2.5, 2]]
    path.write_text("a;b;c\n1.600;7,5;8 kg\n250;7,25;8 kg\n")
    asked = Form("table", model.x.shape[1:], columns=model.columns)
    assert read_for_prediction(str(path), asked).x.tolist() == [[1600, 7.5, 8], [250, 7.25, 8]]
    path.write_text("a;b;c\n" + "".join(f"{i};soon {i};8 kg\n" for i in range(30)))
    with pytest.raises(DataError, match="row 0, column 'b' is 'soon 0' where the model needs a number"):
        read_for_prediction(str(path), asked)
