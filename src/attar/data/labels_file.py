"""A file of labels or groups: from its lines to the samples that it names."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from attar.data.dataset import UNLABELLED
from attar.data.delimited import delimiter_of, encoding_of, foreign, layout
from attar.data.groups import NAMES as GROUP_NAMES
from attar.data.labels import MISSING, words_for_none
from attar.errors import DataError, LabelError, first_line, inflected, listed

_ID_NAMES = frozenset({"id", "ids", "file", "filename", "file_name", "file name", "name", "path", "sample", "row"})
_LABEL_NAMES = frozenset({"label", "labels", "class", "target", "y"})
_NAMES = {"label": _LABEL_NAMES, "group": GROUP_NAMES}


def read_labels(path: Path, what: str = "label") -> tuple[dict[str, str | None], list[str]]:
    """Read a file of two columns, id (or file name) and label; a header line is optional.

    Arguments:
        path: comma-, semicolon-, tab- or bar-separated text.
        what: "label"; or "group", which may stand in a third column that a header line names.

    Returns:
        The label of each id, None where it is blank or missing, and notes.

    Raises:
        LabelError: the file is missing, unreadable or empty, a line has one cell, or an id has two different labels.
    """
    try:
        encoding = encoding_of(path)
        text = path.read_text(encoding=encoding).removeprefix("\ufeff")
    except FileNotFoundError:
        raise LabelError(f"{path}: no such {what}s file; give a CSV file with two columns, id and {what}") from None
    except (OSError, UnicodeError) as error:
        raise LabelError(
            f"{path}: the {what}s file cannot be read ({first_line(error)}); save it as UTF-8 text"
        ) from None
    delimiter = delimiter_of(text.lstrip().partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise LabelError(f"{path}: not a CSV file ({error}); give two columns, id and {what}") from None
    if not rows:
        raise LabelError(f"{path}: the {what}s file is empty; give two columns, id and {what}")
    at_id, at_label, header = _header(rows[0][1], _NAMES[what])
    labels: dict[str, str | None] = {}
    found: list[str] = []
    for line, row in rows[header:]:
        if len(row) <= max(at_id, at_label) or (not header and len(row) != 2):
            raise LabelError(f"{path}, line {line}: {len(row)} cells where two are expected, id and {what}")
        key, value = row[at_id].strip(), row[at_label].strip()
        name = None if value in (*MISSING, str(UNLABELLED)) else value
        if labels.get(key, name) != name:
            raise LabelError(
                f"{path}, line {line}: '{key}' has the {what}s '{labels[key] or ''}' and '{name or ''}'; "
                "keep one of them"
            )
        labels[key] = name
        found.append(value)
    if not labels:
        raise LabelError(f"{path}: the {what}s file holds a header and no {what}; add lines of id and {what}")
    return labels, [*foreign(path, encoding), *words_for_none(found, MISSING)]


def _header(row: Sequence[str], names: Collection[str]) -> tuple[int, int, int]:
    """Position of the id, of what it has, and 1 where the row is a header, else 0."""
    cells = [cell.strip().lower() for cell in row]
    ids = [i for i, cell in enumerate(cells) if cell in _ID_NAMES]
    labels = [i for i, cell in enumerate(cells) if cell in names]
    if ids and labels:
        return ids[0], labels[0], 1
    if len(cells) == 2 and (ids[:1] == [0] or labels[:1] == [1]):
        return 0, 1, 1
    return 0, 1, 0


def is_labels_file(path: Path, samples: Collection[str]) -> bool:
    """Whether a header line names ids and labels, as of the predictions that attar writes, or the first line a sample.

    Arguments:
        path: of a delimited file.
        samples: all names of `called`, of the samples that it may be about.
    """
    with suppress(DataError, OSError):
        names = layout(path).names
        cells = {name.lower() for name in names}
        if cells & _ID_NAMES and cells & _LABEL_NAMES:
            return True
        # Where there is no header line, the line of a sample is taken for one.
        return len(names) == 2 and _posix(names[0]) in samples
    return False


def match_labels(
    labels: Mapping[str, str | None], ids: Sequence[str], path: Path, what: str = "label"
) -> list[str | None]:
    """Give each sample the label of its id.

    Arguments:
        labels: from `read_labels`.
        ids: name of each sample `(n,)`. A file is also known by its name without folder and extension,
            where only one file has it.
        path: the labels file, for messages.
        what: "label" or "group", likewise.

    Returns:
        One label per sample, None where the file has none for it.

    Raises:
        LabelError: the file names ids that are not there, or labels one sample twice and differently.

    >>> match_labels({"a.png": "cat", "b": "dog"}, ["train/a.png", "train/b.png", "train/c.png"], Path("labels.csv"))
    ['cat', 'dog', None]
    """
    places: dict[str, list[int]] = {}
    for i, name in enumerate(ids):
        places.setdefault(name, []).append(i)
    for shorter in zip(*map(called, ids)):
        short: dict[str, list[int]] = {}
        for i, name in enumerate(shorter):
            short.setdefault(name, []).append(i)
        for name, found in short.items():
            if len(found) == 1:
                places.setdefault(name, found)
    unknown = [key for key in labels if _posix(key) not in places]
    if unknown:
        shown = listed([f"'{key}'" for key in unknown])
        raise LabelError(
            f"{path}: {len(unknown)} of {len(labels)} ids {inflected(len(unknown), 'names', 'name')} no sample "
            f"({shown}); samples are called '{ids[0]}', …"
        )
    result: list[str | None] = [None] * len(ids)
    for key, label in labels.items():
        for i in places[_posix(key)]:
            if label is not None and result[i] not in (None, label):
                raise LabelError(
                    f"{path}: sample '{ids[i]}' has the {what}s '{result[i]}' and '{label}'; keep one of them"
                )
            result[i] = label if label is not None else result[i]
    return result


def called(name: str) -> tuple[str, str, str, str]:
    """A file by its name, and without its folder, its extension and both."""
    path = PurePosixPath(name)
    return (name, path.name, str(path.with_suffix("")), path.stem) if path.name else (name,) * 4


def _posix(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")
