"""CSV and TSV files to Arrow tables, with or without a header line."""

from __future__ import annotations

import codecs
import csv
import io
import mmap
import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path

from attar.data.dataset import ArrowTable, Column, Note
from attar.data.dress import keeping
from attar.data.header import is_header
from attar.data.labels import MISSING
from attar.data.marks import typed
from attar.data.written import Reading, is_number, read_written, readings, signs
from attar.errors import DataError, first_line, inflected

DELIMITERS = ",;\t|"
_HEAD, _ROWS = 1 << 16, 20  # bytes, and rows, that a file is judged by
_FRACTION = {sign: re.compile(rf"[+-]?\d+[{sign}]\d+([eE][+-]?\d+)?") for sign in ",."}
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+")
_QUOTED = re.compile(r'(?<![^,;\t|\s])"[^"]*"')
_EXCEL = re.compile(r'"?sep=[,;\t]"?', re.IGNORECASE)
_ZEROS, _ZEROS_ANYWHERE = re.compile(r" *[+-]?0\d+ *"), re.compile(rb"""(?<![\w.:/-])0\d+(?=[,;\t| "\r\n]|\Z)""")
_LARGEST_BLOCK = 1 << 30
# Blanks that align columns, but for those of a quoted cell.
_ALIGNING = re.compile(r'(?P<quoted>(?<!\S)"[^"]*")|(?P<edge>^ +| +(?=\r?$))| +', re.MULTILINE)
# In no text that people wrote, but here and there what was left of a quotation mark when a text was converted.
_CONTROL, _HERE_AND_THERE = re.compile(r"[\x00-\x08\x0e-\x1f]"), 0.05
UTF8, UTF16, WESTERN = "utf-8", "utf-16", "cp1252"


@dataclass(frozen=True)
class Layout:
    """How a delimited file is written.

    Arguments:
        delimiter: between cells; a blank stands for as many as there are.
        names: those of its header line, x0, x1, … where it has none.
        header: whether it has one.
        decimal: sign in numbers.
        skip: lines before all of this.
        written: cells of its first line as Arrow sees them, which keeps white space that is no blank.
        encoding: of its text.
        padded: whether blanks are taken away before it is read.
    """

    delimiter: str
    names: tuple[str, ...]
    header: bool = True
    decimal: str = "."
    skip: int = 0
    written: tuple[str, ...] = ()
    encoding: str = UTF8
    padded: bool = False


