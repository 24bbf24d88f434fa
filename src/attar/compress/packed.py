"""ONNX files into `.attar` files, and `.attar` files into ONNX files."""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import ModelProto, TensorProto, numpy_helper
from torch import Tensor

from attar.compress import codec, container, fitting, floats
from attar.compress.coder import Reader, Writer
from attar.compress.program import Program, listed
from attar.compress.saved import opened
from attar.compress.symbols import LARGEST
from attar.compress.weights import finished, rounded
from attar.deploy.branches import closed, in_order
from attar.deploy.graph import check_valid, compact, set_nodes, smallest, write
from attar.deploy.onnx import traced
from attar.deploy.session import session_of
from attar.errors import CompressionError, ExportError, first_line

# Tensors of fewer numbers stay in the graph.
_LEAST = 64
_BYTES = (TensorProto.INT8, TensorProto.UINT8)
_INTEGERS = {TensorProto.INT8: np.int8, TensorProto.UINT8: np.uint8, TensorProto.INT32: np.int32}
# Batches on which a restored file is compared, and by how much it may differ, in units of the largest answer.
_BATCHES = (1, 7)
_TOLERANCE = 1e-4
# The same in roundings, where a network computes with less precise numbers.
_ROUNDINGS = 8


def pack(source: str | Path, target: str | Path) -> None:
    """Write an ONNX file as an `.attar` file, with the weights of its layers, and tables of vectors, in eight bits.

    Weights are rounded as by `quantize_weights`; those that are integers already are kept. All else is kept as it is.

    Arguments:
        source: an ONNX file, by whomever; weights in a file beside it, as torch writes them, are read too.
        target: written beside and renamed; `unpack` gives the ONNX file that was rounded, byte for byte.

    Raises:
        CompressionError: it is not a valid ONNX file, or the target; it has no weights that could be in eight bits, or
            has parts that a file cannot keep: sparse constants, more than 16 MB beside its weights, or far more numbers
            than bytes are left of.
        ExportError: the target cannot be written.
    """
    source, target = Path(source), Path(target)
    _apart(source, target)
    model = _judged(source)
    try:
        inner = closed(model, _LEAST)
        small = rounded(inner, str(source))
        model = finished(compact(inner) if small is None else small, model)
        check_valid(model, str(source))
    except ExportError as error:
        raise CompressionError(str(error)) from error
    if small is None and not any(one.data_type in _BYTES for one in model.graph.initializer):
        raise CompressionError(
            f"{source}: has no convolution, linear or recurrent layer or table with 64 weights or more, in float32, "
            "half precision or eight bits"
        )
    writer, listing = Writer(), []
    for i, tensor in enumerate(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.size < _LEAST or tensor.data_type not in (*_INTEGERS, TensorProto.FLOAT):
            continue
        if tensor.data_type == TensorProto.INT32 and int(values.min()) < -LARGEST:
            continue
        if tensor.data_type == TensorProto.FLOAT:
            floats.encode(writer, values)
        else:
            fitting.encode(writer, values)
        listing.append([i, tensor.data_type, list(values.shape)])
        model.graph.initializer[i].CopyFrom(TensorProto(name=tensor.name))
    rest = model.SerializeToString(deterministic=True)
    if len(rest) > container.MOST_DESCRIPTION:
        raise CompressionError(
            f"{source}: has {len(rest)} bytes beside its weights in float32 and eight bits, and at most "
            f"{container.MOST_DESCRIPTION} are kept; turn other weights into float32"
        )
    graph = zlib.compress(rest, 9, container.RAW)
    payload = graph + writer.data()
    container.allow(sum(math.prod(shape) for _, _, shape in listing), len(payload), str(source))
    container.write(target, json.dumps({"graph": len(graph), "tensors": listing}), payload)


def unpack(source: str | Path, target: str | Path) -> None:
    """Write the network of an `.attar` file as an ONNX file.

    Integers stay integers in it, with the operations that decode them. Input "x" is a batch of any size, of samples in
    the shape of the example that the network was saved with, also where the network takes sequences of other lengths;
    the file is run in onnxruntime and compared with the network on batches of two sizes.

    Arguments:
        source: what `save` or `pack` wrote.
        target: written beside and renamed.

    Raises:
        CompressionError: the file cannot be read, or is the target.
        ExportError: an operation has no ONNX form, the ONNX file differs, or cannot be written.
    """
    source, target = Path(source), Path(target)
    _apart(source, target)
    description, payload = container.read(source)
    if description.startswith("{"):
        model = _restored(description, payload, str(source))
    else:
        model = exported(opened(description, payload, str(source)), str(source))
    try:
        write(model, target)
    except OSError as error:
        raise ExportError(f"{target}: cannot be written ({error.strerror}); choose another file") from None


def size_of(source: Path) -> int:
    """Bytes of an ONNX file and of the files beside it that hold its weights."""
    return sum(file.stat().st_size for file in files_of(source))


def files_of(source: Path) -> list[Path]:
    """An ONNX file and the files beside it that hold its weights."""
    return [source, *(source.parent / name for name in sorted(_beside(onnx.load(source, load_external_data=False))))]


def exported(program: Program, name: str) -> ModelProto:
    """A network as an ONNX model, compared with it as by `unpack`; the name is for messages."""
    x, count = listed(program).example, len(listed(program).outputs)
    outputs = ["y"] if count == 1 else [f"y{i}" for i in range(count)]
    if x.numel() > container.MOST_NUMBERS:
        raise ExportError(f"{name}: takes samples of {x.numel()} numbers; at most {container.MOST_NUMBERS} are tried")
    inputs, axes = {"x": x.expand(2, *x.shape[1:]).contiguous()}, {one: {0: "n"} for one in ("x", *outputs)}
    # Folded, integers would be stored as the floats that they stand for.
    model = compact(traced(program, inputs, outputs, axes, name=f"{name}:", fold=False))
    _compare(program, model, name)
    return model


def _beside(model: ModelProto) -> set[str]:
    """Names of the files that hold its weights."""
    return {entry.value for one in model.graph.initializer for entry in one.external_data if entry.key == "location"}


def _apart(source: Path, target: Path) -> None:
    if source.exists() and target.exists() and target.samefile(source):
        raise CompressionError(f"{target}: is the file itself; name another one to write to")


def _judged(source: Path) -> ModelProto:
    try:
        model = onnx.load(source, load_external_data=False)
        missing = sorted(name for name in _beside(model) if not (source.parent / name).is_file())
        if missing:
            raise FileNotFoundError(0, f"its weights are in a file beside it, {missing[0]}, which is not there")
        onnx.load_external_data_for_model(model, str(source.parent))
        set_nodes(model, in_order(model.graph))
        onnx.checker.check_model(model)
        for tensor in model.graph.initializer:
            numpy_helper.to_array(tensor)
    except OSError as error:
        raise CompressionError(f"{source}: cannot be read: {error.strerror or error}") from error
    except (DecodeError, onnx.checker.ValidationError, ValueError, TypeError, KeyError) as error:
        raise CompressionError(f"{source}: is not a valid ONNX file: {first_line(error)}") from error
    if model.graph.sparse_initializer or any(
        one.name == "sparse_value" for node in model.graph.node for one in node.attribute
    ):
        raise CompressionError(f"{source}: has constants that are kept sparse, which are not compressed")
    return model


def _restored(description: str, payload: bytes, name: str) -> ModelProto:
    """The ONNX model that was packed."""
    try:
        told = json.loads(description)
        length, listing = told["graph"], [(i, kind, tuple(shape)) for i, kind, shape in told["tensors"]]
        sizes = [one for _, _, shape in listing for one in shape]
        if not all(type(one) is int and one >= 0 for one in [length, *sizes, *(i for i, _, _ in listing)]):
            raise ValueError
        container.allow(sum(math.prod(shape) for _, _, shape in listing), len(payload), name)
        unpacker = zlib.decompressobj(container.RAW)
        graph = unpacker.decompress(payload[:length], container.MOST_DESCRIPTION)
        model = ModelProto.FromString(graph)
        reader = Reader(payload[length:])
        for i, kind, shape in listing:
            tensor = model.graph.initializer[i]
            value: Any = _decoded(reader, kind, shape)
            # As `compact` has left it.
            restored = smallest(numpy_helper.from_array(value))
            restored.name = tensor.name
            tensor.CopyFrom(restored)
    except CompressionError as error:
        raise CompressionError(f"{name}: {error}") from None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, zlib.error, DecodeError) as error:
        raise CompressionError(f"{name}: is damaged: what it says of an ONNX model cannot be read") from error
    return model


