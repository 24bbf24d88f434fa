"""Masks that may still change: weights outside go on learning until it is decided."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from attar.compress.parametrizations import Masked
from attar.compress.places import Place, places

# Of the average over steps: what is remembered from one to the next.
_MEMORY = 0.98
# Share of the mean curvature of a tensor that each of its weights is given, for what was seldom seen to matter.
_SHARED = 0.1


class Gate(Masked):
    """w ⊙ m with a mask that changes during training, and the curvature of the loss in each weight.

    While the gate is open, the gradient of w ⊙ m is passed on to all weights as it is (straight through): one that was
    masked too early grows, and comes back. Once it is closed, weights outside the mask receive no gradient.

    The curvature is taken to be E[g²], g the gradient of a batch: the diagonal of the Fisher information matrix up to a
    factor that is the same for all weights. Setting w to zero then costs about ½ w² E[g²].

    References:
        Guo, Yao, Chen, Dynamic Network Surgery for Efficient DNNs, 2016, https://arxiv.org/abs/1608.04493
        Theis et al., Faster Gaze Prediction with Dense Networks and Fisher Pruning, 2018,
        https://arxiv.org/abs/1801.05787, eq. 5
        LeCun, Denker, Solla, Optimal Brain Damage, 1990, https://proceedings.neurips.cc/paper/1989/hash/6c9882bbac1c7093bd25041881277658-Abstract.html

    Arguments:
        weight: what the mask is for; at first it keeps all.

    Example:
        >>> gate, weight = Gate(torch.ones(3)), torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
        >>> gate.mask[0] = False
        >>> gate(weight).sum().backward()
        >>> gate(weight).tolist(), weight.grad.tolist(), gate.curvature.tolist()
        ([0.0, 2.0, 3.0], [1.0, 1.0, 1.0], [0.019999999552965164, 0.019999999552965164, 0.019999999552965164])
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__(torch.ones_like(weight, dtype=torch.bool))
        self.curvature: Tensor
        self.open: Tensor
        self.register_buffer("curvature", torch.zeros_like(weight))
        self.register_buffer("open", torch.tensor(True))
        # What the weight has been given of the gradient of this batch.
        self._gradient: Tensor | None = None

    def forward(self, weight: Tensor) -> Tensor:
        """The weights that are kept, and zeros."""
        kept: Tensor = weight * self.mask
        if self.open:
            kept = weight + (kept - weight).detach()
        if self.training and kept.requires_grad:
            self._gradient = None
            cast(Any, kept).register_hook(self._remember)
        return kept

    def worth(self, weight: Tensor) -> Tensor:
        """About how much the loss rises where a weight becomes zero, up to a factor."""
        return weight.detach().square() * (self.curvature + _SHARED * self.curvature.mean())

    def _remember(self, gradient: Tensor) -> None:
        if self._gradient is None:
            self.curvature.mul_(_MEMORY).addcmul_(gradient, gradient, value=1 - _MEMORY)
            self._gradient = gradient
        else:
            # Where a weight is used several times, its gradient is a sum: (a + b)² = a² + b (2 a + b).
            self.curvature.addcmul_(gradient, 2 * self._gradient + gradient, value=1 - _MEMORY).clamp_(min=0)
            self._gradient = self._gradient + gradient


def gated_places(model: nn.Module) -> list[tuple[Place, Gate]]:
    """Give every parameter that has no parametrisation yet a gate, and list them.

    Example:
        >>> [(place.name, gate.mask.shape) for place, gate in gated_places(nn.Linear(3, 2))]
        [('weight', torch.Size([2, 3])), ('bias', torch.Size([2]))]
    """
    gated = []
    for place in places(model):
        if not place.chain() and place.value.is_floating_point() and place.value.numel():
            gate = Gate(place.value.detach())
            place.wrap(gate)
            gated.append((place, gate))
    return gated
