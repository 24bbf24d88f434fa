from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from attar.errors import DataError
from attar.foreign import _arranged, named, said_by

X = np.ones((4, 5), np.float32)
WEIGHT = numpy_helper.from_array(np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32), "w")
ONE_ROW = numpy_helper.from_array(np.array([1, 5]), "one row")
LAYER = ("MatMul", ["x", "w"], ["y"])


def model(nodes, taken, given, initializers=(WEIGHT, ONE_ROW)):
    nodes = [helper.make_node(*one[:3], **(one[3] if len(one) > 3 else {})) for one in nodes]
    x = [helper.make_tensor_value_info("x", TensorProto.FLOAT, taken)]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, given) if isinstance(given, list) else given
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(helper.make_graph(nodes, "g", x, [y], initializers), opset_imports=opsets, ir_version=8)


def of_maps():
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    maps = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, number))
    named = {"domain": "ai.onnx.ml", "classlabels_int64s": [0, 1]}
    nodes = [("MatMul", ["x", "w"], ["p"]), ("ZipMap", ["p"], ["y"], named)]
    return model(nodes, ["n", 5], helper.make_value_info("y", maps))


@pytest.mark.parametrize(
    ("proto", "why"),
    [
        (model([("Reshape", ["x", "one row"], ["r"]), ("MatMul", ["r", "w"], ["y"])], ["n", 5], ["k", 2]), "run on"),
        (model([LAYER], None, ["n", 2]), "of one size"),
        (model([LAYER], [0, 5], [0, 2]), "of one size"),
        (of_maps(), "a number for each class"),
        (
            model([(*LAYER[:2], ["p"]), ("ReduceMax", ["p"], ["y"], {"keepdims": 1})], ["n", 5], ["k", "m"]),
            "a number for each class",
        ),
        (
            model(
                [("Gather", ["x", "first"], ["y"])], ["n", 5], [1, 5], [numpy_helper.from_array(np.array([0]), "first")]
            ),
            "a number for each class",
        ),
    ],
)
def test_models_that_do_not_answer_each_sample_are_told(proto, why, tmp_path, capfd) -> None:
    file = tmp_path / "a.onnx"
    file.write_bytes(proto.SerializeToString())
    with pytest.raises(DataError, match=rf"a\.onnx: .*{why}.*; leave the data away"):
        said_by(file, X, file)
    capfd.readouterr()


def test_samples_of_no_axis_have_no_other_shape() -> None:
    assert _arranged(np.zeros(5), (3,)) is None
    assert _arranged(np.zeros(5), (1,)).shape == (5, 1)


def test_whole_numbers_are_given_to_models_that_take_them(tmp_path) -> None:
    proto = model(
        [("Cast", ["x"], ["f"], {"to": TensorProto.FLOAT}), ("MatMul", ["f", "w"], ["y"])], ["n", 5], ["n", 2]
    )
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    file = tmp_path / "a.onnx"
    file.write_bytes(proto.SerializeToString())
    np.testing.assert_allclose(said_by(file, 3 * X, file), 3 * X @ numpy_helper.to_array(WEIGHT), rtol=1e-5)
    with pytest.raises(DataError, match=r"a\.onnx: takes whole numbers, int32, which 0\.5 is not"):
        said_by(file, X / 2, file)


def test_arrays_by_names_are_brought_to_what_is_taken(tmp_path) -> None:
    """Their steps are last, and their numbers of another precision; an input without sizes gets them as they are."""
    inputs = [
        helper.make_tensor_value_info("steps", TensorProto.FLOAT, ["n", 6, "t"]),
        helper.make_tensor_value_info("codes", TensorProto.INT64, ["n"]),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["steps"], ["m"], axes=[1, 2], keepdims=0),
        helper.make_node("Cast", ["codes"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["m", "c"], ["y"]),
    ]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    proto = helper.make_model(
        helper.make_graph(nodes, "g", inputs, [y]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    steps = np.random.default_rng(0).random((4, 20, 6))
    np.savez(tmp_path / "data.npz", steps=steps, codes=np.arange(4.0))
    feed, _ = named(str(tmp_path / "data.npz"), tmp_path / "net.onnx")
    assert {name: (array.dtype, array.shape) for name, array in feed.items()} == {
        "steps": (np.dtype(np.float32), (4, 6, 20)),
        "codes": (np.dtype(np.int64), (4,)),
    }
    assert np.array_equal(feed["steps"], np.moveaxis(steps, 2, 1).astype(np.float32))
    np.savez(tmp_path / "odd.npz", steps=steps[..., :5], codes=np.arange(4))
    with pytest.raises(DataError, match=r"net\.onnx: takes 6 × any numbers a sample, and these are 20 × 5; give them"):
        named(str(tmp_path / "odd.npz"), tmp_path / "net.onnx")
