from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from attar.compress.weights import quantize_weights
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.errors import ExportError

META = ModelMeta("series", (3, 40), ("a", "b"))


class Standardised(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, x):
        return (x.flatten(1) - self.mean) / self.std


def written(module, tmp_path, meta=META):
    x = torch.randn(20, *meta.shape, generator=torch.Generator().manual_seed(0))
    export(nn.Sequential(module, nn.Softmax(dim=1)).eval(), x, tmp_path / "a.onnx", meta)
    quantize_weights(tmp_path / "a.onnx", tmp_path / "b.onnx")
    answers = [ort.InferenceSession(tmp_path / f"{name}.onnx").run(None, {"x": x.numpy()})[0] for name in "ab"]
    return onnx.load(tmp_path / "b.onnx"), *answers


def constants(model, dtype):
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    return [a for a in arrays if a.dtype == dtype]


@pytest.mark.parametrize(("n", "size"), [(97, 49), (1146, 64), (127, 64)])
def test_rows_without_a_divisor_get_zeros_behind_them(n, size, tmp_path) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(n, 3)
    meta = ModelMeta("table", (n,), ("a", "b", "c"))
    model, before, after = written(layer, tmp_path, meta)
    (codes,) = constants(model, np.int8)
    assert codes.shape == (3 * -(-n // size), size)
    padded = np.pad(layer.weight.detach().double().numpy(), ((0, 0), (0, -n % size))).reshape(-1, size)
    scale = np.abs(padded).max(1, keepdims=True) / 127
    np.testing.assert_array_equal(codes, np.rint(padded / scale))
    np.testing.assert_allclose(after, before, atol=0.02)


def test_codes_equal_rounding_by_hand(tmp_path) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(120, 2)
    model, before, after = written(nn.Sequential(nn.Flatten(), layer), tmp_path)
    (codes,) = constants(model, np.int8)
    w = layer.weight.detach().double().numpy()
    expected = np.empty_like(w)
    for row in range(2):
        for start in range(0, 120, 60):  # the largest divisor of 120 up to 64
            group = w[row, start : start + 60]
            scale = np.abs(group).max() / 127
            expected[row, start : start + 60] = np.rint(group / scale) * scale
    assert np.abs(codes.astype(int)).max() == 127
    logits = torch.randn(20, 3, 40, generator=torch.Generator().manual_seed(0)).flatten(1).double().numpy()
    logits = logits @ expected.T + layer.bias.detach().numpy()
    by_hand = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(after, by_hand, atol=1e-5)
    np.testing.assert_allclose(after, before, atol=0.02)


def test_a_quarter_of_the_bytes(tmp_path) -> None:
    torch.manual_seed(0)
    written(nn.Sequential(nn.Conv1d(3, 64, 9), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 32, 2)), tmp_path)
    large, small = ((tmp_path / f"{name}.onnx").stat().st_size for name in "ab")
    assert small < 0.35 * large


def test_a_vector_of_weights_has_few_scales_too(tmp_path) -> None:
    w = np.random.default_rng(0).standard_normal(1024).astype(np.float32)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, 1024])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [3])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y], [numpy_helper.from_array(w, "w")]
    )
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "a.onnx")
    quantize_weights(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert (tmp_path / "b.onnx").stat().st_size < 0.5 * (tmp_path / "a.onnx").stat().st_size


def test_multiples_of_a_power_of_two_lose_nothing(tmp_path) -> None:
    layer = nn.Linear(120, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(-120, 120).reshape(2, 120) / 128)
    _, before, after = written(nn.Sequential(nn.Flatten(), layer), tmp_path)
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(("means", "deviations"), [(120, 120), (120, 1), (1, 120), (1, 1)])
def test_a_standardisation_becomes_part_of_the_layer(means, deviations, tmp_path) -> None:
    generator = torch.Generator().manual_seed(0)
    std = torch.rand(deviations, generator=generator) + 0.5
    module = nn.Sequential(Standardised(torch.randn(means, generator=generator), std), nn.Linear(120, 2))
    model, before, after = written(module, tmp_path)
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Sub", "Div"})
    np.testing.assert_allclose(after, before, atol=0.02)


@pytest.mark.parametrize("means", [torch.full((120,), 400.0), 10 ** torch.linspace(-2, 3, 120)])
def test_the_mean_of_inputs_is_not_multiplied_by_what_rounding_loses(means, tmp_path) -> None:
    std = torch.rand(120, generator=torch.Generator().manual_seed(0)) + 0.5
    torch.manual_seed(0)
    model, _, _ = written(nn.Sequential(Standardised(means, std), nn.Linear(120, 2)), tmp_path)
    assert "Sub" not in {node.op_type for node in model.graph.node}
    x = (means + std * torch.randn(50, 120)).reshape(-1, 3, 40).numpy()
    before, after = (ort.InferenceSession(tmp_path / f"{name}.onnx").run(None, {"x": x})[0] for name in "ab")
    np.testing.assert_allclose(after, before, atol=0.02)


def test_a_standardisation_of_inputs_that_share_no_scale_stays(tmp_path) -> None:
    std = 10 ** torch.linspace(-2, 3, 120)[torch.randperm(120, generator=torch.Generator().manual_seed(0))]
    torch.manual_seed(0)
    model, _, _ = written(nn.Sequential(Standardised(torch.zeros(120), std), nn.Linear(120, 2)), tmp_path)
    assert {"Sub", "Div"} <= {node.op_type for node in model.graph.node}
    x = (std * torch.randn(50, 120)).reshape(-1, 3, 40).numpy()
    before, after = (ort.InferenceSession(tmp_path / f"{name}.onnx").run(None, {"x": x})[0] for name in "ab")
    np.testing.assert_allclose(after, before, atol=0.02)


def test_a_standardisation_with_two_readers_stays(tmp_path) -> None:
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.standardise = Standardised(torch.zeros(120), torch.full((120,), 2.0))
            self.one, self.other = nn.Linear(120, 2), nn.Linear(120, 2)

        def forward(self, x):
            z = self.standardise(x)
            return self.one(z) + self.other(z)

    torch.manual_seed(0)
    _, before, after = written(Twice(), tmp_path)
    np.testing.assert_allclose(after, before, atol=0.02)


@pytest.mark.parametrize("unit", [1e-43, 1e-30, 1e30, 3e35])
def test_weights_of_any_size_are_rounded(unit, tmp_path) -> None:
    mean, std = torch.zeros(120), torch.rand(120, generator=torch.Generator().manual_seed(0)) + 0.1
    layer = nn.Linear(120, 2)
    torch.manual_seed(0)
    nn.init.uniform_(layer.weight, -unit, unit)
    _, before, after = written(nn.Sequential(Standardised(mean, std), layer), tmp_path)
    assert np.isfinite(after).all()
    assert (before.argmax(1) == after.argmax(1)).mean() > 0.9


def test_a_standardisation_that_is_not_finite_stays(tmp_path) -> None:
    std = torch.ones(120)
    std[3] = torch.inf
    torch.manual_seed(0)
    model, before, after = written(nn.Sequential(Standardised(torch.zeros(120), std), nn.Linear(120, 2)), tmp_path)
    assert {"Sub", "Div"} <= {node.op_type for node in model.graph.node}
    np.testing.assert_allclose(after, before, atol=0.02)


def test_zeros_stay_zeros(tmp_path) -> None:
    layer = nn.Linear(120, 2)
    nn.init.zeros_(layer.weight)
    _, before, after = written(nn.Sequential(nn.Flatten(), layer), tmp_path)
    np.testing.assert_array_equal(after, before)


def test_the_same_file_gives_the_same_bytes(tmp_path) -> None:
    torch.manual_seed(0)
    written(nn.Sequential(nn.Flatten(), nn.Linear(120, 2)), tmp_path)
    quantize_weights(tmp_path / "a.onnx", tmp_path / "c.onnx")
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "c.onnx").read_bytes()


