"""The searched mix beside each technique alone, at the same bytes.

    python benchmarks/search.py lenet FOLDER 32 64 128    # LeNet-300-100 on MNIST, at these parts of its bytes
    python benchmarks/search.py har FOLDER 8 16 32        # attar's convolutional network of series on UCI HAR

FOLDER keeps the trained networks. All see the same training samples (10 000 images; 4 000 windows), whose labels they
may use, and learn from the network before by distillation; each technique alone gets half as many epochs again as the
search gives to what it chooses. A technique alone is taken to the largest file that fits, and its size is found before
training. The test part is looked at once for each row.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import networks
import numpy as np
import torch
from runs import data
from torch import Tensor, nn

from attar.compress import Budget, compress, factorize, prune, quantize, save
from attar.compress.costs import macs
from attar.deploy.folding import fold_batch_norm
from attar.errors import CompressionError
from attar.nets.convnet import ConvNet

EPOCHS, SOME = 6, 512
ALONE = EPOCHS + EPOCHS // 2
Make = Callable[[float, int], nn.Module]


def lenet(folder: Path) -> tuple[nn.Module, Tensor, Tensor, Tensor, Tensor]:
    """Network, training samples and classes, test part."""
    x, y, x_test, y_test = networks.images("mnist")
    net = networks.trained("LeNet-300-100", networks.lenet_300_100, x[:55_000], y[:55_000], folder)
    return net, x[:10_000], y[:10_000], x_test, y_test


def har(folder: Path) -> tuple[nn.Module, Tensor, Tensor, Tensor, Tensor]:
    """Network, training samples and classes, test part; each channel of mean 0 and deviation 1."""
    with np.load(data("uci_har.npz")) as file:
        x, y, x_test, y_test = (torch.tensor(file[key]) for key in ("x_train", "y_train", "x_test", "y_test"))
    mean, std = x.float().mean((0, 2))[:, None], x.float().std((0, 2))[:, None]
    x, x_test, y, y_test = (x.float() - mean) / std, (x_test.float() - mean) / std, y.long(), y_test.long()

    def build() -> nn.Module:
        return nn.Sequential(ConvNet(9, (128,), 64, 16), nn.Linear(64, 6))

    net = networks.trained("har-16", build, x, y, folder, epochs=10)
    some = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:4000]
    return net, x[some], y[some], x_test, y_test


def main(name: str, folder: Path, parts: list[int]) -> None:
    """Print a row for each size and technique."""
    net, x, y, x_test, y_test = {"lenet": lenet, "har": har}[name](folder)
    net = fold_batch_norm(net, x[:1])
    raw = sum(4 * p.numel() for p in net.parameters())
    print(f"{name}: {raw:,} bytes of float32, {macs(net, x):,} MACs, {networks.accuracy(net, x_test, y_test):.2f} %")
    print("| budget | technique | bytes | MACs | test accuracy, % | CPU s |\n|---|---|---|---|---|---|", flush=True)

    def show(size: int, technique: str, make: Callable[[], nn.Module]) -> None:
        begun = time.process_time()
        try:
            small = make()
        except CompressionError as error:
            print(f"| {size:,} | {technique} | does not fit: {error} | | | |", flush=True)
            return
        took = time.process_time() - begun
        right, bytes_ = networks.accuracy(small, x_test, y_test), written(small, x)
        assert bytes_ <= size
        print(f"| {size:,} | {technique} | {bytes_:,} | {macs(small, x):,} | {right:.2f} | {took:.0f} |", flush=True)

    for part in parts:
        size = raw // part
        show(size, "searched", lambda size=size: compress(net, Budget(bytes=size), x, y, epochs=EPOCHS).model)  # type: ignore[misc]
        for technique, make in alone(net, x, y).items():
            show(size, technique, lambda make=make, size=size: largest(make, x, size))  # type: ignore[misc]
        show(size, "bits", lambda size=size: bits(net, x, y, size))  # type: ignore[misc]


def alone(net: nn.Module, x: Tensor, y: Tensor) -> dict[str, Make]:
    """Techniques by a share of the network that is left, and epochs."""
    return {
        # The zeros of floats take as many bits as other floats do: eight bits for each, which lose nothing here.
        "zeros": lambda share, epochs: quantize(
            prune(net, 1 - share, x=x if epochs else None, y=y, epochs=epochs, gradual=epochs > 0)
        ),
        "channels": lambda share, epochs: prune(
            net, 1 - share, x=x if epochs else x[:SOME], structure="channels", criterion="taylor", epochs=epochs
        ),
        "low rank": lambda share, epochs: factorize(
            net, x if epochs else x[:SOME], y=y, share=share, of="weights", epochs=epochs
        ),
    }


def largest(make: Make, x: Tensor, size: int) -> nn.Module:
    """The network of the largest share whose file fits, trained."""
    low, high = 0.001, 1.0
    for _ in range(9):
        share = (low * high) ** 0.5
        try:
            fits = written(make(share, 0), x) <= size
        except CompressionError:
            # Too little is asked for: as large as the whole, or less than there can be.
            fits = share < 0.1
        low, high = (share, high) if fits else (low, share)
    for _ in range(3):
        small = make(low, ALONE)
        if written(small, x) <= size:
            return small
        low *= 0.97
    raise CompressionError("no share of the network is small enough")


def bits(net: nn.Module, x: Tensor, y: Tensor, size: int) -> nn.Module:
    """The most bits a weight whose file fits, trained."""
    for n in (8, 6, 5, 4, 3, 2):
        if written(quantize(net, bits=n, symmetric=n > 2), x) <= size:
            small: nn.Module = quantize(net, x, y=y, bits=n, symmetric=n > 2, epochs=ALONE)
            if written(small, x) <= size:
                return small
    raise CompressionError("two bits a weight are more")


def written(net: nn.Module, x: Tensor) -> int:
    """Bytes of the file."""
    with TemporaryDirectory() as folder:
        save(net, Path(folder, "model.attar"), x[:1])
        return Path(folder, "model.attar").stat().st_size


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    main(sys.argv[1], Path(sys.argv[2]), [int(part) for part in sys.argv[3:]])
