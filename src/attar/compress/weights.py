"""Eight bits for each weight in a file, while everything is computed in floating point as before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from attar.compress.samples import check_finite
from attar.data.dataset import Floats
from attar.deploy.branches import closed, every, reopened
from attar.deploy.graph import attribute, compact, initializers, is_plain, set_nodes, write
from attar.errors import ExportError

# Layers whose second input is their weight; the last ones are onnxruntime's own.
_WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul", "FusedConv", "FusedGemm", "FusedMatMul", "Attention")
_DOMAINS = ("", "com.microsoft")
# Through what a weight may reach its layer.
_ARRANGING = ("Cast", "Concat", "Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
# Layers with two of them, for their inputs and for their states.
_RECURRENT = ("LSTM", "GRU", "RNN")
# Fewer numbers than this are not worth the operations.
_LEAST = 64
_STEPS = 127
# Weights of a linear layer that share a scale.
_GROUP = 64
# No number of a vector is as large as this; what masks others out is.
_FAR = 1e3
# Share of what weights say that rounding may take more of once a standardisation is part of them. The features of
# random convolutions, whose deviations differ by up to a thousand times, lose 0.02 to 0.15.
_MOST_LOST = 0.2


def quantize_weights(source: Path, target: Path) -> None:
    """Write the model with the weights of its layers as int8, which a runtime turns into floats when it loads the file.

    w ≈ s · q, q in −127 … 127, s = max |w| / 127 over the weights of one filter, in a linear or recurrent layer over
    neighbours along the last axis of its matrix: the largest divisor of the axis from 16 to 64 of them, or where it has
    none about as many, with zeros for what is missing at its end; one s for the whole tensor, and no error, where all
    weights are multiples of a power of two that eight bits hold. Tables whose rows are looked up, such as token
    vectors, are as matrices of linear layers. A standardisation (x − m) / d before a linear layer becomes part of it,
    so that neither m nor d is stored, unless deviations differ so much that scales would suit few of its weights. The
    file needs a quarter of the bytes; the speed is that of the original.

    References:
        Gholami et al., A Survey of Quantization Methods for Efficient Neural Network Inference, 2021, section III,
        https://arxiv.org/abs/2103.13630

    Arguments:
        source: a model file.
        target: written beside and renamed.

    Raises:
        ExportError: the model has no layer or table whose weights could be quantised, or some of them are not finite.
    """
    whole = onnx.load(source)
    model = rounded(closed(whole, _LEAST), str(source))
    if model is None:
        raise ExportError(
            f"{source}: has no convolution, linear or recurrent layer or table of at least {_LEAST} weights in float32"
        )
    write(finished(model, whole), target)


def rounded(model: ModelProto, name: str) -> ModelProto | None:
    """As `quantize_weights`, of a closed model; None where there is no such layer. The name is for messages."""
    # Weights may be outputs of nodes, and inputs with a default.
    model = compact(model)
    _fold_standardisation(model)
    constants = initializers(model)
    nodes = [node for node in every(model) if node.domain in _DOMAINS]
    producer = {name: node for node in nodes for name in node.output}
    weights = _reached([node.input[1] for node in nodes if node.op_type in _WEIGHTED], producer)
    recurrent = _reached([one for node in nodes if node.op_type in _RECURRENT for one in node.input[1:3]], producer)
    looked_up = {node.input[0] for node in nodes if node.op_type == "Gather" and not attribute(node, "axis", 0)}
    tables = {one for one in looked_up & constants.keys() if len(constants[one].dims) == 2}
    tables |= {one for one in _added(nodes) & constants.keys() if _of_vectors(constants[one])}
    before: list[NodeProto] = []
    for one in sorted((weights | recurrent | tables) & constants.keys()):
        values = numpy_helper.to_array(constants[one])
        if values.dtype in (np.float32, np.float16) and values.size >= _LEAST:
            check_finite(values, name)
            before += _decoded(model, constants[one], values, of_rows=one in recurrent)
    if not before:
        return None
    set_nodes(model, [*before, *model.graph.node])
    return compact(model)


def finished(model: ModelProto, source: ModelProto) -> ModelProto:
    """The file of a closed model from a source: open again, and with the shapes of what is in half precision.

    Without these, onnxruntime 1.31 crashes on some networks in half precision as it loads them.
    """
    model = reopened(model, source)
    try:
        told = onnx.shape_inference.infer_shapes(model).graph.value_info
    except (onnx.shape_inference.InferenceError, ValueError):  # what is wrong is said when it is checked
        return model
    model.graph.value_info.extend(one for one in told if one.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16)
    return model


def _reached(names: list[str], producer: dict[str, NodeProto]) -> set[str]:
    """What is so called, and what that is cut from, put together from, or another shape or type of."""
    found = set(names)
    while names:
        node = producer.get(names.pop())
        if node is not None and node.op_type in _ARRANGING:
            more = set(node.input if node.op_type == "Concat" else node.input[:1]) - found
            found |= more
            names.extend(more)
    return found


def _added(nodes: list[NodeProto]) -> set[str]:
    """What a part is cut from that is added to something, as vectors of places are to those of words."""
    added = {name for node in nodes if node.op_type == "Add" for name in node.input}
    return {node.input[0] for node in nodes if node.op_type == "Slice" and node.output[0] in added}


def _of_vectors(tensor: onnx.TensorProto) -> bool:
    """Whether it has vectors for rows, and not numbers such as coordinates, or what is as good as infinite."""
    sizes = [1, *tensor.dims]
    many = sizes[:-2].count(1) == len(sizes) - 2 and min(sizes[-2:]) >= _GROUP // 4
    return many and bool((np.abs(numpy_helper.to_array(tensor)) < _FAR).all())


def _decoded(model: ModelProto, tensor: onnx.TensorProto, values: Floats, *, of_rows: bool) -> list[NodeProto]:
    """Replace a weight by its codes, and return the operations that yield it again; a scale for each row, or filter."""
    name = tensor.name
    half = values.dtype == np.float16
    codes, scale = _codes(values.astype(np.float32), of_rows)
    n = values.shape[-1]
    width = codes.size // (values.size // n)
    stored = {f"{name}.codes": codes, f"{name}.scale": scale, f"{name}.shape": np.array([*values.shape[:-1], width])}
    shaped = f"{name}.whole" if half else name
    rows = f"{name}.rows" if width > n else shaped
    # A cast and a product rather than DequantizeLinear: these a runtime computes once, when it loads the file.
    nodes = [
        helper.make_node("Cast", [f"{name}.codes"], [f"{name}.float"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}.float", f"{name}.scale"], [f"{name}.scaled"]),
        helper.make_node("Reshape", [f"{name}.scaled", f"{name}.shape"], [rows]),
    ]
    if width > n:
        cut = {"start": 0, "end": n, "axis": values.ndim - 1}
        stored |= {f"{name}.{part}": np.array([value]) for part, value in cut.items()}
        nodes.append(helper.make_node("Slice", [rows, *(f"{name}.{part}" for part in cut)], [shaped]))
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in stored.items())
    model.graph.initializer.remove(tensor)
    # Few runtimes multiply numbers of half precision.
    return [*nodes, helper.make_node("Cast", [shaped], [name], to=onnx.TensorProto.FLOAT16)] if half else nodes


def _codes(values: Floats, of_rows: bool) -> tuple[npt.NDArray[np.int8], Floats]:
    """Codes `(groups, numbers)`, and the scale of each group or of all; rows may have zeros behind them."""
    exact = _exact_unit(values)
    # Neighbours along the last axis, whichever of both a linear layer's outputs are on.
    if of_rows or values.ndim <= 2:
        n = values.shape[-1]
        size = _size_of_group(n)
        grouped = np.pad(values.reshape(-1, n), ((0, 0), (0, -n % size))).reshape(-1, size)
    else:
        grouped = values.reshape(len(values), -1)
    scale = np.abs(grouped).max(1, keepdims=True) / np.float32(_STEPS) if exact is None else np.float32(exact)
    scale = np.maximum(scale, np.finfo(np.float32).tiny).astype(np.float32)
    return np.rint(grouped / scale).astype(np.int8), scale


def _values(codes: npt.NDArray[np.int8], scale: Floats, shape: tuple[int, ...]) -> Floats:
    """What codes stand for, without the zeros behind rows."""
    rows: Floats = (codes * scale).reshape(*shape[:-1], -1)[..., : shape[-1]]
    return rows


def _exact_unit(values: Floats) -> float | None:
    """The power of two that all weights are small multiples of."""
    largest = float(np.abs(values).max())
    exponents = [one for one in range(-8, 9) if largest * 2.0**one <= _STEPS]

    def exact(exponent: int) -> bool:
        codes = values * np.float32(2.0**exponent)
        return np.array_equal(codes, np.rint(codes))

    # Multiples of a unit are multiples of its half: where the smallest unit does not do, none does.
    if not exponents or not exact(exponents[-1]):
        return None
    return float(2.0 ** -next(one for one in exponents if exact(one)))


def _size_of_group(n: int) -> int:
    """The largest divisor of a row up to 64; where that is not worth a scale, what takes the fewest bytes with zeros.

    >>> [_size_of_group(n) for n in (7, 61, 120, 97, 1146)]
    [7, 61, 60, 49, 64]
    """
    largest = next(size for size in range(min(n, _GROUP), 0, -1) if n % size == 0)
    least = _GROUP // 4
    if largest >= min(n, least):
        return largest
    return min(range(least, _GROUP + 1), key=lambda size: -(-n // size) * (size + 4))


def _fold_standardisation(model: ModelProto) -> None:
    """Gemm((x − m) / d) with constant m and d becomes Gemm(x), where little is lost by it."""
    for found in _standardised(model):
        folded = found.folded()
        if folded is None:
            continue
        for i, (role, values) in enumerate(zip(("weight", "bias"), folded), start=1):
            name = f"{found.gemm.output[0]}.{role}"
            model.graph.initializer.append(numpy_helper.from_array(values, name))
            found.gemm.input[i] = name
        found.gemm.input[0] = found.x


@dataclass(frozen=True)
class _Standardised:
    """A linear layer whose input is (x − m) / d: m and d have a value for each of its inputs, or one for all."""

    gemm: NodeProto
    x: str
    weight: Floats
    bias: Floats
    m: Floats
    d: Floats

    def folded(self) -> tuple[Floats, Floats] | None:
        """Weight and bias on x itself; None where rounding would take too much of what the weight says."""
        n = self.weight.shape[1]
        m, d = (np.broadcast_to(one.reshape(-1).astype(np.float64), n) for one in (self.m, self.d))
        if not d.all() or not all(np.isfinite(one).all() for one in (self.weight, m, d)):
            return None
        exact = decoded = (self.weight / d).astype(np.float32)
        if exact.size >= _LEAST:
            decoded = _values(*_codes(exact, of_rows=False), exact.shape)
        # What rounding loses is told by inputs as wide as they are, and around their mean: the bias takes the rest.
        lost, most = np.linalg.norm((decoded - exact) * d), _MOST_LOST * np.linalg.norm(self.weight.astype(np.float64))
        # What is not finite compares as False.
        if not lost <= most:
            return None
        return exact, (self.bias - decoded @ m).astype(np.float32)


def _standardised(model: ModelProto) -> Iterator[_Standardised]:
    """The linear layers that alone take a difference from a constant, divided by a constant."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    producer = {name: node for node in model.graph.node for name in node.output}
    reads = Counter(name for node in model.graph.node for name in node.input)

    def before(node: NodeProto | None, operation: str) -> NodeProto | None:
        """What gives a node its first input, where that is such an operation and nothing else takes its result."""
        made = None if node is None else producer.get(node.input[0])
        return made if made is not None and made.op_type == operation and reads[made.output[0]] == 1 else None

    for gemm in model.graph.node:
        divide = before(gemm if _adds_bias(gemm) else None, "Div")
        subtract = before(divide, "Sub")
        if divide is None or subtract is None:
            continue
        names = (*gemm.input[1:], subtract.input[1], divide.input[1])
        weight, bias, m, d = (constants.get(name) for name in names)
        if weight is None or bias is None or m is None or d is None or weight.dtype != np.float32:
            continue
        if {m.size, d.size} <= {1, weight.shape[1]}:
            yield _Standardised(gemm, subtract.input[0], weight, bias, m, d)


def _adds_bias(node: NodeProto) -> bool:
    """Whether a node is x Wᵀ + b."""
    return node.op_type == "Gemm" and len(node.input) == 3 and bool(attribute(node, "transB", 0)) and is_plain(node)
