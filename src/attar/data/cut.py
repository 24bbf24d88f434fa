"""Long recordings cut into windows of one length, each a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from attar.data.checks import PADDED, lengths
from attar.data.conform import places
from attar.data.dataset import (
    DATED,
    UNLABELLED,
    Column,
    Dataset,
    Doubles,
    Floats,
    Ints,
    Judging,
    Windows,
    is_missing,
    on_column,
)
from attar.data.labels import encode_labels
from attar.data.rates import at_one_rate
from attar.data.raw import Raw
from attar.data.times import Roles, Timing, said_of
from attar.data.windows import stretches
from attar.errors import DataError, inflected, listed


@dataclass(frozen=True)
class Cut:
    """How recordings are cut.

    Arguments:
        steps: of a window.
        stride: steps from the beginning of one to that of the next.

    Raises:
        DataError: windows of no step, or steps between them that are in none.
    """

    steps: int
    stride: int

    def __post_init__(self) -> None:
        if not 0 < self.stride <= self.steps:
            raise DataError(
                f"windows of {self.steps} steps, one every {self.stride}: give at least one step, and no longer stride "
                "than a window"
            )

    @classmethod
    def of(cls, window: int | None, stride: int | None) -> Cut | None:
        """As a person asks for it: windows overlap by half where no stride is given, and nothing is cut without any.

        >>> Cut.of(128, None), Cut.of(None, None)
        (Cut(steps=128, stride=64), None)
        """
        if window is None and stride is not None:
            raise DataError("a stride and no window; say how many steps a window has")
        return None if window is None else cls(window, (window + 1) // 2 if stride is None else stride)

    def starts(self, length: int) -> list[int]:
        """Where windows begin; the last ends where the recording does, and a short one has a single window.

        >>> Cut(4, 2).starts(9), Cut(4, 2).starts(3)
        ([0, 2, 4, 5], [0])
        """
        last = max(0, length - self.steps)
        return [*range(0, last, self.stride), last]


@dataclass(frozen=True)
class Steps:
    """Labels of the steps of recordings.

    Arguments:
        classes: their names.
        codes: of the steps of each recording `(steps,)`, -1 where unlabelled.
    """

    classes: tuple[str, ...]
    codes: tuple[Ints, ...]


def windows_of(dataset: Dataset, cut: Cut, labels: Steps | None = None, breaks: Sequence[Ints] = ()) -> Dataset:
    """Each recording in windows, which have its label, group and part.

    Arguments:
        dataset: series, padded with NaN at their end.
        cut: how.
        labels: where the steps have their own. A window whose labelled steps have one has that, and another one none.
        breaks: steps of each recording that no window lies across, unless most stretches between them are shorter.

    Raises:
        DataError: samples of another kind.

    >>> dataset = Dataset("series", np.zeros((2, 1, 6)), np.array([0, 1]), ("a", "b"), np.array(["p", "q"]))
    >>> found = windows_of(dataset, Cut(4, 2))
    >>> found.x.shape, found.y.tolist(), found.ids.tolist()
    ((4, 1, 4), [0, 0, 1, 1], ['p@0', 'p@2', 'q@0', 'q@2'])
    """
    if dataset.kind != "series":
        raise DataError(f"windows are cut from recordings, and these samples are of kind {dataset.kind}")
    ends = lengths(np.isnan(dataset.x)).tolist()
    within, said = _stretches(ends, cut, breaks)
    places = [
        (i, begin + start, min(begin + start + cut.steps, end))
        for i, begin, end in within
        for start in cut.starts(end - begin)
    ]
    of, begin, _ = np.array(places, dtype=np.int64).T
    x = np.full((len(of), dataset.x.shape[1], cut.steps), np.nan, dtype=np.float32)
    for window, (i, start, end) in zip(x, places):
        window[:, : end - start] = dataset.x[i, :, start:end]
    are, windows = inflected(len(dataset), "recording is", "recordings are"), inflected(len(of), "window", "windows")
    notes: list[str] = [
        Judging(
            f"{len(dataset):,} {are} cut into {len(of):,} {windows} of {cut.steps:,} steps, one every {cut.stride:,}",
            ": those of one recording are judged together",
        ),
        *said,
    ]
    y, classes = dataset.y[of], dataset.classes
    if labels is not None:
        y, classes, said = _labels_of(places, labels)
        notes += said
    empty = np.isnan(x).all(axis=(1, 2))
    y = np.where(empty, UNLABELLED, y)
    hold = inflected(int(empty.sum()), "holds no value, and has no label", "hold no value, and have no label")
    notes += [f"{empty.sum():,} of {len(of):,} windows {hold}"] * bool(empty.any())
    return replace(
        dataset,
        x=x,
        y=y,
        classes=classes,
        ids=np.array([f"{dataset.ids[i]}@{start}" for i, start, _ in places]),
        test=dataset.tested(of),
        notes=(*(note.removesuffix(PADDED) if note.endswith(PADDED) else note for note in dataset.notes), *notes),
        windows=Windows(of, stretches(of, begin)),
        groups=dataset.belonging(of)[0],
        stride=cut.stride,
    )


def _stretches(ends: Sequence[int], cut: Cut, breaks: Sequence[Ints]) -> tuple[list[tuple[int, int, int]], list[str]]:
    """The recording, begin and end of each stretch in which windows are cut, and notes."""
    whole = [(i, 0, end) for i, end in enumerate(ends)]
    inner = [[at for at in one.tolist() if 0 < at < end] for one, end in zip(breaks, ends)]
    if not any(inner):
        return whole, []
    parts = [(i, *part) for i, _, end in whole for part in pairwise([0, *inner[i], end])]
    if np.median([end - begin for i, begin, end in parts if inner[i]]) < cut.steps:
        return whole, ["most stretches between pauses are shorter than a window: windows lie across these"]
    return parts, ["no window lies across a pause or a new beginning"]


def _labels_of(places: list[tuple[int, int, int]], labels: Steps) -> tuple[Ints, tuple[str, ...], list[str]]:
    """The classes of windows `(recording, begin, end)` by those of their steps, the names of these, and notes."""
    within = [np.setdiff1d(labels.codes[i][start:end], [UNLABELLED]) for i, start, end in places]
    y = np.array([int(known[0]) if len(known) == 1 else UNLABELLED for known in within], dtype=np.int64)
    there, mixed = np.unique(y[y != UNLABELLED]), sum(len(known) > 1 for known in within)
    hold = inflected(mixed, "holds more than one label, and has none", "hold more than one label, and have none")
    notes = [f"{mixed:,} of {len(places):,} windows {hold}"] * bool(mixed)
    gone = np.setdiff1d(np.unique(np.concatenate(labels.codes)), [*there, UNLABELLED]).tolist()
    names = listed([f"'{labels.classes[code]}'" for code in gone])
    notes += [f"{names}: on steps, and on no window alone; take shorter windows"] * bool(gone)
    codes = np.where(y == UNLABELLED, UNLABELLED, np.searchsorted(there, y))
    return codes, tuple(labels.classes[code] for code in there.tolist()), notes


def of_recordings(dataset: Dataset, probabilities: Floats) -> tuple[Dataset, Floats]:
    """The recordings that windows were cut from, each with the mean of what is said of its windows.

    Arguments:
        dataset: windows. A recording has a label where all of its labelled windows have one; its first window stands
            for it.
        probabilities: `(n, n_classes)`.

    Raises:
        DataError: the samples were not cut from recordings.

    >>> dataset = Dataset("series", np.zeros((2, 1, 6)), np.array([0, 1]), ("a", "b"), np.array(["p", "q@"]))
    >>> whole, mean = of_recordings(windows_of(dataset, Cut(4, 2)), np.float32([[1, 0], [0, 1], [0, 1], [0, 1]]))
    >>> whole.ids.tolist(), whole.y.tolist(), mean.tolist()
    (['p', 'q@'], [0, 1], [[0.5, 0.5], [0.0, 1.0]])
    """
    if dataset.stride is None or dataset.windows is None:
        raise DataError("there is one answer for each recording already: the model was not taught on windows of them")
    of, n_classes = dataset.windows.recordings, max(1, len(dataset.classes))
    first, number, count = np.unique(of, return_index=True, return_inverse=True, return_counts=True)[1:]
    mean = np.zeros((len(first), probabilities.shape[1]))
    np.add.at(mean, number, probabilities)
    labels = np.zeros((len(first), n_classes), dtype=bool)
    known = dataset.labelled
    labels[number[known], dataset.y[known]] = True
    whole = replace(
        dataset,
        x=dataset.x[first],
        y=np.where(labels.sum(1) == 1, labels.argmax(1), UNLABELLED),
        ids=np.array([name.rpartition("@")[0] for name in dataset.ids[first]]),
        test=dataset.tested(first),
        windows=None,
        groups=dataset.belonging(first)[0],
        stride=None,
    )
    return whole, (mean / count[:, None]).astype(np.float32)


def rows_as_recordings(
    raw: Raw, steps: int, name: str, channels: Sequence[Column] = (), rate: float | None = None
) -> tuple[Raw, Steps]:
    """A table whose rows follow each other in time, as one recording, or as one for each run of a group or test part.

    Arguments:
        raw: a table.
        steps: of the windows to come. Where runs are mostly shorter, as of devices that take turns, the rows of a group
            are one recording.
        name: of it, in messages and where there are no groups.
        channels: the columns that are wanted; where there are none, all but those of the time.
        rate: in Hz, that they are brought to where the time tells theirs; None: the one that most have.

    Returns:
        The recordings, and the labels of their steps.

    Raises:
        DataError: it has no channel.

    >>> raw = Raw(np.arange(4.0)[:, None], ["a", "b", "b", None], columns=(Column("v"),), kind="table")
    >>> rows_as_recordings(raw, 2, "log", raw.columns)[1]
    Steps(classes=('a', 'b'), codes=(array([ 0,  1,  1, -1]),))
    """
    rows, values = len(raw.x), np.asarray(raw.x, dtype=np.float64)
    codes, classes = encode_labels([None] * rows if raw.y is None else raw.y, exact=raw.exact, where=name)
    owners = _owners(raw, rows)
    parts = _runs(owners)
    if np.median([len(part) for part in parts]) < steps and len(parts) > len(set(owners)):
        parts = _rows_of_each(owners)
        note = "rows of several groups take turns: those of one are put together"
        raw = replace(raw, notes=(*raw.notes, note))
    kept, times, notes = _channels(raw, values, parts, _wanted(raw, channels, name) if channels else None)
    if not kept:
        raise DataError(f"{name}: no column of numbers that is a channel; give one")
    timings = [_timing(raw, times, values[part]) for part in parts]
    parts = [part[timing.order] for part, timing in zip(parts, timings)]
    rates, breaks = [timing.rate for timing in timings], [timing.breaks for timing in timings]
    x, rate, brought, steps_of = at_one_rate([values[part][:, kept].T for part in parts], rates, rate, breaks)
    owners = [owners[part[0]] for part in parts]
    recordings = replace(
        raw,
        x=[*map(np.ascontiguousarray, x)],
        y=None,
        ids=["test/" * test + (group or name) for group, test in owners],
        columns=tuple(raw.columns[j] for j in kept),
        kind="series",
        test=None if raw.test is None else np.flatnonzero([test for _, test in owners]),
        notes=(*notes, *said_of(timings), *brought),
        groups=None if raw.groups is None else [group or None for group, _ in owners],
        rate=rate,
        breaks=[np.searchsorted(now, timing.breaks) for now, timing in zip(steps_of, timings)],
    )
    return recordings, Steps(classes, tuple(codes[part][now] for part, now in zip(parts, steps_of)))


def grouped_by(raw: Raw, name: str | None) -> Raw:
    """A table of whose columns one says what belongs together, where it has it and nothing else says so.

    >>> raw = grouped_by(Raw(np.array([[0.0, 5.0], [1.0, 6.0]]), columns=(Column("person"), Column("v"))), "person")
    >>> raw.groups, [column.name for column in raw.columns], raw.x.tolist()
    (['0', '1'], ['v'], [[5.0], [6.0]])
    """
    names = [column.name for column in raw.columns]
    if name is None or raw.groups is not None or isinstance(raw.x, list):
        return raw
    if name not in names:
        said = f"no column '{name}', which told recordings apart: the table is taken for one recording"
        return replace(raw, notes=(*raw.notes, said))
    j = names.index(name)
    spelt = raw.columns[j].categories
    groups = [None if np.isnan(one) else spelt[int(one)] if spelt else f"{one:.16g}" for one in raw.x[:, j].tolist()]
    return replace(raw, x=np.delete(raw.x, j, 1), columns=(*raw.columns[:j], *raw.columns[j + 1 :]), groups=groups)


def _owners(raw: Raw, rows: int) -> list[tuple[str, bool]]:
    """The group of each row, and whether it is of the test part: no recording lies in both parts of a split."""
    groups = [""] * rows if raw.groups is None else ["" if is_missing(one) else str(one) for one in raw.groups]
    tested = np.zeros(rows, dtype=bool)
    tested[[] if raw.test is None else raw.test] = True
    return list(zip(groups, tested.tolist()))


def _runs(owners: Sequence[object]) -> list[Ints]:
    """The rows of each run of one owner."""
    begins = [i for i in range(1, len(owners)) if owners[i] != owners[i - 1]]
    return np.split(np.arange(len(owners)), begins)


def _rows_of_each(owners: Sequence[object]) -> list[Ints]:
    """The rows of each owner, in the order in which these come first."""
    rows: dict[object, list[int]] = {}
    for row, owner in enumerate(owners):
        rows.setdefault(owner, []).append(row)
    return [np.array(of_owner) for of_owner in rows.values()]


def _timing(raw: Raw, times: Mapping[int, bool], values: Doubles) -> Timing:
    """What the columns of the time, some of which were read as dates, tell of a recording."""
    called = {raw.columns[j].name: values[:, j] for j, dated in times.items() if not dated}
    return Timing.of(len(values), [values[:, j] for j, dated in times.items() if dated], called)


def _wanted(raw: Raw, channels: Sequence[Column], name: str) -> list[int]:
    """Where the channels of a model are among the columns.

    Raises:
        DataError: one is not there, or holds texts.
    """
    kept, _ = places(raw.columns, channels, name)
    text = [f"'{raw.columns[j].name}'" for j in kept if raw.columns[j].categories]
    if text:
        raise DataError(f"{name}: {listed(text)}: texts where the model takes numbers; mend them")
    return kept


def _channels(
    raw: Raw, values: Doubles, parts: Sequence[Ints], wanted: list[int] | None
) -> tuple[list[int], dict[int, bool], list[str]]:
    """Which columns are channels; which are of the time, and whether they were read as dates; and notes.

    What a model has `wanted` as channels, if there is one, is not looked at.
    """
    names = [column.name for column in raw.columns]
    text = [j for j, column in enumerate(raw.columns) if column.categories]
    dated = {on_column(note, DATED) for note in raw.notes}
    dates = [j for j, name in enumerate(names) if name in dated]
    of_parts = [[column[part] for part in parts] for column in values.T]
    may_be = [j for j in range(len(names)) if j not in (*text, *(wanted or ()))]
    roles = Roles.of(names, of_parts, [j for j in may_be if j not in dates])
    roles = replace(roles, times=sorted({*roles.times, *dates} & {*may_be}))
    times = {j: j in dates for j in roles.times}
    notes = [note for note in raw.notes if on_column(note, DATED) not in {names[j] for j in times}]
    if wanted is not None:
        return wanted, times, notes
    kept = [j for j in may_be if j not in (*times, *roles.even)]
    notes += [f"{listed([repr(names[j]) for j in text])}: texts: no channel"] * bool(text)
    return kept, times, notes + roles.notes(names)
