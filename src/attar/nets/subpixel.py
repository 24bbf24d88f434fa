"""Half the resolution in more channels, and back, without loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def halve(x: Tensor) -> Tensor:
    """Samples `(n, channels, *size)` as `(n, channels · 2^d, *⌈size / 2⌉)`; an odd side repeats its last value.

    References:
        Zhang et al., FFDNet: Toward a Fast and Flexible Solution for CNN-based Image Denoising, 2018,
        https://arxiv.org/abs/1710.04026

    Example:
        >>> import torch
        >>> halve(torch.zeros(5, 3, 8, 7)).shape
        torch.Size([5, 12, 4, 4])
    """
    padding = [p for side in reversed(x.shape[2:]) for p in (0, side % 2)]
    if any(padding):
        x = F.pad(x, padding, mode="replicate")
    if x.ndim == 4:
        return F.pixel_unshuffle(x, 2)
    n, channels, steps = x.shape
    return x.reshape(n, channels, steps // 2, 2).transpose(2, 3).flatten(1, 2)


def double(x: Tensor, size: Sequence[int]) -> Tensor:
    """The way back: `(n, channels · 2^d, …)` to `(n, channels, *size)`, what goes beyond `size` cut off.

    References:
        Shi et al., Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
        Network, 2016, https://arxiv.org/abs/1609.05158

    Example:
        >>> import torch
        >>> x = torch.rand(5, 3, 9)
        >>> torch.equal(double(halve(x), (9,)), x)
        True
    """
    if x.ndim == 4:
        return F.pixel_shuffle(x, 2)[:, :, : size[0], : size[1]]
    n, channels, steps = x.shape
    return x.reshape(n, channels // 2, 2, steps).transpose(2, 3).flatten(2)[:, :, : size[0]]
