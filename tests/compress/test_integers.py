import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from attar.compress import integers
from attar.compress.integers import quantize_static
from attar.compress.probes import channel_means
from attar.data.dataset import Column, Floats
from attar.deploy.check import check
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.errors import ExportError, ModelError


class Digits(nn.Module):
    """Five convolutions, 28 000 parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (before, after) in enumerate([(1, 16), (16, 24), (24, 32), (32, 32), (32, 28)]):
            layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.MaxPool2d(2)] if i in (1, 3) else []
        self.net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(28, 10))

    def logits(self, x: Tensor) -> Tensor:
        x = torch.where(torch.isnan(x), torch.zeros_like(x), x)
        return self.net((x.unsqueeze(1) - 4.9) / 6)  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.logits(x), -1)


@pytest.fixture(scope="module")
def digits() -> Floats:
    return load_digits().images.astype(np.float32)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def trained(digits: Floats, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    net, x, y = Digits(), torch.from_numpy(digits[:1200]), torch.from_numpy(load_digits().target[:1200])
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(4):
        for batch in torch.randperm(len(x)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net.logits(x[batch]), y[batch]).backward()
            optimiser.step()
    path = tmp_path_factory.mktemp("digits") / "float.onnx"
    export(net, x[:1], path, ModelMeta("image", (8, 8), tuple(map(str, range(10))), extra={"dim": 28}))
    return path


@pytest.fixture(scope="module")
def quantised(trained: Path, digits: Floats) -> Path:
    target = trained.with_name("int8.onnx")
    quantize_static(trained, target, digits[:256])
    return target


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_agrees_with_its_original(
    trained: Path, digits: Floats, tmp_path: Path, method: str, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "int8.onnx"
    quantize_static(trained, target, digits[:256], method=method)  # type: ignore[arg-type]
    before, after = load(trained).predict_proba(digits[1200:]), load(target).predict_proba(digits[1200:])
    assert np.mean(before.argmax(1) == after.argmax(1)) >= 0.99
    assert check(target, digits[1200:], before, 0.15) > 0
    assert capfd.readouterr() == ("", "")


def test_is_nearly_four_times_smaller(trained: Path, quantised: Path) -> None:
    assert trained.stat().st_size / quantised.stat().st_size > 3.5
    assert quantised.stat().st_size < 33_000


def operators(file: Path, folder: Path) -> list[str]:
    """What onnxruntime makes of a file."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    onnxruntime.InferenceSession(str(file), options)
    return [node.op_type for node in onnx.load(folder / "optimised.onnx").graph.node]


def test_integer_kernels_run(quantised: Path, tmp_path: Path) -> None:
    kinds = operators(quantised, tmp_path)
    assert kinds.count("QLinearConv") == 5
    assert kinds.count("QGemm") == 1
    assert kinds.count("QLinearGlobalAveragePool") == 1
    assert kinds.count("QuantizeLinear") == 1
    assert not {"Conv", "Gemm", "Relu", "DequantizeLinear"} & set(kinds)


def test_weights_take_seven_bits(quantised: Path) -> None:
    tensors = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(quantised).graph.initializer]
    weights = [array for array in tensors if array.dtype == np.int8 and array.ndim > 1]
    assert len(weights) == 6
    assert max(np.abs(array).max() for array in weights) == 64


def test_fits_into_fewer_bytes(trained: Path, quantised: Path, digits: Floats, tmp_path: Path) -> None:
    before = load(trained).predict_proba(digits[1200:])
    whole = quantised.stat().st_size
    for size in (whole, whole - 1, whole - 8_000):
        target = tmp_path / f"{size}.onnx"
        quantize_static(trained, target, digits[:256], bytes=size)
        assert target.stat().st_size <= size
        after = load(target).predict_proba(digits[1200:])
        assert np.mean(before.argmax(1) == after.argmax(1)) >= 0.98
        assert operators(target, tmp_path).count("QLinearConv") == 5
    assert (tmp_path / f"{whole}.onnx").read_bytes() == quantised.read_bytes()
    with pytest.raises(ExportError, match=r"float\.onnx: .* bytes, its large weights in four bits, and 9,000"):
        quantize_static(trained, tmp_path / "none.onnx", digits[:256], bytes=9_000)
    assert not (tmp_path / "none.onnx").exists()


def test_same_samples_give_the_same_bytes(trained: Path, quantised: Path, digits: Floats, tmp_path: Path) -> None:
    quantize_static(trained, tmp_path / "again.onnx", digits[:256])
    assert (tmp_path / "again.onnx").read_bytes() == quantised.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.onnx"]


