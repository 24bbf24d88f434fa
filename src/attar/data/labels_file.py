"""A file of labels or groups: from its lines to the samples that it names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from attar.data.dataset import UNLABELLED
from attar.data.delimited import delimiter_of, encoding_of, foreign, is_of_excel, layout
from attar.data.groups import NAMES as GROUP_NAMES
from attar.data.labels import MISSING, words_for_none
from attar.errors import DataError, LabelError, first_line, inflected, listed

# What the columns may be called, in any case and with any of " _-" between words; the first ones are told to a person.
_ID_NAMES = (
    *("id", "file", "filename", "image_id", "name", "path"),
    *("ids", "image", "image_name", "image_path", "file_path", "sample", "sample_id", "row"),
)
_LABEL_NAMES = ("label", "class", "target", "diagnosis", "category", "labels", "class_name", "y")


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _either(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


_IDS, _LABELS, _GROUPS = (frozenset(map(_plain, names)) for names in (_ID_NAMES, _LABEL_NAMES, GROUP_NAMES))
_NAMES = {"label": _LABELS, "group": _GROUPS}
_UNDERSTOOD = {"label": _LABEL_NAMES[:5], "group": ("group", "patient", "subject", "session", "site")}


class Listed(NamedTuple):
    """What a file says of samples.

    Arguments:
        of: the label of each id, or its group, None where it is blank or missing.
        notes: on how it was read.
        beside: groups in further columns of a file of labels, likewise, by the name of each such column.
    """

    of: dict[str, str | None]
    notes: list[str]
    beside: dict[str, dict[str, str | None]]


def read_labels(path: Path, noun: str = "label", *, beside: bool = False) -> Listed:
    """Read a file of two columns, id (or file name) and label; a header line is optional.

    Arguments:
        path: comma-, semicolon-, tab- or bar-separated text.
        noun: "label"; or "group", which may stand in a third column that a header line names.
        beside: read groups in further columns that a header line names too.

    Raises:
        LabelError: the file is missing, unreadable or empty, a line has one cell, or an id has two different labels, or
            two groups beside.
    """
    rows, encoding = _rows(path, noun)
    at_id, at_label, header = _header([row for _, row in rows], _NAMES[noun])
    # A group may be called -1.
    none = {*MISSING, str(UNLABELLED)} if noun == "label" else {*MISSING}
    labels: dict[str, str | None] = {}
    found: list[str] = []
    for line, row in rows[header:]:
        if len(row) <= max(at_id, at_label) or (not header and len(row) != 2):
            raise LabelError(
                f"{path}, line {line}: {len(row)} cells where two are expected, id and {noun}; of more columns, call "
                f"one {_either(_ID_NAMES[:6])}, and one {_either(_UNDERSTOOD[noun])}"
            )
        key, value = row[at_id].strip(), row[at_label].strip()
        name = None if value in none else value
        if labels.get(key, name) != name:
            raise LabelError(
                f"{path}, line {line}: '{key}' has the {noun}s '{labels[key] or ''}' and '{name or ''}'; "
                "keep one of them"
            )
        labels[key] = name
        found.append(value)
    if not labels:
        raise LabelError(f"{path}: the {noun}s file holds a header and no {noun}; add lines of id and {noun}")
    notes = [*foreign(path, encoding), *(words_for_none(found, MISSING) if noun == "label" else [])]
    return Listed(labels, notes, _groups_beside(rows, path) if beside else {})


def _groups_beside(rows: Sequence[tuple[int, list[str]]], path: Path) -> dict[str, dict[str, str | None]]:
    """The groups in further columns of the lines of a file of labels, where the first names ids, labels and them."""
    (_, first), *lines = rows
    cells = [*map(_plain, first)]
    if not (_IDS & {*cells} and _LABELS & {*cells}):
        return {}
    at_id = next(i for i, cell in enumerate(cells) if cell in _IDS)
    found: dict[str, dict[str, str | None]] = {}
    for at, name in enumerate(map(str.strip, first)):
        if cells[at] not in _GROUPS:
            continue
        groups: dict[str, str | None] = {}
        for line, row in lines:
            key, value = row[at_id].strip(), row[at].strip() if at < len(row) else ""
            group, before = None if value in MISSING else value, groups.get(key)
            if group is not None and before not in (None, group):
                raise LabelError(
                    f"{path}, line {line}: '{key}' is of '{before}' and of '{group}' by column '{name}'; "
                    "keep one of them, or leave the column out"
                )
            groups[key] = group or before
        found[name] = groups
    return found


def _rows(path: Path, noun: str) -> tuple[list[tuple[int, list[str]]], str]:
    """The lines of a file, each with its number, and the encoding that it is in."""
    try:
        encoding = encoding_of(path)
        text = path.read_text(encoding=encoding).removeprefix("\ufeff")
    except FileNotFoundError:
        raise LabelError(f"{path}: no such {noun}s file; give a CSV file with two columns, id and {noun}") from None
    except (OSError, UnicodeError) as error:
        raise LabelError(
            f"{path}: the {noun}s file cannot be read ({first_line(error)}); save it as UTF-8 text"
        ) from None
    first, *below = text.lstrip().split("\n", 2)
    delimiter = delimiter_of(first, *below[:1])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise LabelError(f"{path}: not a CSV file ({error}); give two columns, id and {noun}") from None
    if not rows:
        raise LabelError(f"{path}: the {noun}s file is empty; give two columns, id and {noun}")
    return rows[int(is_of_excel(first) and len(rows) > 1) :], encoding


def _header(rows: Sequence[Sequence[str]], names: Collection[str]) -> tuple[int, int, int]:
    """Position of the id, of what it has, and 1 where the first row is a header, else 0."""
    cells = [*map(_plain, rows[0])]
    ids = [i for i, cell in enumerate(cells) if cell in _IDS]
    labels = [i for i, cell in enumerate(cells) if cell in names]
    if ids and labels:
        return ids[0], labels[0], 1
    if len(cells) == 2 and ids[:1] == [0]:
        return 0, 1, 1
    # Unlike the name of the column, a label such as y, for yes, stands below too.
    if len(cells) == 2 and labels[:1] == [1] and rows[0][1] not in {row[1] for row in rows[1:] if len(row) > 1}:
        return 0, 1, 1
    return 0, 1, 0


def is_labels_file(path: Path, samples: Collection[str]) -> bool:
    """Whether a header line names ids and labels, as of the predictions that attar writes, or the first line a sample.

    Arguments:
        path: of a delimited file.
        samples: all names of `called`, of the samples that it may be about.
    """
    with suppress(DataError, OSError):
        first = [cell.strip() for cell in layout(path).written]
        cells = {*map(_plain, first)}
        if cells & _IDS and cells & _LABELS:
            return True
        return len(first) == 2 and _posix(first[0]) in samples
    return False


def match_labels(
    labels: Mapping[str, str | None], ids: Sequence[str], path: Path, noun: str = "label"
) -> list[str | None]:
    """Give each sample the label of its id.

    Arguments:
        labels: from `read_labels`.
        ids: name of each sample `(n,)`. A file is also known by its name without folder and extension, in other case,
            and with the folder of the source in front, where only one file has it.
        path: the labels file, for messages.
        noun: "label" or "group", likewise.

    Returns:
        One label per sample, None where the file has none for it.

    Raises:
        LabelError: the file names ids that are not there, or labels one sample twice and differently.

    >>> match_labels({"a.png": "cat", "b": "dog"}, ["train/a.png", "train/b.png", "train/c.png"], Path("labels.csv"))
    ['cat', 'dog', None]
    """
    places, of_any_case, several = _known_by(ids)
    found = {key: places.get(key) or places.get(name := _posix(key)) or of_any_case.get(name.lower()) for key in labels}
    found |= _without_the_folder_in_front([key for key, at in found.items() if not at], ids)
    unknown = [key for key, at in found.items() if not at]
    if unknown:
        key = next((key for key in unknown if _posix(key).lower() in several), None)
        if key is not None:
            at = several[_posix(key).lower()]
            raise LabelError(f"{path}: '{key}' names {len(at)} samples; give the whole name, as in '{ids[at[0]]}'")
        shown = listed([f"'{key}'" for key in unknown])
        raise LabelError(
            f"{path}: {len(unknown)} of {len(labels)} ids {inflected(len(unknown), 'names', 'name')} no sample "
            f"({shown}); samples are called '{ids[0]}', …{_zeros_lost(unknown, ids)}"
        )
    result: list[str | None] = [None] * len(ids)
    for key, label in labels.items():
        for i in found[key] or ():
            if label is not None and result[i] not in (None, label):
                raise LabelError(
                    f"{path}: sample '{ids[i]}' has the {noun}s '{result[i]}' and '{label}'; keep one of them"
                )
            result[i] = label if label is not None else result[i]
    return result


def _zeros_lost(unknown: Sequence[str], ids: Sequence[str]) -> str:
    """A hint, where names of samples have lost the zeros in front."""
    lost = {*unknown} & {name.lstrip("0") for name in ids if name.startswith("0")}
    return "; zeros in front were lost, as programs do that take ids for numbers" if lost else ""


def _known_by(ids: Sequence[str]) -> tuple[dict[str, list[int]], dict[str, list[int]], dict[str, list[int]]]:
    """The samples by each name that says which one is meant, as it is written and in small letters, and by others."""
    exact: dict[str, list[int]] = {}
    for i, name in enumerate(ids):
        exact.setdefault(name, []).append(i)
    lower: dict[str, list[int]] = {}
    several: dict[str, list[int]] = {}
    # Names without folders and extensions are the same in all four ways.
    for shorter in dict.fromkeys(zip(*map(called, ids))):
        for places, names in ((exact, shorter), (lower, [name.lower() for name in shorter])):
            short: dict[str, list[int]] = {}
            for i, name in enumerate(names):
                short.setdefault(name, []).append(i)
            for name, at in short.items():
                (places if len(at) == 1 else several).setdefault(name, at)
    return exact, {name: at for name, at in lower.items() if name not in several}, several


def _without_the_folder_in_front(keys: Sequence[str], ids: Sequence[str]) -> dict[str, list[int] | None]:
    """The samples that are meant where each key has the same folder, that of the source, in front of their names.

    >>> _without_the_folder_in_front(["H/a/1.png", "H/b/1.png"], ["a/1.png", "b/1.png"])
    {'H/a/1.png': [0], 'H/b/1.png': [1]}
    >>> _without_the_folder_in_front(["train/1.png", "test/2.png"], ["1.png", "2.png"])
    {}
    """
    if not keys:
        return {}
    whole = {short.lower(): [i] for i, name in enumerate(ids) for short in (called(name)[2], name)}
    found, folders = {}, set()
    for key in keys:
        parts = _posix(key).split("/")
        for i in range(1, len(parts)):
            at = whole.get("/".join(parts[i:]).lower())
            if at is not None:
                found[key] = at
                folders.add("/".join(parts[:i]))
                break
    return dict(found) if len(folders) == 1 else {}


def called(name: str) -> tuple[str, str, str, str]:
    """A file by its name, and without its folder, its extension and both; a number such as 1.5 has none."""
    # Not by pathlib, which takes a minute for a hundred thousand names.
    folder, slash, base = name.rpartition("/")
    dot = base.rfind(".")
    number = base[dot + 1 :].isdecimal() and base[:dot].lstrip("+-").isdecimal()
    stem = base[:dot] if 0 < dot < len(base) - 1 and not number else base
    return (name, base, folder + slash + stem, stem) if base else (name,) * 4


def _posix(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")
