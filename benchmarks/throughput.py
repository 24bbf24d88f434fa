"""Images per second of SimCLR pretraining against lightly's parts in a Lightning Trainer.

    ATTAR_PEERS=PEERS python benchmarks/throughput.py [images] [rounds]    # see peers.py for how to install them

Fashion-MNIST, batches of 256, one thread. Both train the encoder that attar has for such images, a projector of two
layers, AdamW and views of the same kind: a random part of the image, turned a little, with another gamma, contrast and
brightness, softer or sharper, with noise. The peer is a usual lightly pipeline: a data set that transforms one sample
at a time, twice, read by a DataLoader; loss and projector are lightly's, the loop is Lightning's. torchvision may have
no build for this torch, so the affine map is Pillow's, which is what torchvision does with a Pillow image. Without
worker processes, so that each takes one core, and with two, which take cores of their own. Seconds are CPU time, of the
workers too. attar has its defaults, which on some processors
are products in bfloat16, and float32.
"""

from __future__ import annotations

import math
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import torch
from peers import peers
from PIL import Image as Picture
from PIL import ImageFilter
from runs import data
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from attar import kinds
from attar.represent import SimCLR

BATCH, DIM, WIDTH, PROJECTION, TEMPERATURE, LR = 256, 64, 32, 64, 0.2, 2e-3


class Views(Dataset[tuple[Tensor, Tensor]]):
    """Two views of each image, made one at a time when asked for."""

    def __init__(self, x: np.ndarray[Any, Any], mean: float, std: float) -> None:
        self.pictures = [Picture.fromarray(image.astype(np.uint8)) for image in x]
        self.mean, self.std = mean, std

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        return self.view(self.pictures[place]), self.view(self.pictures[place])

    def view(self, picture: Picture.Image) -> Tensor:
        """One view, normalised `(1, h, w)`."""
        turn, stretch, right, below, gamma, contrast, brightness = (torch.rand(7) * 2 - 1).tolist()
        side, ratio = math.sqrt(1 - 0.4 * torch.rand(1).item()), math.exp(0.165 * stretch)
        across, down = side * ratio, side / ratio
        cos, sin = math.cos(0.2 * turn), math.sin(0.2 * turn)
        a, b, c, d = cos * across, -sin * down, sin * across, cos * down
        x, y = picture.width / 2, picture.height / 2
        right, below = right * max(1 - across, 0.05), below * max(1 - down, 0.05)
        matrix = (a, b, x - a * x - b * y + right * x, c, d, y - c * x - d * y + below * y)
        picture = picture.transform(picture.size, Picture.Transform.AFFINE, matrix, Picture.Resampling.BILINEAR)
        low, high = cast(tuple[int, int], picture.getextrema())
        span, power = max(high - low, 1), math.exp(1.2 * gamma)
        picture = picture.point([low + span * (max(v - low, 0) / span) ** power for v in range(256)])
        soft = picture.filter(ImageFilter.GaussianBlur(0.7))
        picture = Picture.blend(picture, soft, 1.5 * torch.rand(1).item() - 0.5)
        pixels = (torch.from_numpy(np.array(picture, dtype=np.float32))[None] - self.mean) / self.std
        relit: Tensor = pixels * math.exp(0.7 * contrast) + 0.5 * brightness + 0.1 * torch.randn_like(pixels)
        return relit


def peer(x: np.ndarray[Any, Any], kind: Any, workers: int) -> Callable[[], None]:
    """One epoch of the peer."""
    loss, head, lightning = peers()

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = kind.encoder(DIM, WIDTH)
            self.projector = head(DIM, DIM, PROJECTION, batch_norm=False)
            self.loss = loss(temperature=TEMPERATURE)

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            z_i, z_j = (self.projector(self.encoder(view)) for view in batch)
            value: Tensor = self.loss(z_i, z_j)
            return value

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), lr=LR)

    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    loader = DataLoader(
        Views(x, kind.mean[0], kind.std[0]), batch_size=BATCH, shuffle=True, drop_last=True, num_workers=workers
    )

    def epoch() -> None:
        trainer = lightning.Trainer(accelerator="cpu", max_epochs=1, enable_model_summary=False, **silent)
        trainer.fit(Module(), loader)

    return epoch


def cpu_seconds(run: Callable[[], Any]) -> float:
    """CPU time of this process and of those it has started and waited for."""
    before = os.times()
    run()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def parts(x: np.ndarray[Any, Any], kind: Any) -> str:
    """What a step of attar's goes into, by the parts that can be run alone."""
    from attar.represent import nt_xent

    batch, generator = kind.preprocess()(torch.from_numpy(x[:BATCH])), torch.Generator().manual_seed(0)
    encoder = kind.encoder(DIM, WIDTH)
    z = torch.randn(2, BATCH, PROJECTION, requires_grad=True)
    views = kind.view(torch.cat([batch, batch]), generator)

    def seconds(run: Callable[[], Any]) -> float:
        return min(cpu_seconds(lambda: [run() for _ in range(4)]) for _ in range(2)) / 4

    taken = {
        "views": seconds(lambda: kind.view(torch.cat([batch, batch]), generator)),
        "loss": seconds(lambda: nt_xent(z[0], z[1], TEMPERATURE).backward()),
        "encoder": seconds(lambda: encoder(views).square().mean().backward()),
    }
    return ", ".join(f"{name} {1e3 * s:.0f} ms" for name, s in taken.items())


def main() -> None:
    """Both in turns, so that whatever else the machine does meets both."""
    warnings.simplefilter("ignore")
    n, rounds = (int(a) for a in (sys.argv[1:] + ["2048", "3"][len(sys.argv) - 1 :])[:2])
    with np.load(data("fashion_mnist.npz")) as file:
        x = file["x_train"][:n].astype(np.float32)
    kind = kinds.of("image").learn(x)

    def ours(precision: str = "auto") -> Callable[[], None]:
        def run() -> None:
            SimCLR(
                DIM,
                epochs=1,
                width=WIDTH,
                batch_size=BATCH,
                projection=PROJECTION,
                lr=LR,
                precision=precision,
                random_state=0,
            ).fit(x)

        return run

    runs = {"attar": ours(), "attar, float32": ours("32-true")}
    runs |= {"lightly, 0 workers": peer(x, kind, 0), "lightly, 2 workers": peer(x, kind, 2)}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # imports, and memory that is asked for once
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            cpu = cpu_seconds(run)
            taken[name].append(cpu)
            print(f"  {name}: {cpu:.2f} s of CPU time, {time.perf_counter() - start:.2f} s", file=sys.stderr)
    seen = n - n % BATCH
    best = min(taken["attar"])
    for name, seconds in taken.items():
        print(f"{name:<20} {seen / min(seconds):6.0f} images/s   {min(seconds) / best:.2f} times attar's time")
    print(f"a step of attar's with its weights in torch's usual layout: {parts(x, kind)}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
