"""Convolutional networks compressed by attar, onnxruntime's own quantiser, NNCF and torch-pruning, side by side.

    pip install --target PEERS --no-deps nncf torch-pruning tabulate natsort pydot openvino-telemetry rustworkx
    ATTAR_PEERS=PEERS python benchmarks/compressors.py FOLDER [har images]

The networks of `integers.py`, the residual one trained for three epochs only, kept in FOLDER: in eight bits, ranges
learnt from the same 256 training samples with the settings that a tool's pages recommend; and with half of the
multiply-accumulates, as they are and after the same short distillation. What is not installed is left out. Columns are
those of `quantisers.py`.
"""

from __future__ import annotations

import argparse
import copy
import functools
import time
from importlib import import_module
from pathlib import Path

import integers
import networks
import numpy as np
import torch
from quantisers import CALIBRATION, answers, begin, shown, tools
from runs import data
from torch import Tensor, nn

from attar.compress import distill, prune, quantize, quantize_static, save
from attar.compress.packed import unpack


def main() -> None:
    """Print a row for each tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="*", default=["har", "images"])
    asked = parser.parse_args()
    begin()
    for name in asked.networks:
        made, epochs = {"har": (series, 5), "images": (fashion, 1)}[name]
        classifiers(name, made(asked.folder), asked.folder, epochs)


def fashion(folder: Path) -> tuple[nn.Module, Tensor, Tensor, Tensor, Tensor]:
    """The residual network, training and test part."""
    x, y, x_test, y_test = networks.images("fashion_mnist")
    x, y, view = x[:55_000], y[:55_000], functools.partial(networks.shifted, flip=True)
    module = networks.trained("fashion-resnet-3", networks.resnet, x, y, folder, epochs=3, lr=4e-3, augment=view)
    return module, x, y, x_test, y_test


def series(folder: Path) -> tuple[nn.Module, Tensor, Tensor, Tensor, Tensor]:
    """The convolutional network of UCI HAR, likewise, on standardised values."""
    whole, x, x_test, y_test = integers.har(folder)
    with np.load(data("uci_har.npz")) as file:
        y = torch.tensor(file["y_train"]).long()
    assert isinstance(whole, integers.Whole)
    mean, std = whole.mean, whole.std
    return whole.network, (x - mean) / std, y, (x_test - mean) / std, y_test


def classifiers(name: str, of: tuple[nn.Module, Tensor, Tensor, Tensor, Tensor], folder: Path, epochs: int) -> None:
    """Rows of a network of convolutions: eight bits, and half the multiply-accumulates."""
    net, x, y, x_test, y_test = of
    some = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:CALIBRATION]]
    test = [{"x": part.numpy()} for part in x_test.split(500)]

    def accuracy(file: Path) -> float:
        said = np.concatenate([np.argmax(answer, 1) for answer in answers(file, test)])
        return 100 * float((said == y_test.numpy()).mean())

    def as_onnx(module: nn.Module, file: Path) -> Path:
        save(module, file.with_suffix(".attar"), example=x[:1])
        unpack(file.with_suffix(".attar"), file)
        return file

    file = as_onnx(net, folder / f"{name}.onnx")
    show = functools.partial(shown, name, accuracy, ({"x": x_test[:1].numpy()}, {"x": x_test[:64].numpy()}))
    reference = show("float32", lambda out: as_onnx(net, out), 0.0)
    feeds = [{"x": one[None].numpy()} for one in some]
    show("attar, quantize_static", lambda out: quantize_static(file, out, some.numpy()), reference)
    for rest in tools(file, feeds, transformer=False):
        show(*rest, reference)
    begun = time.process_time()
    save(quantize(net, bits=8), target := folder / f"{name}-8.attar", example=x[:1])
    print(f"| {name} | attar, quantize and save, an .attar file | {target.stat().st_size:,} | | | |", end=" ")
    print(f"{time.process_time() - begun:.1f} |")
    for tool, make in (("attar, prune", attar_half), ("torch-pruning", peer_half)):
        try:
            begun = time.process_time()
            small = make(net, x[:2048])
            taken = time.process_time() - begun
        except ImportError:
            continue
        show(f"{tool}, half ({taken:.0f} s)", functools.partial(as_onnx, small), reference)
        again = copy.deepcopy(small)
        distill(again, net, x[:20_000], y[:20_000].numpy(), epochs=epochs, lr=1e-3)
        show(f"{tool}, half, trained", functools.partial(as_onnx, again.eval()), reference)


def attar_half(net: nn.Module, x: Tensor) -> nn.Module:
    """attar's pruning of channels."""
    return prune(net, 0.5, x=x, structure="channels")


def peer_half(net: nn.Module, x: Tensor) -> nn.Module:
    """torch-pruning's by magnitude over all layers, widths in eights, until half of the work is left."""
    peer, small = import_module("torch_pruning"), copy.deepcopy(net)
    ends = [next(layer for layer in reversed(list(small.modules())) if isinstance(layer, nn.Linear))]
    pruner = peer.pruner.MagnitudePruner(
        small,
        x[:1],
        importance=peer.importance.GroupMagnitudeImportance(p=2),
        global_pruning=True,
        pruning_ratio=0.7,
        iterative_steps=70,
        ignored_layers=ends,
        round_to=8,
    )
    whole, _ = peer.utils.count_ops_and_params(small, x[:1])
    while peer.utils.count_ops_and_params(small, x[:1])[0] > whole / 2:
        pruner.step()
    return small.eval()


if __name__ == "__main__":
    main()
