import stat
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from attar.deploy.graph import compact, describe, write
from attar.deploy.meta import CHECKSUM, KEY, ModelMeta, is_whole
from attar.errors import ExportError

FLOAT = TensorProto.FLOAT


def model(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], output: str = "y") -> ModelProto:
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    value = helper.make_tensor_value_info("x", FLOAT, ["n", 2], doc_string="the input of /home/me")
    graph = helper.make_graph(
        nodes, "main", [value], [helper.make_tensor_value_info(output, FLOAT, ["n", "k"])], tensors
    )
    result = helper.make_model(graph, producer_name="somebody", opset_imports=[helper.make_opsetid("", 18)])
    result.opset_import.add(domain="ai.onnx.ml", version=3)
    return result


def run(proto: ModelProto, x: np.ndarray) -> np.ndarray:
    proto.ir_version = min(proto.ir_version, 10)
    return onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]  # type: ignore[no-any-return]


def nodes(swap: bool = False) -> list[onnx.NodeProto]:
    long = "/home/me/net/layer/" * 3
    both = [
        helper.make_node("Add", [long + "x", "one"], [long + "a"], name=long + "add", doc_string="here"),
        helper.make_node("Mul", [long + "x", long + "three"], [long + "b"], name=long + "mul"),
    ]
    return [
        helper.make_node("Constant", [], ["one"], value_float=1.0),
        helper.make_node("Constant", [], [long + "three"], value=numpy_helper.from_array(np.float32(1))),
        helper.make_node("Identity", ["x"], [long + "x"]),
        helper.make_node("Relu", ["x"], ["nobody reads this"]),
        *(reversed(both) if swap else both),
        helper.make_node("Identity", [long + "b"], ["b again"]),
        helper.make_node("Concat", [long + "a", "b again"], [long + "c"], axis=1),
        helper.make_node("ReduceSum", [long + "c", "axes"], [long + "y"], keepdims=1),
        helper.make_node("Identity", [long + "y"], ["y"]),
    ]


AXES = {"axes": np.array([1]), "unused": np.zeros(1000, np.float32)}


def test_constants_that_are_inputs_too_are_so_no_more(tmp_path: Path) -> None:
    """As in every file of IR version 3."""
    before = model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": np.ones((2, 3), np.float32)})
    before.graph.input.append(helper.make_tensor_value_info("w", FLOAT, [2, 3]))
    before.ir_version = 3
    write(compact(before), tmp_path / "net.onnx")
    assert [value.name for value in onnx.load(tmp_path / "net.onnx").graph.input] == ["x"]


def test_computes_the_same_in_fewer_bytes() -> None:
    before = model(nodes(), AXES)
    after = compact(before)
    x = np.array([[1, 2], [3, np.nan]], np.float32)
    np.testing.assert_array_equal(run(after, x), run(before, x))
    assert [node.op_type for node in after.graph.node] == ["Add", "Mul", "Concat", "ReduceSum"]
    assert len(after.graph.initializer) == 2  # both ones are shared
    assert after.ByteSize() < 200
    assert b"home" not in after.SerializeToString()
    assert [entry.domain for entry in after.opset_import] == [""]


def test_order_and_names_of_the_source_do_not_matter() -> None:
    assert compact(model(nodes(), AXES)) == compact(model(nodes(swap=True), AXES))


def test_compact_is_idempotent_and_leaves_its_argument() -> None:
    before = model(nodes(), AXES)
    text = before.SerializeToString(deterministic=True)
    once = compact(before)
    assert compact(once) == once
    assert before.SerializeToString(deterministic=True) == text


@pytest.mark.parametrize(
    "array",
    [
        np.array([2, 3, -1]),
        np.arange(300),
        np.array(7, dtype=np.int32),
        np.array([True, False]),
        np.zeros((0, 3), np.float32),
        np.array([1.5, np.nan, -np.inf], np.float32),
        np.array([1, 255], np.uint8),
        np.array(["a", "", "ü"], dtype=object),
    ],
)
def test_constants_keep_their_values(array: np.ndarray) -> None:
    tensors = [numpy_helper.from_array(array, "value")]
    output = helper.make_tensor_value_info("y", tensors[0].data_type, None)
    graph = helper.make_graph([helper.make_node("Unsqueeze", ["value", "at"], ["y"])], "g", [], [output], tensors)
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "at"))
    small = compact(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))
    got = numpy_helper.to_array(small.graph.initializer[0])
    np.testing.assert_array_equal(got, array)
    assert got.dtype == array.dtype


def test_what_goes_without_saying_is_not_said() -> None:
    weight = {"w": np.ones((1, 2, 1), np.float32)}
    said = {"kernel_shape": [1], "strides": [1], "dilations": [1], "pads": [0, 0], "group": 1, "auto_pad": "NOTSET"}
    convolution = helper.make_node("Conv", ["x", "w"], ["y"], **said)
    assert not compact(model([convolution], weight)).graph.node[0].attribute
    convolution = helper.make_node("Conv", ["x", "w"], ["y"], **said | {"strides": [2], "group": 2})
    assert [a.name for a in compact(model([convolution], weight)).graph.node[0].attribute] == ["group", "strides"]
    pool = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2], strides=[1], ceil_mode=0)
    assert [a.name for a in compact(model([pool], {})).graph.node[0].attribute] == ["kernel_shape"]


