"""Four bits for each weight of large linear layers, computed with as they are stored: `MatMulNBits` of onnxruntime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

from attar.compress.integers import round_tables
from attar.compress.samples import check_finite, prepared
from attar.data.dataset import Floats
from attar.deploy.branches import compacted
from attar.deploy.graph import attribute, initializers, is_plain, set_nodes, use_domain, write
from attar.errors import ExportError

_DOMAIN, _BITS, _MIDDLE = "com.microsoft", 4, 8
# Layers with fewer weights are no faster for it.
_LEAST = 1 << 14
# A step that numbers can be divided by.
_TINY = np.finfo(np.float32).tiny
# What goes in is rounded to int8, block by block, which is what makes it fast.
_INTEGERS = 4


def quantize_linear(source: str | Path, target: str | Path, block: int = 32) -> None:
    """Write the model with the weights of its large linear layers in four bits, with a step for each block of inputs.

    w ≈ s · q, q in −8 … 7, with the s = max |w| / k of a block, k in 1 … 8, that has the least squared error: none
    where the block is of four bits already. Tables whose rows are looked up, such as token vectors, take eight bits and
    a step for each column. The file needs onnxruntime, since the operator is its own. On one sample
    such a layer is as fast as in int8, and smaller; on many it is slower than that.

    Arguments:
        source: a model file.
        target: written beside and renamed.
        block: neighbouring inputs of one output that share a step: 16, 32, 64, 128 or 256.

    Raises:
        ExportError: the model has no linear layer of 16 384 weights or more, some of its weights are not finite, or
            there is no such block.
        ModelError: the source cannot be loaded.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> from attar.deploy.meta import ModelMeta
        >>> from attar.deploy.onnx import export
        >>> net = torch.nn.Sequential(torch.nn.Linear(256, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
        >>> with TemporaryDirectory() as folder:
        ...     before, after = Path(folder, "net.onnx"), Path(folder, "small.onnx")
        ...     export(net, torch.randn(1, 256), before, ModelMeta("table", (256,), ("no", "yes")))
        ...     quantize_linear(before, after)
        ...     round(before.stat().st_size / after.stat().st_size, 1)
        5.8
    """
    if block not in (16, 32, 64, 128, 256):
        raise ExportError(f"blocks of {block} weights: onnxruntime has kernels for 16, 32, 64, 128 and 256")
    source, target = Path(source), Path(target)
    model = prepared(source)
    constants = initializers(model)
    nodes: list[NodeProto] = []
    for i, node in enumerate(model.graph.node):
        weight = _weight(node, constants)
        if weight is not None:
            check_finite(weight, source)
        nodes += [node] if weight is None else _in_four_bits(model, node, weight, block, f"attar.{i}")
    if not any(node.op_type == "MatMulNBits" for node in nodes):
        raise ExportError(f"{source}: has no linear layer of {_LEAST:,} weights or more")
    set_nodes(model, nodes)
    round_tables(model)
    use_domain(model, _DOMAIN, 1)
    write(compacted(model), target, source)


def _weight(node: NodeProto, constants: dict[str, onnx.TensorProto]) -> Floats | None:
    """The weight of a large linear layer, a row for each output."""
    if node.op_type not in ("Gemm", "MatMul") or node.input[1] not in constants or not is_plain(node):
        return None
    values: Floats = numpy_helper.to_array(constants[node.input[1]])
    if values.dtype != np.float32 or values.ndim != 2 or values.size < _LEAST:
        return None
    return values if attribute(node, "transB", 0) else values.T


def _in_four_bits(model: ModelProto, node: NodeProto, weight: Floats, block: int, name: str) -> list[NodeProto]:
    codes, scale = rounded(weight, block)
    stored = (codes[..., ::2] | codes[..., 1::2] << _BITS, scale.reshape(-1))
    names = [f"{name}.codes", f"{name}.scale"]
    model.graph.initializer.extend(map(numpy_helper.from_array, stored, names))
    bias = [one for one in node.input[2:] if one]
    outputs = [f"{name}.product"] if bias else list(node.output)
    product = helper.make_node(
        "MatMulNBits",
        [node.input[0], *names],
        outputs,
        domain=_DOMAIN,
        K=weight.shape[1],
        N=weight.shape[0],
        bits=_BITS,
        block_size=block,
        accuracy_level=_INTEGERS,
    )
    return [product, helper.make_node("Add", [*outputs, *bias], list(node.output))] if bias else [product]


def rounded(weight: Floats, block: int) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Codes q + 8 and steps of a weight, a row for each output.

    Arguments:
        weight: `(outputs, inputs)`.
        block: inputs that share a step; the last one is filled up with zeros.

    Returns:
        Codes `(outputs, blocks, block)` and steps `(outputs, blocks)`.
    """
    outputs, inputs = weight.shape
    padded = np.pad(weight, ((0, 0), (0, -inputs % block))).reshape(outputs, -1, block)
    largest = np.abs(padded).max(2)
    unit = np.maximum(largest, _TINY)[..., None]
    best = np.ones_like(largest)
    least = np.full_like(largest, np.inf)
    for k in range(1, _MIDDLE + 1):
        scale = np.where(largest > 0, np.maximum(largest / np.float32(k), _TINY), 1).astype(np.float32)
        # In units of the largest, whose square may be no float32.
        error = np.square((_codes(padded, scale) * scale[..., None] - padded) / unit).sum(2)
        best = np.where(error < least, scale, best)
        least = np.minimum(error, least)
    return (_codes(padded, best) + _MIDDLE).astype(np.uint8), best


def _codes(padded: Floats, scale: Floats) -> Floats:
    codes: Floats = np.clip(np.rint(padded / scale[..., None]), -_MIDDLE, _MIDDLE - 1)
    return codes
