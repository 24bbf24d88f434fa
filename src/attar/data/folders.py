"""A folder of images, of recordings or of texts, one sample per file, sub-folders as labels."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from attar.data.asked import ASKED, Asked
from attar.data.dataset import Ints
from attar.data.dicom import is_dicom, patients
from attar.data.files import TEXT, read_texts
from attar.data.images import is_image, read_images
from attar.data.labels_file import called, is_labels_file
from attar.data.raw import VALIDATION, Raw, held_out
from attar.data.recordings import SUFFIXES, read_recordings
from attar.data.tables import DELIMITED
from attar.errors import DataError, inflected, listed

# A note.
PATIENTS = "patients are groups, as the DICOM files name them"
_UNLABELLED = frozenset({"unlabelled", "unlabeled"})
_CLUTTER = frozenset({"thumbs.db", "desktop.ini", "__macosx", "dicomdir"})


def read_folder(folder: Path, asked: Asked = ASKED) -> Raw:
    """Read a folder of images, of recordings or of texts.

    Where every file lies in a sub-folder, the sub-folder is its label, and one called `unlabelled` holds those without.
    Sub-folders called `train` and `test`, `train` and `val`, or all three are the source's own split. Beside images,
    texts or WAV files, a table in the folder itself whose header line names ids and labels, or whose first line one of
    them, is no sample.

    Arguments:
        folder: hidden files are ignored; files come in the order of their names.
        asked: of the samples.

    Raises:
        DataError: the folder has no samples, or mixes images and recordings, or none can be read; or columns are marked
            where there are none.
    """
    kind, samples, notes = _samples(folder, sorted(_files(folder, asked.leave_out)))
    strict, paths = asked.strict, [f"{folder}{os.sep}{name}" for name in samples]
    kept: Sequence[int] = range(len(samples))
    if kind != "series":
        asked.marks.refuse(str(folder), "images and texts have no columns")
    if kind == "image":
        x, kept, more = read_images(paths, samples, strict=strict, shape=asked.shape, side=asked.side)
        raw = Raw(x, kind=kind, notes=tuple(more), groups=patients([paths[i] for i in kept]))
    elif kind == "series":
        raw, kept = read_recordings([*map(Path, paths)], strict=strict, form=asked.form, marks=asked.marks)
    else:
        x, more = read_texts([*map(Path, paths)], samples, strict=strict)
        raw = Raw(x, kind=kind, notes=tuple(more))
    read = set(kept)
    skipped = tuple(name for i, name in enumerate(samples) if i not in read)
    samples = [samples[i] for i in kept]
    y, test, more = _labels(samples)
    notes += [*raw.notes, *more]
    if raw.groups is not None:
        notes.append(PATIENTS)
    return replace(raw, y=y, exact=True, ids=samples, test=test, notes=tuple(notes), skipped=skipped)


def _samples(folder: Path, names: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """The kind of the samples among the files in a folder, which these are, and what is done about the others.

    Raises:
        DataError: there are none, or it cannot be told which are.
    """
    suffix = {name: _suffix(name) for name in names}
    lists = _lists_of_labels(folder, suffix)
    others = [name for name, end in suffix.items() if end not in (*SUFFIXES, TEXT)]
    images = [name for name in others if is_image(suffix[name]) or is_dicom(folder / name)]
    recordings = [name for name, end in suffix.items() if end in SUFFIXES and name not in lists]
    texts = [name for name, end in suffix.items() if end == TEXT]
    beside = {"images": images, "texts": texts if len(texts) > len(recordings) else []}
    for noun, found in beside.items():
        if found and recordings:
            raise DataError(
                f"{folder}: {len(found)} {noun} and {len(recordings)} recordings ({recordings[0]}); keep"
                " them in folders apart, and a file of labels outside, or give that as the labels"
            )
    of_kind = {"image": images, "series": recordings, "text": texts}
    kind = next((kind for kind, found in of_kind.items() if found), None)
    if kind is None:
        files = inflected(len(names), "file", "files")
        what = f"{len(names)} other {files}, like {names[0]}" if names else "it is empty"
        raise DataError(
            f"{folder}: no image, recording or text ({what}); give images, or CSV, Parquet, NPY, WAV or .txt files"
        )
    notes = [f"{name} lists labels, and is no sample: give it as the labels to have them" for name in lists]
    ignored = sorted({*names} - {*of_kind[kind], *lists})
    if ignored:
        are = inflected(len(ignored), "other file is", "other files are")
        notes.insert(0, f"{len(ignored)} {are} ignored ({listed(ignored)})")
    return kind, of_kind[kind], notes


def _suffix(name: str) -> str:
    """The extension of a file, in small letters; not by pathlib, which is slow.

    >>> _suffix("a.b/1.PNG"), _suffix("a.b/png")
    ('.png', '')
    """
    _, dot, end = name.rpartition("/")[2].rpartition(".")
    return dot and f".{end.lower()}"


def _lists_of_labels(folder: Path, suffix: Mapping[str, str]) -> list[str]:
    """Files of labels or predictions beside the samples, where these are images, texts or sounds."""
    others = [name for name, end in suffix.items() if end in (TEXT, ".wav") or (end not in SUFFIXES and is_image(end))]
    tables = [name for name, end in suffix.items() if end in DELIMITED and "/" not in name]
    if len(tables) > len(others):
        return []
    samples = {short for name in others for short in called(name)} if tables else set()
    return [name for name in tables if is_labels_file(folder / name, samples)]


def _labels(names: Sequence[str]) -> tuple[list[str | None] | None, Ints | None, list[str]]:
    """Labels from sub-folders, the test part, and notes."""
    parts = [name.split("/")[:-1] for name in names]
    test, notes = _test_part([part[0] if part else "" for part in parts])
    if test is not None:
        parts = [part[1:] for part in parts]
    if not any(parts):
        return None, test, notes
    if not all(parts):
        beside = sum(not part for part in parts)
        lie = inflected(beside, "file lies", "files lie")
        return None, test, [*notes, f"{beside} {lie} beside the sub-folders, so these are not taken for labels"]
    y = [None if part[0].lower() in _UNLABELLED else part[0] for part in parts]
    return (y if any(y) else None), test, notes


def _test_part(top: Sequence[str]) -> tuple[Ints | None, list[str]]:
    """Where the sub-folders of the samples are the source's own split: its test part, and notes."""
    lower = {name.lower() for name in top}
    if "train" not in lower or not lower <= {"train", "test", *VALIDATION}:
        return None, []
    return held_out(top)


def _files(folder: Path, leave_out: Collection[Path]) -> Iterator[str]:
    """Names of all files below a folder, relative to it, each folder entered once even where links go in circles."""
    skip = {file.resolve() for file in leave_out}
    names = {file.name for file in skip}
    seen: set[tuple[int, int]] = set()
    queue = [("", str(folder))]
    while queue:
        prefix, path = queue.pop()
        try:
            status = Path(path).stat()
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(
                f"{path}: the folder cannot be read ({error.strerror}); allow it, or move it away"
            ) from None
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in _CLUTTER:
                continue
            if entry.is_dir():
                queue.append((f"{prefix}{entry.name}/", entry.path))
            elif entry.is_file() and (entry.name not in names or Path(entry.path).resolve() not in skip):
                yield prefix + entry.name
