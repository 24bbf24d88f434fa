"""Networks that others have published, trained here to be compressed by the benchmarks, each kept in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from runs import data
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from attar.training.loop import train
from attar.training.progress import Progress


class Block(nn.Module):
    """Two convolutions with batch normalisation beside a shortcut (He et al., Deep Residual Learning, 2016)."""

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.shortcut = (
            nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))
            if (n_in, stride) != (n_out, 1)
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(h)) + self.shortcut(x))


def resnet(width: int = 32, n_classes: int = 10) -> nn.Sequential:
    """A residual network for 28 × 28 pixels: 10 convolutions, 300 000 weights, 10 million multiply-accumulates."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, 1, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        Block(width, width, 2),
        Block(width, 2 * width, 2),
        Block(2 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, n_classes),
    )


def lenet_300_100() -> nn.Sequential:
    """LeCun et al., Gradient-Based Learning Applied to Document Recognition, 1998: 266 610 parameters."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )


def lenet5() -> nn.Sequential:
    """LeNet-5 as Caffe has it: 431 080 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 5),
        nn.MaxPool2d(2),
        nn.Conv2d(20, 50, 5),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(800, 500),
        nn.ReLU(),
        nn.Linear(500, 10),
    )


def images(name: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images `(n, 1, 28, 28)` between 0 and 1 and classes of "mnist" or "fashion_mnist": training part, test part."""
    with np.load(data(f"{name}.npz")) as file:
        x, y, x_test, y_test = (file[key] for key in ("x_train", "y_train", "x_test", "y_test"))

    def pixels(values: np.ndarray) -> Tensor:
        return torch.tensor(values[:, None], dtype=torch.float32) / 255

    return pixels(x), torch.tensor(y).long(), pixels(x_test), torch.tensor(y_test).long()


def accuracy(module: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of samples that are given their class, in percent."""
    with torch.inference_mode():
        right = [(module(a).argmax(1) == b).float().sum() for a, b in zip(x.split(1000), y.split(1000))]
    return 100 * float(torch.stack(right).sum()) / len(y)


def shifted(x: Tensor, generator: torch.Generator, pixels: int = 2, flip: bool = False) -> Tensor:
    """Each image moved by up to so many pixels, and mirrored half of the time where asked."""
    n, size = len(x), x.shape[-1]
    padded = F.pad(x, (pixels,) * 4)
    down, right = torch.randint(0, 2 * pixels + 1, (2, n, 1), generator=generator)
    rows, columns = down + torch.arange(size), right + torch.arange(size)
    moved = padded[torch.arange(n)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]
    if not flip:
        return moved
    mirrored = torch.rand(n, 1, 1, 1, generator=generator) < 0.5
    return torch.where(mirrored, moved.flip(3), moved)


def trained(
    name: str,
    build: Callable[[], nn.Module],
    x: Tensor,
    y: Tensor,
    folder: Path,
    *,
    seed: int = 0,
    epochs: int = 12,
    lr: float = 2e-3,
    weight_decay: float = 5e-4,
    augment: Callable[[Tensor, torch.Generator], Tensor] = lambda x, _: x,
    progress: Progress | None = None,
) -> nn.Module:
    """The network trained on all samples; read back where the folder holds it."""
    torch.manual_seed(seed)
    module = build()
    file = folder / f"{name}-{seed}.safetensors"
    if file.exists():
        module.load_state_dict(load_file(file))
        return module.eval()

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        return F.cross_entropy(module(augment(x[batch], generator)), y[batch])

    train(
        module,
        loss,
        len(x),
        epochs=epochs,
        batch_size=128,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        progress=progress,
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_file(module.state_dict(), file)
    return module.eval()
