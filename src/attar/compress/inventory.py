"""What of an ONNX model could be computed with in integers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto

from attar.compress.nibbles import WEIGHTED
from attar.compress.probes import inner
from attar.deploy.feed import Feed
from attar.deploy.graph import initializers
from attar.errors import ExportError

# Operators of models that have been quantised already, in all ways that there are.
_INTEGER = (
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeMatMul"),
    *("MatMulInteger", "MatMulIntegerToFloat", "MatMulNBits", "ConvInteger"),
    *("QLinearConv", "QLinearMatMul", "QGemm", "QAttention"),
)
_OTHERS = {
    TensorProto.FLOAT16: "half precision (float16)",
    TensorProto.BFLOAT16: "half precision (bfloat16)",
    TensorProto.DOUBLE: "double precision (float64)",
}


@dataclass(frozen=True)
class Inventory:
    """What a model computes with.

    Arguments:
        convolutions: how many there are.
        in_convolutions: weights of these.
        in_linear: weights of linear layers.
        attention: whether what it computes is multiplied with what else it computes.
        recurrent: how many recurrent layers there are.
        inside: how many convolutions and products are inside branches and loops, and stay as they are.
    """

    convolutions: int
    in_convolutions: int
    in_linear: int
    attention: bool
    recurrent: int = 0
    inside: int = 0


def inventory(model: ModelProto, name: str) -> Inventory:
    """Look through a `prepared` model; the name is for messages.

    Raises:
        ExportError: it computes with integers already, or has all layers inside branches or loops, or in other floats.
    """
    integer = next((node.op_type for node in model.graph.node if node.op_type in _INTEGER), None)
    if integer is not None:
        raise ExportError(f"{name}: holds integers already ({integer}); give the float file that it was made from")
    constants = initializers(model)
    weights = {key: math.prod(one.dims) for key, one in constants.items() if one.data_type == TensorProto.FLOAT}
    layers = [node for node in model.graph.node if node.op_type in WEIGHTED]
    inside = sum(map(_inside, model.graph.node))
    none = not any(node.input[1] in weights for node in layers)
    others = {constants[node.input[1]].data_type for node in layers if node.input[1] in constants}
    other = next((name for kind, name in _OTHERS.items() if kind in others), None)
    if none and other is not None:
        raise ExportError(
            f"{name}: weights of layers are in {other}, and only those in float32 become integers; export it in that"
        )
    if none and inside:
        raise ExportError(
            f"{name}: all its layers are inside branches or loops (If, Loop, Scan), which stay in floats; export the "
            "branch that you use as a model of its own, or make the file smaller by attar compress"
        )
    convolutions = [weights[node.input[1]] for node in layers if node.op_type == "Conv" and node.input[1] in weights]
    linear = [weights[node.input[1]] for node in layers if node.op_type != "Conv" and node.input[1] in weights]
    attention = any(node.op_type == "MatMul" and not weights.keys() & {*node.input} for node in layers)
    recurrent = sum(node.op_type in ("LSTM", "GRU", "RNN") for node in model.graph.node)
    return Inventory(len(convolutions), sum(convolutions), sum(linear), attention, recurrent, inside)


def numbers_inside(model: ModelProto, feed: Feed) -> int:
    """How many numbers the layers of a `prepared` model make of some samples."""
    names = [node.output[0] for node in model.graph.node if node.op_type in WEIGHTED]
    return sum(int(value.size) for values in inner(model, names, [feed]) for value in values) if names else 0


def _inside(node: NodeProto) -> int:
    inner = [one for attribute in node.attribute for one in attribute.g.node]
    return sum(one.op_type in WEIGHTED for one in inner) + sum(map(_inside, inner))
