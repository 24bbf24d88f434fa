"""A network that follows another one slowly."""

from __future__ import annotations

from copy import deepcopy
from typing import Self

import torch
from torch import Tensor, nn


class Momentum(nn.Module):
    """The exponential moving average of a network, without gradients.

    ξ ← m ξ + (1 − m) θ

    The statistics of batch normalisation are averaged likewise and used as in evaluation. With those of its own batch
    instead, what this network answers would tell which samples went through together, and a contrast could be won by
    that; the authors of MoCo shuffle samples between devices against it, of which there may be one only.

    References:
        He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020, equation 2,
        https://arxiv.org/abs/1911.05722
        Cai et al., Exponential Moving Average Normalization for Self-supervised and Semi-supervised Learning, 2021,
        https://arxiv.org/abs/2101.08482

    Arguments:
        network: to start from; it is copied.

    Attributes:
        followed: how often it has moved; kept in a checkpoint.

    Example:
        >>> line = nn.Linear(1, 1, bias=False)
        >>> slow, start = Momentum(line), line.weight.item()
        >>> _ = nn.init.constant_(line.weight, start + 1)
        >>> slow.follow(line, 0.9)
        >>> round(slow.network.weight.item() - start, 4)
        0.1
    """

    followed: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("followed", torch.tensor(0))
        self.network = deepcopy(network).requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode."""
        del mode
        return super().train(False)

    @torch.no_grad()
    def follow(self, network: nn.Module, momentum: float) -> None:
        """Move parameters and statistics towards those of `network`; counts are copied.

        Arguments:
            network: of the same structure.
            momentum: m, from 0 (become the other) to 1 (stay).
        """
        for own, other in zip(self.network.state_dict().values(), network.state_dict().values()):
            if own.is_floating_point():
                own.lerp_(other, 1 - momentum)
            else:
                own.copy_(other)
        self.followed += 1

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """What the averaged network answers."""
        y: Tensor = self.network(x)
        return y
