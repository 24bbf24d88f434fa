"""Tensors of integers as few bytes, without loss.

Magnitudes are written first, then signs. Both are written in sets of elements, each of which is spread evenly over the
tensor. What was written before tells how large, and of which sign, the numbers in each row, column and filter and
beside an element are, and so what to expect of the next set: elements of which about the same is expected share one
distribution, which is learnt from those of them that were written before. A set is written at once, so that all this is
done by whole arrays.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from attar.compress.coder import AnyInts, Coder, Ints
from attar.compress.contexts import (
    CLASSES,
    LOG,
    Agreement,
    Distributions,
    Magnitudes,
    Signs,
    classes_of,
    power,
    sign_classes_of,
)
from attar.compress.layout import Layout, order
from attar.compress.symbols import LARGEST, MIDDLES, WIDTHS, code_places, symbol_of
from attar.compress.tensors import ODDS, Model, described
from attar.errors import CompressionError

# Is told elements, what was expected of them in each division, and their classes.
Watch = Callable[[Ints, list[Ints], Ints], None]

# Sets that a tensor is written in at most: one with many zeros, and others; likewise its signs.
SETS, DENSE = 64, 12
SIGN_SETS, SIGN_DENSE = 16, 12
# A magnitude counts for its sign up to so many times the mean.
_STRONG = 4


def decode(coder: Coder, shape: tuple[int, ...]) -> Ints:
    """Read a tensor of integers of that shape.

    Raises:
        CompressionError: the data are damaged.
    """
    model = described(coder, shape, None)
    values: Ints = np.asarray(passed(coder, model, None), np.int64) + model.offset
    if values.size and max(int(values.max()), -int(values.min())) > LARGEST:
        raise CompressionError("the coded numbers are damaged")
    return values.reshape(shape)


def passed(
    coder: Coder, model: Model, given: AnyInts | None, magnitudes: Watch | None = None, signs: Watch | None = None
) -> AnyInts:
    """Write, count or read the elements.

    Arguments:
        coder: of them.
        model: of the tensor.
        given: the numbers without the offset, flat; None: they are read. Small types take less time.
        magnitudes: is told what is expected of each set.
        signs: likewise.
    """
    layout = model.layout
    if model.symbols == 1 or not layout.size:
        return np.zeros(layout.size, np.int64)
    elements = order(layout)
    sizes = None if given is None else np.abs(given)
    symbols = _symbols(coder, model, elements, None if sizes is None else symbol_of(sizes), magnitudes)
    values = code_places(coder, symbols, sizes)
    if model.signed:
        told = None if given is None else given < 0
        negative = _signs(coder, model, elements[symbols[elements] > 0], values, told, signs)
        if given is None:
            np.negative(values, out=values, where=negative)
    return values if given is None else given


def _symbols(coder: Coder, model: Model, elements: Ints, given: AnyInts | None, watch: Watch | None) -> AnyInts:
    layout = model.layout
    used = [i for i, weight in enumerate(model.weights) if weight]
    context, distributions = Magnitudes(layout, model.mean_magnitude, used), Distributions(first(model))
    # Small types: these are looked up in an order that suits no cache.
    symbols = np.zeros(layout.size, np.uint8) if given is None else given
    sets = min(SETS if model.sparse else DENSE, math.isqrt(layout.size) // 4)
    for start, end in itertools.pairwise(_ends(layout.size, sets)):
        which = elements[start:end]
        groups, padded = _found(layout, which, used)
        features = context.features(groups, padded, start)
        classes = classes_of(weighed(features, model.weights, used, len(which)))
        part = by_class(coder, distributions, classes, None if given is None else given[which])
        if given is None:
            symbols[which] = part
        distributions.learn(classes, part)
        context.learn(groups, padded, MIDDLES[part])
        if watch is not None:
            watch(which, features, classes)
    return symbols


def _signs(
    coder: Coder,
    model: Model,
    elements: Ints,
    magnitudes: AnyInts,
    given: npt.NDArray[np.bool_] | None,
    watch: Watch | None,
) -> npt.NDArray[np.bool_]:
    """Which numbers are negative."""
    layout, mean = model.layout, model.mean_of_others
    used = [i for i, weight in enumerate(model.sign_weights) if weight]
    context, agreement = Signs(layout, mean, used), Agreement()
    negative = np.zeros(layout.size, np.bool_) if given is None else given
    sets = min(SIGN_SETS if model.sparse else SIGN_DENSE, math.isqrt(len(elements)) // 4)
    for start, end in itertools.pairwise(_ends(len(elements), sets)):
        which = elements[start:end]
        groups, padded = _found(layout, which, used)
        features: list[Ints] = []
        classes = expected = np.zeros(len(which), np.int64)
        if used:
            size = magnitudes[which].astype(np.int64)
            strength = strengths(size, mean)
            features = [one * strength >> 4 for one in context.features(groups, padded)]
            score = weighed(features, model.sign_weights, used, len(which))
            classes, expected = sign_classes_of(score), (score < 0).astype(np.int64)
        against = by_class(coder, agreement, classes, None if given is None else given[which] ^ expected)
        agreement.learn(classes, against)
        if given is None:
            negative[which] = against ^ expected
        if used:
            context.learn(groups, padded, np.where(negative[which], -size, size))
        if watch is not None:
            watch(which, features, classes)
    return negative


def strengths(sizes: Ints, mean: int) -> Ints:
    """How much what is expected of a sign counts, by the magnitude, in sixteenths."""
    found: Ints = np.minimum((sizes << 4) // mean, _STRONG << 4)
    return found


def _found(layout: Layout, elements: Ints, used: list[int]) -> tuple[dict[int, Ints], Ints]:
    """The groups of elements, and where they are among their neighbours, if either is asked for."""
    divided = len(layout.sizes)
    return (
        layout.groups(elements, used) if any(i < divided for i in used) else {},
        layout.padded(elements) if any(i >= divided for i in used) else elements,
    )


def weighed(features: list[Ints], weights: tuple[int, ...], used: list[int], n: int) -> Ints:
    """What is expected of so many elements in the divisions that are used, times the weights of these."""
    score = np.zeros(n, np.int64)
    for i, feature in zip(used, features):
        score += weights[i] * feature
    return score


def by_class(coder: Coder, learnt: Distributions | Agreement, classes: Ints, given: AnyInts | None) -> AnyInts:
    """Symbols of a set, class by class."""
    frequency = np.bincount(classes, minlength=CLASSES)
    there = np.flatnonzero(frequency)
    if len(there) == 1:
        return coder.symbols(learnt.weights(there)[0], len(classes), given)
    together = np.argsort(classes.astype(np.uint8), kind="stable")
    in_order = None if given is None else given[together]
    read, start = [], 0
    for weights, n in zip(learnt.weights(there), frequency[there].tolist()):
        read.append(coder.symbols(weights, n, None if in_order is None else in_order[start : start + n]))
        start += n
    if given is not None:
        return given
    symbols = np.empty(len(classes), np.int64)
    symbols[together] = np.concatenate(read)
    return symbols


def _ends(n: int, sets: int) -> list[int]:
    """Where a set ends and the next begins; the first are the smallest."""
    sets = max(1, sets)
    return sorted({n * i * i // (sets * sets) for i in range(sets + 1)})


def first(model: Model) -> Ints:
    """The distribution of symbols that a tensor begins with: zeros as told, other magnitudes falling exponentially."""
    zeros = int(power(np.array([(model.zeros - ODDS // 2) << (LOG - 1)]))[0])
    middles = MIDDLES[1 : model.symbols]
    fall = np.minimum(middles * 369 // model.mean_of_others, 20 << LOG)
    others = np.maximum(power(-fall) << np.minimum(WIDTHS[1 : model.symbols], 20) >> 8, 1)
    return np.concatenate([[min(zeros, 1 << 40)], (others << 20) // others.sum() + 1])
