"""From raw samples, in whatever array a person has them, to the inputs of the ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from attar.data.clock import seconds
from attar.data.dataset import Array, Column, Doubles, Floats, Ints, is_missing
from attar.data.graphs import as_nodes, is_graph
from attar.data.held import Rows, cells, framed, names
from attar.data.images import CHANNELS, resize
from attar.data.nodes import neighbourhood
from attar.data.spelling import spelling
from attar.data.texts import TEXT_NAMES
from attar.data.tokens import Tokenizer
from attar.data.trained import as_trained
from attar.data.written import Odd
from attar.errors import DataError, ModelError

Feed: TypeAlias = Mapping[str, Array]
_Any: TypeAlias = npt.NDArray[Any]


def numbers(X: object, shape: tuple[int, ...]) -> Floats:
    """Return `X` as float32 `(n, *shape)`.

    Raises:
        ModelError: it has another shape, or is not made of finite numbers and NaN.
    """
    return _finite(_shaped(X, shape))


def images(X: object, shape: tuple[int, ...]) -> Floats:
    """Return images as float32 `(n, *shape)`; those of another size are resized, as `attar predict` does.

    Arguments:
        X: an array `(n, h, w)` or `(n, h, w, c)`, or a list of images of different sizes.
        shape: of the images that the model takes.

    Raises:
        ModelError: as `numbers`; also where the number of channels differs.
    """
    if isinstance(X, np.ndarray) and (not X.ndim or X.shape[1:] == shape):
        return numbers(X, shape)
    each = list(X) if isinstance(X, np.ndarray | list | tuple) else []
    if all(_is_image(one, shape) for one in each) and any(one.shape != shape for one in each):
        X = np.stack([resize(_floats(one), *shape[:2]) for one in each])
    return numbers(X, shape)


def _is_image(one: object, shape: tuple[int, ...]) -> bool:
    """Whether it is one as those of this shape, but for its size."""
    if not isinstance(one, np.ndarray) or one.dtype.kind not in "biuf" or one.ndim != len(shape) or not one.size:
        return False
    # So narrow, it is a row of a colour image.
    return bool(one.shape[2:] == shape[2:]) and (one.ndim == 3 or one.shape[1] > CHANNELS)


def _shaped(X: object, shape: tuple[int, ...]) -> Floats:
    array = _floats(X)
    if array.shape[1:] != shape or array.ndim == 0:
        wanted = f"(n, {', '.join(map(str, shape))})"
        raise ModelError(
            f"the samples have shape {array.shape} and the model wants {wanted}: one sample alone has n = 1"
        )
    return array


def series(X: object, shape: tuple[int, int]) -> Floats:
    """Return `X` as float32 `(n, channels, steps)`: shorter series end in NaN, longer ones are cut.

    Raises:
        ModelError: a series has other channels, or holds an infinite value.
    """
    channels, steps = shape
    if not isinstance(X, list | tuple):
        array = _floats(X)
        if array.ndim != 3 or array.shape[1:] == shape:
            return numbers(array, shape)
        X = list(array)
    result = np.full((len(X), channels, steps), np.nan, dtype=np.float32)
    for i, one in enumerate(map(_floats, X)):
        if one.ndim != 2 or one.shape[0] != channels:
            raise ModelError(f"series {i} has shape {one.shape} and the model wants ({channels}, {steps})")
        result[i, :, : one.shape[1]] = one[:, :steps]
    return _finite(result)


def graph(X: object, features: int, hops: int) -> tuple[Feed, Ints]:
    """Return the features "x" `(k, features)` and edges "edge_index" `(2, m)` of nodes and all that is around them.

    Arguments:
        X: nodes of a graph, or a whole one, as `attar.data.graphs.as_nodes` takes it.
        features: of a node.
        hops: how far around a node the graph has an influence on it.

    Returns:
        The feed, and in which of its rows each node of `X` is `(n,)`.

    Raises:
        ModelError: it is no graph, one that is not whole, or its nodes have other features.
    """
    if not is_graph(X):
        raise ModelError("the model takes a graph: an object with features x and edges edge_index")
    try:
        nodes = as_nodes(X)
    except DataError as error:
        raise ModelError(str(error)) from None
    links = nodes.links
    if links is None or links.features.shape[1] != features:
        found = 0 if links is None else links.features.shape[1]
        raise ModelError(f"the nodes have {found} features and the model wants {features}")
    seeds, place = np.unique(np.asarray(nodes, dtype=np.int64), return_inverse=True)
    around, edges = neighbourhood(links, seeds, [None] * hops, np.random.default_rng(0))
    return {"x": links.features[around], "edge_index": edges}, place.reshape(-1)


def texts(X: Any, tokenizer: Tokenizer, length: int, name: str = "") -> Feed:
    """Return the token ids of texts as int64 "input_ids" `(n, length)`, padded at the end.

    Arguments:
        X: strings `(n,)` or `(n, 1)`, None where missing, as a list, an array, a DataFrame or a column of it; or token
            ids `(n, length)` of this tokenizer, NaN after the end.
        tokenizer: of the model.
        length: in tokens; what is longer is cut.
        name: of the column of texts, where a DataFrame has several; where it has none of that name and this is a usual
            one, such as that of texts which had none, the first of another usual name is taken.

    Raises:
        ModelError: neither texts nor ids that are whole numbers from 0, or a table without such a column.
    """
    if isinstance(X, str):
        raise ModelError("one text alone: give a list of strings, even of one")
    frame = framed(X)
    if frame is not None and len(names(frame)) > 1:
        (X,) = _called(frame, [Column(_of_texts([str(one) for one in names(frame)], name))])
    elif isinstance(frame, Rows):
        X = cells(frame, 0, category=True)
    array = np.asarray(X, dtype=object) if isinstance(X, list | tuple) else np.asarray(X)
    if array.dtype.kind in "OUT" and array.shape[1:] == (1,):
        array = array[:, 0]
    if array.dtype.kind in "biuf" and array.ndim == 2:
        ids = numbers(array, (length,))
        wrong = ~np.isnan(ids) & ((ids != np.round(ids)) | (ids < 0))
        if wrong.any():
            row = np.argwhere(wrong)[0, 0]
            raise ModelError(f"sample {row}: {ids[row][wrong[row]][0]:g} is no token id: give whole numbers, or texts")
    elif array.ndim == 1 and array.dtype.kind in "OUTS":
        odd = next((cell for cell in array.tolist() if not isinstance(cell, str) and not is_missing(cell)), None)
        if odd is not None:
            raise ModelError(
                f"a sample is of type {type(odd).__name__}: give texts as strings, None where one is missing"
            )
        ids = tokenizer.encode([c.strip() if isinstance(c, str) else "" for c in array.tolist()], length)
    else:
        raise ModelError(f"the samples have shape {array.shape} and the model wants texts: give a list of strings")
    return {"input_ids": np.where(np.isnan(ids), tokenizer.pad, ids).astype(np.int64)}


def _of_texts(found: Sequence[str], name: str) -> str:
    """The name of the column of texts."""
    usual = [one for one in found if one.lower() in TEXT_NAMES] if name in TEXT_NAMES else []
    if name not in found and not usual:
        raise ModelError(f"the table has no column {name!r}: call that of the texts so, or give it alone")
    return name if name in found else usual[0]


def table(X: Any, columns: Sequence[Column], features: int) -> Feed:
    """Return the numeric columns as "x" and the categorical ones as strings "categories".

    Arguments:
        X: a DataFrame of pandas or polars, or a table of Arrow, whose columns are found by name; or `(n, features)`:
            objects or strings as a person writes them, or numbers with the code of the category in categorical columns.
        columns: of the model; empty where all are numeric and have no names.
        features: number of columns.

    Raises:
        ModelError: a column is missing or there twice, or a numeric one holds something else or an infinite value.
    """
    frame = framed(X)
    if frame is not None:
        return _split(_called(frame, columns), columns, coded=False) if columns else {"x": numbers(X, (features,))}
    array = np.asarray(X)
    if array.dtype.kind in "biuf" or not columns:
        array = _shaped(array, (features,))
        if all(not column.categories for column in columns):
            return {"x": _finite(array)}
    elif array.ndim != 2 or array.shape[1] != features:
        raise ModelError(
            f"the table has shape {array.shape} and the model wants (n, {features}): one column per feature"
        )
    return _split(list(array.T), columns, coded=array.dtype.kind in "biuf")


def _called(frame: Any, columns: Sequence[Column]) -> list[_Any]:
    """The columns of a table of the names of those of the model; by position where training had invented the names.

    Raises:
        ModelError: there is none of a name, or more than one.
    """
    found, wanted = [str(name) for name in names(frame)], [column.name for column in columns]
    if wanted == [f"x{j}" for j in range(len(wanted))] and not set(wanted) & set(found):
        if len(found) != len(wanted):
            raise ModelError(
                f"the table has {len(found)} columns and the model wants {len(wanted)}, which had no names in training:"
                " give those alone, in that order"
            )
        found = wanted
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ModelError(f"the table has no column {', '.join(map(repr, missing))}: name its columns as in training")
    twice = next((name for name in wanted if found.count(name) > 1), None)
    if twice is not None:
        raise ModelError(f"two columns of the table are called {twice!r}; rename one")
    try:
        return [cells(frame, found.index(column.name), category=bool(column.categories)) for column in columns]
    except DataError as error:
        raise ModelError(str(error)) from None


def _split(values: Sequence[_Any], columns: Sequence[Column], coded: bool) -> Feed:
    feed: dict[str, Array] = {}
    numeric = [_number_column(v, column) for v, column in zip(values, columns) if not column.categories]
    read = _decoded if coded else _strings
    strings = [read(v, column) for v, column in zip(values, columns) if column.categories]
    if numeric:
        feed["x"] = np.ascontiguousarray(np.stack(numeric, axis=1))
    if strings:
        feed["categories"] = np.ascontiguousarray(np.stack(strings, axis=1))
    return feed


def _floats(X: object) -> Floats:
    try:
        array = np.asarray(X)
        if array.dtype.kind in "biuf" or (array.dtype.kind == "O" and not _holds_text(array)):
            with np.errstate(over="ignore"):  # what becomes infinite is refused once its place is known
                return np.ascontiguousarray(array, dtype=np.float32)
    except OverflowError:
        raise ModelError("a whole number among the samples is too large for float32: mend it") from None
    except (TypeError, ValueError):
        raise ModelError("the samples are not one array of numbers: give all of them the same shape") from None
    raise ModelError("the samples are not numbers: give an array of int or float, NaN where a value is missing")


def _finite(x: Floats, which: str = "sample") -> Floats:
    """The samples `(n, …)` as they are.

    Raises:
        ModelError: a value is infinite.
    """
    infinite = np.isinf(x)
    if infinite.any():
        row = np.argwhere(infinite)[0, 0]
        raise ModelError(
            f"{which} {row}: a value is infinite, or too large for float32: mend it, or make it NaN where it is unknown"
        )
    return x


def _number_column(values: _Any, column: Column) -> Floats:
    if values.dtype.kind in "Mm":  # in training too, dates were seconds since 1970
        since = values.astype("datetime64[us]" if values.dtype.kind == "M" else "timedelta64[us]")
        values = np.where(np.isnat(values), np.nan, since.astype(np.int64) / 1e6)
    elif values.dtype.kind not in "biuf":
        values = _written_values(values, column)
    with np.errstate(over="ignore"):
        return _finite(values.astype(np.float32), f"column {column.name!r}, row")


def _written_values(values: _Any, column: Column) -> Doubles:
    """The numbers of cells some of which are no numbers: texts, dates or times."""
    found = as_trained([value for value in values if isinstance(value, str)], column)
    if isinstance(found, Odd):
        row = next(i for i, value in enumerate(values) if isinstance(value, str) and value == found.cell)
        raise ModelError(f"column {column.name!r}, row {row} is '{found.cell:.40}' {found.why}")
    result = np.empty(len(values))
    for row, value in enumerate(values):
        try:
            result[row] = found[value] if isinstance(value, str) else _number(value)
        except (TypeError, ValueError):
            raise ModelError(
                f"column {column.name!r}, row {row} is {value!r:.40} where the model needs a number; mend it"
            ) from None
    return result


def _number(value: Any) -> float:
    if is_missing(value):
        return np.nan
    try:
        return float(value)
    except OverflowError:  # of a whole number of Python's, and refused as infinite
        return np.inf
    except (TypeError, ValueError):
        return seconds(value)


def _strings(values: _Any, column: Column) -> _Any:
    spelt = spelling(column.categories)
    return np.array(["" if is_missing(value) else spelt(value) for value in values], dtype=object)


def _decoded(codes: Floats, column: Column) -> _Any:
    missing, size = np.isnan(codes), len(column.categories)
    wrong = np.flatnonzero(~missing & ((codes != np.round(codes)) | (codes < 0) | (codes >= size)))
    if wrong.size:
        raise ModelError(
            f"column {column.name!r}, row {wrong[0]}: {codes[wrong[0]]:g} is not a code of its {size} categories: "
            "give the categories as strings"
        )
    known = np.array([*column.categories, ""], dtype=object)
    return known[np.where(missing, size, codes).astype(np.int64)]


def _holds_text(array: _Any) -> bool:
    return any(isinstance(value, str | bytes) for value in array.flat)
