"""Which numbers of a tensor belong together: rows, columns, filters, and neighbours in a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from attar.compress.coder import Ints


@dataclass(frozen=True)
class Layout:
    """A matrix whose rows are made of pictures.

    Arguments:
        rows: of the matrix.
        columns: of the matrix.
        height: of a picture; the matrix has no pictures where height and width are 1.
        width: of a picture; height · width divides the columns.
    """

    rows: int
    columns: int
    height: int = 1
    width: int = 1

    @property
    def size(self) -> int:
        """Elements in all."""
        return self.rows * self.columns

    @cached_property
    def sizes(self) -> list[int]:
        """Elements of a group in each division: rows, columns; pictures, all pictures of a place, all pixels of one."""
        if min(self.rows, self.columns) == 1:
            return []
        period = self.height * self.width
        if period == 1:
            return [self.columns, self.rows]
        return [self.columns, self.rows, period, self.rows * period, self.size // period]

    @cached_property
    def neighbours(self) -> list[tuple[int, ...]]:
        """Steps to the neighbours in a picture, beside and across, between what `padded` yields."""
        if self.height * self.width == 1 or not self.sizes:
            return []
        down = self.width + 1
        return [(-1, 1, -down, down), (-down - 1, -down + 1, down - 1, down + 1)]

    @property
    def divisions(self) -> int:
        """Kinds of groups, and of neighbours."""
        return len(self.sizes) + len(self.neighbours)

    def groups(self, elements: Ints, used: list[int]) -> dict[int, Ints]:
        """The group of each element, in some divisions."""
        period = self.height * self.width
        # Quotients and products take less time than np.divmod.
        found = {0: elements // self.columns}
        if 1 in used or 3 in used or 4 in used:
            found[1] = elements - found[0] * self.columns
        if 2 in used or 4 in used:
            found[2] = elements // period
        if 3 in used:
            found[3] = found[1] // period
        if 4 in used:
            found[4] = elements - found[2] * period
        return found

    def padded(self, elements: Ints) -> Ints:
        """Where each element is when pictures have a column and a row of nothing between them."""
        above = elements // self.width
        # Each line of a picture adds one place, and each picture a line.
        found: Ints = elements + above + above // self.height * (self.width + 1) + self.width + 2
        return found

    @property
    def room(self) -> int:
        """How many places `padded` needs."""
        return (self.size // (self.height * self.width) + 1) * (self.height + 1) * (self.width + 1) + 2 * self.width + 4


def matrix(shape: tuple[int, ...]) -> Layout:
    """The layout of a tensor as its shape has it: filters are pictures."""
    if len(shape) < 2:
        return Layout(1, math.prod(shape))
    height, width = (1, 1) if len(shape) < 3 else (math.prod(shape[2:-1]), shape[-1])
    return Layout(shape[0], math.prod(shape[1:]), max(1, height), max(1, width))


def places(layout: Layout) -> npt.NDArray[np.uint16]:
    """The places of elements `(rows, columns)`: those up to any of them are spread evenly over rows and columns.

    References:
        Roberts, The Unreasonable Effectiveness of Quasirandom Sequences, 2018,
        https://extremelearning.com.au/unreasonable-effectiveness-of-quasirandom-sequences/
    """
    # Steps of 1 / ρ and 1 / ρ² along both axes, ρ³ = ρ + 1, in units of 2^-32.
    down = np.arange(layout.rows, dtype=np.uint32) * np.uint32(3242174889)
    right = np.arange(layout.columns, dtype=np.uint32) * np.uint32(2447445414)
    return ((down[:, None] + right) >> np.uint32(16)).astype(np.uint16)


def order(layout: Layout) -> Ints:
    """Elements by their places, so that every stretch is spread evenly over rows and columns."""
    found: Ints = np.argsort(places(layout).reshape(-1), kind="stable")
    return found
