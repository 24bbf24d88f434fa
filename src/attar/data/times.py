"""Columns that say when the steps of a recording were, and the sampling rate that they tell."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from attar.data.dataset import Array, Doubles, Ints

# Fewer steps, and fewer values, than these go one way by chance.
_STEPS = 10
# Share of the steps that are about as long as the one in the middle, and how much longer or shorter the steps of a
# column may be that nothing else tells from a channel.
_MOST, _EVEN = 0.8, 0.1
# How many steps a pause is as long as, and one at whose place some are lost.
_PAUSE, _LOST = 10, 1.75
# The time falls at more than this part of the steps where rows are not in its order, and at most pauses at this part.
_TURNED, _OFTEN = 0.1, 0.05
# What a column of the time may be called, but for a unit, and units in seconds.
_NAMES = frozenset({"time", "timestamp", "date", "datetime", "elapsed", "uptime"})
_LETTERS = (["t"], ["ts"])
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
}


def called_time(name: str) -> bool:
    """Whether a column has the name of one of the time.

    >>> [called_time(name) for name in ("time_s", "Time [ms]", "t", "seconds", "speed_m_s", "T_outside")]
    [True, True, True, True, False, False]
    """
    words = [word for word in _words(name) if word not in _UNITS]
    return words in _LETTERS or bool(words[-1:] and words[-1] in _NAMES) or (not words and unit_of(name) is not None)


def unit_of(name: str) -> float | None:
    """The unit of a column of the time in seconds, where its name has one.

    >>> [unit_of(name) for name in ("time_s", "timestampMs", "seconds_elapsed", "timestamp")]
    [1.0, 0.001, 1.0, None]
    """
    return next((_UNITS[word] for word in _words(name) if word in _UNITS), None)


def like_time(parts: Sequence[Array]) -> bool:
    """Whether values go one way in each part that is long enough to tell, as the time does, also where it stands still.

    >>> rows = np.arange(20)
    >>> like_time([rows // 2, rows[:2]]), like_time([-rows]), like_time([rows % 7]), like_time([rows // 10])
    (True, True, False, False)
    """
    values = _long(parts)
    if not values or len(np.unique(np.concatenate(values))) < _STEPS:
        return False
    ways = [np.diff(part) for part in values]
    return all((way >= 0).all() for way in ways) or all((way <= 0).all() for way in ways)


def is_time(name: str, parts: Sequence[Array]) -> bool:
    """Whether a column is of the time: its values go one way, evenly or as it is called so, or evenly in another order.

    >>> rows = np.arange(20)
    >>> is_time("a", [rows / 50]), is_time("a", [rows**2]), is_time("time", [rows**2]), is_time("time", [rows % 4])
    (True, False, True, False)
    """
    long = _long(parts)
    if not like_time(parts):
        return called_time(name) and bool(long) and all(_evenly(part) or _evenly(np.sort(part)) for part in long)
    return called_time(name) or all(map(_evenly, long))


def rate_of(seconds: Doubles) -> float | None:
    """The sampling rate of steps in Hz, of three digits or whole; None where it is not known, as of a time that halts.

    Time over steps, a long one counted as so many as are lost there, but for pauses. The step in the middle alone would
    be wrong where the clock is coarse.

    Arguments:
        seconds: of the steps `(n,)`.

    >>> rate_of(np.arange(20) * 0.02), rate_of(np.round(np.arange(600) / 60, 3)), rate_of(np.arange(20) // 10)
    (50.0, 60.0, None)
    """
    if len(seconds) < _STEPS or _share(seconds, 0.5) < _MOST:
        return None
    steps = np.diff(seconds[~np.isnan(seconds)])
    many = steps / np.median(steps)
    short = np.abs(many) < _PAUSE
    rate = float(np.where(many > _LOST, np.round(many), 1)[short].sum() / abs(steps[short].sum()))
    return float(f"{rate:.3g}") if rate < 100 else float(round(rate))


def in_order(when: Doubles) -> tuple[list[Ints], bool]:
    """Rows in the order of time, parted where it pauses or starts anew.

    Where it often falls, as in a log that was shuffled or has its newest row first, and where steps are often far
    longer than others, as of values that are sent in packets, that is nothing new.

    Arguments:
        when: a row was, in any unit `(n,)`; one of which this is not known follows the one before.

    Returns:
        The rows of each part, and whether they had another order.

    >>> parts, moved = in_order(np.array([*range(30), 50, 51, 53, 52.0]))
    >>> [part[-4:].tolist() for part in parts], moved
    ([[26, 27, 28, 29], [30, 31, 33, 32]], True)
    """
    order, unknown = np.arange(len(when)), np.isnan(when)
    if len(when) < 2 or unknown.all():
        return [order], False
    when = when[np.maximum.accumulate(np.where(unknown, unknown.argmin(), order))]
    if (np.diff(when) < 0).mean() > _TURNED:
        order = np.argsort(when, kind="stable")
    steps = np.abs(np.diff(when[order]))
    pauses = steps > _PAUSE * np.median(steps[steps > 0]) if steps.any() else steps > 0
    ends = np.flatnonzero(pauses & (pauses.mean() <= _OFTEN)) + 1
    parts = [part[np.argsort(when[part], kind="stable")] for part in np.split(order, ends)]
    return parts, bool((np.diff(np.concatenate(parts)) < 0).any())


def _evenly(values: Doubles) -> bool:
    return _share(values, _EVEN) >= _MOST


def _share(values: Array, tolerance: float) -> float:
    """The share of the steps that differ by no more than this part from the one in the middle."""
    steps = np.diff(values[~np.isnan(values)])
    middle = float(np.median(steps)) if len(steps) else 0.0
    return float((np.abs(steps / middle - 1) <= tolerance).mean()) if middle else 0.0


def _long(parts: Sequence[Array]) -> list[Doubles]:
    known = [np.asarray(part, dtype=np.float64) for part in parts if len(part) >= _STEPS]
    return [part[~np.isnan(part)] for part in known]


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall("[A-Z]?[a-zµ]+|[A-Z]+", name)]
