"""A small convolutional encoder for images and series, and its mirror image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CONV: dict[int, type[nn.Conv1d] | type[nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}
_NORM: dict[int, type[nn.BatchNorm1d] | type[nn.BatchNorm2d]] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d}
_KERNELS = {1: (9, 7, 5, 5, 5), 2: (3, 3, 3, 3, 3)}
# Longest side up to which a pattern of strides is used: a small input keeps its resolution through the first layers,
# a large one loses it early, where it costs most. The last entry serves everything longer.
_STRIDES = {
    1: ((32, (1, 1, 2, 1, 2)), (64, (1, 2, 2, 1, 2)), (256, (2, 1, 2, 2, 1)), (0, (4, 2, 2, 2, 2))),
    2: ((16, (1, 1, 2, 1, 2)), (47, (1, 2, 2, 1, 2)), (95, (2, 2, 2, 1, 2)), (0, (2, 2, 2, 2, 2))),
}


def _strides(size: Sequence[int]) -> tuple[int, ...]:
    patterns = _STRIDES[len(size)]
    return next((strides for longest, strides in patterns if max(size) <= longest), patterns[-1][1])


def convolution(dims: int, n_in: int, n_out: int, kernel: int) -> nn.Module:
    """A convolution over one or two axes that keeps their size."""
    return _CONV[dims](n_in, n_out, kernel, padding=kernel // 2)


def block(dims: int, n_in: int, n_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution with batch normalisation and ReLU."""
    conv = _CONV[dims](n_in, n_out, kernel, stride=stride, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, _NORM[dims](n_out), nn.ReLU())


class ConvNet(nn.Module):
    """Five convolutions, each with batch normalisation and ReLU, and global pooling.

    The channels are width, width, 2 width, 2 width and the last layer's; the strides follow from the size of the
    input. An image is pooled by its mean. A series is pooled by mean and maximum, half of `dim` each: where a
    pattern occurs only once in a long recording, its maximum is all that is seen of it.

    Arguments:
        channels: of the input.
        size: `(h, w)` of an image or `(steps,)` of a series.
        dim: length of the output.
        width: channels of the first layer.

    Example:
        >>> ConvNet(1, (8, 8), dim=64)(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 64])
    """

    def __init__(self, channels: int, size: Sequence[int], dim: int, width: int = 32) -> None:
        super().__init__()
        dims = len(size)
        self.dim = dim
        self.with_maximum = dims == 1
        self.axes = tuple(range(2, 2 + dims))
        last = (dim + 1) // 2 if self.with_maximum else dim
        plan = (channels, width, width, 2 * width, 2 * width, last)
        self.layers = nn.Sequential(
            *(
                block(dims, plan[i], plan[i + 1], kernel, stride)
                for i, (kernel, stride) in enumerate(zip(_KERNELS[dims], _strides(size)))
            )
        )

    def features(self, x: Tensor) -> Tensor:
        """What is pooled: `(n, channels, *size)`."""
        h: Tensor = self.layers(x)
        return h

    def forward(self, x: Tensor) -> Tensor:
        """Encode `(n, channels, *size)` to `(n, dim)`."""
        h = self.features(x)
        mean = h.mean(dim=self.axes)
        return torch.cat([mean, h.amax(dim=self.axes)], dim=1)[:, : self.dim] if self.with_maximum else mean


class ConvDecoder(nn.Module):
    """The mirror of `ConvNet`: one linear layer to the smallest resolution, then upsampling and convolutions.

    Upsampling to the nearest neighbour with a convolution after it leaves no checkerboard, unlike a transposed
    convolution (Odena et al., Deconvolution and Checkerboard Artifacts, 2016,
    https://distill.pub/2016/deconv-checkerboard).

    Arguments:
        channels: of the output.
        size: `(h, w)` of an image or `(steps,)` of a series.
        dim: length of the input.
        width: as in the encoder.

    Example:
        >>> ConvDecoder(3, (100,), dim=16)(torch.zeros(5, 16)).shape
        torch.Size([5, 3, 100])
    """

    def __init__(self, channels: int, size: Sequence[int], dim: int, width: int = 32) -> None:
        super().__init__()
        dims = len(size)
        sizes = [tuple(size)]
        for stride in _strides(size):
            if stride > 1:
                sizes.append(tuple(-(-s // stride) for s in sizes[-1]))
        sizes.reverse()
        self.start = (2 * width, *sizes[0])
        self.sizes = sizes[1:]
        plan = [2 * width] * len(sizes)
        plan[-1] = width
        kernel = _KERNELS[dims][-1]
        self.first = nn.Sequential(nn.Linear(dim, prod(self.start)), nn.ReLU())
        self.layers = nn.ModuleList(block(dims, a, b, kernel) for a, b in pairwise(plan))
        self.last = convolution(dims, width, channels, kernel)

    def forward(self, z: Tensor) -> Tensor:
        """Decode `(n, dim)` to `(n, channels, *size)`."""
        h = self.first(z).reshape(-1, *self.start)
        for size, layer in zip(self.sizes, self.layers):
            h = layer(F.interpolate(h, size=size))
        x: Tensor = self.last(h)
        return x
