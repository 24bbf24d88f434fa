"""Four bits for some weights of a model that computes in eight: two weights a byte on disk, and none slower."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from attar.compress.grids import Grid, Steps, fitted
from attar.compress.probes import channel_means, divergence
from attar.data.dataset import Floats
from attar.deploy.branches import compacted
from attar.deploy.feed import Feed
from attar.deploy.graph import attribute, initializers, set_nodes
from attar.errors import ExportError

# The layers whose weights have integer kernels.
WEIGHTED = ("Conv", "Gemm", "MatMul")
INT32 = (-(2**31), 2**31 - 1)
_GRID = Grid(4)
# The code of 0; and the table that holds what the two codes of each byte stand for.
_MIDDLE, _TABLE = 8, "attar.nibbles"
# Fewer weights than these are not worth the operations that unpack them.
_LEAST = 1024


def within(model: ModelProto, size: int, batches: Sequence[Feed], expected: Sequence[Floats]) -> ModelProto:
    """The integer model in at most so many bytes, with as few of its weights in four bits as that takes.

    The layers whose weights change the answers least, for the bytes that they save, go first. Weights become −7 … 7
    steps, the step of each output that of the least squared error, and the bias makes up for what this changes in the
    mean of the output. A runtime unpacks them by a table when it loads the file, and then computes in eight bits.

    References:
        Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019, section 4.2,
        https://arxiv.org/abs/1906.04721

    Arguments:
        model: with weights in int8, as standard QDQ operators.
        size: bytes that the file may take.
        batches: of samples.
        expected: probabilities that the float model gives each batch `(n, n_classes)`.

    Returns:
        The model itself where it is small enough.

    Raises:
        ExportError: it takes more bytes with all large weights in four bits.
    """
    if _bytes(model) <= size:
        return model
    layers = _layers(model)
    means = _input_means(model, layers, batches) if layers else {}
    loss = {layer: divergence(_halved(model, [layer], means), batches, expected) / layer.weights for layer in layers}
    small, taken = model, list[_Layer]()
    for layer in sorted(layers, key=loss.__getitem__):
        if _bytes(small) <= size:
            break
        taken.append(layer)
        small = _halved(model, taken, means)
    if _bytes(small) > size:
        raise ExportError(
            f"the integer model takes {_bytes(small):,} bytes, its large weights in four bits, and {size:,} are "
            "allowed: allow more, or export a smaller model"
        )
    # A large one may have made those before it needless.
    for layer in reversed(taken[:-1]):
        fewer = _halved(model, [one for one in taken if one != layer], means)
        if _bytes(fewer) <= size:
            taken.remove(layer)
            small = fewer
    return small


@dataclass(frozen=True)
class _Layer:
    """A layer whose weight nothing else reads.

    Arguments:
        node: its place in the graph.
        weight: that of the node that makes floats of its weight.
        bias: likewise of its bias.
        weights: how many.
    """

    node: int
    weight: int
    bias: int | None
    weights: int


def _layers(model: ModelProto) -> list[_Layer]:
    nodes = list(model.graph.node)
    constants = initializers(model)
    floats = dequantized(model)
    readers = Counter(name for node in nodes for name in node.input)
    found = []
    for i, node in enumerate(nodes):
        if node.op_type not in WEIGHTED or any(name not in floats for name in node.input[1:]):
            continue
        weight, *bias = (floats[name] for name in node.input[1:])
        tensor = constants[nodes[weight].input[0]]
        n = int(np.prod(tensor.dims))
        own = [*node.input[1:], *(name for place in (weight, *bias) for name in nodes[place].input[:2])]
        alone = all(readers[name] == 1 for name in own)
        if tensor.data_type == TensorProto.INT8 and n >= _LEAST and n % 2 == 0 and alone:
            found.append(_Layer(i, weight, bias[0] if bias else None, n))
    return found


def dequantized(model: ModelProto) -> dict[str, int]:
    """The places of the nodes that make floats of stored integers, by the names of the floats."""
    constants = initializers(model)
    return {
        node.output[0]: i
        for i, node in enumerate(model.graph.node)
        if node.op_type == "DequantizeLinear" and node.input[0] in constants
    }


def _halved(model: ModelProto, layers: Sequence[_Layer], means: Mapping[_Layer, Floats]) -> ModelProto:
    """The model with the weights of these layers in four bits."""
    small = ModelProto()
    small.CopyFrom(model)
    unpacking = [node for layer in layers for node in _halve(small, layer, means[layer])]
    byte = np.arange(256)
    table = (np.stack([byte & 15, byte >> 4], axis=1) - _MIDDLE).astype(np.int8)
    small.graph.initializer.append(numpy_helper.from_array(table, _TABLE))
    set_nodes(small, [*unpacking, *small.graph.node])
    return small


def _halve(model: ModelProto, layer: _Layer, mean: Floats) -> list[NodeProto]:
    """Replace the weight by its nibbles, and return the operations that yield it again in eight bits."""
    constants = initializers(model)
    weight = model.graph.node[layer.weight]
    name, scale = weight.input[0], constants[weight.input[1]]
    axis = int(attribute(weight, "axis", 1))
    codes, step = numpy_helper.to_array(constants[name]), numpy_helper.to_array(scale)
    by_output = np.moveaxis(codes, axis, 0)
    rows = torch.tensor(by_output.reshape(step.size, -1), dtype=torch.float32)
    # A step below 1 is of no use to integers, and the code of a bias would outgrow its 32 bits.
    steps = Steps(fitted(rows, _GRID).scale.clamp(min=1), None)
    fewer = steps.codes(rows, _GRID)
    times = steps.scale.numpy()
    scale.CopyFrom(numpy_helper.from_array((step.reshape(-1) * times).reshape(step.shape), scale.name))
    if layer.bias is not None:
        change = (steps.decoded(fewer) - rows).numpy() * step.reshape(-1, 1)
        codes_of_bias, step_of_bias = (constants[one] for one in model.graph.node[layer.bias].input[:2])
        _move_bias(codes_of_bias, step_of_bias, times, _of_mean(change, by_output.shape, mean))
    nibbles = np.moveaxis((fewer.numpy() + _MIDDLE).astype(np.uint8).reshape(by_output.shape), 0, axis).reshape(-1)
    model.graph.initializer.remove(constants[name])
    stored = {f"{name}.nibbles": nibbles[::2] | nibbles[1::2] << 4, f"{name}.shape": np.array(codes.shape)}
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in stored.items())
    return [
        helper.make_node("Cast", [f"{name}.nibbles"], [f"{name}.bytes"], to=TensorProto.INT32),
        helper.make_node("Gather", [_TABLE, f"{name}.bytes"], [f"{name}.pairs"]),
        helper.make_node("Reshape", [f"{name}.pairs", f"{name}.shape"], [name]),
    ]


def _move_bias(codes: TensorProto, step: TensorProto, times: Floats, change: Floats) -> None:
    """Take from a bias what its outputs have gained in the mean, its steps being so many times as large."""
    # The step of a bias is that of the input times that of the weight.
    old = numpy_helper.to_array(step).reshape(-1)
    new = (old * times).astype(np.float32)
    value = numpy_helper.to_array(codes) * old.astype(np.float64) - change
    codes.CopyFrom(numpy_helper.from_array(np.rint(value / new).clip(*INT32).astype(np.int32), codes.name))
    step.CopyFrom(numpy_helper.from_array(new.reshape(tuple(step.dims)), step.name))


def _of_mean(weights: Floats, shape: tuple[int, ...], mean: Floats) -> Floats:
    """What weights, a row for each output, make of the mean input `(channels,)`; of a convolution, away from its edge.

    Arguments:
        weights: `(outputs, inputs of one)`.
        shape: of the weight, outputs first, then the channels of one group.
        mean: of all channels.
    """
    by_channel = weights.reshape(shape[0], shape[1], -1).sum(2)
    groups = len(mean) // shape[1]
    of_output = np.repeat(mean.reshape(groups, shape[1]), shape[0] // groups, axis=0)
    answer: Floats = (by_channel * of_output).sum(1)
    return answer


def _input_means(model: ModelProto, layers: Sequence[_Layer], batches: Sequence[Feed]) -> dict[_Layer, Floats]:
    """The mean of each input channel of each layer."""
    nodes = [model.graph.node[layer.node] for layer in layers]
    means = channel_means(model, {node.input[0]: 1 if node.op_type == "Conv" else -1 for node in nodes}, batches)
    return {layer: means[node.input[0]] for layer, node in zip(layers, nodes)}


def _bytes(model: ModelProto) -> int:
    return int(compacted(model).ByteSize())
