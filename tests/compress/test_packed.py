from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from attar.compress import container
from attar.compress.packed import pack, size_of, unpack
from attar.compress.parametrizations import Codebook, Coded, store
from attar.compress.places import places
from attar.compress.saved import load, save
from attar.compress.weights import quantize_weights
from attar.errors import CompressionError, ExportError
from tests.compress.networks import NETWORKS


def run(path, x):
    return ort.InferenceSession(path).run(None, {"x": x})[0]


def exported(net, x, path):
    torch.onnx.export(net.eval(), (x,), path, input_names=["x"], dynamic_axes={"x": {0: "n"}}, dynamo=False)


@pytest.fixture
def quiet():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_a_restored_file_says_the_same(make, tmp_path) -> None:
    torch.manual_seed(0)
    net, x = make()
    for i, place in enumerate(places(net)):
        w = place.value.detach()
        if w.ndim > 1:
            step = w.abs().max() / 7
            codes = (w / step).round()
            store(
                place, codes + 7 * (i % 2), Codebook(step * torch.arange(-7.0, 8)) if i % 2 else Coded(step.reshape(1))
            )
    net.eval()
    save(net, tmp_path / "a.attar", x[:1])
    unpack(tmp_path / "a.attar", tmp_path / "a.onnx")
    for n in (1, 5):
        np.testing.assert_allclose(run(tmp_path / "a.onnx", x[:n].numpy()), net(x[:n]).detach(), atol=1e-5)


class Numbered(nn.Module):
    """Picks values by the numbers of samples and of columns, as masks of transformers do."""

    def forward(self, x):
        n, columns = x.shape
        steps = torch.arange(0, 2 * n, 2, dtype=torch.float32)
        last = x[torch.arange(n)[:, None], torch.arange(columns - 1, columns)]
        return last + torch.arange(1, 1 + n)[:, None] + steps[:, None]


def test_samples_may_be_numbered(tmp_path) -> None:
    net, x = Numbered(), torch.randn(5, 4)
    save(net, tmp_path / "a.attar", x[:1])
    unpack(tmp_path / "a.attar", tmp_path / "a.onnx")
    for n in (1, 5):
        np.testing.assert_allclose(run(tmp_path / "a.onnx", x[:n].numpy()), net(x[:n]), atol=1e-5)


def test_integers_stay_integers(tmp_path) -> None:
    net, x = nn.Linear(200, 100), torch.randn(5, 200)
    store(places(net)[0], torch.randint(-7, 8, (100, 200)), Coded(torch.full((100,), 0.01)))
    save(net, tmp_path / "a.attar", x[:1])
    unpack(tmp_path / "a.attar", tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").stat().st_size < 1.1 * 100 * 200
    assert (tmp_path / "a.attar").stat().st_size < 0.55 * 100 * 200


def test_a_packed_onnx_file_is_restored_byte_for_byte(tmp_path, quiet) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 90)), torch.rand(4, 1, 8, 8)
    exported(net, x, tmp_path / "a.onnx")
    pack(tmp_path / "a.onnx", tmp_path / "a.attar")
    unpack(tmp_path / "a.attar", tmp_path / "b.onnx")
    quantize_weights(tmp_path / "a.onnx", tmp_path / "c.onnx")
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "c.onnx").read_bytes()
    np.testing.assert_allclose(run(tmp_path / "b.onnx", x.numpy()), net(x).detach(), atol=0.02)
    assert (
        (tmp_path / "a.attar").stat().st_size
        < (tmp_path / "b.onnx").stat().st_size
        < (tmp_path / "a.onnx").stat().st_size / 3
    )
    # Once more: what is in integers already is kept.
    pack(tmp_path / "b.onnx", tmp_path / "b.attar")
    unpack(tmp_path / "b.attar", tmp_path / "d.onnx")
    np.testing.assert_array_equal(run(tmp_path / "d.onnx", x.numpy()), run(tmp_path / "b.onnx", x.numpy()))
    with pytest.raises(CompressionError, match="ONNX"):
        load(tmp_path / "a.attar")


