"""Eight bits in onnxruntime: bytes, latency and accuracy of the same network in float32 and in integers, side by side.

    python benchmarks/integers.py ~/networks

A residual network on Fashion-MNIST and a convolutional one on UCI HAR, trained here on the training parts where the
folder does not hold them, in int8 and in int8 of which as many weights take four bits in the file as a quarter of the
bytes needs; and a linear layer of 2048 × 2048, untrained, also in the four bits of `MatMulNBits`. The
files of one network are run by turns on one thread, on one and on 64 samples; the time is the first
decile of all runs, for other work on the machine can only slow a run down. Accuracy is that on all test samples.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networks
import numpy as np
import torch
from runs import data
from torch import Tensor, nn

from attar.compress.integers import quantize_static
from attar.compress.nbits import quantize_linear
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.nets.convnet import ConvNet

_CALIBRATION = 512
_SECONDS, _TURNS = 0.05, 60


class Whole(nn.Module):
    """Raw samples to probabilities."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.network((x - self.mean) / self.std), 1)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print("| | bytes | accuracy, % | batch of 1, ms | batch of 64, ms |\n|---|---|---|---|---|")
    for name, kind, make in (("Fashion-MNIST", "image", fashion), ("UCI HAR", "series", har)):
        module, x, x_test, y_test = make(folder)
        classes = tuple(map(str, range(int(y_test.max()) + 1)))
        shape = x.shape[1:] if kind == "series" else x.shape[2:]
        meta = ModelMeta(kind, shape, classes)
        raw, raw_test = (values.reshape(-1, *shape).numpy() for values in (x, x_test))
        ways = ("float32", "int8", "int8, a quarter")
        files = [folder / f"{name.split()[-1].lower()}-{i}.onnx" for i in range(len(ways))]
        export(module, torch.tensor(raw[:1]), files[0], meta)
        some = raw[np.sort(np.random.default_rng(0).permutation(len(raw))[:_CALIBRATION])]
        quantize_static(files[0], files[1], some)
        quantize_static(files[0], files[2], some, bytes=files[0].stat().st_size // 4)
        right = [100 * float((load(file).predict_proba(raw_test).argmax(1) == y_test.numpy()).mean()) for file in files]
        sizes = [file.stat().st_size for file in files]
        one, many = (by_turns(files, raw_test[:n]) for n in (1, 64))
        for i, way in enumerate(ways):
            print(f"| {name}, {way} | {sizes[i]:,} | {right[i]:.2f} | {one[i]:.3f} | {many[i]:.2f} |")
            if i:
                print(
                    f"| times less | {sizes[0] / sizes[i]:.2f} | {right[0] - right[i]:+.2f} | {one[0] / one[i]:.2f} "
                    f"| {many[0] / many[i]:.2f} |",
                    flush=True,
                )
    linear(folder)


def fashion(folder: Path) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """The residual network, training images and test part, values from 0 to 255."""
    x, y, x_test, y_test = networks.images("fashion_mnist")
    augment = functools.partial(networks.shifted, flip=True)
    network = networks.trained(
        "fashion-resnet", networks.resnet, x[:55_000], y[:55_000], folder, epochs=15, lr=4e-3, augment=augment
    )
    module = nn.Sequential(nn.Unflatten(1, (1, 28)), Whole(network, torch.zeros(()), torch.tensor(255.0)))
    return module.eval(), (x * 255).round(), (x_test * 255).round(), y_test


def har(folder: Path) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """attar's convolutional network of series, training windows and test part."""
    with np.load(data("uci_har.npz")) as file:
        x, y, x_test, y_test = (torch.tensor(file[key]) for key in ("x_train", "y_train", "x_test", "y_test"))
    x, x_test = x.float(), x_test.float()
    mean, std = x.mean((0, 2))[:, None], x.std((0, 2))[:, None]
    network = networks.trained(
        "har-convnet",
        lambda: nn.Sequential(ConvNet(9, (128,), 128, 64), nn.Linear(128, 6)),
        (x - mean) / std,
        y.long(),
        folder,
        epochs=10,
    )
    return Whole(network, mean, std).eval(), x, x_test, y_test.long()


def linear(folder: Path) -> None:
    """Print the rows of one large linear layer."""
    torch.manual_seed(0)
    width = 2048
    module = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2), nn.Softmax(1)).eval()
    x = torch.randn(64, width)
    ways = ("float32", "int8", "4 bits, blocks of 32", "4 bits, blocks of 128")
    files = [folder / f"linear-{i}.onnx" for i in range(len(ways))]
    export(module, x[:1], files[0], ModelMeta("table", (width,), ("a", "b")))
    quantize_static(files[0], files[1], x.numpy())
    quantize_linear(files[0], files[2], 32)
    quantize_linear(files[0], files[3], 128)
    one, many = (by_turns(files, x.numpy()[:n]) for n in (1, 64))
    for way, file, each, all_of_them in zip(ways, files, one, many):
        print(f"| {width} × {width}, {way} | {file.stat().st_size:,} | | {each:.3f} | {all_of_them:.2f} |", flush=True)


def by_turns(files: Sequence[Path], x: Any) -> list[float]:
    """Milliseconds of each file, in turns of a twentieth of a second."""
    models = [load(file, threads=1) for file in files]
    feeds = [model.feed(x) for model in models]
    times: list[list[float]] = [[] for _ in files]
    for turn in range(_TURNS + 1):
        for model, feed, own in zip(models, feeds, times):
            begun = time.perf_counter()
            while (start := time.perf_counter()) - begun < _SECONDS:
                model.run(feed)
                if turn:
                    own.append(time.perf_counter() - start)
    return [1000 * float(np.quantile(own, 0.1)) for own in times]


if __name__ == "__main__":
    main()
