"""The layers of a network that is a list of operations: what can be made narrower, or be split, is found by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from attar.compress.operations import function
from attar.compress.places import places
from attar.compress.program import Program, Result, Step, Stored, computed, held, listed, references, stored_names

_CONVOLUTIONS: dict[str, type[Any]] = {"conv1d": nn.Conv1d, "conv2d": nn.Conv2d, "conv3d": nn.Conv3d}
_NORMS: dict[int, type[Any]] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
_TENSORS = ("weight", "bias", "running_mean", "running_var")


def with_layers(model: nn.Module) -> nn.Module:
    """A program as a network of layers that shares its tensors; any other network, and one of integers, as it is.

    Linear layers, convolutions, embeddings, PReLUs and normalisations over a batch or a layer become layers, under the
    names of their weights. All else is computed as in the program.

    Example:
        >>> from attar.compress.tracing import traced
        >>> program = traced(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.zeros(1, 3))
        >>> dict(with_layers(program).named_children())
        {'0': Linear(in_features=3, out_features=4, bias=True)}
    """
    if not isinstance(model, Program) or any(place.chain() for place in places(model)):
        return model
    graph, owned, paths, stored = fx.Graph(), dict[str, Any](), dict[str, str](), stored_names(model)
    nodes, results = {0: graph.placeholder("x")}, {0: listed(model).example}

    def node_of(argument: Any) -> Any:
        if isinstance(argument, Stored):
            owned[argument.name] = held(model, argument.name)
            return graph.get_attr(argument.name)
        return nodes[argument.of] if isinstance(argument, Result) else argument

    for i, step in enumerate(listed(model).steps, start=1):
        with torch.no_grad():
            results[i] = computed(model, step, results)
        read, layer = references(step, Result), _layer(model, step, results[i])
        if layer is None or len(read) != 1:
            arguments, named = map_aggregate((step.arguments, dict(step.named)), node_of)
            nodes[i] = graph.call_function(function(step.operation), arguments, named)
            continue
        # What differs in nothing but what it reads is the same layer, called again.
        said = str([step.operation, *(one for one in step.arguments if one != read[0])])
        path = paths.setdefault(said, _free(references(step, Stored)[0].name, {*owned, *stored}))
        owned.setdefault(path, layer)
        nodes[i] = graph.call_module(path, (nodes[read[0].of],))
    outputs = tuple(nodes[one.of] for one in listed(model).outputs)
    graph.output(outputs[0] if len(outputs) == 1 else outputs)
    return fx.GraphModule(owned, graph).eval()


def _free(name: str, taken: set[str]) -> str:
    """The name of the layer that a tensor is of; where another has it, one that is free."""
    path = name.removesuffix(".weight").removesuffix(".running_mean")
    while path in taken:
        path += "_"
    return path


def _layer(program: Program, step: Step, result: Any) -> nn.Module | None:
    """The layer that a step computes, with the tensors of the program; None where none is known."""
    said = _by_name(step)
    tensors = {name: said[name] for name in _TENSORS if said.get(name) is not None}
    if not tensors or not all(isinstance(one, Stored) for one in tensors.values()):
        return None
    values = {name: held(program, one.name) for name, one in tensors.items()}
    with torch.device("meta"):
        layer: nn.Module | None = _unfilled(step.operation.partition(".")[0], said, values, result)
    if layer is None:
        return None
    slots = dict((*layer.named_parameters(), *layer.named_buffers()))
    if slots.pop("num_batches_tracked", None) is not None:
        layer.num_batches_tracked = torch.tensor(0)
    # A fixed tensor in the place of a parameter, say, is no layer's.
    if {name: type(slot) for name, slot in slots.items()} != {name: type(value) for name, value in values.items()}:
        return None
    for name, value in values.items():
        setattr(layer, name, value)
    return layer


def _unfilled(kind: str, said: Mapping[str, Any], values: Mapping[str, Tensor], result: Tensor) -> Any:
    """A layer of the sizes of these tensors, which are not in it yet; None where none is known."""
    weight, bias = values.get("weight"), "bias" in values
    if kind == "batch_norm":
        return _NORMS[result.ndim](result.shape[1], said["eps"], affine=bias) if "running_mean" in values else None
    if kind == "layer_norm":
        return nn.LayerNorm(said["normalized_shape"], said["eps"], elementwise_affine=weight is not None, bias=bias)
    if weight is None:
        return None
    if kind == "linear" and weight.ndim == 2:
        return nn.Linear(weight.shape[1], len(weight), bias=bias)
    if kind in _CONVOLUTIONS:
        padding = said["padding"] if isinstance(said["padding"], str) else tuple(said["padding"])
        sizes = tuple(said["stride"]), padding, tuple(said["dilation"]), said["groups"]
        return _CONVOLUTIONS[kind](weight.shape[1] * said["groups"], len(weight), tuple(weight.shape[2:]), *sizes, bias)
    if kind == "embedding":
        return nn.Embedding(len(weight), weight.shape[1])
    return nn.PReLU(weight.numel()) if kind == "prelu" else None


def _by_name(step: Step) -> dict[str, Any]:
    """The arguments of an operation of torch by their names, those that are not given as they are by default."""
    schema = getattr(function(step.operation), "_schema", None)
    if schema is None:
        return {}
    names = [one.name for one in schema.arguments]
    given = {**dict(zip(names, step.arguments)), **step.named}
    return {one.name: given.get(one.name, one.default_value) for one in schema.arguments}
