"""SOURCE of the command line: a built-in name, `hf:owner/name`, a file or a folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from attar._files import at_home
from attar.data import builtin, graphs
from attar.data.arrays import build, build_to_predict
from attar.data.asked import Asked
from attar.data.beside import FilesBeside
from attar.data.columns import samples_of
from attar.data.conform import conform
from attar.data.cut import Cut, Steps, grouped_by, rows_as_recordings, windows_of
from attar.data.dataset import Dataset, Form, Ints, unjudged
from attar.data.dress import is_dressed
from attar.data.files import read_file
from attar.data.folders import PATIENTS, read_folder
from attar.data.images import SIDE, shrunk_note, shrunk_size, stack
from attar.data.marks import NO_MARKS, Marks
from attar.data.raw import Raw
from attar.data.recordings import read_recordings
from attar.data.tables import DELIMITED, PARQUET
from attar.errors import DataError, LabelError, first_line


def read(
    source: str,
    *,
    kind: str | None = None,
    labels: Path | None = None,
    label_column: str | None = None,
    groups: Path | None = None,
    group_column: str | None = None,
    marks: Marks = NO_MARKS,
    side: int | None = None,
    cut: Cut | None = None,
    strict: bool = False,
    centre: bool = False,
) -> Dataset:
    """Read samples to learn from.

    Arguments:
        source: a built-in name, `hf:owner/name`, a file or a folder.
        kind: "image", "series", "table", "text" or "graph" where the guess would be wrong.
        labels: file of id (or file name) and label; it replaces the labels of the source. Of windows, as `r.csv@64`.
        groups: file of id (or file name) and group, such as a patient: samples of one group are judged together.
        label_column, group_column, marks, strict: as of `Asked`; a column of labels is no feature, also where a file
            has the labels.
        side: in pixels, that the longer side of images is shrunk to where it is longer; None: 64.
        cut: recordings into windows, or the rows of a table, which are then steps; None: a recording is a sample.
        centre: as of `build`: where no model is made.

    Raises:
        DataError: the samples cannot be used; LabelError: the labels or groups cannot.
        MissingExtraError: the source needs a package that is not installed.

    >>> dataset = read("iris")
    >>> dataset.x.shape, dataset.classes
    ((150, 4), ('setosa', 'versicolor', 'virginica'))
    """
    beside = FilesBeside.read(labels, groups, group_column)
    side = SIDE if side is None else side
    if cut is not None:
        marks.without_categories(source, "windows are of channels of numbers")
    raw = _raw(source, Asked(kind, label_column, group_column, marks, strict, side, beside.paths))
    alone, steps = _in_time(beside.replacing(raw), source, cut)
    found = _shrunk(build(alone, where=source, kind=kind, centre=centre), side)
    if cut is None:
        return beside.applied(found, raw.skipped)
    whole, windows = beside.split(found.ids.tolist())
    dataset = whole.applied(found, raw.skipped)
    dataset = windows_of(dataset, cut, None if beside.labels else steps, alone.breaks)
    dataset = windows.applied(replace(dataset, by=None if steps is None else group_column), ())
    if beside.labels is None and steps is not None and len(dataset.classes) < 2 <= len(steps.classes):
        raise LabelError(f"{source}: labels of {len(steps.classes)} classes, and {dataset.notes[-1]}")
    return dataset


def read_for_network(
    source: str, shape: tuple[int, ...], *, labels: Path | None = None, label_column: str | None = None
) -> Dataset:
    """Read samples for a network that attar did not make: an array in the very shape that it takes stays in that.

    Arguments:
        source: as of `read`; whatever else it holds is read as there, but that images are as large as the network's.
        shape: of one sample of the network.
        labels, label_column: as of `read`.

    Raises:
        DataError: the samples cannot be used; LabelError: the labels cannot.
    """
    beside = FilesBeside.read(labels, None, None)
    side = max(shape) if len(shape) > 1 else SIDE
    raw = beside.replacing(_raw(source, Asked(label_column=label_column, side=side, leave_out=beside.paths)))
    if raw.kind is not None or not isinstance(raw.x, np.ndarray) or raw.x.shape[1:] != shape:
        return beside.applied(_shrunk(build(raw, where=source), side), raw.skipped)
    table = replace(raw, x=raw.x.reshape(len(raw.x), math.prod(shape)), kind="table", columns=())
    flat = build_to_predict(table, where=source)
    return beside.applied(replace(flat, x=flat.x.reshape(-1, *shape)), raw.skipped)


def _shrunk(dataset: Dataset, side: int) -> Dataset:
    """Images of an array no larger than those of files."""
    given = dataset.x.shape[1:3]
    if dataset.kind != "image" or max(given) <= side:
        return dataset
    size = shrunk_size(given, side)
    x, _ = stack(list(dataset.x), (*size, *dataset.x.shape[3:]))
    return replace(dataset, x=np.asarray(x, dtype=np.float32), notes=(*dataset.notes, *shrunk_note(given, size)))


def read_for_prediction(source: str, form: Form, *, strict: bool = False) -> Dataset:
    """Read samples to predict, in the form that a model takes.

    Arguments:
        source: as of `read`; no labels are needed, and those it has are ignored.
        form: of the model's samples.
        strict: refuse an unreadable image or recording rather than skip it, and a text in neither UTF-8 nor UTF-16.

    Returns:
        Samples `(n, *shape)`, all unlabelled.

    Raises:
        DataError: the samples cannot be used, are of another kind, or lack a column or channel.
    """
    raw = _raw_to_predict(source, form, Asked(label_column="", strict=strict))
    notes = tuple(note for note in raw.notes if note != PATIENTS)
    raw = replace(raw, y=None, groups=None, test=None, notes=notes)
    dataset, _, breaks = _conformed(raw, source, form, without_groups=True)
    cut = _cut(form)
    if cut is not None:
        dataset = windows_of(dataset, cut, breaks=breaks)
    return replace(dataset, notes=unjudged(dataset.notes))


def read_for_evaluation(
    source: str,
    form: Form,
    *,
    labels: Path | None = None,
    label_column: str | None = None,
    groups: Path | None = None,
    group_column: str | None = None,
    strict: bool = False,
) -> Dataset:
    """Read labelled samples in the form that a model takes; else as `read_for_prediction` and `read`."""
    beside = FilesBeside.read(labels, groups, group_column)
    if labels is not None and label_column is None and form.kind == "table":
        label_column = ""  # where a file has the labels, a column that is called like them may be one of the model's
    asked = Asked(label_column=label_column, group_column=group_column, strict=strict, leave_out=beside.paths)
    raw = beside.replacing(_raw_to_predict(source, form, asked))
    found, steps, breaks = _conformed(raw, source, form, without_groups=beside.groups is not None)
    cut = _cut(form)
    if cut is None:
        return beside.applied(found, raw.skipped)
    whole, of_windows = beside.split(found.ids.tolist())
    dataset = windows_of(whole.applied(found, raw.skipped), cut, None if beside.labels else steps, breaks)
    if beside.labels is None and steps is not None and steps.classes and not dataset.classes:
        raise LabelError(
            f"{source}: every window of {cut.steps:,} steps holds more than one label; teach a model on shorter windows"
        )
    return of_windows.applied(dataset, ())


def _cut(form: Form) -> Cut | None:
    return None if form.stride is None else Cut(form.shape[1], form.stride)


def _conformed(
    raw: Raw, source: str, form: Form, *, without_groups: bool
) -> tuple[Dataset, Steps | None, Sequence[Ints]]:
    """Samples in the form that a model takes, the labels of steps where rows of a table are such, and their breaks."""
    raw, steps = _in_time(raw, source, _cut(form), form)
    raw = replace(raw, groups=None) if without_groups else raw
    return conform(raw, form, where=source), steps, raw.breaks


def _in_time(raw: Raw, source: str, cut: Cut | None, form: Form | None = None) -> tuple[Raw, Steps | None]:
    """A table that is to be cut into windows as recordings, with the labels of its rows; all else as it is."""
    if cut is None or raw.kind != "table":
        return raw, None
    name = Path(source).stem
    if form is None:
        return rows_as_recordings(raw, cut.steps, name)
    return rows_as_recordings(grouped_by(raw, form.by), cut.steps, name, form.columns, form.rate)


def _raw_to_predict(source: str, form: Form, asked: Asked) -> Raw:
    path = at_home(source)
    kind, columns = form.kind, form.columns
    suffix = path.suffix.lower() if kind == "series" and path.is_file() else ""
    whole = form.stride is None and (form.shape[0] > 1 or bool(columns))
    marks = Marks(form.ignored, strict=False)
    if suffix == ".wav" or (whole and suffix in (*DELIMITED, *PARQUET)):
        # A row of a table is a recording of one channel; where there are several, or a name, the table is a recording.
        return replace(read_recordings([path], strict=True, form=form, marks=marks)[0], ids=(path.name,))
    asked = replace(
        asked,
        # The rows of a table are steps there.
        kind=kind if form.stride is None else None,
        marks=marks,
        shape=form.shape if kind == "image" else None,
        # Of numbers in doubt it is the model that knows how they are written, and not what else is in the file.
        text=[column.name for column in columns if column.categories or column.tokenizer or is_dressed(column)],
        known={column.name: column.categories for column in columns} | ({form.by: ()} if form.by else {}),
        form=form if kind == "series" else None,
    )
    return _raw(source, asked)


def _raw(source: str, asked: Asked) -> Raw:
    if source.startswith("hf:"):
        from attar.data.hub import read_hub

        return read_hub(source[3:], asked)
    name = builtin.find(source)
    if name is not None:
        return _built_in(name, source, asked)
    path = at_home(source)
    try:
        if path.is_dir():
            return _of_folder(path, source, asked)
        if path.is_file():
            return read_file(path, asked)
        if path.exists():
            raise DataError(f"{source}: neither a file nor a folder; give one")
    except DataError:
        raise
    except (OSError, ValueError) as error:
        raise DataError(f"{source}: cannot be read ({first_line(error)}); check the name and the permissions") from None
    raise DataError(f"{source}: no such file or folder; {builtin.suggest(source)}")


def _built_in(name: str, source: str, asked: Asked) -> Raw:
    if asked.label_column:
        raise LabelError(f"{source}: a built-in set has its own labels; leave the label column away")
    if asked.group_column:
        raise LabelError(f"{source}: a built-in set has no groups; leave the group column away")
    raw = _marked(builtin.read_builtin(name), asked.marks, source)
    if not at_home(source).exists():
        return raw
    note = f"the built-in set; for what is here under this name give ./{source}"
    return replace(raw, notes=(*raw.notes, note))


def _marked(raw: Raw, marks: Marks, where: str) -> Raw:
    """A built-in set, whose columns have names in tables of numbers alone, as a file of them is read."""
    if not marks or not raw.columns:
        marks.refuse(where)
        return raw
    import pyarrow as pa

    names = [column.name for column in raw.columns]
    table = pa.table(dict(zip(names, np.asarray(raw.x).T)))
    told = samples_of(table, where, Asked("table", marks=marks.among(names, where)))
    return replace(raw, x=told.x, columns=told.columns, ignored=told.ignored, notes=(*raw.notes, *told.notes))


def _of_folder(path: Path, source: str, asked: Asked) -> Raw:
    graph = graphs.find(path)
    if graph is not None:
        return graphs.read_pair(*graph, asked)
    if asked.label_column:
        raise LabelError(f"{source}: a label column is part of a file; of a folder, sub-folders are the labels")
    if asked.group_column:
        file = next((str(file) for file in asked.leave_out), "FILE")
        raise LabelError(
            f"{source}: a group column is part of a table; of a folder, give a file of groups: --groups {file}"
        )
    return read_folder(path, asked)
