"""The ONNX graph as few, repeatable bytes: cleaned, renamed, checked and written whole or not at all."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from attar._files import write_whole
from attar.deploy.meta import CHECKSUM, KEY, ModelMeta, checksum
from attar.errors import ExportError, first_line

# onnxruntime 1.20, the oldest that attar supports, reads up to IR version 10.
IR_VERSION = 10
# The first whose constants need not be inputs too.
_LEAST_IR = 4


def compact(model: ModelProto) -> ModelProto:
    """Return an equal model in fewer bytes, the same bytes for the same computation.

    Constants become initialisers, equal ones are shared, identities and whatever no output needs are dropped, nodes
    are put into the order in which a walk from the outputs finds them, every inner name is shortened, and
    all that describes the exporting program (doc strings, stack traces, paths) is left behind. Only the
    names of inputs and outputs, and the metadata under "attar", stay.

    Raises:
        ExportError: the graph branches or loops (`If`, `Loop`, `Scan`), has functions of its own or sparse constants.
    """
    if model.functions:
        raise ExportError(f"the model has a function of its own ({model.functions[0].name}): write it without, inlined")
    nodes, constants, outputs = _flatten(model.graph)
    inputs = [value for value in model.graph.input if value.name not in constants]
    nodes = _from_outputs(nodes, outputs)
    opsets = {_domain(entry.domain): entry.version for entry in model.opset_import}

    kept = {value.name: value.name for value in inputs} | dict(zip(outputs, (o.name for o in model.graph.output)))
    renamed, tensors = _renamed(nodes, constants, kept)
    graph = GraphProto(name="g", input=inputs, output=model.graph.output, initializer=tensors)
    graph.node.extend(
        NodeProto(
            op_type=node.op_type,
            domain=node.domain,
            input=[renamed[name] for name in node.input],
            output=[renamed[name] for name in node.output],
            attribute=_without_defaults(node, opsets[node.domain]),
        )
        for node in nodes
    )
    for value in itertools.chain(graph.input, graph.output):
        value.ClearField("doc_string")
        value.ClearField("metadata_props")

    small = ModelProto(ir_version=max(_LEAST_IR, min(model.ir_version, IR_VERSION)), graph=graph)
    for domain in sorted({node.domain for node in nodes} | {""}):
        small.opset_import.add(domain=domain, version=opsets[domain])
    small.metadata_props.extend(entry for entry in model.metadata_props if entry.key == KEY)
    _seal(small)
    return small


def _renamed(
    nodes: Iterable[NodeProto], constants: dict[str, TensorProto], kept: dict[str, str]
) -> tuple[dict[str, str], list[TensorProto]]:
    """Short names for all that nodes read and give, and the constants among these, equal ones under one name."""
    # What is left out has no name.
    renamed, fresh = {"": "", **kept}, _names(set(kept.values()))
    shared: dict[bytes, TensorProto] = {}
    for node in nodes:
        for name in node.input:
            if name not in renamed:
                tensor = smallest(constants[name])
                key = tensor.SerializeToString(deterministic=True)
                if key not in shared:
                    tensor.name = next(fresh)
                    shared[key] = tensor
                renamed[name] = shared[key].name
        for name in node.output:
            if name not in renamed:
                renamed[name] = next(fresh)
    return renamed, list(shared.values())


def describe(model: ModelProto, meta: ModelMeta) -> None:
    """Store `meta` in the model, in place of what was there."""
    del model.metadata_props[:]
    model.metadata_props.add(key=KEY, value=meta.to_json())


def _seal(model: ModelProto) -> None:
    """Store the checksum of a model of attar's in it, in place of what was there; see `attar.deploy.meta.is_whole`."""
    kept = [entry for entry in model.metadata_props if entry.key != CHECKSUM]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    if any(entry.key == KEY for entry in kept):
        model.metadata_props.add(key=CHECKSUM, value=checksum(model.SerializeToString(deterministic=True)))


def write(model: ModelProto, path: Path, source: Path | None = None) -> None:
    """Check the model and write it, whole or not at all, with the checksum that `compact` has already made room for.

    Arguments:
        model: it.
        path: where to.
        source: the file that it was made of, for messages.

    Raises:
        ExportError: the model breaks ONNX's own rules.
    """
    check_valid(model, str(source or path))
    _seal(model)
    write_whole(path, model.SerializeToString(deterministic=True))


def check_valid(model: ModelProto, name: str) -> None:
    """Hold a model to ONNX's own rules; the name is for messages.

    Raises:
        ExportError: it breaks one.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    # The checker has others for types that there are not, and for names that are no text.
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, ValueError) as error:
        raise ExportError(f"{name}: not a valid ONNX model: {first_line(error)}") from error


def initializers(model: ModelProto) -> dict[str, TensorProto]:
    """The tensors that a model holds, by their names."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def set_nodes(model: ModelProto, nodes: Iterable[NodeProto]) -> None:
    """Let a model consist of these nodes, some of its own among them."""
    nodes = list(nodes)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def use_domain(model: ModelProto, domain: str, version: int) -> None:
    """Let a model say that it has operators of a domain, unless it does."""
    if all(entry.domain != domain for entry in model.opset_import):
        model.opset_import.add(domain=domain, version=version)