def test_an_attribute_that_an_operator_must_have_is_said() -> None:
    old = model([helper.make_node("Pad", ["x"], ["y"], pads=[0, 0, 0, 0])], {})
    old.opset_import[0].version = 9
    small = compact(old)
    onnx.checker.check_model(small)
    assert [a.name for a in small.graph.node[0].attribute] == ["pads"]


def test_nodes_whose_first_output_is_left_out() -> None:
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=(1, 6, 2)).astype(np.float32) for name in ("v", "w", "r")}
    before = model(
        [
            helper.make_node("Unsqueeze", ["x", "zero"], ["steps"]),
            helper.make_node("GRU", ["steps", "v", "r"], ["", "a"], hidden_size=2),
            helper.make_node("GRU", ["steps", "w", "r"], ["", "b"], hidden_size=2),
            helper.make_node("Sub", ["a", "b"], ["c"]),
            helper.make_node("Squeeze", ["c", "zero"], ["y"]),
        ],
        weights | {"zero": np.array([0])},
    )
    x = rng.normal(size=(3, 2)).astype(np.float32)
    np.testing.assert_array_equal(run(compact(before), x), run(before, x))


def test_types_that_there_are_not_are_refused(tmp_path: Path) -> None:
    odd = model([helper.make_node("Add", ["x", "c"], ["y"])], {"c": np.ones(1, np.float32)})
    odd.graph.initializer[0].data_type = 88
    with pytest.raises(ExportError, match="not a valid ONNX model"):
        write(odd, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_branches_are_refused() -> None:
    branch = helper.make_graph([], "branch", [], [])
    node = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    with pytest.raises(ExportError, match="branch or loop"):
        compact(model([node], {}))


def test_functions_and_sparse_constants_are_refused() -> None:
    twice = helper.make_node("Add", ["x", "x"], ["y"])
    of_its_own = model([twice], {})
    of_its_own.functions.append(helper.make_function("my", "Twice", ["x"], ["y"], [twice], of_its_own.opset_import))
    two = helper.make_sparse_tensor(
        numpy_helper.from_array(np.float32([2]), "two"), numpy_helper.from_array(np.array([1]), "at"), [2]
    )
    given = model([helper.make_node("Add", ["x", "two"], ["y"])], {})
    given.graph.sparse_initializer.append(two)
    made = model([helper.make_node("Constant", [], ["two"], sparse_value=two), *given.graph.node], {})
    for proto, why in ((of_its_own, r"function of its own \(Twice\)"), (given, "kept sparse"), (made, "kept sparse")):
        with pytest.raises(ExportError, match=why):
            compact(proto)


def test_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.onnx"
    write(compact(model(nodes(), AXES)), path)
    before = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) & 0o400
    with pytest.raises(ExportError, match="not a valid ONNX model") as error:
        write(
            compact(model([helper.make_node("Relu", ["nowhere"], ["y"])], {"nowhere": np.array(["a"], dtype=object)})),
            path,
        )
    assert "\n" not in str(error.value)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]


def test_a_failed_rename_leaves_nothing_beside(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").mkdir()
    with pytest.raises(OSError, match="directory"):
        write(compact(model(nodes(), AXES)), tmp_path / "model.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_the_description_replaces_what_was_there() -> None:
    proto, meta = model(nodes(), AXES), ModelMeta("table", (2,), ("a", "b"))
    proto.metadata_props.add(key="path", value="/home/me")
    describe(proto, meta)
    describe(proto, meta)
    said, checked = compact(proto).metadata_props
    assert (said.key, said.value, checked.key) == (KEY, meta.to_json(), CHECKSUM)


def test_the_checksum_is_of_what_is_written(tmp_path: Path) -> None:
    proto = model(nodes(), AXES)
    write(compact(proto), tmp_path / "foreign.onnx")
    assert not onnx.load(tmp_path / "foreign.onnx").metadata_props
    describe(proto, ModelMeta("table", (2,), ("a", "b")))
    small = compact(proto)
    write(small, tmp_path / "m.onnx")
    data = (tmp_path / "m.onnx").read_bytes()
    assert len(data) == small.ByteSize()
    again = onnx.load(tmp_path / "m.onnx")
    assert is_whole(data)
    assert is_whole(again.SerializeToString())
    assert not is_whole(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    again.metadata_props[0].value = ModelMeta("table", (2,), ("a", "c")).to_json()
    write(again, tmp_path / "other.onnx")
    assert is_whole((tmp_path / "other.onnx").read_bytes())
    assert [entry.key for entry in onnx.load(tmp_path / "other.onnx").metadata_props] == [KEY, CHECKSUM]
