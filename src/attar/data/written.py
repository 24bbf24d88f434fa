"""Columns of numbers as people write them: with a unit, a currency, signs between thousands or a decimal comma."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from attar.data.dataset import ArrowColumn, ArrowTable, Column, Note
from attar.data.dress import NAMES, is_dressed, keeping

_TYPO_LEAST, _TYPO_SHARE = 10, 0.8  # this many different numbers, and this part of all different cells
# A text among numbers that stands in so many rows, and in this share of them, was meant: 'none' among few counts.
AGAIN, _OFTEN, _MANY = 3, 0.05, 50
_SIGHTED = 20  # cells that show whether a column may hold numbers at all
# Blanks that do not break, the minus sign, and the apostrophe that Swiss programs write.
_LIKE = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2019": "'"})
# Of signs among digits, what is left where one of them stands before the fraction.
_PLAIN = {".": str.maketrans("", "", ",' "), ",": str.maketrans(",", ".", ".' ")}
_CELL = re.compile(
    r"(?P<open>\()?(?P<minus>[+-]?)(?P<currency>[$€£¥]?) ?(?P<later>[+-]?)"
    r"(?P<number>(?:\d+(?:[.,' ]\d+)*|[.,]\d+)(?:[eE][+-]?\d+)?)"
    r"(?P<unit> ?(?:[^\W\d_]|[%‰$€£¥°])[^\s:;()]{0,11})?(?P<close>\))?"
)
_DIGITS, _MINUTES = re.compile(r"\d+"), re.compile(r"°\d")
_PART_OF_YEAR, _ORDINALS = re.compile(r" ?[QHW]\d{1,2}"), frozenset({"st", "nd", "rd", "th"})
# A number by the sign of its fraction; between its thousands stands another sign, always the same.
_BY_FRACTION = {
    sign: re.compile(rf"(?:\d+|[1-9]\d{{0,2}}(?:(?P<between>[{other}' ])\d{{3}})(?:(?P=between)\d{{3}})*)?"
                     rf"(?:[{sign}]\d+)?(?:[eE][+-]?\d+)?")
    for sign, other in ((".", ","), (",", "."))
}  # fmt: skip


class _Cell(NamedTuple):
    """A cell taken apart: its digits with the signs among them, whether it is below zero, and what it is dressed in."""

    number: str
    negative: bool
    dress: str

    def value(self, fraction: str) -> float | None:
        """Its number, where its fraction comes after that sign; None where it cannot be read so."""
        if not _BY_FRACTION[fraction].fullmatch(self.number):
            return None
        return (-1 if self.negative else 1) * float(self.number.translate(_PLAIN[fraction]))


def _taken_apart(text: str) -> _Cell | None:
    """The cell of a number; None of what is none.

    >>> _taken_apart("(1.153,80 €)")
    _Cell(number='1.153,80', negative=True, dress=' €')
    """
    found = _CELL.fullmatch(text.translate(_LIKE).strip())
    if found is None or bool(found["open"]) != bool(found["close"]) or (found["minus"] and found["later"]):
        return None
    unit = found["unit"] or ""
    # ½ and ² may stand in words, as letters do, and are no units: 10½ is not 10 of them.
    sign = unit.strip()[:1]
    if sign.isnumeric() and not sign.isalpha():
        return None
    negative = bool(found["open"]) or "-" in (found["minus"], found["later"])
    return _Cell(found["number"], negative, found["currency"] + unit)


def is_text(kind: Any) -> bool:
    """Whether a type of Arrow is one of its types of texts."""
    import pyarrow as pa

    is_type = pa.types
    return bool(is_type.is_string(kind) or is_type.is_large_string(kind) or is_type.is_string_view(kind))


def is_number(text: str) -> bool:
    """Whether a text reads as a number.

    >>> is_number(" 1e3"), is_number("x"), is_number("2020_01")
    (True, False, False)
    """
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # which Python takes for nothing among digits


def looks_like_a_number(text: str) -> bool:
    """Whether a text reads as a number, or is one that a person wrote, with a unit or with signs between thousands.

    >>> looks_like_a_number("1.350,00 €"), looks_like_a_number("1e3"), looks_like_a_number("K100")
    (True, True, False)
    """
    cell = _taken_apart(text)
    return is_number(text) or (cell is not None and bool(_fractions([cell])))


def holds_a_typing_error(found: Sequence[str]) -> bool:
    """Whether so many of the different cells of a column are numbers that the others are meant to be."""
    return are_but_for_errors(sum(map(is_number, found)), len(found))


def are_but_for_errors(numbers: int, n: int) -> bool:
    """Whether so many of n different cells are numbers, or dates, that the others are meant to be.

    >>> are_but_for_errors(29, 30), are_but_for_errors(30, 30), are_but_for_errors(4, 5)
    (True, False, False)
    """
    return n > numbers >= max(_TYPO_LEAST, _TYPO_SHARE * n)


def _fractions(cells: Sequence[_Cell]) -> str:
    """The signs, "." or ",", after which the fraction of all cells may come.

    >>> [_fractions([_Cell(text, False, "")]) for text in ("5,1", "1,350", "1,350.5", "1.2.3")]
    [',', '.,', '.', '']
    """
    return "".join(sign for sign in ".," if all(cell.value(sign) is not None for cell in cells))


def _are_in_units(cells: Collection[_Cell]) -> bool:
    """Whether what cells are dressed in is a unit: 12a may be a room; one stands apart, or has a fraction before it."""
    return any(not cell.dress[:1].isalpha() or not cell.number.replace(" ", "").isdecimal() for cell in cells)


def _are_codes(dressed: Collection[_Cell]) -> bool:
    """Whether what stands after numbers is no unit: it has a number of its own, as in 2024 Q1 or 50°56'N, or is 1st."""
    if any(_MINUTES.search(cell.dress) for cell in dressed):
        return True
    dresses = {cell.dress for cell in dressed}
    if dresses and (dresses <= _ORDINALS or all(map(_PART_OF_YEAR.fullmatch, dresses))):
        return True
    letters = {_DIGITS.sub("", dress) for dress in dresses}
    return len(letters) < len(dresses) and not _are_in_units(dressed)


