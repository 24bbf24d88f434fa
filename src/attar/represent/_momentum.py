"""A network that follows another one slowly."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from attar._settings import is_amount
from attar.errors import DataError


def check_momentum(momentum: float) -> None:
    """Hold m to a share.

    Raises:
        DataError: it is none.
    """
    if not (is_amount(momentum) and momentum <= 1):
        raise DataError(f"momentum is {momentum!r}; give the share that is kept in a step, from 0 to 1")


class Momentum(nn.Module):
    """The exponential moving average of a network, without gradients.

    ξ ← m ξ + (1 − m) θ

    Batch normalisation in it uses the statistics of its own batch, as in the papers. Averaged statistics in their
    place (Cai et al., Exponential Moving Average Normalization, 2021) lag behind in trainings of some hundred steps:
    on digits with 5 labels per class they cost MoCo and BYOL 30 points and more.

    References:
        He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020, equation 2,
        https://arxiv.org/abs/1911.05722
        Grill et al., Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning, 2020, equation 1,
        https://arxiv.org/abs/2006.07733

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

    @torch.no_grad()
    def follow(self, network: nn.Module, momentum: float) -> None:
        """Move the parameters towards those of `network`.

        Arguments:
            network: of the same structure.
            momentum: m, from 0 (become the other) to 1 (stay).
        """
        for own, other in zip(self.network.parameters(), network.parameters()):
            own.lerp_(other, 1 - momentum)
        self.followed += 1

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """What the averaged network answers."""
        y: Tensor = self.network(x)
        return y