def _decoded(reader: Reader, kind: int, shape: tuple[int, ...]) -> Any:
    if kind == TensorProto.FLOAT:
        return floats.decode(reader, math.prod(shape)).reshape(shape)
    return codec.decode(reader, shape).astype(_INTEGERS[kind])


def _compare(program: Program, model: ModelProto, source: str) -> None:
    generator = torch.Generator().manual_seed(0)
    example = listed(program).example
    batches = [_samples(example, n, generator) for n in _BATCHES]
    try:
        session = session_of(model.SerializeToString(), 0)
        answered = [session.run(None, {"x": x.numpy()}) for x in batches]
    # Those of onnxruntime have no other base.
    except Exception as error:
        raise ExportError(
            f"{source}: onnxruntime cannot run it: {first_line(error)}; "
            "give model.float() where it is in another precision, or replace that operation"
        ) from error
    tensors = (*program.parameters(), *program.buffers(), example)
    kinds = {one.dtype for one in tensors if one.is_floating_point()}
    tolerance = max([_TOLERANCE, *(_ROUNDINGS * torch.finfo(kind).eps for kind in kinds)])
    for x, answers in zip(batches, answered):
        with torch.no_grad():
            said = program(x)
        for expected, answer in zip(said if isinstance(said, tuple) else (said,), answers):
            if not isinstance(expected, Tensor):
                raise ExportError(f"{source}: the network gives a {type(expected).__name__} where a tensor is expected")
            reference = expected.numpy()
            most = tolerance * max(1.0, float(np.abs(reference).max(initial=0)))
            if answer.shape != reference.shape or not np.allclose(answer, reference, rtol=0, atol=most, equal_nan=True):
                raise ExportError(f"{source}: the ONNX file differs from the network in a batch of {len(x)}")


def _samples(example: Tensor, n: int, generator: torch.Generator) -> Tensor:
    shape = (n, *example.shape[1:])
    if example.is_floating_point():
        return torch.rand(shape, generator=generator).to(example.dtype)
    return torch.randint(0, 2, shape, generator=generator).to(example.dtype)
