"""A convolutional encoder and decoder that keep where things are, for codes that samples are rebuilt from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from attar.nets.convnet import block, convolution
from attar.nets.subpixel import double

# Longest side of what is flattened.
_SMALLEST = 8
# Hidden units of the fully connected layers for each unit of `width`.
_HIDDEN = 16


def _sizes(size: Sequence[int]) -> list[tuple[int, ...]]:
    """Of the sample, and of each halving after it; at least one."""
    sizes = [tuple(size)]
    while len(sizes) == 1 or max(sizes[-1]) > _SMALLEST:
        sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
    return sizes


def _channels(halvings: int, width: int) -> list[int]:
    return [width] + [2 * width] * (halvings - 1)


def _hidden(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out), nn.ReLU())


class CodeEncoder(nn.Module):
    """Convolutions that halve the resolution, then fully connected layers, where `ConvNet` pools and forgets positions.

    Arguments:
        channels: of the input.
        size: `(h, w)` of an image or `(steps,)` of a series.
        dim: length of the code.
        width: channels of the first layer.

    Example:
        >>> import torch
        >>> CodeEncoder(1, (28, 28), dim=16)(torch.zeros(5, 1, 28, 28)).shape
        torch.Size([5, 16])
    """

    def __init__(self, channels: int, size: Sequence[int], dim: int, width: int = 32) -> None:
        super().__init__()
        dims, sizes = len(size), _sizes(size)
        plan = [channels, *_channels(len(sizes) - 1, width)]
        self.layers = nn.Sequential(*(block(dims, a, b, 3, stride=2) for a, b in pairwise(plan)))
        hidden = _HIDDEN * width
        self.last = nn.Sequential(nn.Flatten(), _hidden(plan[-1] * prod(sizes[-1]), hidden), nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Encode `(n, channels, *size)` to `(n, dim)`."""
        z: Tensor = self.last(self.layers(x))
        return z


class CodeDecoder(nn.Module):
    """The mirror of `CodeEncoder`: fully connected layers, then doublings by convolutions at the lower resolution.

    Arguments:
        channels: of the output.
        size: `(h, w)` of an image or `(steps,)` of a series.
        dim: length of the code.
        width: as in the encoder.

    Example:
        >>> import torch
        >>> CodeDecoder(3, (100,), dim=16)(torch.zeros(5, 16)).shape
        torch.Size([5, 3, 100])
    """

    def __init__(self, channels: int, size: Sequence[int], dim: int, width: int = 32) -> None:
        super().__init__()
        dims, sizes = len(size), _sizes(size)
        self.sizes = sizes[-2::-1]
        plan = _channels(len(sizes) - 1, width)[::-1]
        start, hidden = (plan[0], *sizes[-1]), _HIDDEN * width
        self.first = nn.Sequential(_hidden(dim, hidden), _hidden(hidden, prod(start)), nn.Unflatten(1, start))
        self.layers = nn.ModuleList(block(dims, a, b << dims, 3) for a, b in pairwise(plan))
        self.layers.append(convolution(dims, plan[-1], channels << dims, 3))

    def forward(self, z: Tensor) -> Tensor:
        """Decode `(n, dim)` to `(n, channels, *size)`."""
        x: Tensor = self.first(z)
        for size, layer in zip(self.sizes, self.layers):
            x = double(layer(x), size)
        return x
