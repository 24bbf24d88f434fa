"""The samples of one job, whatever file or array they came from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Number
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.generic]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Strings: TypeAlias = npt.NDArray[np.str_]
ArrowTable: TypeAlias = Any  # pyarrow carries no types
ArrowColumn: TypeAlias = Any

UNLABELLED = -1
# What a `Note` may be about: that a column was read as dates or times, is taken as categories, or is no feature.
DATED, CODED, LEFT_OUT = "dated", "coded", "left out"


def is_missing(cell: object) -> bool:
    """Whether a cell holds no value: None, NaN, or what pandas has for a gap.

    >>> is_missing(None), is_missing(np.float32("nan")), is_missing("")
    (True, True, False)
    """
    if isinstance(cell, str):  # as most are, for which the tests below are slow
        return False
    # pandas' values are told by their names, so that pandas is not loaded here; NaN alone is unlike itself.
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, Number | np.datetime64) and bool(cell != cell)


class Note(str):
    """A note on one column of a source, that knows which and what it is about; to all others it is a text."""

    column: str
    about: str

    def __new__(cls, text: str, column: str = "", about: str = "") -> Note:
        """Make one; the arguments but for the text have defaults, so that it can be copied."""
        note = super().__new__(cls, text)
        note.column, note.about = column, about
        return note


class Judging(str):
    """A note that ends with what is judged together; `alone` is the note on samples that are only looked at."""

    alone: str

    def __new__(cls, text: str, end: str = "") -> Judging:
        """Make one; the end has a default, so that it can be copied."""
        note = super().__new__(cls, text + end)
        note.alone = text
        return note


def unjudged(notes: Iterable[str]) -> tuple[str, ...]:
    """Notes on samples that nothing is learnt from, and that are not judged.

    >>> unjudged([Judging("the samples are of 2 groups", ": those of one are judged together")])
    ('the samples are of 2 groups',)
    """
    return tuple(note.alone if isinstance(note, Judging) else note for note in notes)


def on_column(note: str, about: str = "") -> str | None:
    """The column that a note is on, where it is on one, and about that.

    >>> on_column(Note("column 'a' holds dates", "a", DATED), DATED), on_column("column 'a' holds dates")
    ('a', None)
    """
    return note.column if isinstance(note, Note) and about in ("", note.about) else None


@dataclass(frozen=True)
class Column:
    """One column of a table: numeric where `categories` is empty, else coded by position in `categories`.

    Texts are one column, with the `Tokenizer.state` that turned them into ids. Of dates written like 31/12/2024 `first`
    says what came first in those that were learnt from: "day" or "month". Of numbers as people write them, `signs` are
    the one before fractions, "." or ",", and those between thousands behind it, as ",." of 1.350,80 €, whose `unit` is
    "€"; "" where none were, or the numbers do not depend on them.
    """

    name: str
    categories: tuple[str, ...] = ()
    tokenizer: str = ""
    first: str = ""
    signs: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Form:
    """What samples to predict are brought to.

    Arguments:
        kind: of the model.
        shape: of one raw sample of the model. Images of another size are resized, colour and grey exchanged,
            series cut or padded; each is noted.
        columns: of a table, or channels of series, matched by name where the source has names. An unknown category
            becomes NaN.
        rate: that the model's recordings were sampled at, in Hz, and those of another rate are brought to.
        stride: of the model's windows: recordings, and the rows of a table, are cut into such; None: they are samples.
        by: column of a table that tells recordings apart whose steps are its rows, where it is there.
        ignored: columns that the model was taught without, which are not looked at.
    """

    kind: str
    shape: tuple[int, ...]
    columns: Sequence[Column] = ()
    rate: float | None = None
    stride: int | None = None
    by: str | None = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Windows:
    """What longer recordings the samples were cut from.

    Arguments:
        recordings: the number of the recording that each was cut from `(n,)`, from 0.
        stretches: the number of the part of it `(n,)`, from 0: of one end, the middle, the other.
    """

    recordings: Ints
    stretches: Ints

    def __getitem__(self, rows: Ints) -> Windows:
        return Windows(self.recordings[rows], self.stretches[rows])


@dataclass(frozen=True)
class Dataset:
    """Samples with the labels that are known.

    Arguments:
        kind: "image", "series", "table", "text" or "graph".
        x: raw samples, float32, NaN where a value is missing: image `(n, h, w)` or `(n, h, w, c)` in the
            units of the source (pixels 0 to 255 stay so), series `(n, channels, steps)` (a shorter one is padded
            with NaN at its end), table `(n, features)` with the code of the category in categorical columns,
            text `(n, length)` of token ids with NaN after the end, graph `(n, 1)`, the numbers of its nodes, as
            `attar.data.nodes.Nodes`, which know the graph.
        y: class codes `(n,)`, positions in `classes`; -1 where unlabelled.
        classes: the labels as the user wrote them, sorted.
        ids: name of each sample `(n,)`: file name, value of an `id` column, or row number.
        columns: of a table; of texts, the one that they stand in.
        test: indices of the samples that the source itself sets aside for testing, else None.
        notes: what was found on reading and what was done about it, one sentence each.
        channels: names of the channels of series, where their source has them.
        windows: of series, where they are told to be cut from longer recordings; else None.
        groups: a number from 0 `(n,)`, the same for samples that a person says belong together, as those of one patient
            or machine do, or, where nobody says so, for those that were copied; None: each by itself.
        group_names: of each number; "" for what is of no group that was named.
        rate: that series are sampled at, in Hz, where their source says it, as sounds and columns of the time do.
        stride: steps from one window to the next, where a person had recordings cut into windows.
        by: column that told recordings apart, where the rows of a table were cut into windows.
        ignored: columns that a person left out, which new samples need not have.
    """

    kind: str
    x: Floats
    y: Ints
    classes: tuple[str, ...]
    ids: Strings
    columns: tuple[Column, ...] = ()
    test: Ints | None = None
    notes: tuple[str, ...] = field(default=())
    channels: tuple[str, ...] = ()
    windows: Windows | None = None
    groups: Ints | None = None
    group_names: tuple[str, ...] = ()
    rate: float | None = None
    stride: int | None = None
    by: str | None = None
    ignored: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.x)

    @property
    def grouped(self) -> bool:
        """Whether a person says what belongs together."""
        return any(self.group_names)

    @property
    def trained(self) -> Ints:
        """Indices of the samples that are not set aside for testing."""
        everything = np.arange(len(self))
        return everything if self.test is None else np.setdiff1d(everything, self.test)

    def tested(self, rows: Ints) -> Ints | None:
        """Where among some rows those of the test part are; None where none is."""
        found = np.flatnonzero(np.isin(rows, [] if self.test is None else self.test))
        return found if len(found) else None

    def belonging(self, rows: Ints) -> tuple[Ints | None, Windows | None]:
        """Groups and windows of some samples."""
        return None if self.groups is None else self.groups[rows], None if self.windows is None else self.windows[rows]

    def part(self, rows: Ints, note: str) -> Dataset:
        """The samples of some rows, in ascending order, and a note on why."""
        groups, windows = self.belonging(rows)
        return replace(
            self,
            x=self.x[rows],
            y=self.y[rows],
            ids=self.ids[rows],
            test=self.tested(rows),
            notes=(*self.notes, note),
            windows=windows,
            groups=groups,
        )

    @property
    def labelled(self) -> Ints:
        """Indices of the samples that have a label."""
        return np.flatnonzero(self.y != UNLABELLED)
