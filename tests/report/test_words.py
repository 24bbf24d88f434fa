import html
import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.report import words


@given(st.text())
def test_escaped_text_is_one_printable_line_without_markup(value):
    written = words.text(value)
    assert not set(written) & set("<>\"'\n")
    assert html.unescape(written) == words.clean(value)
    assert all(unicodedata.category(c) not in ("Cc", "Cs") for c in written)
    assert written.strip()


def test_direction_overrides_are_removed():
    assert words.clean("a\u202eb\u2066c") == "a�b�c"


@given(st.text(max_size=80), st.floats(3.0, 20.0))
def test_shortened_text_fits_and_keeps_both_ends(value, room):
    line, short = words.clean(value), words.shorten(value, room)
    if words.width(line) <= room:
        assert short == line
    else:
        assert "…" in short
        head, _, tail = short.partition("…")
        assert line.startswith(head)
        assert line.endswith(tail)
        assert words.width(head) + words.width(tail) + 1 <= room + 1e-9


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0004321, "0.00043"),
        (0.0996, "0.10"),
        (0.995, "0.99"),
        (0.996, "1.0"),
        (9.96, "10"),
        (1234.0, "1200"),
        (0, "0"),
    ],
)
def test_milliseconds_have_two_significant_digits(value, written):
    assert words.milliseconds(value) == f"{written}\u00a0ms"


@given(st.floats(1e-6, 1e6))
def test_milliseconds_are_right_to_half_a_second_digit(value):
    assert float(words.milliseconds(value).split("\u00a0")[0]) == pytest.approx(value, rel=0.0501)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0 B"),
        (1023, "1 023 B"),
        (1024, "1.0 KB"),
        (51_200, "50.0 KB"),
        (1_048_575, "1.0 MB"),
        (1_048_576, "1.0 MB"),
    ],
)
def test_sizes_count_1024_bytes_to_a_kilobyte(value, written):
    assert words.size(value).replace("\u00a0", " ").replace("\u202f", " ") == written


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_numbers_that_are_not_there_are_a_dash(value):
    assert words.percent(value) == words.milliseconds(value) == "–"


def test_prose_binds_units_and_nothing_else():
    assert words.prose("84 % of 5 boxes in 2 ms") == "84\u00a0% of 5 boxes in 2\u00a0ms"


def test_thousands_are_parted_and_decimals_are_not():
    assert words.prose("of 1,797, and 12,345,678.5") == "of 1\u202f797, and 12\u202f345\u202f678.5"
    for name in ("“0,125”", "3.123,456", "1,2345"):
        assert words.prose(name) == name