def test_the_description_stays(trained: Path, quantised: Path) -> None:
    assert load(quantised).meta == load(trained).meta


def test_logging_is_left_as_it_was(trained: Path, digits: Floats, tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), list(root.filters), root.level)
    quantize_static(trained, tmp_path / "int8.onnx", digits[:8])
    assert (root.handlers, root.filters, root.level) == before


def quantised_equals(net: nn.Module, meta: ModelMeta, x: Floats, folder: Path, tolerance: float) -> list[str]:
    net.eval()
    export(net, torch.from_numpy(x[:1]), folder / "float.onnx", meta)
    quantize_static(folder / "float.onnx", folder / "int8.onnx", x)
    check(folder / "int8.onnx", x, load(folder / "float.onnx").predict_proba(x), tolerance)
    return [node.op_type for node in onnx.load(folder / "int8.onnx").graph.node]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = nn.Conv1d(2, 8, 3), nn.Conv1d(8, 8, 3, padding=1), nn.Conv1d(8, 8, 3, padding=1)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([x, x]).chunk(2)[0] + x.mean(-1, keepdim=True)  # preprocessing with Concat and Add: stays float
        x = torch.relu(self.stem(x))
        x = self.b(torch.relu(x + self.a(x)))
        return torch.softmax(self.head(torch.cat([x.mean(-1), x.amax(-1)], 1)), -1)


def test_residuals_and_float_preprocessing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(50, 2, 30)).astype(np.float32)
    kinds = quantised_equals(Residual(), ModelMeta("series", (2, 30), ("a", "b", "c")), x, tmp_path, 0.03)
    first = kinds.index("QuantizeLinear")
    assert "Add" in kinds[:first]
    assert kinds.index("Conv") > first


def test_a_linear_layer_may_be_the_answer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    net = nn.Sequential(nn.Linear(4, 16), nn.Sigmoid(), nn.Linear(16, 2))
    quantised_equals(net, ModelMeta("table", (4,), ("a", "b")), x, tmp_path, 0.03)


def test_a_dead_channel_and_a_constant_input(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2), nn.Softmax(-1))
    with torch.no_grad():
        net[0].weight[2] = 0
        net[0].bias[2] = -1
    x = np.zeros((5, 4), np.float32)
    quantised_equals(net, ModelMeta("table", (4,), ("a", "b")), x, tmp_path, 0.02)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    quantised_equals(net, ModelMeta("table", (4,), ("a", "b")), x, tmp_path, 0.02)


def test_tables_with_strings(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2), nn.Softmax(-1))
    x = np.random.default_rng(0).integers(0, 3, (90, 2)).astype(np.float32)
    meta = ModelMeta("table", (2,), ("a", "b"), (Column("n"), Column("s", ("u", "v", "w"))))
    quantised_equals(net, meta, x, tmp_path, 0.02)
    assert load(tmp_path / "int8.onnx").predict_proba([[1.0, "w"], [None, "u"]]).shape == (2, 2)


def test_the_mean_of_the_logits_stays(trained: Path, digits: Floats, tmp_path: Path) -> None:
    x = digits[:128]
    quantize_static(trained, tmp_path / "int8.onnx", x)
    before, after = (np.log(load(file).predict_proba(x).astype(float)) for file in (trained, tmp_path / "int8.onnx"))
    moved = (after - before) - (after - before).mean(1, keepdims=True)
    assert np.abs(moved.mean(0)).max() < np.abs(moved).mean() / 4


