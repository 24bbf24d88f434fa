"""Recordings, one file each: CSV, Parquet, NPY or WAV to `(channels, steps)`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attar.data.archives import read_npy
from attar.data.clock import is_clock
from attar.data.dataset import Array, Column, Doubles, Form
from attar.data.delimited import layout, read_delimited
from attar.data.marks import NO_MARKS, Marks, leaving_out
from attar.data.rates import at_one_rate
from attar.data.raw import Raw
from attar.data.tables import DELIMITED, PARQUET, each_once, from_arrow, read_parquet
from attar.data.times import Roles, Timing, said_of
from attar.data.wav import read_wav
from attar.errors import DataError, inflected, listed

# So many channels may be the rows of an image.
_ROWS = 16
SUFFIXES = frozenset({*DELIMITED, *PARQUET, ".npy", ".wav"})


@dataclass(frozen=True)
class Recording:
    """One recording `(channels, steps)`.

    Arguments:
        x: the values.
        names: of the channels, where known.
        rate: in Hz, of a WAV file.
        clocks: columns that say when a step was, and are no channels.
        when: in seconds, what those say that could be read `(steps,)`.
    """

    x: Array
    names: tuple[str, ...] = ()
    rate: float | None = None
    clocks: tuple[str, ...] = ()
    when: tuple[Doubles, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether it is of a WAV file, which alone says its rate."""
        return self.rate is not None


def read_recording(path: Path, marks: Marks = NO_MARKS) -> Recording:
    """Read one recording; the columns of a table are its channels, but for those of dates and times or marked so.

    Raises:
        DataError: the file is empty, corrupt, or holds what is not a number.
    """
    suffix = path.suffix.lower()
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty; record it again or remove it")
    if suffix == ".wav":
        sound, hertz = read_wav(path, str(path))
        return Recording(sound, rate=hertz)
    if suffix == ".npy":
        x = read_npy(path)
        if x.ndim not in (1, 2) or x.dtype.kind not in "biuf":
            raise DataError(
                f"{path}: {x.dtype} of shape {x.shape}; give numbers of shape (steps,) or (channels, steps)"
            )
        return Recording(x[None] if x.ndim == 1 else x)
    table = read_delimited(path)[0] if suffix in DELIMITED else read_parquet(path)
    # A name has one line, as in the file of the model, also where a header has a unit below it.
    names = tuple(" ".join(name.split()) for name in table.column_names)
    each_once(names, str(path))
    # Another recording may have what this one lacks.
    ignored = replace(marks, strict=False).among(names, str(path)).ignore
    table = table.select([j for j, name in enumerate(names) if name not in ignored])
    clocks = tuple(name for name in table.column_names if is_clock(table.column(name)))
    if len(clocks) == table.num_columns:
        raise DataError(f"{path}: holds dates and times alone; give a column of numbers for each channel")
    values, columns, _ = from_arrow(table.drop_columns(list(clocks)), where=str(path))
    text = next((column for column in columns if column.categories), None)
    if text is not None:
        raise DataError(
            f"{path}: column '{text.name}' holds texts; a recording is of numbers, one column per channel"
            f"{leaving_out([text.name])}"
        )
    when, as_read, _ = from_arrow(table.select(list(clocks)), where=str(path))
    seconds = tuple(one for one, column in zip(when.T, as_read) if not column.categories)
    channels = tuple(" ".join(column.name.split()) for column in columns)
    return Recording(values.T, channels, None, clocks, seconds)


def read_recordings(
    paths: Sequence[Path], *, strict: bool, form: Form | None = None, marks: Marks = NO_MARKS
) -> tuple[Raw, list[int]]:
    """Read recordings, channels in the order of the first, and bring them to one sampling rate.

    Sounds of several channels become one where most have one, or a model takes one.

    Arguments:
        paths: one file each.
        strict: refuse an unreadable recording rather than skip it.
        form: what a model takes: channels, even where they look like the time, and the rate.
        marks: columns that are no channels.

    Returns:
        Recordings `(channels, steps)`, with the channels as columns where the files name them, and the positions in
        `paths` of those that could be read.

    Raises:
        DataError: no recording can be read, one cannot and `strict` is set, or channels differ between files; or a
            column is marked that none has.
    """
    # What a model was taught without is sought in each as it is read.
    marks = _of_some(paths, marks) if marks.strict else marks
    read, notes = _readable(paths, strict, marks)
    kept, found = list(read), list(read.values())
    notes += marks.said()
    notes += [
        f"column '{name}' holds dates or times: it says when a step was, and is no channel"
        for name in dict.fromkeys(name for item in found for name in item.clocks)
    ]
    found, more = _of_one_channel(found, form)
    notes += more
    x = [_ordered(item, found[0], paths[i], paths[kept[0]]) for i, item in zip(kept, found)]
    names = found[0].names
    roles, more = _roles(names, [[item[i] for item in x] for i in range(len(x[0]))], form)
    timings = [
        Timing.of(values.shape[1], item.when, {names[i]: values[i].astype(np.float64) for i in roles.times})
        for item, values in zip(found, x)
    ]
    notes += [*more, *said_of(timings)]
    away = [*roles.times, *roles.even]
    names = tuple(np.delete(names, away).tolist())
    x, rate, brought, steps = at_one_rate(
        [np.delete(values, away, 0)[:, timing.order] for values, timing in zip(x, timings)],
        [item.rate or timing.rate for item, timing in zip(found, timings)],
        None if form is None else form.rate,
        [timing.breaks for timing in timings],
    )
    breaks = [np.searchsorted(now, timing.breaks) for now, timing in zip(steps, timings)]
    if not brought and rate is not None:
        notes.append(f"sampled at {rate:g} Hz" + ", full scale is 1" * any(item.is_sound for item in found))
    notes += [*brought, *_doubts(x, names)]
    columns = _channels(names, form)
    raw = Raw(x, columns=columns, kind="series", notes=tuple(notes), rate=rate, breaks=breaks, ignored=marks.ignore)
    return raw, kept


