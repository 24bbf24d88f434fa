"""A training in which fewer and fewer weights are let through."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attar.compress.gates import Gate
from attar.compress.grids import Grid, fitted
from attar.compress.keeping import bits, chosen
from attar.compress.parametrizations import Rounded
from attar.compress.places import Place
from attar.compress.trimming import counted

# Part of the training in which masks shrink, and how often they change meanwhile.
_RAMP, _CHANGES = 0.7, 120
# From here on, what is estimated is corrected by what the codec counts.
_MEASURED = 0.9
# Bits that masks may take, over those allowed: some weights become zero by rounding.
_OVER = 1.01
# Of the codes of vectors, such as biases: they are few.
_VECTOR_BITS = 6


class Tightening(nn.Module):
    """A student whose gates let through what fits into b + (b₀ − b)(1 − t)³ bits, t from 0 to 1, and are closed then.

    The number of the step is kept with the weights, so that a resumed training goes on as it would have.

    Arguments:
        student: with gates.
        gated: its places and their gates.
        allowed: b, of all of them in the end, as the codec counts.
        grid: that the weights will be rounded to.
        steps: of the training; t reaches 1 after 70 % of them.
    """

    def __init__(
        self, student: nn.Module, gated: Sequence[tuple[Place, Gate]], allowed: float, grid: Grid, steps: int
    ) -> None:
        super().__init__()
        self.student = student
        self._gated, self._allowed, self._grid = gated, allowed, grid
        self._value_bits = value_bits(grid.bits)
        self._last = max(1, round(_RAMP * steps))
        self.step: Tensor
        self.correction: Tensor
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self.register_buffer("correction", torch.ones((), dtype=torch.float64))

    def advance(self) -> None:
        """Change the masks if it is time, before a step."""
        step = int(self.step)
        if 0 < step <= self._last and (step == self._last or step % max(1, self._last // _CHANGES) == 0):
            self._mask(step / self._last)
        if step == self._last:
            for _, gate in self._gated:
                gate.open.fill_(False)
        self.step += 1

    def _mask(self, part: float) -> None:
        whole = self._value_bits * sum(gate.mask.numel() for _, gate in self._gated)
        target = _OVER * self._allowed * float(self.correction)
        target += max(0.0, whole - target) * (1 - part) ** 3
        worths = [gate.worth(place.original()) for place, gate in self._gated]
        masks = chosen(worths, [gate.mask for _, gate in self._gated], target, self._value_bits)
        for (_, gate), mask in zip(self._gated, masks):
            gate.mask.copy_(mask)
        if part >= _MEASURED:
            expected = sum(bits(gate.mask, self._value_bits) for _, gate in self._gated)
            weights = [place.original().detach() * gate.mask for place, gate in self._gated]
            found = counted([rounded(weight, self._grid).codes(weight) for weight in weights])
            self.correction.fill_(expected / found)


def value_bits(bits: int) -> float:
    """About how many bits a code takes that is not zero: fewer than it could, for small ones are more frequent.

    Example:
        >>> value_bits(2)
        0.9
    """
    return 0.9 * float(torch.tensor(2.0**bits - 2).log2())


def rounded(weight: Tensor, grid: Grid) -> Rounded:
    """The parametrisation that rounds a weight to a grid, with the step of least error to begin with.

    Zeros do not matter to the step. The codes of a vector have at least six bits.

    Example:
        >>> rounded(torch.tensor([[0.0, 0.5, -1.5, 1.0]]), Grid(3)).step.item()
        0.5
    """
    grid = grid if weight.ndim > 1 else Grid(max(grid.bits, _VECTOR_BITS))
    kept = weight[weight != 0]
    step = fitted(kept[None], grid).scale if len(kept) else torch.ones(1, dtype=weight.dtype)
    return Rounded(step, grid.low, grid.high)
