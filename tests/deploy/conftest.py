"""Small networks with the operators that attar's own use, and their files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attar.data.dataset import Column, Floats
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export

COLUMNS = (
    Column("age"),
    Column("color", ("blue", "grün", "red")),
    Column("height"),
    Column("shade", ("blue", "grün", "red")),
    Column("size", ("L", "S")),
)


class Preprocess(nn.Module):
    """Mean for missing values, then centred; a channel is put in front of an image."""

    def __init__(self, image: bool) -> None:
        super().__init__()
        self.image = image
        self.register_buffer("mean", torch.tensor(0.3))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.where(torch.isnan(x), self.mean, x)
        x = (x - self.mean) / 2
        return x.unsqueeze(1) if self.image else x


class ImageNet(nn.Module):
    """Convolutions with batch norms, a pooling, a head with one hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.preprocess = Preprocess(image=True)
        self.features = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            nn.MaxPool2d(2),
            nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 12),
            nn.BatchNorm1d(12),
            nn.ReLU(),
            nn.Linear(12, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.features(self.preprocess(x)), dim=-1)


class SeriesNet(nn.Module):
    """Random convolutions: shares of positive values, order statistics, cosines, a mean of what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(3, 16, 7, padding=6, dilation=2)
        self.register_buffer("chosen", torch.tensor([0, 2]))
        self.head = nn.Linear(16 + 16 + 5 + 2, 4)

    def forward(self, x: Tensor) -> Tensor:
        missing = torch.isnan(x)
        total = torch.where(missing, torch.zeros_like(x), x).sum(-1, keepdim=True)
        x = torch.where(missing, total / (~missing).sum(-1, keepdim=True).clamp(min=1), x)
        y = self.convolution(x)
        z = [
            (y > 0).to(y.dtype).mean(-1),
            y.amax(-1),
            torch.topk(x[:, 0], 5, dim=-1).values,
            torch.cos(x[:, self.chosen].mean(-1)),
        ]
        return torch.softmax(self.head(torch.cat(z, dim=1)), dim=-1)


class TableNet(nn.Module):
    """Answers with what it was given: each of five features, missing as 9, as a logit."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.nan_to_num(x, nan=9.0) @ self.weight


IMAGE = ModelMeta("image", (8, 8), tuple(map(str, range(10))), version="0.1.0")
SERIES = ModelMeta("series", (3, 40), ("a", "b", "c", "d"))
TABLE = ModelMeta("table", (5,), ("1", "2", "3", "4", "5"), COLUMNS)


@pytest.fixture(scope="session")
def image_net() -> nn.Module:
    torch.manual_seed(0)
    net = ImageNet()
    for _ in range(5):
        net(torch.randn(32, 8, 8) * 3)
    return net.eval()


@pytest.fixture(scope="session")
def series_net() -> nn.Module:
    torch.manual_seed(0)
    return SeriesNet().eval()


@pytest.fixture(scope="session")
def table_net() -> nn.Module:
    return TableNet().eval()


@pytest.fixture(scope="session")
def image_file(image_net: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "model.onnx"
    export(image_net, torch.zeros(1, 8, 8), path, IMAGE)
    return path


@pytest.fixture(scope="session")
def series_file(series_net: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("series") / "model.onnx"
    export(series_net, torch.zeros(1, 3, 40), path, SERIES)
    return path


@pytest.fixture(scope="session")
def table_file(table_net: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "model.onnx"
    export(table_net, torch.zeros(1, 5), path, TABLE)
    return path


@pytest.fixture(scope="session")
def samples() -> Callable[..., Floats]:
    def draw(*shape: int) -> Floats:
        rng = np.random.default_rng(0)
        x = rng.normal(size=shape).astype(np.float32)
        x[rng.random(shape) < 0.05] = np.nan
        return x

    return draw
