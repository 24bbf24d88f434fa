"""Bytes of quantised tensors by our codec, NNCodec's DeepCABAC and zstd -19, and how fast ours are read.

    python benchmarks/codec.py --folder nets [--peer PEER/bin/python]

LeNet-300-100 (3 % of its weights, four bits), LeNet-5 (2 %) and a residual network (four and eight bits, one step for
each tensor) are trained, or read from the folder. zstd is given one byte a number. Needs the extra `benchmark`; for the
peer see deepcabac.py. Time is CPU time on one thread, the best of five.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import tempfile
import time
from pathlib import Path

import networks
import numpy as np
import torch
import torch.nn.functional as F
import zstandard
from torch import Tensor, nn

from attar.compress.codec import decode
from attar.compress.coder import Reader, Writer
from attar.compress.fitting import encode
from attar.compress.parametrizations import Masked, frozen
from attar.compress.places import places
from attar.training.loop import train

REPEATS = 5
EPOCHS = 3


def pruned(net: nn.Module, share: float, x: Tensor, y: Tensor) -> nn.Module:
    """The largest weights, in units of their layer's deviation, trained on without the others."""
    weights = [place for place in places(net) if place.value.ndim > 1]
    sizes = [place.value.detach().abs() / place.value.detach().std() for place in weights]
    least = torch.cat([size.flatten() for size in sizes]).quantile(1 - share)
    for place, size in zip(weights, sizes):
        place.wrap(Masked(size > least))

    def loss(batch: Tensor, _: torch.Generator) -> Tensor:
        return F.cross_entropy(net(x[batch]), y[batch])

    train(net, loss, len(x), epochs=EPOCHS, batch_size=128, lr=2e-3)
    return frozen(net)


def quantised(net: nn.Module, bits: int) -> list[np.ndarray]:
    most = 2 ** (bits - 1) - 1
    found = []
    for place in places(net):
        w = place.value.detach().numpy()
        if w.ndim > 1:
            codes = np.rint(w / np.abs(w).max() * most)
            # What is left of a pruned weight is not rounded to nothing.
            found.append(np.where((w != 0) & (codes == 0) & (np.mean(w == 0) > 0.5), np.sign(w), codes).astype(np.int8))
    return found


def ours(tensors: list[np.ndarray]) -> tuple[int, float]:
    writer = Writer()
    for codes in tensors:
        encode(writer, codes)
    data, seconds = writer.data(), []
    for _ in range(REPEATS):
        start = time.process_time()
        reader = Reader(data)
        read = [decode(reader, codes.shape) for codes in tensors]
        seconds.append(time.process_time() - start)
    assert all(np.array_equal(a, b) for a, b in zip(read, tensors))
    return len(data), min(seconds)


def peers(tensors: list[np.ndarray], python: str) -> tuple[int, float]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tensors.npz")
        np.savez(file, *tensors)
        script = Path(__file__).with_name("deepcabac.py")
        done = subprocess.run([python, script, file], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    return told["bytes"], told["seconds"]


def entropy(codes: np.ndarray) -> float:
    often = np.unique(codes, return_counts=True)[1]
    return float(-(often * np.log2(often / often.sum())).sum() / 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--peer")
    options = parser.parse_args()
    torch.set_num_threads(1)
    digits, clothes = networks.images("mnist"), networks.images("fashion_mnist")
    moved = functools.partial(networks.shifted, flip=True)
    kept = options.folder
    large = networks.trained("lenet-300-100", networks.lenet_300_100, *digits[:2], kept)
    small = networks.trained("lenet-5", networks.lenet5, *digits[:2], kept)
    deep = networks.trained("fashion-resnet", networks.resnet, *clothes[:2], kept, epochs=15, lr=4e-3, augment=moved)
    sets = {
        "LeNet-300-100, 3 % of the weights": quantised(pruned(large, 0.03, *digits[:2]), 4),
        "LeNet-5, 2 % of the weights": quantised(pruned(small, 0.02, *digits[:2]), 4),
        "ResNet, 4 bits": quantised(deep, 4),
        "ResNet, 8 bits": quantised(deep, 8),
    }
    print("| tensors | numbers | entropy | zstd -19 | NNCodec | ours | to NNCodec | to zstd | read |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, tensors in sets.items():
        n = sum(codes.size for codes in tensors)
        together = b"".join(codes.tobytes() for codes in tensors)
        zstd = len(zstandard.ZstdCompressor(level=19).compress(together))
        size, seconds = ours(tensors)
        peer, slower = peers(tensors, options.peer) if options.peer else (0, 0.0)
        line = [name, n, round(sum(map(entropy, tensors))), zstd, peer, size]
        line += [f"{100 * size / peer - 100:+.1f} %" if peer else "", f"{100 * size / zstd - 100:+.1f} %"]
        speed = f"{4e-6 * n / seconds:.0f} MB/s" + (f" (NNCodec {4e-6 * n / slower:.0f})" if peer else "")
        print("| " + " | ".join(map(str, [*line, speed])) + " |", flush=True)


if __name__ == "__main__":
    main()
