"""Dates and times of a table as the numbers that training made of them, without Arrow."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

from attar.data.clock import EARLY, TWO_DIGITS, in_doubt, rewriting, rewritten

_TIME = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_EPOCH = datetime.datetime(1970, 1, 1)


def seconds(value: object, order: Mapping[str, str] | None = None, first: str = "") -> float:
    """A date as seconds since 1970, UTC where it has no zone, and a time of day or a span as seconds.

    Arguments:
        value: of `datetime`, or a text that `attar.data.clock.dated` takes for one.
        order: the `rewriting` of the dates of the column that the text is of; None or empty: its own.
        first: what comes first in a date like 01/02/2024, "day" or "month", where that is known; else "".

    Raises:
        ValueError: it is neither, or of a date such as 01/02/2024 the day or the month may come first.

    >>> seconds("1970-01-02"), seconds("02.01.1970 00:00:30"), seconds("00:01"), seconds(datetime.timedelta(hours=1))
    (86400.0, 86430.0, 60.0, 3600.0)
    """
    if isinstance(value, str):
        value = _read(value, order or rewriting([value], first))
    if isinstance(value, datetime.time):
        value = datetime.datetime.combine(_EPOCH, value) - _EPOCH
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp()
    if isinstance(value, datetime.date):
        return (value - _EPOCH.date()).total_seconds()
    raise ValueError(f"{value!r:.40} is no date and no time")


def _read(text: str, order: Mapping[str, str]) -> datetime.datetime | datetime.time:
    if _TIME.fullmatch(text):
        return datetime.time.fromisoformat(re.sub(EARLY, TWO_DIGITS, text))
    if not order and in_doubt([text]):
        raise ValueError(f"{text!r} may have the day or the month first")
    return datetime.datetime.fromisoformat(rewritten(text, order))
