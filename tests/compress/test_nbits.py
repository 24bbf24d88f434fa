from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from attar.compress.nbits import quantize_linear, rounded
from attar.compress.quantization import quantize
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export, traced
from attar.deploy.session import load
from attar.errors import ExportError


def exported(module: nn.Module, path: Path, features: int) -> Path:
    export(module, torch.zeros(1, features), path, ModelMeta("table", (features,), ("a", "b", "c")))
    return path


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(200, 128), nn.ReLU(), nn.Linear(128, 3), nn.Softmax(1)).eval()


@pytest.mark.parametrize("block", [16, 32, 128])
def test_codes_and_steps_are_the_best_of_a_loop(block) -> None:
    w = np.random.default_rng(0).standard_normal((3, 70)).astype(np.float32)
    codes, scale = rounded(w, block)
    padded = np.zeros((3, -(-70 // block) * block), np.float32)
    padded[:, :70] = w
    for i in range(3):
        for j, part in enumerate(padded[i].reshape(-1, block)):
            errors = []
            for k in range(1, 9):
                step = np.abs(part).max() / k
                errors.append(sum((min(max(round(v / step), -8), 7) * step - v) ** 2 for v in part.tolist()))
            back = (codes[i, j].astype(float) - 8) * scale[i, j]
            assert np.square(back - part).sum() == pytest.approx(min(errors), rel=1e-4)


def test_what_has_four_bits_already_is_stored_exactly() -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(-7, 8, (5, 64))
    w = (codes * rng.uniform(0.1, 1, (5, 1))).astype(np.float32)
    got, scale = rounded(w, 32)
    np.testing.assert_allclose(((got.astype(np.float32) - 8) * scale[..., None]).reshape(5, 64), w, rtol=1e-6)


@pytest.mark.parametrize("unit", [2.0**-80, 2.0**-130, 2.0**100])
def test_codes_are_the_same_in_any_unit(unit) -> None:
    w = np.random.default_rng(0).integers(-1000, 1001, (3, 64)).astype(np.float32)
    codes, scale = rounded(w, 16)
    in_unit, scale_in_unit = rounded(w * np.float32(unit), 16)
    np.testing.assert_array_equal(in_unit, codes)
    np.testing.assert_allclose(scale_in_unit, scale * np.float32(unit), rtol=1e-6)


def test_numbers_below_the_smallest_step_become_zeros() -> None:
    codes, scale = rounded(np.full((2, 16), 1e-44, np.float32), 16)
    assert (codes == 8).all()
    assert (scale > 0).all()


def test_zeros_stay_zero() -> None:
    codes, scale = rounded(np.zeros((2, 16), np.float32), 16)
    assert (codes == 8).all()
    assert np.isfinite(scale).all()


def test_the_file_answers_as_the_quantised_network(net, tmp_path) -> None:
    x = torch.randn(9, 200)
    small = quantize(net, bits={"0.weight": 4}, granularity=8)
    source = exported(small, tmp_path / "float.onnx", 200)
    quantize_linear(source, tmp_path / "nbits.onnx", block=16)
    kinds = [node.op_type for node in onnx.load(tmp_path / "nbits.onnx").graph.node]
    assert kinds.count("MatMulNBits") == 1
    assert kinds.count("Gemm") == 1
    # Inputs are rounded to int8 on the way.
    got = load(tmp_path / "nbits.onnx").predict_proba(x.numpy())
    np.testing.assert_allclose(got, net(x).detach().numpy(), atol=0.05)
    size = 4 * sum(p.numel() for p in net.parameters())
    assert (tmp_path / "nbits.onnx").stat().st_size < 0.25 * size


def test_nothing_to_gain_leaves_nothing(net, tmp_path) -> None:
    source = exported(nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)), tmp_path / "float.onnx", 4)
    with pytest.raises(ExportError, match="no linear layer"):
        quantize_linear(source, tmp_path / "nbits.onnx")
    with pytest.raises(ExportError, match="kernels for 16"):
        quantize_linear(source, tmp_path / "nbits.onnx", block=20)
    assert [path.name for path in tmp_path.iterdir()] == ["float.onnx"]


def of_others(weight: np.ndarray, path: Path) -> Path:
    """A linear layer without a bias, which is said by an empty name."""
    given, answer = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in "xy")
    node = helper.make_node("Gemm", ["x", "w", ""], ["y"])
    graph = helper.make_graph([node], "g", [given], [answer], [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_a_bias_may_be_left_away_by_an_empty_name(tmp_path) -> None:
    weight = np.random.default_rng(0).integers(-7, 8, (128, 256)).astype(np.float32)
    quantize_linear(of_others(weight, tmp_path / "net.onnx"), tmp_path / "four.onnx")
    x = np.eye(128, dtype=np.float32)
    answers = onnxruntime.InferenceSession(tmp_path / "four.onnx").run(None, {"x": x})[0]
    np.testing.assert_allclose(answers, weight, atol=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(value, tmp_path) -> None:
    weight = np.ones((128, 256), np.float32)
    weight[3, 5] = value
    with pytest.raises(ExportError, match=r"net\.onnx: some weights of a layer are NaN or infinite"):
        quantize_linear(of_others(weight, tmp_path / "net.onnx"), tmp_path / "four.onnx")
    assert not (tmp_path / "four.onnx").exists()


def test_tables_of_vectors_take_eight_bits(tmp_path) -> None:
    torch.manual_seed(0)
    ids = torch.arange(12).reshape(4, 3)
    net = nn.Sequential(nn.Embedding(3000, 128), nn.Linear(128, 128)).eval()
    model = traced(net, {"ids": ids}, ["y"], {"ids": {0: "n"}}, name="the network")
    (tmp_path / "float.onnx").write_bytes(model.SerializeToString())
    quantize_linear(tmp_path / "float.onnx", tmp_path / "small.onnx")
    assert (tmp_path / "small.onnx").stat().st_size < 3000 * 128 + 128 * 128 + 5000
    (said,) = onnxruntime.InferenceSession(str(tmp_path / "small.onnx")).run(None, {"ids": ids.numpy()})
    with torch.no_grad():
        assert np.abs(said - net(ids).numpy()).mean() < 0.06