def test_each_layer_has_the_mean_that_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the whole quantised model tells it, although each layer goes on from where the one before it ended."""
    given: list[tuple[onnx.ModelProto, onnx.ModelProto, list[dict[str, Floats]]]] = []
    keep = integers._keep_means
    monkeypatch.setattr(integers, "_keep_means", lambda *those: (keep(*those), given.append(those)))
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(50, 2, 30)).astype(np.float32)
    net, meta = Residual().eval(), ModelMeta("series", (2, 30), ("a", "b", "c"))
    export(net, torch.from_numpy(x[:1]), tmp_path / "float.onnx", meta)
    quantize_static(tmp_path / "float.onnx", tmp_path / "int8.onnx", x, method="minmax")
    ((quantised, original, batches),) = given
    found, expected = (
        [
            means
            for node in model.graph.node
            if node.op_type in ("Conv", "Gemm")
            for means in channel_means(model, {node.output[0]: 1}, batches).values()
        ]
        for model in (quantised, original)
    )
    assert len(found) == 4
    # Biases are whole numbers too: by half a step of one they differ.
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_means_are_of_samples_of_all_however_they_are_sorted(
    trained: Path, digits: Floats, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    monkeypatch.setattr(integers, "_keep_means", lambda *given: found.extend(batch["x"] for batch in given[2]))
    x = digits[:300].copy()
    x[150:] += 1
    quantize_static(trained, tmp_path / "int8.onnx", x, method="minmax")
    assert sum(map(len, found)) == 128
    assert sum(int((batch.min((1, 2)) > 0).sum()) for batch in found) == pytest.approx(64, abs=20)


def test_ranges_are_those_of_less_divergence(trained: Path, digits: Floats, tmp_path: Path) -> None:
    x, found = digits[:90], {}
    before = load(trained).predict_proba(x)
    for method in ("minmax", "percentile", None):
        quantize_static(trained, tmp_path / "int8.onnx", x, method=method)  # type: ignore[arg-type]
        found[method] = float((before * np.log(before / load(tmp_path / "int8.onnx").predict_proba(x))).sum())
    assert found[None] == min(found.values()) < max(found.values())


def test_a_bias_that_is_an_activation_stays(tmp_path: Path) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.added, self.taken, self.head = nn.Linear(4, 3), nn.Linear(4, 5), nn.Linear(3, 2)
            self.weight = nn.Parameter(torch.randn(5, 3))

        def forward(self, x: Tensor) -> Tensor:
            x = torch.addmm(self.added(x), torch.relu(self.taken(x)), self.weight)
            return torch.softmax(self.head(x), 1)

    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    quantised_equals(Sum(), ModelMeta("table", (4,), ("a", "b")), x, tmp_path, 0.05)


def test_samples_without_an_answer_teach_nothing(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2), nn.Softmax(-1))
    x = np.random.default_rng(0).normal(size=(70, 4)).astype(np.float32)
    export(net, torch.zeros(1, 4), tmp_path / "float.onnx", ModelMeta("table", (4,), ("a", "b")))
    gaps = np.concatenate([x, np.full_like(x, np.nan)])
    files = [tmp_path / "alone.onnx", tmp_path / "with.onnx"]
    for file, samples in zip(files, (x, gaps)):
        quantize_static(tmp_path / "float.onnx", file, samples)
    assert files[0].read_bytes() == files[1].read_bytes()
    with pytest.raises(ExportError, match="answers NaN to all calibration samples"):
        quantize_static(tmp_path / "float.onnx", tmp_path / "no.onnx", gaps[70:])
    assert not (tmp_path / "no.onnx").exists()


def test_nothing_to_quantise_leaves_nothing(trained: Path, digits: Floats, tmp_path: Path) -> None:
    export(nn.Softmax(-1), torch.zeros(1, 2), tmp_path / "float.onnx", ModelMeta("table", (2,), ("a", "b")))
    with pytest.raises(ExportError, match="no convolution"):
        quantize_static(tmp_path / "float.onnx", tmp_path / "int8.onnx", np.zeros((3, 2), np.float32))
    with pytest.raises(ExportError, match="no calibration samples"):
        quantize_static(trained, tmp_path / "int8.onnx", digits[:0])
    with pytest.raises(ModelError):
        quantize_static(trained, tmp_path / "int8.onnx", digits[:, :, :3])
    with pytest.raises(ModelError, match="no such"):
        quantize_static(tmp_path / "nowhere.onnx", tmp_path / "int8.onnx", digits)
    assert [path.name for path in tmp_path.iterdir()] == ["float.onnx"]


class Attends(nn.Module):
    """Attention to what is not masked, whose layers have no biases."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.query, self.head = (nn.Linear(8, n, bias=False) for n in (8, 8, 3))

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x).relu()
        mask = torch.full((6, 6), -torch.inf).triu(1)
        h = ((self.query(h) @ h.transpose(1, 2) + mask).softmax(-1) @ h).mean(1)
        return torch.softmax(self.head(h), -1)


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy", None])
def test_masks_of_attention_and_layers_without_a_bias(tmp_path, method) -> None:
    torch.manual_seed(0)
    net, x = Attends(), torch.randn(100, 6, 8)
    export(net, x[:1], tmp_path / "float.onnx", ModelMeta("series", (6, 8), ("a", "b", "c")))
    quantize_static(tmp_path / "float.onnx", tmp_path / "int8.onnx", x.numpy(), method=method)
    before, after = (load(tmp_path / file).predict_proba(x.numpy()) for file in ("float.onnx", "int8.onnx"))
    assert np.abs(after - before).max() < 0.05
    constants = map(onnx.numpy_helper.to_array, onnx.load(tmp_path / "int8.onnx").graph.initializer)
    assert any(np.isneginf(one).any() for one in constants)