def attribute(node: NodeProto, name: str, default: float) -> float:
    """A number that a node says, or what its absence means."""
    return next((onnx.helper.get_attribute_value(one) for one in node.attribute if one.name == name), default)


def is_plain(node: NodeProto) -> bool:
    """Whether a Gemm or MatMul takes its input as it comes and scales nothing: x W + b, W perhaps transposed."""
    return not attribute(node, "transA", 0) and attribute(node, "alpha", 1.0) == attribute(node, "beta", 1.0) == 1.0


def _flatten(graph: GraphProto) -> tuple[list[NodeProto], dict[str, TensorProto], list[str]]:
    """Return the nodes without constants and identities, all constants by name, and the names of the outputs."""
    sparse = any(a.name == "sparse_value" for node in graph.node for a in node.attribute if node.op_type == "Constant")
    if graph.sparse_initializer or sparse:
        raise ExportError("the model has a constant that is kept sparse: write it in full")
    constants = {tensor.name: tensor for tensor in graph.initializer}
    alias: dict[str, str] = {}
    nodes = []
    for source in graph.node:
        node = NodeProto()
        node.CopyFrom(source)
        node.domain = _domain(source.domain)
        del node.input[:]
        node.input.extend(alias.get(name, name) for name in source.input)
        if any(a.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for a in node.attribute):
            raise ExportError(
                f"the exported graph has a branch or loop ({node.op_type}): make the module trace to one path"
            )
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node.attribute[0])
        elif node.op_type == "Identity":
            alias[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    produced = {name for node in nodes for name in node.output}
    outputs: list[str] = []
    for i, value in enumerate(graph.output):
        name = alias.get(value.name, value.name)
        if name not in produced or name in outputs:
            # An input, a constant, or another output: those have a name of their own.
            nodes.append(NodeProto(op_type="Identity", input=[name], output=[f"\n{i}"]))
            name = f"\n{i}"
        outputs.append(name)
    return nodes, constants, outputs


def _domain(name: str) -> str:
    """The standard operators have two names."""
    return "" if name == "ai.onnx" else name


def _constant(attribute: AttributeProto) -> TensorProto:
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, TensorProto):
        return value
    shape = [len(value)] if attribute.name.endswith("s") else []
    kind = {"int": TensorProto.INT64, "flo": TensorProto.FLOAT, "str": TensorProto.STRING}[attribute.name[6:9]]
    return onnx.helper.make_tensor("", kind, shape, value if shape else [value])


def _from_outputs(nodes: Iterable[NodeProto], outputs: list[str]) -> list[NodeProto]:
    """Return the nodes that the outputs need, each after its inputs, in an order that only the graph decides."""
    producer = {name: node for node in nodes for name in node.output if name}
    # By their identity, for the first output of a node may be left out and have no name.
    done: dict[int, NodeProto] = {}
    stack = list(reversed(outputs))
    while stack:
        node = producer.get(stack[-1])
        if node is None or id(node) in done:
            stack.pop()
            continue
        waiting = [name for name in node.input if name in producer and id(producer[name]) not in done]
        if waiting:
            stack.extend(reversed(waiting))
        else:
            done[id(node)] = node
            stack.pop()
    return list(done.values())


def smallest(tensor: TensorProto) -> TensorProto:
    """Return the tensor, without a name, in the shorter of ONNX's two encodings (small integers take one byte)."""
    array = numpy_helper.to_array(tensor)
    if array.dtype == object:
        return onnx.helper.make_tensor("", TensorProto.STRING, array.shape, array.ravel().tolist())
    raw = numpy_helper.from_array(array)
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 4:
        return raw
    typed = onnx.helper.make_tensor("", raw.data_type, array.shape, array.ravel().tolist())
    return min(raw, typed, key=lambda candidate: len(candidate.SerializeToString()))


def _without_defaults(node: NodeProto, opset: int) -> list[AttributeProto]:
    """Return the attributes that say something: those not equal to what their absence means."""
    # Of operators that are a runtime's own, onnx knows nothing.
    known = onnx.defs.has(node.op_type, node.domain)
    schema = onnx.defs.get_schema(node.op_type, opset, node.domain).attributes if known else {}
    told = []
    for source in sorted(node.attribute, key=lambda attribute: attribute.name):
        if not _is_default(source, node, schema.get(source.name)):
            attribute = AttributeProto()
            attribute.CopyFrom(source)
            attribute.ClearField("doc_string")
            told.append(attribute)
    return told


def _is_default(attribute: AttributeProto, node: NodeProto, known: onnx.defs.OpSchema.Attribute | None) -> bool:
    value = onnx.helper.get_attribute_value(attribute)
    if known is not None and known.default_value.type == attribute.type:
        return bool(onnx.helper.get_attribute_value(known.default_value) == value)
    # Old operators say with an attribute what newer ones take as an input, and must.
    if known is not None and known.required:
        return False
    return (
        (attribute.name in ("dilations", "strides") and set(value) == {1})
        or (attribute.name == "pads" and set(value) == {0})
        or (attribute.name == "kernel_shape" and node.op_type == "Conv")
    )


def _names(taken: set[str]) -> Iterator[str]:
    for length in itertools.count(1):
        for letters in itertools.product(string.ascii_letters, repeat=length):
            if (name := "".join(letters)) not in taken:
                yield name