def encoding_of(path: Path) -> str:
    """UTF-8, or what older programs write: UTF-16, by the mark that it begins with, or that of Windows in the West."""
    with path.open("rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return UTF16
        file.seek(0)
        decoder = codecs.getincrementaldecoder(UTF8)()
        try:
            for piece in iter(lambda: file.read(1 << 20), b""):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return WESTERN
    return UTF8


def foreign(path: Path, encoding: str) -> list[str]:
    """A note on an encoding that is a guess."""
    guessed = f"{path.name} is not UTF-8: read as Windows-1252; save it as UTF-8 if letters in it are wrong"
    return [guessed] if encoding == WESTERN else []


def _head(path: Path, encoding: str) -> str:
    """The first lines, whole ones."""
    with path.open(encoding=encoding, newline="") as file:
        # To the end of a line, and on beyond a header line that is longer than the head.
        return (file.read(_HEAD) + "".join(islice(file, _ROWS + 1))).removeprefix("\ufeff")


def layout(path: Path, known: Collection[str] = ()) -> Layout:
    """Find the encoding, the delimiter, the header line and the decimal sign from the first lines of a file.

    Arguments:
        path: of the file.
        known: names of columns of a model, which tell its header line.

    Raises:
        DataError: the file is empty or binary, or has lines above its table.
    """
    encoding = encoding_of(path)
    try:
        text = _head(path, encoding)
    except UnicodeError:
        raise DataError(f"{path}: not a text file; give comma- or tab-separated UTF-8 text") from None
    if not text.strip():
        raise DataError(f"{path}: the file is empty; give a table with one sample per line")
    if "\0" in text or len(_CONTROL.findall(text)) > _HERE_AND_THERE * len(text):
        raise DataError(f"{path}: not a text file; give comma- or tab-separated UTF-8 text")
    lines = list(io.StringIO(text.lstrip("\r\n"), newline=""))
    skip = int(is_of_excel(lines[0]) and len(lines) > 1)
    head, *more = lines[skip : skip + 2]
    delimiter = delimiter_of(head, "".join(more), "\t" if path.suffix.lower() == ".tsv" else "")
    text = "".join(lines[skip:])
    if delimiter not in _QUOTED.sub("", head) and _are_parted_by_blanks(_tidied(text, " ")):
        delimiter = " "
    tidy = _tidied(text, delimiter)
    rows = csv.reader(io.StringIO(tidy.lstrip("\r\n"), newline=""), delimiter=delimiter)
    try:
        written = next(rows)
    except (csv.Error, StopIteration) as error:
        raise DataError(f"{path}, line 1: not a line of a table ({error}); give comma- or tab-separated text") from None
    first, below = [cell.strip() for cell in written], list[list[str]]()
    with suppress(csv.Error):  # a cell too long for this reader is not too long for Arrow
        below += ([cell.strip() for cell in row] for row in islice(rows, _ROWS))
    _refuse_lines_above(path, first, below, delimiter)
    cells = [first, *below]
    if comma := _has_decimal_commas(cells, delimiter):
        cells = [[cell.replace(",", ".") for cell in row] for row in cells]
    header = is_header(cells[0], cells[1:], known)
    names = first if header else [f"x{i}" for i in range(len(first))]
    padded, decimal = delimiter == " " or tidy != text, "," if comma else "."
    return Layout(delimiter, tuple(names), header, decimal, skip, tuple(written), encoding, padded)


def is_of_excel(line: str) -> bool:
    """Whether a first line is Excel's own, which says what parts the cells and is no part of the table.

    >>> is_of_excel("sep=;\\r\\n"), is_of_excel("sep=")
    (True, False)
    """
    return bool(_EXCEL.fullmatch(line.rstrip("\r\n")))


def delimiter_of(line: str, below: str = "", first: str = "") -> str:
    """What stands between the cells of a line; of signs as frequent, that which parts the line below alike.

    >>> delimiter_of("a;b;c,d"), delimiter_of("5,1;4,9;x"), delimiter_of("a|b"), delimiter_of('"price, EUR";"kg"')
    (';', ';', '|', ';')
    >>> delimiter_of("kg;price, EUR", "1,5;2,5")
    ';'
    """
    # What stands within quotation marks parts no cells.
    line, below = _QUOTED.sub("", line), _QUOTED.sub("", below)
    # Beside semicolons, commas all of which stand between digits are part of numbers.
    decimals = ";" in line and not re.search(r"(?<!\d),|,(?!\d)", line)
    line = line.replace(",", "") if decimals else line
    return max(first + DELIMITERS, key=lambda sign: (line.count(sign), 0 < line.count(sign) == below.count(sign)))


def _tidied(text: str, delimiter: str) -> str:
    """Lines without the blanks around their cells; where blanks part these, one is left between two.

    >>> _tidied('  a   b\\n 10  "x  y" \\n', " "), _tidied('a, " b, c" ,d e\\n', ",")
    ('a b\\n10 "x  y"\\n', 'a," b, c",d e\\n')
    """
    if delimiter == " ":
        return _ALIGNING.sub(lambda found: found["quoted"] or ("" if found["edge"] else " "), text)
    if '"' not in text:  # the pattern takes twice the time and ten times the memory
        return _stripped(text, f"\r\n{delimiter}")
    quoted = rf'"(?<![^{delimiter}\s]")[^"]*(?:""[^"]*)*"'
    around = rf" (?:(?<![^{delimiter}\r\n] ) *|(?<!  ) *(?![^{delimiter}\r\n]))"
    # Each begins with what is sought, which takes a third of the time.
    return re.sub(f"{quoted}|{around}", lambda found: found[0].lstrip(" "), text)


def _stripped(text: str, around: str) -> str:
    """A text without the blanks around any of the signs."""
    sign, left = around[0], around[1:]
    return sign.join([_stripped(part, left) if left else part.strip(" ") for part in text.split(sign)])


def _are_parted_by_blanks(text: str) -> bool:
    """Whether single blanks part as many cells in each line, numbers in some place of all but the first.

    The first has another number of cells where names have blanks in them, or a sign of a comment stands before them;
    all others are numbers then.
    """
    with suppress(csv.Error):
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=" ")
        first, *below = [row for row in islice(rows, _ROWS) if row] or [[]]
        lengths = {len(row) for row in below}
        if len(first) < 2 or len(lengths) != 1 or max(lengths) < 2:
            return False
        numbers = [all(map(is_number, cells)) for cells in zip(*below)]
        return any(numbers) if len(first) in lengths else all(numbers)
    return False


