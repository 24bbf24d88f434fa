"""Samples that are exactly equal, and whether chance makes them so or somebody has copied them."""

from __future__ import annotations

import numpy as np

from attar.data.dataset import Floats, Ints, Judging
from attar.errors import inflected

# Copies and columns that are looked at for chance, and in how many columns those differ that are nearly copies.
_ROWS, _COLUMNS, _FEW = 128, 100, 2


def copies(x: Floats) -> Ints:
    """The first sample that is equal to each one, itself where none before it is.

    >>> copies(np.array([[1, 2], [3, 4], [1, 2]], dtype=np.float32))
    array([0, 1, 0])
    """
    rows = np.ascontiguousarray(x).reshape(len(x), -1)
    if np.isnan(np.min(rows, initial=0)):
        # Of what is missing too there are several: NaN may have a sign, as what is computed has.
        rows = np.where(np.isnan(rows), np.float32(np.nan), rows)
    # Adding 0 makes one zero of the two. Equal hashes of 64 bits are taken for equal samples: among a million the odds
    # of one mistake are 1 in 37 million.
    hashes = np.array([hash((row + 0.0).tobytes()) for row in rows], dtype=np.int64)
    _, first, group = np.unique(hashes, return_index=True, return_inverse=True)
    return np.asarray(first[group], dtype=np.int64)


def copied(x: Floats, first: Ints) -> Ints | None:
    """What belongs together because it was copied, as a class that was made larger by repeating its samples.

    Where few values are possible, samples are equal by chance, and new ones will be too. Then more pairs differ in one
    or two columns than in none.

    Arguments:
        x: samples `(n, *shape)`.
        first: of `copies`.

    Returns:
        A number from 0 for each sample `(n,)`, the same for copies; None where there are none, or by chance.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((6, 3))[[0, 1, 2, 2, 3, 4]]
        >>> copied(x, copies(x))
        array([0, 1, 2, 2, 3, 4])
        >>> coins = np.random.default_rng(0).integers(0, 2, (50, 4)).astype(np.float32)
        >>> copied(coins, copies(coins)) is None
        True
    """
    flat, alike = x.reshape(len(x), -1), np.bincount(first)[first] > 1
    # Nothing tells one blank image from another.
    blank = [i for i in np.flatnonzero(alike).tolist() if (flat[i, 0] == flat[i]).all() or np.isnan(flat[i]).all()]
    alike[blank] = False
    together = np.unique(np.where(alike, first, np.arange(len(x))), return_inverse=True)[1]
    counts, again = np.bincount(together), np.flatnonzero(alike)
    if not len(again) or len(counts) == 1:
        return None
    # A value that is missing is equal to another.
    rows = np.nan_to_num(flat[:, _evenly(x[0].size, _COLUMNS)], nan=float(np.finfo(np.float32).max))
    some = again[_evenly(len(again), _ROWS)]
    apart = np.zeros((len(some), len(rows)), dtype=np.int16)
    for column in rows.T:
        apart += column[some][:, None] != column
    equal = int((counts[together[some]] - 1).sum())
    return np.asarray(together, dtype=np.int64) if equal > int(((apart > 0) & (apart <= _FEW)).sum()) else None


def _evenly(n: int, most: int) -> Ints:
    """Places of so many at most, over all of n."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))


def duplicates(first: Ints, test: Ints | None = None, *, together: bool = False) -> list[str]:
    """Count samples that are exactly equal to an earlier one, and test samples that training has seen.

    Arguments:
        first: of `copies`.
        test: indices of the samples set aside.
        together: whether copies are judged together.

    >>> duplicates(np.array([0, 1, 0]), test=np.array([2]))
    ['1 of 1 test samples also occurs in the training part']
    """
    known = first if test is None else np.delete(first, test)
    again = len(known) - len(np.unique(known))
    are = inflected(again, "is an exact copy", "are exact copies")
    so = ": copies are judged together" if together else ""
    notes: list[str] = [Judging(f"{again} of {len(known)} samples {are} of another one", so)] if again else []
    if test is not None:
        seen = int(np.isin(first[test], known).sum())
        occur = inflected(seen, "occurs", "occur")
        notes += [f"{seen} of {len(test)} test samples also {occur} in the training part"] if seen else []
    return notes
