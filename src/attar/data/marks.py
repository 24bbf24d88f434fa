"""What a person says of the columns of a source: which are no features, and which hold names of categories."""

from __future__ import annotations

import difflib
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import numpy as np

from attar.data.dataset import ArrowColumn, ArrowTable, is_missing
from attar.data.spelling import is_exact, spelt, trimmed, valued
from attar.errors import DataError, LabelError, inflected, listed

# So many names are all shown where one is sought among them; of columns to ignore, so many are typed out.
_FEW, _TYPED = 12, 5
INVENTED = re.compile(r"x\d+")  # for columns without names
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Marks:
    """What a person says of columns.

    Arguments:
        ignore: names of those that are no features; one with commas that is no name is a list of names.
        category: likewise, of those whose numbers, or dates, are names of categories.
        strict: whether each of them has to be there; columns that a model was taught without need not be.
    """

    ignore: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    strict: bool = True

    def __bool__(self) -> bool:
        return bool(self.ignore or self.category)

    @classmethod
    def of(cls, ignore: str | Sequence[str] = (), category: str | Sequence[str] = ()) -> Marks:
        """As they are given in Python, where one name may stand alone.

        Raises:
            DataError: something else than names.

        >>> Marks.of("zip", ["month", "day"])
        Marks(ignore=('zip',), category=('month', 'day'), strict=True)
        """
        return cls(_names(ignore, "ignore"), _names(category, "category"))

    def among(self, names: Sequence[str], where: str, taken: Mapping[str, str] = _NOTHING) -> Marks:
        """The same by the very names of a table's columns, but for blanks around them and how accents are coded.

        Arguments:
            names: of its columns.
            where: the source that an error names.
            taken: columns that are no features, and what each holds.

        Raises:
            DataError: there is no such column, it is no feature, it is in both lists, or all are ignored.

        >>> Marks(("b, a",)).among(["a", "b", "c"], "t.csv").ignore
        ('b', 'a')
        """
        if not self:
            return self
        ignore, category = (
            tuple(dict.fromkeys(self._found(given, names, where))) for given in (self.ignore, self.category)
        )
        if not self.strict:
            return replace(self, ignore=tuple(name for name in ignore if name not in taken), category=category)
        for option, given in (("--ignore", ignore), ("--category", category)):
            no_feature = next((name for name in given if name in taken), None)
            if no_feature is not None:
                raise DataError(
                    f"{where}: column '{no_feature}' {taken[no_feature]}, and is no feature; take it off {option}"
                )
        both = next((name for name in ignore if name in category), None)
        if both is not None:
            raise DataError(f"{where}: column '{both}' is to be ignored and to be categories; say one of the two")
        if not {*names} - {*ignore, *taken}:
            raise DataError(f"{where}: all columns of features are to be ignored; leave at least one")
        return replace(self, ignore=ignore, category=category)

    def _found(self, given: Iterable[str], names: Sequence[str], where: str) -> Iterable[str]:
        """The columns that are meant."""
        plain = {_plain(name): name for name in reversed(names)}
        for one in given:
            # What a model was taught without has the names of its columns.
            parts = [one] if _plain(one) in plain or not self.strict else one.split(",")
            wanted = [part for part in parts if part.strip()]
            if not wanted:
                raise DataError(f"{where}: the name of a column is expected and '{one}' given; write it as zip,city")
            for part in wanted:
                name = part if part in names else plain.get(_plain(part))
                if name is not None:
                    yield name
                elif self.strict:
                    raise DataError(f"{where}: {unknown(part.strip(), names)}")

    def applied(self, table: ArrowTable, where: str) -> tuple[ArrowTable, list[str]]:
        """A table of Arrow without what is ignored, its categories as texts; and notes. The names are those `among` it.

        Raises:
            DataError: a column holds what cannot be categories.
        """
        notes = self.said()
        for name in self.category:
            at = table.column_names.index(name)
            cells, said = _as_categories(table.column(at), name, where)
            table, notes = table.set_column(at, name, cells), [*notes, *said]
        return table.drop_columns([name for name in self.ignore if name in table.column_names]), notes

    def said(self) -> list[str]:
        """A note on what is done."""
        ignored, are = [f"'{name}'" for name in self.ignore], inflected(len(self.ignore), "is", "are")
        return [f"{listed(ignored)} {are} left out, as asked"] if ignored and self.strict else []

    def refuse(self, where: str, what: str = "the samples are no table of named columns") -> None:
        """Refuse to mark columns where there are none.

        Raises:
            DataError: some are marked.
        """
        if self and self.strict:
            raise DataError(f"{where}: {what}; leave {'--ignore' if self.ignore else '--category'} away")

    def without_categories(self, where: str, what: str) -> Marks:
        """The same, where there can be no categories.

        Raises:
            DataError: some are asked for.
        """
        if self.category:
            raise DataError(f"{where}: {what}; leave --category away")
        return self


NO_MARKS = Marks()


def _names(given: Any, argument: str) -> tuple[str, ...]:
    if isinstance(given, str):
        return (given,)
    names = tuple(given) if isinstance(given, Iterable) and not isinstance(given, bytes | Mapping) else None
    if names is None or not all(isinstance(name, str) for name in names):
        raise DataError(f"{argument} is {given!r:.80}: give the names of columns, as in {argument}=['zip', 'city']")
    return names