class Odd(NamedTuple):
    """The cell for which a column is not read as numbers, and what is wrong with it and how to mend it."""

    cell: str
    why: str


def meant(texts: Sequence[str], column: Column | None = None) -> dict[str, float] | Odd:
    """The number of each cell of a column that is known to hold numbers, some of which may lack the unit of the others.

    Arguments:
        texts: the cells of all rows, as what fewer of them are is what is wrong.
        column: of the model, which may know how they were written in training.

    >>> meant(["60.4 kg", "72.5"])
    {'60.4 kg': 60.4, '72.5': 72.5}
    >>> meant(["60.4 kg", "59.1 kg", "725 g"])
    Odd(cell='725 g', why="where others are written like '60.4 kg'; write all alike")
    >>> meant(["1.350"], Column("cost", signs=",."))
    {'1.350': 1350.0}
    """
    column = column or Column("")
    # A point may be between thousands in a column that had commas before fractions, and is in plain numbers alone.
    if not texts or (not (column.signs[:1] == "," and is_dressed(column)) and all(map(is_number, texts))):
        return {text: float(text) for text in texts}
    rows = Counter(texts)
    cells = {text: cell for text in rows if (cell := _taken_apart(text)) is not None and _fractions([cell])}
    strange = next((text for text in rows if text not in cells), None)
    if strange is not None:
        return Odd(strange, "where the model needs a number; mend it")
    unlike, fractions = _of_another_dress(cells, rows, column.unit), column.signs[:1] or _fractions([*cells.values()])
    if unlike is None and column.signs:
        odd = next((text for text, cell in cells.items() if cell.value(fractions) is None), None)
        why = f"where {NAMES[fractions]} stands before fractions, as in training; write it so"
        unlike = None if odd is None else Odd(odd, why)
    elif unlike is None and not fractions:
        unlike = _of_another_fraction(cells, rows)
    if unlike is not None:
        return unlike
    readings = [{text: float(cell.value(sign) or 0) for text, cell in cells.items()} for sign in fractions]
    in_doubt = next((text for text in cells if readings[0][text] != readings[-1][text]), None)
    if in_doubt is not None:
        less, more = sorted((numbers[in_doubt] for numbers in readings), key=abs)
        # Four digits, or two, come after no sign between thousands.
        return Odd(in_doubt, f"and may be {more:.15g} or {less:.15g}; write it as {more:.2f} or {less:.4f}")
    return readings[0]


