"""Whether new samples are in the unit of those that a model has learnt from."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from attar.data.dataset import Column, Doubles, Floats
from attar.errors import listed

_PARTS = {"series": "channel", "table": "column"}
# Parts of which ranges are kept: those of more would take kilobytes of a small file.
_MOST = 100
# Samples, evenly spaced, that are looked at, and numbers in them.
_LOOKED_AT, _NUMBERS = 4096, 2**23
# A spread so many times wider than the widest, or narrower than the narrowest, is of another unit: grams are a
# thousandth of kilograms, a share of white 1/255 of a byte, g 9.8 m/s².
_TIMES = 3.0
# Per cent of the samples whose spread counts as an exception: some images are blank, some recordings silent.
_EXCEPTIONS = 2


def evenly(x: Floats) -> Floats:
    """As many samples as are looked at, evenly spaced among all."""
    rows = min(_LOOKED_AT, _NUMBERS // max(1, x[:1].size) + 1)
    return x[:: max(1, -(-len(x) // rows))]


def described(x: Floats, kind: str, columns: Sequence[Column] = ()) -> str:
    """The range of the mean and of the standard deviation within a sample, of each part: JSON that `doubts` reads.

    The parts of series are their channels, of a table its numeric columns; an image is one part. Texts and nodes of a
    graph are not measured in anything: of them, and of more than a hundred parts, "".

    >>> described(np.array([[1, 5], [3, 6]], np.float32), "table")
    '[[1.0,3.0],[5.0,6.0]]'
    """
    if kind == "table" and columns:
        x = x[:, [j for j, column in enumerate(columns) if not column.categories]]
    if kind not in ("image", "series", "table") or not x.size or (kind in _PARTS and x.shape[1] > _MOST):
        return ""
    means, spreads = _moments(x, kind)
    with _without_values():
        usual = np.nanpercentile(spreads, [_EXCEPTIONS, 100 - _EXCEPTIONS], axis=0)
        ranges = np.stack([np.nanmin(means, 0), np.nanmax(means, 0), *usual], axis=1)
    if kind == "table":  # one number has no spread
        ranges = ranges[:, :2]
    return json.dumps([[float(f"{value:.4g}") for value in part] for part in ranges.tolist()], separators=(",", ":"))


def doubts(learnt: str, x: Floats, kind: str, columns: Sequence[Column] = ()) -> list[str]:
    """A sentence on the parts of new samples that look as if they had another unit; none where all look alike.

    A part does where the middle sample has a mean that is farther outside of the range learnt from than that is wide,
    or less than a third of the smallest, where all are positive; or a standard deviation of less than a third of the
    smallest or more than three times the largest.

    Arguments:
        learnt: what `described` says of the samples that the model has learnt from.
        x: new samples; of a table the numeric columns alone.
        kind: of the model.
        columns: of the table, or channels of the series, where they have names.

    >>> learnt = described(np.arange(9, dtype=np.float32)[:, None], "table")
    >>> doubts(learnt, np.full((2, 1), 40.0), "table", [Column("weight")])
    ["values unlike those that the model has learnt from ('weight' 40, learnt from 0 to 8): is the unit another?"]
    """
    if not len(x) or not learnt:
        return []
    with _without_values():
        middle = [np.nanmedian(values, axis=0).tolist() for values in _moments(x, kind)]
    names = [f"'{column.name}' " for column in columns if not column.categories]
    found = []
    for i, (low, high, *usual) in enumerate(json.loads(learnt, parse_int=float)):
        part = "" if kind == "image" else names[i] if i < len(names) else f"{_PARTS[kind]} {i} "
        mean, spread = middle[0][i], middle[1][i]
        if low < high and (abs(mean - (low + high) / 2) > 1.5 * (high - low) or 0 <= mean * _TIMES < low):
            found.append(f"{part}{'' if kind == 'table' else 'mean '}{mean:.5g}, learnt from {low:.5g} to {high:.5g}")
        elif usual and (spread * _TIMES < usual[0] or spread > usual[1] * _TIMES):
            found.append(f"{part}standard deviation {spread:.5g}, learnt from {usual[0]:.5g} to {usual[1]:.5g}")
    return [f"values unlike those that the model has learnt from ({listed(found)}): is the unit another?"] * bool(found)


def _moments(x: Floats, kind: str) -> tuple[Doubles, Doubles]:
    """Mean and standard deviation of the values there are of each part in each sample looked at `(n, parts)`."""
    some = evenly(x).astype(np.float64)
    parts = some.reshape(len(some), 1 if kind == "image" else some.shape[1], -1)
    with _without_values():
        return np.nanmean(parts, axis=-1), np.nanstd(parts, axis=-1)


@contextmanager
def _without_values() -> Iterator[None]:
    """Parts without any value have NaN for a mean, which is what is wanted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
