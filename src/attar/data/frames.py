"""DataFrames in: of pandas, or of another library whose tables Arrow takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from attar.data.asked import Asked
from attar.data.columns import samples_of
from attar.data.dataset import Column, is_missing
from attar.data.marks import NO_MARKS, Marks, as_texts
from attar.data.raw import Raw, RawLabels
from attar.data.spelling import spelt
from attar.data.tables import each_once
from attar.data.texts import are_texts, refuse_names
from attar.errors import DataError, first_line


def is_frame(x: Any) -> bool:
    """Whether it is a DataFrame, or a column of one: of pandas, or of what hands out columns as Arrow does."""
    return hasattr(x, "__arrow_c_stream__") or _is_of_pandas(x)


def _is_of_pandas(x: Any) -> bool:
    return type(x).__module__.partition(".")[0] == "pandas"


def from_frame(x: Any, y: RawLabels | None, ids: list[str] | None, kind: str | None, marks: Marks = NO_MARKS) -> Raw:
    """Take a DataFrame, or the texts in a column of one.

    Raises:
        DataError: it is a column of something else, or its cells make no table; or columns are marked that it lacks.
    """
    import pyarrow as pa

    if getattr(x, "ndim", 2) == 1:
        marks.refuse("x", "one column alone is given")
        return _from_column(x, x, y, ids, kind)
    if _is_of_pandas(x):
        x, marks = _arranged(x, marks)
    try:
        table = pa.Table.from_pandas(x, preserve_index=False) if _is_of_pandas(x) else pa.table(x)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        try:
            cells = pa.chunked_array(x).to_pylist()
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            raise DataError(f"x: {_complaint(x, error)}") from None
        marks.refuse("x", "one column alone is given")
        return _from_column(x, cells, y, ids, kind)
    asked = Asked(kind, marks=marks.among(table.column_names, "x"))
    return replace(samples_of(table, "x", asked), y=y, ids=ids)


def _arranged(x: Any, marks: Marks) -> tuple[Any, Marks]:
    """A DataFrame of pandas that Arrow takes as a prediction does, whatever marked columns hold, and what is marked."""
    # Names that are numbers are common, and Arrow warns of them.
    x = x.set_axis([str(name) for name in x.columns], axis=1).copy(deep=False)
    each_once(list(x.columns), "x")
    marks = marks.among(list(x.columns), "x")
    for j, (name, dtype) in enumerate(zip(x.columns, x.dtypes)):
        if hasattr(dtype, "categories"):  # intervals and dates are others in Arrow
            texts = [spelt(category) for category in np.asarray(dtype.categories, dtype=object)]
            x.isetitem(j, x.iloc[:, j].cat.rename_categories(texts))
        if name in marks.ignore:
            x.isetitem(j, None)
        elif name in marks.category and dtype.kind == "O":
            x.isetitem(j, as_texts(x.iloc[:, j], name, "x"))
    return x, marks


def _from_column(x: Any, cells: Any, y: RawLabels | None, ids: list[str] | None, kind: str | None) -> Raw:
    """The texts of a column of a DataFrame."""
    if kind is None:
        refuse_names(cells)
    if kind not in (None, "text") or not are_texts(cells):
        raise DataError("x: one column only; give a DataFrame, or an array of shape (n, 1)")
    name = str(getattr(x, "name", None) or "text")
    return Raw(np.array(cells, dtype=object), y, ids=ids, columns=(Column(name),), kind="text")


def _complaint(x: Any, error: Exception) -> str:
    """Find the cell that Arrow would not take: it says what it is, but not where."""
    for name in getattr(x, "columns", ()):
        cells = {i: cell for i, cell in enumerate(x[name]) if not is_missing(cell)}
        texts = [i for i, cell in cells.items() if isinstance(cell, str)]
        if 0 < len(texts) < len(cells):
            return (
                f"row {texts[0]}, column '{name}' is '{cells[texts[0]]}' among numbers; make the column all numbers or"
                " all text"
            )
        large = next((i for i, cell in cells.items() if isinstance(cell, int) and abs(cell) >= 2**63), None)
        if large is not None:
            return f"row {large}, column '{name}' is a whole number of more than 64 bits; make it a float, or a text"
    return f"not a table of numbers, texts and dates ({first_line(error)}); convert its columns"
