"""Samples that are read in parts: arrays in memory or on disk, and batches that arrive one after the other."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard, cast

import numpy as np
import numpy.typing as npt

from attar.errors import DataError

FloatArray = npt.NDArray[np.floating[Any]]

# Arithmetic on a part may copy it: 13 MB of float32.
PART_VALUES = 3_200_000
# A file is read in larger pieces, so that each has a part for every core: 100 MB of float32.
PIECE_VALUES = 25_600_000


def parts(X: FloatArray, values: int = PART_VALUES) -> Iterator[FloatArray]:
    """Consecutive samples of X, in parts of a bounded number of values."""
    rows = max(1, values // max(1, int(np.prod(X.shape[1:]))))
    for start in range(0, len(X), rows):
        yield X[start : start + rows]


def are_batches(X: object) -> TypeGuard[Iterable[npt.ArrayLike]]:
    """Whether X is an iterator over, or a list of, arrays of samples, rather than an array or a list of lists."""
    if isinstance(X, list | tuple):
        return bool(X) and getattr(X[0], "ndim", 0) >= 2
    array_like = any(hasattr(X, name) for name in ("__array__", "shape", "dtype"))
    return isinstance(X, Iterable) and not array_like and not isinstance(X, str | bytes | dict)


def samples_of(batch: npt.ArrayLike) -> npt.ArrayLike:
    """The samples of a batch, also where it is a list of one array, as a `DataLoader` over a `TensorDataset` yields.

    Raises:
        DataError: there are several, such as labels.
    """
    if not isinstance(batch, list | tuple) or not batch or getattr(batch[0], "ndim", 0) < 2:
        return batch
    if len(batch) > 1:
        raise DataError(f"a batch holds {len(batch)} arrays, such as samples and labels: give x alone")
    return cast("npt.ArrayLike", batch[0])


def is_mapped(X: object) -> TypeGuard[FloatArray]:
    """Whether X is a file mapped into memory that holds samples."""
    return isinstance(X, np.memmap) and X.ndim >= 2 and len(X) > 0


def release(X: FloatArray) -> None:
    """Drop the pages of a mapped file that were read: they count as resident memory, and can be read again."""
    mapped = getattr(X, "_mmap", None)
    # A copy-on-write map would lose what was written to it.
    if isinstance(mapped, mmap.mmap) and getattr(X, "mode", "") == "r" and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)
