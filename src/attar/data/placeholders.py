"""Numbers that people write where a measurement is missing, such as -999."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Array, Column, Doubles

_LEAST, _SHARE = 3, 0.02  # times, and share of the rows, that it occurs
_DIFFERENT = 10  # others that are measured, and no codes
_FAR, _GAP = 5.0, 2.0  # quartile ranges of the others, between it and their median, and their nearest


def placeholders(x: Array, columns: Sequence[Column]) -> list[str]:
    """Note columns of a table in which a number that repeats itself lies far from all others.

    Zero is a measurement however far it lies: counts and amounts often are nothing.

    Arguments:
        x: numbers `(n, columns)`, NaN where missing.
        columns: of the table; those of categories hold codes.

    >>> x = np.array([[20.0 + i / 10, -999.0 if i % 4 else i] for i in range(60)])
    >>> placeholders(x, [Column("a"), Column("b")])
    ["column 'b' holds -999 in 75 % of the rows, far from all others: if it stands for missing, leave the cells empty"]
    """
    notes = []
    for j, column in enumerate(columns):
        if column.categories:
            continue
        values: Doubles = x[:, j].astype(np.float64)
        values = values[np.isfinite(values)]
        for value in sorted({values.min(), values.max()}) if len(values) else ():
            if _stands_apart(value, values, len(x)):
                share = 100 * float(np.mean(x[:, j] == value))
                notes.append(
                    f"column '{column.name}' holds {value:.15g} in {share:.0f} % of the rows, far from all others: if"
                    " it stands for missing, leave the cells empty"
                )
    return notes


def _stands_apart(value: float, values: npt.NDArray[np.float64], rows: int) -> bool:
    others = values[values != value]
    times = len(values) - len(others)
    if value == 0 or times < max(_LEAST, _SHARE * rows) or len(np.unique(others)) < _DIFFERENT:
        return False
    with np.errstate(over="ignore"):  # what is beyond float32 is refused elsewhere
        low, median, high = np.quantile(others, (0.25, 0.5, 0.75))
        spread = high - low
        return bool(spread > 0 and abs(value - median) > _FAR * spread and np.abs(others - value).min() > _GAP * spread)
