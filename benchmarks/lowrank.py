"""Low rank: half the multiply-accumulates of a fully connected and of a convolutional network.

    python benchmarks/lowrank.py FOLDER [epochs]    # with DATA in ATTAR_DATA; trained networks are kept in FOLDER

LeNet-300-100 on MNIST and a residual network on Fashion-MNIST, each trained on 55 000 training images; settings
were chosen on the other 5 000: a filter becomes a column and a row. Ranks are those of the least sum of errors of all
layers, with errors weighted by the activations, or of the weights themselves.
Latency is as in structure.py.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import torch
from networks import accuracy, images, lenet_300_100, resnet, shifted, trained
from structure import latencies
from torch import nn

from attar.compress import factorize
from attar.compress.costs import macs

TRAINED, CLEAN = 55_000, 30_000


def main(folder: Path, epochs: int) -> None:
    augment, split = partial(shifted, pixels=2, flip=True), partial(factorize, schemes=("spatial",))
    x, y, *_ = mnist = images("mnist")
    lenet = trained("lenet300-55000", lenet_300_100, x[:TRAINED], y[:TRAINED], folder)
    x, y, *_ = fashion = images("fashion_mnist")
    net = trained("fashion-resnet", resnet, x[:TRAINED], y[:TRAINED], folder, epochs=15, lr=4e-3, augment=augment)
    print("| network | factors | MACs | parameters | test accuracy (10 000) |\n|---|---|---|---|---|")
    for name, dense, data in (("LeNet-300-100", lenet, mnist), ("residual", net, fashion)):
        x, y, x_test, y_test = data
        x, y = x[:TRAINED], y[:TRAINED]

        def show(factors: str, net: nn.Module) -> None:
            size = sum(p.numel() for p in net.parameters())
            right = accuracy(net, x_test, y_test)  # noqa: B023
            print(f"| {name} | {factors} | {macs(net, x):,} | {size:,} | {right:.2f} % |", flush=True)  # noqa: B023

        show("none", dense)
        for share in (0.5, 0.35, 0.25):
            for weighted in (True, False):
                said = "weighted by activations" if weighted else "of the weights"
                show(f"{said}, {share:.0%}", split(dense, x, share=share, weighted=weighted))
        start = time.process_time()
        recovered = split(dense, x[:CLEAN], share=0.5, y=y[:CLEAN], epochs=epochs, lr=5e-4)
        seconds = time.process_time() - start
        show(f"weighted by activations, 50%, epochs of recovery: {epochs}, {seconds:.0f} s", recovered)
        for batch in (1, 64):
            slow, fast = latencies([dense, recovered], x_test, batch)
            print(f"{name}, batch {batch}: {slow:.3f} ms, {fast:.3f} ms, {slow / fast:.2f}×", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
