"""What is to be expected of the next numbers of a tensor, by those that are known.

Everything here is in integers, so that every machine finds the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.compress.coder import AnyInts, Ints
from attar.compress.layout import Layout

# Fixed point: of logarithms and ratios, of a mean, of a share, and of what a coder is told.
LOG, MEAN, _SHARE, _TOLD = 8, 12, 20, 22
# Unit of weights: of magnitudes, of signs.
UNIT, SIGN_UNIT = 3, 1
# Classes of expected magnitude, two an octave, and the one of the mean; classes of expected sign, four for each unit of
# the logarithm of the odds.
CLASSES, _MIDDLE, SIGN_CLASSES = 64, 32, 32
# What a group is taken to have had before its first, in elements of mean size; and a class, of all that were before.
OF_GROUP, OF_NEIGHBOURS, _OF_CLASS, _OF_SIGNS = 2, 1, 48, 12
# Larger numbers say no more about their neighbours.
CAP = 1 << 15
# Bits in which neighbours are counted, and of the half of a word.
_COUNT, _HALVES = 4, 32
_HALF = 1 << _HALVES - 1
# Numbers whose logarithms and inverses are looked up.
_BITS = 12
TABLE = 1 << _BITS

# log₂(1 + i / 256) and 2^(i / 256); none is so close to a half that another machine could round it otherwise.
_LOGS = np.array([round(math.log2(1 + i / 256) * 2**LOG) for i in range(256)], np.int64)
_POWERS = np.array([round(2 ** (_SHARE + i / 256)) for i in range(256)], np.int64)


class Magnitudes:
    """Means of magnitudes over groups and neighbours.

    Arguments:
        layout: of the tensor.
        mean: of its magnitudes, in units of 2^-12, above 0.
        used: divisions that are looked at.
    """

    def __init__(self, layout: Layout, mean: int, used: list[int]) -> None:
        self._layout, self._mean, self._used = layout, mean, used
        self._sums = {i: np.zeros(layout.size // layout.sizes[i], np.int64) for i in used if i < len(layout.sizes)}
        self._near = np.zeros(layout.room if len(self._sums) < len(used) else 0, np.int32)
        unit = max(mean, 1 << MEAN)
        self._before, self._before_near = OF_GROUP * unit, OF_NEIGHBOURS * unit
        self._of_counts = _log2(np.arange(1 << _COUNT) * mean + OF_NEIGHBOURS * unit)

    def features(self, groups: dict[int, Ints], padded: Ints, seen: int) -> list[Ints]:
        """log₂ of a mean magnitude over that of the tensor, in each division, when so many elements are known."""
        found = []
        for i in self._used:
            if i in self._sums:
                known = self._layout.sizes[i] * seen // self._layout.size
                few = len(self._sums[i]) <= len(groups[i])
                sums = self._sums[i] if few else self._sums[i].take(groups[i])
                ratio = _log2((sums << MEAN) + self._before)
                ratio -= int(_log2(np.array([known * self._mean + self._before]))[0])
                found.append(ratio.take(groups[i]) if few else ratio)
            else:
                packed = _around(self._near, padded, self._layout.neighbours[i - len(self._layout.sizes)])
                near = np.minimum(packed >> _COUNT, TABLE - 1)
                logs = _log2((np.arange(int(near.max()) + 1) << MEAN) + self._before_near)
                found.append(logs.take(near) - self._of_counts.take(packed & (1 << _COUNT) - 1))
        return found

    def learn(self, groups: dict[int, Ints], padded: Ints, magnitudes: Ints) -> None:
        """Take in what has become known."""
        capped = np.minimum(magnitudes, CAP)
        if self._sums:
            large = np.flatnonzero(capped)
            some = capped[large]
            for i, sums in self._sums.items():
                np.add.at(sums, groups[i][large], some)
        if len(self._near):
            self._near[padded] = (capped << _COUNT) | 1


class Signs:
    """Whether the numbers of groups, and neighbours, are rather positive or rather negative.

    Arguments:
        layout: of the tensor.
        mean: of magnitudes other than 0.
        used: divisions that are looked at.
    """

    def __init__(self, layout: Layout, mean: int, used: list[int]) -> None:
        self._layout, self._used = layout, used
        # Of magnitudes, and of the numbers.
        self._sums = {i: np.zeros((2, layout.size // layout.sizes[i]), np.int64) for i in used if i < len(layout.sizes)}
        # Magnitudes in the upper half, and in the lower one the numbers: few are added, so that they do not mix.
        self._near = np.zeros(layout.room if len(self._sums) < len(used) else 0, np.int64)
        self._before, self._before_near = OF_GROUP * mean, OF_NEIGHBOURS * mean

    def features(self, groups: dict[int, Ints], padded: Ints) -> list[Ints]:
        """Sum over sum of magnitudes, in each division, between −1 and 1."""
        found = []
        for i in self._used:
            if i in self._sums:
                (whole, signed), before = self._sums[i].take(groups[i], axis=1), self._before
            else:
                packed = _around(self._near, padded, self._layout.neighbours[i - len(self._layout.sizes)])
                signed = (packed + _HALF & 2 * _HALF - 1) - _HALF
                whole, before = packed - signed >> _HALVES, self._before_near
            if int(whole.max()) >= TABLE:
                # The quotient stays about what it is, unless numbers are large: `before` is not divided.
                over = np.maximum(np.frexp(whole.astype(np.float64))[1].astype(np.int64) - _BITS, 0)
                signed, whole = signed >> over, whole >> over
            parts = (1 << _SHARE) // (np.arange(int(whole.max()) + 1) + before)
            found.append(signed * parts.take(whole) >> (_SHARE - LOG))
        return found

    def learn(self, groups: dict[int, Ints], padded: Ints, values: Ints) -> None:
        """Take in what has become known."""
        capped = np.minimum(np.maximum(values, -CAP), CAP)
        sizes = np.abs(capped)
        for i, (of_sizes, of_values) in self._sums.items():
            np.add.at(of_sizes, groups[i], sizes)
            np.add.at(of_values, groups[i], capped)
        if len(self._near):
            self._near[padded] = (sizes << _HALVES) + capped


class Distributions:
    """Distributions of symbols, one for each class, which begin as others are and are learnt.

    Arguments:
        first: the distribution in all, whole numbers.
    """

    def __init__(self, first: Ints) -> None:
        self._counts = np.zeros((CLASSES, len(first)), np.int64)
        self._first = _scaled(first, _SHARE)

    def weights(self, classes: Ints) -> Ints:
        """The distributions of some classes: of what was seen in each, and a little of what was seen in all.

        In a class of twice the magnitude, the odds of a zero are taken to be half of those in all.
        """
        every = _scaled((self._counts.sum(0) << 4) + (self._first >> (_SHARE - 4)), _SHARE)
        usual = np.repeat(every[None], len(classes), axis=0)
        tilt = power((_MIDDLE - classes) << (LOG - 1))
        usual[:, 0] = np.maximum(usual[:, 0] * np.minimum(tilt, 1 << 40) >> _SHARE, 1)
        return _scaled((self._counts[classes] << _SHARE) + _OF_CLASS * _scaled(usual, _SHARE), _TOLD)

    def learn(self, classes: Ints, symbols: AnyInts) -> None:
        """Count what has become known."""
        _count(self._counts, classes, symbols)


class Agreement:
    """How often a sign is the expected one, by how strongly it is expected."""

    def __init__(self) -> None:
        self._counts = np.zeros((SIGN_CLASSES, 2), np.int64)

    def weights(self, classes: Ints) -> Ints:
        """The odds in some classes: those that the expectation names, and what was seen."""
        # e^(c / 4) as a power of 2.
        odds = power(classes * 369 >> 2)
        usual = _scaled(np.stack([odds, np.full(len(classes), 1 << _SHARE)], axis=1), _SHARE)
        return _scaled((self._counts[classes] << _SHARE) + _OF_SIGNS * usual, _TOLD)

    def learn(self, classes: Ints, against: AnyInts) -> None:
        """Count what has become known."""
        _count(self._counts, classes, against)


def classes_of(score: Ints) -> Ints:
    """The class of a sum of weights times logarithms."""
    shift = LOG + UNIT - 1
    found: Ints = np.minimum(np.maximum(((score + (1 << (shift - 1))) >> shift) + _MIDDLE, 0), CLASSES - 1)
    return found


def sign_classes_of(score: Ints) -> Ints:
    """The class of the size of a sum of weights times ratios."""
    shift = LOG + SIGN_UNIT - 2
    found: Ints = np.minimum((np.abs(score) + (1 << (shift - 1))) >> shift, SIGN_CLASSES - 1)
    return found


def power(exponents: Ints) -> Ints:
    """2^x of numbers in units of 2^-8, in units of 2^-20."""
    octave, place = exponents >> LOG, exponents & 255
    value = _POWERS[place]
    return np.where(octave < 0, value >> np.minimum(-octave, 40), value << np.minimum(np.maximum(octave, 0), 40))


def _log2(values: Ints) -> Ints:
    """log₂ of numbers above 0, in units of 2^-8."""
    fraction, octave = np.frexp(values.astype(np.float64))
    return _LOGS[(fraction * 512).astype(np.int64) - 256] + ((octave.astype(np.int64) - 1) << LOG)


def _scaled(weights: Ints, bits: int) -> Ints:
    """In the same proportion, in sum about 2^bits; none is 0."""
    total = weights.sum(-1, keepdims=True)
    # So that nothing leaves the range of 64 bits.
    shift = np.maximum(np.frexp(total.astype(np.float64))[1].astype(np.int64) - 40, 0)
    scaled: Ints = np.maximum((weights >> shift << bits) // np.maximum(total >> shift, 1), 1)
    return scaled


def _around(near: npt.NDArray[Any], padded: Ints, steps: tuple[int, ...]) -> Ints:
    """The sum of some neighbours."""
    total: Ints = near.take(padded + steps[0]).astype(np.int64)
    for step in steps[1:]:
        total += near.take(padded + step)
    return total


def _count(counts: Ints, classes: Ints, symbols: AnyInts) -> None:
    counts += np.bincount(classes * counts.shape[1] + symbols, minlength=counts.size).reshape(counts.shape)
