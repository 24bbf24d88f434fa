from __future__ import annotations

import datetime
import decimal
import shlex

import numpy as np
import pyarrow as pa
import pytest

from attar.data.asked import ASKED, Asked
from attar.data.columns import samples_of
from attar.data.tables import doubles, from_arrow
from attar.data.written import holds_a_typing_error
from attar.errors import DataError


def test_every_type_of_column():
    table = pa.table(
        {
            "i": pa.array([1, None, 3], pa.int8()),
            "f": pa.array([0.5, None, float("nan")], pa.float32()),
            "b": pa.array([True, None, False]),
            "d": pa.array([decimal.Decimal("1.5"), None, None]),
            "day": pa.array([datetime.date(1970, 1, 2), None, None]),
            "hour": pa.array([datetime.time(1), None, None]),
            "span": pa.array([datetime.timedelta(seconds=2), None, None]),
            "s": pa.array(["b", None, "a"], pa.large_string()),
            "k": pa.array(["b", None, "a"]).dictionary_encode(),
            "n": pa.array([7, None, 5]).dictionary_encode(),
            "z": pa.nulls(3),
        }
    )
    values, columns, notes = from_arrow(table, where="f")
    assert values[0].tolist()[:-1] == [1, 0.5, 1, 1.5, 86400, 3600, 2, 1, 0, 0]
    assert np.isnan(values[1]).all()
    assert [c.categories for c in columns][7:] == [("a", "b"), ("b", "a"), ("7", "5"), ()]
    assert len(notes) == 3


def test_doubles_of_slices_and_chunks():
    column = pa.chunked_array([pa.array([1, 2, None, 4])[1:], pa.array([], pa.int64()), pa.array([5])[:1]])
    assert np.array_equal(doubles(column), [2, np.nan, 4, 5], equal_nan=True)
    assert np.array_equal(doubles(pa.array([1.0, None, 3.0])[1:]), [np.nan, 3], equal_nan=True)
    assert len(doubles(pa.array([], pa.float32()))) == 0


@pytest.mark.parametrize("again", [1, 2, 3])
def test_a_text_that_stands_again_and_again_among_few_numbers_is_no_typing_error(again):
    cells = [*map(str, range(12)), *["none"] * again]
    if again < 3:
        with pytest.raises(DataError, match=r"row 12, column 'a' is 'none' where a number .* leave it empty$"):
            from_arrow(pa.table({"a": cells}), where="f")
        return
    _, columns, notes = from_arrow(pa.table({"a": cells}), where="f")
    assert len(columns[0].categories) == 13
    assert len(notes) == 1
    # Where there are more numbers than categories can be, it is said rather than guessed.
    with pytest.raises(DataError, match=r"is 'none' where a number is expected; mend it, or leave it empty$"):
        from_arrow(pa.table({"a": [*map(str, range(50)), *cells]}), where="f")


@pytest.mark.parametrize(
    ("cells", "typed"),
    [([*map(str, range(60)), "none"], "a b"), ([f"2024-01-{i:02d}" for i in range(1, 31)] + ["2024-01-32"], "when")],
)
def test_an_error_on_a_cell_says_how_its_column_is_marked_where_it_can_be(cells, typed):
    table = pa.table({typed: cells})
    name = shlex.quote(typed)
    with pytest.raises(DataError, match=f"empty; if these are names, say so by --category {name}; --ignore {name} l"):
        samples_of(table, "f", ASKED)
    # A model has its columns.
    with pytest.raises(DataError, match=r"is expected; mend it, or leave it empty$"):
        samples_of(table, "f", Asked("table", known={typed: ()}))


@pytest.mark.parametrize(
    "cells",
    [["1st", "2nd", "3rd"], ["1980 Q3", "1981 Q1"], ["2024 W07", "2024 W08"], ["3", "626", "Civic", "Golf", "Polo"]],
)
def test_ranks_and_parts_of_a_year_and_names_are_categories_without_a_word(cells):
    _, columns, notes = from_arrow(pa.table({"a": cells * 4}), where="f")
    assert (columns[0].categories, notes) == (tuple(cells), [])


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.binary(), pa.struct([(f"{i}", pa.int64()) for i in range(99)])]
)
def test_columns_that_are_no_table(kind):
    with pytest.raises(DataError, match="f: column 'a' holds") as caught:
        from_arrow(pa.table({"a": pa.array([None], kind)}), where="f")
    assert len(str(caught.value)) < 150


def test_columns_of_one_name():
    with pytest.raises(DataError, match="two columns are called 'a'"):
        from_arrow(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), where="f")


