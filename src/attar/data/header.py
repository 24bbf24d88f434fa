"""Whether a delimited file begins with the names of its columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attar.data.clock import form_of
from attar.data.labels import MISSING
from attar.data.marks import INVENTED
from attar.data.written import is_number, looks_like_a_number

_YEARS = range(1000, 3000)
_PLACES = 5  # as many numbers in order are where something was measured, such as wavelengths


def is_header(first: Sequence[str], below: Sequence[Sequence[str]], known: Collection[str] = ()) -> bool:
    """Whether the cells of a file's first line are names, and not those of a sample.

    Arguments:
        first: the cells.
        below: those of lines below.
        known: names of columns of a model.

    >>> is_header(["5", "red"], []), is_header(["5", "red"], [], ["x0", "x1"])
    (True, False)
    >>> is_header(["a", "b"], [["a", "c"]]), is_header(["a", "b"], [["a", "c"]], ["b"])
    (False, True)
    >>> is_header(["400", "410"], []), is_header(["400", "410"], [], ["410", "400"])
    (False, True)
    """
    if known and {*known} <= {*first}:  # names may be numbers, as of wavelengths
        return True
    words = [i for i, cell in enumerate(first) if cell not in MISSING and not is_number(cell)]
    if not words:
        start = _counts_from(first)
        return start == 0 or (start in _YEARS and not (below and _counts_from(below[0]) in _YEARS))
    numbers = [float(cell) for cell in first if cell not in MISSING and is_number(cell)]
    if not {*first}.isdisjoint(known):
        return True
    if numbers and known and all(map(INVENTED.fullmatch, known)):
        return False
    columns = {i: {row[i] for row in below if i < len(row)} - set(MISSING) for i in words}
    if any(cells and all(map(is_number, cells)) for cells in columns.values()):
        return True
    # A word that stands below too is what a sample has, and not what a column is called, but where others are so.
    if any(first[i] in cells for i, cells in columns.items()):
        return any(cells and not _is_value(first[i]) and all(map(_is_value, cells)) for i, cells in columns.items())
    in_order = sorted(set(numbers)) in (numbers, numbers[::-1])
    return all(number.is_integer() for number in numbers) or (in_order and len(numbers) >= _PLACES)


def _is_value(cell: str) -> bool:
    """Whether a cell has the form of a number in any dress, of a date or of a time."""
    return looks_like_a_number(cell) or form_of(cell) is not None


def _counts_from(cells: Sequence[str]) -> int | None:
    """Where cells count up by one, perhaps after the blank one of pandas' row names: the first of them."""
    counted = cells[1:] if cells and not cells[0] else cells
    start = int(counted[0]) if counted and counted[0].isdecimal() else 0
    return start if counted and list(counted) == [str(start + i) for i in range(len(counted))] else None