def _plain(name: str) -> str:
    """What names have in common that a person takes for the same: letters with accents have two codes."""
    return unicodedata.normalize("NFC", name).strip()


def unknown(wanted: str, names: Sequence[str]) -> str:
    """That no column has a name, and which it may be: those like it, else all where they are few.

    >>> unknown("Zip", ["zip", "city"]), unknown("street", ["zip", "city"])
    ("no column is called 'Zip'; it has 'zip'", "no column is called 'street'; it has 'zip', 'city'")
    """
    lower = {name.lower(): name for name in reversed(names)}
    close = [lower[name] for name in difflib.get_close_matches(wanted.lower(), list(lower), 3)]
    shown = close or names[: _FEW if len(names) <= _FEW else _TYPED]
    more = "" if close or len(shown) == len(names) else f" and {len(names) - len(shown)} more"
    has = ", ".join(map("'{}'".format, shown)) or "none"
    return f"no column is called '{wanted}'; it has {has}{more}"


def named_column(names: Sequence[str], wanted: str, where: object) -> str:
    """The name, where a column has it."""
    if wanted not in names:
        raise LabelError(f"{where}: {unknown(wanted, names)}")
    return wanted


def typed(names: Sequence[str], option: str = "--ignore") -> str:
    """How columns are marked on the command line, the first of many.

    >>> typed(["zip", "name"]), typed(["a b"]), typed(["price, EUR", "zip"])
    ('--ignore zip,name', "--ignore 'a b'", "--ignore 'price, EUR' --ignore zip")
    """
    shown = [*names[:_TYPED], *["…"] * (len(names) > _TYPED)]
    each = shown if any("," in name for name in shown) else [",".join(shown)]
    return " ".join(f"{option} {one if one.endswith('…') else shlex.quote(one)}" for one in each)


def leaving_out(names: Sequence[str], before: str = "; ") -> str:
    """The end of a sentence on columns that says how they are left out; none on columns that have no names.

    >>> leaving_out(["zip"]), leaving_out(["x0"])
    ('; --ignore zip leaves it out', '')
    """
    if not names or any(INVENTED.fullmatch(name) for name in names):
        return ""
    return f"{before}{typed(names)} leaves {inflected(len(names), 'it', 'them')} out"


def as_texts(cells: Iterable[Any], name: str, where: str) -> list[str | None]:
    """The cells of a column as names of categories, None where missing; a moment that is a day is written as one.

    Raises:
        DataError: a cell holds several values, or a span of time, of which each program makes another text.

    >>> as_texts([1.0, "1", None, " a "], "grade", "t.csv")
    ['1', '1', None, 'a']
    """
    texts = []
    for cell in cells:
        if isinstance(cell, Mapping | list | tuple | set | bytes | np.ndarray | timedelta):
            kind = type(cell).__name__
            raise DataError(f"{where}: column '{name}' holds a {kind}, which is no category; give texts or numbers")
        texts.append(None if is_missing(cell) else trimmed(spelt(cell)) or None)
    return texts


def moments_as_texts(column: ArrowColumn) -> ArrowColumn:
    """Dates, moments and times of day of Arrow as Python and CSV files have them; what is none stays as it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_type, kind = pa.types, column.type
    if not (is_type.is_timestamp(kind) or is_type.is_date(kind) or is_type.is_time(kind)):
        return column
    if is_type.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif is_type.is_time(kind):
        column = column.cast(pa.time64("us"), safe=False)
    # Not by Python's values: `pa.array` would import pandas.
    texts = column.cast(pa.string())
    alike = {"Z$": "+0000", r"\.0+($|[+-])": r"\1", r"(:.*[+-]\d\d)(\d\d)$": r"\1:\2"}
    for pattern, written in alike.items():
        texts = pc.replace_substring_regex(texts, pattern, written)
    return texts


def _as_categories(column: ArrowColumn, name: str, where: str) -> tuple[ArrowColumn, list[str]]:
    """A column of Arrow as texts, in which equal numbers are written alike, and notes."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_null(kind):  # categories already, or nothing
        return column, []
    cells = as_texts(moments_as_texts(column).to_pylist(), name, where)
    alike = _alike(cells)
    n = len({*alike.values()})
    notes = [f"column '{name}' is taken as {n:,} {inflected(n, 'category', 'categories')}, as asked"]
    other = next((cell for cell, usual in alike.items() if cell != usual), None)
    if other is not None:
        notes.append(
            f"column '{name}': '{other}' and '{alike[other]}' are one number, and one category;"
            " if these are two, write a letter before each"
        )
    return pa.chunked_array([pa.array([None if cell is None else alike[cell] for cell in cells], pa.string())]), notes


def _alike(cells: Iterable[str | None]) -> dict[str, str]:
    """For each different cell that which is written most often of the same number; itself where not all are numbers.

    So are new cells told apart, by `attar.data.spelling.spelling`.

    >>> _alike(["01067", "1067", "01067"]), _alike(["01", "1", "A1"])
    ({'01067': '01067', '1067': '01067'}, {'01': '01', '1': '1', 'A1': 'A1'})
    """
    times = Counter(cell for cell in cells if cell is not None)
    of: dict[str, str] = {}
    alike, numbers = {}, all(map(is_exact, times))
    for cell in sorted(times, key=lambda cell: (-times[cell], cell)):
        alike[cell] = of.setdefault(valued(cell) if numbers else cell, cell)
    return alike
