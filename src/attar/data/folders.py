"""A folder of images, of recordings or of texts, one sample per file, sub-folders as labels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

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
    files, strict = _Files.of(folder, asked.leave_out), asked.strict
    samples = files.samples(folder)
    notes = files.notes(samples)
    skipped: tuple[str, ...] = ()
    if not files.recordings:
        asked.marks.refuse(str(folder), "images and texts have no columns")
    if files.images:
        paths = [f"{folder}{os.sep}{name}" for name in samples]
        x, kept, more = read_images(paths, samples, strict=strict, shape=asked.shape, side=asked.side)
        samples, skipped = _split(samples, kept)
        groups = patients([paths[i] for i in kept])
        raw = Raw(x, kind="image", notes=tuple(more), groups=groups)
    elif files.recordings:
        files_of = [folder / name for name in samples]
        raw, kept = read_recordings(files_of, strict=strict, form=asked.form, marks=asked.marks)
        samples, skipped = _split(samples, kept)
    else:
        x, more = read_texts([folder / name for name in samples], samples, strict=strict)
        raw = Raw(x, kind="text", notes=tuple(more))
    y, test, more = _labels(samples)
    notes += [*raw.notes, *more]
    if raw.groups is not None:
        notes.append(PATIENTS)
    return replace(raw, y=y, exact=True, ids=samples, test=test, notes=tuple(notes), skipped=skipped)


@dataclass(frozen=True)
class _Files:
    """The names of the files in a folder, by what they hold.

    Arguments:
        names: of all.
        images: in formats that can be read.
        recordings: but for lists.
        texts: one each.
        lists: of labels.
    """

    names: list[str]
    images: list[str]
    recordings: list[str]
    texts: list[str]
    lists: list[str]

    @classmethod
    def of(cls, folder: Path, leave_out: Collection[Path]) -> _Files:
        names = sorted(_files(folder, leave_out))
        suffix = {name: _suffix(name) for name in names}
        lists = _lists_of_labels(folder, suffix)
        texts = [name for name in names if suffix[name] == TEXT]
        tables_and_sounds = [name for name in names if suffix[name] in SUFFIXES]
        others = [name for name in names if suffix[name] not in (*SUFFIXES, TEXT)]
        images = [name for name in others if is_image(suffix[name]) or is_dicom(folder / name)]
        return cls(names, images, [name for name in tables_and_sounds if name not in lists], texts, lists)

    def samples(self, folder: Path) -> list[str]:
        """Those that are samples: images, else recordings, else texts.

        Raises:
            DataError: there are none, or it cannot be told which are.
        """
        beside = {"images": self.images, "texts": self.texts if len(self.texts) > len(self.recordings) else []}
        for noun, names in beside.items():
            if names and self.recordings:
                raise DataError(
                    f"{folder}: {len(names)} {noun} and {len(self.recordings)} recordings ({self.recordings[0]}); keep"
                    " them in folders apart, and a file of labels outside, or give that as the labels"
                )
        samples = self.images or self.recordings or self.texts
        if not samples:
            files = inflected(len(self.names), "file", "files")
            found = f"{len(self.names)} other {files}, like {self.names[0]}" if self.names else "it is empty"
            raise DataError(
                f"{folder}: no image, recording or text ({found}); give images, or CSV, Parquet, NPY, WAV or .txt files"
            )
        return samples

    def notes(self, samples: Sequence[str]) -> list[str]:
        """What is done about files that are no samples."""
        notes = [f"{name} lists labels, and is no sample: give it as the labels to have them" for name in self.lists]
        other = sorted({*self.names} - {*samples} - {*self.lists})
        are = inflected(len(other), "other file is", "other files are")
        return [f"{len(other)} {are} ignored ({listed(other)})", *notes] if other else notes


def _suffix(name: str) -> str:
    """The extension of a file, in small letters; not by pathlib, which is slow.

    >>> _suffix("a.b/1.PNG"), _suffix("a.b/png")
    ('.png', '')
    """
    _, dot, end = name.rpartition("/")[2].rpartition(".")
    return dot and f".{end.lower()}"


def _split(names: Sequence[str], kept: Sequence[int]) -> tuple[list[str], tuple[str, ...]]:
    """The names at the positions that are kept, and the others."""
    read = set(kept)
    return [names[i] for i in kept], tuple(name for i, name in enumerate(names) if i not in read)


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
    sizes = Counter(top)
    lower = {name.lower() for name in sizes}
    if "train" not in lower or not lower <= {"train", "test", *VALIDATION}:
        return None, []
    test, notes = held_out(sizes)
    return None if test is None else np.flatnonzero(np.array(top) == test), notes


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
