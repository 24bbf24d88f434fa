"""Bring samples to the shape that a model was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from attar.data.arrays import build_to_predict
from attar.data.clock import in_doubt, in_order, stray
from attar.data.dataset import CODED, Array, Column, Dataset, Doubles, Floats, on_column
from attar.data.dress import written_otherwise
from attar.data.images import stack
from attar.data.nodes import Nodes
from attar.data.rates import at_one_rate
from attar.data.raw import Raw
from attar.data.tables import can_be_a_number, recode
from attar.data.written import Odd, is_number, looks_like_a_number, meant
from attar.errors import DataError, inflected, listed

# How much wider than those of the model, or higher, an array of images is at most that could be series as well.
_WIDER = 1.5


def conform(
    raw: Raw,
    *,
    kind: str,
    shape: tuple[int, ...],
    columns: Sequence[Column],
    where: str,
    rate: float | None = None,
    whole: bool = False,
) -> Dataset:
    """Check samples to predict and bring them to a model's shape.

    Arguments:
        raw: samples without labels.
        kind: of the model.
        shape: of one raw sample of the model.
        columns: of the model's table, or its channels.
        where: the source that an error names.
        rate: of the model's recordings in Hz, where known.
        whole: leave recordings as long as they are.

    Raises:
        DataError: another kind, another number of channels or columns, or a column is missing.

    >>> raw = Raw(np.array([[1.0, 2.0]]), columns=(Column("b"), Column("a")), kind="table")
    >>> conform(raw, kind="table", shape=(2,), columns=[Column("a"), Column("b")], where="x.csv").x
    array([[2., 1.]], dtype=float32)
    """
    if isinstance(raw.x, Nodes):
        return _graph(raw, kind, shape, columns, where)
    if rate is not None and raw.rate not in (None, rate):
        recordings, _, said, _ = at_one_rate(list(raw.x), [raw.rate] * len(raw.x), rate)
        raw = replace(raw, x=recordings, notes=(*raw.notes, *said))
    elif rate is not None and raw.rate is None:
        blind = (
            f"the model's recordings are sampled at {rate:g} Hz, and these do not tell their rate: taken as they are"
        )
        raw = replace(raw, notes=(*raw.notes, blind))
    if kind == "text":
        if raw.kind not in (None, "text"):
            raise DataError(f"{where}: of kind {raw.kind}; the model takes texts")
        raw = replace(raw, columns=tuple(columns), kind="text", length=shape[0])
    elif kind == "table":
        raw = _match(raw, shape, columns, where)
    elif whole and raw.kind is None and isinstance(raw.x, np.ndarray) and raw.x.shape[:-1] == shape[:1]:
        raw = replace(raw, x=raw.x[None], kind=kind, notes=(*raw.notes, "the array is taken for one recording"))
    elif raw.kind == "series" and kind == "image" and isinstance(raw.x, list):
        # A folder of arrays, which are recordings where nobody says that they are images.
        raw = replace(raw, kind=kind)
    elif raw.kind == kind == "series" and isinstance(raw.x, list) and len(raw.columns) * len(columns) > 1:
        place, unused = places(raw.columns, columns, where)
        raw = replace(raw, x=[one[place] for one in raw.x], notes=(*raw.notes, *unused))
    elif raw.kind is None and isinstance(raw.x, np.ndarray) and raw.x.shape == shape:
        raw = replace(raw, x=raw.x[None], kind=kind, notes=(*raw.notes, "the array is taken for one sample"))
    elif raw.kind is None and kind == "series" and isinstance(raw.x, np.ndarray) and raw.x.shape[1:] == shape[1:]:
        raw = replace(raw, x=raw.x[:, None], kind=kind)
    elif raw.kind is None and isinstance(raw.x, np.ndarray) and raw.x.shape[1:] in (shape, (*shape, 1)):
        # An array that fits is what the model takes, whatever it would have been guessed to be.
        raw = replace(raw, kind=kind)
    elif raw.kind is None and kind == "image" and isinstance(raw.x, np.ndarray) and _as_wide(raw.x.shape[1:], shape):
        raw = replace(raw, kind=kind)
    elif raw.kind == "table" and kind == "series" and shape[0] == 1 and not any(c.categories for c in raw.columns):
        raw = _as_series(raw, shape[1])
    dataset = build_to_predict(raw, where=where)
    if dataset.kind != kind:
        form = " × ".join(map(str, shape))
        raise DataError(
            f"{where}: of kind {dataset.kind} and shape {dataset.x.shape}; the model takes {kind}, each {form}"
        )
    x, notes = dataset.x, list(dataset.notes)
    if kind == "image" and x.shape[1:] != shape:
        resized, more = stack(list(x), shape)
        x, notes = np.asarray(resized, dtype=np.float32), [*notes, *more]
    elif kind == "series" and x.shape[1:] != shape:
        x, more = _fit(x, shape[:1] + x.shape[2:] if whole else shape, where)
        notes += more
    return replace(dataset, x=np.ascontiguousarray(x), notes=tuple(notes))


def _as_wide(given: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether images `(h, w)` have about the proportions of those that a model takes, and may be shrunk to them."""
    return len(given) == 2 and 1 / _WIDER < given[0] * shape[1] / (given[1] * shape[0] or 1) < _WIDER


