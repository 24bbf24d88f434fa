"""Batch normalisation as part of the layer before it: what is a fixed factor and shift at prediction costs nothing."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from attar.deploy.replace import put

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


def fold_batch_norm(module: nn.Module, example: Tensor | None = None) -> nn.Module:
    """Return a copy, in evaluation mode, with each batch norm folded into the convolution or linear layer before it.

    "Before it" is meant by the flow of data: where the output of a layer goes into a batch norm alone. `nn.Identity`
    takes the place of the batch norm, so that positions stay. All other batch norms stay as they are. In a network
    whose flow depends on its data, neighbours in `nn.Sequential`, at any depth, are taken to be called in their order,
    and all others stay.

    The channels of a batch norm are on the second axis, and what a linear layer answers with is on the last one: only
    where these are seen to be the same is it folded into a linear layer.

    Arguments:
        module: it is not changed.
        example: samples `(n, *shape)`; the values do not matter. None: linear layers keep their batch norm.

    Example:
        >>> fold_batch_norm(nn.Sequential(nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3), nn.ReLU()))
        Sequential(
          (0): Conv1d(2, 3, kernel_size=(3,), stride=(1,))
          (1): Identity()
          (2): ReLU()
        )
    """
    folded = copy.deepcopy(module).eval()
    graph, of_rows = _flow(folded), _norms_of_rows(folded, example)
    for pair in _neighbours(folded) if graph is None else _joined(folded, graph):
        layer, norm = folded.get_submodule(pair.layer), folded.get_submodule(pair.norm)
        fused = _fused(layer, norm) if _fits(layer, norm, of_rows) else None
        if fused is not None:
            put(folded, pair.layer, fused)
            put(folded, pair.norm, nn.Identity())
    return folded


def pairs(module: nn.Module, example: Tensor | None = None) -> list[Pair]:
    """Layers whose output goes into one batch norm and nowhere else, which takes nothing else, channel by channel.

    There are none where the flow of data cannot be followed, since it depends on the data.

    Arguments:
        module: in evaluation mode.
        example: as in `fold_batch_norm`.
    """
    graph, of_rows = _flow(module), _norms_of_rows(module, example)
    joined = [] if graph is None else _joined(module, graph)
    return [one for one in joined if _fits(module.get_submodule(one.layer), module.get_submodule(one.norm), of_rows)]


def _flow(module: nn.Module) -> torch.fx.Graph | None:
    """Which layers are called with the output of which; None where it depends on the data."""
    if not any(isinstance(layer, _NORMS) for layer in module.modules()):
        return torch.fx.Graph()
    try:
        return _Tracer().trace(module)
    # Whatever a network's own code makes of a tensor that is none.
    except Exception:
        return None


def _joined(module: nn.Module, graph: torch.fx.Graph) -> list[Pair]:
    """Modules of which one is always called on the output of the other, which nothing else takes."""
    calls = Counter(node.target for node in graph.nodes if node.op == "call_module")
    names = Counter(id(layer) for _, layer in module.named_modules(remove_duplicate=False))
    read = _used_besides(module, graph)
    calls_of: Counter[Pair] = Counter()
    for node in graph.nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if isinstance(before, torch.fx.Node) and before.op == "call_module" and len(before.users) == 1:
            calls_of[Pair(str(before.target), str(node.target))] += 1
    found = []
    for pair, n in calls_of.items():
        layer, norm = (module.get_submodule(one) for one in (pair.layer, pair.norm))
        once = calls[pair.layer] == calls[pair.norm] == n and names[id(layer)] == names[id(norm)] == 1
        # What is used besides, as the weight by a decoder tied to it, has to stay what it is; that of a parametrised
        # layer is computed by a module.
        parts = [part for one in (layer, norm) for part in (*one.parameters(), *list(one.modules())[1:])]
        if once and not any(id(part) in read for part in parts):
            found.append(pair)
    return found


def _used_besides(module: nn.Module, graph: torch.fx.Graph) -> set[int]:
    """Parameters that the network itself reads, and modules that it calls, by their `id`."""
    parameters, modules = dict(module.named_parameters()), dict(module.named_modules(remove_duplicate=False))
    found = [parameters.get(str(node.target)) for node in graph.nodes if node.op == "get_attr"]
    return set(map(id, found)) | {id(modules.get(str(node.target))) for node in graph.nodes if node.op == "call_module"}


def _norms_of_rows(module: nn.Module, example: Tensor | None) -> set[nn.Module]:
    """The batch norms that are given one row of channels for each sample, and nothing else."""
    given: dict[nn.Module, set[int]] = {}
    norms = [layer for layer in module.modules() if isinstance(layer, _NORMS)]
    if example is None or not norms or not any(isinstance(layer, nn.Linear) for layer in module.modules()):
        return set()
    hooks = [norm.register_forward_hook(lambda norm, _, y: given.setdefault(norm, set()).add(y.ndim)) for norm in norms]
    try:
        with torch.no_grad():
            module(example.to(next(module.buffers()).device))
    # Whatever a network makes of samples that are none of its own.
    except Exception:
        return set()
    finally:
        for hook in hooks:
            hook.remove()
    return {norm for norm, axes in given.items() if axes == {2}}


def _neighbours(module: nn.Module) -> list[Pair]:
    return [
        Pair(f"{name}.{i - 1}".lstrip("."), f"{name}.{i}".lstrip("."))
        for name, parent in module.named_modules()
        if isinstance(parent, nn.Sequential) and type(parent).forward is nn.Sequential.forward
        for i in range(1, len(parent))
    ]


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

    def path_of_module(self, mod: nn.Module) -> str:
        try:
            return super().path_of_module(mod)
        except NameError:
            # A part of a sequence is made when it is called, and what is in it has a name.
            if type(mod) is not nn.Sequential:
                raise
            return "part"


def _fused(layer: nn.Module, norm: nn.Module) -> nn.Module | None:
    # Exact types: a subclass or a parametrised layer may compute its weight in a way that folding would break.
    assert isinstance(norm, _BatchNorm)
    if isinstance(layer, nn.Linear) and type(layer) is nn.Linear and norm.affine:
        return fuse_linear_bn_eval(layer, norm)
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) and type(layer) in _CONVOLUTIONS:
        return fuse_conv_bn_eval(layer, norm)
    return None


def _fits(layer: nn.Module, norm: nn.Module, of_rows: Collection[nn.Module]) -> bool:
    """Whether a batch norm uses the statistics that it has seen, and its channels are those of the layer's output."""
    if _is_hooked(layer) or _is_hooked(norm):
        return False
    if type(norm) not in _NORMS or not isinstance(norm, _BatchNorm) or norm.running_mean is None:
        return False
    if isinstance(layer, nn.Linear):
        return norm in of_rows and norm.num_features == layer.out_features
    return isinstance(layer, _CONVOLUTIONS) and norm.num_features == layer.out_channels


def _is_hooked(layer: nn.Module) -> bool:
    """Whether something is done to what goes in or comes out, such as computing the weight anew (`spectral_norm`)."""
    return bool(layer._forward_hooks or layer._forward_pre_hooks)
