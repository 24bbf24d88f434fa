"""One file as a source: a table, arrays, time series, or a single image or recording."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from attar.data.archives import read_npy, read_npz
from attar.data.asked import ASKED, Asked
from attar.data.columns import ROW_NAMES, from_table, label_of
from attar.data.dataset import Array, ArrowColumn, ArrowTable, is_missing
from attar.data.delimited import WESTERN, as_written, encoding_of, layout, leading_zeros, read_delimited
from attar.data.dicom import is_dicom
from attar.data.held import Rows
from attar.data.images import is_image, read_images
from attar.data.labels import MISSING, words_for_none
from attar.data.marks import as_texts
from attar.data.raw import Raw
from attar.data.tables import DELIMITED, PARQUET, each_once, read_parquet
from attar.data.timeseries import read_ts
from attar.data.wav import read_wav
from attar.errors import DataError, LabelError, first_line, inflected, listed

JSON, TEXT = (".json", ".jsonl", ".ndjson"), ".txt"
TABLES = (*DELIMITED, *PARQUET, *JSON)
PACKED = (*DELIMITED, *JSON, TEXT)  # what is also read where gzip has packed it, as in t.csv.gz
FORMS = "CSV, TSV, Parquet, JSON, NPZ, NPY, .ts, WAV, .txt or an image"


def read_file(path: Path, asked: Asked = ASKED) -> Raw:
    """Read one file; its extension says what it is, and of what gzip has packed, the one before `.gz`.

    Raises:
        DataError: the file is empty, corrupt, or of another form than its extension says, or has no columns to mark.
        LabelError: there is no such label column or group column.
        MissingExtraError: a `.ts` file without aeon.
    """
    with _unpacked(path) as file:
        suffix = file.suffix.lower()
        if file.stat().st_size == 0:
            raise DataError(f"{file}: the file is empty; give {FORMS}")
        if suffix in TABLES:
            return read_table(file, asked)
        asked.marks.refuse(str(file), "the file is no table with named columns")
        if asked.label_column:
            raise LabelError(f"{file}: a label column is part of a CSV, TSV, Parquet or JSON file; leave it away here")
        if suffix == ".npz":
            return read_npz(file, asked.group_column)
        if asked.group_column:
            raise LabelError(
                f"{file}: a group column is part of a table or an NPZ file; here give a file of groups: --groups FILE"
            )
        return _without_columns(file, suffix, asked)


def _without_columns(path: Path, suffix: str, asked: Asked) -> Raw:
    """The samples of a file whose labels and groups, if any, are in no column: arrays, or a single sample."""
    if suffix == ".npy":
        return Raw(read_npy(path))
    if suffix == ".ts":
        return read_ts(path)
    if suffix == ".wav":
        sound, rate = read_wav(path, str(path))
        said = f"sampled at {rate} Hz, full scale is 1"
        return Raw(sound[None], ids=(path.name,), kind="series", notes=(said,), rate=rate)
    if suffix == TEXT:
        texts, notes = read_texts([path], [str(path)], strict=asked.strict)
        return Raw(texts, ids=(path.name,), kind="text", notes=tuple(notes))
    if is_image(suffix) or is_dicom(path):
        image, _, notes = read_images([str(path)], [str(path)], strict=True, shape=asked.shape)
        return Raw(image, ids=(path.name,), kind="image", notes=tuple(notes))
    raise DataError(f"{path}: files of extension '{suffix}' are not read; give {FORMS}")


@contextmanager
def _unpacked(path: Path) -> Iterator[Path]:
    """The file itself, or a copy of what gzip has packed in it, by its own name; errors name the file that is given."""
    if path.suffix.lower() != ".gz":
        yield path
        return
    # One without a byte is told to be empty, whatever it is called.
    if path.stat().st_size and Path(path.stem).suffix.lower() not in PACKED:
        raise DataError(f"{path}: of what gzip packs, only {', '.join(PACKED)} are read; unpack it, and give {FORMS}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.stem)
        try:
            with gzip.open(path) as packed, copy.open("wb") as file:
                shutil.copyfileobj(packed, file)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: cannot be unpacked ({first_line(error)}); pack it again") from None
        try:
            yield copy
        except (DataError, LabelError) as error:
            raise type(error)(str(error).replace(str(copy), str(path))) from None


def read_table(path: Path, asked: Asked = ASKED) -> Raw:
    """Read a CSV, TSV, Parquet or JSON file of one sample per row; errors as of `read_file`."""
    notes: list[str] = []
    if path.suffix.lower() in DELIMITED:
        # A name may be missing there, as pandas writes none above its row names.
        names: Sequence[str] = [name for name in layout(path, asked.known).names if name]
        label = label_of(names, asked.label_column, path)
        ids_of = {name for name in ("", *names) if name.lower() in (*asked.ids, *ROW_NAMES)}
        # As they are written, so that 01067 stays so and no cell of what is left out is odd.
        marked = asked.marks.among(names, str(path))
        written = {label, asked.group_column, *ids_of, *asked.text, *marked.ignore, *marked.category} - {None}
        table, notes = _delimited(path, [str(name) for name in written], label, asked)
    else:
        table = read_json(path, asked) if path.suffix.lower() in JSON else read_parquet(path)
        label = label_of(table.column_names, asked.label_column, path)
    return from_table(table, label, asked, where=str(path), notes=notes)


def _delimited(path: Path, text: Sequence[str], label: str | None, asked: Asked) -> tuple[ArrowTable, list[str]]:
    """A CSV or TSV file as a table, some of whose columns are read as written, and notes."""
    known = asked.known
    table, notes = read_delimited(path, text=text, known=known)
    each_once(table.column_names, str(path))
    # Of a model it is known what the columns are.
    notes += [] if known or asked.text else leading_zeros(path, table)
    if label is not None and table.column(label).null_count:
        cells = as_written(path, [label], known).column(label).to_pylist()
        notes += words_for_none([cell for cell in cells if cell in MISSING], MISSING)
    # Categories of a model that mean a missing value elsewhere, as NA of who has no garage, are texts in its source.
    words = [name for name in table.column_names if {*known.get(name, ())} & {*MISSING} - {""}]
    read = as_written(path, words, known).slice(0, len(table)) if words else table
    for name in words:
        table = table.set_column(table.column_names.index(name), name, read.column(name))
    return table, notes


def read_json(path: Path, asked: Asked) -> ArrowTable:
    """Read a file of one JSON object per line, or of one list of objects."""
    import pyarrow as pa

    try:
        text = path.read_text(encoding="utf-8-sig")
        listed = text.lstrip().startswith("[")
        rows = json.loads(text) if listed else [json.loads(line) for line in text.split("\n") if line.strip()]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a row is no object of names and values")
        if len(rows) == 1 and rows[0] and all(isinstance(cell, dict | list) for cell in rows[0].values()):
            raise ValueError("its only object holds columns, not a row: with pandas, write it by orient='records'")
        each_once([name.strip() for name in Rows(rows).column_names], str(path))
        rows = [{name.strip(): cell for name, cell in row.items()} for row in rows]
        table = table_of(rows, path, asked)
    except DataError:
        raise
    except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON ({first_line(error)}); give one object per line") from None
    if table.num_rows == 0:
        raise DataError(f"{path}: no row; give one object per line")
    return table


def table_of(rows: Sequence[Mapping[str, Any]], where: str | Path, asked: Asked) -> ArrowTable:
    """A table of rows as JSON has them; a value that a row does not have is missing.

    Cells of several types are texts where they are categories, and nothing where they are to be ignored.
    """
    import pyarrow as pa

    given = {str(name): name for name in Rows(rows).column_names}
    marks, cells = asked.marks.among(list(given), str(where)), {}
    for name in given:
        try:
            cells[name] = _cells(rows, given[name], where)
        except (DataError, ValueError):  # of texts that no file can hold
            if name in marks.ignore:
                cells[name] = pa.nulls(len(rows))
            elif name in marks.category or asked.known.get(name):
                cells[name] = pa.array(as_texts((row.get(given[name]) for row in rows), name, str(where)), pa.string())
            else:
                raise
    return pa.table(cells)


def _cells(rows: Sequence[Mapping[str, Any]], name: str, where: str | Path) -> ArrowColumn:
    import pyarrow as pa

    try:
        # NaN is what pandas writes for a text that is missing.
        return pa.array([None if is_missing(cell) else cell for cell in (row.get(name) for row in rows)])
    except pa.ArrowException as error:
        raise DataError(
            f"{where}: column '{name}' holds values of several types ({first_line(error)}); write all of them as "
            "numbers, or all as texts"
        ) from None
    except OverflowError:
        raise DataError(
            f"{where}: column '{name}' holds a whole number of more than 64 bits; write it with a point, or as a text"
        ) from None


def read_texts(paths: Sequence[Path], names: Sequence[str], *, strict: bool) -> tuple[Array, list[str]]:
    """Read texts in UTF-8, UTF-16 with its mark, or else Windows-1252; what is no letter in it is marked as unknown.

    Arguments:
        paths: of the files.
        names: of each, for messages.
        strict: refuse a file in neither of the first two.

    Returns:
        Texts `(n,)`, and notes.

    Raises:
        DataError: a file is in neither and `strict` is set.
    """
    texts, odd = [], []
    for path, name in zip(paths, names):
        encoding = encoding_of(path)
        if encoding == WESTERN:
            if strict:
                raise DataError(f"{name}: neither UTF-8 nor UTF-16; save it as UTF-8 or remove it")
            odd.append(name)
        # Five bytes are no letter in Windows-1252.
        texts.append(path.read_text(encoding=encoding, errors="replace").removeprefix("\ufeff"))
    are = inflected(len(odd), "is", "are")
    said = f"{len(odd)} of {len(paths)} files {are} not UTF-8 ({listed(odd)}): read as Windows-1252"
    return np.array(texts, dtype=object), [said] if odd else []
