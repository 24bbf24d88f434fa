"""Samples brought into the axes of their kind, and a guess of the kind where nobody says it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attar.data.checks import Places, numeric
from attar.data.dataset import Array
from attar.data.images import CHANNELS
from attar.data.nodes import Nodes
from attar.data.raw import RawSamples
from attar.errors import DataError

# Pixels of a side, from which on square samples of numbers are taken for images.
_LEAST_SIDE = 5


def with_axes(x: RawSamples, ids: Sequence[str], kind: str | None, where: str) -> tuple[Array, str, list[str]]:
    """Samples as one array with the axes of their kind; which that is, by a guess where nobody says it; and notes.

    Arguments:
        x: one array, or a list of arrays of different sizes.
        ids: name of each sample, for messages.
        kind: any but "text"; None where nobody says it.
        where: the file or argument that an error names.

    Raises:
        DataError: the samples are of another kind, or empty.

    >>> x, kind, notes = with_axes(np.zeros((2, 8, 8)), ["a", "b"], None, "x")
    >>> kind, notes
    ('image', ['square samples are taken for images; if they are series, give their kind'])
    """
    if isinstance(x, Nodes):
        if kind not in (None, "graph"):
            raise DataError(f"{where}: a graph, and not of kind {kind}; leave the kind away")
        return x, "graph", []
    if kind == "graph":
        raise DataError(f"{where}: samples without edges make no graph; give an edge_index as well")
    if isinstance(x, list):
        if kind != "image" or len({image.shape for image in x}) != 1:
            if kind in ("image", "table"):
                raise DataError(f"{where}: samples of different sizes make no {kind}; bring them to one size")
            return pad(x, ids, where), "series", []
        x = np.stack(x)
    if x.ndim < 2:
        raise DataError(f"{where}: shape {x.shape}; give samples along the first axis, one feature alone as (n, 1)")
    if 0 in x.shape:
        raise DataError(f"{where}: empty, of shape {x.shape}; give at least one sample and one feature")
    likely = kind or _likely(x, where)
    in_doubt = kind is None and likely == "image" and x.ndim == 3 and not _is_of_pixels(x)
    notes = ["square samples are taken for images; if they are series, give their kind"] * in_doubt
    return _of_kind(x, likely, where), likely, notes


def _likely(x: Array, where: str) -> str:
    square = x.ndim == 3 and x.shape[1] == x.shape[2] >= _LEAST_SIDE
    kinds = {2: "table", 3: "image" if _is_of_pixels(x) or square else "series", 4: "image"}
    if x.ndim not in kinds:
        raise DataError(f"{where}: {x.ndim} axes, of shape {x.shape}; give a table, series or images")
    return kinds[x.ndim]


def _is_of_pixels(x: Array) -> bool:
    """Whether samples are whole numbers of 8 or 16 bits without a sign, in either order of their bytes."""
    return x.dtype.kind == "u" and x.dtype.itemsize <= 2


def _of_kind(x: Array, kind: str, where: str) -> Array:
    """The samples, where their axes are those of the kind; series get their axis of channels."""
    if kind == "series" and x.ndim == 2:
        x = x[:, None]
    wanted = {"table": (2,), "series": (3,), "image": (3, 4)}[kind]
    if x.ndim not in wanted:
        form = {"table": "(n, features)", "series": "(n, channels, steps)", "image": "(n, h, w) or (n, h, w, c)"}[kind]
        raise DataError(f"{where}: shape {x.shape} is no {kind}; give {form}")
    if x.ndim == 4 and x.shape[3] > CHANNELS:
        hint = "; the colours come last: give x.transpose(0, 2, 3, 1)" if x.shape[1] <= CHANNELS else ""
        raise DataError(f"{where}: images of {x.shape[3]} colours, of shape {x.shape}{hint or '; give at most 4'}")
    return x


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
    places = Places("series", ids, (), where)
    for i, item in enumerate(items):
        item = numeric(item[None], places, first=i)[0]
        result[i, :, : item.shape[1]] = item
    return result
