from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from attar.compress.probes import inner, parts, run

X = np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)


def test_parts_one_after_the_other_are_the_whole() -> None:
    """A residual: the second part needs the first, the last both; what none needs is in none."""
    weights = [numpy_helper.from_array(np.random.default_rng(i).random((4, 4), np.float32), f"w{i}") for i in (1, 2, 3)]
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("MatMul", ["r", "w2"], ["b"]),
        helper.make_node("Clip", ["b", "", ""], ["c"]),
        helper.make_node("Exp", ["x"], ["unused"]),
        helper.make_node("Add", ["c", "r"], ["s"]),
        helper.make_node("MatMul", ["s", "w3"], ["y"]),
    ]
    taken, given = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [taken], [given], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    held, names = {"x": X}, ["a", "b", "y"]
    found = list(parts(model, names))
    assert [[node.op_type for node in part.graph.node] for part in found] == [
        ["MatMul"],
        ["Relu", "MatMul"],
        ["Relu", "Clip", "Add", "MatMul"],
    ]
    assert [[one.name for one in part.graph.input] for part in found] == [["x"], ["a"], ["a", "b"]]
    assert [[one.name for one in part.graph.initializer] for part in found] == [["w1"], ["w2"], ["w3"]]
    for name, part in zip(names, found):
        ((held[name],),) = run(part, [held])
    for name, whole in zip(names, next(inner(model, names, [{"x": X}]))):
        np.testing.assert_allclose(held[name], whole, rtol=1e-6)
