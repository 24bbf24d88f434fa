"""What differs between images, series, tables, graphs and texts: one file each, found by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from attar.errors import DataError

if TYPE_CHECKING:
    import numpy.typing as npt

    from attar.kinds.base import Kind

# Name of a kind: file in this folder and class in it. A new kind is one file and one line here.
KINDS: dict[str, str] = {
    "image": "Image",
    "series": "Series",
    "table": "Table",
    "graph": "Graph",
    "text": "Text",
}


def of(name: str) -> type[Kind]:
    """The kind called `name`.

    Arguments:
        name: "image", "series", "table", "graph" or "text".

    Raises:
        DataError: there is no such kind.

    Example:
        >>> of("table").name
        'table'
    """
    if name not in KINDS:
        raise DataError(f"unknown kind {name!r}; use one of {', '.join(KINDS)}")
    kind: type[Kind] = getattr(import_module(f"attar.kinds.{name}"), KINDS[name])
    return kind


def kind_of(kind: str | Kind | None, x: npt.NDArray[Any]) -> Kind:
    """A kind that knows raw samples `(n, ...)`: as given, or learnt by name, or by the number of axes.

    Two axes are a table, four images, and three a series, unless a sample is square; nodes know their graph.

    Raises:
        DataError: there is no such kind, or its samples have another number of axes.
    """
    kind = name_by_axes(x) if kind is None else kind
    known = of(kind) if isinstance(kind, str) else kind
    if known.layouts and x.ndim not in known.layouts:
        raise DataError(
            f"X has shape {x.shape}; give samples of kind {known.name} as {' or '.join(known.layouts.values())}"
        )
    return known.learn(x) if isinstance(known, type) else known


def name_by_axes(x: npt.NDArray[Any]) -> str:
    """The kind that raw samples are where nobody says which.

    Example:
        >>> import numpy as np
        >>> [name_by_axes(np.zeros(shape)) for shape in ((5, 3), (5, 3, 20), (5, 8, 8), (5, 8, 8, 3))]
        ['table', 'series', 'image', 'image']
    """
    if hasattr(x, "links"):
        return "graph"
    square = x.ndim == 3 and x.shape[1] == x.shape[2]
    return "table" if x.ndim == 2 else "image" if square or x.ndim == 4 else "series"


def hold_values(kind: str | Kind | None, x: npt.NDArray[Any]) -> None:
    """Refuse raw samples whose values are none of the kind that they are said to be.

    Raises:
        DataError: they are not, or there is no such kind.
    """
    if kind is None:
        return
    hold = getattr(of(kind) if isinstance(kind, str) else kind, "hold_values", None)
    if hold is None:
        raise DataError(f"kind is {kind!r:.60}; give the name of one, {', '.join(KINDS)}, or one that has learnt")
    hold(x)


def with_channel(kind: str | Kind | None, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Raw samples, with the axis of the channel where series of a single one leave it out.

    Example:
        >>> import numpy as np
        >>> with_channel("series", np.zeros((5, 20))).shape, with_channel("table", np.zeros((5, 20))).shape
        ((5, 1, 20), (5, 20))
    """
    alone = x.ndim == 2 and (kind if isinstance(kind, str) else getattr(kind, "name", None)) == "series"
    return x[:, None] if alone else x
