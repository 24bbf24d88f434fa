"""How large the next numbers of a tensor will be, from those that are known.

Everything here is in integers, so that every machine finds the same.
"""

from __future__ import annotations

import math

import numpy as np

from attar.compress.coder import Ints

# Fixed point: of logarithms, of a mean, of a share, and of what a coder is told.
_LOG, MEAN, _SHARE, _TOLD = 8, 12, 20, 22
# Unit of the weights of groups.
UNIT = 3
# Classes of expected magnitude, two an octave, and the one of the mean.
CLASSES, _MIDDLE = 64, 32
# How many elements of mean size a group is taken to have had before its first; and a class, of all that were before.
_OF_GROUP, _OF_CLASS = 2, 16
# Larger numbers say no more about their neighbours.
_CAP = 1 << 15

# log₂(1 + i / 256) and 2^(i / 256); none is so close to a half that another machine could round it otherwise.
_LOGS = np.array([round(math.log2(1 + i / 256) * 2**_LOG) for i in range(256)], np.int64)
_POWERS = np.array([round(2 ** (_SHARE + i / 256)) for i in range(256)], np.int64)


def order(rows: int, columns: int) -> Ints:
    """Positions in a matrix in an order whose every stretch is spread evenly over rows and columns.

    References:
        Roberts, The Unreasonable Effectiveness of Quasirandom Sequences, 2018,
        https://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences/
    """
    # Steps of 1 / ρ and 1 / ρ² along both axes, ρ³ = ρ + 1, in units of 2^-32.
    down, right = (
        np.arange(n, dtype=np.uint32) * np.uint32(step) for n, step in ((rows, 3242174889), (columns, 2447445414))
    )
    place = (down[:, None] + right) >> np.uint32(16)
    found: Ints = np.argsort(place.astype(np.uint16).reshape(-1), kind="stable")
    return found


class Groups:
    """Sums of magnitudes over groups of elements: rows, columns, and what a period divides them into.

    Arguments:
        rows: of the matrix.
        columns: of the matrix.
        period: divides the columns; 1: none.
        mean: of the magnitudes, in units of 2^-12, above 0.
    """

    def __init__(self, rows: int, columns: int, period: int, mean: int) -> None:
        self._columns, self._period, self._mean = columns, period, mean
        self._all = rows * columns
        sizes = [columns, rows]
        if period > 1:
            sizes += [period, rows * period, rows * columns // period]
        self._sizes = sizes
        self._sums = [np.zeros(self._all // size, np.int64) for size in sizes]
        self._before = _OF_GROUP * max(mean, 1 << MEAN)

    def __len__(self) -> int:
        return len(self._sums)

    def of(self, elements: Ints) -> list[Ints]:
        """The group of each element, in each division."""
        row, column = np.divmod(elements, self._columns)
        if self._period == 1:
            return [row, column]
        part, place = np.divmod(column, self._period)
        return [row, column, row * (self._columns // self._period) + part, part, place]

    def expected(self, division: int, groups: Ints, seen: int) -> Ints:
        """log₂ of the mean magnitude in a group over that in the tensor, when so many elements are known."""
        sums, known = self._sums[division], self._sizes[division] * seen // self._all
        few = len(sums) <= len(groups)
        found = _log2(((sums if few else sums[groups]) << MEAN) + self._before)
        found -= int(_log2(np.array([known * self._mean + self._before]))[0])
        return found[groups] if few else found

    def learn(self, groups: list[Ints], magnitudes: Ints) -> None:
        """Add what has become known."""
        capped = np.minimum(magnitudes, _CAP)
        for sums, which in zip(self._sums, groups):
            np.add.at(sums, which, capped)


class Classes:
    """Distributions of symbols, one for each class of expected magnitude.

    Arguments:
        symbols: how many there are; 0 is zero.
        zeros: odds of a zero, as i in 2^((i − 32) / 2).
    """

    def __init__(self, symbols: int, zeros: int) -> None:
        self._counts = np.zeros((CLASSES, symbols), np.int64)
        odds = _power(np.array([(zeros - 32) << (_LOG - 1)]))[0]
        others = np.full(symbols - 1, max(1, (1 << _SHARE) // max(1, symbols - 1)), np.int64)
        self._first = _scaled(np.concatenate([[odds], others]), _SHARE)

    def weights(self, classes: Ints) -> Ints:
        """The distributions of some classes: of what was seen in each, and a little of what was seen in all.

        In a class of twice the magnitude, the odds of a zero are taken to be half of those in all.
        """
        counts = self._counts[classes]
        every = _scaled((self._counts.sum(0) << 4) + (self._first >> (_SHARE - 4)), _SHARE)
        usual = np.repeat(every[None], len(classes), axis=0)
        tilt = _power((_MIDDLE - classes) << (_LOG - 1))
        usual[:, 0] = np.maximum(usual[:, 0] * np.minimum(tilt, 1 << 40) >> _SHARE, 1)
        return _scaled((counts << _SHARE) + _OF_CLASS * _scaled(usual, _SHARE), _TOLD)

    def learn(self, classes: Ints, symbols: Ints) -> None:
        """Count what has become known."""
        shape = self._counts.shape
        self._counts += np.bincount(classes * shape[1] + symbols, minlength=self._counts.size).reshape(shape)


def classes_of(score: Ints) -> Ints:
    """The class of a sum of weights, in eighths, times logarithms."""
    shift = _LOG + UNIT - 1
    return np.clip((score + (1 << (shift - 1))) >> shift, -_MIDDLE, CLASSES - _MIDDLE - 1) + _MIDDLE


def _log2(values: Ints) -> Ints:
    """log₂ of numbers above 0, in units of 2^-8."""
    fraction, octave = np.frexp(values.astype(np.float64))
    return _LOGS[(fraction * 512).astype(np.int64) - 256] + ((octave.astype(np.int64) - 1) << _LOG)


def _power(exponents: Ints) -> Ints:
    """2^x of numbers in units of 2^-8, in units of 2^-20."""
    octave, place = exponents >> _LOG, exponents & 255
    value = _POWERS[place]
    return np.where(octave < 0, value >> np.minimum(-octave, 40), value << np.clip(octave, 0, 40))


def _scaled(weights: Ints, bits: int) -> Ints:
    """In the same proportion, in sum about 2^bits; none is 0."""
    total = weights.sum(-1, keepdims=True)
    # So that nothing leaves the range of 64 bits.
    shift = np.maximum(np.frexp(total.astype(np.float64))[1].astype(np.int64) - 40, 0)
    scaled: Ints = np.maximum((weights >> shift << bits) // np.maximum(total >> shift, 1), 1)
    return scaled
