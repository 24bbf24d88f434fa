"""Batch normalisation as part of the steps of a layer that keeps integers."""

from __future__ import annotations

import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn

from attar.compress.parametrizations import Coded
from attar.compress.places import places
from attar.deploy.folding import factor_and_shift, fold_batch_norm, pairs
from attar.deploy.replace import put

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def merge_batch_norm(model: nn.Module, example: Tensor | None = None) -> nn.Module:
    """Return a copy, in evaluation mode, without the batch norms that follow a convolution or linear layer.

    a (s (q − z) · x + b) + c = (a s) (q − z) · x + (a b + c): the integers stay as they are. Layers that keep floats
    take up their batch norm as in `fold_batch_norm`; those with a codebook, or with integers that several layers
    share, keep it, and so do those of a class that is derived from that of torch.

    Arguments:
        model: it is not changed.
        example: as in `fold_batch_norm`.

    References:
        Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference,
        2018, https://arxiv.org/abs/1712.05877, section 3.2
    """
    merged = fold_batch_norm(model, example)
    named = {place.name: place for place in places(merged)}
    for pair in pairs(merged, example):
        layer, norm = merged.get_submodule(pair.layer), merged.get_submodule(pair.norm)
        place = named[f"{pair.layer}.weight"]
        chain = place.chain()
        if (
            len(place.owners) > 1
            or [type(one) for one in chain] != [Coded]
            # Parametrised, a layer has a class of its own. A subclass may compute with its weight in another way.
            or type(layer).__bases__[0] not in _LAYERS
            or parametrize.is_parametrized(layer, "bias")
        ):
            continue
        factor, shift = factor_and_shift(norm)
        _scale(chain[0], factor)
        if layer.bias is not None:
            assert isinstance(layer.bias, Tensor)
            shift = layer.bias.detach() * factor + shift
        layer.bias = nn.Parameter(shift)
        put(merged, pair.norm, nn.Identity())
    return merged


def _scale(coded: nn.Module, factor: Tensor) -> None:
    """Multiply each output by a factor of its own, which gives it steps of its own."""
    assert isinstance(coded, Coded)
    each = max(1, len(coded.scale) // len(factor))
    if len(coded.scale) == 1:
        coded.scale = coded.scale.repeat(len(factor))
        coded.zero = None if coded.zero is None else coded.zero.repeat(len(factor))
    coded.scale = coded.scale * factor.repeat_interleave(each)