def test_whole_numbers_are_restored_byte_for_byte_too(tmp_path) -> None:
    nodes = [("Gather", ["x", "which"], ["z"]), ("MatMul", ["z", "w"], ["y"])]
    which = numpy_helper.from_array(np.arange(80, dtype=np.int32) % 3, "which")
    onnx.save(others(nodes, initializers=[which, WEIGHT]), tmp_path / "a.onnx")
    pack(tmp_path / "a.onnx", tmp_path / "a.attar")
    unpack(tmp_path / "a.attar", tmp_path / "b.onnx")
    quantize_weights(tmp_path / "a.onnx", tmp_path / "c.onnx")
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "c.onnx").read_bytes()


def graph(nodes):
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 8]) for name in "xy")
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=opsets, ir_version=9)


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (graph([helper.make_node("Relu", ["x"], ["y"])]), "with 64 weights or more"),
        (b"not ONNX at all", "not a valid ONNX file"),
        (None, "cannot be read"),
    ],
)
def test_what_cannot_be_packed(model, what, tmp_path) -> None:
    if model is not None:
        (tmp_path / "a.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    with pytest.raises(CompressionError, match=what):
        pack(tmp_path / "a.onnx", tmp_path / "a.attar")
    assert not (tmp_path / "a.attar").exists()


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"graph": -1, "tensors": []},
        {"graph": 3, "tensors": []},
        {"graph": 0, "tensors": [[0, 1, [64]]]},
        {"graph": 0, "tensors": [[0, 3, [2**20, 2**20]]]},
        {"graph": 0, "tensors": 5},
    ],
)
def test_what_nobody_packed_is_refused(told, tmp_path) -> None:
    container.write(tmp_path / "a.attar", json.dumps(told), b"\xff" * 40)
    with pytest.raises(CompressionError, match=r"a\.attar"):
        unpack(tmp_path / "a.attar", tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()


def test_weights_in_a_file_beside_it_are_read(tmp_path, quiet) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(40, 80), nn.ReLU(), nn.Linear(80, 3)), torch.randn(5, 40)
    exported(net, x, tmp_path / "one.onnx")
    beside = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 100}
    onnx.save(onnx.load(tmp_path / "one.onnx"), tmp_path / "two.onnx", **beside)
    assert size_of(tmp_path / "two.onnx") > 4 * 40 * 80 > (tmp_path / "two.onnx").stat().st_size
    for name in ("one", "two"):
        pack(tmp_path / f"{name}.onnx", tmp_path / f"{name}.attar")
        unpack(tmp_path / f"{name}.attar", tmp_path / "back.onnx")
        np.testing.assert_allclose(run(tmp_path / "back.onnx", x.numpy()), net(x).detach(), atol=0.02)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(CompressionError, match=r"two.onnx: cannot be read: .* beside it, weights.bin, which is"):
        pack(tmp_path / "two.onnx", tmp_path / "c.attar")


def test_damaged_weights_and_names_are_told(tmp_path, quiet) -> None:
    exported(nn.Linear(20, 30), torch.randn(2, 20), tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    model.graph.initializer[0].dims[0] += 1
    (tmp_path / "dims.onnx").write_bytes(model.SerializeToString())
    model.graph.initializer[0].dims[0] -= 1
    model.graph.initializer[0].data_type = 99
    (tmp_path / "type.onnx").write_bytes(model.SerializeToString())
    data = (tmp_path / "a.onnx").read_bytes()
    (tmp_path / "name.onnx").write_bytes(data.replace(b"Gemm", b"Ge\xc2m"))
    for name in ("dims", "type", "name"):
        with pytest.raises(CompressionError, match=f"{name}.onnx: is not a valid ONNX file"):
            pack(tmp_path / f"{name}.onnx", tmp_path / "a.attar")


def test_a_target_that_cannot_be_written(tmp_path) -> None:
    save(nn.Linear(3, 2), tmp_path / "a.attar", torch.randn(1, 3))
    with pytest.raises(ExportError, match="cannot be written"):
        unpack(tmp_path / "a.attar", tmp_path)


def others(nodes, inputs=("x",), outputs=("y",), initializers=(), domain=""):
    """A model of a layer of 16 × 8 weights w, as other programs write them."""
    sizes = {"x": ["n", 16], "w": [16, 8]}
    told = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes.get(name, ["n", 8])) for name in names]
        for names in (inputs, outputs)
    ]
    graph = helper.make_graph([helper.make_node(*one) for one in nodes], "g", *told, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, 17)], ir_version=9)


