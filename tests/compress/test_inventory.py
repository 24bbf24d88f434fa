from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from attar.compress.inventory import Inventory, inventory, numbers_inside
from attar.errors import ExportError


def model(nodes, *weights):
    graph = helper.make_graph(
        [helper.make_node(*node) for node in nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_layers_are_counted_with_their_weights() -> None:
    nodes = [("Conv", ["x", "c"], ["h"]), ("MatMul", ["h", "w"], ["y"])]
    found = model(nodes, ("c", (4, 2, 3)), ("w", (4, 5)))
    assert inventory(found, "net") == Inventory(1, 24, 20, attention=False)
    # 4 channels of 4 steps, and 5 numbers of each channel, of each of 3 samples.
    assert numbers_inside(found, {"x": np.ones((3, 2, 6), np.float32)}) == 3 * (4 * 4 + 4 * 5)


def test_a_product_of_what_is_computed_is_attention() -> None:
    nodes = [("Transpose", ["x"], ["t"]), ("MatMul", ["t", "x"], ["y"])]
    assert inventory(model(nodes), "net") == Inventory(0, 0, 0, attention=True)


def test_recurrent_layers_are_counted() -> None:
    assert inventory(model([("GRU", ["x", "w", "r"], ["y"]), ("LSTM", ["y", "w", "r"], ["z"])]), "net").recurrent == 2


@pytest.mark.parametrize(("kind", "said"), [("float16", "half precision"), ("float64", "double precision")])
def test_weights_in_other_floats_are_told(kind, said) -> None:
    found = model([("MatMul", ["x", "w"], ["y"])])
    found.graph.initializer.append(numpy_helper.from_array(np.ones((6, 5), kind), "w"))
    words = rf"^net: weights of layers are in {said} \({kind}\), and only those in float32 .*; export it in that$"
    with pytest.raises(ExportError, match=words):
        inventory(found, "net")
    found.graph.initializer.append(numpy_helper.from_array(np.ones((6, 5), np.float32), "v"))
    found.graph.node.append(helper.make_node("MatMul", ["x", "v"], ["z"]))
    assert inventory(found, "net").in_linear == 30


def test_integers_are_told() -> None:
    with pytest.raises(ExportError, match=r"net: holds integers already \(DynamicQuantizeLinear\); give the float"):
        inventory(model([("DynamicQuantizeLinear", ["x"], ["y", "s", "z"])]), "net")


def test_layers_inside_branches_are_counted() -> None:
    shape = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node("MatMul", ["h", "v"], ["z"])], "branch", [], [shape])
    found = model([("MatMul", ["x", "w"], ["h"])], ("w", (6, 5)), ("v", (5, 5)))
    found.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))
    assert inventory(found, "net") == Inventory(0, 0, 30, attention=False, inside=2)
