"""Dates as people and spreadsheets write them: which they are, and what is none."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from attar.data.clock import dated, in_doubt

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
        (["1.2.70"], datetime.datetime(1970, 2, 1)),
        (["9:05", "10:00"], datetime.time(9, 5)),
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
        (["9:5"], False),
    ],
)
def test_what_may_be_otherwise_stays_a_text(cells: list[str], doubtful: bool) -> None:
    column = pa.chunked_array([cells])
    assert dated(column).equals(column)
    assert in_doubt(cells) == doubtful
