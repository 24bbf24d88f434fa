"""What images and series answer alike about their parts, which are patches of a grid."""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.kinds.base import Kind, NetworkPair, uniform
from attar.nets.coder import CodeDecoder, CodeEncoder
from attar.nets.mlp import MLP
from attar.nets.patches import Patches, Unpatch, cut, grid, spread
from attar.nets.restorer import ConvRestorer
from attar.nets.transformer import TransformerDecoder, TransformerEncoder
from attar.training.processes import mean_of

# Hidden units of a fully connected network for each unit of `width`.
_HIDDEN = 4
# Half the longest side of a box that is blanked out, as a share of the sample's.
_REACH = 0.35


class Patched(Kind):
    """A kind whose normalised samples are `(n, channels, *size)`; the encoder skips hidden patches.

    References:
        He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, https://arxiv.org/abs/2111.06377
    """

    # A patch of zeros is padding.
    padded: ClassVar[bool] = False
    resolutions: ClassVar[bool] = True

    std: tuple[float, ...]

    @property
    @abstractmethod
    def layout(self) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
        """Channels and size of a normalised sample, and the size of a patch."""

    def autoencoders(self) -> dict[str, NetworkPair]:
        """Convolutional, fully connected, or a transformer over patches."""
        channels, size, _ = self.layout

        def fully_connected(dim: int, width: int) -> tuple[nn.Module, nn.Module]:
            values, hidden = channels * prod(size), _HIDDEN * width
            encoder = nn.Sequential(nn.Flatten(), MLP(values, hidden, hidden, dim))
            return encoder, nn.Sequential(MLP(dim, hidden, hidden, values), nn.Unflatten(1, (channels, *size)))

        return {
            "convolutional": lambda dim, width: (
                CodeEncoder(channels, size, dim, width),
                CodeDecoder(channels, size, dim, width),
            ),
            "fully-connected": fully_connected,
            "transformer": lambda dim, width: (self.part_encoder(dim, width), self._transformer(dim, width)),
        }

    def part_encoder(self, dim: int, width: int = 64) -> nn.Module:
        """A transformer over patches."""
        channels, size, patch = self.layout
        embed = Patches(channels, size, patch, width, with_padding=self.padded)
        return TransformerEncoder(embed, prod(grid(size, patch)), dim, width)

    def part_decoder(self, dim: int, width: int = 64) -> nn.Module:
        """A lighter transformer, with a learnt vector at hidden patches."""
        return self._transformer(dim, width, tokens=True)

    def present(self, x: Tensor) -> Tensor:
        """All patches, but for padding."""
        _, size, patch = self.layout
        if self.padded:
            return (cut(x, size, patch) != 0).any(dim=2)
        return torch.ones(len(x), prod(grid(size, patch)), dtype=torch.bool, device=x.device)

    def hide(self, x: Tensor, hidden: Tensor, generator: torch.Generator) -> Tensor:
        """The samples as they are."""
        del hidden, generator
        return x

    def masked_loss(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """Mean squared error over the values of hidden patches."""
        _, size, patch = self.layout
        area = spread(hidden, size, patch).to(x.dtype).expand_as(x)
        return mean_of(((x_hat - x).square() * area).sum(), area.sum())

    def fill(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """The prediction at hidden patches, and the sample elsewhere."""
        _, size, patch = self.layout
        return torch.where(spread(hidden, size, patch), x_hat, x)

    def restorer(self, width: int = 32) -> nn.Module:
        """A convolutional network on two resolutions below that of the samples."""
        channels, size, _ = self.layout
        return ConvRestorer(channels, len(size), width)

    def noise_level(self, sigma: float) -> Tensor:
        """One of each channel: `(1, channels, 1, …)`."""
        channels, size, _ = self.layout
        return (sigma / torch.tensor(self.std)).reshape(1, channels, *(1 for _ in size))

    def holes(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """A box of random size in half of the samples, and single places at a random rate in the others."""
        n, axes = len(x), x.ndim - 2
        rate = uniform(generator, (n, 1, *(1 for _ in range(axes))), 0, 1, x)
        single = uniform(generator, (n, 1, *x.shape[2:]), 0, 1, x) < rate
        box = torch.ones_like(single)
        for axis in range(2, x.ndim):
            place = torch.arange(x.shape[axis], device=x.device) / x.shape[axis]
            middle, reach = uniform(generator, (n, 2), 0, 1, x).unsqueeze(2).unbind(dim=1)
            inside = (place - middle).abs() < _REACH * reach
            box = box & inside.reshape(n, 1, *(-1 if a == axis else 1 for a in range(2, x.ndim)))
        boxed = uniform(generator, rate.shape, 0, 1, x) < 0.5
        return torch.where(boxed, box, single)

    def halved(self, x: Tensor) -> Tensor:
        """Means of blocks of two values along each axis; at an odd end, of those that there are."""
        if x.ndim == 4:
            return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)
        return F.avg_pool1d(x, 2, ceil_mode=True, count_include_pad=False)

    def spread(self, x: Tensor) -> Tensor:
        """Each value at all places of its block."""
        _, size, _ = self.layout
        for axis in range(2, x.ndim):
            x = x.repeat_interleave(2, dim=axis).narrow(axis, 0, size[axis - 2])
        return x

    def restoration_loss(self, x_hat: Tensor, x: Tensor, known: Tensor) -> Tensor:
        """Mean squared error over the values that are known."""
        return ((x_hat - x).square() * known).sum() / known.sum().clamp(min=1)

    def _transformer(self, dim: int, width: int, *, tokens: bool = False) -> nn.Module:
        channels, size, patch = self.layout
        output = Unpatch(channels, size, patch, width)
        return TransformerDecoder(output, prod(grid(size, patch)), dim, width, tokens=tokens)
