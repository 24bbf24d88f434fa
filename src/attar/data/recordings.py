"""Recordings, one file each: CSV, Parquet, NPY or WAV to `(channels, steps)`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attar.data.archives import read_npy
from attar.data.clock import is_clock
from attar.data.dataset import Array, Column, Doubles, Form
from attar.data.delimited import read_delimited
from attar.data.files import read_parquet
from attar.data.rates import at_one_rate
from attar.data.raw import Raw
from attar.data.tables import DELIMITED, PARQUET, each_once, from_arrow
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


def read_recording(path: Path) -> Recording:
    """Read one recording; the columns of a table are its channels, but for those of dates and times.

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
    each_once([" ".join(name.split()) for name in table.column_names], str(path))
    clocks = tuple(name for name in table.column_names if is_clock(table.column(name)))
    if len(clocks) == table.num_columns:
        raise DataError(f"{path}: holds dates and times alone; give a column of numbers for each channel")
    values, columns, _ = from_arrow(table.drop_columns(list(clocks)), where=str(path))
    text = next((column for column in columns if column.categories), None)
    if text is not None:
        raise DataError(f"{path}: column '{text.name}' holds texts; a recording is of numbers, one column per channel")
    when, as_read, _ = from_arrow(table.select(list(clocks)), where=str(path))
    seconds = tuple(one for one, column in zip(when.T, as_read) if not column.categories)
    return Recording(values.T, tuple(" ".join(column.name.split()) for column in columns), None, clocks, seconds)


def read_recordings(paths: Sequence[Path], *, strict: bool, form: Form | None = None) -> tuple[Raw, list[int]]:
    """Read recordings, channels in the order of the first, and bring them to one sampling rate.

    Sounds of several channels become one where most have one, or a model takes one.

    Arguments:
        paths: one file each.
        strict: refuse an unreadable recording rather than skip it.
        form: what a model takes: channels, even where they look like the time, and the rate.

    Returns:
        Recordings `(channels, steps)`, with the channels as columns where the files name them, and the positions in
        `paths` of those that could be read.

    Raises:
        DataError: no recording can be read, one cannot and `strict` is set, or channels differ between files.
    """
    found: list[Recording] = []
    kept: list[int] = []
    broken: list[str] = []
    first_error = ""
    for i, path in enumerate(paths):
        try:
            found.append(read_recording(path))
            kept.append(i)
        except (DataError, OSError) as error:
            if strict:
                raise DataError(str(error)) from None
            first_error = first_error or str(error)
            broken.append(path.name)
    if not found:
        raise DataError(f"none of {len(paths)} recordings can be read; the first: {first_error}")
    notes = []
    if broken:
        are = inflected(len(broken), "is", "are")
        notes.append(
            f"{len(broken)} of {len(paths)} recordings cannot be read and {are} skipped ({listed(broken)}); "
            f"{first_error}"
        )
    notes += [
        f"column '{name}' holds dates or times: it says when a step was, and is no channel"
        for name in dict.fromkeys(name for item in found for name in item.clocks)
    ]
    sounds = [i for i, item in enumerate(found) if paths[kept[i]].suffix.lower() == ".wav"]
    several = [i for i in sounds if len(found[i].x) > 1]
    if several and (2 * len(several) < len(sounds) if form is None else form["shape"][0] == 1):
        for i in several:
            found[i] = replace(found[i], x=found[i].x.mean(0, keepdims=True))
        are, their = inflected(len(several), "sound is", "sounds are"), inflected(len(several), "its", "their")
        notes.append(f"{len(several)} {are} taken as the mean of {their} channels")
    x = [_ordered(item, found[0], paths[kept[i]], paths[kept[0]]) for i, item in enumerate(found)]
    names = found[0].names
    parts = [[item[i] for item in x] for i in range(len(x[0]))]
    # Of a model that was taught on the time too, that is a channel.
    known = () if form is None else names if len(names) == form["shape"][0] else [one.name for one in form["columns"]]
    called = names or tuple(map(str, range(len(parts))))
    roles = Roles.of(called, parts, [i for i, name in enumerate(called) if name not in known])
    # What has no name is a channel, so is all that there is; and a model says what counts rows and what does not.
    if not names or len(roles.times) + len(roles.even) == len(names):
        roles = Roles([], [], sorted([*roles.times, *roles.even, *roles.doubtful]))
    elif form is not None:
        roles = replace(roles, even=[])
    notes += roles.notes(called)
    times, away = roles.times, [*roles.times, *roles.even]
    timings = [
        Timing.of(one.shape[1], item.when, {names[i]: one[i].astype(np.float64) for i in times})
        for item, one in zip(found, x)
    ]
    notes += said_of(timings)
    x = [np.delete(one, away, 0)[:, timing.order] for one, timing in zip(x, timings)]
    names = tuple(np.delete(names, away).tolist())
    rates = [item.rate or timing.rate for item, timing in zip(found, timings)]
    x, rate, said, steps = at_one_rate(
        x, rates, None if form is None else form["rate"], [timing.breaks for timing in timings]
    )
    breaks = [np.searchsorted(now, timing.breaks) for now, timing in zip(steps, timings)]
    notes += said if said or rate is None else [f"sampled at {rate:g} Hz" + ", full scale is 1" * bool(sounds)]
    if min(item.shape[0] for item in x) > max(item.shape[1] for item in x):
        n, length = x[0].shape
        size = f"{n} {inflected(n, 'channel', 'channels')} of {length} {inflected(length, 'step', 'steps')}"
        notes.append(f"{size}: if it is the other way round, transpose the files")
    if not names and len(x[0]) >= _ROWS and len({item.shape for item in x}) == 1:
        size = "{} × {}".format(*x[0].shape)
        notes.append(
            f"files of {size} numbers are taken for recordings of {len(x[0])} channels; if images, give the kind"
        )
    # As a file without a header line is read, whose channels have an order and no names, unless a model has these.
    asked = set() if form is None else {one.name for one in form["columns"]}
    named = names != tuple(f"x{i}" for i in range(len(names))) or bool(asked and asked <= {*names})
    columns = tuple(map(Column, names)) if named else ()
    return Raw(x, columns=columns, kind="series", notes=tuple(notes), rate=rate, breaks=breaks), kept


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
