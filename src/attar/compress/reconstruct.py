"""Layers that make up for the channels that they no longer read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from attar.compress.channels import Component, Coupling, gone
from attar.compress.factors import sites
from attar.compress.given import Samples
from attar.compress.lowrank import divided
from attar.compress.moments import Moments

# Of the mean variance, added to each: channels that say nearly the same are not told apart by the last digit.
_RIDGE = 1e-3


def reconstruct(model: nn.Module, coupled: Coupling, components: Iterable[Component], x: Samples) -> None:
    """Let what layers read from the channels that stay replace, as far as it can, what they read from those that go.

    W′ = argmin E|W p − W′ p|² over all W′ that read nothing of the components, p the centred patches under the filter;
    b′ = b + (W − W′) mean(p). Without the need to train, this is most of the recovery. The fewer the samples, the less
    is made up for (see `Moments`): by one of them W′ and b′ are W without the components, and b.

    References:
        He, Zhang, Sun, Channel Pruning for Accelerating Very Deep Neural Networks, 2017,
        https://arxiv.org/abs/1707.06168, eq. 2

    Arguments:
        model: linear layers and convolutions that read of the components are changed, where no weight is shared.
        coupled: of the model.
        components: those that go.
        x: samples `(n, *shape)`.
    """
    by_tensor = gone(components).items()
    read = {name: sorted(axes[1]) for name, axes in by_tensor if 1 in axes and (name, 1) in coupled.readers}
    found, _ = sites(model, x, read.keys())
    for site in found:
        layer = site.layer
        channels = torch.ones(site.weight.shape[1], dtype=torch.bool)
        channels[read[site.weight_name]] = False
        kept = channels.repeat_interleave(site.weight[0, 0].numel())
        parts = zip(site.moments, site.weight.flatten(1).chunk(len(site.moments)))
        new, lost = zip(*(_made_up(seen, weight, kept) for seen, weight in parts))
        with torch.no_grad():
            layer.weight.copy_(torch.cat(new).reshape(layer.weight.shape))
            if layer.bias is not None:
                layer.bias += torch.cat(lost)


def _made_up(seen: Moments, weight: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `(out, width)` that read nothing but what is kept, and what the answers are short of in the mean."""
    covariance = seen.covariance
    square = covariance[kept][:, kept]
    square = square + _RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    new = torch.zeros_like(weight)
    new[:, kept] = divided(weight @ covariance[:, kept], square)
    return new, seen.mean_of(weight - new)


def give_biases(model: nn.Module) -> None:
    """Let the layers that can make up for something have a bias; where there was none, 0."""
    for layer in model.modules():
        if type(layer) in (nn.Linear, nn.Conv1d, nn.Conv2d) and layer._parameters["bias"] is None:
            weight = cast(Tensor, layer.weight)
            layer.bias = nn.Parameter(torch.zeros(len(weight), dtype=weight.dtype))


def drop_biases(model: nn.Module, like: nn.Module) -> None:
    """Take biases away that are still 0 and that the other network does not have."""
    before = dict(like.named_modules())
    for name, layer in model.named_modules():
        bias = layer._parameters.get("bias")
        if bias is not None and name in before and getattr(before[name], "bias", bias) is None and not bool(bias.any()):
            layer.bias = None