def _of_some(paths: Sequence[Path], marks: Marks) -> Marks:
    """What is marked among the columns of all recordings, as their first lines say.

    Raises:
        DataError: none has a column of that name, or any name; or some are to be categories.
    """
    where = str(paths[0].parent)
    if not marks.without_categories(where, "channels hold numbers"):
        return marks
    names: dict[str, None] = {}
    for path in paths:
        with suppress(DataError, OSError, ValueError):  # what cannot be read is told where it is read
            names |= dict.fromkeys(" ".join(name.split()) for name in _columns_of(path))
    if not names:
        marks.refuse(where, "the recordings have no names of columns")
    return marks.among(list(names), where)


def _columns_of(path: Path) -> Sequence[str]:
    """The names of the columns of a recording, without its values."""
    if path.suffix.lower() in DELIMITED:
        return layout(path).names
    if path.suffix.lower() not in PARQUET:
        return ()
    import pyarrow.parquet as parquet

    names: Sequence[str] = parquet.read_schema(path).names
    return names


def _readable(paths: Sequence[Path], strict: bool, marks: Marks) -> tuple[dict[int, Recording], list[str]]:
    """The recordings that can be read, by their positions in `paths`, and a note on the others."""
    read: dict[int, Recording] = {}
    broken: list[str] = []
    first_error = ""
    for i, path in enumerate(paths):
        try:
            read[i] = read_recording(path, marks)
        except (DataError, OSError) as error:
            if strict:
                raise DataError(str(error)) from None
            first_error = first_error or str(error)
            broken.append(path.name)
    if not read:
        raise DataError(f"none of {len(paths)} recordings can be read; the first: {first_error}")
    are = inflected(len(broken), "is", "are")
    note = (
        f"{len(broken)} of {len(paths)} recordings cannot be read and {are} skipped ({listed(broken)}); {first_error}"
    )
    return read, [note] if broken else []


def _of_one_channel(found: list[Recording], form: Form | None) -> tuple[list[Recording], list[str]]:
    """Sounds of several channels as the mean of these, where most have one or a model takes one; and a note."""
    several = [item.is_sound and len(item.x) > 1 for item in found]
    n = sum(several)
    wanted = 2 * n < sum(item.is_sound for item in found) if form is None else form.shape[0] == 1
    if not n or not wanted:
        return found, []
    are, their = inflected(n, "sound is", "sounds are"), inflected(n, "its", "their")
    mixed = [replace(item, x=item.x.mean(0, keepdims=True)) if mix else item for item, mix in zip(found, several)]
    return mixed, [f"{n} {are} taken as the mean of {their} channels"]


def _roles(names: Sequence[str], parts: Sequence[Sequence[Array]], form: Form | None) -> tuple[Roles, list[str]]:
    """Which of the columns, by what each holds in each recording, are of the time or count rows, and notes."""
    known: Sequence[str] = ()
    if form is not None:
        # Of a model that was taught on the time too, that is a channel.
        known = names if len(names) == form.shape[0] else [column.name for column in form.columns]
    called = names or tuple(map(str, range(len(parts))))
    roles = Roles.of(called, parts, [i for i, name in enumerate(called) if name not in known])
    # What has no name is a channel, so is all that there is; and a model says what counts rows and what does not.
    if not names or len(roles.times) + len(roles.even) == len(names):
        roles = Roles([], [], sorted([*roles.times, *roles.even, *roles.doubtful]))
    elif form is not None:
        roles = replace(roles, even=[])
    return roles, roles.notes(called)


def _doubts(x: Sequence[Array], names: Sequence[str]) -> list[str]:
    """Notes where files may be transposed, or be images."""
    notes = []
    if min(item.shape[0] for item in x) > max(item.shape[1] for item in x):
        n, length = x[0].shape
        size = f"{n} {inflected(n, 'channel', 'channels')} of {length} {inflected(length, 'step', 'steps')}"
        notes.append(f"{size}: if it is the other way round, transpose the files")
    if not names and len(x[0]) >= _ROWS and len({item.shape for item in x}) == 1:
        size = "{} × {}".format(*x[0].shape)
        notes.append(
            f"files of {size} numbers are taken for recordings of {len(x[0])} channels; if images, give the kind"
        )
    return notes


def _channels(names: Sequence[str], form: Form | None) -> tuple[Column, ...]:
    """The channels, where they have names: x0, x1, … mean that a file has no header line, unless a model has these."""
    asked = set() if form is None else {column.name for column in form.columns}
    named = tuple(names) != tuple(f"x{i}" for i in range(len(names))) or bool(asked and asked <= {*names})
    return tuple(map(Column, names)) if named else ()


def _ordered(item: Recording, first: Recording, path: Path, first_path: Path) -> Array:
    named = bool(item.names and first.names)
    other = sorted(set(item.names) - set(first.names))
    if named and other:
        raise DataError(
            f"{path}: channel '{other[0]}' is not in {first_path.name}; call the channels alike in all files"
        )
    absent = [name for name in first.names if name not in item.names]
    if named and absent:
        raise DataError(
            f"{path}: no channel '{absent[0]}', which {first_path.name} has; add it, blank where unknown, or remove"
            " the file"
        )
    if item.x.shape[0] != first.x.shape[0]:
        raise DataError(
            f"{path}: {item.x.shape[0]} channels where {first_path.name} has {first.x.shape[0]}; give all the same"
        )
    if item.names == first.names or not named:
        return item.x
    return item.x[[item.names.index(name) for name in first.names]]
