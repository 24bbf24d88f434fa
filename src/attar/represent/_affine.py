"""The module of representations that are linear in the sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attar.represent._parts import FloatArray


class Affine(nn.Module):
    """z = (x − shift) Wᵀ + b on flattened samples.

    The shift is subtracted first: folded into b, a mean that is large against the standard deviation would cancel.

    Arguments:
        shift: `(features,)`.
        weight: W `(dim, features)`.
        bias: b `(dim,)`.
    """

    shift: Tensor

    def __init__(self, shift: FloatArray, weight: FloatArray, bias: FloatArray) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(shift, dtype=torch.float32))
        # Without the random weights of a new layer, for which the caller's random state would be drawn from.
        self.linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0], dtype=torch.float32)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor(weight))
            self.linear.bias.copy_(torch.tensor(bias))

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.linear(x.flatten(1) - self.shift)
        return z