def network_of_others(
    file: Path, *, opset: int = 17, inside: bool = False, rows: int | str = "n", kind: type = np.float32
) -> Path:
    """Two convolutions, their weights perhaps in `Constant` nodes, as some exporters have them."""
    rng = np.random.default_rng(0)
    weights = {
        "u": rng.standard_normal((8, 1, 3, 3), dtype=np.float32),
        "v": rng.standard_normal((4, 8, 3, 3), dtype=np.float32),
    }
    tensors = [onnx.numpy_helper.from_array(value.astype(kind), name) for name, value in weights.items()]
    nodes = [onnx.helper.make_node("Constant", [], [one.name], value=one) for one in tensors] if inside else []
    nodes += [
        onnx.helper.make_node("Conv", ["x", "u"], ["h"]),
        onnx.helper.make_node("Relu", ["h"], ["r"]),
        onnx.helper.make_node("Conv", ["r", "v"], ["y"]),
    ]
    number = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    taken = [onnx.helper.make_tensor_value_info("x", number, [rows, 1, 8, 8])]
    given = [onnx.helper.make_tensor_value_info("y", number, [rows, 4, 4, 4])]
    graph = onnx.helper.make_graph(nodes, "g", taken, given, [] if inside else tensors)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=6), file)
    return file


@pytest.mark.parametrize("odd", [{"inside": True}, {"opset": 11}, {"rows": 1}, {"rows": 5}])
def test_files_as_others_write_them(tmp_path: Path, odd: dict[str, int]) -> None:
    x = np.random.default_rng(1).standard_normal((20, 1, 8, 8), dtype=np.float32)
    usual = network_of_others(tmp_path / "usual.onnx")
    quantize_static(usual, tmp_path / "usual8.onnx", x, method="minmax")
    quantize_static(network_of_others(tmp_path / "odd.onnx", **odd), tmp_path / "odd8.onnx", x, method="minmax")
    files = [onnxruntime.InferenceSession(tmp_path / f"{name}8.onnx") for name in ("usual", "odd")]
    rows = int(odd.get("rows", 20))
    expected, said = (file.run(None, {"x": x[:rows]})[0] for file in files)
    assert np.abs(expected - said).max() <= 0.02 * np.abs(expected).max()


def test_floats_of_half_precision_are_told(tmp_path: Path) -> None:
    file, x = network_of_others(tmp_path / "a.onnx", kind=np.float16), np.zeros((4, 1, 8, 8), np.float16)
    with pytest.raises(ExportError, match=r"a\.onnx: has no convolution or linear layer in float32"):
        quantize_static(file, tmp_path / "b.onnx", x)


def test_samples_that_do_not_fill_what_is_taken_at_once(tmp_path: Path) -> None:
    file, x = network_of_others(tmp_path / "a.onnx", rows=5), np.zeros((7, 1, 8, 8), np.float32)
    with pytest.raises(ExportError, match=r"a\.onnx: takes 5 samples at once, of which 7 are no multiple"):
        quantize_static(file, tmp_path / "b.onnx", x)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "max"}, "method='max': give one of minmax, percentile, entropy"),
        ({"bytes": "5KB"}, "bytes='5KB': give a whole number"),
        (
            {"calibration": [np.zeros((4, 1, 8, 8), np.float32)] * 2},
            r"a\.onnx: the samples come in 2 parts; give all as one",
        ),
    ],
)
def test_what_is_no_setting_is_said(given, message, tmp_path: Path) -> None:
    file = network_of_others(tmp_path / "a.onnx")
    with pytest.raises(ExportError, match=message):
        quantize_static(file, tmp_path / "b.onnx", **{"calibration": np.zeros((4, 1, 8, 8), np.float32), **given})


def test_what_onnxruntime_cannot_do_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from onnxruntime import quantization

    def fails(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("of its own\nin two lines")

    monkeypatch.setattr(quantization, "quantize_static", fails)
    with pytest.raises(ExportError, match=r"a\.onnx: onnxruntime cannot quantise it in this way: of its own$"):
        quantize_static(network_of_others(tmp_path / "a.onnx"), tmp_path / "b.onnx", np.zeros((4, 1, 8, 8), np.float32))
