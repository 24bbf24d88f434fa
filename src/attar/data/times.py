"""Columns that say when the steps of a recording were, and the order, pauses and sampling rate that they tell."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from attar.data.dataset import Array, Doubles, Ints
from attar.data.marks import leaving_out
from attar.errors import inflected, listed

# Fewer steps, and fewer values, than these go one way by chance.
_STEPS = 10
# Share of the steps that are about as long as the one in the middle; how much longer or shorter they may be in a column
# that is called like the time, and in one that is not.
_MOST, _EVEN, _SAME = 0.8, 0.1, 0.01
# How many steps a pause is as long as, and one at whose place some are lost.
_PAUSE, _LOST = 10, 1.75
# The time falls at no more than this part of the steps where it trembles or starts anew, and at this part or more where
# the newest row comes first; it falls at about half of them where rows are shuffled, which may be so much more or less:
# in few rows, so many standard deviations of chance.
_FALLS, _TURNED, _SHUFFLED, _CHANCE = 0.05, 0.9, 0.1, 2.5
_DAY = 86_400
# What a column of the time may be called, but for what does not matter, and units in seconds.
_NAMES = frozenset({"time", "timestamp", "stamp", "date", "datetime", "elapsed", "uptime", "epoch", "unixtime"})
_LETTERS = (["t"], ["ts"])
_ASIDE = frozenset({"utc"})
_UNITS = {
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millis", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
}
# Seconds since 1970 are between these: from 1985 to 2128.
_SINCE_1970 = (5e8, 5e9)


def called_time(name: str) -> bool:
    """Whether a column has the name of one of the time.

    >>> [called_time(name) for name in ("time_s", "Time [ms]", "t", "seconds", "speed_m_s", "T", "s1")]
    [True, True, True, True, False, False, False]
    """
    words = _words(name)
    if re.search(r"\d", name) or words[:1] == ["T"]:
        return False
    words = [word for word in map(str.lower, words) if word not in _ASIDE]
    rest = [word for word in words if word not in _UNITS]
    return rest in _LETTERS or bool(rest and rest[-1] in _NAMES) or bool(words and not rest)


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
    """Whether a column is of the time: called so, it goes mostly one way, or evenly, also where rows are shuffled.

    >>> rows = np.arange(20)
    >>> is_time("a", [rows / 50]), is_time("time", [rows**2]), is_time("time", [rows % 10]), is_time("s", [rows % 10])
    (False, True, True, False)
    """
    long = _long(parts)
    if not called_time(name) or not long:
        return False
    if all(word.lower() in _UNITS for word in _words(name)):
        return like_time(parts)
    return all(
        min((way < 0).mean(), (way > 0).mean()) <= _FALLS or _is_even(part, _EVEN) or _is_even(np.sort(part), _EVEN)
        for part in long
        for way in (np.diff(part),)
    )


def counts(parts: Sequence[Array]) -> bool:
    """Whether values rise, by the same step in each part that is long enough to tell, as a number of the row does.

    >>> rows = np.arange(20)
    >>> counts([rows / 50, rows / 50 + 7]), counts([rows, 2 * rows]), counts([-rows])
    (True, False, False)
    """
    if not like_time(parts):
        return False
    long = _long(parts)
    steps = [float(np.median(np.diff(part))) for part in long]
    return 0 < max(steps) <= (1 + _SAME) * min(steps) and all(_is_even(part, _SAME) for part in long)


@dataclass(frozen=True)
class Roles:
    """Which columns of recordings are no channels, and which may be none.

    Arguments:
        times: those of the time.
        even: those that count rows.
        doubtful: channels that may be the time.
    """

    times: list[int]
    even: list[int]
    doubtful: list[int]

    @classmethod
    def of(cls, names: Sequence[str], parts: Sequence[Sequence[Array]], among: Sequence[int]) -> Roles:
        """By what columns are called, and what those in question hold in each recording."""
        times = [j for j in among if is_time(names[j], parts[j])]
        even = [j for j in among if j not in times and counts(parts[j])]
        left = [j for j in among if j not in (*times, *even)]
        return cls(times, even, [j for j in left if called_time(names[j]) or like_time(parts[j])])

    def notes(self, names: Sequence[str]) -> list[str]:
        """A sentence on each of the three that there is."""
        leave = leaving_out([names[j] for j in self.doubtful], " ") or " leave it out"
        said = {
            "of the time: no channel": self.times,
            "rises by the same step throughout, as a number of the row does: no channel": self.even,
            f"a channel; if it is the time,{leave}": self.doubtful,
        }
        return [f"{listed([repr(names[j]) for j in found])}: {what}" for what, found in said.items() if found]


@dataclass(frozen=True)
class Timing:
    """What the time tells of a recording.

    Arguments:
        order: of its rows.
        breaks: at which of the rows, so ordered, the time goes on after a pause, or starts anew.
        rate: in Hz, where known, and the same before and after breaks.
    """

    order: Ints
    breaks: Ints
    rate: float | None = None

    @classmethod
    def of(cls, rows: int, dated: Sequence[Doubles], called: Mapping[str, Doubles]) -> Timing:
        """By the columns of the time, of which the finest counts, and of these one whose unit is known.

        Arguments:
            rows: how many there are.
            dated: dates and times of day, in seconds `(rows,)`.
            called: others, by name.

        >>> timing = Timing.of(30, [], {"time_s": np.where(np.arange(30) < 20, 0, 60) + np.arange(30) / 50})
        >>> timing.breaks.tolist(), timing.rate
        ([20], 50.0)
        """
        units = {name: _unit(name, values) for name, values in called.items()}
        in_seconds = _dates(_known(dated))
        in_seconds += _known([called[name] * unit for name, unit in units.items() if unit is not None])
        clocks = in_seconds or _known([*called.values()])
        if not clocks:
            return cls(np.arange(rows), np.arange(0))
        clock = max(clocks, key=lambda values: len(np.unique(values)))
        order = in_order(clock)
        when, ends = clock[order], breaks(clock[order])
        if not in_seconds:
            # Steps of no unit may be those of digits, as of 20240131: that it pauses cannot be told.
            filled = _filled(when)
            ends = ends[filled[ends] < filled[ends - 1]]
            return cls(order, ends)
        rate, of_parts = rate_of(when), [rate_of(part) for part in np.split(when, ends)]
        same = rate and all(abs(other / rate - 1) <= _EVEN for other in of_parts if other is not None)
        return cls(order, ends, rate if same else None)


def said_of(timings: Sequence[Timing]) -> list[str]:
    """Notes on what was done by the time."""
    moved = sum(bool((np.diff(one.order) < 0).any()) for one in timings)
    paused = sum(bool(len(one.breaks)) for one in timings)
    are, within = inflected(moved, "recording is", "recordings are"), inflected(paused, "recording", "recordings")
    notes = [f"{moved:,} {are} not in the order of time, and put in it"] * bool(moved)
    return notes + [f"time pauses or starts anew within {paused:,} {within}"] * bool(paused)


def in_order(when: Doubles) -> Ints:
    """The rows in the order of time, where the newest comes first or they are shuffled; else as they are.

    A time that falls now and then starts anew, trembles, or is set back: there is nothing to sort. Nor is there where
    many rows have one time, as it starts anew after few rows, or is of a day or a person.

    >>> in_order(np.arange(12.0)[::-1]).tolist() == [*range(12)][::-1], in_order(np.arange(24.0) % 12).tolist()[11:14]
    (True, [11, 12, 13])
    """
    rows, when = np.arange(len(when)), _filled(when)
    falls = _falls(when)
    if falls >= _TURNED:
        return rows[::-1]
    # Of n rows in random order, (n − 1) / 2 ± √((n + 1) / 12) steps go down.
    chance = _CHANCE * np.sqrt((len(when) + 1) / 12) / max(1, len(when) - 1)
    if abs(falls - 0.5) <= max(_SHUFFLED, chance) and len(np.unique(when)) >= _MOST * len(when):
        return np.argsort(when, kind="stable")
    return rows


def breaks(when: Doubles) -> Ints:
    """The rows at which the time goes on after ten steps or more, or has fallen by as much.

    >>> breaks(np.array([*range(30), 50, 51, 53, 52.0, 0, 1])).tolist()
    [30, 34]
    """
    steps = np.abs(np.diff(_filled(when)))
    there = steps[steps > 0]
    return np.flatnonzero(steps >= _PAUSE * np.median(there)) + 1 if len(there) else np.arange(0)


def rate_of(seconds: Doubles) -> float | None:
    """The sampling rate of steps in Hz, of three digits or whole; None where it is not known, as of a time that halts.

    Time over steps, a long one counted as so many as are lost there, but for pauses and, where they are few, times that
    repeat themselves. The step in the middle alone would be wrong where the clock is coarse.

    Arguments:
        seconds: of the steps `(n,)`.

    >>> rate_of(np.arange(20) * 0.02), rate_of(np.round(np.arange(600) / 60, 3)), rate_of(np.arange(20) // 10)
    (50.0, 60.0, None)
    """
    if len(seconds) < _STEPS or not _is_even(seconds, 0.5):
        return None
    steps = np.diff(seconds[~np.isnan(seconds)])
    many = steps / np.median(steps)
    counted = (np.abs(many) < _PAUSE) & (steps != 0)
    number = np.where(np.abs(many) > _LOST, np.round(many), 1)
    rate = float(number[counted].sum() / abs(steps[counted].sum()))
    return float(f"{rate:.3g}") if rate < 100 else float(round(rate))


def _known(columns: Sequence[Doubles]) -> list[Doubles]:
    """Those with a value."""
    return [one for one in columns if not np.isnan(one).all()]


def _unit(name: str, values: Doubles) -> float | None:
    """Of a column that is called like the time, in seconds, by its name, or by its size where it counts from 1970."""
    said = next((_UNITS[word] for word in map(str.lower, _words(name)) if word in _UNITS), None)
    known = values[~np.isnan(values)]
    if said is not None or not len(known):
        return said
    size = float(np.median(known))
    return next((unit for unit in (1.0, 1e-3, 1e-6, 1e-9) if _SINCE_1970[0] < size * unit < _SINCE_1970[1]), None)


def _dates(columns: Sequence[Doubles]) -> list[Doubles]:
    """Dates and times of day, a day and a time of day as one; without a day, one that begins again is the next."""
    of_day = [one for one in columns if not (~np.isnan(one) & ((one < 0) | (one >= _DAY))).any()]
    others = [one for one in columns if not any(one is other for other in of_day)]
    days = [one for one in others if not (one[~np.isnan(one)] % _DAY).any()]
    if of_day and days:
        return [days[0] + of_day[0], *others]
    return [*others, *map(_unwrapped, of_day)]


def _unwrapped(of_day: Doubles) -> Doubles:
    when = _filled(of_day)
    falls = _falls(when)
    if min(falls, 1 - falls) > _FALLS:
        return of_day
    way = 1 if falls < 0.5 else -1
    midnights = way * np.diff(when, prepend=when[:1]) < -_DAY / 2
    return of_day + way * _DAY * np.cumsum(midnights)


def _falls(when: Doubles) -> float:
    """The share of the steps, but for those of no length, at which the time falls."""
    steps = np.diff(when)
    steps = steps[steps != 0]
    return float((steps < 0).mean()) if len(steps) >= _STEPS - 1 else 0.0


def _filled(when: Doubles) -> Doubles:
    """What is not known is as the row before."""
    unknown = np.isnan(when)
    if unknown.all():
        return when
    known: Ints = np.maximum.accumulate(np.where(unknown, unknown.argmin(), np.arange(len(when))))
    return when[known]


def _is_even(values: Array, tolerance: float) -> bool:
    """Whether most steps differ by no more than this part from the one in the middle."""
    steps = np.diff(values[~np.isnan(values)])
    middle = float(np.median(steps)) if len(steps) else 0.0
    return bool(middle) and float((np.abs(steps / middle - 1) <= tolerance).mean()) >= _MOST


def _long(parts: Sequence[Array]) -> list[Doubles]:
    values = [np.asarray(part, dtype=np.float64) for part in parts]
    known = [part[~np.isnan(part)] for part in values]
    return [part for part in known if len(part) >= _STEPS]


def _words(name: str) -> list[str]:
    # Beside the sign of the micro there is the Greek letter, which looks the same.
    return re.findall("[A-Z]?[a-zµ]+|[A-Z]+", name.replace("\N{GREEK SMALL LETTER MU}", "µ"))
