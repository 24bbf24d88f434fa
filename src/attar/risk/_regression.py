"""What functions on linear regression take, checked, and the decomposition that they share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Doubles
from attar.data.held import plain
from attar.errors import DataError


def real(name: str, value: npt.ArrayLike | None) -> npt.NDArray[np.floating[Any]]:
    """As floating-point numbers; of masked arrays what is masked is NaN.

    Raises:
        DataError: not numeric, or complex.
    """
    value = plain(value)
    try:
        array = np.asarray(value)
        if array.dtype.kind == "c":
            raise TypeError
        return array if array.dtype.kind == "f" else array.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} is not numeric: give an array of numbers") from None


def numbers(name: str, value: npt.ArrayLike | None) -> Doubles:
    """As float64, all finite.

    Raises:
        DataError: otherwise, naming the argument and the row.
    """
    array = real(name, value).astype(np.float64, copy=False)
    hold_finite(name, array)
    return array


def hold_finite(name: str, array: npt.NDArray[np.floating[Any]]) -> None:
    """Refuse a value that is missing or infinite, by its row."""
    finite = np.isfinite(array).all(tuple(range(1, array.ndim)))
    if not np.all(finite):
        row = int(np.argmin(finite))
        raise DataError(f"{name} has a missing or infinite value in row {row}: fill it or leave the row out")


def checked(
    X: npt.ArrayLike, y: npt.ArrayLike, X_test: npt.ArrayLike, y_test: npt.ArrayLike
) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """As float64, the targets as columns."""
    arrays = []
    for name, value in (("X", X), ("y", y), ("X_test", X_test), ("y_test", y_test)):
        array = numbers(name, value)
        wanted = 2 if name.startswith("X") else 1
        if array.ndim == 1 and wanted == 1:
            array = array[:, None]
        if array.ndim != 2 or not array.size:
            raise DataError(
                f"{name} has shape {np.shape(value)}: give {'(n, p)' if wanted == 2 else '(n,) or (n, m)'}, not empty"
            )
        arrays.append(array)
    x, targets, t, expected = arrays
    for name, samples, values in (("", x, targets), ("_test", t, expected)):
        if len(samples) != len(values):
            raise DataError(
                f"X{name} has {len(samples)} rows and y{name} {len(values)}: give one target for each sample"
            )
    if x.shape[1] != t.shape[1]:
        raise DataError(f"X has {x.shape[1]} columns and X_test {t.shape[1]}: give the same features")
    if expected.shape[1] not in (1, targets.shape[1]):
        raise DataError(f"y has {targets.shape[1]} draws and y_test {expected.shape[1]}: give as many, or one for all")
    return x, targets, t, expected


def sizes_of(sizes: npt.ArrayLike | None, p_max: int) -> npt.NDArray[np.intp]:
    """Numbers of columns, ascending; all where none are given.

    Raises:
        DataError: out of range.
    """
    if sizes is None:
        return np.arange(1, p_max + 1)
    return ascending(sizes, f"sizes must be whole numbers from 1 to {p_max}, the number of columns", most=p_max)


def ascending(values: npt.ArrayLike, refusal: str, least: int = 1, most: float = np.inf) -> npt.NDArray[np.intp]:
    """Whole numbers from `least` to `most`, each once.

    Raises:
        DataError: there are none, or other values among them; `refusal` is what it says.
    """
    array = np.asarray(values)
    if not array.size or array.dtype.kind not in "iu" or array.min() < least or array.max() > most:
        raise DataError(refusal)
    return np.unique(array).astype(np.intp)


def thin_svd(x: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """U `(n, r)`, s `(r,)` and Vᵀ `(r, p)` with x = U diag(s) Vᵀ, r being the numerical rank of x `(n, p)`."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    kept = s > s[0] * max(x.shape) * np.finfo(float).eps
    return u[:, kept], s[kept], vt[kept]
