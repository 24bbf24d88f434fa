"""Branches and loops of an ONNX graph as ordinary nodes, for all that looks at one graph alone.

A node with graphs of its own (`If`, `Loop`, `Scan`) reads what those read from outside without saying so. Closed, it
names that as inputs, after its own, and holds its graphs as text, in which the n-th of them is called "\\nn".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from attar.deploy.graph import compact

# Before names that a closed graph reads from outside, and the attribute that tells how many inputs are the node's own.
_READ = "\n"
_TEXT = b"\ngraph"
# Constants of so many numbers are looked for in other branches, which share them.
_LEAST = 64


def compacted(model: ModelProto) -> ModelProto:
    """As `compact`, of a model that may branch or loop."""
    return reopened(compact(closed(model, _LEAST)), model)


def closed(model: ModelProto, least: int) -> ModelProto:
    """The model with branches and loops closed, and their constants of so many numbers or more moved out of them."""
    result = ModelProto()
    result.CopyFrom(model)
    moved: list[TensorProto] = []
    for node in result.graph.node:
        _close(node, least, moved)
    result.graph.initializer.extend(moved)
    return result


def reopened(model: ModelProto, source: ModelProto) -> ModelProto:
    """The model that was closed, whatever its names outside branches and loops are now.

    Arguments:
        model: a closed one.
        source: with the versions of all operators.
    """
    result = ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    taken = {one.name for one in (*graph.initializer, *graph.input, *graph.output)}
    taken |= {name for node in graph.node for name in (*node.input, *node.output)}
    fresh = (name for i in itertools.count() if (name := f"_{i}") not in taken)
    for node in graph.node:
        _open(node, fresh)
    known = {one.domain for one in result.opset_import}
    inner = {one for node in graph.node for one in _domains(node)}
    result.opset_import.extend(one for one in source.opset_import if one.domain in inner - known)
    return result


def in_order(graph: GraphProto) -> list[NodeProto]:
    """The nodes, each after those that it reads from, as ONNX wants them, and onnxruntime does not."""
    producer = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    needs = [{producer[name] for name in read_by(node) if name in producer} for node in graph.node]
    done: set[int] = set()
    found: list[NodeProto] = []
    waiting = list(range(len(needs)))
    while ready := [i for i in waiting if needs[i] <= done]:
        done.update(ready)
        found.extend(graph.node[i] for i in ready)
        waiting = [i for i in waiting if i not in done]
    return [*found, *(graph.node[i] for i in waiting)]


def read_by(node: NodeProto) -> set[str]:
    """What a node reads, and what its graphs do, with what these make themselves."""
    inner = (one for attribute in node.attribute for one in attribute.g.node)
    return set(node.input).union(*(read_by(one) for one in inner))


def every(model: ModelProto) -> Iterator[NodeProto]:
    """All nodes of a closed model, those of branches and loops too: they call what is outside as the model does."""
    number = itertools.count()
    for node in model.graph.node:
        yield from _every(node, number)


def _every(node: NodeProto, number: Iterator[int]) -> Iterator[NodeProto]:
    yield node
    for attribute in node.attribute:
        # What a graph makes itself has no name outside: it gets one that nothing else has.
        mark = f"{_READ}{next(number)} "

        def name_of(name: str, mark: str = mark) -> str:
            return _outside(node, name) or mark + name

        for inner in _graph(attribute).node:
            _rename(inner, name_of)
            yield from _every(inner, number)


def _close(node: NodeProto, least: int, moved: list[TensorProto]) -> None:
    """Close a node and all in it; constants that are moved out of it get other names."""
    own = len(node.input)
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            text = _TEXT + _closed(attribute.g, node, own, least, moved).SerializeToString()
            attribute.CopyFrom(AttributeProto(name=attribute.name, type=AttributeProto.STRING, s=text))
    if len(node.input) > own:
        node.attribute.add(name=_READ, type=AttributeProto.INT, i=own)


def _closed(graph: GraphProto, node: NodeProto, own: int, least: int, moved: list[TensorProto]) -> GraphProto:
    small, away = _without_constants(graph, least, moved)
    made = {one.name for one in (*small.initializer, *small.input)} | {one for n in small.node for one in n.output}

    def place(name: str) -> str:
        if name in made:
            return name
        name = away.get(name, name)
        if name not in node.input[own:]:
            node.input.append(name)
        return f"{_READ}{list(node.input[own:]).index(name)}"

    for inner in small.node:
        _rename(inner, place)
    for output in small.output:
        if output.name not in made:  # a graph gives what it makes itself
            small.node.add(op_type="Identity", input=[place(output.name)], output=[output.name])
    return small


def _without_constants(graph: GraphProto, least: int, moved: list[TensorProto]) -> tuple[GraphProto, dict[str, str]]:
    """A graph, all in it closed, without its large constants, and the new names of these."""
    small = GraphProto(name="g", input=graph.input, output=graph.output)
    away: dict[str, str] = {}

    def move(tensor: TensorProto, name: str) -> bool:
        if math.prod(tensor.dims) < least:
            return False
        away[name] = f"{_READ}constant {len(moved)}"
        moved.append(TensorProto())
        moved[-1].CopyFrom(tensor)
        moved[-1].name = away[name]
        return True

    small.initializer.extend(one for one in graph.initializer if not move(one, one.name))
    for inner in graph.node:
        value = next((one.t for one in inner.attribute if one.name == "value"), None)
        if inner.op_type != "Constant" or value is None or not move(value, inner.output[0]):
            kept = small.node.add()
            kept.CopyFrom(inner)
            _close(kept, least, moved)
            for field in ("name", "doc_string", "metadata_props"):
                kept.ClearField(field)
    return small, away


def _open(node: NodeProto, fresh: Iterator[str]) -> None:
    """Open a node whose inputs have the names that they are to have, and all in it."""
    own = _own(node)
    for attribute in node.attribute:
        if not attribute.s.startswith(_TEXT):
            continue
        graph, made = _graph(attribute), dict[str, str]()

        def name_of(name: str, made: dict[str, str] = made) -> str:
            if name not in made:
                made[name] = _outside(node, name) or next(fresh)
            return made[name]

        for value in (*graph.input, *graph.initializer, *graph.output):
            value.name = name_of(value.name)
        for inner in graph.node:
            _rename(inner, name_of)
            _open(inner, fresh)
        attribute.CopyFrom(AttributeProto(name=attribute.name, type=AttributeProto.GRAPH, g=graph))
    del node.input[own:]
    kept = [one for one in node.attribute if one.name != _READ]
    del node.attribute[:]
    node.attribute.extend(kept)


def _domains(node: NodeProto) -> set[str]:
    inner = (one for attribute in node.attribute for one in attribute.g.node)
    return {node.domain}.union(*(_domains(one) for one in inner))


def _graph(attribute: AttributeProto) -> GraphProto:
    """What is in the text of an attribute; nothing in that of another."""
    return GraphProto.FromString(attribute.s.removeprefix(_TEXT) if attribute.s.startswith(_TEXT) else b"")


def _own(node: NodeProto) -> int:
    return next((one.i for one in node.attribute if one.name == _READ), len(node.input))


def _outside(node: NodeProto, name: str) -> str | None:
    """What a closed node calls what its graphs read from outside; None for what they make."""
    return node.input[_own(node) + int(name.removeprefix(_READ))] if name.startswith(_READ) else None


def _rename(node: NodeProto, names: Callable[[str], str]) -> None:
    for ends in (node.input, node.output):
        renamed = [name and names(name) for name in ends]
        del ends[:]
        ends.extend(renamed)
