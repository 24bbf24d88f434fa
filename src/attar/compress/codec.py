"""Tensors of integers as few bytes, without loss.

A tensor is written in sets of elements, each of which is spread evenly over it. What was written before tells how large
the numbers in each row, column and filter are, and so how large those of the next set will be: elements of which about
the same is expected share one distribution, which is learnt from those of them that were written before. A set is
written at once, so that all this is done by whole arrays.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from attar.compress.coder import Coder, Counter, Ints, number
from attar.compress.contexts import CLASSES, MEAN, UNIT, Classes, Groups, classes_of, order
from attar.compress.symbols import BUCKETS, LARGEST, Places, bucket
from attar.errors import CompressionError

AnyInts = npt.NDArray[np.integer]
Watch = Callable[[Ints, Ints, Ints], None]

# Weights of a group that there are.
_WEIGHTS = 16
# Sets that a large tensor is written in.
_SETS = 96
# Odds of zeros that there are.
_ODDS = 64
# Bits of a mean: octave, and place in it.
_OCTAVES, _STEPS = 64, 8
_NEWTON = 8


@dataclass(frozen=True)
class Model:
    """What a reader must know of a tensor before its first element.

    Arguments:
        offset: what is taken from all elements, the most frequent one.
        symbols: of magnitudes, at least 1.
        mean: of the magnitudes, as the number of its octave times 8, plus the place in it.
        zeros: odds of zeros, as i in 2^((i − 32) / 2).
        period: neighbours along a row that belong together, such as the elements of a filter.
        weights: of the groups, in eighths.
    """

    offset: int
    symbols: int
    mean: int = 0
    zeros: int = 0
    period: int = 1
    weights: tuple[int, ...] = ()


def encode(coder: Coder, codes: AnyInts) -> None:
    """Write or count a tensor of integers.

    References:
        Wiedemann et al., DeepCABAC: A Universal Compression Algorithm for Deep Neural Networks, 2020,
        https://arxiv.org/abs/1907.11900 (adaptive contexts)

    Arguments:
        coder: a `Writer` or a `Counter`.
        codes: of any shape.

    Raises:
        CompressionError: a number is too large.

    Example:
        >>> from attar.compress.coder import Reader, Writer
        >>> codes, writer = np.array([[0, 0, 3], [-1, 0, 0]]), Writer()
        >>> encode(writer, codes)
        >>> decode(Reader(writer.data()), codes.shape)
        array([[ 0,  0,  3],
               [-1,  0,  0]])
    """
    model, values = fitted(codes)
    _described(coder, codes.shape, model)
    passed(coder, codes.shape, model, values)


def decode(coder: Coder, shape: tuple[int, ...]) -> Ints:
    """Read a tensor of integers of that shape.

    Raises:
        CompressionError: the data are damaged.
    """
    model = _described(coder, shape, None)
    return passed(coder, shape, model, None) + model.offset


def bits(codes: AnyInts) -> float:
    """How many bits a tensor of integers takes.

    Example:
        >>> 100 < bits(np.arange(30) % 7) < 130
        True
    """
    counter = Counter()
    encode(counter, codes)
    return counter.bits


def fitted(codes: AnyInts) -> tuple[Model, Ints]:
    """The model that suits a tensor, and what is left of its numbers without the offset."""
    flat = codes.reshape(-1).astype(np.int64)
    if not flat.size:
        return Model(0, 1), flat
    seen, often = np.unique(flat, return_counts=True)
    offset = int(seen[often.argmax()])
    flat = flat - offset
    magnitude = np.abs(flat)
    if max(int(magnitude.max()), abs(offset)) > LARGEST:
        raise CompressionError(f"the number {int(np.abs(codes).max())} is too large to be coded; the most is {LARGEST}")
    symbols = int(bucket(magnitude.max(keepdims=True))[0]) + 1
    if symbols == 1:
        return Model(offset, 1), flat
    share = float(often.max()) / flat.size
    zeros = round(2 * math.log2(share / max(1 - share, 1 / flat.size))) + _ODDS // 2
    model = Model(offset, symbols, _nearest(float(magnitude.mean())), min(max(zeros, 0), _ODDS - 1))
    kernel = math.prod(codes.shape[2:])
    tried = [_weighted(replace(model, period=p), codes.shape, flat) for p in sorted({1, kernel})]
    return min(tried, key=lambda one: one[0])[1], flat


def _weighted(model: Model, shape: tuple[int, ...], values: Ints) -> tuple[float, Model]:
    """The model with those weights of its groups that tell the magnitudes best, and the bits that it then takes.

    Magnitudes are taken to follow Poisson's law with the mean μ · Π rᵢ^wᵢ, rᵢ the ratios of the groups' means to that
    of the tensor, and w is where the likelihood is largest.
    """
    features: list[Ints] = []
    elements: list[Ints] = []

    def watch(which: Ints, of_groups: Ints, _: Ints) -> None:
        elements.append(which)
        features.append(of_groups)

    n = _divisions(shape, model.period)
    if n:
        passed(Counter(), shape, replace(model, weights=(1 << UNIT,) * n), values, watch)
        y = np.abs(values)[np.concatenate(elements)].astype(np.float64)
        y = np.minimum(y / y.mean(), 20)
        x = np.concatenate(features, axis=1).T * (math.log(2) / 256)
        x = np.concatenate([np.ones((len(x), 1)), x], axis=1)
        w = np.zeros(n + 1)
        for _ in range(_NEWTON):
            mean = np.exp(np.clip(x @ w, -20, 5))
            slope = x.T @ (y - mean)
            curve = (x * mean[:, None]).T @ x + 1e-3 * len(x) * np.eye(n + 1)
            w += np.clip(np.linalg.solve(curve, slope), -1, 1)
        model = replace(
            model, weights=tuple(int(one) for one in np.clip(np.rint(w[1:] * (1 << UNIT)), 0, _WEIGHTS - 1))
        )
    counter = Counter()
    _described(counter, shape, model)
    passed(counter, shape, model, values)
    return counter.bits, model


def passed(coder: Coder, shape: tuple[int, ...], model: Model, given: Ints | None, watch: Watch | None = None) -> Ints:
    """Write, count or read the elements.

    Arguments:
        coder: of them.
        shape: of the tensor.
        model: of it.
        given: the numbers without the offset, flat; None: they are read.
        watch: is told the elements of each set, the features of their groups `(divisions, elements)`, and their
            classes.
    """
    rows, columns = _matrix(shape)
    n = rows * columns
    values = np.zeros(n, np.int64)
    if model.symbols == 1 or not n:
        return values.reshape(shape)
    groups, classes = Groups(rows, columns, model.period, _mean(model.mean)), Classes(model.symbols, model.zeros)
    places, elements = Places(model.symbols), order(rows, columns)
    used = [i for i, weight in enumerate(model.weights) if weight]
    sets = min(_SETS, max(1, math.isqrt(n) // 4))
    ends = [n * i * i // (sets * sets) for i in range(sets + 1)]
    for start, end in itertools.pairwise(ends):
        if start == end:
            continue
        which = elements[start:end]
        member = groups.of(which) if used else []
        score = np.zeros(len(which), np.int64)
        features = [groups.expected(i, member[i], start) for i in used]
        for i, feature in zip(used, features):
            score += model.weights[i] * feature
        of_class = classes_of(score)
        told = None if given is None else given[which]
        symbols = _symbols(coder, classes, of_class, None if told is None else bucket(np.abs(told)))
        large = np.flatnonzero(symbols)
        part = places.code(coder, symbols[large], None if told is None else told[large])
        values[which[large]] = part
        classes.learn(of_class, symbols)
        groups.learn([one[large] for one in member], np.abs(part))
        if watch is not None:
            watch(which, np.stack(features) if used else np.zeros((0, len(which)), np.int64), of_class)
    return values.reshape(shape)


def _symbols(coder: Coder, classes: Classes, of_class: Ints, given: Ints | None) -> Ints:
    """The symbols of a set, class by class."""
    together = np.argsort(of_class.astype(np.uint8), kind="stable")
    frequency = np.bincount(of_class, minlength=CLASSES)
    there = np.flatnonzero(frequency)
    symbols = np.empty(len(of_class), np.int64)
    start = 0
    for weights, n in zip(classes.weights(there), frequency[there].tolist()):
        where = together[start : start + n]
        symbols[where] = coder.symbols(weights, n, None if given is None else given[where])
        start += n
    return symbols


def _described(coder: Coder, shape: tuple[int, ...], given: Model | None) -> Model:
    """Write, count or read what must be known beforehand."""

    def one(most: int, value: int | None) -> int:
        return number(coder, most, value)

    shifted = bool(one(1, None if given is None else int(given.offset != 0)))
    offset = 0
    if shifted:
        sign = one(1, None if given is None else int(given.offset < 0))
        width = one(31, None if given is None else abs(given.offset).bit_length())
        offset = one((1 << width) - 1, None if given is None else abs(given.offset)) * (-1 if sign else 1)
    symbols = one(BUCKETS - 1, None if given is None else given.symbols - 1) + 1
    if symbols == 1:
        return Model(offset, 1)
    mean = one(_OCTAVES * _STEPS - 1, None if given is None else given.mean)
    zeros = one(_ODDS - 1, None if given is None else given.zeros)
    usual = math.prod(shape[2:])
    period = usual
    if _divisions(shape, usual) and one(1, None if given is None else int(given.period != usual)):
        period = one(_matrix(shape)[1], None if given is None else given.period)
        if period < 1 or _matrix(shape)[1] % period:
            raise CompressionError("the coded numbers are damaged")
    weights = [one(_WEIGHTS - 1, None if given is None else given.weights[i]) for i in range(_divisions(shape, period))]
    return Model(offset, symbols, mean, zeros, period, tuple(weights))


def _matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns."""
    return (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))


def _divisions(shape: tuple[int, ...], period: int) -> int:
    """How many divisions into groups there are; none in a vector."""
    rows, columns = _matrix(shape)
    if rows == 1 or columns == 1:
        return 0
    return 2 if period == 1 else 5


def _nearest(mean: float) -> int:
    """The number of a mean."""
    octave = max(0, math.floor(math.log2(mean)) + MEAN)
    return min(octave * _STEPS + min(_STEPS - 1, int((mean * 2**MEAN / 2**octave - 1) * _STEPS)), _OCTAVES * _STEPS - 1)


def _mean(index: int) -> int:
    """A mean, in units of 2^-12, of its number."""
    octave, place = divmod(index, _STEPS)
    return (_STEPS + place << min(octave, 31 + MEAN)) // _STEPS