def test_a_typing_error_in_a_column_of_numbers():
    cells = [str(i) for i in range(30)]
    cells[17] = "1o"
    with pytest.raises(DataError, match="f: row 17, column 'a' is '1o' where a number"):
        from_arrow(pa.table({"a": cells}), where="f")
    assert not holds_a_typing_error([str(i) for i in range(30)])
    few = pa.table({"a": ["0", "1", "2", "3+", "1"]})
    values, columns, notes = from_arrow(few, where="f")
    assert columns[0].categories == ("0", "1", "2", "3+")
    assert values[:, 0].tolist() == [0, 1, 2, 3, 1]
    assert notes == [
        "column 'a' holds numbers and texts (row 3: '3+'): taken as categories; where numbers are meant, leave such"
        " cells empty, or write a number"
    ]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["1,350", "2,100"], "'1,350' may be 1350 or 1.35"),
        (["5 %", "7 %", "4"], "'5 %' is written otherwise than '4'"),
        (["1,350", "2.5", "1,5"], "'1,5' is written otherwise than '2.5'"),
        (["5 %", "7 %", "4 %", "3 %", "none"], "'none' is none"),
    ],
)
def test_numbers_that_are_not_written_as_such_are_said(cells, why):
    cells = cells * 60
    _, columns, notes = from_arrow(pa.table({"a": cells}), where="f")
    assert set(columns[0].categories) == set(cells)
    assert notes == [
        f"column 'a' looks like numbers, and is taken as categories, as {why}: write numbers with a point, and"
        " without other signs" + (", and leave empty what is none" if "is none" in why else "")
    ]


def test_of_two_notes_on_one_column_the_first_is_said():
    notes = from_arrow(pa.table({"a": [f"{i},{i:03}" for i in range(100, 400)]}), where="f")[2]
    assert len(notes) == 1
    assert "'100,100' may be 100100 or 100.1" in notes[0]


@pytest.mark.parametrize(
    "cells",
    [
        ["1.2.3", "1.2.4"],
        ["192.168.1.1", "10.0.0.1"],
        ["2024Q1", "2024Q2", "2023Q4"],
        ["50°56'N", "51°12'S"],
        ["50°56’N", "51°56’N"],
    ],
)
def test_categories_with_digits_are_no_numbers(cells):
    assert from_arrow(pa.table({"a": cells}), where="f")[2] == []


def test_free_text_is_said():
    table = pa.table({"a": [f"text {i}" for i in range(200)]})
    _, _, notes = from_arrow(table, where="f")
    assert "200 categories in 200 rows: if it is free text, give the kind text" in notes[0]
    assert not from_arrow(table, where="f", text=["a"])[2]


def test_an_empty_text_is_missing_as_in_a_csv_file():
    texts = ["b", "", "a", ""]
    for column in (pa.array(texts), pa.array(texts).dictionary_encode()):
        values, columns, notes = from_arrow(pa.table({"a": column}), where="f")
        assert "" not in columns[0].categories
        assert np.isnan(values[:, 0]).tolist() == [False, True, False, True]
        assert [columns[0].categories[int(values[i, 0])] for i in (0, 2)] == ["b", "a"]
        assert not notes
    assert np.array_equal(from_arrow(pa.table({"a": ["1", ""]}), where="f")[0], [[0], [np.nan]], equal_nan=True)


