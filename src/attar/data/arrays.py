"""Arrays, lists and DataFrames in; and the checks that every source passes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from attar.data import checks, graphs
from attar.data.asked import Asked
from attar.data.axes import with_axes
from attar.data.checks import Places
from attar.data.copies import copied, copies, duplicates
from attar.data.dataset import Array, Column, Dataset, Floats, Ints, Judging, Windows
from attar.data.files import table_of
from attar.data.frames import from_frame, is_frame
from attar.data.groups import joined, numbered, seen_in_training
from attar.data.held import are_rows, plain
from attar.data.labels import encode_labels, in_utf8
from attar.data.marks import NO_MARKS, Marks, leaving_out
from attar.data.nodes import Nodes
from attar.data.placeholders import placeholders
from attar.data.raw import Raw, RawLabels
from attar.data.texts import are_texts, refuse_names, tokenize
from attar.data.windows import told
from attar.data.written import holds_a_typing_error
from attar.errors import DataError, LabelError, inflected

KINDS = ("image", "series", "table", "text", "graph")


def from_arrays(
    x: Any,
    y: RawLabels | None = None,
    *,
    kind: str | None = None,
    ids: Sequence[object] | None = None,
    groups: RawLabels | None = None,
    marks: Marks = NO_MARKS,
    centre: bool = False,
) -> Dataset:
    """Make a dataset of what Python holds.

    Arguments:
        x: image `(n, h, w)` or `(n, h, w, c)`, series `(n, channels, steps)`, table `(n, features)`;
            a DataFrame, or a list of dicts, of numbers, booleans, texts, categories and dates; or a list of series
            `(steps,)` or `(channels, steps)` of different lengths, which are padded with NaN; or texts, as a list or
            array of strings `(n,)` or `(n, 1)` or a column of a DataFrame; or a graph, as an object with `x` and
            `edge_index` such as torch-geometric's `Data`. A single array of three axes is taken for images where it
            holds bytes or is square, else for series.
        y: labels `(n,)`, integers or texts; -1, None, NaN and "" mean unlabelled. Where None, those of a graph itself,
            else all are unlabelled. Where a graph has a `train_mask`, the labels of other nodes are set aside; those of
            its `test_mask` are the test part.
        kind: "image", "series", "table", "text" or "graph" where the guess would be wrong; "series" takes `(n, steps)`
            too.
        ids: name of each sample; row numbers where None.
        groups: name of the group of each sample, such as a patient, whose samples are judged together; each sample is
            judged by itself where None.
        marks: columns of a table with names that are no features, or categories.
        centre: as of `build`.

    Raises:
        DataError: the samples are empty, hold what is not a number, are infinite, or lack a whole column that has no
            name; or there are groups of another number than samples.
        LabelError: labels of another number than samples, or continuous ones.

    >>> dataset = from_arrays([[1.0, 5.0], [2.0, np.nan], [1.0, 5.0], [2.0, 6.0]], ["a", "b", "", "a"])
    >>> dataset.kind, dataset.classes, dataset.y
    ('table', ('a', 'b'), array([ 0,  1, -1,  0]))
    >>> dataset.notes
    ('1 of 8 values is missing (12 %)', '1 of 4 samples is an exact copy of another one')
    """
    raw = replace(as_raw(x, y, ids, kind, marks), groups=_sequence(groups, "groups", DataError))
    return build(raw, where="x", kind=kind, centre=centre)


def as_raw(
    x: Any,
    y: RawLabels | None = None,
    ids: Sequence[object] | None = None,
    kind: str | None = None,
    marks: Marks = NO_MARKS,
) -> Raw:
    """Take what Python holds, unchecked, for `build`.

    Raises:
        DataError: `x` is no array, no list of series and no table, or `ids` are no list; or it has no columns to mark.
        LabelError: `y` is no list.

    >>> as_raw([[1, 2], [3, 4]]).x.shape
    (2, 2)
    """
    names = None if ids is None else [str(name) for name in _sequence(ids, "ids", DataError)]
    y = _sequence(y, "y", LabelError)
    labels = np.asarray(plain(y)) if hasattr(y, "__array__") else y
    if graphs.is_graph(x):
        marks.refuse("x", "the features of a graph have no names")
        return graphs.from_object(x, labels, names)
    if are_rows(x):
        x = table_of(x, "x", Asked(marks=marks))
    if is_frame(x):
        return from_frame(x, labels, names, kind, marks)
    marks.refuse("x", "columns have names in a DataFrame or a list of dicts, and x is none")
    graphs.refuse_other_graphs(x)
    if kind is None:
        refuse_names(x)
    said_to_be_texts = kind == "text" and isinstance(x, list | tuple)
    if are_texts(x) or (said_to_be_texts and not any(isinstance(cell, np.ndarray) for cell in x)):
        return Raw(np.array(x, dtype=object), labels, ids=names, columns=(Column("text"),), kind="text")
    array = _as_array(x)
    if kind is None and isinstance(array, np.ndarray) and array.shape[1:] == (1,):
        cells = array[:, 0].tolist()
        # Where they are numbers but for a typing error, it is the error that has to be told.
        if are_texts(cells) and not holds_a_typing_error([str(cell) for cell in set(cells)]):
            return Raw(np.array(cells, dtype=object), labels, ids=names, columns=(Column("text"),), kind="text")
    return Raw(array, labels, ids=names)


def _sequence(given: Any, argument: str, error: type[DataError]) -> Any:
    """Labels, ids or groups as they are, where they are a list or an array, or None; else an error."""
    several = hasattr(given, "__len__") and not isinstance(given, str | bytes | dict | set | frozenset)
    if given is None or (several and getattr(given, "shape", None) != ()):
        return given
    raise error(f"{argument}: of type {type(given).__name__}; give a list or an array, with one for each sample")


def _as_array(x: Any) -> Array | list[Array]:
    x = plain(x)
    ragged = isinstance(x, (list, tuple)) or (isinstance(x, np.ndarray) and x.dtype == object and x.ndim == 1)
    if ragged and len(x) and all(hasattr(item, "__len__") and not isinstance(item, (str, bytes)) for item in x):
        items = []
        for i, item in enumerate(x):
            try:
                items.append(np.asarray(item))
            except ValueError:
                raise DataError(
                    f"x: sample {i} has channels or rows of several lengths; give each as (steps,) or (channels, steps)"
                ) from None
        return items if len({item.shape for item in items}) > 1 else np.stack(items)
    try:
        return np.asarray(x)
    except (ValueError, TypeError) as error:
        raise DataError(f"x: not an array ({error}); give an array, a list of series or a DataFrame") from None


@dataclass(frozen=True)
class _Samples(Places):
    """Samples with the axes of their kind, which is settled, their values not yet checked.

    Arguments:
        x: as `Dataset.x`, but of any type; of texts, what the reader found.
        raw: what the reader found.
        notes: on the kind, where it was guessed.
    """

    x: Array
    raw: Raw
    notes: Sequence[str] = ()

    @classmethod
    def settled(cls, raw: Raw, kind: str | None, where: str) -> _Samples:
        """Settle the kind, by a guess where nobody says it, and bring the samples into its axes."""
        if kind is not None and kind not in KINDS:
            raise DataError(f"{where}: kind '{kind}' is unknown; it is one of {', '.join(KINDS)}")
        n = len(raw.x) if isinstance(raw.x, list) or raw.x.ndim else 0
        if raw.ids is not None and len(raw.ids) != n:
            raise DataError(f"{where}: {n} samples but {len(raw.ids)} ids; give one for each")
        ids = [str(i) for i in range(n)] if raw.ids is None else list(map(in_utf8, raw.ids))
        if kind == "text":
            return cls("text", ids, raw.columns, where, _texts(raw, n, where), raw)
        x, kind, notes = with_axes(raw.x, ids, kind, where)
        text = next((column.name for column in raw.columns if column.categories), None)
        if kind != "table" and text is not None:
            how = leaving_out([text]) or "; leave it out"
            raise DataError(f"{where}: column '{text}' holds texts, which make no {kind}{how}")
        return cls(kind, ids, _columns(raw, x, kind), where, x, raw, notes)

    def tokens(self) -> tuple[Floats, tuple[Column], list[str]]:
        """Texts as token ids, the column that they stand in, and notes."""
        x, column, notes = tokenize(self.x, self.columns, self.raw.test, self.where, self.raw.length)
        return x, (column,), notes

    def dataset(
        self,
        x: Floats,
        columns: tuple[Column, ...],
        notes: Sequence[str],
        *,
        windows: Windows | None = None,
        copied: Ints | None = None,
    ) -> Dataset:
        """The dataset of checked values, with the labels and groups that the reader found."""
        raw, n = self.raw, len(self.ids)
        if raw.y is not None and len(raw.y) != n:
            raise LabelError(
                f"{self.where}: {n} samples but {len(raw.y)} labels; give one for each, -1 or empty where unknown"
            )
        y, classes = encode_labels([None] * n if raw.y is None else raw.y, exact=raw.exact, where=self.where)
        notes = [*raw.notes, *self.notes, *notes, *_only_in_test(y, classes, raw.test)]
        if len(set(self.ids)) < n:
            notes.append("some ids are given to more than one sample")
        dataset = Dataset(
            kind=self.kind,
            x=x,
            y=y,
            classes=classes,
            ids=np.array(self.ids, dtype=np.str_),
            columns=() if self.kind == "series" else columns,
            test=raw.test,
            notes=tuple(notes),
            channels=tuple(column.name for column in columns) if self.kind == "series" else (),
            windows=windows,
            groups=copied,
            group_names=() if copied is None else ("",) * (int(copied.max()) + 1),
            rate=raw.rate,
            ignored=raw.ignored,
        )
        return dataset if raw.groups is None else with_groups(dataset, raw.groups, self.where)


def _texts(raw: Raw, n: int, where: str) -> Array:
    """The samples, where they are a list of texts."""
    if isinstance(raw.x, list) or raw.x.dtype.kind not in "OUT" or raw.x.size != n or not n:
        shape = "of different lengths" if isinstance(raw.x, list) else f"{raw.x.dtype} of shape {raw.x.shape}"
        raise DataError(f"{where}: {shape} is no list of texts; give strings, one per sample")
    return raw.x


def _columns(raw: Raw, x: Array, kind: str) -> tuple[Column, ...]:
    if kind == "table":
        return raw.columns or tuple(Column(f"x{j}") for j in range(x.shape[1]))
    # The columns of a table that is taken for series are steps, and those of recordings channels.
    named = kind == "graph" or (kind == "series" and isinstance(raw.x, list))
    return raw.columns if named else ()


def build(raw: Raw, *, where: str, kind: str | None = None, centre: bool = False) -> Dataset:
    """Check what a reader found and make the dataset of it, to learn from.

    Arguments:
        raw: the samples.
        where: the file or argument that an error names.
        kind: overrides the guess.
        centre: True where samples are only looked at, and no model is made: columns of a table that float32 would blur
            are brought near zero.

    Raises:
        DataError, LabelError: as `from_arrays`.
    """
    samples = _Samples.settled(raw, kind or raw.kind, where)
    if samples.kind == "text":
        tokens, columns, notes = samples.tokens()
        notes += duplicates(copies(tokens), raw.test)
        return samples.dataset(tokens, columns, notes)
    if isinstance(samples.x, Nodes):
        links = samples.x.links
        notes = [] if links is None else [*links.notes, *checks.features(links.features, where)]
        return samples.dataset(samples.x, samples.columns, notes)
    return _of_numbers(samples, centre)


def build_to_predict(raw: Raw, *, where: str) -> Dataset:
    """As `build`, but of samples that nothing is learnt from: they may be constant, repeated or lack a whole column."""
    samples = _Samples.settled(raw, raw.kind, where)
    if samples.kind == "text":
        return samples.dataset(*samples.tokens())
    if isinstance(samples.x, Nodes):
        return samples.dataset(samples.x, samples.columns, () if samples.x.links is None else samples.x.links.notes)
    values = checks.cast(checks.numeric(samples.x, samples), samples)
    return samples.dataset(values, samples.columns, checks.missing(values, samples.kind))


def _of_numbers(samples: _Samples, centre: bool) -> Dataset:
    """The part of `build` for all that is neither texts nor nodes."""
    kind, columns, test = samples.kind, samples.columns, samples.raw.test
    x = checks.numeric(samples.x, samples)
    notes: list[str] = []
    if kind == "table":
        if samples.raw.columns:
            x, columns, notes = checks.without_empty(x, columns)
        notes += [*placeholders(x, columns), *checks.dates_as_numbers(x, columns)]
        if centre:
            x, found = checks.centred(x, columns)
            notes += found
    values, found = checks.to_float32(x, replace(samples, columns=columns), test)
    # What float32 alone makes equal is no copy.
    near_zero, blurred = checks.centred(x, columns) if kind == "table" else (x, [])
    exact: Floats = np.asarray(near_zero, dtype=np.float32) if blurred else values
    first = copies(exact)
    together = copied(exact, first)
    notes += [*found, *checks.missing(values, kind)]
    notes += duplicates(first, test, together=together is not None)
    windows = None
    if kind == "series":
        windows, found = told(values, first, test)
        notes += found
    return samples.dataset(values, columns, notes, windows=windows, copied=together)


def _only_in_test(y: Ints, classes: Sequence[str], test: Ints | None) -> list[str]:
    """A note on the classes that only samples of the test part have."""
    if test is None:
        return []
    only = sorted(set(y[test].tolist()) - set(np.delete(y, test).tolist()))
    names = ", ".join(f"'{classes[code]}'" for code in only if code >= 0)
    return [f"classes that only the test part has, and no model can learn: {names}"] if names else []


def with_labels(dataset: Dataset, labels: RawLabels, where: str) -> Dataset:
    """Replace the labels of a dataset."""
    y, classes = encode_labels(labels, where=where)
    return replace(dataset, y=y, classes=classes, notes=(*dataset.notes, *_only_in_test(y, classes, dataset.test)))


def with_groups(dataset: Dataset, groups: RawLabels, where: str) -> Dataset:
    """Say which samples of a dataset belong together; arguments and errors as `groups.numbered`."""
    given, names, notes = numbered(groups, len(dataset), where)
    if dataset.groups is not None and not dataset.grouped:
        # Copies that lie in several groups make one of them.
        merged = joined(given, dataset.groups)
        if len(np.unique(merged)) < 2:
            return replace(dataset, notes=(*dataset.notes, f"{where}: copies lie in all groups, and count for groups"))
        first = np.unique(merged, return_index=True)[1]
        if len(first) < len(names):
            notes.append(
                f"{len(names) - len(first):,} of {len(names):,} groups share copies with others, and are taken together"
            )
        given, names = merged, tuple(names[given[i]] for i in first)
    of = inflected(len(names), "group", "groups")
    notes = [
        Judging(f"the samples are of {len(names):,} {of}", ": those of one are judged together"),
        *notes,
        *seen_in_training(given, dataset.test, "of groups"),
    ]
    return replace(dataset, groups=given, group_names=names, notes=(*dataset.notes, *notes))
