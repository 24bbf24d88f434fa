"""Eight-bit linear layers whose inputs are rounded as they come: for transformers, whose ranges differ by the sample.

y = s W̃ (q − z) + b, with the scale s and the zero point z of what comes in now, and weights W ≈ s_w W̃, one scale for
each output.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from attar.compress.integers import quiet, round_tables
from attar.compress.probes import inner
from attar.compress.samples import Samples, at_once, batches, check_finite, fed, plainly, prepared
from attar.data.dataset import Floats
from attar.deploy.branches import compacted
from attar.deploy.feed import Feed
from attar.deploy.graph import attribute, initializers, is_plain, set_nodes, write
from attar.errors import ExportError

# Fewer weights than this are not worth the operations.
_LEAST = 64
# Rows of what comes into a layer that are looked at.
_ROWS = 1024
# How far inputs and weights are balanced: not at all, and up to most of the way.
_POWERS = (0.0, 0.25, 0.5, 0.75)
# The largest codes of weights, and how many steps inputs have.
_HIGHEST, _LEVELS = 64, 255
_TINY = float(np.finfo(np.float32).tiny)


def quantize_dynamic(
    source: str | Path, target: str | Path, calibration: Samples | Sequence[Samples] | None = None
) -> None:
    """Write the model with the weights of linear layers, and tables of vectors, in int8, and products of integers.

    The inputs of these layers are rounded to uint8 by the range that they have when they come, so that no samples are
    needed, and one that is unlike the others does no harm. With samples, channels of the input that are much larger
    than the others are divided by what their weights are multiplied by, as far as that helps the layer, and biases take
    up what the rounding of weights changes in the mean. For a transformer this is more exact than `quantize_static`; a
    convolution stays in floating point.

    References:
        Zafrir et al., Q8BERT: Quantized 8Bit BERT, 2019, https://arxiv.org/abs/1910.06188
        Xiao et al., SmoothQuant: Accurate and Efficient Post-Training Quantization for Large Language Models, 2023,
        https://arxiv.org/abs/2211.10438

    Arguments:
        source: a model file.
        target: written beside and renamed.
        calibration: as in `quantize_static`, or a list of such, as of texts of different lengths, each without padding:
            what is padded counts in the mean too; a hundred suffice.

    Raises:
        ExportError: the model has no linear layer of 64 weights or more, or its weights are not finite; or the samples
            do not suit it; or onnxruntime cannot quantise it.
        ModelError: the source cannot be loaded.

    Example:
        >>> import torch
        >>> from attar.deploy.meta import ModelMeta
        >>> from attar.deploy.onnx import export
        >>> net = torch.nn.Sequential(torch.nn.Linear(256, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
        >>> with TemporaryDirectory() as folder:
        ...     before, after = Path(folder, "net.onnx"), Path(folder, "small.onnx")
        ...     export(net, torch.randn(1, 256), before, ModelMeta("table", (256,), ("no", "yes")))
        ...     quantize_dynamic(before, after)
        ...     round(before.stat().st_size / after.stat().st_size, 1)
        3.8
    """
    from onnxruntime import quantization as ort

    source, target = Path(source), Path(target)
    feeds: list[Feed] = []
    if calibration is not None:
        given, size = fed(source, calibration), at_once(source)
        feeds = [part for one in given for part in batches(one, size)]
    model = _as_products(prepared(source))
    constants = initializers(model)
    layers = [node for node in model.graph.node if _is_linear(node, constants)]
    if not layers:
        raise ExportError(f"{source}: has no linear layer of {_LEAST} weights or more in float32")
    for node in layers:
        check_finite(numpy_helper.to_array(constants[node.input[1]]), source)
    with TemporaryDirectory() as folder, quiet(), plainly(source):
        if feeds:
            _learn(model, layers, feeds)
        round_tables(model)
        file = Path(folder, "quantised.onnx")
        ort.quantize_dynamic(
            model,
            file,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=[node.name for node in layers],
            per_channel=True,
            # As in `quantize_static`: with eight bits, x86 processors without VNNI would answer differently.
            reduce_range=True,
            weight_type=ort.QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        quantised = onnx.load(file)
    write(compacted(quantised), target, source)


def _is_linear(node: NodeProto, constants: dict[str, TensorProto]) -> bool:
    weight = constants.get(node.input[1]) if node.op_type == "MatMul" else None
    return (
        weight is not None
        and weight.data_type == TensorProto.FLOAT
        and len(weight.dims) == 2
        and int(np.prod(weight.dims)) >= _LEAST
    )


def _as_products(model: ModelProto) -> ModelProto:
    """Gemm(x, W, b) becomes x Wᵀ + b, where nothing else is asked of it."""
    constants = initializers(model)
    nodes: list[NodeProto] = []
    for i, node in enumerate(model.graph.node):
        weight = constants.get(node.input[1]) if node.op_type == "Gemm" and is_plain(node) else None
        if weight is None:
            nodes.append(node)
            continue
        name, bias = f"attar.product.{i}", node.input[2:]
        values = numpy_helper.to_array(weight)
        turned = values.T if attribute(node, "transB", 0) else values
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(turned), f"{name}.weight"))
        outputs = [name] if bias else list(node.output)
        nodes.append(helper.make_node("MatMul", [node.input[0], f"{name}.weight"], outputs, name=node.name))
        if bias:
            nodes.append(helper.make_node("Add", [name, bias[0]], list(node.output), name=f"{node.name}.bias"))
    set_nodes(model, nodes)
    return model


def _learn(model: ModelProto, layers: list[NodeProto], feeds: list[Feed]) -> None:
    """Move what is hard to round from inputs to weights, x → x / f and W → f W, and the mean of what is left to biases.

    Layers that read the same input share f = max |x|^α / max |w|^α, for each channel of the input, with the α of which
    their outputs change least; none where that is 0.
    """
    together: dict[str, list[NodeProto]] = {}
    for layer in layers:
        together.setdefault(layer.input[0], []).append(layer)
    samples = _samples(model, list(together), feeds)
    constants = initializers(model)
    readers: dict[str, list[NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    divided: dict[str, NodeProto] = {}
    for source, group in together.items():
        x = samples[source]
        if not np.isfinite(x).all():
            continue
        weights = [numpy_helper.to_array(constants[layer.input[1]]) for layer in group]
        whole = np.concatenate(weights, axis=1)
        factors = [_factors(x, whole, power) for power in _POWERS]
        factor = min(factors, key=lambda one: _lost(x, whole, one))
        if not (factor == 1).all():
            model.graph.initializer.append(numpy_helper.from_array(1 / factor, f"{source}.balance"))
            divided[source] = helper.make_node("Mul", [source, f"{source}.balance"], [f"{source}.balanced"])
        for layer, weight in zip(group, weights):
            own, stored = f"{layer.output[0]}.balanced", weight * factor[:, None]
            model.graph.initializer.append(numpy_helper.from_array(stored, own))
            layer.input[1] = own
            if source in divided:
                layer.input[0] = f"{source}.balanced"
            changed = (x / factor).mean(0, dtype=np.float64) @ (stored - _rounded(stored))
            _add(model, readers.get(layer.output[0], []), constants, changed)
    nodes = [divided[name] for name in (one.name for one in model.graph.input) if name in divided]
    for node in model.graph.node:
        nodes += [node, *(divided[name] for name in node.output if name in divided)]
    set_nodes(model, nodes)


def _samples(model: ModelProto, names: list[str], feeds: list[Feed]) -> dict[str, Floats]:
    """Some of what comes into each layer, spread evenly over the samples: `(rows, channels)`."""
    each = max(1, _ROWS // len(feeds))
    found: dict[str, list[Floats]] = {name: [] for name in names}
    for values in inner(model, names, feeds):
        for name, value in zip(names, values):
            rows = value.reshape(-1, value.shape[-1])
            found[name].append(rows[np.linspace(0, len(rows) - 1, min(each, len(rows))).astype(int)])
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _factors(x: Floats, weight: Floats, power: float) -> Floats:
    of_inputs, of_weights = np.abs(x).max(0), np.abs(weight).max(1)
    ratio = np.where((of_inputs > 0) & (of_weights > 0), of_inputs / np.maximum(of_weights, _TINY), 1.0) ** power
    found: Floats = (ratio / np.exp(np.log(ratio).mean())).astype(np.float32)
    return found


def _lost(x: Floats, weight: Floats, factor: Floats) -> float:
    """How much of what the layer says is changed by rounding, but for the mean."""
    inputs, weights = x / factor, weight * factor[:, None]
    low, high = min(float(inputs.min()), 0.0), max(float(inputs.max()), 0.0)
    step = max((high - low) / _LEVELS, _TINY)
    error = (np.rint(inputs / step) * step) @ _rounded(weights) - x @ weight
    return float(np.square(error - error.mean(0)).sum(dtype=np.float64))


def _add(model: ModelProto, adds: list[NodeProto], constants: dict[str, TensorProto], changed: Floats) -> None:
    """Add to the bias of a product, where it has one."""
    biases = [name for node in adds for name in node.input if node.op_type == "Add" and name in constants]
    if len(adds) != 1 or len(biases) != 1 or list(constants[biases[0]].dims) != list(changed.shape):
        return
    # Equal biases are one constant.
    own = f"{adds[0].output[0]}.moved"
    moved = (numpy_helper.to_array(constants[biases[0]]) + changed).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(moved, own))
    adds[0].input[list(adds[0].input).index(biases[0])] = own


def _rounded(weight: Floats) -> Floats:
    """What onnxruntime makes of a weight in seven bits, with a scale for each output."""
    scale = np.maximum(np.abs(weight).max(0), _TINY) / np.float32(_HIGHEST)
    found: Floats = np.rint(weight / scale).clip(-_HIGHEST, _HIGHEST) * scale
    return found
