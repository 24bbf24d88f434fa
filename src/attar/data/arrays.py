"""Arrays, lists and DataFrames in; and the checks that every source passes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from attar.data import checks, graphs
from attar.data.copies import copied, copies, duplicates
from attar.data.dataset import Array, Column, Dataset, Floats, Ints, Strings, is_missing
from attar.data.files import samples_of, table_of
from attar.data.groups import joined, numbered, seen_in_training
from attar.data.held import are_rows, plain, spelt
from attar.data.images import CHANNELS
from attar.data.labels import encode_labels, in_utf8
from attar.data.nodes import Nodes
from attar.data.placeholders import placeholders
from attar.data.raw import Raw, RawLabels
from attar.data.texts import are_texts, refuse_names, tokenize
from attar.data.windows import told
from attar.data.written import holds_a_typing_error
from attar.errors import DataError, LabelError, first_line, inflected

KINDS = ("image", "series", "table", "text", "graph")
_LEAST_SIDE = 5


def from_arrays(
    x: Any,
    y: RawLabels | None = None,
    *,
    kind: str | None = None,
    ids: Sequence[object] | None = None,
    groups: RawLabels | None = None,
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
    raw = replace(as_raw(x, y, ids, kind), groups=_in_order(groups, "groups", DataError))
    return build(raw, where="x", kind=kind, centre=centre)


def as_raw(x: Any, y: RawLabels | None = None, ids: Sequence[object] | None = None, kind: str | None = None) -> Raw:
    """Take what Python holds, unchecked, for `build`.

    Raises:
        DataError: `x` is no array, no list of series and no table, or `ids` are no list; LabelError: `y` is none.

    >>> as_raw([[1, 2], [3, 4]]).x.shape
    (2, 2)
    """
    names = None if ids is None else [str(name) for name in _in_order(ids, "ids", DataError)]
    y = _in_order(y, "y", LabelError)
    labels = np.asarray(plain(y)) if hasattr(y, "__array__") else y
    if graphs.is_graph(x):
        return graphs.from_object(x, labels, names)
    if are_rows(x):
        x = table_of(x, "x")
    if hasattr(x, "__arrow_c_stream__") or type(x).__module__.partition(".")[0] == "pandas":
        return _from_frame(x, labels, names, kind)
    graphs.refuse_other_graphs(x)
    if kind is None:
        refuse_names(x)
    if are_texts(x) or (kind == "text" and isinstance(x, list | tuple)):
        return Raw(np.array(x, dtype=object), labels, ids=names, columns=(Column("text"),), kind="text")
    array = _as_array(x)
    if kind is None and isinstance(array, np.ndarray) and array.shape[1:] == (1,):
        cells = array[:, 0].tolist()
        # Where they are numbers but for a typing error, it is the error that has to be told.
        if are_texts(cells) and not holds_a_typing_error([str(cell) for cell in set(cells)]):
            return Raw(np.array(cells, dtype=object), labels, ids=names, columns=(Column("text"),), kind="text")
    return Raw(array, labels, ids=names)


def _in_order(given: Any, what: str, error: type[DataError]) -> Any:
    """Labels, ids or groups, where they are several, one after the other."""
    several = hasattr(given, "__len__") and not isinstance(given, str | bytes | dict | set | frozenset)
    if given is None or (several and getattr(given, "shape", None) != ()):
        return given
    raise error(f"{what}: of type {type(given).__name__}; give a list or an array, with one for each sample")


def _from_frame(x: Any, y: RawLabels | None, ids: list[str] | None, kind: str | None) -> Raw:
    import pyarrow as pa

    if getattr(x, "ndim", 2) == 1:
        return _from_column(x, x, y, ids, kind)
    try:
        if type(x).__module__.partition(".")[0] == "pandas":
            # Names that are numbers are common, and Arrow warns of them.
            x = _spelt(x.set_axis([str(name) for name in x.columns], axis=1))
            table = pa.Table.from_pandas(x, preserve_index=False)
        else:
            table = pa.table(x)
    except (pa.ArrowException, ValueError, TypeError) as error:
        try:
            cells = pa.chunked_array(x).to_pylist()
        except (pa.ArrowException, ValueError, TypeError):
            raise DataError(f"x: {_complaint(x, error)}") from None
        return _from_column(x, cells, y, ids, kind)
    return replace(samples_of(table, kind, "x"), y=y, ids=ids)


def _from_column(x: Any, cells: Any, y: RawLabels | None, ids: list[str] | None, kind: str | None) -> Raw:
    """The texts of a column of a DataFrame."""
    if kind is None:
        refuse_names(cells)
    if kind not in (None, "text") or not are_texts(cells):
        raise DataError("x: one column only; give a DataFrame, or an array of shape (n, 1)")
    name = str(getattr(x, "name", None) or "text")
    return Raw(np.array(cells, dtype=object), y, ids=ids, columns=(Column(name),), kind="text")


def _spelt(x: Any) -> Any:
    """A DataFrame whose categories are texts, as a prediction spells them: intervals and dates are others in Arrow."""
    x = x.copy(deep=False)
    for j, kind in enumerate(x.dtypes):
        if hasattr(kind, "categories"):
            texts = [spelt(one) for one in np.asarray(kind.categories, dtype=object)]
            x.isetitem(j, x.iloc[:, j].cat.rename_categories(texts))
    return x


def _complaint(x: Any, error: Exception) -> str:
    """Find the cell that Arrow would not take: it says what it is, but not where."""
    names = list(getattr(x, "columns", ()))
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        return f"two columns are called '{twice}'; rename one"
    for name in names:
        cells = {i: cell for i, cell in enumerate(x[name]) if not is_missing(cell)}
        texts = [i for i, cell in cells.items() if isinstance(cell, str)]
        if 0 < len(texts) < len(cells):
            return (
                f"row {texts[0]}, column '{name}' is '{cells[texts[0]]}' among numbers; make the column all numbers or"
                " all text"
            )
    return f"not a table of numbers, texts and dates ({first_line(error)}); convert its columns"


def _as_array(x: Any) -> Array | list[Array]:
    x = plain(x)
    ragged = isinstance(x, (list, tuple)) or (isinstance(x, np.ndarray) and x.dtype == object and x.ndim == 1)
    if ragged and len(x) and all(hasattr(item, "__len__") and not isinstance(item, (str, bytes)) for item in x):
        items = [np.asarray(item) for item in x]
        return items if len({item.shape for item in items}) > 1 else np.stack(items)
    try:
        return np.asarray(x)
    except (ValueError, TypeError) as error:
        raise DataError(f"x: not an array ({error}); give an array, a list of series or a DataFrame") from None


def build(raw: Raw, *, where: str, kind: str | None = None, learn: bool = True, centre: bool = False) -> Dataset:
    """Check what a reader found and make the dataset of it.

    Arguments:
        raw: the samples.
        where: the file or argument that an error names.
        kind: overrides the guess.
        learn: False for samples to predict, which may be constant, repeated or lack a whole column.
        centre: whether columns of a table that float32 would blur are brought near zero, and no note speaks of what is
            judged together: where no model is made.

    Raises:
        DataError, LabelError: as `from_arrays`.
    """
    notes, windows, alike = list(raw.notes), None, None
    kind = kind or raw.kind
    guessed = kind is None
    if kind is not None and kind not in KINDS:
        raise DataError(f"{where}: kind '{kind}' is unknown; it is one of {', '.join(KINDS)}")
    n = len(raw.x) if isinstance(raw.x, list) or raw.x.ndim else 0
    if raw.ids is not None and len(raw.ids) != n:
        raise DataError(f"{where}: {n} samples but {len(raw.ids)} ids; give one for each")
    ids = [str(i) for i in range(n)] if raw.ids is None else list(map(in_utf8, raw.ids))
    if kind == "text":
        return _texts(raw, ids, notes, where, judged=not centre)
    if isinstance(raw.x, list) and kind == "image" and len({one.shape for one in raw.x}) == 1:
        x, kind = _arrange(np.stack(raw.x), kind, where)
    elif isinstance(raw.x, list):
        if kind in ("image", "table"):
            raise DataError(f"{where}: samples of different sizes make no {kind}; bring them to one size")
        x, kind = pad(raw.x, ids, where), "series"
    elif isinstance(raw.x, Nodes):
        if kind not in (None, "graph"):
            raise DataError(f"{where}: a graph, and not of kind {kind}; leave the kind away")
        x, kind = raw.x, "graph"
    elif kind == "graph":
        raise DataError(f"{where}: samples without edges make no graph; give an edge_index as well")
    else:
        x, kind = _arrange(raw.x, kind, where)
    text = next((column.name for column in raw.columns if column.categories), None)
    if kind != "table" and text is not None:
        raise DataError(f"{where}: column '{text}' holds texts, which make no {kind}; leave it out")
    if guessed and kind == "image" and x.ndim == 3 and not _is_of_pixels(x):
        notes.append("square samples are taken for images; if they are series, give their kind")
    # The columns of a table that is taken for series are steps, and those of recordings channels.
    channels = raw.columns if kind == "series" and isinstance(raw.x, list) else ()
    columns = raw.columns if kind in ("table", "graph") else channels
    if kind == "table" and not columns:
        columns = tuple(Column(f"x{j}") for j in range(x.shape[1]))
    if isinstance(x, Nodes):
        values: Floats = x
        if x.links is not None:
            notes += [*x.links.notes, *checks.features(x.links.features, where)] if learn else x.links.notes
    elif learn:
        x = checks.numeric(x, kind, ids, columns, where)
        if kind == "table" and raw.columns:
            x, columns, found = checks.without_empty(x, columns)
            notes += found
        if kind == "table":
            notes += [*placeholders(x, columns), *checks.dates_as_numbers(x, columns)]
        if kind == "table" and centre:
            x, found = checks.centred(x, columns)
            notes += found
        values, found = checks.to_float32(x, kind, ids, columns, where, raw.test)
        # What float32 alone makes equal is no copy.
        near_zero, blurred = checks.centred(x, columns) if kind == "table" else (x, [])
        exact: Floats = np.asarray(near_zero, dtype=np.float32) if blurred else values
        first = copies(exact)
        alike = copied(exact, first)
        together = alike is not None and not centre
        notes += [*found, *checks.missing(values, kind), *duplicates(first, raw.test, together=together)]
        if kind == "series":
            windows, found = told(values, first, raw.test, judged=not centre)
            notes += found
    else:
        values = checks.cast(checks.numeric(x, kind, ids, columns, where), kind, ids, columns, where)
        notes += checks.missing(values, kind)
    y, classes = _labels(raw, n, where, notes)
    if len(set(ids)) < n:
        notes.append("some ids are given to more than one sample")
    names: Strings = np.array(ids, dtype=np.str_)
    called = tuple(column.name for column in channels)
    columns = () if channels else columns
    dataset = Dataset(kind, values, y, classes, names, columns, raw.test, tuple(notes), called, windows, rate=raw.rate)
    if alike is not None:
        dataset = replace(dataset, groups=alike, group_names=("",) * (int(alike.max()) + 1))
    return dataset if raw.groups is None else with_groups(dataset, raw.groups, where, judged=not centre)


def _labels(raw: Raw, n: int, where: str, notes: list[str]) -> tuple[Ints, tuple[str, ...]]:
    if raw.y is not None and len(raw.y) != n:
        raise LabelError(f"{where}: {n} samples but {len(raw.y)} labels; give one for each, -1 or empty where unknown")
    y, classes = encode_labels([None] * n if raw.y is None else raw.y, exact=raw.exact, where=where)
    if raw.test is not None:
        notes += _only_in_test(y, classes, raw.test)
    return y, classes


def _texts(raw: Raw, ids: Sequence[str], notes: list[str], where: str, *, judged: bool) -> Dataset:
    """The part of `build` that is another one for texts: they are no numbers."""
    if isinstance(raw.x, list) or raw.x.dtype.kind not in "OUT" or raw.x.size != len(ids) or not len(ids):
        shape = "of different lengths" if isinstance(raw.x, list) else f"{raw.x.dtype} of shape {raw.x.shape}"
        raise DataError(f"{where}: {shape} is no list of texts; give strings, one per sample")
    x, column, found = tokenize(raw.x, raw.columns, raw.test, where, raw.length)
    notes += found if raw.length is not None else [*found, *duplicates(copies(x), raw.test)]
    y, classes = _labels(raw, len(x), where, notes)
    dataset = Dataset("text", x, y, classes, np.array(ids, dtype=np.str_), (column,), raw.test, tuple(notes))
    return dataset if raw.groups is None else with_groups(dataset, raw.groups, where, judged=judged)


def _only_in_test(y: Ints, classes: Sequence[str], test: Ints) -> list[str]:
    only = sorted(set(y[test].tolist()) - set(np.delete(y, test).tolist()))
    names = ", ".join(f"'{classes[code]}'" for code in only if code >= 0)
    return [f"classes that only the test part has, and no model can learn: {names}"] if names else []


def pad(x: Sequence[Array], ids: Sequence[str], where: str) -> Array:
    """Pad recordings of different lengths with NaN at their end.

    Arguments:
        x: recordings `(steps,)` or `(channels, steps)`.
        ids: their names.
        where: the file or argument that an error names.

    Returns:
        Series `(n, channels, steps)`, steps those of the longest.

    Raises:
        DataError: the recordings have different numbers of channels, or none has a step.

    >>> pad([np.array([1.0]), np.array([1.0, 2.0])], ["a", "b"], "x")[:, 0]
    array([[ 1., nan],
           [ 1.,  2.]])
    """
    items = [item[None] if item.ndim == 1 else item for item in x]
    for i, item in enumerate(items):
        if item.ndim != 2:
            raise DataError(f"{where}: recording {ids[i]} has shape {item.shape}; give (steps,) or (channels, steps)")
        if item.shape[0] != items[0].shape[0]:
            raise DataError(
                f"{where}: recording {ids[i]} has {item.shape[0]} channels where {ids[0]} has {items[0].shape[0]};"
                " give all the same channels; images, in one size and with the kind image"
            )
    steps = max(item.shape[1] for item in items)
    if steps == 0 or items[0].shape[0] == 0:
        raise DataError(f"{where}: the recordings are empty; give at least one step and one channel")
    # Sounds are float32 already, and many.
    kind = np.float32 if all(item.dtype == np.float32 for item in items) else np.float64
    result = np.full((len(items), items[0].shape[0], steps), np.nan, dtype=kind)
    for i, item in enumerate(items):
        item = checks.numeric(item[None], "series", ids, (), where, first=i)[0]
        result[i, :, : item.shape[1]] = item
    return result


def _arrange(x: Array, kind: str | None, where: str) -> tuple[Array, str]:
    """Guess the kind, and give series their axis of channels."""
    if x.ndim < 2:
        raise DataError(f"{where}: shape {x.shape}; give samples along the first axis, one feature alone as (n, 1)")
    if 0 in x.shape:
        raise DataError(f"{where}: empty, of shape {x.shape}; give at least one sample and one feature")
    if kind is None:
        square = x.ndim == 3 and x.shape[1] == x.shape[2] >= _LEAST_SIDE
        kinds = {2: "table", 3: "image" if _is_of_pixels(x) or square else "series", 4: "image"}
        if x.ndim not in kinds:
            raise DataError(f"{where}: {x.ndim} axes, of shape {x.shape}; give a table, series or images")
        kind = kinds[x.ndim]
    if kind == "series" and x.ndim == 2:
        x = x[:, None]
    wanted = {"table": (2,), "series": (3,), "image": (3, 4)}[kind]
    if x.ndim not in wanted:
        form = {"table": "(n, features)", "series": "(n, channels, steps)", "image": "(n, h, w) or (n, h, w, c)"}[kind]
        raise DataError(f"{where}: shape {x.shape} is no {kind}; give {form}")
    if x.ndim == 4 and x.shape[3] > CHANNELS:
        hint = "; the colours come last: give x.transpose(0, 2, 3, 1)" if x.shape[1] <= CHANNELS else ""
        raise DataError(f"{where}: images of {x.shape[3]} colours, of shape {x.shape}{hint or '; give at most 4'}")
    return x, kind


def _is_of_pixels(x: Array) -> bool:
    """Whether samples are whole numbers of 8 or 16 bits without a sign, in either order of their bytes."""
    return x.dtype.kind == "u" and x.dtype.itemsize <= 2


def with_labels(dataset: Dataset, labels: RawLabels, where: str) -> Dataset:
    """Replace the labels of a dataset."""
    y, classes = encode_labels(labels, where=where)
    found = [] if dataset.test is None else _only_in_test(y, classes, dataset.test)
    return replace(dataset, y=y, classes=classes, notes=(*dataset.notes, *found))


def with_groups(dataset: Dataset, groups: RawLabels, where: str, *, judged: bool = True) -> Dataset:
    """Say which samples of a dataset belong together; arguments and errors as `groups.numbered`.

    Where nothing is `judged`, as samples are looked at alone, no note speaks of it.
    """
    given, names, notes = numbered(groups, len(dataset), where)
    if dataset.groups is not None and not dataset.grouped:
        # Copies that lie in several groups make one of them.
        both = joined(given, dataset.groups)
        if len(np.unique(both)) < 2:
            return replace(dataset, notes=(*dataset.notes, f"{where}: copies lie in all groups, and count for groups"))
        first = np.unique(both, return_index=True)[1]
        if len(first) < len(names):
            notes.append(
                f"{len(names) - len(first):,} of {len(names):,} groups share copies with others, and are taken together"
            )
        given, names = both, tuple(names[given[i]] for i in first)
    of = inflected(len(names), "group", "groups")
    notes = [
        f"the samples are of {len(names):,} {of}" + ": those of one are judged together" * judged,
        *notes,
        *seen_in_training(given, dataset.test, "of groups"),
    ]
    return replace(dataset, groups=given, group_names=names, notes=(*dataset.notes, *notes))
