"""LeNet-300-100 and LeNet-5 on MNIST: how small the whole file gets at the accuracy of the dense network.

    python benchmarks/deep_compression.py runs/lenet --nncodec PYTHON

Each network is trained on training images as they are, and compressed by one call of `squeeze` on the same images,
moved by up to a pixel. Settings were chosen on the last 5 000 after training on the other 55 000; the smaller network
is then trained on all, the larger on the 55 000. The test images are looked at once for each number here. With
--nncodec, the same trained networks go through NNCodec (an implementation of DeepCABAC, without training) at the
coarsest quantisation that loses at most 0.1 point on the 5 000. PYTHON is the interpreter of an environment that has
`nncodec`. What is finished is kept in the folder.
"""

from __future__ import annotations

import argparse
import functools
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from networks import accuracy, images, lenet5, lenet_300_100, shifted, trained
from torch import nn

from attar.compress import load, save, squeeze

HELD_OUT = 5_000
SEEDS = 3
LOST = 0.1  # points that may be lost
# Quantisation parameters of NNCodec, finest first; the step is a power of 2^(1/4).
PARAMETERS = range(-28, -3, 2)


@dataclass(frozen=True)
class Setting:
    """How a network is trained and compressed, and what others reached."""

    build: Callable[[], nn.Module]
    trained: int
    weight_decay: float
    dense_epochs: int
    times: int
    epochs: int
    quoted: str


SETTINGS = {
    "LeNet-300-100": Setting(lenet_300_100, 60_000, 0.3, 20, 120, 60, "Deep Compression 40×, DeepCABAC 55×"),
    "LeNet-5": Setting(lenet5, 55_000, 5e-4, 12, 300, 12, "Deep Compression 39×, DeepCABAC 139×"),
}


def main() -> None:
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--networks", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--nncodec", metavar="PYTHON")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name in asked.networks:
        print(f"\n{name} ({SETTINGS[name].quoted})\n")
        print("| seed | dense, % | attar, % | bytes | smaller | CPU min |\n|---|---|---|---|---|---|")
        rows = [_squeezed(name, seed, asked.folder) for seed in range(SEEDS)]
        for seed, row in enumerate([*rows, {key: float(np.mean([one[key] for one in rows])) for key in rows[0]}]):
            print(
                f"| {seed if seed < SEEDS else 'mean'} | {row['dense']:.2f} | {row['test']:.2f} | {row['bytes']:.0f} | "
                f"{row['smaller']:.1f}× | {row['seconds'] / 60:.1f} |",
                flush=True,
            )
        if asked.nncodec:
            print("\n| seed | NNCodec, % | bytes | smaller |\n|---|---|---|---|")
            for seed in range(SEEDS):
                row = _nncodec(name, seed, asked.folder, asked.nncodec)
                print(f"| {seed} | {row['test']:.2f} | {row['bytes']:.0f} | {row['smaller']:.1f}× |", flush=True)


def _dense(name: str, seed: int, folder: Path) -> nn.Module:
    one, (x, y, _, _) = SETTINGS[name], images("mnist")
    return trained(
        name,
        one.build,
        x[: one.trained],
        y[: one.trained],
        folder,
        seed=seed,
        epochs=one.dense_epochs,
        weight_decay=one.weight_decay,
    )


def _squeezed(name: str, seed: int, folder: Path) -> dict[str, float]:
    """Accuracies, bytes and time of one seed; read back where the folder holds them."""
    results, file = folder / f"{name}-{seed}.json", folder / f"{name}-{seed}.attar"
    if not results.exists():
        one, (x, y, x_test, y_test) = SETTINGS[name], images("mnist")
        model = _dense(name, seed, folder)
        started = time.process_time()
        small = squeeze(
            model,
            x[: one.trained],
            y[: one.trained],
            bytes=_float_bytes(model) // one.times,
            epochs=one.epochs,
            view=functools.partial(shifted, pixels=1),
            seed=seed,
            checkpoint=folder / f"{name}-{seed}",
        )
        seconds = time.process_time() - started
        save(small, file, x[:1])
        size = file.stat().st_size
        found = {
            "dense": accuracy(model, x_test, y_test),
            "test": accuracy(load(file), x_test, y_test),
            "bytes": size,
            "smaller": _float_bytes(model) / size,
            "seconds": seconds,
        }
        results.write_text(json.dumps(found))
    return dict(json.loads(results.read_text()))


def _nncodec(name: str, seed: int, folder: Path, python: str) -> dict[str, float]:
    model, (x, y, x_test, y_test) = _dense(name, seed, folder), images("mnist")
    x, y, size = x[-HELD_OUT:], y[-HELD_OUT:], _float_bytes(model)
    least = accuracy(model, x, y) - LOST
    with tempfile.TemporaryDirectory() as scratch:
        np.savez(Path(scratch, "network.npz"), **{key: one.numpy() for key, one in model.state_dict().items()})
        script = Path(__file__).with_name("nncodec_files.py")
        command = [python, str(script), f"{scratch}/network.npz", scratch, *map(str, PARAMETERS)]
        # Of this environment nothing but the data is passed on.
        told = subprocess.run(command, check=True, capture_output=True, text=True, env={"OMP_NUM_THREADS": "1"}).stdout
        sizes = {parameter: int(coded) for parameter, coded in (line.split() for line in told.splitlines())}

        def decoded(parameter: str) -> nn.Module:
            with np.load(Path(scratch, f"{parameter}.npz")) as tensors:
                model.load_state_dict({key: torch.from_numpy(tensors[key]) for key in tensors})
            return model

        coarsest = [parameter for parameter in sizes if accuracy(decoded(parameter), x, y) >= least][-1]
        test = accuracy(decoded(coarsest), x_test, y_test)
    return {"bytes": sizes[coarsest], "test": test, "smaller": size / sizes[coarsest]}


def _float_bytes(model: nn.Module) -> int:
    return 4 * sum(one.numel() for one in model.parameters())


if __name__ == "__main__":
    main()
