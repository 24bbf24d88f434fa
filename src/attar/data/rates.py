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

    >>> nearest(6, 3), nearest(2, 4)
    (array([0, 2, 4]), array([0, 0, 1, 1]))
    """
    return np.arange(new) * old // new


def at_one_rate(
    x: Sequence[Array], rates: Sequence[float | None], wanted: float | None = None
) -> tuple[list[Array], float | None, list[str]]:
    """Bring recordings to one rate.

    Arguments:
        x: recordings `(channels, steps)`.
        rates: in Hz, None where unknown: such a recording stays as it is, as does one whose rate is about the same.
        wanted: the rate; None: the one that most have, of several the lowest.

    Returns:
        The recordings, their rate (None: unknown), and a note where some had another.

    Raises:
        DataError: rates are so far apart that one is likely in another unit.
    """
    counted = Counter(rate for rate in rates if rate is not None)
    if not counted:
        return list(x), None, []
    like = {one: sum(n for other, n in counted.items() if _alike(one, other)) for one in counted}
    rate = wanted or max(counted, key=lambda one: (like[one], counted[one], -one))
    others = sorted(one for one in counted if not _alike(one, rate))
    if not others:
        return list(x), rate, []
    far = next((one for one in others if not 1 / _FAR <= one / rate <= _FAR), None)
    if far is not None:
        raise DataError(
            f"a recording is sampled at {far:g} Hz where others, or those that the model has learnt from, are at "
            f"{rate:g} Hz: mend the unit of its time, or leave it out"
        )
    found = [one if was is None or _alike(was, rate) else resampled(one, was, rate) for one, was in zip(x, rates)]
    n = sum(counted[one] for one in others)
    span = f"{others[0]:g}" if len(others) == 1 else f"{others[0]:g} to {others[-1]:g}"
    are = inflected(n, "recording is", "recordings are")
    return found, rate, [f"{n} {are} sampled at {span} Hz, and brought to {rate:g} Hz"]


def _alike(one: float, other: float) -> bool:
    return abs(one / other - 1) < _ALIKE
