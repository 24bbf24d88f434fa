from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from attar.compress.dynamic import quantize_dynamic
from attar.compress.integers import quantize_static
from attar.deploy.onnx import traced
from attar.deploy.session import session_of
from attar.errors import ExportError, ModelError


class Reader(nn.Module):
    """A transformer's layer on tokens, some channels of which are much larger than others; two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(40, 16), nn.LayerNorm(16)
        self.norm.weight.data[3] = 60.0
        self.query, self.wide, self.narrow = nn.Linear(16, 16), nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        h = self.norm(self.embed(ids))
        seen = (self.query(h) @ h.transpose(1, 2) / 64).masked_fill(mask[:, None] == 0, -1e9).softmax(-1) @ h
        h = self.narrow(nn.functional.gelu(self.wide(seen)))
        return (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def written(net: nn.Module, inputs: dict[str, Tensor], path: Path, axes: dict[int, str]) -> Path:
    """As others export a network."""
    model = traced(net.eval(), inputs, ["y"], dict.fromkeys(inputs, axes), name="the network")
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    ids = torch.ones(2, 5, dtype=torch.long)
    path = tmp_path_factory.mktemp("reader") / "float.onnx"
    return written(Reader(), {"ids": ids, "mask": ids}, path, {0: "n", 1: "length"})


def texts(n: int, seed: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    ids = [rng.integers(1, 40, size=(1, rng.integers(3, 9))) for _ in range(n)]
    return [{"ids": one, "mask": np.ones_like(one)} for one in ids]


def answers(file: Path, feeds: list[dict[str, np.ndarray]]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(file))
    return np.concatenate([session.run(None, feed)[0] for feed in feeds])


def test_a_transformer_of_two_inputs_is_smaller_and_says_about_the_same(file: Path, tmp_path: Path) -> None:
    plain, learnt, asked = tmp_path / "plain.onnx", tmp_path / "learnt.onnx", texts(64, 1)
    quantize_dynamic(file, plain)
    quantize_dynamic(file, learnt, texts(64, 0))
    expected = answers(file, asked)
    lost = [float(np.square(answers(one, asked) - expected).mean() / expected.var()) for one in (plain, learnt)]
    assert lost[1] < lost[0] / 2 < 0.01
    kinds = [node.op_type for node in onnx.load(learnt).graph.node]
    assert kinds.count("MatMulInteger") == 3
    assert learnt.stat().st_size < file.stat().st_size


def test_a_gemm_is_a_product_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16)), torch.randn(100, 16)
    written(net, {"x": x}, tmp_path / "float.onnx", {0: "n"})
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "int8.onnx", x.numpy())
    said = onnxruntime.InferenceSession(str(tmp_path / "int8.onnx")).run(None, {"x": x.numpy()})[0]
    with torch.no_grad():
        assert np.abs(said - net(x).numpy()).max() < 0.02


def test_static_too_takes_models_of_others(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 5))
    x = torch.randn(150, 1, 8, 8)
    written(net, {"image": x}, tmp_path / "float.onnx", {0: "n"})
    for samples in (x.numpy(), {"image": x.numpy()}):
        quantize_static(tmp_path / "float.onnx", tmp_path / "int8.onnx", samples)
        said = onnxruntime.InferenceSession(str(tmp_path / "int8.onnx")).run(None, {"image": x.numpy()})[0]
        with torch.no_grad():
            assert np.abs(said - net(x).numpy()).max() < 0.1


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.ones((2, 5), np.int64), "takes ids, mask: give a dictionary"),
        ({"ids": np.ones((2, 5), np.int64)}, "nothing for its input 'mask'"),
        ([], "no calibration samples"),
    ],
)
def test_samples_that_do_not_suit(file: Path, tmp_path: Path, samples: object, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        quantize_dynamic(file, tmp_path / "int8.onnx", samples)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_nothing_to_quantise(tmp_path: Path) -> None:
    written(nn.Softmax(-1), {"x": torch.zeros(1, 2)}, tmp_path / "float.onnx", {0: "n"})
    with pytest.raises(ExportError, match="no linear layer"):
        quantize_dynamic(tmp_path / "float.onnx", tmp_path / "int8.onnx")
    with pytest.raises(ModelError, match="cannot be read"):
        quantize_dynamic(tmp_path / "nowhere.onnx", tmp_path / "int8.onnx")


def test_a_model_is_opened_as_often_for_many_samples_given_singly(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr("attar.compress.samples.session_of", lambda one: opened.append(one) or session_of(one))
    quantize_dynamic(file, tmp_path / "small.onnx", texts(2, 0))
    few = len(opened)
    quantize_dynamic(file, tmp_path / "small.onnx", texts(20, 0))
    assert len(opened) == 2 * few
