"""A multilayer perceptron."""

from __future__ import annotations

from itertools import pairwise

from torch import nn


class MLP(nn.Sequential):
    """Linear layers with batch normalisation and ReLU between them.

    h₀ = x,  hᵢ = ReLU(BN(Wᵢ hᵢ₋₁)),  y = W hₗ + b

    Arguments:
        sizes: length of the input, of each hidden layer, and of the output; at least two.

    Example:
        >>> import torch
        >>> MLP(30, 64, 8)(torch.zeros(5, 30)).shape
        torch.Size([5, 8])
    """

    def __init__(self, *sizes: int) -> None:
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(sizes[:-1]):
            # The shift of the batch normalisation does what the bias would.
            layers += [nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out), nn.ReLU()]
        super().__init__(*layers, nn.Linear(sizes[-2], sizes[-1]))
