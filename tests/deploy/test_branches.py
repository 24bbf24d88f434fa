import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from attar.deploy.branches import closed, every, in_order, reopened
from attar.deploy.graph import compact

RNG = np.random.default_rng(0)
BIG = RNG.standard_normal((8, 8)).astype(np.float32)


def value(name: str, kind: int = TensorProto.FLOAT, shape: tuple[int, ...] = (8, 8)) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def branch(nodes: list[tuple[str, list[str], list[str]]], output: str, tensors: dict[str, np.ndarray]) -> GraphProto:
    made = [helper.make_node(*one) for one in nodes]
    return helper.make_graph(
        made, "branch", [], [value(output)], [numpy_helper.from_array(v, k) for k, v in tensors.items()]
    )


def branching() -> ModelProto:
    """If in If; both read from outside, share names, and hold weights, one of them as a node; one gives a constant."""
    constant = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(BIG))
    deep = branch([("MatMul", ["inner", "w"], ["z"])], "z", {"w": 2 * BIG})
    plain = branch([("Add", ["inner", "b"], ["z"])], "z", {"b": np.ones(1, np.float32)})
    then = branch([("MatMul", ["seen", "w"], ["inner"])], "y", {})
    then.node.insert(0, constant)
    then.node.append(helper.make_node("If", ["second"], ["y"], then_branch=deep, else_branch=plain))
    other = branch([], "w", {"w": BIG})
    nodes = [
        helper.make_node("Identity", ["x"], ["seen"]),
        helper.make_node("If", ["first"], ["a"], then_branch=then, else_branch=other),
        helper.make_node("Relu", ["a"], ["result"]),
    ]
    inputs = [value("x"), value("first", TensorProto.BOOL, ()), value("second", TensorProto.BOOL, ())]
    graph = helper.make_graph(nodes, "main", inputs, [value("result")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def looping() -> ModelProto:
    """Five times x · w, w in the body, and of a constant outside."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["still"]),
            helper.make_node("MatMul", ["state", "w"], ["product"]),
            helper.make_node("Add", ["product", "bias"], ["next"]),
        ],
        "body",
        [value("i", TensorProto.INT64, ()), value("on", TensorProto.BOOL, ()), value("state")],
        [value("still", TensorProto.BOOL, ()), value("next")],
        [numpy_helper.from_array(BIG, "w")],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "", "x"], ["result"], body=body)],
        "main",
        [value("x")],
        [value("result")],
        [numpy_helper.from_array(np.array(5), "n"), numpy_helper.from_array(BIG[0], "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: ModelProto, **inputs: object) -> np.ndarray:
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": np.eye(8, dtype=np.float32) + BIG, **inputs})[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("small", [False, True])
def test_branches_say_the_same(first: bool, second: bool, small: bool) -> None:
    before = branching()
    text = before.SerializeToString(deterministic=True)
    after = closed(before, 64)
    after = reopened(compact(after) if small else after, before)
    choice = {"first": np.array(first), "second": np.array(second)}
    np.testing.assert_array_equal(run(after, **choice), run(before, **choice))
    assert before.SerializeToString(deterministic=True) == text


def test_loops_say_the_same() -> None:
    np.testing.assert_array_equal(run(reopened(compact(closed(looping(), 64)), looping())), run(looping()))


def test_large_constants_are_outside_and_shared() -> None:
    small = compact(closed(branching(), 64))
    assert sorted(len(one.dims) for one in small.graph.initializer) == [2, 2]  # BIG, in two branches, and its double
    names = {one.name for one in small.graph.initializer}
    assert {node.input[1] for node in every(small) if node.op_type == "MatMul"} == names
    # What branches make themselves is called like nothing outside, nor in another branch.
    made = [name for node in every(small) for name in node.output]
    assert len(made) == len(set(made))


def test_operators_of_a_runtime_in_a_branch_keep_their_version() -> None:
    before = branching()
    before.opset_import.add(domain="com.microsoft", version=1)
    node = before.graph.node[1]
    for _ in range(2):
        (graph,) = (one.g for one in node.attribute if one.name == "then_branch")
        node = graph.node[-1]
    node.op_type, node.domain = "FusedMatMul", "com.microsoft"
    after = reopened(compact(closed(before, 64)), before)
    assert [(one.domain, one.version) for one in after.opset_import] == [("", 17), ("com.microsoft", 1)]
    both = {"first": np.array(True), "second": np.array(True)}
    np.testing.assert_array_equal(run(after, **both), run(before, **both))


def test_nodes_are_put_in_order() -> None:
    proto = branching()
    wanted = list(proto.graph.node)
    turned = GraphProto(node=reversed(wanted))
    assert in_order(turned) == in_order(proto.graph) == wanted
