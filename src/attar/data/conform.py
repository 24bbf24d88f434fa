"""Bring samples to the shape that a model was made for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from attar.data.arrays import build_to_predict
from attar.data.clock import in_doubt, moments
from attar.data.dataset import CODED, Array, Column, Dataset, Doubles, Floats, Form, on_column
from attar.data.dress import written_otherwise
from attar.data.images import stack
from attar.data.nodes import Nodes
from attar.data.rates import at_one_rate
from attar.data.raw import Raw
from attar.data.spelling import recode
from attar.data.trained import as_trained, says_nothing
from attar.data.written import Odd, is_number
from attar.errors import DataError, inflected, listed

# How much wider than those of the model, or higher, an array of images is at most that could be series as well.
_WIDER = 1.5


def conform(raw: Raw, form: Form, *, where: str) -> Dataset:
    """Check samples to predict and bring them to a model's shape; recordings to be cut stay as long as they are.

    Arguments:
        raw: samples without labels.
        form: of the model's.
        where: the source that an error names.

    Raises:
        DataError: another kind, another number of channels or columns, or a column is missing.

    >>> raw = Raw(np.array([[1.0, 2.0]]), columns=(Column("b"), Column("a")), kind="table")
    >>> conform(raw, Form("table", (2,), [Column("a"), Column("b")]), where="x.csv").x
    array([[2., 1.]], dtype=float32)
    """
    if isinstance(raw.x, Nodes):
        return _graph(raw, raw.x, form, where)
    kind, shape = form.kind, form.shape
    raw = raw if form.rate is None else _at_rate(raw, form.rate)
    dataset = build_to_predict(_as_kind(raw, form, where), where=where)
    if dataset.kind != kind:
        found = f"of kind {dataset.kind} and shape {dataset.x.shape}"
        raise DataError(f"{where}: {found}; the model takes {kind}, each {' × '.join(map(str, shape))}")
    x, notes = dataset.x, list[str]()
    if kind == "image" and x.shape[1:] != shape:
        resized, notes = stack(list(x), shape)
        x = np.asarray(resized, dtype=np.float32)
    elif kind == "series":
        x, notes = _fit(x, shape if form.stride is None else shape[:1] + x.shape[2:], where)
    return replace(dataset, x=np.ascontiguousarray(x), notes=(*dataset.notes, *notes))


def _at_rate(raw: Raw, rate: float) -> Raw:
    if raw.rate is None:
        note = f"the model's recordings are sampled at {rate:g} Hz, and these do not tell their rate: taken as they are"
        return replace(raw, notes=(*raw.notes, note))
    if raw.rate == rate:
        return raw
    recordings, _, notes, _ = at_one_rate(list(raw.x), [raw.rate] * len(raw.x), rate)
    return replace(raw, x=recordings, notes=(*raw.notes, *notes))


def _as_kind(raw: Raw, form: Form, where: str) -> Raw:
    """The samples as those of the model's kind, where they can be."""
    kind, shape, columns = form.kind, form.shape, form.columns
    if kind == "text":
        if raw.kind not in (None, "text"):
            raise DataError(f"{where}: of kind {raw.kind}; the model takes texts")
        return replace(raw, columns=tuple(columns), kind="text", length=shape[0])
    if kind == "table":
        return _match(raw, shape, columns, where)
    if raw.kind is None and isinstance(raw.x, np.ndarray):
        return _array_as_kind(raw, raw.x, form)
    if raw.kind == "series" and isinstance(raw.x, list):
        if kind == "series" and len(raw.columns) * len(columns) > 1:
            place, unused = places(raw.columns, columns, where)
            return replace(raw, x=[recording[place] for recording in raw.x], notes=(*raw.notes, *unused))
        # A folder of arrays, which are recordings where nobody says that they are images.
        return replace(raw, kind="image") if kind == "image" else raw
    if raw.kind == "table" and kind == "series" and shape[0] == 1 and not any(c.categories for c in raw.columns):
        return _as_series(raw, shape[1])
    return raw


