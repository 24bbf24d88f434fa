from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from attar.deploy.noise import noise


def written(folder, nodes, inputs, initializers=(), opset=17):
    taken = [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs]
    given = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    graph = helper.make_graph([helper.make_node(*node) for node in nodes], "g", taken, given, initializers)
    file = folder / "net.onnx"
    file.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()
    )
    return file


def test_open_sizes_of_one_name_are_one_and_those_it_runs_with(tmp_path) -> None:
    weight = numpy_helper.from_array(np.ones((12, 3), np.float32), "w")
    nodes = [("Add", ["a", "b"], ["s"]), ("MatMul", ["s", "w"], ["y"])]
    inputs = [(name, TensorProto.FLOAT, ["n", "k"]) for name in "ab"]
    file = written(tmp_path, nodes, inputs, [weight])
    feeds = noise(file, 3, seed=1)
    assert [feed["a"].shape for feed in feeds] == [feed["b"].shape for feed in feeds] == [(1, 12)] * 3
    assert not np.array_equal(feeds[0]["a"], feeds[1]["a"])
    session = onnxruntime.InferenceSession(file)
    assert all(session.run(None, feed)[0].shape == (1, 3) for feed in feeds)
    again = noise(file, 3, seed=1)
    assert all(np.array_equal(one["b"], other["b"]) for one, other in zip(feeds, again))
    assert noise(file, 1, 1, first=(8,))[0]["a"].shape == (8, 12)


@pytest.mark.parametrize(
    ("kind", "dtype"), [(TensorProto.INT64, np.int64), (TensorProto.BOOL, np.bool_), (TensorProto.FLOAT16, np.float16)]
)
def test_numbers_are_of_the_kind_that_is_taken(kind, dtype, tmp_path) -> None:
    graph = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    taken = [helper.make_tensor_value_info("x", kind, ["n", 5])]
    given = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])]
    model = helper.make_model(
        helper.make_graph(graph, "g", taken, given), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    (feed,) = noise(tmp_path / "net.onnx", 1, 0)
    assert (feed["x"].dtype, feed["x"].shape) == (dtype, (1, 5))


def test_draws_that_do_not_run_are_left_out(tmp_path, capfd) -> None:
    # Half of the whole numbers that are drawn are rows of this table.
    table = numpy_helper.from_array(np.ones((10, 3), np.float32), "w")
    feeds = noise(written(tmp_path, [("Gather", ["w", "x"], ["y"])], [("x", TensorProto.INT64, [1])], [table]), 6, 1)
    assert 1 <= len(feeds) <= 6
    assert all(feed["x"][0] < 10 for feed in feeds)
    capfd.readouterr()


def test_none_where_no_size_runs(tmp_path, capfd) -> None:
    weight = numpy_helper.from_array(np.ones((7, 3), np.float32), "w")
    # 7 features of the one, and 9 of the other.
    other = numpy_helper.from_array(np.ones((9, 3), np.float32), "v")
    nodes = [("MatMul", ["x", "w"], ["p"]), ("MatMul", ["x", "v"], ["q"]), ("Add", ["p", "q"], ["y"])]
    assert noise(written(tmp_path, nodes, [("x", TensorProto.FLOAT, ["n", "k"])], [weight, other]), 2, 0) == []
    capfd.readouterr()