def _of_another_dress(cells: Mapping[str, _Cell], rows: Mapping[str, int], unit: str) -> Odd | None:
    """A cell in another unit than training had or, where it had none, than most, or the only ones in a unit."""
    if unit:
        odd = next((text for text, cell in cells.items() if cell.dress.strip() not in ("", unit)), None)
        return None if odd is None else Odd(odd, f"where training had the unit '{unit}'; write it in that, or without")
    dressed = {text: cell for text, cell in cells.items() if cell.dress}
    dresses: Counter[str] = Counter()
    for text, cell in cells.items():
        dresses[cell.dress.strip()] += rows[text]
    # Of as many, those with a unit are right.
    usual = max(dresses, key=lambda dress: (dresses[dress], dress != ""))
    unlike = next((text for text, cell in dressed.items() if cell.dress.strip() != usual), None)
    if unlike is not None:
        like = next(text for text, cell in cells.items() if cell.dress.strip() == usual)
        return Odd(unlike, f"where others are written like '{like}'; write all alike")
    if dressed and not _are_in_units(dressed.values()):  # 5o is no unit of 5
        return Odd(next(iter(dressed)), "where the model needs a number; mend it")
    return None


def _of_another_fraction(cells: Mapping[str, _Cell], rows: Mapping[str, int]) -> Odd:
    """A cell with a point before its fraction where more have a comma, or the other way round."""
    of = {sign: [text for text, cell in cells.items() if cell.value(sign) is None] for sign in ".,"}
    fewer, more = sorted(of.values(), key=lambda texts: sum(rows[text] for text in texts))
    return Odd(fewer[0], f"where others are written like '{more[0]}'; write all alike")


@dataclass(frozen=True)
class Reading:
    """How the different cells of a column are read.

    Arguments:
        cells: those that are numbers, by how they are written.
        others: those that are none.
        fractions: signs of the fraction by which the numbers can be read.
    """

    cells: Mapping[str, _Cell]
    others: tuple[str, ...]
    fractions: str

    @classmethod
    def of(cls, found: Collection[str]) -> Reading | None:
        """How a column is read; None where it holds no numbers, or not all of them are dressed alike."""
        if not any(map(_taken_apart, islice(found, _SIGHTED))):
            return None
        apart = {text: _taken_apart(text) for text in found}
        cells = {text: cell for text, cell in apart.items() if cell is not None}
        others = tuple(text for text, cell in apart.items() if cell is None)
        fractions = _fractions([*cells.values()])
        alike = len({cell.dress.strip() for cell in cells.values()}) == 1
        if not fractions or not alike or (others and not are_but_for_errors(len(cells), len(apart))):
            return None
        return cls(cells, others, fractions) if _are_in_units(cells.values()) else None

    def values(self, known: Collection[str]) -> dict[str, float] | None:
        """The number of each cell, by the one sign that is known to stand before fractions where it may be either."""
        by_sign = {
            sign: {text: value for text, cell in self.cells.items() if (value := cell.value(sign)) is not None}
            for sign in self.fractions
        }
        if len(by_sign) == 1 or by_sign["."] == by_sign[","]:
            return by_sign[self.fractions[0]]
        return by_sign[next(iter(known))] if len(known) == 1 else None

    def column(self, known: Collection[str]) -> Column:
        """What is kept for new cells of a column whose `values` are known."""
        fraction = self.fractions if len(self.fractions) == 1 else "".join(known) if self.doubtful else ""
        thousands = {*"".join(cell.number for cell in self.cells.values())} & {*".,' "} - {fraction}
        unit = next(iter(self.cells.values())).dress.strip()
        return Column("", signs=fraction + "".join(sorted(thousands)) if fraction else "", unit=unit)

    @property
    def doubtful(self) -> bool:
        """Whether the numbers depend on the sign that is taken for the one before fractions."""
        return self.values(()) is None

    @property
    def telling(self) -> str:
        """The cell that shows best how the others are written."""
        return max(self.cells, key=lambda text: (not is_number(text), len(text)))


def different(column: ArrowColumn) -> list[str]:
    """The different cells of a column of texts, but for missing and empty ones."""
    import pyarrow.compute as pc

    return [cell for cell in pc.unique(column).to_pylist() if cell is not None and cell.strip()]


def readings(table: ArrowTable, keep: Collection[str] = ()) -> dict[str, Reading]:
    """How the columns of texts that hold numbers are read, by name; not of those that are kept."""
    columns = {name: column for name, column in zip(table.column_names, table.columns) if name not in keep}
    found = {name: Reading.of(different(column)) for name, column in columns.items() if is_text(column.type)}
    return {name: reading for name, reading in found.items() if reading is not None}


