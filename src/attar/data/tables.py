"""Tables of named columns to numbers: Arrow in, one float64 column each out, categories as codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from attar.data.clock import MOSTLY, dated, first_of, in_doubt, in_halves_of_a_day, stray
from attar.data.dataset import CODED, DATED, ArrowColumn, ArrowTable, Column, Doubles, Note
from attar.data.dress import kept
from attar.data.labels import sort_names
from attar.data.marks import leaving_out, moments_as_texts, typed
from attar.data.spelling import spelt
from attar.data.written import are_meant, different, holds_a_typing_error, in_the_way, is_number, is_text
from attar.errors import DataError, first_line

DELIMITED, PARQUET = (".csv", ".tsv"), (".parquet", ".pq")

_MANY = 50


def from_arrow(
    table: ArrowTable, *, where: str, text: Collection[str] = (), open: bool = False
) -> tuple[Doubles, tuple[Column, ...], list[str]]:
    """Turn a table into numbers.

    Arguments:
        table: of numbers, booleans, texts, categories, dates and times; dates become seconds since 1970, times of day
            seconds since midnight.
        where: the file or argument that an error names.
        text: columns that are categories even where they look like numbers, dates or times.
        open: whether a person can still mark columns, which an error then says.

    Returns:
        Values `(n, features)` with NaN where missing and codes in columns of categories; the columns; notes.

    Raises:
        DataError: two columns have one name, a column holds neither numbers, texts nor dates, or
            a column of numbers or dates holds a text.
    """
    names = [str(name) for name in table.column_names]
    each_once(names, where)
    # Column by column into one array: a table is often wide, and is never held twice.
    values = np.empty((table.num_rows, len(names)), dtype=np.float64, order="F")
    columns, notes = [], list[str]()
    for j, name in enumerate(names):
        cells = table.column(j)
        read, first = _read(cells, name in text)
        values[:, j], categories, note = _column(read, _Place(name, where, open), name in text)
        signs, unit = kept(table.schema.field(j))
        columns.append(Column(name, categories, first=first, signs=signs, unit=unit))
        notes += [Note(said, name, CODED if categories else DATED) for said in note]
    return values, tuple(columns), notes


def read_parquet(path: Path, *, empty: bool = False) -> ArrowTable:
    """Read a Parquet file; one without a row where `empty` is set."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    try:
        # `read_table` imports pandas; this does not.
        with parquet.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable Parquet file ({first_line(error)}); write it again") from None
    if table.num_rows == 0 and not empty:
        raise DataError(f"{path}: the table has no row; give one sample per row")
    table = table.drop_columns([name for name in table.column_names if name.startswith("__index_level_")])
    # As in a CSV file, blanks around a name are none of it.
    return table.rename_columns([name.strip() for name in table.column_names])


def each_once(names: Sequence[str], where: str) -> None:
    """Refuse a name that two columns have."""
    twice = next((name for name, n in Counter(names).items() if n > 1), None)
    if twice is not None:
        raise DataError(f"{where}: two columns are called '{twice}'; rename one")


def _read(column: ArrowColumn, text: bool) -> tuple[ArrowColumn, str]:
    """A column with its texts read as dates, where they are some, and what comes first in them."""
    import pyarrow as pa

    column = column.cast(pa.string()) if is_text(column.type) else column
    if text:
        return _as_text(column), ""
    if not pa.types.is_string(column.type):
        return column, ""
    read = dated(column)
    return read, first_of(different(column)) if pa.types.is_timestamp(read.type) else ""


class _Place(NamedTuple):
    """A column in errors.

    Arguments:
        name: of the column.
        where: the file or argument that it is of.
        open: whether a person can still mark columns.
    """

    name: str
    where: str
    open: bool

    def refused(self, row: int, said: str) -> DataError:
        """The error on the cell of a row, with what a person may do but mend it."""
        left = leaving_out([self.name]) if self.open else ""
        ways = f"; if these are names, say so by {typed([self.name], '--category')}{left}" if left else ""
        return DataError(f"{self.where}: row {row}, column '{self.name}' {said}{ways}")


def _column(column: ArrowColumn, place: _Place, text: bool) -> tuple[Doubles, tuple[str, ...], list[str]]:
    import pyarrow as pa

    is_type = pa.types
    kind, name = column.type, place.name
    if is_type.is_null(kind):
        return np.full(len(column), np.nan), (), []
    if is_type.is_boolean(kind):
        return doubles(column.cast(pa.uint8())), (), []
    if is_type.is_integer(kind) or is_type.is_floating(kind) or is_type.is_decimal(kind):
        return doubles(column), (), []
    if is_type.is_timestamp(kind) or is_type.is_date(kind):
        # Nanoseconds are more than a number of seconds since 1970 could tell.
        seconds = doubles(column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())) / 1e6
        said = "taken as seconds since 1970; later ones lie beyond all that is learnt from"
        return seconds, (), [f"column '{name}' holds dates: {said}"]
    if is_type.is_time(kind) or is_type.is_duration(kind):
        whole = column.cast(pa.time64("us") if is_type.is_time(kind) else pa.duration("us"), safe=False)
        return doubles(whole.cast(pa.int64())) / 1e6, (), [f"column '{name}' holds times: taken as seconds"]
    if not (is_type.is_string(kind) or is_type.is_dictionary(kind)):
        # A type that is nested may name a field for each row.
        raise DataError(
            f"{place.where}: column '{name}' holds {kind!s:.60}; give numbers, texts or dates, one per cell"
        )
    return _codes(column, place, text)


