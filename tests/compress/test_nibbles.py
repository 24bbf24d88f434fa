from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from attar.compress.integers import quantize_static
from attar.data.dataset import Floats
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.errors import ExportError


class Grouped(nn.Module):
    """A grouped convolution whose mean output can be read off the mean logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(16, 16, 5, groups=2, bias=True)
        self.conv2 = nn.Conv1d(16, 16, 8)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.head(self.conv2(self.conv(x)).mean(2)), 1)


def exported(net: nn.Module, x: Floats, meta: ModelMeta, folder: Path) -> Path:
    export(net.eval(), torch.tensor(x[:1]), folder / "float.onnx", meta)
    return folder / "float.onnx"


def in_four_bits(source: Path, x: Floats) -> tuple[Path, Path]:
    """The file in eight bits, and the smallest that there is."""
    eight, four = source.with_name("eight.onnx"), source.with_name("four.onnx")
    quantize_static(source, eight, x)
    for size in range(eight.stat().st_size, 0, -64):
        try:
            quantize_static(source, four, x, bytes=size)
        except ExportError:
            break
    return eight, four


def logits(file: Path, x: Floats) -> Floats:
    """Up to a constant."""
    said = np.log(load(file).predict_proba(x).astype(np.float64))
    return said - said.mean(1, keepdims=True)


def tensors(file: Path) -> list[np.ndarray]:
    return [onnx.numpy_helper.to_array(one) for one in onnx.load(file).graph.initializer]


def test_codes_are_those_of_least_error(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    net = nn.Sequential(nn.Linear(64, 48), nn.Softmax(1))
    meta = ModelMeta("table", (64,), tuple(f"c{i}" for i in range(48)))
    eight, four = in_four_bits(exported(net, x, meta, tmp_path), x)
    (codes,) = (one for one in tensors(eight) if one.dtype == np.int8 and one.ndim == 2)
    (nibbles,) = (one for one in tensors(four) if one.dtype == np.uint8 and one.ndim == 1 and one.size == 64 * 48 // 2)
    found = np.empty(2 * nibbles.size, int)
    for i, byte in enumerate(nibbles.tolist()):
        found[2 * i], found[2 * i + 1] = byte % 16 - 8, byte // 16 - 8
    found = found.reshape(codes.shape)
    assert found.min() >= -7
    outputs = codes.shape.index(48)
    for row, short in zip(np.moveaxis(codes, outputs, 0).astype(float), np.moveaxis(found, outputs, 0)):
        steps = [np.abs(row).max() / 7 * share / 64 for share in range(1, 65)]
        errors = [np.square(np.clip(np.rint(row / step), -7, 7) * step - row).sum() for step in steps]
        best = steps[int(np.argmin(errors))]
        assert np.square(short * best - row).sum() <= min(errors) * (1 + 1e-5)


@pytest.mark.parametrize("kind", ["linear", "grouped"])
def test_the_mean_output_stays(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    classes = ("a", "b", "c", "d")
    if kind == "linear":
        x = (rng.normal(size=(400, 900)) + rng.normal(size=900)).astype(np.float32)
        source = exported(
            nn.Sequential(nn.Linear(900, 4), nn.Softmax(1)), x, ModelMeta("table", (900,), classes), tmp_path
        )
    else:
        # The same at each step, so that a convolution without an edge sees the mean of a channel everywhere.
        x = np.repeat(rng.normal(size=(400, 16, 1)) + rng.normal(size=(1, 16, 1)), 20, axis=2).astype(np.float32)
        source = exported(Grouped(), x, ModelMeta("series", (16, 20), classes), tmp_path)
    eight, four = in_four_bits(source, x)
    assert four.stat().st_size < eight.stat().st_size - 300
    before, after = logits(eight, x), logits(four, x)
    spread = np.abs(after - before).mean()
    assert spread > 1e-3  # they are not the same weights
    assert np.abs((after - before).mean(0)).max() < spread / 5


def test_an_odd_number_of_weights_and_shared_ones_stay(tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = np.random.default_rng(0).normal(size=(50, 41)).astype(np.float32)

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.odd = nn.Linear(41, 41), nn.Linear(41, 41)
            self.head = nn.Linear(41, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.inner(x))
            return torch.softmax(self.head(torch.relu(self.odd(torch.relu(self.inner(x))))), 1)

    source = exported(Shared(), x, ModelMeta("table", (41,), ("a", "b")), tmp_path)
    quantize_static(source, tmp_path / "eight.onnx", x)
    with pytest.raises(ExportError, match="its large weights in four bits"):
        quantize_static(source, tmp_path / "four.onnx", x, bytes=(tmp_path / "eight.onnx").stat().st_size - 1)


def test_a_large_bias_beside_small_weights_keeps_its_value(tmp_path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, 5), nn.Softmax(-1))
    with torch.no_grad():
        net[2].weight[:8] *= 1e-4
        net[2].bias[:8] = 10 * (1 + torch.rand(8))
    x = 0.01 * torch.randn(150, 64)
    export(net, x[:1], tmp_path / "float.onnx", ModelMeta("table", (64,), tuple("abcde")))
    quantize_static(tmp_path / "float.onnx", tmp_path / "small.onnx", x.numpy(), bytes=12_000)
    before, after = (load(tmp_path / file).predict_proba(x.numpy()) for file in ("float.onnx", "small.onnx"))
    assert np.abs(after - before).max() < 0.01
