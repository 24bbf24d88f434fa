"""CSV and TSV files to Arrow tables, with or without a header line."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from attar.data.tables import ArrowTable, is_number
from attar.errors import DataError

MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "nan", "NaN", "NAN", "-nan", "-NaN", "null", "NULL", "None", "<NA>")
_HEAD = 1 << 16
_LARGEST_BLOCK = 1 << 30


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written: `names` is empty where the file has no header line."""

    delimiter: str
    names: tuple[str, ...]
    decimal: str = "."


def layout(path: Path) -> Layout:
    """Find the delimiter, the header line and the decimal sign from the first lines of a file.

    Raises:
        DataError: the file is empty, binary, or not UTF-8.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        raise DataError(f"{path}: the file is empty; give a table with one sample per line")
    if b"\0" in head:
        raise DataError(f"{path}: not a text file; give comma- or tab-separated UTF-8 text")
    try:
        # The end of the head may cut a character in two.
        text = head.decode("utf-8-sig", "strict" if len(head) < _HEAD else "ignore")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    lines = text.splitlines()
    delimiter = max("\t,;" if path.suffix.lower() == ".tsv" else ",;\t", key=lines[0].count)
    try:
        first = [cell.strip() for cell in next(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))]
    except (csv.Error, StopIteration) as error:
        raise DataError(f"{path}, line 1: not a line of a table ({error}); give comma- or tab-separated text") from None
    counted = first == [str(i) for i in range(len(first))]
    header = counted or not all(is_number(cell) or cell in MISSING for cell in first)
    body = "".join(lines[1:20])
    comma = delimiter == ";" and re.search(r"\d,\d", body) and not re.search(r"\d\.\d", body)
    return Layout(delimiter, tuple(first) if header else (), "," if comma else ".")


def read_delimited(path: Path, *, text: Collection[str] = (), empty: bool = False) -> tuple[ArrowTable, list[str]]:
    """Read a CSV or TSV file.

    Arguments:
        path: of the file; the delimiter (comma, semicolon, tab), the header line and a decimal comma are found out.
        text: columns that are read as written, not as numbers.
        empty: take a header line without a row too.

    Returns:
        Table and notes. Columns of a file without a header line are called x0, x1, ….

    Raises:
        DataError: the file is empty or not a table.
    """
    import pyarrow as pa

    found = layout(path)
    notes = [] if found.names else [f"{path.name} has no header line: its columns are called x0, x1, …"]
    try:
        table = _read(path, found, text)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}; mend the file") from None
    if table.num_rows == 0 and not empty:
        raise DataError(f"{path}: a header line and no row; give one sample per line")
    if not found.names:
        table = table.rename_columns([f"x{i}" for i in range(table.num_columns)])
    return table.rename_columns([str(name).strip() for name in table.column_names]), notes


def words_for_missing(path: Path, column: str) -> dict[str, int]:
    """How often each word that is read as a missing value, blank ones aside, stands in a column."""
    table = _read(path, layout(path), [column], missing=())
    cells = [
        str(cell) for cell in table.column([name.strip() for name in table.column_names].index(column)).to_pylist()
    ]
    return {word: n for word, n in Counter(cells).items() if word in MISSING and word}


def _read(path: Path, found: Layout, text: Collection[str], missing: Collection[str] = MISSING) -> ArrowTable:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    # Types are guessed from the first block, and a guess that a later block refutes is an error: so, one block.
    block = min(max(path.stat().st_size + 1, 1 << 20), _LARGEST_BLOCK)
    return arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(
            use_threads=False, block_size=block, autogenerate_column_names=not found.names
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=found.delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in text},
            null_values=list(missing),
            strings_can_be_null=True,
            decimal_point=found.decimal,
        ),
    )