def _array_as_kind(raw: Raw, x: Array, form: Form) -> Raw:
    """An array that fits is what the model takes, whatever it would have been guessed to be."""
    kind, shape = form.kind, form.shape
    if form.stride is not None and x.shape[:-1] == shape[:1]:
        return replace(raw, x=x[None], kind=kind, notes=(*raw.notes, "the array is taken for one recording"))
    if x.shape == shape:
        return replace(raw, x=x[None], kind=kind, notes=(*raw.notes, "the array is taken for one sample"))
    if kind == "series" and x.shape[1:] == shape[1:]:
        return replace(raw, x=x[:, None], kind=kind)
    fits = x.shape[1:] in (shape, (*shape, 1)) or (kind == "image" and _as_wide(x.shape[1:], shape))
    return replace(raw, kind=kind) if fits else raw


def _as_wide(given: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether images `(h, w)` have about the proportions of those that a model takes, and may be shrunk to them."""
    return len(given) == 2 and 1 / _WIDER < given[0] * shape[1] / (given[1] * shape[0] or 1) < _WIDER


def _graph(raw: Raw, nodes: Nodes, form: Form, where: str) -> Dataset:
    links = nodes.links
    if form.kind != "graph":
        raise DataError(f"{where}: a graph; the model takes {form.kind}, each {' × '.join(map(str, form.shape))}")
    if links is not None and raw.columns and form.columns:
        place, notes = places(raw.columns, form.columns, where)
        x = replace(links, features=links.features[:, place]).all()
        raw = replace(raw, x=x, columns=tuple(form.columns), notes=(*raw.notes, *notes))
        return build_to_predict(raw, where=where)
    features, wanted = links.features.shape[1] if links is not None else 0, form.shape[0]
    if features != wanted:
        of = inflected(features, "feature", "features")
        raise DataError(f"{where}: nodes of {features} {of}; the model takes {wanted}")
    return build_to_predict(raw, where=where)


def _as_series(raw: Raw, steps: int) -> Raw:
    """A recording a row; of a single column, as a file of one channel is, one recording."""
    if len(raw.columns) > 1 or steps == 1 or isinstance(raw.x, list):
        return replace(raw, kind="series", columns=())
    note = f"the only column is taken for one recording of {len(raw.x)} steps"
    return replace(raw, x=raw.x.reshape(1, 1, -1), ids=None, kind="series", columns=(), notes=(*raw.notes, note))


def _fit(x: Floats, shape: tuple[int, ...], where: str) -> tuple[Floats, list[str]]:
    channels, steps = shape
    if x.shape[1] != channels:
        raise DataError(f"{where}: {x.shape[1]} channels; the model takes {channels}")
    if x.shape[2] == steps:
        return x, []
    if x.shape[2] > steps:
        lost = int((~np.isnan(x[:, :, steps:])).any(axis=(1, 2)).sum())
        are, their = inflected(lost, "recording is", "recordings are"), inflected(lost, "its", "their")
        note = f"{lost} {are} longer than the model's {steps} steps: {their} end is cut off"
        return x[:, :, :steps], [note] if lost else []
    longer = np.full((len(x), channels, steps), np.nan, dtype=np.float32)
    longer[:, :, : x.shape[2]] = x
    return longer, [f"recordings are shorter than the model's {steps} steps: they are padded"]


def _match(raw: Raw, shape: tuple[int, ...], columns: Sequence[Column], where: str) -> Raw:
    """Order columns as the model has them, and express their categories in its codes."""
    x: Array | list[Array] = raw.x
    if raw.kind not in (None, "table") or isinstance(x, list) or x.ndim != 2:
        found = "recordings of different lengths" if isinstance(x, list) else f"samples of shape {x.shape[1:]}"
        raise DataError(f"{where}: {found}; the model takes a table of {shape[0]} columns")
    if not raw.columns or not columns:
        if x.shape[1] != shape[0]:
            raise DataError(f"{where}: {x.shape[1]} columns; the model takes {shape[0]}")
        return replace(raw, columns=tuple(columns), kind="table")
    place, unused = places(raw.columns, columns, where)
    # What a column that the model does not have was taken for is not so.
    others = {source.name for j, source in enumerate(raw.columns) if j not in place}
    notes = [note for note in raw.notes if on_column(note) not in others]
    values = np.empty((len(x), len(columns)), dtype=np.float64)
    for j, (i, column) in enumerate(zip(place, columns)):
        cells, more = _as_column(np.asarray(x[:, i], dtype=np.float64), raw.columns[i], column, where)
        if not column.categories:
            # It is not taken as categories where the model has it as numbers.
            notes = [note for note in notes if on_column(note, CODED) != column.name]
        notes += more
        values[:, j] = cells
    return replace(raw, x=values, columns=tuple(columns), kind="table", notes=(*notes, *unused))


def _as_column(cells: Doubles, source: Column, column: Column, where: str) -> tuple[Doubles, list[str]]:
    """The cells of one column in the numbers or codes of the model's, and notes."""
    # In one row alone, a cell is empty more often than a column.
    empty = len(cells) > 1 and bool(np.isnan(cells).all())
    notes = [f"column '{column.name}' is empty in all {len(cells):,} rows"] if empty else []
    if column.categories:
        cells, unseen = recode(cells, source.categories, column.categories)
        if unseen:
            are = inflected(unseen, "value is a category", "values are categories")
            notes.append(f"column '{column.name}': {unseen} {are} new to the model: taken as missing")
    elif source.categories:
        cells, more = _numbers(cells, source.categories, column, where)
        notes += more
    elif odd := written_otherwise(source, column):
        row = int(np.argmax(~np.isnan(cells)))
        raise DataError(f"{where}: row {row}, column '{column.name}' {odd}")
    elif source.first and column.first and source.first != column.first:
        notes.append(
            f"column '{column.name}' has the {source.first} first in its dates, where training had the"
            f" {column.first} first"
        )
    return cells, notes


def _numbers(codes: Doubles, categories: Sequence[str], column: Column, where: str) -> tuple[Doubles, list[str]]:
    """The numbers that the texts of a column of the model are, and a note.

    Raises:
        DataError: some are none, or not written alike.
    """
    rows = [row for row in np.flatnonzero(~np.isnan(codes)).tolist() if not says_nothing(categories[int(codes[row])])]
    texts = [categories[int(codes[row])] for row in rows]
    values, name = np.full(len(codes), np.nan), column.name
    if not texts:
        return values, []
    found = as_trained(texts, column)
    if isinstance(found, Odd):
        raise DataError(f"{where}: row {rows[texts.index(found.cell)]}, column '{name}' is '{found.cell}' {found.why}")
    values[rows] = [found[text] for text in texts]
    moment = moments(texts[:1]).get(texts[0])
    if moment is None:
        return values, [f"column '{name}' is read as numbers: its cells are written like {_examples(found)}"]
    if in_doubt(texts):
        return values, [
            f"column '{name}' holds dates like '{texts[0]}': the {column.first} comes first, as in training"
        ]
    since = " since 1970" if moment.noun == "date" else ""
    return values, [f"column '{name}' holds {moment.noun}s: taken as seconds{since}"]


def _examples(numbers: Mapping[str, float]) -> str:
    """The longest and the shortest cell, with their numbers where these are not written as they are in code."""
    cells = dict.fromkeys((max(numbers, key=len), min(numbers, key=len)))
    shown = (
        f"'{cell}'" if is_number(cell) and float(cell) == numbers[cell] else f"'{cell}', {numbers[cell]:.15g},"
        for cell in cells
    )
    return " and ".join(shown).rstrip(",")


def places(given: Sequence[Column], needed: Sequence[Column], where: str) -> tuple[list[int], list[str]]:
    """Where the columns of the model are among those given, by name, and a note on those that it does not use."""
    place = {column.name: j for j, column in enumerate(given)}
    # Tables in memory keep blanks around names, which files lose.
    bare = {name.strip(): name for name in place}
    wanted = [one.name if one.name in place else bare.get(one.name.strip(), one.name) for one in needed]
    absent = [name for name in wanted if name not in place]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise DataError(
            f"{where}: no column '{absent[0]}'{more}, which the model needs; it has {', '.join(list(place)[:8])}"
        )
    known = {*wanted}
    extra = [name for name in place if name not in known]
    are = inflected(len(extra), "column is", "columns are")
    notes = [f"{len(extra)} {are} not used ({listed(extra)})"] if extra else []
    return [place[name] for name in wanted], notes