def signs(found: Mapping[str, Reading]) -> set[str]:
    """The signs that stand before fractions without a doubt."""
    return {reading.fractions for reading in found.values() if len(reading.fractions) == 1}


def read_written(table: ArrowTable, found: Mapping[str, Reading], fractions: str = "") -> tuple[ArrowTable, list[str]]:
    """Turn columns of texts all of which are numbers, dressed alike, into numbers.

    1,350 alone may be a thousand and more, or a little more than one: it is read where other columns tell which, and
    stays a text where they do not.

    Arguments:
        table: of any columns, each name once.
        found: the `readings` of them.
        fractions: signs that other numbers of the same source have before the fraction.

    Returns:
        The table, and notes. Of many numbers among which some cells are none, only how they are written is changed, so
        that `from_arrow` names the typing error.
    """
    known, notes = {*fractions, *signs(found)}, list[str]()
    for name, reading in found.items():
        values = reading.values(known)
        place = table.column_names.index(name)
        # Numbers that are texts in a source with types are meant to be texts, and categories are what is written.
        if values is None or (not fractions and all(map(is_number, reading.cells))):
            continue
        if reading.others and are_meant(
            Counter(cell for cell in table.column(place).to_pylist() if cell and cell.strip()), reading.others
        ):
            continue
        cells = _replaced(table.column(place), values, reading)
        table = table.set_column(
            place, keeping(table.schema.field(place).with_type(cells.type), reading.column(known)), cells
        )
        cell = reading.telling
        if not reading.others and not (is_number(cell) and float(cell) == values[cell]):
            said = f"column '{name}' is read as numbers: its cells are written like '{cell}', {values[cell]:.15g}"
            notes.append(Note(said, name))
    return table, notes


def _replaced(column: ArrowColumn, values: Mapping[str, float], reading: Reading) -> ArrowColumn:
    import pyarrow as pa

    cells = column.to_pylist()
    if reading.others:
        return pa.chunked_array([[repr(values[cell]) if cell in values else cell for cell in cells]], pa.string())
    # Empty cells are missing. Not by `pa.array`, which imports pandas.
    numbers = np.array([values.get(cell, np.nan) for cell in cells])
    return pa.chunked_array([pa.Array.from_buffers(pa.float64(), len(cells), [None, pa.py_buffer(numbers)])])


def are_meant(rows: Mapping[str, int], others: Collection[str]) -> bool:
    """Whether a text that is no number, among few others, stands in too many rows to be a typing error.

    Arguments:
        rows: of the different cells, in how many each stands.
        others: those that are no numbers.
    """
    most = max(rows[text] for text in others)
    return len(rows) <= _MANY and most >= max(AGAIN, _OFTEN * sum(rows.values()))


def in_the_way(found: Sequence[str]) -> str | None:
    """Why a column most of whose different cells look like numbers is not read as such; None where they do not.

    >>> in_the_way(["1,350", "2,100"]), in_the_way(["5 %", "4"]), in_the_way(["a", "5"])
    ("'1,350' may be 1350 or 1.35", "'5 %' is written otherwise than '4'", None)
    >>> in_the_way(["2024Q1", "2024Q2"]), in_the_way(["50°56'N", "51°12'S"]), in_the_way(["1st", "2nd", "3rd"])
    (None, None, None)
    """
    if not any(map(looks_like_a_number, found[:_SIGHTED])):
        return None
    apart = {text: _taken_apart(text) for text in found if looks_like_a_number(text)}
    cells = {text: cell for text, cell in apart.items() if cell is not None}
    if all(map(is_number, found)) or len(apart) < _TYPO_SHARE * len(found):
        return None
    odd = next((text for text in found if text not in apart), None)
    if odd is not None:
        return f"'{odd}' is none"
    if _are_codes([cell for cell in cells.values() if cell.dress]):
        return None
    first = next(text for text in cells if not is_number(text))
    in_doubt = next((text for text, cell in cells.items() if cell.value(".") != cell.value(",")), None)
    fractions = _fractions([*cells.values()])
    if in_doubt is not None and len(fractions) > 1:
        return f"'{in_doubt}' may be {cells[in_doubt].value('.'):.15g} or {cells[in_doubt].value(','):.15g}"
    other = next((text for text, cell in cells.items() if cell.dress.strip() != cells[first].dress.strip()), None)
    if not fractions:
        first, other = (next(text for text, cell in cells.items() if cell.value(sign) is None) for sign in ".,")
    if other is not None:
        return f"'{first}' is written otherwise than '{other}'"
    return f"'{first}' is none"
