"""Samples as numbers: what cannot be used is an error that says where, what is odd is a note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Array, Column, Doubles, Floats, Ints, is_missing
from attar.data.marks import leaving_out
from attar.errors import DataError, inflected, listed

# What a note says where recordings stay whole.
PADDED = "; shorter ones are padded"
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_DAYS, _FIRST_DAY, _LAST_DAY = 5, 19000101, 20991231  # so many different numbers, all of them days, are dates
_LEVELS = 1000  # a column whose range float32 divides into fewer steps than this has lost some of its information


@dataclass(frozen=True)
class Places:
    """What places in samples are called in errors.

    Arguments:
        kind: of the samples.
        ids: name of each.
        columns: of a table, or channels of series, as far as they have names.
        where: the file or argument that an error names.
    """

    kind: str
    ids: Sequence[str]
    columns: tuple[Column, ...]
    where: str

    def of(self, index: Sequence[int | np.intp]) -> str:
        """Where a value of `(n, …)` stands.

        >>> Places("series", ["a.csv"], (), "x").of((0, 2, 7))
        'recording 0 (a.csv), channel 2, step 7'
        >>> Places("table", ["0", "1"], (Column("age"), Column("height")), "x").of((1, 1))
        "row 1, column 'height'"
        """
        i, *rest = (int(j) for j in index)
        name = f"{i}" if str(self.ids[i]) == str(i) else f"{i} ({self.ids[i]})"
        if self.kind == "table":
            return f"row {name}, {self.column(rest[0])}"
        if self.kind == "series":
            return f"recording {name}, {self.column(rest[0])}, step {rest[1]}"
        return f"image {name}, pixel ({', '.join(map(str, rest))})"

    def column(self, i: int) -> str:
        """A column or a channel; see `name_of`."""
        return name_of(i, self.kind, self.columns)


def numeric(x: Array, places: Places, first: int = 0) -> Array:
    """Return the samples as booleans, integers or real floats.

    Arguments:
        x: samples of any type; texts and objects are taken where each is a number.
        places: to name that of what is not a number.
        first: position of the first of these samples among all.

    Raises:
        DataError: a cell is not a number, or the type has no order (complex, dates, records).
    """
    if x.dtype.kind in "biuf":
        if x.dtype.kind != "f" or x.dtype.itemsize in (4, 8):
            return x
        # Half precision is too coarse to compare with, and of extended precision what is too large becomes infinite.
        with np.errstate(over="ignore"):
            return x.astype(np.float32 if x.dtype.itemsize == 2 else np.float64)
    if x.dtype.kind == "c":
        raise DataError(
            f"{places.where}: complex numbers; give real and imaginary part (or size and phase) as features"
        )
    if x.dtype.kind not in "OUST":
        raise DataError(f"{places.where}: samples of type {x.dtype}; give numbers (of dates, the seconds)")
    flat = np.empty(x.size, dtype=np.float64)
    for i, cell in enumerate(x.ravel().tolist()):
        try:
            flat[i] = _number(cell)
        except (TypeError, ValueError):
            sample, *rest = np.unravel_index(i, x.shape)
            at = places.of((sample + first, *rest))
            shown = f"'{cell}'" if isinstance(cell, str) else f"of type {type(cell).__name__}"
            raise DataError(
                f"{places.where}: {at} is {shown} where a number is expected; mend it, leave it empty,"
                " or give a DataFrame or a CSV file for columns of categories"
            ) from None
    return flat.reshape(x.shape)


def _number(cell: object) -> float:
    if is_missing(cell):
        return np.nan
    if isinstance(cell, str):
        if not cell.strip():
            return np.nan
        if "_" in cell:
            raise ValueError
        return float(cell)
    if isinstance(cell, (bool, int, float, np.number, np.bool_)) and not isinstance(cell, np.complexfloating):
        try:
            return float(cell)
        except OverflowError:  # a whole number of more than 308 digits
            return np.inf
    raise TypeError


def to_float32(x: Array, places: Places, test: Ints | None = None) -> tuple[Floats, list[str]]:
    """Cast to float32, with notes on what is missing, constant, or too fine for it.

    Arguments:
        x: numbers, `(n, …)`.
        places: for errors.
        test: indices that do not count for what is constant or missing throughout, as nothing is learnt from them.

    Returns:
        The samples, and notes.

    Raises:
        DataError: an infinite or too large value; a column or channel that spans more than float32, or without any
            value.
    """
    kind, columns = places.kind, places.columns
    train = x if test is None else np.delete(x, test, axis=0)
    low, high = extremes(train if len(train) else x, kind)
    lowest, highest = (low, high) if test is None else extremes(x, kind)
    _refuse_huge(x, lowest, highest, places)
    _refuse_wide(low, high, places)
    _refuse_absent(low, places)
    notes = _constant(low, high, kind, columns)
    if x.dtype.itemsize > 2 and x.dtype != np.float32:
        notes += coarse(low, high, kind, columns)
    return np.ascontiguousarray(x, dtype=np.float32), notes


def cast(x: Array, places: Places) -> Floats:
    """Cast to float32 what is not learnt from: only infinite and too large values are refused.

    Raises:
        DataError: an infinite or too large value.
    """
    if x.dtype.itemsize > 1 or x.dtype.kind == "f":
        _refuse_huge(x, *extremes(x, places.kind), places)
    return np.ascontiguousarray(x, dtype=np.float32)


def extremes(x: Array, kind: str) -> tuple[Doubles, Doubles]:
    """Least and greatest value of each column, channel `(channels,)` or pixel; NaN where none is known.

    >>> extremes(np.array([[1.0, np.nan], [3.0, np.nan]]), "table")
    (array([ 1., nan]), array([ 3., nan]))
    """
    axes = (0, 2) if kind == "series" else (0,)
    # fmin and fmax pass over NaN without a warning.
    low, high = np.fmin.reduce(x, axis=axes), np.fmax.reduce(x, axis=axes)
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


def _refuse_huge(x: Array, low: Doubles, high: Doubles, places: Places) -> None:
    if not (np.any(high > _FLOAT32_MAX) or np.any(low < -_FLOAT32_MAX)):
        return
    at = np.unravel_index(int(np.argmax(np.abs(x) > _FLOAT32_MAX)), x.shape)
    value, place = float(x[at]), f"{places.where}: {places.of(at)}"
    if np.isinf(value):
        raise DataError(f"{place} is infinite; mend it, or make it NaN where it is unknown")
    raise DataError(f"{place} is {value:.3g}, beyond float32; rescale it (say, by its log)")


def without_empty(x: Array, columns: tuple[Column, ...]) -> tuple[Array, tuple[Column, ...], list[str]]:
    """Leave out columns of a table that have no value in any sample, of which nothing can be learnt, and say which."""
    empty = np.logical_and.reduce(np.isnan(x), axis=0)
    if not empty.any() or empty.all():
        return x, columns, []
    names = [f"'{columns[i].name}'" for i in np.flatnonzero(empty)]
    noun, verb = ("column", "is no feature") if len(names) == 1 else ("columns", "are no features")
    kept = tuple(column for column, none in zip(columns, empty) if not none)
    return x[:, ~empty], kept, [f"{noun} {listed(names)} without a value in any sample {verb}"]


def _refuse_wide(low: Doubles, high: Doubles, places: Places) -> None:
    """What lies so far apart has no distance in float32, nor from its mean."""
    wide = np.flatnonzero(high - low > _FLOAT32_MAX)
    if len(wide):
        i = int(wide[0])
        name = "a pixel" if places.kind == "image" else name_of(i, places.kind, places.columns)
        raise DataError(
            f"{places.where}: {name} spans from {low.flat[i]:.3g} to "
            f"{high.flat[i]:.3g}, more than float32 does; rescale it (say, by its log), or leave empty what is no value"
        )


def _refuse_absent(low: Doubles, places: Places) -> None:
    absent: npt.NDArray[np.bool_] = np.atleast_1d(np.isnan(low))
    if places.kind == "image":
        # A dead pixel is no reason to refuse a camera; a dead colour is.
        absent = np.atleast_1d(np.all(absent.reshape(-1, low.shape[-1] if low.ndim == 3 else 1), axis=0))
    if not absent.any():
        return
    names = [places.column(int(i)) for i in np.flatnonzero(absent)]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    has = inflected(len(names), "has", "have")
    how = leaving_out([places.columns[int(i)].name for i in np.flatnonzero(absent)], ", or ") if places.columns else ""
    raise DataError(
        f"{places.where}: {', '.join(names[:3])}{more} {has} no value in any sample; fill in{how or ' or leave out'}"
    )


def name_of(i: int, kind: str, columns: Sequence[Column]) -> str:
    """Name a column of a table, or a channel of the rest, which may have no names.

    >>> name_of(1, "table", [Column("age"), Column("height")]), name_of(1, "series", [])
    ("column 'height'", 'channel 1')
    """
    if kind == "table":
        return f"column '{columns[i].name}'"
    return f"channel '{columns[i].name}'" if columns else f"channel {i}"


def _constant(low: Doubles, high: Doubles, kind: str, columns: Sequence[Column]) -> list[str]:
    same = np.flatnonzero(low == high)
    if not len(same):
        return []
    if kind == "image":
        return [f"{len(same)} of {low.size} pixel values {inflected(len(same), 'is', 'are')} the same in every image"]
    names = listed([name_of(int(i), kind, columns) for i in same])
    what, change = "columns" if kind == "table" else "channels", inflected(len(same), "changes", "change")
    how = leaving_out([columns[i].name for i in same]) if columns else ""
    return [f"{len(same)} of {low.size} {what} never {change} ({names}){how}"]


def centred(x: Array, columns: Sequence[Column]) -> tuple[Array, list[str]]:
    """A table with a whole number near its mean taken off each column that float32 would blur, and a note on these.

    >>> centred(np.array([[1e9, 1.0], [1e9 + 2, 5.0]]), [Column("time"), Column("b")])
    (array([[-1.,  1.],
           [ 1.,  5.]]), ["column 'time' lies far from zero: its mean is taken off, for float32 would blur it"])
    """
    blurred, _ = _blurred(*extremes(x, "table"))
    if not len(blurred):
        return x, []
    values = np.asarray(x, dtype=np.float64).copy()
    values[:, blurred] -= np.round(np.nanmean(values[:, blurred], axis=0))
    names = listed([name_of(int(j), "table", columns) for j in blurred])
    lie, their = inflected(len(blurred), "lies", "lie"), inflected(len(blurred), "its mean is", "their means are")
    it = inflected(len(blurred), "it", "them")
    return values, [f"{names} {lie} far from zero: {their} taken off, for float32 would blur {it}"]


def dates_as_numbers(x: Array, columns: Sequence[Column]) -> list[str]:
    """Note columns of a table that hold days such as 20240131, of which float32 does not tell one from the next.

    >>> dates_as_numbers(np.array([[20240129 + i] for i in (0, 1, 2, 73, 74)]), [Column("day")])
    ["column 'day' holds dates like 20240129 as numbers, of which float32 blurs the days: write them as 2024-01-29"]
    """
    notes = []
    for values, column in zip(x.T, columns):
        found = np.unique(values[~np.isnan(values)]) if not column.categories else np.empty(0)
        if len(found) < _DAYS or not (_FIRST_DAY <= found[0] <= found[-1] <= _LAST_DAY):
            continue
        days = found.astype(np.int64)
        month, day = days // 100 % 100, days % 100
        if (days == found).all() and ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
            first = str(days[0])
            notes.append(
                f"column '{column.name}' holds dates like {first} as numbers, of which float32 blurs the days: write"
                f" them as {first[:4]}-{first[4:6]}-{first[6:]}"
            )
    return notes


def is_blurred(x: Floats, columns: Sequence[Column]) -> bool:
    """Whether float32 may have made values of a table equal that were not: all that a column had, perhaps.

    >>> is_blurred(np.array([[1e9], [1e9]], np.float32), [Column("time")]), is_blurred(np.ones((2, 1)), [Column("a")])
    (True, False)
    """
    low, high = extremes(x, "table")
    numbers = np.array([not column.categories for column in columns])
    one = (low == high) & (np.abs(low) >= 2**24)
    return bool(len(_blurred(low, high)[0])) or bool((one & numbers).any())


def _blurred(low: Doubles, high: Doubles) -> tuple[Ints, Doubles]:
    """Places where float32 tells few values apart, and how far apart those are that it does."""
    size = np.fmax(np.abs(low), np.abs(high))
    with np.errstate(over="ignore", invalid="ignore"):  # what is beyond float32 is refused elsewhere
        step = np.spacing(size.astype(np.float32)).astype(np.float64)
        apart = high - low
    return np.flatnonzero((apart > 0) & (apart < _LEVELS * step) & (size >= 2**24 / _LEVELS * apart)), step


def coarse(
    low: Doubles,
    high: Doubles,
    kind: str,
    columns: Sequence[Column],
    remedy: str = ", or write dates as the time since the first",
) -> list[str]:
    """What lies so far from zero that float32 blurs its changes: a note, or none.

    Arguments:
        low, high: of `extremes`.
        kind: of the samples.
        columns: of a table, or channels; none where nobody knows them.
        remedy: what else to do with a column of a table than to subtract its mean.
    """
    far, step = _blurred(low, high)
    if not len(far):
        return []
    if kind == "image":
        lie, their = inflected(len(far), "value lies", "values lie"), inflected(len(far), "its", "their")
        return [f"{len(far)} pixel {lie} so far from zero that float32 blurs {their} changes: subtract {their} mean"]
    i = int(far[0])
    more = f" and {len(far) - 1} more" if len(far) > 1 else ""
    least, most, between = (float(side.ravel()[i]) for side in (low, high, step))
    mend = remedy if kind == "table" else ""
    return [
        f"{name_of(i, kind, columns)}{more} changes by {most - least:.3g} at {(least + most) / 2:.4g}, where float32"
        f" has steps of {between:.3g} and blurs it: subtract its mean{mend}"
    ]


def features(x: Floats, where: str) -> list[str]:
    """What is odd about the features `(nodes, features)` of a graph.

    Raises:
        DataError: a feature has no value at any node.
    """
    absent = np.isnan(x).all(axis=0)
    if absent.any():
        raise DataError(f"{where}: feature {int(absent.argmax())} has no value at any node; leave it out")
    notes = missing(x, "table")
    constant = int((np.nanmax(x, axis=0) == np.nanmin(x, axis=0)).sum())
    if constant:
        notes.append(f"{constant} of {x.shape[1]} features {inflected(constant, 'is', 'are')} the same at every node")
    return notes


def missing(x: Floats, kind: str) -> list[str]:
    """Count what is missing; series that end early are told from values that are missing within one."""
    if not np.isnan(np.min(x)):
        return []
    absent: npt.NDArray[np.bool_] = np.isnan(x)
    notes, cells = [], x.size
    lost = int(absent.reshape(len(x), -1).all(axis=1).sum())
    if lost:
        notes.append(f"{lost} of {len(x)} samples {inflected(lost, 'holds', 'hold')} no value at all")
    if kind == "series":
        length = lengths(absent)
        if length[length > 0].min(initial=x.shape[2]) < x.shape[2]:
            notes.append(f"recordings are {length[length > 0].min()} to {length.max()} steps long{PADDED}")
        absent &= np.arange(x.shape[2]) < length[:, None, None]
        cells = x.shape[1] * int(length.sum())
    count = int(absent.sum())
    if count:
        are = inflected(count, "is", "are")
        notes.append(f"{count} of {cells} values {are} missing ({percent(count / cells)})")
    return notes


def percent(share: float) -> str:
    """A share in two digits.

    >>> percent(0.00123), percent(0.999)
    ('0.12 %', '100 %')
    """
    return f"{float(f'{100 * share:.2g}'):g} %"


def lengths(absent: npt.NDArray[np.bool_]) -> Ints:
    """Steps `(n,)` of series `(n, channels, steps)` up to the last at which a channel has a value.

    >>> lengths(np.isnan([[[1.0, np.nan, 2.0, np.nan]]]))
    array([3])
    """
    there: npt.NDArray[np.bool_] = np.logical_not(np.all(absent, axis=1))
    return np.where(there.any(axis=1), absent.shape[2] - np.argmax(there[:, ::-1], axis=1), 0)