WEIGHT = numpy_helper.from_array(np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32), "w")
LAYER = ("MatMul", ["x", "w"], ["y"])
OTHERS = {
    "the domain by its long name": others([LAYER], initializers=[WEIGHT], domain="ai.onnx"),
    "a weight that is an input too": others([LAYER], ("x", "w"), initializers=[WEIGHT]),
    "one result under two names": others(
        [LAYER, ("Identity", ["y"], ["z"])], outputs=("y", "z"), initializers=[WEIGHT]
    ),
    "a result that is a constant": others([LAYER], outputs=("y", "w"), initializers=[WEIGHT]),
    "names with spaces": others([("MatMul", ["x", "my w"], ["y"])]),
}
OTHERS["names with spaces"].graph.initializer.append(TensorProto.FromString(WEIGHT.SerializeToString()))
OTHERS["names with spaces"].graph.initializer[0].name = "my w"


def branch(name, nodes, initializers=()):
    y = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return helper.make_graph([helper.make_node(*one) for one in nodes], "b", [], [y], initializers)


HALF = numpy_helper.from_array(numpy_helper.to_array(WEIGHT).astype(np.float16), "w")
PLACES = numpy_helper.from_array(np.random.default_rng(0).standard_normal((1, 64, 16)).astype(np.float32), "places")
CUTS = [numpy_helper.from_array(np.array([n]), name) for n, name in ((0, "none"), (8, "half"), (16, "all"))]
OTHERS |= {
    "a weight in a branch": others([("ReduceMax", ["x"], ["m"]), ("Cast", ["m"], ["c"])]),
    "a weight in half precision": others(
        [("Cast", ["x"], ["h"]), ("MatMul", ["h", "w"], ["z"]), ("Cast", ["z"], ["y"])], initializers=[HALF]
    ),
    "a weight that is cut up": others(
        [
            ("Slice", ["w", "none", "half", "none"], ["a"]),
            ("Slice", ["w", "half", "all", "none"], ["b"]),
            ("Concat", ["b", "a"], ["turned"]),
            ("MatMul", ["x", "turned"], ["y"]),
        ],
        initializers=[WEIGHT, *CUTS],
    ),
    "vectors of places": others(
        [("Slice", ["places", "none", "all", "axes"], ["p"]), ("Add", ["x", "p"], ["y"])],
        initializers=[PLACES, *CUTS, numpy_helper.from_array(np.array([1]), "axes")],
    ),
    "nodes in another order": others([("Neg", ["z"], ["y"]), ("MatMul", ["x", "w"], ["z"])], initializers=[WEIGHT]),
    "an operator of a runtime": others([("MatMul", ["x", "w"], ["z"]), ("Gelu", ["z"], ["y"])], initializers=[WEIGHT]),
}
nodes = OTHERS["a weight in a branch"].graph.node
nodes[0].attribute.add(name="keepdims", type=onnx.AttributeProto.INT, i=0)
nodes[1].attribute.add(name="to", type=onnx.AttributeProto.INT, i=TensorProto.BOOL)
branches = {
    "then_branch": branch("y", [("MatMul", ["x", "w"], ["y"])], [WEIGHT]),
    "else_branch": branch("y", [("MatMul", ["x", "w"], ["p"]), ("Neg", ["p"], ["y"])], [WEIGHT]),
}
nodes.append(helper.make_node("If", ["c"], ["y"], **branches))
nodes = OTHERS["a weight in half precision"].graph.node
for node, kind in ((nodes[0], TensorProto.FLOAT16), (nodes[2], TensorProto.FLOAT)):
    node.attribute.add(name="to", type=onnx.AttributeProto.INT, i=kind)
