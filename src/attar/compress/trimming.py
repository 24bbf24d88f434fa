"""Codes made smaller where that costs the least for a bit: rate-distortion optimised rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attar.compress.fitting import bits
from attar.compress.keeping import likelihood

# Halvings of the interval that λ is in, as a power of ten.
_HALVINGS = 14
_LARGEST = 12.0


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
        >>> w = 2 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        >>> one = Rounding(w, torch.tensor(1.0), w.round(), torch.ones_like(w))
        >>> bool((trimmed([one], 1e4)[0] == w.round()).all()), int((trimmed([one], 300.0)[0] != 0).sum()) < 120
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
    return math.fsum(bits(one.int().numpy()) for one in codes)


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
