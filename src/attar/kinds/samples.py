"""Samples as estimators take them: held to scikit-learn's rules, on any number of axes up to four, all of one shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_array, validate_data

from attar.data.graphs import is_graph
from attar.data.texts import are_texts
from attar.errors import DataError

# A table has one axis per sample, a recording two, an image two or three.
_AXES = 4


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
    if is_graph(X) and not isinstance(X, np.ndarray):
        raise DataError("X is a graph; give its nodes, attar.data.arrays.from_arrays(X).x")
    # A float64 value beyond float32 becomes infinite, which the check itself then refuses by name.
    with np.errstate(over="ignore"):
        try:
            x = check_array(X, allow_nd=True, estimator=estimator, input_name="X", **options)
        except ValueError:
            if getattr(X, "ndim", 1) == 1 and are_texts(X):
                raise DataError("X holds texts; give their token ids, attar.data.arrays.from_arrays(X).x") from None
            raise
    if x.ndim > _AXES or x[:1].size == 0:
        raise DataError(
            f"X has shape {x.shape}; give samples that hold at least one value on at most {_AXES - 1} axes: "
            "(n, features), (n, channels, steps), (n, h, w) or (n, h, w, c)"
        )
    return x


def as_features(estimator: Any, X: npt.ArrayLike, *, reset: bool, **options: Any) -> npt.NDArray[Any]:
    """As `as_floats`; the number of values of a sample, and the names of columns, are remembered or compared.

    Raises:
        ValueError: as `as_floats`; without `reset`, other columns than those remembered.
    """
    x = as_floats(estimator, X, **options)
    # On the flat view, so that scikit-learn counts every value of a sample as a feature.
    validate_data(estimator, X if x.ndim == 2 else x.reshape(len(x), -1), reset=reset, skip_check_array=True)
    return x


def hold_graph(kind: Any, X: npt.ArrayLike) -> None:
    """Refuse nodes of another graph than the one that a kind has learnt from: it would answer for nodes of its own.

    Raises:
        DataError: it is another graph.
    """
    own, given = getattr(kind, "links", None), getattr(X, "links", None)
    if own is None or given is None or own is given:
        return
    # A copy of the kind has a copy of the graph.
    same = np.array_equal(own.edge_index, given.edge_index)
    if not (same and np.array_equal(own.features, given.features, equal_nan=True)):
        raise DataError(
            "X holds nodes of another graph than the kind has learnt from; give module_ the graph, "
            "attar.nets.nodes.Nodes.of(features, edge_index)"
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
