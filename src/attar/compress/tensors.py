"""What is written of a tensor of integers before its elements, and how it is found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from attar.compress.coder import Coder, number
from attar.compress.contexts import MEAN
from attar.compress.layout import Layout, matrix
from attar.compress.symbols import SYMBOLS
from attar.errors import CompressionError

# Weights of divisions that there are; those of signs begin below 0.
WEIGHTS, SIGN_WEIGHTS, SIGN_LEAST = 16, 32, -7
# Odds of zeros that there are, and octaves and steps of a mean.
ODDS, _OCTAVES, _STEPS = 64, 28, 8
# Of a picture whose size is told.
WIDEST = 1 << 16


@dataclass(frozen=True)
class Model:
    """What a reader must know of a tensor before its first element.

    Arguments:
        layout: which elements belong together.
        offset: what is taken from all elements.
        symbols: of magnitudes, at least 1.
        signed: whether there are negative numbers.
        mean: of the magnitudes, as 8 times its octave plus the place in it.
        zeros: odds of zeros, as i in 2^((i − 32) / 2).
        weights: of the divisions of the layout, in eighths.
        sign_weights: likewise for signs, in halves.
    """

    layout: Layout
    offset: int
    symbols: int
    signed: bool = False
    mean: int = 0
    zeros: int = 0
    weights: tuple[int, ...] = ()
    sign_weights: tuple[int, ...] = ()

    @property
    def sparse(self) -> bool:
        """Whether at least half of the numbers are zeros."""
        return self.zeros >= ODDS // 2

    @property
    def mean_magnitude(self) -> int:
        """In units of 2^-12."""
        octave, place = divmod(self.mean, _STEPS)
        return (_STEPS + place << octave) // _STEPS

    @property
    def mean_of_others(self) -> int:
        """Of the magnitudes other than 0, a whole number."""
        half = self.zeros - ODDS // 2
        # 1 + their odds, those taken to be a power of two; where zeros are the fewer, they do not count.
        times = 1 + (1 << half // 2 if half >= 0 else 0)
        return max(1, (self.mean_magnitude * times) >> MEAN)


def mean_of(value: float) -> int:
    """The number of a mean, as `Model` keeps it."""
    octave = int(np.clip(np.floor(np.log2(value)) + MEAN, 0, _OCTAVES - 1))
    return octave * _STEPS + int(np.clip((value * 2.0 ** (MEAN - octave) - 1) * _STEPS, 0, _STEPS - 1))


def described(coder: Coder, shape: tuple[int, ...], given: Model | None) -> Model:
    """Write, count or read a model, of a tensor of that shape; given where it is not read."""
    layout = matrix(shape)
    # One who reads takes no notice of what he is told.
    told = Model(layout, 0, 1) if given is None else given
    offset = 0
    if number(coder, 1, told.offset != 0):
        sign = number(coder, 1, told.offset < 0)
        width = number(coder, 31, abs(told.offset).bit_length())
        offset = number(coder, (1 << width) - 1, abs(told.offset)) * (-1 if sign else 1)
    symbols = number(coder, SYMBOLS - 1, told.symbols - 1) + 1
    if symbols == 1:
        return Model(layout, offset, 1)
    signed = bool(number(coder, 1, told.signed))
    mean = number(coder, _OCTAVES * _STEPS - 1, told.mean)
    zeros = number(coder, ODDS - 1, told.zeros)
    if layout.sizes and number(coder, 1, told.layout != layout):
        height, width = (number(coder, WIDEST, length) for length in (told.layout.height, told.layout.width))
        if not height or not width or layout.columns % (height * width):
            raise CompressionError("the coded numbers are damaged")
        layout = Layout(layout.rows, layout.columns, height, width)
    nothing = (0,) * layout.divisions
    weights = tuple(number(coder, WEIGHTS - 1, w) for w in told.weights or nothing)
    of_signs = told.sign_weights or nothing if signed else ()
    sign_weights = tuple(SIGN_LEAST + number(coder, SIGN_WEIGHTS - 1, w - SIGN_LEAST) for w in of_signs)
    return Model(layout, offset, symbols, signed, mean, zeros, weights, sign_weights)
