"""Recordings at one sampling rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from attar.data.dataset import Array, Floats, Ints
from attar.errors import DataError, inflected

# Rates that differ by less than this part are the same: clocks are no better.
_ALIKE = 0.02
# How many times another rate is at most taken to be of the same signals.
_FAR = 100


def resampled(x: Array, old: float, new: float) -> Floats:
    """A recording as if it had been sampled at another rate, by its Fourier series; what is above the new one is lost.

    Mirrored first, so that it ends where it begins: else a step from its last value to its first would ring. Gaps are
    bridged for this, and left where they were.

    Arguments:
        x: recording `(channels, steps)`, NaN where a value is missing.
        old: its rate in Hz.
        new: the rate that it gets.

    Returns:
        float32 `(channels, about steps · new / old)`.

    >>> t = np.arange(400) / 400
    >>> bool(np.abs(resampled(np.cos(6 * t)[None], 400, 100) - np.cos(6 * t[::4])).max() < 0.01)
    True
    """
    ratio = (Fraction(new) / Fraction(old)).limit_denominator(10_000)
    steps = x.shape[1]
    if not steps:
        return x.astype(np.float32)
    x, gaps = x.astype(np.float64), np.isnan(x)
    for values, unknown in zip(x, gaps):
        if unknown.any():
            known = np.flatnonzero(~unknown)
            values[unknown] = np.interp(np.flatnonzero(unknown), known, values[known]) if len(known) else 0
    # As long as a whole number of steps of both rates.
    padded = np.pad(x, ((0, 0), (0, -steps % ratio.denominator)), mode="symmetric")
    mirrored = np.concatenate([padded, padded[:, ::-1]], axis=1)
    found = np.fft.irfft(np.fft.rfft(mirrored), int(mirrored.shape[1] * ratio)) * float(ratio)
    kept: Floats = found[:, : max(1, round(steps * ratio))].astype(np.float32)
    kept[gaps[:, nearest(steps, kept.shape[1])]] = np.nan
    return kept


def nearest(old: int, new: int) -> Ints:
    """Which of so many steps each of another number of them is nearest to `(new,)`.

    >>> nearest(6, 3), nearest(2, 4), nearest(5, 3)
    (array([0, 2, 4]), array([0, 0, 1, 1]), array([0, 2, 3]))
    """
    # Of two that are as near, the earlier one.
    found: Ints = np.minimum((2 * np.arange(new) * old + new - 1) // (2 * new), old - 1)
    return found


def by_stretch(x: Array, breaks: Ints, old: float, new: float) -> tuple[Floats, Ints]:
    """A recording at another rate, each stretch of it by itself, and which step each of the new ones is nearest to.

    Arguments:
        x: recording `(channels, steps)`.
        breaks: steps at which another stretch begins.
        old: its rate in Hz.
        new: the rate that it gets.

    >>> by_stretch(np.array([[1.0, 1, 1, 1, 5, 5]]), np.array([4]), 50, 25)
    (array([[1., 1., 5.]], dtype=float32), array([0, 2, 4]))
    """
    parts = [resampled(part, old, new) for part in np.split(x, breaks, axis=1)]
    ends = [0, *breaks.tolist(), x.shape[1]]
    steps = [start + nearest(end - start, part.shape[1]) for start, end, part in zip(ends, ends[1:], parts)]
    return np.concatenate(parts, axis=1), np.concatenate(steps)


def at_one_rate(
    x: Sequence[Array],
    rates: Sequence[float | None],
    wanted: float | None = None,
    breaks: Sequence[Ints] = (),
) -> tuple[list[Array], float | None, list[str], list[Ints]]:
    """Bring recordings to one rate.

    Arguments:
        x: recordings `(channels, steps)`.
        rates: in Hz, None where unknown: such a recording stays as it is, as does one whose rate is about the same.
        wanted: the rate; None: the one that most have, of several the lowest.
        breaks: steps of each at which another stretch begins.

    Returns:
        The recordings, their rate (None: unknown), a note where some had another, and which step each one now is, or is
        nearest to.

    Raises:
        DataError: rates are so far apart that one is likely in another unit.
    """
    steps = [np.arange(one.shape[-1]) for one in x]
    counted = Counter(rate for rate in rates if rate is not None)
    if not counted:
        return list(x), None, [], steps
    like = {one: sum(n for other, n in counted.items() if _alike(one, other)) for one in counted}
    rate = wanted or max(counted, key=lambda one: (like[one], counted[one], -one))
    others = sorted(one for one in counted if not _alike(one, rate))
    if not others:
        return list(x), rate, [], steps
    far = next((one for one in others if not 1 / _FAR <= one / rate <= _FAR), None)
    if far is not None:
        raise DataError(
            f"a recording is sampled at {far:g} Hz where others, or those that the model has learnt from, are at "
            f"{rate:g} Hz: mend the unit of its time, or leave it out"
        )
    found = list(x)
    for i, was in enumerate(rates):
        if was is not None and not _alike(was, rate):
            found[i], steps[i] = by_stretch(x[i], breaks[i] if breaks else np.arange(0), was, rate)
    n = sum(counted[one] for one in others)
    span = f"{others[0]:g}" if len(others) == 1 else f"{others[0]:g} to {others[-1]:g}"
    are = inflected(n, "recording is", "recordings are")
    said = f"{n} {are} sampled at {span} Hz, and brought to {rate:g} Hz, at which steps are counted"
    return found, rate, [said], steps


def _alike(one: float, other: float) -> bool:
    return abs(one / other - 1) < _ALIKE
