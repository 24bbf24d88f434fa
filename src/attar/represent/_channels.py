"""How the channels of a series move together, at what height and how far: what filters of mean zero do not see."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Steps by which one channel is compared with another.
_LAGS = (1, 2, 4, 8)
# Spreads and what they are divided by, in units of a channel's spread over all samples: what moves less stands still.
STILL = 1e-3


class Correlations(nn.Module):
    """Correlations of all channels with each other at several lags `(n, k)`, of normalised series.

        r_ij(l) = Σ_t (x_i(t) − x̄_i) (x_j(t + l) − x̄_j) / (T s_i s_j)

    for i < j at l = 0, and for all i and j at l = 1, 2, 4 and 8 up to T / 2. Means x̄ and deviations s are those of the
    sample. The longest lags are left out where these are more than `most`, and all where l = 0 alone is.

    Arguments:
        channels: of a series.
        steps: T.
        most: that there may be.
    """

    pairs: Tensor

    def __init__(self, channels: int, steps: int, most: int) -> None:
        super().__init__()
        self.steps = steps
        pairs = torch.ones(channels, channels).triu(1).flatten().nonzero().flatten()
        self.register_buffer("pairs", pairs[: 0 if len(pairs) > most else None])
        self.lags = [lag for lag in _LAGS if lag <= steps // 2][: max(0, most - len(pairs)) // channels**2]

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(2, keepdim=True)
        # What is summed over time has length one, so that each product is a mean.
        x = x / (x.square().sum(2, keepdim=True) + self.steps * STILL**2).sqrt()
        later = x.transpose(1, 2)
        at_once = (x @ later).flatten(1)[:, self.pairs]
        return torch.cat([at_once, *((x[..., :-lag] @ later[:, lag:]).flatten(1) for lag in self.lags)], dim=1)


class Levels(nn.Module):
    """Mean and log deviation of each channel `(n, 2 channels)`, of normalised series."""

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(2)
        return torch.cat([mean, ((x - mean.unsqueeze(2)).square().mean(2) + STILL**2).log()], dim=1)
