"""Networks that repair a damaged sample, told what of it is known and how noisy it is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attar.nets.convnet import block, convolution
from attar.nets.subpixel import double, halve


class ConvRestorer(nn.Module):
    """A U-shaped convolutional network that works at half and at a quarter of the resolution.

    x̂ = x₀ + √(1 − s / (1 + σ²)) g(y, s, σ, x₀)

    x₀ is a first estimate, and the root what a value that is damaged like this may differ by from it: nothing, where
    nothing is damaged. What is untrained passes x₀ on.

    At half the resolution, in four times the channels, the same arithmetic sees twice as far, and what it makes is
    spread over the places of each block, as in sub-pixel convolution.

    References:
        Zhang et al., FFDNet: Toward a Fast and Flexible Solution for CNN-based Image Denoising, 2018,
        https://arxiv.org/abs/1710.04026
        Ronneberger, Fischer, Brox, U-Net: Convolutional Networks for Biomedical Image Segmentation, 2015,
        https://arxiv.org/abs/1505.04597

    Arguments:
        channels: of a sample.
        dims: axes of its size: 1 or 2.
        width: channels at half of the resolution.

    Example:
        >>> y = torch.zeros(5, 3, 9, 8)
        >>> ConvRestorer(3, dims=2, width=4)(y, torch.ones_like(y), torch.ones(5, 1, 1, 1), y).shape
        torch.Size([5, 3, 9, 8])
    """

    def __init__(self, channels: int, dims: int, width: int = 32) -> None:
        super().__init__()
        self.first = block(dims, 4 * channels << dims, width, 3)
        self.fine = block(dims, width, width, 3)
        self.coarse = nn.Sequential(
            block(dims, width, 2 * width, 3, stride=2),
            *(block(dims, 2 * width, 2 * width, 3) for _ in range(2)),
            block(dims, 2 * width, width << dims, 3),
        )
        self.join = nn.Sequential(block(dims, 2 * width, width, 3), block(dims, width, width, 3))
        self.last = cleared(convolution(dims, width, channels << dims, 3))

    def forward(self, y: Tensor, share: Tensor, level: Tensor, start: Tensor) -> Tensor:
        """Repair `(n, channels, *size)`; share and level broadcast to it."""
        x = self.first(halve(torch.cat([y, share.expand_as(y), level.expand_as(y), start], dim=1)))
        x = x + self.fine(x)
        wide = double(self.coarse(x), x.shape[2:])
        x = self.last(self.join(torch.cat([x, wide], dim=1)))
        return start + unsure(share, level) * double(x, y.shape[2:])


class RowRestorer(nn.Module):
    """A perceptron on a row, what of it is known, and its noise: x̂ = x₀ + √(1 − s / (1 + σ²)) g(y, s, σ, x₀).

    Without batch normalisation, whose noise is larger than what is left to learn of numbers.

    Arguments:
        values: of a row.
        hidden: units in each of two layers.

    Example:
        >>> y = torch.zeros(5, 3)
        >>> RowRestorer(3, 8)(y, torch.ones(5, 3), torch.zeros(1, 3), y).shape
        torch.Size([5, 3])
    """

    def __init__(self, values: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(4 * values, hidden), nn.SiLU()),
            *(nn.Linear(hidden, hidden), nn.SiLU()),
            cleared(nn.Linear(hidden, values)),
        )

    def forward(self, y: Tensor, share: Tensor, level: Tensor, start: Tensor) -> Tensor:
        """Repair `(n, values)`; share and level broadcast to it."""
        change: Tensor = self.layers(torch.cat([y, share.expand_as(y), level.expand_as(y), start], dim=1))
        return start + unsure(share, level) * change


def cleared(layer: nn.Module) -> nn.Module:
    """A layer that answers with zeros until it is trained."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def unsure(share: Tensor, level: Tensor) -> Tensor:
    """Standard deviation of a value of mean 0 and variance 1 of which so much is seen: √(1 − s / (1 + σ²))."""
    return (1 - share / (1 + level.square())).sqrt()
