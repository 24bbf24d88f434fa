"""Which weights a file of so many bits keeps: those that are worth most for what they cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# As many kept weights as a row or column is taken to have, beside those counted, when it is as full as others.
_PRIOR = 0.5
_RAREST, _SUREST = 1e-5, 0.97
# Bits to learn how full a row or column is, over log₂ of the number that is kept in it.
_TOLD = 0.35


def likelihood(mask: Tensor) -> Tensor:
    """How likely a coder that has seen how full rows and columns are takes each weight to be kept.

    p_ij = m · (r_i + a) / (r + a) · (c_j + a) / (c + a),  m the share that is kept in the tensor, r_i and c_j the
    numbers that are kept in row and column, r and c their means, a = 1/2

    Arguments:
        mask: True where a weight is kept; axes after the first are one, those of a vector are a row.

    Returns:
        The matrix of p.

    Example:
        >>> p = likelihood(torch.tensor([[True, True], [False, False]]))
        >>> bool((p[0] > 0.8).all()), bool((p[1] < 0.3).all())
        (True, True)
    """
    kept = _matrix(mask).float()
    share = (kept.sum() + 0.5) / (kept.numel() + 1)
    p = share.expand_as(kept)
    for axis in (0, 1):
        # A row of one weight tells nothing of it beforehand.
        if (length := kept.shape[axis]) > 1:
            p = p * (kept.sum(axis, keepdim=True) + _PRIOR) / (length * share + _PRIOR)
    return p.clamp(_RAREST, _SUREST)


def price(mask: Tensor, value_bits: float) -> Tensor:
    """Bits that each weight costs if it is kept: those of its place, and of its value.

    Where many are kept in a row and a column, one more is cheap: so whole neurons and inputs die out, and others fill.
    """
    return (value_bits - likelihood(mask).log2()).reshape(mask.shape)


def bits(mask: Tensor, value_bits: float) -> float:
    """About how many bits a tensor with these weights takes in a file."""
    kept, p = _matrix(mask), likelihood(mask)
    places = -torch.where(kept, p.log2(), (1 - p).log2()).sum()
    counts = [kept.sum(axis) for axis in (0, 1) if kept.shape[axis] > 1]
    told = math.fsum(float((1 + count).log2().sum()) for count in counts)
    return float(places + value_bits * kept.sum()) + _TOLD * told


def chosen(worths: Sequence[Tensor], masks: Sequence[Tensor], allowed: float, value_bits: float) -> list[Tensor]:
    """The masks of all tensors that keep the weights of the largest worth for a bit, as many as the bits allow.

    Arguments:
        worths: how much each weight matters, at least 0; a weight that matters nothing is not kept.
        masks: what is kept now, by which prices are estimated.
        allowed: bits of all tensors together.
        value_bits: of a value that is kept.

    Returns:
        True where a weight is kept.

    Example:
        >>> worth = torch.tensor([[4.0, 3.0, 0.1, 0.1], [2.0, 0.1, 0.1, 0.0]])
        >>> chosen([worth], [worth > 1], 14.0, 3.0)
        [tensor([[ True,  True, False, False],
                [False, False, False, False]])]
    """
    ratios = [worth / price(mask, value_bits) for worth, mask in zip(worths, masks)]
    ranked = torch.cat([ratio.flatten() for ratio in ratios]).sort(descending=True).values
    ranked = ranked[ranked > 0]
    # The most weights that fit: bits grow with their number.
    fewest, most = 0, len(ranked)
    while fewest < most:
        n = (fewest + most + 1) // 2
        kept = [ratio >= ranked[n - 1] for ratio in ratios]
        if math.fsum(bits(mask, value_bits) for mask in kept) > allowed:
            most = n - 1
        else:
            fewest = n
    least = ranked[fewest - 1] if fewest else math.inf
    return [ratio >= least for ratio in ratios]


def _matrix(tensor: Tensor) -> Tensor:
    return tensor.reshape(len(tensor), -1) if tensor.ndim > 1 else tensor.reshape(1, -1)