def _as_text(column: ArrowColumn) -> ArrowColumn:
    """Integers, booleans, dates and times as they are written in a CSV file; other columns as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(column.type):
        return pc.if_else(column, "True", "False")
    return column.cast(pa.string()) if pa.types.is_integer(column.type) else moments_as_texts(column)


def doubles(column: ArrowColumn) -> Doubles:
    """Values of a numeric Arrow column `(n,)`, NaN where null.

    Arrow's own `to_numpy` imports pandas, which takes longer than all of `attar predict` may.
    """
    import pyarrow as pa

    array = column.cast(pa.float64(), safe=False)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if len(array) == 0:
        return np.empty(0)
    values = np.frombuffer(array.buffers()[1], np.float64, len(array), array.offset * 8)
    if array.null_count:
        valid = array.is_valid().cast(pa.uint8())
        known = np.frombuffer(valid.buffers()[1], np.uint8, len(array), valid.offset)
        return np.where(known != 0, values, np.nan)
    return values


def _codes(column: ArrowColumn, place: _Place, text: bool) -> tuple[Doubles, tuple[str, ...], list[str]]:
    import pyarrow as pa

    name = place.name
    given = pa.types.is_dictionary(column.type)
    array = column.unify_dictionaries().combine_chunks() if given else column.combine_chunks().dictionary_encode()
    found = [spelt(cell) for cell in array.dictionary.to_pylist()]
    codes = doubles(array.indices)
    if "" in found:
        # An empty text is a missing value, as it is in a CSV file, and to the file that is shipped.
        blank = found.index("")
        codes = np.where(codes == blank, np.nan, codes - (codes > blank))
        del found[blank]
    notes = [] if given or text else _mixed(found, codes, place)
    # A categorical of pandas has an order of its own; texts are put into one that does not depend on the rows.
    categories = tuple(found) if given else sort_names(found)
    code = {text: float(i) for i, text in enumerate(categories)}
    table = np.array([*(code[text] for text in found), np.nan])
    values = table[np.where(np.isnan(codes), len(found), codes).astype(np.int64)]
    # A column that a model has cannot be left out any more.
    if not text and not notes and len(categories) > _MANY and 2 * len(categories) > len(values):
        notes.append(
            f"column '{name}' has {len(categories)} categories in {len(values)} rows:"
            " if it is free text, give the kind text; call it 'id' if it names the row" + leaving_out([name], "; else ")
        )
    return values, categories, notes


def _mixed(found: list[str], codes: Doubles, place: _Place) -> list[str]:
    """Tell a typing error in a column of numbers from a column of categories, some of which look like numbers.

    Arguments:
        found: the different cells.
        codes: which each row has, NaN where none.
        place: of the column.
    """
    name = place.name
    numbers = sum(map(is_number, found))
    if numbers == len(found):
        return []
    said = _almost_dates(found, codes, place)
    if said:
        return said
    if in_doubt(found):
        return [
            f"column '{name}' holds dates of which the day or the month may come first, like '{found[0]}': taken as"
            " categories; write them as 2024-12-31"
        ]
    others = [text for text in found if not is_number(text)]
    first = found.index(others[0])
    row = int(np.argmax(codes == first))
    rows = dict(zip(found, np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(found)).tolist()))
    if holds_a_typing_error(found) and not are_meant(rows, others):
        raise place.refused(row, f"is '{found[first]}' where a number is expected; mend it, or leave it empty")
    why = in_the_way(found)
    if why is not None:
        empty = ", and leave empty what is none" if why.endswith(" is none") else ""
        return [
            f"column '{name}' looks like numbers, and is taken as categories, as {why}:"
            f" write numbers with a point, and without other signs{empty}"
        ]
    mixed = (
        f"column '{name}' holds numbers and texts (row {row}: '{found[first]}'): taken as categories; where numbers are"
        " meant, leave such cells empty, or write a number"
    )
    # Where most are texts, as names of cars of which one is '3', no numbers are meant.
    return [mixed] if 2 * numbers >= len(found) else []


def _almost_dates(found: list[str], codes: Doubles, place: _Place) -> list[str]:
    """Tell a typing error in a column of dates from one that is not meant to hold dates; what is unclear is noted."""
    if in_halves_of_a_day(found):
        return [f"column '{place.name}' holds times like '{found[0]}': taken as categories; write them as 13:30"]
    odd = stray(found)
    if odd is None:
        return []
    row = int(np.argmax(codes == found.index(odd.cell)))
    if odd.sure:
        raise place.refused(row, f"is '{odd.cell}' where a {odd.noun} like '{odd.like}' is expected; {odd.mend}")
    if odd.share <= MOSTLY:
        return []
    mend = f"write all {odd.noun}s alike" if odd.otherwise else "mend what is no " + odd.noun + ", or leave it empty"
    mixture = f"column '{place.name}' holds {odd.noun}s like '{odd.like}', and '{odd.cell}' (row {row})"
    return [f"{mixture}: taken as categories; {mend}"]
