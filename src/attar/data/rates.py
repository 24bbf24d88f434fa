"""Recordings at one sampling rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import gcd

import numpy as np

from attar.data.dataset import Array, Floats
from attar.errors import inflected


def resampled(x: Array, old: int, new: int) -> Floats:
    """A recording as if it had been sampled at another rate, by its Fourier series; what is above the new one is lost.

    Mirrored first, so that it ends where it begins: else a step from its last value to its first would ring.

    Arguments:
        x: recording `(channels, steps)`, without gaps.
        old: its rate in Hz.
        new: the rate that it gets.

    Returns:
        float32 `(channels, about steps · new / old)`.

    >>> t = np.arange(400) / 400
    >>> bool(np.abs(resampled(np.cos(6 * t)[None], 400, 100) - np.cos(6 * t[::4])).max() < 0.01)
    True
    """
    # As long as a whole number of steps of both rates.
    common = old // gcd(old, new)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, -x.shape[1] % common)), mode="symmetric")
    mirrored = np.concatenate([padded, padded[:, ::-1]], axis=1)
    found = np.fft.irfft(np.fft.rfft(mirrored), mirrored.shape[1] * new // old) * (new / old)
    kept: Floats = found[:, : max(1, round(x.shape[1] * new / old))].astype(np.float32)
    return kept


def at_one_rate(
    x: Sequence[Array], rates: Sequence[int | None], wanted: int | None = None
) -> tuple[list[Array], int | None, list[str]]:
    """Bring recordings to one rate.

    Arguments:
        x: recordings `(channels, steps)`.
        rates: in Hz, None where unknown: such a recording stays as it is.
        wanted: the rate; None: the one that most have, of several the lowest.

    Returns:
        The recordings, their rate (None: unknown), and a note where some had another.
    """
    counted = Counter(rate for rate in rates if rate is not None)
    if not counted:
        return list(x), None, []
    rate = wanted or max(counted, key=lambda one: (counted[one], -one))
    n = len(x) - counted[rate] - rates.count(None)
    found = [one if was in (None, rate) else resampled(one, was, rate) for one, was in zip(x, rates)]
    others = sorted(set(counted) - {rate})
    if not n:
        return found, rate, []
    span = f"{others[0]}" if len(others) == 1 else f"{others[0]} to {others[-1]}"
    are = inflected(n, "recording is", "recordings are")
    return found, rate, [f"{n} {are} sampled at {span} Hz, and brought to {rate} Hz"]
