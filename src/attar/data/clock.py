"""Columns of texts that are dates or times of day."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from attar.data.dataset import ArrowColumn
from attar.data.written import are_but_for_errors, different, is_number, is_text

_HOUR = r"( \d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,6})?)?)?$"  # 23:59:59,5, or nothing
_DAY_FIRST, _MONTH_FIRST = r"\3-\2-\1\4", r"\3-\1-\2\4"
# The month in words, of which `_MONTHS` says whether it is one.
_WORD = r"([A-Za-z]{3,9})"
# 2024-1-2, and 2024-12-31 among such.
_LOOSE = r"^(\d{4})-(\d{1,2})-(\d{1,2})" + _HOUR
# How dates are written, and how their parts are put in order.
_WAYS = {
    r"^(\d{1,2})\.(\d{1,2})\.(\d{4}|\d{2})" + _HOUR: _DAY_FIRST,  # 31.12.2024, 1.2.24
    r"^(\d{4})/(\d{1,2})/(\d{1,2})" + _HOUR: r"\1-\2-\3\4",  # 2024/12/31
    r"^(\d{4})-(\d\d)-(\d\d)( \d\d:\d\d:\d\d,\d{1,6})$": r"\1-\2-\3\4",  # 2024-12-31 23:59:59,5 of Python's logging
    rf"^(\d{{1,2}})[ -]{_WORD}[ -](\d{{4}}|\d{{2}}){_HOUR}": _DAY_FIRST,  # 31-Dec-24, 1 September 2024
    rf"^{_WORD} (\d{{1,2}}),? (\d{{4}}){_HOUR}": _MONTH_FIRST,  # Dec 31, 2024
    _LOOSE: r"\1-\2-\3\4",
}
# 31/12/2024 or 12/31/2024; hyphens with a year of two digits are more likely the parts of a code.
_SHORT = r"^(\d{1,2})/(\d{1,2})/(\d{2})" + _HOUR
_EITHER = (r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4})" + _HOUR, _SHORT)
_MONTHS = (
    *("jan(?:uary)?", "feb(?:ruary)?", "mar(?:ch)?", "apr(?:il)?", "may", "june?", "july?", "aug(?:ust)?"),
    *("sep(?:t(?:ember)?)?", "oct(?:ober)?", "nov(?:ember)?", "dec(?:ember)?"),
)
# What is left to do for 2024-12-31, first where the month is in words.
_NUMBERED = {f"(?i)-{month}-": f"-{i:02}-" for i, month in enumerate(_MONTHS, 1)}
_TIDY = {
    r"^([0-6]\d)-": r"20\1-",
    r"^([7-9]\d)-": r"19\1-",
    r"^(\d{4})-(\d)-": r"\1-0\2-",
    r"^(\d{4}-\d{2})-(\d)( |$)": r"\1-0\2\3",
    r" (\d):": r" 0\1:",
    ",": ".",  # of seconds
}
_DATE = r"^\d{4}-\d{2}-\d{2}([ T]|$)"
_TIME = r"^\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?$"
_FORMS = (*(way for way in _WAYS if way != _LOOSE), *_EITHER, _DATE, _TIME, _LOOSE)
# A column is meant for dates where more of its different cells have the form of one.
MOSTLY = 0.5
_SIGHTED = 20  # cells that show whether a column may hold dates at all
_HALF_A_DAY = re.compile(r"(^|.* )\d{1,2}:\d{2}(:\d{2})? ?[AaPp]\.?[Mm]\.?")  # 1:30 PM
_EARLY, _TWO_DIGITS = r"^(\d):", r"0\1:"  # 9:05, and how it is read
_EPOCH = datetime.date(1970, 1, 1)


def rewriting(found: Sequence[str], known: str = "") -> dict[str, str]:
    """The patterns to replace, one after the other, so that dates as people write them become ISO dates.

    Arguments:
        found: all dates of a column, which are written in the same way. Of 31/12/2024 some must have a day above 12,
            so that it is known from the month; of 31/12/24 the day must be known from the year too.
        known: what comes first in such dates where they do not tell it, "day" or "month"; "": nobody knows.

    Returns:
        Patterns and replacements, for Python and for Arrow; none where these are no such dates, or where their order
        is not known.

    >>> rewriting(["01/02/2024", "12/31/2024"]) == rewriting(["12/31/2024"]), rewriting(["01/02/2024"])
    (True, {})
    """
    pattern = _way(found, (*_WAYS, *_EITHER))
    if pattern is None:
        return {}
    if pattern in _WAYS:
        return _steps(pattern, _WAYS[pattern])
    first = _first(pattern, found, known)
    return _steps(pattern, _DAY_FIRST if first == "day" else _MONTH_FIRST) if first else {}


def _steps(pattern: str, order: str) -> dict[str, str]:
    """The patterns to replace in dates of one way, whose parts come in that order."""
    return {pattern: order, **(_NUMBERED if _WORD in pattern else {}), **_TIDY}


def _way(found: Sequence[str], among: Iterable[str]) -> str | None:
    """The pattern that all texts have."""
    return next((way for way in among if found and all(re.match(way, text) for text in found)), None)


def _parts(text: str) -> tuple[int, int]:
    """The day and the month of a date like 31/12/2024, in the order in which they stand there."""
    first, second = re.split("[/-]", text)[:2]
    return int(first), int(second)


def _first(pattern: str, found: Sequence[str], known: str = "") -> str:
    """What comes first in dates of one way of `_EITHER`, "day" or "month"; "" where it is not known."""
    parts = [_parts(text) for text in found]
    day, month = any(first > 12 for first, _ in parts), any(second > 12 for _, second in parts)
    if day and month:
        return ""
    # Where 24/12/31 may be meant, the first part of no date is below 13.
    if pattern == _SHORT and day and min(parts)[0] > 12:
        return known if known == "day" else ""
    if day or month:
        return "day" if day else "month"
    # 05/05/2024 is the same day in either order.
    return known or ("day" if all(first == second for first, second in parts) else "")


def first_of(found: Sequence[str]) -> str:
    """What dates like 31/12/2024 tell of their order: "day" or "month" comes first; "" of others, and in doubt.

    >>> first_of(["05/06/2024", "31/12/2024"]), first_of(["05/05/2024"]), first_of(["31.12.2024"])
    ('day', '', '')
    """
    pattern = _way(found, _EITHER)
    if pattern is None or all(first == second for first, second in map(_parts, found)):
        return ""
    return _first(pattern, found)


def form_of(text: str) -> str | None:
    """The pattern of the date or time that a text has the form of, if any."""
    return _way([text], _FORMS)


def rewritten(text: str, steps: Mapping[str, str]) -> str:
    """A date after all steps of `rewriting`.

    >>> rewritten("31.12.24 9:05", rewriting(["31.12.24 9:05"]))
    '2024-12-31 09:05'
    """
    for pattern, replacement in steps.items():
        text = re.sub(pattern, replacement, text)
    return text


def _moment(text: str, steps: Mapping[str, str]) -> datetime.datetime | None:
    """What a text of the form of a date or time says; None where it is none: there is no 31/02/2024, and no 25:00."""
    text = rewritten(text, steps)
    with contextlib.suppress(ValueError):
        day = "1970-01-01 " if re.match(_TIME, text) else ""
        return datetime.datetime.fromisoformat(day + (re.sub(_EARLY, _TWO_DIGITS, text) if day else text))
    return None


class Moment(NamedTuple):
    """What a text of the form of a date or a time says.

    Arguments:
        noun: "date" or "time".
        seconds: as of `seconds`; None where there is no such day or time, or it is `doubtful`.
        doubtful: whether the day or the month may come first.
    """

    noun: str
    seconds: float | None
    doubtful: bool


def moments(found: Iterable[str], known: str = "") -> dict[str, Moment]:
    """Of texts those that have the form of a date or time, each read as others of its own form are.

    Arguments:
        found: the cells of a column.
        known: as of `rewriting`.

    >>> [moment.seconds for moment in moments(["02/01/1970", "1970-01-02", "13/01/1970", "0:05", "soon"]).values()]
    [86400.0, 1036800.0, 86400.0, 300.0]
    """
    forms = dict[str, list[str]]()
    for text in dict.fromkeys(found):
        # Python reads more than has a form here, as 2024-W01-1.
        form = form_of(text) or (_DATE if not is_number(text) and _moment(text, {}) else None)
        if form is not None:
            forms.setdefault(form, []).append(text)
    result = dict[str, Moment]()
    for form, alike in forms.items():
        steps = {} if form in (_DATE, _TIME) else rewriting(alike, known)
        noun, doubtful = "time" if form == _TIME else "date", form in _EITHER and not steps
        for text in alike:
            moment = _moment(text, steps)
            result[text] = Moment(noun, None if moment is None else seconds(moment), doubtful)
    return result


def seconds(value: object) -> float:
    """A date of Python's as seconds since 1970, UTC where it has no zone, and a time of day or a span as seconds.

    Raises:
        TypeError: it is none of these.

    >>> seconds(datetime.date(1970, 1, 2)), seconds(datetime.time(0, 1)), seconds(datetime.timedelta(hours=1))
    (86400.0, 60.0, 3600.0)
    """
    if isinstance(value, datetime.time):
        value = datetime.datetime.combine(_EPOCH, value.replace(tzinfo=None))
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, datetime.datetime):
        return (value if value.tzinfo else value.replace(tzinfo=datetime.UTC)).timestamp()
    if isinstance(value, datetime.date):
        return (value - _EPOCH).total_seconds()
    raise TypeError(f"{value!r:.40} is no date and no time")


class Stray(NamedTuple):
    """The cell for which a column of dates is not read as such.

    Arguments:
        cell: as it is written.
        like: another, that is written as most are.
        noun: what most are, "date" or "time".
        otherwise: whether it is a date or time too, and written otherwise.
        share: of the different cells that have the form of a date or time.
        sure: whether most others are read so, and this one is a mistake.
    """

    cell: str
    like: str
    noun: str
    otherwise: bool
    share: float
    sure: bool

    @property
    def mend(self) -> str:
        """What a person should do."""
        return "write all alike" if self.otherwise else "mend it, or leave it empty"


def stray(found: Sequence[str]) -> Stray | None:
    """Find the cell for which a column is not read as dates or times; None where none is, or where all are alike.

    Arguments:
        found: the different cells of the column.

    >>> stray(["31/12/2024", "31/02/2024", "13/01/2024"]).cell, stray(["a", "b"])
    ('31/02/2024', None)
    """
    forms, usual = _forms(found)
    alike = [text for text, form in forms.items() if form == usual]
    right = [*_right(usual, alike)]
    if not right or len(right) == len(found):
        return None
    wrong = [text for text in found if text not in forms]
    known = {*right, *wrong}
    wrong = wrong or [text for text in alike if text not in known] or [text for text in found if text not in known]
    cell = wrong[0]
    otherwise = forms.get(cell, usual) != usual
    # 25:23 may be how a match ended.
    sure = are_but_for_errors(len(right), len(found)) and (usual != _TIME or cell not in forms)
    return Stray(cell, right[0], "time" if usual == _TIME else "date", otherwise, len(forms) / len(found), sure)


def _forms(found: Sequence[str]) -> tuple[dict[str, str], str]:
    """The form of each text that has that of a date or time, and the one that most have; none where few may."""
    if not any(map(form_of, found[:_SIGHTED])):
        return {}, ""
    forms = {text: form for text in found if (form := form_of(text)) is not None}
    if _LOOSE in forms.values():
        forms = {text: _LOOSE if re.match(_LOOSE, text) else form for text, form in forms.items()}
    counts = Counter(forms.values())
    return forms, max(counts, key=counts.__getitem__)


def _right(form: str, alike: Sequence[str]) -> Iterator[str]:
    """Of texts of one form those that are dates or times: 31/02/2024 is none."""
    tried = _readings(form, alike) if alike else []
    return (text for text in alike if any(_moment(text, steps) for steps in tried))


def _readings(form: str, alike: Sequence[str]) -> list[Mapping[str, str]]:
    """How texts of one form may be read; of days and months in the order that suits more of them, or in both."""
    if form not in _EITHER:
        return [_steps(form, _WAYS[form]) if form in _WAYS else {}]
    above = [sum(_parts(text)[i] > 12 for text in alike) for i in (0, 1)]
    return [_steps(form, order) for order, n in zip((_DAY_FIRST, _MONTH_FIRST), above) if n == max(above)]


def in_halves_of_a_day(found: Sequence[str]) -> bool:
    """Whether all cells end in a time like 1:30 PM.

    >>> in_halves_of_a_day(["1:30 PM", "1/2/2024 11:05 am"]), in_halves_of_a_day(["13:30"])
    (True, False)
    """
    return bool(found) and all(map(_HALF_A_DAY.fullmatch, found))


def in_doubt(found: Sequence[str], known: str = "") -> bool:
    """Whether texts are dates of which it is not known whether the day or the month comes first.

    Arguments:
        found: all dates of a column.
        known: as of `rewriting`.

    >>> in_doubt(["01/02/2024", "03/04/2024"]), in_doubt(["01/02/2024", "31/12/2024"]), in_doubt(["a"])
    (True, False, False)
    """
    return _way(found, _EITHER) is not None and not rewriting(found, known)


def is_clock(column: ArrowColumn) -> bool:
    """Whether a column holds dates or times, as such or as texts, though some of these need mending."""
    import pyarrow as pa

    if not is_text(column.type):
        return bool(pa.types.is_temporal(column.type))
    if pa.types.is_temporal(dated(column.cast(pa.string())).type):
        return True
    found = different(column)
    if in_doubt(found) or in_halves_of_a_day(found):
        return True
    forms, usual = _forms(found)
    return len(forms) > MOSTLY * len(found) and any(_right(usual, [t for t, form in forms.items() if form == usual]))


def dated(column: ArrowColumn) -> ArrowColumn:
    """Texts all of which are dates, or times of day, as such, as in a CSV file; others as they are, but empty ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    # Not `pc.equal(column, "")`: a scalar made of Python's imports pandas.
    column = pc.if_else(pc.match_substring_regex(column, "^$"), pa.nulls(len(column), pa.string()), column)
    there = column.drop_null()

    def all_are(pattern: str) -> bool:
        return bool(len(there) and pc.all(pc.match_substring_regex(there, pattern)).as_py())

    if all_are(_DATE):
        # Years that nanoseconds do not reach are told in microseconds.
        for unit, zone in product(("us", "ns"), (None, "UTC")):
            with contextlib.suppress(pa.ArrowInvalid):
                return column.cast(pa.timestamp(unit, zone)).cast(pa.timestamp("us", zone), safe=False)
    # The first cell tells of most columns that they hold no dates, before all of it is looked at.
    steps = rewriting(different(there)) if _way(there[:1].to_pylist(), (*_WAYS, *_EITHER)) else {}
    if steps:
        written = column
        for pattern, replacement in steps.items():
            written = pc.replace_substring_regex(written, pattern, replacement)
        with contextlib.suppress(pa.ArrowInvalid):
            return written.cast(pa.timestamp("us"))
    if all_are(_TIME):
        with contextlib.suppress(pa.ArrowInvalid):
            # Arrow reads no time of day from a text, but that of a day.
            padded = pc.replace_substring_regex(column, _EARLY, _TWO_DIGITS)
            return pc.binary_join_element_wise("1970-01-01", padded, " ").cast(pa.timestamp("us")).cast(pa.time64("us"))
    return column
