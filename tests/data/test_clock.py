"""Dates as people and spreadsheets write them: which they are, and what is none."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from attar.data.clock import dated, first_of, in_doubt, is_clock, rewriting, rewritten, stray

MORNING = datetime.datetime(2024, 2, 1, 9, 5)
MIDNIGHT = datetime.datetime(2024, 2, 1)


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["1.2.2024", "31.12.2024"], MIDNIGHT),
        (["1.2.2024 9:05", "31.12.2024 10:00"], MORNING),
        (["1.2.24", "31.12.24"], MIDNIGHT),
        (["01.02.24 09:05"], MORNING),
        (["2/1/2024 9:05", "1/13/2024 10:00"], MORNING),
        (["1/2/2024 9:05", "13/1/2024 10:00"], MORNING),
        (["2/1/24", "1/13/24"], MIDNIGHT),
        (["1/2/24", "13/1/24"], MIDNIGHT),
        (["2024/2/1 9:05", "2024/12/31 10:00"], MORNING),
        (["1-Feb-24 9:05"], MORNING),
        (["1 February 2024", "30 Sept 2024"], MIDNIGHT),
        (["Feb 1, 2024 9:05", "December 31, 2024 10:00"], MORNING),
        (["february 1 2024"], MIDNIGHT),
        (["2024-2-1", "2024-12-31"], MIDNIGHT),
        (["2024-02-01 9:05", "2024-3-12 10:00"], MORNING),
        (["1.2.70"], datetime.datetime(1970, 2, 1)),
        (["9:05", "10:00"], datetime.time(9, 5)),
        (["2024-02-01 09:05:00.000000999", "2024-02-02 10:00"], MORNING),
        (["2024-02-01 09:05:00,000", "2024-02-02 10:00:00,125"], MORNING),
    ],
)
def test_what_spreadsheets_write_is_read(cells: list[str], first: object) -> None:
    assert dated(pa.chunked_array([cells])).to_pylist()[0] == first


@pytest.mark.parametrize(
    ("cells", "doubtful"),
    [
        (["1/2/24", "3/4/24"], True),
        (["24/12/31", "24/11/30"], True),  # the year may come first
        (["13/13/24"], True),
        (["1/2/24", "3/4/2024"], False),
        (["10-31-24"], False),
        (["1.13.24"], False),
        (["1.2.3"], False),
        (["1.2.124"], False),
        (["24:05"], False),
        (["1 Marble 2024"], False),
        (["May 32, 2024"], False),
        (["7732-18-5", "1310-73-2"], False),  # numbers of chemicals
        (["2024-1-2", "24-1-2"], False),
        (["9:5"], False),
    ],
)
def test_what_may_be_otherwise_stays_a_text(cells: list[str], doubtful: bool) -> None:
    column = pa.chunked_array([cells])
    assert dated(column).equals(column)
    assert in_doubt(cells) == doubtful


@pytest.mark.parametrize("cell", ["31/02/2023", "unbekannt", "00/00/0000", "-", "2023-01-01", "12/31/2023"])
def test_the_cell_for_which_a_column_is_no_dates_is_found_wherever_it_stands(cell: str) -> None:
    days = [f"{i:02}/0{i % 9 + 1}/2023" for i in range(1, 29)]
    for place in (0, 7, 28):
        odd = stray([*days[:place], cell, *days[place:]])
        assert odd is not None
        assert (odd.cell, odd.noun, odd.sure, odd.otherwise) == (cell, "date", True, cell == "2023-01-01")
        assert odd.like in days


def test_a_mistake_among_dates_without_zeros_in_front_is_found() -> None:
    days = [f"2024-{1 + i // 28}-{1 + i % 28}" for i in range(0, 336, 8)]
    odd = stray([*days, "2024-2-30"])
    assert odd is not None
    assert (odd.cell, odd.sure, odd.otherwise) == ("2024-2-30", True, False)
    assert stray(days) is None


def test_few_dates_are_no_reason_to_call_other_cells_wrong() -> None:
    for cells in (["2024-01-01", "never"], ["low", "high", "2024-01-01"], [f"{i:02}:{i + 7}" for i in range(3, 20)]):
        odd = stray(cells)
        assert odd is None or not odd.sure
    # How matches ended is no time of day.
    scores = ["25:23", *(f"{i}:15" for i in range(24))]
    assert not stray(scores).sure
    assert stray(["a", "b"]) is None
    assert stray([]) is None


def test_a_day_that_is_the_same_in_both_orders_is_read_and_tells_no_order() -> None:
    column = pa.chunked_array([["05/05/2023", "1/1/2024"]])
    assert dated(column).to_pylist() == [datetime.datetime(2023, 5, 5), datetime.datetime(2024, 1, 1)]
    assert first_of(column.to_pylist()) == ""
    assert in_doubt(["05/05/2023", "05/06/2023"])


def test_a_known_order_settles_a_doubt_and_nothing_else() -> None:
    for known, day in (("day", "2023-06-05"), ("month", "2023-05-06")):
        assert rewritten("05/06/2023", rewriting(["05/06/2023"], known)) == day
        assert rewritten("12/31/2023", rewriting(["12/31/2023"], known)) == "2023-12-31"
        assert in_doubt(["12/31/2023", "31/12/2023"], known)


def test_times_of_halves_of_a_day_are_of_the_clock() -> None:
    assert is_clock(pa.chunked_array([["1:30 PM", "11:05 am"]]))
    assert not is_clock(pa.chunked_array([["1:30 PM", "noon"]]))
