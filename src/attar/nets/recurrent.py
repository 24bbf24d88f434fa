"""Gated recurrent units along time, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RecurrentEncoder(nn.Module):
    """A GRU along time; the representation is a linear map of its last state.

    hₜ = GRU(xₜ, hₜ₋₁),  z = W h_T + b

    References:
        Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014, https://arxiv.org/abs/1406.1078

    Arguments:
        channels: of the input.
        dim: length of z.
        width: length of h.

    Example:
        >>> RecurrentEncoder(2, dim=8, width=16)(torch.zeros(5, 2, 30)).shape
        torch.Size([5, 8])
    """

    def __init__(self, channels: int, dim: int, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(channels, width, batch_first=True)
        self.last = nn.Linear(width, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Encode `(n, channels, steps)` to `(n, dim)`."""
        # The first state is given: the exporter to ONNX would take that of a batch of one length.
        start = x.new_zeros(1, 1, self.gru.hidden_size).expand(1, x.shape[0], -1).contiguous()
        _, state = self.gru(x.transpose(1, 2), start)
        z: Tensor = self.last(state.squeeze(0))
        return z


class RecurrentDecoder(nn.Module):
    """A GRU that is given the representation at every step, and a linear map from its states.

    hₜ = GRU(z, hₜ₋₁),  h₀ = tanh(W₀ z + b₀),  x̂ₜ = W hₜ + b

    References:
        Srivastava et al., Unsupervised Learning of Video Representations using LSTMs, 2015,
        https://arxiv.org/abs/1502.04681

    Arguments:
        channels: of the output.
        steps: of the output.
        dim: length of z.
        width: length of h.

    Example:
        >>> RecurrentDecoder(2, 30, dim=8, width=16)(torch.zeros(5, 8)).shape
        torch.Size([5, 2, 30])
    """

    def __init__(self, channels: int, steps: int, dim: int, width: int) -> None:
        super().__init__()
        self.steps = steps
        self.first = nn.Linear(dim, width)
        self.gru = nn.GRU(dim, width, batch_first=True)
        self.last = nn.Linear(width, channels)

    def forward(self, z: Tensor) -> Tensor:
        """Decode `(n, dim)` to `(n, channels, steps)`."""
        start = torch.tanh(self.first(z)).unsqueeze(0)
        states, _ = self.gru(z.unsqueeze(1).expand(-1, self.steps, -1), start)
        x_hat: Tensor = self.last(states)
        return x_hat.transpose(1, 2)
