"""Batch normalisation as part of the layer before it: what is a fixed factor and shift at prediction costs nothing."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Pair:
    """A layer and the batch norm that takes its output.

    Arguments:
        layer: its name in the network.
        norm: its name.
    """

    layer: str
    norm: str


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """Return a copy, in evaluation mode, with each batch norm folded into the convolution or linear layer before it.

    "Before it" is meant as in `nn.Sequential`, of neighbours in one at any depth, and elsewhere by the flow of data:
    where a layer is used once and its output goes into a batch norm alone. `nn.Identity` takes the place of the batch
    norm, so that positions stay. All other batch norms stay as they are, and all of those outside `nn.Sequential`
    in a network whose flow depends on its data.

    Example:
        >>> fold_batch_norm(nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.ReLU()))
        Sequential(
          (0): Conv1d(2, 3, kernel_size=(3,), stride=(1,))
          (1): Identity()
          (2): ReLU()
        )
    """
    folded = copy.deepcopy(module).eval()
    for parent in list(folded.modules()):
        if isinstance(parent, nn.Sequential) and type(parent).forward is nn.Sequential.forward:
            for i in range(1, len(parent)):
                fused = _fused(parent[i - 1], parent[i])
                if fused is not None:
                    parent[i - 1], parent[i] = fused, nn.Identity()
    for pair in pairs(folded):
        fused = _fused(folded.get_submodule(pair.layer), folded.get_submodule(pair.norm))
        if fused is not None:
            folded.set_submodule(pair.layer, fused)
            folded.set_submodule(pair.norm, nn.Identity())
    return folded


def pairs(module: nn.Module) -> list[Pair]:
    """Layers whose output goes into one batch norm and nowhere else, each of both used once.

    There are none where the flow of data cannot be followed, since it depends on the data.

    Arguments:
        module: in evaluation mode.
    """
    if not any(isinstance(layer, _NORMS) for layer in module.modules()):
        return []
    tracer = _Tracer()
    try:
        graph = tracer.trace(module)
    # Whatever a network's own code makes of a tensor that is none.
    except Exception:
        return []
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    names = Counter(id(layer) for _, layer in module.named_modules(remove_duplicate=False))
    found = []
    for node in graph.nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if not isinstance(before, torch.fx.Node) or before.op != "call_module" or len(before.users) != 1:
            continue
        layer, norm = (module.get_submodule(str(one.target)) for one in (before, node))
        once = all(calls[one.target] == 1 for one in (before, node)) and names[id(layer)] == names[id(norm)] == 1
        if once and _fits(layer, norm):
            found.append(Pair(str(before.target), str(node.target)))
    return found


def factor_and_shift(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """a and b of a batch norm as a x + b: a = γ / √(σ² + ε), b = β − a μ, each `(channels,)`."""
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is not None:
        factor = factor * norm.weight.detach()
    shift = -factor * norm.running_mean
    return factor, shift if norm.bias is None else shift + norm.bias.detach()


class _Tracer(torch.fx.Tracer):
    """Does not look into layers, also where they compute their weights."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (*_CONVOLUTIONS, nn.Linear, *_NORMS)) or super().is_leaf_module(m, module_qualified_name)


def _fused(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    # Exact types: a subclass or a parametrised layer may compute its weight in a way that folding would break.
    if not _fits(layer, norm):
        return None
    assert isinstance(norm, _BatchNorm)
    if isinstance(layer, nn.Linear) and type(layer) is nn.Linear and norm.affine:
        return fuse_linear_bn_eval(layer, norm)
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) and type(layer) in _CONVOLUTIONS:
        return fuse_conv_bn_eval(layer, norm)
    return None


def _fits(layer: nn.Module, norm: nn.Module) -> bool:
    """Whether a batch norm uses the statistics that it has seen, and is as wide as the layer's output."""
    if type(norm) not in _NORMS or not isinstance(norm, _BatchNorm) or norm.running_mean is None:
        return False
    if isinstance(layer, nn.Linear):
        return norm.num_features == layer.out_features
    return isinstance(layer, _CONVOLUTIONS) and norm.num_features == layer.out_channels
