"""Fewer channels: half the multiply-accumulates of a residual network on Fashion-MNIST.

    python benchmarks/structure.py FOLDER [epochs [amount]]    # with DATA in ATTAR_DATA

The network is trained on 55 000 of the training images, and kept in FOLDER; every setting was chosen on the other
5 000. Latency is that of the exported files in onnxruntime on one thread, in turns within the same run; the least of
the turns counts, since all else that the machine does only adds to it.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from networks import accuracy, images, resnet, shifted, trained
from torch import Tensor, nn

from attar.compress import distill, prune
from attar.compress.costs import macs
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load

TRAINED, CLEAN, TURNS = 55_000, 30_000, 60


class Probabilities(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.net(x[:, None]), 1)


def latencies(nets: list[nn.Module], x: Tensor, batch: int) -> list[float]:
    """Milliseconds of a batch for each network."""
    with TemporaryDirectory() as folder:
        models = []
        for i, net in enumerate(nets):
            path = Path(folder, f"{i}.onnx")
            export(Probabilities(net), x[:1, 0], path, ModelMeta("image", (28, 28), tuple(map(str, range(10)))))
            models.append(load(path, threads=1))
        feeds = [model.feed(x[:batch, 0].numpy()) for model in models]
        times: list[list[float]] = [[] for _ in models]
        for _ in range(TURNS):
            for model, feed, measured in zip(models, feeds, times):
                model.run(feed)
                start = time.perf_counter()
                model.run(feed)
                measured.append(1000 * (time.perf_counter() - start))
    return [min(one) for one in times]


def main(folder: Path, epochs: int, amount: float) -> None:
    x, y, x_test, y_test = images("fashion_mnist")
    x_held, y_held, x, y = x[TRAINED:], y[TRAINED:], x[:TRAINED], y[:TRAINED]
    augment = partial(shifted, pixels=2, flip=True)
    dense = trained("fashion-resnet", resnet, x, y, folder, epochs=15, lr=4e-3, augment=augment)
    rows = {"dense": dense}
    for criterion in ("taylor", "magnitude"):
        rows[criterion] = prune(dense, amount, x=x, y=y, structure="channels", criterion=criterion)
    start = time.process_time()
    less = prune(dense, amount, x=x, y=y, structure="channels", criterion="taylor", epochs=epochs, view=augment)
    # The last epoch is on images as they are, like those of the test.
    distill(less, dense, x[:CLEAN], y[:CLEAN], epochs=1, lr=1e-3, seed=1)
    rows[f"taylor, {epochs} + 1 epochs of recovery"] = less
    print(f"recovery: {time.process_time() - start:.0f} s of CPU time")
    once, many = (latencies(list(rows.values()), x_test, batch) for batch in (1, 64))
    print("| channels | MACs | parameters | batch 1 | batch 64 | held out (5 000) | test (10 000) |")
    print("|---|---|---|---|---|---|---|")
    for (name, net), one, more in zip(rows.items(), once, many):
        size = sum(p.numel() for p in net.parameters())
        right = " | ".join(f"{accuracy(net, *part):.2f} %" for part in ((x_held, y_held), (x_test, y_test)))
        print(f"| {name} | {macs(net, x):,} | {size:,} | {one:.3f} ms | {more:.2f} ms | {right} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    epochs, amount = [*sys.argv[2:], *("3", "0.5")[len(sys.argv) - 2 :]]
    main(Path(sys.argv[1]), int(epochs), float(amount))
