"""Codes made smaller where that costs the least for a bit: rate-distortion optimised rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from attar.compress import fitting
from attar.compress.keeping import likelihood
from attar.compress.parametrizations import Masked, Rounded
from attar.compress.places import Place

# Halvings of the interval that λ is in, as a power of ten.
_HALVINGS = 12
_LARGEST = 12.0
# When a student is trimmed, as shares of its training.
_TRIMMED = (0.1, 0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Rounding:
    """A tensor and the grid that it is rounded to.

    Arguments:
        weight: w, of any shape.
        step: s > 0, a scalar.
        codes: q, integers as floats; s q ≈ w.
        curvature: h ≥ 0, of the loss in each weight, up to a factor that all tensors share.
    """

    weight: Tensor
    step: Tensor
    codes: Tensor
    curvature: Tensor


class Trimming(nn.Module):
    """A student with masks and learnt steps that is trimmed to its bits now and then, and recovers in between.

    A code that became zero is masked from then on; one that became smaller goes on from there.

    Arguments:
        student: with a mask and a step for each of the places.
        curvatures: its places, and the curvature of the loss in them.
        allowed: bits of all of them, as the codec counts.
        steps: of the training.
    """

    def __init__(
        self, student: nn.Module, curvatures: Sequence[tuple[Place, Tensor]], allowed: float, steps: int
    ) -> None:
        super().__init__()
        self.student = student
        self._curvatures, self._allowed = curvatures, allowed
        self._due = {round(steps * share) for share in _TRIMMED}
        self.step: Tensor
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def advance(self) -> None:
        """Trim if it is time, before a step."""
        if int(self.step) in self._due:
            before = roundings(self._curvatures)
            for (place, _), one, codes in zip(self._curvatures, before, trimmed(before, self._allowed)):
                mask, weight = cast(Masked, place.chain()[0]), place.original().detach()
                mask.mask.logical_and_(codes != 0)
                weight.copy_(torch.where(codes == one.codes, weight, one.step * codes))
        self.step += 1


def roundings(curvatures: Sequence[tuple[Place, Tensor]]) -> list[Rounding]:
    """How places with a mask and a learnt step are rounded as they are."""
    found = []
    for place, curvature in curvatures:
        mask, rounding = cast(tuple[Masked, Rounded], place.chain())
        weight = mask(place.original().detach())
        found.append(Rounding(weight, rounding.steps()[0], rounding.codes(weight), curvature))
    return found


def trimmed(roundings: Sequence[Rounding], allowed: float) -> list[Tensor]:
    """The codes of all tensors that the codec writes in so many bits.

    Of q, the next code towards zero, and zero, each weight takes the one of least h (w − s q)² + λ bits(q), and λ is
    the smallest with which all fit; λ = 0 leaves the codes as they are.

    References:
        Wiedemann et al., DeepCABAC: A Universal Compression Algorithm for Deep Neural Networks, 2020,
        https://arxiv.org/abs/1907.11900, eq. 11
        Sullivan, Wiegand, Rate-Distortion Optimization for Video Compression, 1998, https://doi.org/10.1109/79.733497

    Arguments:
        roundings: the tensors.
        allowed: bits of all tensors together.

    Returns:
        Codes in the order and the shapes of the tensors; all zero where nothing else fits.

    Example:
        >>> w = torch.linspace(-3, 3, 101)[torch.arange(101) * 30 % 101]
        >>> one = Rounding(w, torch.tensor(1.0), w.round(), torch.ones_like(w))
        >>> bool((trimmed([one], 1e4)[0] == w.round()).all()), counted(trimmed([one], 150.0)) <= 150
        (True, True)
    """
    codes = [one.codes for one in roundings]
    if counted(codes) <= allowed:
        return codes
    prices = [_prices(one.codes) for one in roundings]
    scale = max(float((one.curvature * one.weight.square()).max()) for one in roundings)
    low, high = -_LARGEST, 0.0
    best = [torch.zeros_like(one.codes) for one in roundings]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        tried = [_cheapest(one, price, scale * 10**middle) for one, price in zip(roundings, prices)]
        if counted(tried) <= allowed:
            best, high = tried, middle
        else:
            low = middle
    return best


def counted(codes: Sequence[Tensor]) -> float:
    """Bits that the codec takes for tensors of integers.

    Example:
        >>> counted([torch.zeros(4, 4)]) < 32
        True
    """
    return math.fsum(fitting.bits(one.int().numpy()) for one in codes)


def _prices(codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bits of each code from zero to the largest magnitude if it is not zero, of being zero, and of not being so."""
    kept = codes != 0
    p = likelihood(kept).reshape(codes.shape)
    counts = torch.bincount(codes[kept].abs().long(), minlength=2).double() + 1
    counts[0] = 1
    return 1 - (counts / counts[1:].sum()).log2().float(), -(1 - p).log2(), -p.log2()


def _cheapest(one: Rounding, prices: tuple[Tensor, Tensor, Tensor], price: float) -> Tensor:
    of_code, zero, kept = prices
    best, least = one.codes, torch.full_like(one.codes, math.inf)
    for shift in (0.0, 1.0, math.inf):
        code = one.codes.sign() * (one.codes.abs() - shift).clamp(min=0)
        rate = torch.where(code == 0, zero, kept + of_code[code.abs().long()])
        loss = one.curvature * (one.weight - one.step * code).square() + price * rate
        # What is equal stays as it is.
        best, least = torch.where(loss < least, code, best), torch.minimum(loss, least)
    return best
