"""Whole numbers as symbols of a small alphabet, a sign, and the rest."""

from __future__ import annotations

import numpy as np

from attar.compress.coder import Coder, Ints

# Largest magnitude.
LARGEST = 2**31 - 1

# Magnitudes below are symbols of their own; beyond, each octave is halved, and a symbol is such a half.
_EXACT, _OCTAVE = 8, 3
# The higher bits of a place in a half are modelled; the others are written as they are.
_MODELLED = 6
# Symbols that there are.
BUCKETS = _EXACT + 2 * (31 - _OCTAVE)


def bucket(magnitude: Ints) -> Ints:
    """The symbol of a magnitude.

    Example:
        >>> bucket(np.array([0, 7, 8, 11, 12, 16]))
        array([ 0,  7,  8,  8,  9, 10])
    """
    octave = np.frexp(magnitude.astype(np.float64))[1].astype(np.int64) - 1
    half = (magnitude >> np.maximum(octave - 1, 0)) & 1
    return np.where(magnitude < _EXACT, magnitude, _EXACT + 2 * (octave - _OCTAVE) + half)


def _span(symbol: int) -> tuple[int, int]:
    """The smallest magnitude of a symbol, and the bits of the place among the others."""
    if symbol < _EXACT:
        return symbol, 0
    octave, half = divmod(symbol - _EXACT, 2)
    bits = octave + _OCTAVE - 1
    return (2 + half) << bits, bits


class Places:
    """Signs and places within a symbol, whose frequencies are learnt.

    Arguments:
        symbols: how many there are.
    """

    def __init__(self, symbols: int) -> None:
        self._counts = [np.ones(2 << min(_span(one)[1], _MODELLED), np.int64) for one in range(symbols)]

    def code(self, coder: Coder, symbols: Ints, given: Ints | None) -> Ints:
        """Write, count or read the numbers of symbols above 0."""
        values = np.empty(len(symbols), np.int64)
        for symbol in np.flatnonzero(np.bincount(symbols)):
            where = np.flatnonzero(symbols == symbol)
            first, bits = _span(int(symbol))
            below = max(0, bits - _MODELLED)
            told = None if given is None else given[where]
            place = None if told is None else np.abs(told) - first
            high = None if told is None or place is None else (place >> below) * 2 + (told < 0)
            high = coder.symbols(self._counts[symbol], len(where), high)
            self._counts[symbol] += np.bincount(high, minlength=len(self._counts[symbol]))
            low = np.zeros(len(where), np.int64)
            for shift in range(0, below, 15):
                size = 1 << min(15, below - shift)
                part = coder.uniform(size, len(where), None if place is None else (place >> shift) & (size - 1))
                low |= part << shift
            magnitude = first + (((high >> 1) << below) | low)
            values[where] = np.where(high & 1, -magnitude, magnitude)
        return values
