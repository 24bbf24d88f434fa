"""Columns of texts that are dates or times of day."""

from __future__ import annotations

import contextlib
from typing import Any, TypeAlias

from attar.data.written import is_text

ArrowColumn: TypeAlias = Any  # pyarrow carries no types

DAY_FIRST = r"^(\d{2})\.(\d{2})\.(\d{4})( \d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?)?$"  # 31.12.2024 23:59:59,5
_DATE = r"^\d{4}-\d{2}-\d{2}([ T]|$)"
_TIME = r"^\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"


def is_clock(column: ArrowColumn) -> bool:
    """Whether a column holds dates or times, as such or all of them as texts."""
    import pyarrow as pa

    return bool(pa.types.is_temporal((dated(column.cast(pa.string())) if is_text(column.type) else column).type))


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

    if all_are(DAY_FIRST):
        written = pc.replace_substring(pc.replace_substring_regex(column, DAY_FIRST, r"\3-\2-\1\4"), ",", ".")
        with contextlib.suppress(pa.ArrowInvalid):
            return written.cast(pa.timestamp("us"))
    if all_are(_DATE):
        for zone in (None, "UTC"):
            with contextlib.suppress(pa.ArrowInvalid):
                return column.cast(pa.timestamp("us", zone))
    if all_are(_TIME):
        with contextlib.suppress(pa.ArrowInvalid):
            # Arrow reads no time of day from a text, but that of a day.
            return pc.binary_join_element_wise("1970-01-01", column, " ").cast(pa.timestamp("us")).cast(pa.time64("us"))
    return column