def test_nothing_to_quantise(tmp_path) -> None:
    class First(nn.Module):
        def forward(self, x):
            return x[:, :2, 0]

    export(nn.Sequential(First(), nn.Softmax(dim=1)), torch.zeros(1, 3, 40), tmp_path / "a.onnx", META)
    with pytest.raises(ExportError, match="no convolution"):
        quantize_weights(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert not (tmp_path / "b.onnx").exists()


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU])
def test_recurrent_layers(layer, tmp_path) -> None:
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = layer(40, 24, batch_first=True, bidirectional=True)

        def forward(self, x):
            return self.layer(x)[0][:, -1]

    torch.manual_seed(0)
    model, before, after = written(nn.Sequential(Last(), nn.Linear(48, 2)), tmp_path)
    assert all(array.size < 64 or array.ndim < 3 for array in constants(model, np.float32))
    np.testing.assert_allclose(after, before, atol=0.01)
    assert (after != before).any()


def test_tables_of_vectors_are_in_eight_bits_too(tmp_path) -> None:
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.vectors = nn.Embedding(50, 8)
            self.last = nn.Linear(8, 2)

        def forward(self, x):
            return self.last(self.vectors((10 * x.flatten(1).abs()).long().clamp(max=49)).mean(1))

    torch.manual_seed(0)
    model, before, after = written(Words(), tmp_path)
    (codes,) = constants(model, np.int8)
    assert codes.size == 50 * 8
    assert not [a for a in constants(model, np.float32) if a.size >= 64]
    np.testing.assert_allclose(after, before, atol=0.01)


def test_transposed_convolutions_are_in_eight_bits_too(tmp_path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.ConvTranspose1d(3, 8, 4), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 2))
    model, before, after = written(net, tmp_path)
    assert sorted(codes.size for codes in constants(model, np.int8)) == [96]
    np.testing.assert_allclose(after, before, atol=0.01)
