"""Columns that say when the steps of a recording were, and the sampling rate that they tell."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from attar.data.dataset import Array, Doubles

# Fewer steps, and fewer values, than these go one way by chance.
_STEPS = 10
# Share of the steps that are about as long as the one in the middle, and how much longer or shorter the steps of a
# column may be that nothing else tells from a channel.
_MOST, _EVEN = 0.8, 0.1
# How many steps a pause is as long as, and one at whose place some are lost.
_PAUSE, _LOST = 10, 1.75
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
    """Whether a column is of the time: its values go one way, and that evenly, or it is called so.

    >>> rows = np.arange(20)
    >>> is_time("a", [rows / 50]), is_time("a", [rows**2]), is_time("time", [rows**2]), is_time("time", [rows % 7])
    (True, False, True, False)
    """
    return like_time(parts) and (called_time(name) or all(_share(part, _EVEN) >= _MOST for part in _long(parts)))


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