def _graph(raw: Raw, kind: str, shape: tuple[int, ...], columns: Sequence[Column], where: str) -> Dataset:
    links = raw.x.links if isinstance(raw.x, Nodes) else None
    if kind != "graph":
        raise DataError(f"{where}: a graph; the model takes {kind}, each {' × '.join(map(str, shape))}")
    if links is not None and raw.columns and columns:
        place, notes = places(raw.columns, columns, where)
        x = replace(links, features=links.features[:, place]).all()
        return build_to_predict(replace(raw, x=x, columns=tuple(columns), notes=(*raw.notes, *notes)), where=where)
    features = links.features.shape[1] if links is not None else 0
    if features != shape[0]:
        raise DataError(
            f"{where}: nodes of {features} {inflected(features, 'feature', 'features')}; the model takes {shape[0]}"
        )
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
    for j, column in enumerate(columns):
        source = raw.columns[place[j]]
        cells = np.asarray(x[:, place[j]], dtype=np.float64)
        # In one row alone, a cell is empty more often than a column.
        if len(cells) > 1 and np.isnan(cells).all():
            notes.append(f"column '{column.name}' is empty in all {len(cells):,} rows")
        if column.categories:
            cells, unseen = recode(cells, source.categories, column.categories)
            if unseen:
                are = inflected(unseen, "value is a category", "values are categories")
                notes.append(f"column '{column.name}': {unseen} {are} new to the model: taken as missing")
        elif source.categories and not np.isnan(cells).all():
            cells, said = _numbers(cells, source.categories, column, where)
            # It is not taken as categories where the model has it as numbers.
            notes = [note for note in notes if on_column(note, CODED) != column.name] + said
        elif odd := written_otherwise(source, column):
            row = int(np.argmax(~np.isnan(cells)))
            raise DataError(f"{where}: row {row}, column '{column.name}' {odd}")
        elif source.first and column.first and source.first != column.first:
            notes.append(
                f"column '{column.name}' has the {source.first} first in its dates, where training had the"
                f" {column.first} first"
            )
        values[:, j] = cells
    return replace(raw, x=values, columns=tuple(columns), kind="table", notes=(*notes, *unused))


def _numbers(codes: Doubles, categories: Sequence[str], column: Column, where: str) -> tuple[Doubles, list[str]]:
    """The numbers that the texts of a column of the model are, and a note.

    Raises:
        DataError: some are none, or not written alike.
    """
    # Blanks alone were missing in training.
    rows = [row for row in np.flatnonzero(~np.isnan(codes)).tolist() if categories[int(codes[row])].strip()]
    texts = [categories[int(codes[row])] for row in rows]
    values, name = np.full(len(codes), np.nan), column.name
    if not texts:
        return values, []
    dates = in_order(texts, column.first)
    if dates is not None:
        values[rows] = dates
        return values, [
            f"column '{name}' holds dates like '{texts[0]}': the {column.first} comes first, as in training"
            if column.first
            else f"column '{name}' holds dates: taken as seconds since 1970"
        ]
    odd = stray(list(dict.fromkeys(texts)))
    if odd is not None:
        mend = "write all alike" if odd.otherwise else "mend it, or leave it empty"
        raise DataError(
            f"{where}: row {rows[texts.index(odd.cell)]}, column '{name}' is '{odd.cell}' where the model needs a"
            f" {odd.noun} like '{odd.like}'; {mend}"
        )
    if in_doubt(texts):
        raise DataError(
            f"{where}: column '{name}' holds dates of which the day or the month may come first, like '{texts[0]}';"
            " write them as 2024-12-31"
        )
    found = meant(texts, column)
    if isinstance(found, Odd):
        strange = (text for text in texts if not (looks_like_a_number(text) or can_be_a_number(text)))
        cell = next(strange, found.cell)
        why = found.why
        if column.first and cell == found.cell:
            why = "where the model needs a date; mend it, or leave it empty"
        raise DataError(f"{where}: row {rows[texts.index(cell)]}, column '{name}' is '{cell}' {why}")
    values[rows] = [found[text] for text in texts]
    ways = dict.fromkeys((max(found, key=len), min(found, key=len)))
    said = (
        f"'{way}'" if is_number(way) and float(way) == found[way] else f"'{way}', {found[way]:.15g}," for way in ways
    )
    like = " and ".join(said).rstrip(",")
    return values, [f"column '{name}' is read as numbers: its cells are written like {like}"]


def places(given: Sequence[Column], needed: Sequence[Column], where: str) -> tuple[list[int], list[str]]:
    """Where the columns of the model are among those given, by name, and a note on those that it does not use."""
    place = {column.name: j for j, column in enumerate(given)}
    absent = [column.name for column in needed if column.name not in place]
    if absent:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise DataError(
            f"{where}: no column '{absent[0]}'{more}, which the model needs; it has {', '.join(list(place)[:8])}"
        )
    known = {column.name for column in needed}
    extra = [name for name in place if name not in known]
    are = inflected(len(extra), "column is", "columns are")
    notes = [f"{len(extra)} {are} not used ({listed(extra)})"] if extra else []
    return [place[column.name] for column in needed], notes
