"""Quantisation that weighs errors against bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from attar.compress import fitting
from attar.compress.codec import passed
from attar.compress.coder import Counter, Ints
from attar.compress.contexts import CLASSES
from attar.compress.symbols import LARGEST, SYMBOLS, WIDTHS, symbol_of

AnyFloats = npt.NDArray[np.floating[Any]]

# Numbers that a class is taken to have had before its first.
_BEFORE = 8.0
# After so many rounds almost nothing changes.
_ROUNDS = 3


def cheapest(weight: AnyFloats, step: npt.ArrayLike, trade: float, importance: npt.ArrayLike = 1.0) -> Ints:
    """The codes q of a weight that cost least, in error and in bits of the entropy code.

    q = argmin Σ hᵢ (wᵢ − sᵢ qᵢ)² + λ · bits(q), in rounds: each number is chosen for itself among its two neighbours on
    the grid and 0, for the code that suits what was chosen in the round before. The round that costs least counts.

    References:
        Wiedemann et al., DeepCABAC: A Universal Compression Algorithm for Deep Neural Networks, 2020,
        https://arxiv.org/abs/1907.11900, section III

    Arguments:
        weight: w, of any shape.
        step: s, above zero, of a shape that is broadcast to that of the weight.
        trade: λ, the error that a bit may cost; 0: every number is rounded to the nearest.
        importance: h, such as the curvature of the loss, broadcast likewise.

    Returns:
        Integers of the shape of the weight.

    Example:
        >>> w = np.random.default_rng(0).normal(size=(20, 20))
        >>> near, cheap = cheapest(w, 1.0, trade=0), cheapest(w, 1.0, trade=0.2)
        >>> bool(np.abs(near - w).max() <= 0.5), int((near == 0).sum()) < int((cheap == 0).sum())
        (True, True)
    """
    steps = np.broadcast_to(np.asarray(step, np.float64), weight.shape)
    curvature = (np.broadcast_to(np.asarray(importance, np.float64), weight.shape) * steps**2).reshape(-1)
    places = np.clip(weight / steps, -LARGEST, LARGEST).reshape(-1)
    nearest = np.rint(places).astype(np.int64)
    # The neighbour nearer to 0; 0 itself where that is the nearest.
    lower = np.where(np.abs(nearest) > np.abs(places), nearest - np.sign(nearest), nearest)
    choices = np.stack([nearest, lower, np.zeros_like(nearest)])
    errors = curvature * (choices - places) ** 2
    tried = [nearest.reshape(weight.shape)]
    for _ in range(_ROUNDS if trade > 0 and weight.size else 0):
        costs = errors + trade * _bits(tried[-1], choices)
        tried.append(choices[costs.argmin(0), np.arange(weight.size)].reshape(weight.shape))

    def cost(codes: Ints) -> float:
        return float((curvature * (codes.reshape(-1) - places) ** 2).sum()) + trade * fitting.bits(codes)

    # A code that suits few numbers is much of what they take, so that a round may cost more than the one before.
    return min(tried, key=cost) if len(tried) > 1 else tried[0]


def _bits(codes: Ints, choices: Ints) -> npt.NDArray[np.float64]:
    """What each choice for a number takes in a code that suits the numbers as they are `(choices, numbers)`."""
    classes = np.zeros(codes.size, np.int64)

    def watch(elements: Ints, _: list[Ints], found: Ints) -> None:
        classes[elements] = found

    model, values = fitting.fitted(codes), codes.reshape(-1)
    passed(Counter(), model, values - model.offset, watch)
    symbols = symbol_of(np.abs(values - model.offset))
    every = np.bincount(symbols, minlength=SYMBOLS) + 1 / SYMBOLS
    counts = np.tile(_BEFORE * every / every.sum(), (CLASSES, 1))
    np.add.at(counts, (classes, symbols), 1)
    cost = WIDTHS - np.log2(counts / counts.sum(1, keepdims=True))
    choices = choices - model.offset
    bits: npt.NDArray[np.float64] = cost[classes, symbol_of(np.abs(choices))] + (choices != 0)
    return bits
