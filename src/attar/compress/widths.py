"""What each type of layer says of its channels: along which axes of its tensors they lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeGuard, cast

import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)
_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
)
_FIRST = (("weight", 0), ("bias", 0))

# An attribute of a layer that is a tensor, and an axis of it.
Along = tuple[tuple[str, int], ...]


def writes(layer: nn.Module) -> Along:
    """Where the channels lie that a layer writes; nothing for a layer whose output cannot be made narrower."""
    # Exact types: a subclass, and so a parametrised layer, may compute with its weight in another way.
    if type(layer) is nn.Linear or _mixes(layer):
        return _FIRST
    return (("weight", 1),) if type(layer) is nn.Embedding else ()


def reads(layer: nn.Module) -> Along:
    """Where those lie that it reads, or, where it keeps channels apart, its own."""
    if type(layer) is nn.Linear or _mixes(layer):
        return (("weight", 1),)
    if type(layer) in _RECURRENT:
        return (("weight_ih_l0", 1), ("weight_ih_l0_reverse", 1))
    if not keeps_apart(layer):
        return ()
    return (*_FIRST, ("running_mean", 0), ("running_var", 0)) if type(layer) in _NORMS else _FIRST


def keeps_apart(layer: nn.Module) -> bool:
    """Whether each channel that a layer writes is computed from one that it reads, by numbers of its own."""
    return type(layer) in _NORMS or depthwise(layer) or (type(layer) is nn.PReLU and layer.num_parameters > 1)


def is_wall(layer: nn.Module) -> bool:
    """Whether a layer has tensors, and neither can its output be made narrower nor does it keep channels apart."""
    if writes(layer) or keeps_apart(layer) or type(layer) is nn.PReLU:
        return False
    whole = parametrize.is_parametrized(layer) or not any(True for _ in layer.children())
    return whole and _has_tensors(layer)


def depthwise(layer: Any) -> TypeGuard[_ConvNd]:
    """Whether each filter sees one channel only."""
    return type(layer) in _CONVOLUTIONS and layer.groups == layer.in_channels > 1


def axis_of(layer: nn.Module, x: Tensor) -> int:
    """The axis along which the channels lie of what a layer reads or writes."""
    if isinstance(layer, _ConvNd):
        return x.ndim - 1 - len(layer.kernel_size)
    return 1 if isinstance(layer, (*_NORMS, nn.GroupNorm, nn.PReLU)) else x.ndim - 1


def read_width(layer: nn.Module) -> int:
    """How many channels a layer reads."""
    if isinstance(layer, _ConvNd):
        return layer.in_channels
    attribute, axis = next((name, axis) for name, axis in reads(layer) if getattr(layer, name, None) is not None)
    return int(getattr(layer, attribute).shape[axis])


def say_width(layer: nn.Module) -> None:
    """Let the numbers of a layer follow the shapes of its tensors."""
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, _ConvNd):
        if depthwise(layer):
            layer.groups = len(layer.weight) * layer.groups // layer.out_channels
        layer.out_channels, layer.in_channels = len(layer.weight), layer.weight.shape[1] * layer.groups
    elif isinstance(layer, _NormBase):
        held = layer.running_mean if layer.weight is None else layer.weight
        layer.num_features = layer.num_features if held is None else len(held)
    elif isinstance(layer, nn.Embedding):
        layer.embedding_dim = layer.weight.shape[1]
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = len(layer.weight)
    elif isinstance(layer, nn.RNNBase):
        layer.input_size = cast(Tensor, layer.weight_ih_l0).shape[1]


@contextmanager
def following(model: nn.Module) -> Iterator[None]:
    """While this lasts, normalisations without numbers of their own say the width of what they are given."""

    def follow(layer: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        cast(_NormBase, layer).num_features = (*given, *named.values())[0].shape[1]

    with ExitStack() as hooks:
        for layer in model.modules():
            if type(layer) in _NORMS and not _has_tensors(layer):
                hooks.enter_context(layer.register_forward_pre_hook(follow, with_kwargs=True))
        yield


def _has_tensors(layer: nn.Module) -> bool:
    return any(True for _ in (*layer.parameters(), *layer.buffers()))


def _mixes(layer: nn.Module) -> bool:
    return type(layer) in _CONVOLUTIONS and not depthwise(layer)