def test_categories_do_not_depend_on_the_order_of_rows():
    texts = ["b", "a", "c", None, "a"]
    one = from_arrow(pa.table({"a": texts}), where="f")
    other = from_arrow(pa.table({"a": texts[::-1]}), where="f")
    assert one[1] == other[1]
    assert np.array_equal(one[0][::-1], other[0], equal_nan=True)


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["1970-01-02", None, "1970-01-01"], [86400, np.nan, 0]),
        (["1970-01-01 00:01", "1970-01-01T00:00:02.5"], [60, 2.5]),
        (["1970-01-01T00:00:01Z", "1970-01-01T02:00:00+01:00"], [1, 3600]),
        (["02.01.1970", None, "01.02.1970"], [86400, np.nan, 31 * 86400]),
        (["13/01/1970", "02/01/1970", None], [12 * 86400, 86400, np.nan]),
        (["1/2/1970 00:00:01", "1/13/1970"], [86401, 12 * 86400]),
        (["31-01-1970", "01-02-1970"], [30 * 86400, 31 * 86400]),
        (["1970/01/02", "1970/1/1 00:01"], [86400, 60]),
        (["02-Jan-70", "1-FEB-70 00:00"], [86400, 31 * 86400]),
        (["02 Jan 1970"], [86400]),
        (["01.01.1970 00:01", "01.01.1970 00:00:02,5", "01.01.1970 00:00:02.5"], [60, 2.5, 2.5]),
    ],
)
def test_texts_that_are_dates_are_what_a_csv_file_makes_of_them(texts, seconds) -> None:
    for kind in (pa.string(), pa.large_string()):
        values, (column,), notes = from_arrow(pa.table({"when": pa.array(texts, kind)}), where="t")
        np.testing.assert_array_equal(values[:, 0], seconds)
        assert column.categories == ()
        said = "taken as seconds since 1970; later ones lie beyond all that is learnt from"
        assert notes == [f"column 'when' holds dates: {said}"]


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["08:30:00", None, "00:00:01"], [30600, np.nan, 1]),
        (["08:30", "23:59"], [30600, 86340]),
        (["00:00:01.5"], [1.5]),
    ],
)
def test_times_of_day_are_what_a_csv_file_makes_of_them(texts, seconds) -> None:
    values, (column,), notes = from_arrow(pa.table({"at": texts}), where="t")
    np.testing.assert_array_equal(values[:, 0], seconds)
    assert column.categories == ()
    assert notes == ["column 'at' holds times: taken as seconds"]


@pytest.mark.parametrize("kind", [pa.timestamp("ns"), pa.time64("ns"), pa.duration("ns")])
def test_nanoseconds_are_dropped(kind) -> None:
    values, _, _ = from_arrow(pa.table({"when": pa.array([1, 2_500_000_001, None], kind)}), where="t")
    np.testing.assert_array_equal(values[:, 0], [0, 2.5, np.nan])


@pytest.mark.parametrize(
    "texts",
    [
        ["25:00", "08:30"],
        ["1970-01-02", "soon"],
        ["1970-13-02", "1970-01-02"],
        ["02.13.1970", "01.01.1970"],
        ["02.01.1970", "1970-01-01"],
        ["13/13/1970", "01/01/1970"],
        ["13/01/1970", "1970/01/13"],
        ["02-Jam-70", "01-Jan-70"],
        ["32-Jan-70", "01-Jan-70"],
        ["1970-01-02x", "1970-01-02"],
    ],
)
def test_texts_some_of_which_are_no_dates_stay_categories(texts) -> None:
    _, (column,), _ = from_arrow(pa.table({"when": texts}), where="t")
    assert sorted(column.categories) == sorted(texts)


@pytest.mark.parametrize("texts", [["01/02/2024", "03/04/2024"], ["13/01/2024", "01/14/2024"]])
def test_dates_whose_order_is_not_known_are_said(texts) -> None:
    _, (column,), notes = from_arrow(pa.table({"when": texts * 40}), where="t")
    assert sorted(column.categories) == sorted(texts)
    assert notes == [
        f"column 'when' holds dates of which the day or the month may come first, like '{texts[0]}': taken as"
        " categories; write them as 2024-12-31"
    ]


@pytest.mark.parametrize("cell", ["31/02/2023", "unbekannt", "00/00/0000", "-"])
def test_a_typing_error_in_a_column_of_dates(cell) -> None:
    days = [f"{i % 28 + 1:02}/0{i % 9 + 1}/2023" for i in range(200)]
    days[7] = cell
    with pytest.raises(DataError, match=f"f: row 7, column 'a' is '{cell}' where a date like '01/01/2023' is expected"):
        from_arrow(pa.table({"a": days}), where="f")


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            ["1.2.2024", "30.02.2024"],
            "holds dates like '1.2.2024', and '30.02.2024' (row 1): taken as categories; mend",
        ),
        (["2024-12-31", "31/12/2024"], "holds dates like '2024-12-31', and '31/12/2024' (row 1): taken as categories"),
        (["1:30 PM", "2:15 AM"], "holds times like '1:30 PM': taken as categories; write them as 13:30"),
    ],
)
def test_dates_that_are_taken_as_categories_are_said(cells, said) -> None:
    _, columns, notes = from_arrow(pa.table({"a": cells}), where="f")
    assert len(columns[0].categories) == 2
    assert len(notes) == 1
    assert said in notes[0]


def test_the_order_of_days_and_months_is_kept() -> None:
    table = pa.table({"a": ["13/01/2024"], "b": ["01/13/2024"], "c": ["13.1.2024"], "d": ["05/05/2024"], "e": ["x"]})
    assert [column.first for column in from_arrow(table, where="f")[1]] == ["day", "month", "", "", ""]