OTHERS["vectors of places"].graph.output[0].type.tensor_type.shape.Clear()
OTHERS["vectors of places"].graph.output[0].type.CopyFrom(
    helper.make_tensor_type_proto(TensorProto.FLOAT, ["a", 16, 16])
)
OTHERS["a weight that is cut up"].graph.node[2].attribute.add(name="axis", type=onnx.AttributeProto.INT, i=0)
OTHERS["an operator of a runtime"].graph.node[1].domain = "com.microsoft"
OTHERS["an operator of a runtime"].opset_import.add(domain="com.microsoft", version=1)


@pytest.mark.parametrize("model", OTHERS.values(), ids=OTHERS)
def test_models_as_others_write_them(model, tmp_path, quiet) -> None:
    onnx.save(model, tmp_path / "a.onnx")
    pack(tmp_path / "a.onnx", tmp_path / "a.attar")
    unpack(tmp_path / "a.attar", tmp_path / "b.onnx")
    x = np.random.default_rng(1).standard_normal((16, 16)).astype(np.float32)
    one, other = (ort.InferenceSession(tmp_path / f"{name}.onnx") for name in "ab")
    assert [o.name for o in one.get_outputs()] == [o.name for o in other.get_outputs()]
    for before, after in zip(one.run(None, {"x": x}), other.run(None, {"x": x}), strict=True):
        np.testing.assert_allclose(after, before, atol=0.05)
    # Each weight is in eight bits, once, wherever it was.
    kinds = [one.data_type for one in onnx.load(tmp_path / "b.onnx").graph.initializer if np.prod(one.dims) >= 64]
    assert kinds == [TensorProto.INT8]


def test_weights_that_nodes_hold_are_in_eight_bits_too(tmp_path, quiet) -> None:
    model = others([LAYER])
    model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=WEIGHT))
    onnx.save(model, tmp_path / "a.onnx")
    pack(tmp_path / "a.onnx", tmp_path / "a.attar")
    onnx.save(others([LAYER], initializers=[WEIGHT]), tmp_path / "b.onnx")
    pack(tmp_path / "b.onnx", tmp_path / "b.attar")
    assert (tmp_path / "a.attar").read_bytes() == (tmp_path / "b.attar").read_bytes()


@pytest.mark.parametrize(
    ("limit", "says"), [("MOST_NUMBERS", "at most 50 are read"), ("MOST_DESCRIPTION", "at most 50 are kept")]
)
def test_what_would_not_be_unpacked_is_not_packed(limit, says, tmp_path, monkeypatch) -> None:
    onnx.save(others([LAYER], initializers=[WEIGHT]), tmp_path / "a.onnx")
    monkeypatch.setattr(container, limit, 50)
    with pytest.raises(CompressionError, match=rf"a\.onnx: .*{says}"):
        pack(tmp_path / "a.onnx", tmp_path / "a.attar")
    assert not (tmp_path / "a.attar").exists()


