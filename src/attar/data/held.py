"""What Python holds samples in: tensors and masked arrays as plain arrays, and tables whose columns have names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from attar.data.dataset import Array
from attar.data.written import is_text
from attar.errors import DataError


def plain(x: Any) -> Any:
    """Tensors and masked arrays, also those in a list, as arrays with NaN (or None) in place of what is masked.

    All else stays as it is.

    Raises:
        DataError: a sparse matrix or tensor, or what hands out samples one by one, as a DataLoader or Dataset of torch.

    >>> plain(np.ma.array([1, 2], mask=[False, True]))
    array([ 1., nan])
    """
    if any(one.__module__.startswith("torch.utils.data") for one in type(x).__mro__):
        raise DataError(_not_one_tensor(x))
    if isinstance(x, list | tuple):
        return (
            [plain(one) for one in x] if any(isinstance(one, np.ma.MaskedArray) or _is_tensor(one) for one in x) else x
        )
    if hasattr(x, "toarray"):
        raise DataError("x: a sparse matrix; give x.toarray()")
    if isinstance(x, np.ma.MaskedArray):
        numbers = x.dtype.kind in "biuf"
        kind = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64 if numbers else object)
        array: Any = np.array(x.data, dtype=kind)
        array[x.mask] = np.nan if numbers else None
        return array
    return _dense(x) if _is_tensor(x) else x


def _not_one_tensor(x: Any) -> str:
    """What to do with samples of torch that are in several pieces; told by the type, as to look at them takes long."""
    name = type(x).__name__
    batches = hasattr(x, "batch_sampler")
    pieces = "torch.cat([x for x, *_ in loader])" if batches else "torch.stack([x for x, *_ in dataset])"
    return f"x: a {name} of torch; give all samples as one tensor or array, as {pieces} is, and labels as another"


def _dense(x: Any) -> Any:
    if "sparse" in str(getattr(x, "layout", "")):
        raise DataError("x: a sparse tensor; give x.to_dense()")
    x = x.detach().cpu()
    # Of bfloat16 numpy knows nothing.
    return x.float() if str(x.dtype) == "torch.bfloat16" else x


def _is_tensor(x: Any) -> bool:
    # numpy takes none that has gradients, or that is on another device. Graphs are detached too, and no arrays.
    return hasattr(x, "detach") and hasattr(x, "__array__")


def are_rows(x: Any) -> bool:
    """Whether samples are a list of rows as JSON has them, each a dict from name to value.

    >>> are_rows([{"age": 41, "city": "Bonn"}]), are_rows([]), are_rows([[1, 2]])
    (True, False, False)
    """
    return isinstance(x, list | tuple) and all(isinstance(row, dict) for row in x) and any(x)


@dataclass(frozen=True)
class Rows:
    """A table made of `are_rows`, whose missing values are None."""

    rows: Sequence[Mapping[str, Any]]

    @cached_property
    def column_names(self) -> list[Any]:
        """The names of all values, in the order in which they come."""
        return [*dict.fromkeys(name for row in self.rows for name in row)]


def framed(x: Any) -> Any:
    """The table that has named columns: a DataFrame of pandas as it is, others, such as that of polars, as Arrow's.

    Returns:
        The table, which `names` and `cells` take; None where `x` is none.
    """
    if hasattr(x, "iloc"):
        return x if hasattr(x, "columns") else None
    if are_rows(x):
        return Rows(x)
    if not hasattr(x, "__arrow_c_stream__"):
        return None
    import pyarrow as pa

    try:
        return pa.table(x)
    except (pa.ArrowException, ValueError, TypeError):  # a column alone
        return None


def names(frame: Any) -> list[Any]:
    """Names of the columns of a table; those of pandas need not be texts."""
    return list(frame.columns if hasattr(frame, "iloc") else frame.column_names)


def cells(frame: Any, j: int, *, category: bool) -> Array:
    """The values of a column of a table `(n,)`: as they are where they are of a category, else numbers where they can.

    Raises:
        DataError: a column of Arrow that holds neither numbers, texts nor dates.
    """
    if hasattr(frame, "iloc"):
        return np.asarray(frame.iloc[:, j], dtype=object if category else None)
    if isinstance(frame, Rows):
        name = frame.column_names[j]
        return np.fromiter((row.get(name) for row in frame.rows), dtype=object, count=len(frame.rows))
    from attar.data.tables import from_arrow

    column = frame.column(j)
    if category or is_text(column.type) or hasattr(column.type, "index_type"):  # a dictionary
        return np.fromiter(column.to_pylist(), dtype=object, count=len(column))
    values: Array = from_arrow(frame.select([j]), where="X")[0][:, 0]
    return values
