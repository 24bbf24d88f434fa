"""How categories are spelt: the same one may be a text, a number or true, in blanks or without."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from attar.data.dataset import Doubles
from attar.data.written import is_number

# Of longer numbers, as those of accounts, float64 makes one of several.
_DIGITS = 15


def spelt(category: Any) -> str:
    """A category as text: a column of whole numbers with a gap arrives as floats, and they are written without a point.

    >>> spelt(2.0), spelt("red"), spelt(0.5)
    ('2', 'red', '0.5')
    """
    return str(int(category)) if isinstance(category, float) and category.is_integer() else str(category)


def spelling(categories: Sequence[str]) -> Callable[[object], str]:
    """How a model's categories are spelt, of which cells may be numbers, as in a file of a few rows, or have blanks.

    Where all categories are numbers, so are texts: 1067 and 1067.0 are what a program makes of the postal code 01067.

    >>> spelt_as = spelling(["01067", "true", "a "])
    >>> spelt_as(1067), spelt_as(True), spelt_as(" a"), spelt_as("1067")
    ('01067', 'true', 'a ', '1067')
    >>> spelling(["01067", "80331"])("1067")
    '01067'
    """
    known = set(categories)
    # Of a file whose cells stand apart, a model may have learnt the blanks as well.
    bare = {trimmed(text): text for text in categories}
    times = Counter(map(valued, categories))
    of_value = {value: text for text in categories if times[value := valued(text)] == 1}
    numbers = all(map(is_exact, categories))

    def of(cell: object) -> str:
        text = spelt(cell)
        if text in known or not text.strip():
            return text
        if trimmed(text) in bare or (isinstance(cell, str) and not (numbers and is_exact(text))):
            return bare.get(trimmed(text), text)
        return of_value.get(valued(text), text)

    return of


def is_exact(text: str) -> bool:
    """Whether a text is a number that float64 tells from others.

    >>> is_exact("01067"), is_exact("12345678901234567890"), is_exact("1e400"), is_exact("A1")
    (True, False, False, False)
    """
    return len(text) <= _DIGITS and is_number(text) and math.isfinite(float(text))


def valued(text: str) -> str:
    """What numbers, true and false, and days have in common however they are spelt."""
    return repr(float(text) + 0.0) if is_number(text) else trimmed(text).lower()  # -0 is 0


def trimmed(text: str) -> str:
    """A text without blanks around it; a moment that is a day, which programs write with its midnight or without.

    >>> trimmed(" a "), trimmed("2024-01-01 00:00:00"), trimmed("00:00:00")
    ('a', '2024-01-01', '00:00:00')
    """
    return text.strip().removesuffix(" 00:00:00")


def recode(values: Doubles, found: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[Doubles, int]:
    """Express a column's codes in the categories of another table.

    Arguments:
        values: codes in `found` `(n,)`; plain numbers where `found` is empty.
        found: categories of this table.
        wanted: categories that the model knows.

    Returns:
        Codes in `wanted`, NaN where the category is not among them; how many of those there are.

    >>> recode(np.array([0.0, 1.0, np.nan]), ("blue", "red"), ("red", "white"))
    (array([nan,  0., nan]), 1)
    """
    numbers = np.unique(values[~np.isnan(values)])
    cells = found or numbers.tolist()
    codes = values if found else np.searchsorted(numbers, values).astype(np.float64)
    place = {text: float(i) for i, text in enumerate(wanted)}
    spelt_as = spelling(wanted)
    table = np.array([*(place.get(spelt_as(cell), np.nan) for cell in cells), np.nan])
    known = ~np.isnan(values)
    result = table[np.where(known, codes, len(cells)).astype(np.int64)]
    return result, int((known & np.isnan(result)).sum())