def test_weights_that_are_not_numbers_and_sparse_constants_are_refused(tmp_path) -> None:
    for value in (np.nan, np.inf):
        odd = numpy_helper.from_array(np.full((16, 8), value, np.float32), "w")
        onnx.save(others([LAYER], initializers=[odd]), tmp_path / "a.onnx")
        with pytest.raises(CompressionError, match=r"a\.onnx: some weights of a layer are NaN or infinite"):
            pack(tmp_path / "a.onnx", tmp_path / "a.attar")
    values = helper.make_tensor("v", TensorProto.FLOAT, [1], [2.0])
    places = helper.make_tensor("i", TensorProto.INT64, [1], [3])
    model = others([LAYER])
    sparse = helper.make_sparse_tensor(values, places, [16, 8])
    model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], sparse_value=sparse))
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(CompressionError, match="sparse"):
        pack(tmp_path / "a.onnx", tmp_path / "a.attar")


def test_a_file_is_not_written_over_itself(tmp_path) -> None:
    save(nn.Linear(3, 2), tmp_path / "a.attar", torch.randn(1, 3))
    before = (tmp_path / "a.attar").read_bytes()
    for way in (pack, unpack):
        with pytest.raises(CompressionError, match="is the file itself"):
            way(tmp_path / "a.attar", tmp_path / "a.attar")
    assert (tmp_path / "a.attar").read_bytes() == before


@pytest.mark.parametrize(
    "layer", [nn.AdaptiveAvgPool2d(4), nn.BatchNorm2d(2, track_running_stats=False)], ids=["pooled", "normalised"]
)
def test_what_has_no_onnx_form_is_said_and_not_printed(layer, tmp_path, capfd) -> None:
    save(nn.Sequential(nn.Conv2d(1, 2, 3), layer), tmp_path / "a.attar", torch.rand(1, 1, 8, 8))
    with pytest.raises(ExportError, match=r"a\.attar: has no ONNX form"):
        unpack(tmp_path / "a.attar", tmp_path / "a.onnx")
    assert capfd.readouterr().out == ""


class Inside(nn.Module):
    """Single precision in and out, another one between."""

    def __init__(self, dtype):
        super().__init__()
        self.first, self.last, self.dtype = nn.Linear(64, 64), nn.Linear(64, 10).to(dtype), dtype

    def forward(self, x):
        return self.last(self.first(x).to(self.dtype)).float()


def test_half_precision_is_compared_by_its_roundings(tmp_path) -> None:
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)).half()
    for net, x in ((whole, torch.rand(5, 64).half()), (Inside(torch.float16), torch.rand(5, 64))):
        save(net, tmp_path / "a.attar", x[:1])
        unpack(tmp_path / "a.attar", tmp_path / "a.onnx")
        np.testing.assert_allclose(run(tmp_path / "a.onnx", x.numpy()), net(x).detach(), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("steps", "sample", "why"),
    [
        ([["relu", "%"]], [2**30, 2**10], "at most"),
        ([["sym_size.int", "%", 0]], [3], "gives a int"),
        ([["unbind.int", "%"]], [3], "onnxruntime cannot run it"),
        ([["to.dtype", "%", ":bfloat16"]], [3], "onnxruntime cannot run it"),
    ],
)
def test_networks_of_strangers_that_have_no_onnx_file(steps, sample, why, tmp_path, capfd) -> None:
    container.write(tmp_path / "a.attar", json.dumps([steps, [], ["float32", sample]]), b"")
    with pytest.raises(ExportError, match=rf"a\.attar: .*{why}"):
        unpack(tmp_path / "a.attar", tmp_path / "a.onnx")
    assert not (tmp_path / "a.onnx").exists()
    capfd.readouterr()


def test_a_precision_that_onnxruntime_does_not_run_is_said(tmp_path) -> None:
    brain = nn.Linear(64, 10).bfloat16(), torch.rand(1, 64).bfloat16()
    for net, x in (brain, (Inside(torch.bfloat16), torch.rand(1, 64))):
        save(net, tmp_path / "a.attar", x)
        with pytest.raises(ExportError, match=r"a\.attar: onnxruntime cannot run it: .*give model\.float\(\)"):
            unpack(tmp_path / "a.attar", tmp_path / "a.onnx")
        assert not (tmp_path / "a.onnx").exists()