def _refuse_lines_above(path: Path, first: Sequence[str], below: Sequence[Sequence[str]], delimiter: str) -> None:
    """Refuse a title or a comment above the header line, which is known from the longer lines below it."""
    lengths = [len(row) for row in below if row]
    if delimiter == " " and len(first) not in lengths:
        raise DataError(
            f"{path}: blanks part {len(first)} cells in its first line and {lengths[0]} below: write a name of one word"
            " for each column, and nothing else, or commas between cells"
        )
    usual = max(set(lengths), key=lengths.count, default=0)
    if usual > len(first) and (len(first) == 1 or lengths.count(usual) < len(lengths)):
        raise DataError(
            f"{path}: its first line has {len(first)} {inflected(len(first), 'cell', 'cells')}, and lines below have"
            f" {usual}: remove the lines above the one with the names of the columns"
        )


def _has_decimal_commas(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    """Whether numbers are written as 5,1, and none as 5.1."""
    cells = [cell for row in rows for cell in row if "," in cell or "." in cell]
    if any(_FRACTION["."].fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for cell in cells):
        return False
    # Where semicolons part the cells it is for the sake of the commas; elsewhere 1,350 may be a thousand and more.
    commas = (cell for cell in cells if _FRACTION[","].fullmatch(cell))
    return any(delimiter == ";" or not _THOUSANDS.fullmatch(cell) for cell in commas)


def read_delimited(
    path: Path, *, text: Collection[str] = (), empty: bool = False, known: Collection[str] = ()
) -> tuple[ArrowTable, list[str]]:
    """Read a CSV or TSV file.

    Arguments:
        path: of the file; the encoding, the delimiter (comma, semicolon, tab, bar or blank), the header line and a
            decimal comma are found out.
        text: columns that are read as written, not as numbers.
        empty: take a header line without a row too.
        known: as of `layout`.

    Returns:
        Table and notes. Columns of a file without a header line are called x0, x1, ….

    Raises:
        DataError: the file is empty or not a table.
    """
    import pyarrow as pa

    found = layout(path, known)
    notes = foreign(path, found.encoding)
    notes += [] if found.header else [f"{path.name} has no header line: its columns are called x0, x1, …"]
    try:
        table, texts, fractions = _numbers(path, found, text)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"{path}: {first_line(error)}; mend the file") from None
    if 0 < (blank := _blank_at_the_end(path, found, table)) < len(table):
        table = table.slice(0, len(table) - blank)
        rows = inflected(blank, "row without a value at its end is", "rows without a value at its end are")
        notes.append(f"{path.name}: {blank:,} {rows} left out")
    if table.num_rows == 0 and not empty:
        raise DataError(f"{path}: a header line and no row; give one sample per line")
    # Excel ends each line with the delimiters of columns that were cleared.
    unused = [i for i, name in enumerate(table.column_names) if not name and table.column(i).null_count == len(table)]
    if unused and len(unused) < table.num_columns:
        table = table.select([i for i in range(table.num_columns) if i not in unused])
    for i, field in enumerate(table.schema):
        if fractions == "," and field.type == pa.float64():
            table = table.set_column(i, keeping(field, Column("", signs=fractions)), table.column(i))
    table, said = read_written(table, texts, fractions)
    if found.delimiter == ";" and found.decimal == fractions == ".":
        notes += _points_in_doubt(path, found, text)
    return table, [*notes, *said]


def _blank_at_the_end(path: Path, found: Layout, table: ArrowTable) -> int:
    """Rows that Excel writes below a table for cells that were cleared: delimiters alone, unlike a row of NA."""
    missing = 0
    while missing < len(table) and not any(column[len(table) - 1 - missing].is_valid for column in table.columns):
        missing += 1
    lines = path.read_text(encoding=found.encoding).split("\n")[::-1] if missing else []
    cells = (line.strip(f'{found.delimiter}" ') for line in lines if line)
    return min(missing, sum(1 for _ in takewhile(lambda left: not left, cells)))


