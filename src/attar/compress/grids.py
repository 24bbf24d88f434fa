"""Which integers stand for which numbers: w ≈ s · (q − z), with s and z learnt from the numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from attar._settings import is_count
from attar.compress.aciq import spread
from attar.errors import CompressionError

Clipping = Literal["minmax", "percentile", "mse", "aciq"]
CLIPPINGS = get_args(Clipping)
_FEWEST, _MOST = 2, 16
# Share of the numbers that "percentile" keeps in range.
_KEPT = 0.999
# How many widths of the range "mse" tries.
_TRIED = 64
# Numbers that are rounded at once while widths are tried, which the processor keeps near: small tensors to all of them
# together, large ones some rows after the others.
_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Grid:
    """The integers that numbers are rounded to: −h … h with h = 2ᵇ⁻¹ − 1, or −h − 1 … h where zero may lie anywhere.

    Arguments:
        bits: b, 2 to 16.
        symmetric: whether the code of 0 is 0; then there are as many codes below it as above, and one of 2ᵇ is unused.

    Raises:
        CompressionError: there are no such bits.

    Example:
        >>> Grid(2).low, Grid(2).high, Grid(2, symmetric=False).low
        (-1, 1, -2)
    """

    bits: int
    symmetric: bool = True

    def __post_init__(self) -> None:
        if not (is_count(self.bits, _FEWEST) and self.bits <= _MOST):
            raise CompressionError(f"{self.bits!r} bits: a number takes {_FEWEST} to {_MOST} of them, a whole number")

    @property
    def high(self) -> int:
        """The largest code."""
        return int(2 ** (self.bits - 1)) - 1

    @property
    def low(self) -> int:
        """The smallest code."""
        return -self.high if self.symmetric else -self.high - 1


@dataclass(frozen=True)
class Steps:
    """One step and one code of zero for each row of numbers.

    Arguments:
        scale: s `(rows,)`, or several of them `(n, rows)`; codes and numbers then are `(n, rows, k)`.
        zero: z like s, integers as floats; None: 0.
    """

    scale: Tensor
    zero: Tensor | None

    def codes(self, rows: Tensor, grid: Grid) -> Tensor:
        """q = clamp(⌊w / s⌉ + z) of numbers `(rows, k)`, as floats."""
        codes = (rows / self.scale[..., None]).round()
        return (codes if self.zero is None else codes + self.zero[..., None]).clamp(grid.low, grid.high)

    def decoded(self, codes: Tensor) -> Tensor:
        """w = s · (q − z) of codes `(rows, k)`."""
        return (codes if self.zero is None else codes - self.zero[..., None]) * self.scale[..., None]


def fitted(rows: Tensor, grid: Grid, clipping: Clipping = "mse") -> Steps:
    """Choose the range of each row, which the codes divide evenly; what lies outside is moved to its end.

    | clipping | the range is |
    |---|---|
    | "minmax" | all of it |
    | "percentile" | 99.9 % of the numbers |
    | "mse" | the part, of 64 tried, whose rounded numbers have the least squared error |
    | "aciq" | the least expected squared error under a normal or Laplace distribution, whichever is closer |

    Zero is always in range and has a code of its own, so that what is zero stays zero.

    References:
        Krishnamoorthi, Quantizing deep convolutional networks for efficient inference, 2018, section 2,
        https://arxiv.org/abs/1806.08342

    Arguments:
        rows: finite numbers `(rows, k)`, k ≥ 1.
        grid: the codes.
        clipping: how the range is chosen.

    Example:
        >>> w = torch.tensor([[-1.0, 0.0, 0.5, 1.0]])
        >>> steps = fitted(w, Grid(3), "minmax")
        >>> steps.codes(w, Grid(3))
        tensor([[-3.,  0.,  2.,  3.]])
    """
    # float16 has too few digits for the sums.
    exact = rows.double() if rows.dtype == torch.float64 else rows.float()
    below, above = exact.amin(1).clamp(max=0), exact.amax(1).clamp(min=0)
    if clipping == "mse":
        return _least_error(exact, below, above, grid, rows.dtype)
    low, high, zero = below, above, torch.zeros_like(below)
    if clipping != "minmax":
        low, high = (_percentiles if clipping == "percentile" else _expected)(exact, grid)
    return _steps(low.clamp(below, zero), high.clamp(zero, above), grid, rows.dtype)


def _steps(below: Tensor, above: Tensor, grid: Grid, dtype: torch.dtype) -> Steps:
    """The step by which the codes reach from one end of the range to the other."""
    width = torch.maximum(-below, above) / grid.high if grid.symmetric else (above - below) / (grid.high - grid.low)
    scale = width.to(dtype)
    # Where all is zero, or too small for the type, one step is as good as another.
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    if grid.symmetric:
        return Steps(scale, None)
    return Steps(scale, (grid.low - below / scale).round().clamp(grid.low, grid.high).to(dtype))


def _percentiles(rows: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    k = rows.shape[1]
    if grid.symmetric:
        limit = rows.abs().kthvalue(-int(-_KEPT * k // 1), dim=1).values
        return -limit, limit
    outside = int((1 - _KEPT) / 2 * k)
    return rows.kthvalue(outside + 1, dim=1).values, rows.kthvalue(k - outside, dim=1).values


def _least_error(rows: Tensor, below: Tensor, above: Tensor, grid: Grid, dtype: torch.dtype) -> Steps:
    at_once = max(1, _AT_ONCE // max(1, rows.shape[1]))
    if len(rows) > at_once:
        split = zip(rows.split(at_once), below.split(at_once), above.split(at_once))
        parts = [_least_error(some, low, high, grid, dtype) for some, low, high in split]
        zeros = [part.zero for part in parts if part.zero is not None]
        return Steps(torch.cat([part.scale for part in parts]), torch.cat(zeros) if zeros else None)
    best = _steps(below, above, grid, dtype)
    least = torch.full_like(best.scale, torch.inf, dtype=rows.dtype)
    tried = torch.arange(_TRIED, 0, -1, dtype=rows.dtype)[:, None] / _TRIED
    for shares in torch.split(tried, max(1, _AT_ONCE // max(1, rows.numel()))):
        steps = _steps(below * shares, above * shares, grid, dtype)
        errors = (steps.decoded(steps.codes(rows, grid)) - rows).square().sum(-1)
        # The difference of the ends may be infinite, and the error then none.
        error, which = errors.nan_to_num(nan=torch.inf, posinf=torch.inf).min(0)
        better = error < least
        least = torch.where(better, error, least)
        scale, zero = torch.where(better, steps.scale.gather(0, which[None])[0], best.scale), None
        if best.zero is not None and steps.zero is not None:
            zero = torch.where(better, steps.zero.gather(0, which[None])[0], best.zero)
        best = Steps(scale, zero)
    return best


def _expected(rows: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    levels, zero = grid.high - grid.low + 1, torch.zeros_like(rows[:, 0])
    if grid.symmetric:
        limit = _outermost(rows, zero, levels)
        return -limit, limit
    centre = rows.mean(1)
    whole = _outermost(rows, centre, levels)
    # Half of a distribution, as behind a ReLU, is rounded as the whole of it with the codes mirrored.
    half = _outermost(rows, zero, 2 * levels - 1)
    positive, negative = (rows >= 0).all(1), (rows <= 0).all(1)
    low = torch.where(positive, zero, torch.where(negative, -half, centre - whole))
    return low, torch.where(negative, zero, torch.where(positive, half, centre + whole))


def _outermost(rows: Tensor, centre: Tensor, levels: int) -> Tensor:
    """The outermost codes lie half a step within the limits of the distribution, as the others do in their cells."""
    return spread(rows, centre, levels) * (1 - 1 / levels)
