"""Cells of a column that a model knows as numbers, as the numbers that training made of such."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from attar.data.clock import moments
from attar.data.dataset import Column
from attar.data.written import Odd, looks_like_a_number, meant

# As in a file all of whose cells are such, which is read as numbers.
_TRUTHS = {**dict.fromkeys(("True", "TRUE", "true", "1"), 1.0), **dict.fromkeys(("False", "FALSE", "false", "0"), 0.0)}


def as_trained(texts: Sequence[str], column: Column) -> dict[str, float] | Odd:
    """The number of each text of a column, or the one that is odd among them.

    They may be numbers as people write them, dates (as seconds since 1970, UTC where they have no zone), times of day
    (as seconds) or true and false, all of them the same.

    Arguments:
        texts: the cells of all rows, as how numbers and dates are written is seen in all; those that say nothing are
            missing.
        column: of the model, without categories.

    >>> as_trained(["1.5 kg", ""], Column("a")), as_trained(["02/01/1970", "1970-01-02"], Column("a", first="day"))
    ({'1.5 kg': 1.5, '': nan}, {'02/01/1970': 86400.0, '1970-01-02': 86400.0})
    >>> as_trained(["1970-01-02", "5"], Column("a"))
    Odd(cell='5', why="where the model needs a date like '1970-01-02'; mend it, or leave it empty")
    """
    missing = {text: np.nan for text in texts if says_nothing(text)}
    there = [text for text in texts if text not in missing]
    found = meant(there, column)
    if isinstance(found, Odd) and not column.signs:
        found = _truths(there, column) or _dated(there, column.first, found)
    return found if isinstance(found, Odd) else found | missing


def says_nothing(text: str) -> bool:
    """Whether a text is a missing value: it is blank, or "nan", as numpy writes one.

    >>> says_nothing(" "), says_nothing("NaN"), says_nothing("NA")
    (True, True, False)
    """
    return text.strip().lower() in ("", "nan")


def _truths(texts: Sequence[str], column: Column) -> dict[str, float] | None:
    """The numbers of true and false, where nothing else is among the texts."""
    plain = not (column.unit or column.first)
    return {text: _TRUTHS[text] for text in texts} if plain and all(text in _TRUTHS for text in texts) else None


def _dated(texts: Sequence[str], first: str, odd: Odd) -> dict[str, float] | Odd:
    """The seconds of dates, or of times of day.

    Arguments:
        texts: of all rows.
        first: what came first in the dates of training, "day" or "month"; "" where these did not tell.
        odd: where they are no dates.
    """
    rows, found = Counter(texts), moments(texts, first)
    nouns = {
        text: found[text].noun if text in found else "number" if looks_like_a_number(text) else "" for text in rows
    }
    often = Counter[str]()
    for text, noun in nouns.items():
        often[noun] += rows[text]
    usual = "date" if first and often["date"] else max(("date", "time", "number"), key=often.__getitem__)
    if usual == "number" or not often[usual]:
        return Odd(odd.cell, "where the model needs a date; mend it, or leave it empty") if first else odd
    alike = {text: moment for text, moment in found.items() if moment.noun == usual}
    right = {text for text, moment in alike.items() if moment.doubtful or moment.seconds is not None}
    cell = next((text for text in rows if text not in right), None)
    if cell is not None:
        like = next((f" like '{text}'" for text in rows if text in right), "")
        return Odd(cell, f"where the model needs a {usual}{like}; mend it, or leave it empty")
    seconds = {text: moment.seconds for text, moment in alike.items() if moment.seconds is not None}
    doubtful = next((text for text in rows if text not in seconds), None)
    if doubtful is not None:
        return Odd(doubtful, "where the day or the month may come first; write it as 2024-12-31")
    return seconds
