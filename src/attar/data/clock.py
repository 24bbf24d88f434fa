"""Columns of texts that are dates or times of day."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from attar.data.written import different, is_text

ArrowColumn: TypeAlias = Any  # pyarrow carries no types

_HOUR = r"( \d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?)?$"  # 23:59:59,5, or nothing
_DAY_FIRST, _MONTH_FIRST = r"\3-\2-\1\4", r"\3-\1-\2\4"
# How dates are written, and how their parts are put in order.
_WAYS = {
    r"^(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})" + _HOUR: _DAY_FIRST,  # 31.12.2024, 1.2.24
    r"^(\d{4})/(\d{1,2})/(\d{1,2})" + _HOUR: r"\1-\2-\3\4",  # 2024/12/31
    r"^(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4}|\d{2})" + _HOUR: _DAY_FIRST,  # 31-Dec-24
}
# 31/12/2024 or 12/31/2024; hyphens with a year of two digits are more likely the parts of a code.
_SHORT = r"^(\d{1,2})/(\d{1,2})/(\d{2})" + _HOUR
_EITHER = (r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4})" + _HOUR, _SHORT)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# What is left to do for 2024-12-31.
_TIDY = {
    **{f"(?i)-{month}-": f"-{i:02}-" for i, month in enumerate(_MONTHS, 1)},
    r"^([0-6]\d)-": r"20\1-",
    r"^([7-9]\d)-": r"19\1-",
    r"^(\d{4})-(\d)-": r"\1-0\2-",
    r"^(\d{4}-\d{2})-(\d)( |$)": r"\1-0\2\3",
    r" (\d):": r" 0\1:",
    ",": ".",  # of seconds
}
_DATE = r"^\d{4}-\d{2}-\d{2}([ T]|$)"
_TIME = r"^\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"
EARLY, TWO_DIGITS = r"^(\d):", r"0\1:"  # 9:05, and how it is read


def rewriting(found: Sequence[str]) -> dict[str, str]:
    """The patterns to replace, one after the other, so that dates as people write them become ISO dates.

    Arguments:
        found: all dates of a column, which are written in the same way. Of 31/12/2024 some must have a day above 12,
            so that it is known from the month; of 31/12/24 the day must be known from the year too.

    Returns:
        Patterns and replacements, for Python and for Arrow; none where these are no such dates, or where their order
        is not known.

    >>> rewriting(["01/02/2024", "12/31/2024"]) == rewriting(["12/31/2024"]), rewriting(["01/02/2024"])
    (True, {})
    """
    pattern = next((way for way in (*_WAYS, *_EITHER) if found and all(re.match(way, text) for text in found)), None)
    if pattern is None:
        return {}
    if pattern in _WAYS:
        return {pattern: _WAYS[pattern], **_TIDY}
    first, second = ([int(re.split("[/-]", text)[i]) for text in found] for i in (0, 1))
    day, month = (any(part > 12 for part in parts) for parts in (first, second))
    # Where 24/12/31 may be meant, the first part of no date is below 13.
    if day == month or (pattern == _SHORT and day and min(first) > 12):
        return {}
    return {pattern: _DAY_FIRST if day else _MONTH_FIRST, **_TIDY}


def _is_written(text: str) -> bool:
    return any(re.match(way, text) for way in (*_WAYS, *_EITHER))


def in_doubt(found: Sequence[str]) -> bool:
    """Whether texts are dates of which it is not known whether the day or the month comes first.

    >>> in_doubt(["01/02/2024", "03/04/2024"]), in_doubt(["01/02/2024", "31/12/2024"]), in_doubt(["a"])
    (True, False, False)
    """
    alike = any(all(re.match(way, text) for text in found) for way in _EITHER)
    return bool(found) and alike and not rewriting(found)


def is_clock(column: ArrowColumn) -> bool:
    """Whether a column holds dates or times, as such or all of them as texts."""
    import pyarrow as pa

    if not is_text(column.type):
        return bool(pa.types.is_temporal(column.type))
    return bool(pa.types.is_temporal(dated(column.cast(pa.string())).type)) or in_doubt(different(column))


def dated(column: ArrowColumn) -> ArrowColumn:
    """Texts all of which are dates, or times of day, as such, which they are in a CSV file too; others as they are.

    Empty ones are missing.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    # Not `pc.equal(column, "")`: a scalar made of Python's imports pandas.
    column = pc.if_else(pc.match_substring_regex(column, "^$"), pa.nulls(len(column), pa.string()), column)
    known = column.drop_null()

    def all_are(pattern: str) -> bool:
        return bool(len(known) and pc.all(pc.match_substring_regex(known, pattern)).as_py())

    # The first cell tells of most columns that they hold no dates, before all of it is looked at.
    steps = rewriting(different(known)) if any(map(_is_written, known[:1].to_pylist())) else {}
    if steps:
        written = column
        for pattern, replacement in steps.items():
            written = pc.replace_substring_regex(written, pattern, replacement)
        with contextlib.suppress(pa.ArrowInvalid):
            return written.cast(pa.timestamp("us"))
    if all_are(_DATE):
        for zone in (None, "UTC"):
            with contextlib.suppress(pa.ArrowInvalid):
                return column.cast(pa.timestamp("us", zone))
    if all_are(_TIME):
        with contextlib.suppress(pa.ArrowInvalid):
            # Arrow reads no time of day from a text, but that of a day.
            padded = pc.replace_substring_regex(column, EARLY, TWO_DIGITS)
            return pc.binary_join_element_wise("1970-01-01", padded, " ").cast(pa.timestamp("us")).cast(pa.time64("us"))
    return column
