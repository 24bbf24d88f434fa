"""Eight-bit integers in place of floats: static quantisation of an exported model.

x ≈ s (q − z), with one scale s and zero point z per activation, and one scale per output channel of a weight (z = 0).
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from attar._settings import is_count
from attar.compress.nibbles import INT32, WEIGHTED, dequantized, within
from attar.compress.probes import channel_means, divergence, parts, run
from attar.compress.samples import Samples, answered, at_once, fed, plainly, prepared, rows
from attar.compress.samples import batches as in_batches
from attar.data.dataset import Array, Floats
from attar.data.split import some
from attar.deploy.branches import compacted
from attar.deploy.feed import Feed
from attar.deploy.graph import attribute, initializers, set_nodes, write
from attar.errors import ExportError

# What may stand between two layers that hold weights and has an integer kernel, or only moves numbers. What comes
# before the first (preprocessing) and after the last (softmax) stays float.
_BETWEEN = (
    *("Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("Add", "Concat", "Reshape", "Transpose", "Flatten"),
)
# Samples that suffice for the mean of a channel.
_CORRECTION = 128
_INT8 = 127
Method = Literal["minmax", "percentile", "entropy"]
# As onnxruntime calls them.
_METHODS = {"minmax": "MinMax", "percentile": "Percentile", "entropy": "Entropy"}
# In place of infinity.
_ENDLESS = 1e30


def quantize_static(
    source: str | Path,
    target: str | Path,
    calibration: Samples,
    *,
    method: Method | None = None,
    bytes: int | None = None,
) -> None:
    """Write the model with weights in int8 and activations in uint8, as standard ONNX QDQ operators.

    The ranges of the activations are learnt from the calibration samples, and the biases moved so that what layers give
    for these is the same in the mean. Inputs, outputs and the stored description stay as they are; the same files and
    samples give the same bytes. Where a size is given that they do not fit into, the weights that matter least take
    four bits in the file; they are unpacked when it is loaded, and it is as fast.

    References:
        Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference (Jacob et al.,
        2018), https://arxiv.org/abs/1712.05877; Data-Free Quantization Through Weight Equalization and Bias Correction
        (Nagel et al., 2019), appendix D (empirical bias correction), https://arxiv.org/abs/1906.04721

    Arguments:
        source: a float model, attar's or another's whose first answer has a row for each sample, or that takes one
            sample at a time.
        target: written beside and renamed.
        calibration: raw samples `(n, *shape)`, a few hundred suffice; a table with the code of the category
            in categorical columns. Of another's model an array for its only input, or arrays by the names of its
            inputs.
        method: how a range is chosen: all of it, 99.99 % of it, or the part that keeps most information; None: of the
            first two, that with which the model answers the samples more as it does in float.
        bytes: that the file may take; None: as many as weights in int8 need.

    Raises:
        ExportError: the model has no layer that could be quantised, there are no samples, or it takes more bytes; or
            onnxruntime cannot quantise it; or a setting is something else.
        ModelError: the source cannot be loaded, or the samples do not suit it.
    """
    source, target = Path(source), Path(target)
    given, *more = fed(source, calibration)
    _check_settings(source, method, bytes, 1 + len(more))
    feed, expected = answered(source, given)
    size = at_once(source)
    batches = in_batches(feed, size)
    few = some(rows(feed), max(_CORRECTION // size, 1) * size, seed=0)
    corrected = in_batches({name: array[few] for name, array in feed.items()}, size)
    model = prepared(source)
    chosen = _chosen(model)
    if not chosen:
        raise ExportError(f"{source}: has no convolution or linear layer in float32 that could be quantised")
    with plainly(source):
        if method is None:
            ways = [_quantised(model, chosen, batches, corrected, way) for way in ("minmax", "percentile")]
            quantised = min(ways, key=lambda way: divergence(way, batches, expected))
        else:
            quantised = _quantised(model, chosen, batches, corrected, method)
        if bytes is not None:
            try:
                quantised = within(quantised, bytes, batches, expected)
            except ExportError as error:
                raise ExportError(f"{source}: {error}") from None
    write(compacted(quantised), target, source)


def _check_settings(source: Path, method: object, size: object, parts: int) -> None:
    if method is not None and method not in _METHODS:
        raise ExportError(f"method={method!r}: give one of {', '.join(_METHODS)}, or leave it away")
    if size is not None and not is_count(size):
        raise ExportError(f"bytes={size!r}: give a whole number")
    if parts > 1:
        raise ExportError(
            f"{source}: the samples come in {parts} parts; give all as one array, or as one dict of arrays by names"
        )


def _chosen(model: ModelProto) -> list[str]:
    """Return the names of the weighted layers and of the nodes on a path between two of them."""
    nodes = list(model.graph.node)
    constants = initializers(model)
    floats = {name for name, tensor in constants.items() if tensor.data_type == TensorProto.FLOAT}
    weighted = {node.name for node in nodes if node.op_type in WEIGHTED and node.input[1] in floats}
    after: set[str] = set()  # values that a weighted layer reaches
    for node in nodes:
        if node.name in weighted or (node.op_type in _BETWEEN and any(name in after for name in node.input)):
            after.update(node.output)
    before: set[str] = set()  # values that reach a weighted layer
    for node in reversed(nodes):
        if node.name in weighted or (node.op_type in _BETWEEN and any(name in before for name in node.output)):
            before.update(node.input)
    return [
        node.name
        for node in nodes
        if node.name in weighted or (node.op_type in _BETWEEN and node.output[0] in after and node.output[0] in before)
    ]


def _quantised(model: ModelProto, chosen: list[str], batches: list[Feed], few: list[Feed], method: str) -> ModelProto:
    # Imported here: it takes half a second, and only this function needs it.
    from onnxruntime import quantization as ort

    types = sorted({node.op_type for node in model.graph.node if node.name in chosen})
    copy = ModelProto()  # what is passed is changed
    copy.CopyFrom(model)
    endless = _bound(copy)
    with TemporaryDirectory() as folder, quiet(), redirect_stdout(io.StringIO()):
        file = Path(folder, "quantised.onnx")
        ort.quantize_static(
            copy,
            file,
            _Reader(batches),
            op_types_to_quantize=types,
            nodes_to_quantize=chosen,
            per_channel=True,
            # Seven bits for weights. With eight, x86 processors without VNNI saturate their 16-bit sums
            # (255 · 127 · 2 > 32 767) and the file would answer differently there than where it was checked. uint8
            # activations are what x86 kernels want, and where a Relu comes for free.
            reduce_range=True,
            activation_type=ort.QuantType.QUInt8,
            weight_type=ort.QuantType.QInt8,
            calibrate_method=ort.CalibrationMethod[_METHODS[method]],
            extra_options={"MatMulConstBOnly": True, "CalibPercentile": 99.99},
        )
        quantised = onnx.load(file)
    for tensor in quantised.graph.initializer:
        if tensor.name in endless:
            tensor.CopyFrom(endless[tensor.name])
    _keep_logits_float(quantised, chosen)
    round_tables(quantised)
    _drop_zero_points(quantised)
    _keep_means(quantised, model, few)
    return quantised


def _bound(model: ModelProto) -> dict[str, TensorProto]:
    """Make constants finite, such as masks of attention: histograms are of all additions. Return how they were."""
    found: dict[str, TensorProto] = {}
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if not np.isfinite(values).all():
            found[tensor.name] = TensorProto()
            found[tensor.name].CopyFrom(tensor)
            finite = np.nan_to_num(values, nan=0.0, posinf=_ENDLESS, neginf=-_ENDLESS)
            tensor.CopyFrom(numpy_helper.from_array(finite, tensor.name))
    return found


class _Reader:
    """The calibration samples as onnxruntime asks for them."""

    def __init__(self, batches: list[Feed]) -> None:
        # Its histograms need batches of one size: the last is filled up with samples of the one before.
        *full, last = batches
        fill = (
            {name: np.concatenate([full[-1][name], last[name]])[-len(full[-1][name]) :] for name in last}
            if full
            else last
        )
        self._batches = iter([*full, fill])

    def get_next(self) -> Feed | None:
        return next(self._batches, None)


def _keep_logits_float(model: ModelProto, chosen: list[str]) -> None:
    """Take the rounding off the output of a linear layer that only float nodes read.

    Integer kernels of linear layers write floats at no cost, and eight bits for a logit are few.
    """
    readers: dict[str, list[NodeProto]] = {}
    producer: dict[str, NodeProto] = {}
    for node in model.graph.node:
        producer.update((name, node) for name in node.output)
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in producer:
            continue
        # What the model answers itself has no readers, and stays rounded.
        quantize, floats = producer[node.input[0]], readers.get(node.output[0], [])
        layer = producer.get(quantize.input[0])
        if layer is None or layer.op_type not in ("Gemm", "MatMul") or any(reader.name in chosen for reader in floats):
            continue
        for reader in floats:
            for k, name in enumerate(reader.input):
                if name == node.output[0]:
                    reader.input[k] = layer.output[0]


def round_tables(model: ModelProto) -> None:
    """Store tables that rows are looked up in, such as token vectors, as int8 with one scale per column."""
    graph, constants = model.graph, initializers(model)
    done: set[str] = set()
    nodes: list[NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        by_row = node.op_type == "Gather" and not attribute(node, "axis", 0)
        table = constants.get(node.input[0]) if by_row else None
        if table is None or table.data_type != TensorProto.FLOAT or len(table.dims) != 2:
            continue
        values = numpy_helper.to_array(table)
        largest = np.abs(values).max(axis=0)
        scale = np.where(largest > 0, largest / _INT8, 1).astype(np.float32)
        names = (f"{table.name}.int8", f"{table.name}.scale")
        if table.name not in done:
            rounded = np.rint(values / scale).astype(np.int8)
            graph.initializer.extend(map(numpy_helper.from_array, (rounded, scale), names))
            done.add(table.name)
        place, rows = len(nodes) - 1, f"{node.output[0]}.int8"
        looked_up = helper.make_node("Gather", [names[0], node.input[1]], [rows])
        nodes[place:] = [looked_up, helper.make_node("DequantizeLinear", [rows, names[1]], list(node.output), axis=-1)]
    set_nodes(model, nodes)


def _drop_zero_points(model: ModelProto) -> None:
    """Leave out zero points of biases and of the weights of convolutions: they are zero, as their absence says.

    The others stay, zero or not: without them onnxruntime (1.20 to 1.31) falls back to float kernels.
    """
    floats = dequantized(model)
    for node in model.graph.node:
        if node.op_type in WEIGHTED:
            for name in node.input[1 if node.op_type == "Conv" else 2 :]:
                if name in floats:
                    del model.graph.node[floats[name]].input[2:]


def _keep_means(model: ModelProto, original: ModelProto, batches: list[Feed]) -> None:
    """Give each layer that has a bias the mean output of the original, the first layer first.

    b ← b + E[y] − E[ŷ], with ŷ what the layer gives once those before it are corrected.
    """
    constants, floats = initializers(model), dequantized(model)
    outputs = {node.name: node.output[0] for node in original.graph.node}
    layers = {
        node.output[0]: node
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm") and any(name in floats for name in node.input[2:])
    }
    if not layers:
        return
    expected = channel_means(original, dict.fromkeys((outputs[node.name] for node in layers.values()), 1), batches)
    # A session on the whole model for each layer would take long: each goes on from where those before it ended.
    computed = {name for node in model.graph.node for name in node.output}
    ends = dict.fromkeys(name for node in layers.values() for name in (node.input[0], node.output[0]))
    between = list(parts(model, [name for name in ends if name in computed]))
    last = {value.name: i for i, part in enumerate(between) for value in part.graph.input}
    held: list[dict[str, Array]] = [dict(batch) for batch in batches]
    for i, part in enumerate(between):
        name, said = part.graph.output[0].name, [answer for (answer,) in run(part, held)]
        if name in layers:
            bias, scale = (constants[one] for one in model.graph.node[floats[layers[name].input[2]]].input[:2])
            said = _with_mean(said, expected[outputs[layers[name].name]], bias, numpy_helper.to_array(scale))
        for batch, one in zip(held, said):
            batch[name] = one
            for done in [key for key in batch if last.get(key, -1) <= i]:
                del batch[done]


def _with_mean(said: list[Floats], expected: Floats, bias: TensorProto, scale: Floats) -> list[Floats]:
    """What a layer answers once its bias is moved so that each channel has a mean; the bias is."""
    axes = (0, *range(2, said[0].ndim))  # all but the channels
    found = sum(one.sum(axes, dtype=np.float64) for one in said) / sum(one[:, 0].size for one in said)
    before, step = numpy_helper.to_array(bias), scale.reshape(-1)
    moved = np.rint(before + (expected - found) / step).clip(*INT32).astype(np.int32)
    bias.CopyFrom(numpy_helper.from_array(moved, bias.name))
    shift = ((moved.astype(np.float64) - before) * step).astype(np.float32)
    return [one + np.expand_dims(shift, axes) for one in said]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what the quantiser says through the root logger, and keep it from configuring logging for everybody."""
    root, silent = logging.getLogger(), logging.NullHandler()

    def refuse(record: logging.LogRecord) -> bool:
        return record.name != "root"

    root.addHandler(silent)
    root.addFilter(refuse)
    try:
        yield
    finally:
        root.removeFilter(refuse)
        root.removeHandler(silent)