def _points_in_doubt(path: Path, found: Layout, text: Collection[str]) -> list[str]:
    """Notes on 2.456 and 351, where nothing in a file such as German programs write tells what the point means."""
    as_texts = readings(_read(path, replace(found, decimal=","), text), text)
    return [
        Note(
            f"column '{name}' is read with fractions after points, like '{reading.telling}': if they are thousands,"
            " leave the points out",
            name,
        )
        for name, reading in as_texts.items()
        if reading.doubtful and "." not in signs(as_texts)
    ]


def _numbers(path: Path, found: Layout, text: Collection[str]) -> tuple[ArrowTable, dict[str, Reading], str]:
    """The table, its texts that are numbers, and the signs before fractions, of which the first rows need not tell."""
    table = _read(path, found, text)
    texts = readings(table, text)
    if {found.decimal, *signs(texts)} == {".", ","}:
        other = _read(path, replace(found, decimal="," if found.decimal == "." else "."), text)
        texts_of_other = readings(other, text)
        # What Arrow has read as 5.1 before are texts now.
        if found.decimal == ",":
            return other, texts_of_other, ".,"
        return (table, texts, ".,") if "." in signs(texts_of_other) else (other, texts_of_other, ",")
    if found.decimal == "," or "double" in map(str, table.schema.types):
        return table, texts, found.decimal
    return table, texts, "," if found.delimiter == ";" else ""


def leading_zeros(path: Path, table: ArrowTable) -> list[str]:
    """Notes on columns of numbers that are written like 01067, as postal codes are.

    Arguments:
        path: of the file.
        table: what `read_delimited` made of it.
    """
    import pyarrow as pa

    found = layout(path)
    whole = [str(field.name) for field in table.schema if pa.types.is_integer(field.type)]
    if not whole or not _has_leading_zeros(path, found.encoding):
        return []
    written = _read(path, found, whole)
    notes = list[str]()
    for name in whole:
        cell = next((cell for cell in written.column(name).to_pylist() if cell and _ZEROS.fullmatch(cell)), None)
        if cell is not None:
            said = (
                f"column '{name}' has leading zeros, like '{cell}', and is read as numbers: if these are categories,"
                f" say so by {typed([name], '--category')}"
            )
            notes.append(Note(said, name))
    return notes


def _has_leading_zeros(path: Path, encoding: str) -> bool:
    """Whether a number with a leading zero stands anywhere, which is seen sooner than in the cells."""
    if encoding == UTF16:
        return True
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _ZEROS_ANYWHERE.search(content) is not None


def as_written(path: Path, columns: Collection[str], known: Collection[str] = ()) -> ArrowTable:
    """Columns of texts in which words for a missing value, such as NA, are texts too."""
    return _read(path, layout(path, known), columns, missing=()).select(list(columns))


def _opened(path: Path, found: Layout) -> tuple[Path | io.BytesIO, str]:
    """What Arrow is to read, and its encoding."""
    if not found.padded:
        return path, "utf8" if found.encoding == UTF8 else found.encoding
    # Each of the blanks would be the end of a cell to Arrow, or a part of it.
    with path.open(encoding=found.encoding, newline="") as file:
        return io.BytesIO(_tidied(file.read().removeprefix("\ufeff"), found.delimiter).encode()), "utf8"


def _read(path: Path, found: Layout, text: Collection[str], missing: Collection[str] = MISSING) -> ArrowTable:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    # Types are guessed from the first block, and a guess that a later block refutes is an error: so, one block.
    # A letter has one byte in Windows-1252, and as many as three in the UTF-8 that Arrow makes of it.
    size = path.stat().st_size * (3 if found.encoding == WESTERN else 2 if found.encoding == UTF16 else 1)
    block = min(max(size + 1, 1 << 20), _LARGEST_BLOCK)
    source, encoding = _opened(path, found)
    table = arrow_csv.read_csv(
        source,
        read_options=arrow_csv.ReadOptions(
            use_threads=False,
            block_size=block,
            column_names=None if found.header else list(found.names),
            skip_rows=found.skip,
            encoding=encoding,
        ),
        parse_options=arrow_csv.ParseOptions(delimiter=found.delimiter, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types={name: pa.string() for name in (*text, *(w for w in found.written if w.strip() in text))},
            # A blank too, as the first lines may have none.
            null_values=[*missing, " "] if missing else [],
            strings_can_be_null=True,
            decimal_point=found.decimal,
        ),
    )
    return table.rename_columns([str(name).strip() for name in table.column_names])
