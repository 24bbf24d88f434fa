"""Samples as estimators take them: held to scikit-learn's rules, on any number of axes up to four, all of one shape."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_array, validate_data

from attar.data.checks import coarse, extremes
from attar.data.dataset import Column
from attar.data.graphs import is_graph
from attar.data.held import cells, framed, names, plain
from attar.data.nodes import Links, Nodes
from attar.data.texts import are_texts
from attar.errors import DataError
from attar.kinds import name_by_axes, with_channel

# A table has one axis per sample, a recording two, an image two or three.
_AXES = 4
_AS_KIND = (
    "d.x of d = attar.data.arrays.from_arrays(X), and what takes a kind kind=attar.kinds.of('{}').learn(d.x, d.columns)"
)


def as_floats(estimator: Any, X: npt.ArrayLike, **options: Any) -> npt.NDArray[Any]:
    """Samples as an array of floats, with any number of axes up to four.

    Arguments:
        estimator: that an error names.
        X: `(n, features)`, `(n, channels, steps)`, `(n, h, w)` or `(n, h, w, c)`.
        options: of `sklearn.utils.check_array`.

    Raises:
        ValueError: not numeric, infinite, empty or of another number of axes; a graph rather than its nodes.
    """
    x: npt.NDArray[Any]
    X = plain(X)
    if is_graph(X) and not isinstance(X, np.ndarray):
        raise DataError("X is a graph; give its nodes, attar.data.arrays.from_arrays(X).x")
    # A float64 value beyond float32 becomes infinite, which the check itself then refuses by name.
    with np.errstate(over="ignore"):
        try:
            x = check_array(X, allow_nd=True, estimator=estimator, input_name="X", **options)
        except (ValueError, TypeError):
            if remedy := _remedy(X):
                raise DataError(remedy) from None
            raise
    if x.ndim > _AXES or x[:1].size == 0:
        raise DataError(
            f"X has shape {x.shape}; give samples that hold at least one value on at most {_AXES - 1} axes: "
            "(n, features), (n, channels, steps), (n, h, w) or (n, h, w, c)"
        )
    return x


def _remedy(X: Any) -> str:
    """What to do with samples that are no array of numbers yet, but that a `Learner` would take; "" for others."""
    if getattr(X, "ndim", 1) == 1 and are_texts(X):
        return f"X holds texts; give their token ids, {_AS_KIND.format('text')}"
    frame = framed(X)
    if frame is not None:
        read = ((name, cells(frame, j, category=False)) for j, name in enumerate(names(frame)))
        other = [str(name) for name, values in read if not _are_numbers(values)]
        of = ", ".join(map(repr, other[:3])) + (f" and {len(other) - 3} more" if len(other) > 3 else "")
        return (
            f"X has columns that are no numbers ({of}); give their codes, {_AS_KIND.format('table')}" if other else ""
        )
    shapes = {np.shape(x) for x in X if isinstance(x, np.ndarray)} if isinstance(X, list | tuple) else set()
    if len(shapes) > 1:
        return (
            f"X holds samples of {len(shapes)} shapes; of series of different lengths give "
            "attar.data.arrays.from_arrays(X).x, which pads them with NaN"
        )
    return ""


def _are_numbers(values: npt.NDArray[Any]) -> bool:
    # Whole numbers of pandas with a gap arrive as objects.
    if values.dtype.kind == "O":
        return not any(isinstance(value, str | date) for value in values)
    return values.dtype.kind in "biuf"


def as_features(estimator: Any, X: npt.ArrayLike, *, reset: bool, **options: Any) -> npt.NDArray[Any]:
    """As `as_floats`; the number of values of a sample, and the names of columns, are remembered or compared.

    Raises:
        ValueError: as `as_floats`; without `reset`, one sample alone, or other columns than those remembered.
    """
    x = as_floats(estimator, X, **options)
    # Of series of one channel, (n, steps) is a form of (n, 1, steps), and one of them no sample alone.
    if not reset and x[0].size != getattr(estimator, "n_features_in_", x[0].size):
        hold_alone(x, estimator.shape_)
    # On the flat view, so that scikit-learn counts every value of a sample as a feature.
    validate_data(estimator, X if x.ndim == 2 else x.reshape(len(x), -1), reset=reset, skip_check_array=True)
    return x


def hold_alone(x: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    """Refuse one sample that is given in place of samples of this shape.

    Raises:
        DataError: it is one.
    """
    if x.shape == tuple(shape):
        raise DataError(f"X has the shape {x.shape} of a sample: one sample alone has n = 1, give X[None]")


def lost_in_float32(estimator: Any, X: npt.ArrayLike, x: npt.NDArray[Any]) -> list[str]:
    """What is so far from zero that float32 blurs its changes: a note that names it, or none.

    Arguments:
        estimator: with its `kind`, if it has one, and the names of columns that it remembers.
        X: samples as they were given.
        x: the same as float32.
    """
    dtype = getattr(X, "dtype", None)
    if dtype == np.float32 or getattr(dtype, "itemsize", 8) <= 2:
        return []
    kind = getattr(estimator, "kind", None)
    name = getattr(kind, "name", kind) or name_by_axes(x)
    # Ids of tokens and nodes are whole numbers, and there are not as many of them.
    if name not in ("table", "series", "image"):
        return []
    given = with_channel(name, as_floats(estimator, X, dtype=[np.float64, np.float32], ensure_all_finite=False))
    columns = []
    if given.ndim == 2:
        columns = [Column(str(feature)) for feature in getattr(estimator, "feature_names_in_", range(given.shape[1]))]
    return coarse(*extremes(given, name), name, columns, remedy=" first, in float64, as StandardScaler does")


def hold_graph(estimator: Any, X: npt.ArrayLike, x: npt.NDArray[Any], *, reset: bool) -> npt.NDArray[Any]:
    """What was checked of X, as nodes where X holds nodes, whose graph is remembered or compared as `links_`.

    Raises:
        DataError: they are of another graph than was learnt from, whose nodes it would answer for; or what learns from
            them knows no graphs.
    """
    given = getattr(X, "links", None)
    if given is None:
        if reset:
            vars(estimator).pop("links_", None)
        return x
    kind = getattr(estimator, "kind", None)
    if not hasattr(estimator, "kind") or getattr(kind, "name", kind) not in (None, "graph"):
        raise DataError(
            f"X holds nodes of a graph, of which {type(estimator).__name__} would see the numbers alone: give their "
            "features, X.links.features, or take a pretext of kind 'graph', such as CCASSG"
        )
    own = getattr(kind, "links", given if reset else getattr(estimator, "links_", None))
    if own is None or not _same_graph(own, given):
        raise DataError(
            "X holds nodes of another graph than the kind has learnt from; give module_ the graph, "
            "attar.nets.nodes.Nodes.of(features, edge_index)"
        )
    estimator.links_ = own
    return Nodes.of(given, x)


def _same_graph(a: Links, b: Links) -> bool:
    """Whether two graphs are one, or have the same edges and features: a copy of a kind has a copy of its graph."""
    return a is b or (
        np.array_equal(a.edge_index, b.edge_index) and np.array_equal(a.features, b.features, equal_nan=True)
    )


def hold_shape(estimator: Any, x: npt.NDArray[Any], *, reset: bool) -> None:
    """Remember the shape of a sample as `shape_` of the estimator, or compare it.

    Raises:
        DataError: without `reset`, another shape than that remembered.
    """
    shape = tuple(x.shape[1:])
    if reset:
        estimator.shape_ = shape
    elif shape != estimator.shape_:
        raise DataError(
            f"X has samples of shape {shape}, but {type(estimator).__name__} is expecting samples of shape "
            f"{estimator.shape_} as input"
        )
