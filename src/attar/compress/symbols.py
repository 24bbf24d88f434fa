"""Magnitudes as symbols of a small alphabet, and the place among those of one symbol."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from attar.compress.coder import AnyInts, Coder, Ints

# Largest magnitude.
LARGEST = 2**31 - 1

# Magnitudes below are symbols of their own; beyond, each octave is halved, and a symbol is such a half.
_EXACT, _OCTAVE = 8, 3
# Symbols that there are.
SYMBOLS = _EXACT + 2 * (31 - _OCTAVE)
# The higher bits of a place are modelled, the others are written as they are, so many at a time.
_MODELLED, _PLAIN = 6, 15
# Numbers of a symbol before which frequencies are not counted; they are again whenever the numbers have doubled.
_FIRST = 32


def symbol_of(magnitudes: AnyInts) -> npt.NDArray[np.uint8]:
    """The symbol of each magnitude.

    Example:
        >>> symbol_of(np.array([0, 7, 8, 11, 12, 16])).tolist()
        [0, 7, 8, 8, 9, 10]
    """
    if int(magnitudes.max(initial=0)) < len(_FEW):
        return _FEW.take(magnitudes)
    return _symbol_of(magnitudes)


def _symbol_of(magnitudes: AnyInts) -> npt.NDArray[np.uint8]:
    octave = np.frexp(magnitudes.astype(np.float64))[1].astype(np.int64) - 1
    half = (magnitudes >> np.maximum(octave - 1, 0)) & 1
    return np.where(magnitudes < _EXACT, magnitudes, _EXACT + 2 * (octave - _OCTAVE) + half).astype(np.uint8)


# Symbols of small magnitudes, which are looked up.
_FEW = _symbol_of(np.arange(1 << 12))


def _bits(symbol: int) -> int:
    """Bits of a place."""
    return 0 if symbol < _EXACT else _OCTAVE - 1 + (symbol - _EXACT) // 2


def _smallest(symbol: int) -> int:
    return symbol if symbol < _EXACT else (2 + symbol % 2) << _bits(symbol)


# The smallest magnitude of each symbol, the bits of its places, and the magnitude in its middle.
WIDTHS = np.array([_bits(one) for one in range(SYMBOLS)], np.int64)
FIRSTS = np.array([_smallest(one) for one in range(SYMBOLS)], np.int64)
MIDDLES = FIRSTS + (1 << WIDTHS >> 1)


def code_places(coder: Coder, symbols: AnyInts, given: AnyInts | None) -> AnyInts:
    """Write, count or read the magnitudes whose symbols are known; the frequencies of places are learnt meanwhile.

    Arguments:
        coder: of them.
        symbols: of all elements.
        given: the magnitudes, where they are written or counted.

    Returns:
        The magnitudes.
    """
    magnitudes: AnyInts = FIRSTS[symbols] if given is None else given
    for symbol in range(_EXACT, int(symbols.max(initial=0)) + 1):
        where = (symbols == symbol).nonzero()[0]
        if len(where):
            place = None if given is None else given[where] - FIRSTS[symbol]
            found = _places(coder, int(WIDTHS[symbol]), len(where), place)
            if given is None:
                magnitudes[where] = FIRSTS[symbol] + found
    return magnitudes


def _places(coder: Coder, bits: int, n: int, given: Ints | None) -> Ints:
    below = max(0, bits - _MODELLED)
    counts = np.ones(1 << (bits - below), np.int64)
    found = np.zeros(n, np.int64)
    start, end = 0, min(n, _FIRST)
    while start < n:
        part = coder.symbols(counts, end - start, None if given is None else given[start:end] >> below)
        counts += np.bincount(part, minlength=len(counts))
        found[start:end] = part << below
        start, end = end, min(n, 2 * end)
    for shift in range(0, below, _PLAIN):
        size = 1 << min(_PLAIN, below - shift)
        found |= coder.uniform(size, n, None if given is None else (given >> shift) & (size - 1)) << shift
    return found
