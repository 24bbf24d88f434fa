"""What attar's pretexts learn beside lightly's, with the same encoder, images, epochs and batches, on one thread.

    ATTAR_PEERS=PEERS python benchmarks/contrast.py fashion                    # or mnist, or digits --epochs 40
    ATTAR_PEERS=PEERS python benchmarks/contrast.py fashion --rows "attar byol,lightly byol" --seed 1
    ATTAR_PEERS=PEERS python benchmarks/contrast.py other.npz              # x of grey images or of series, and y

attar has its defaults. lightly has its losses, heads, momentum and memory bank, put together as in its benchmark on
CIFAR-10: the views of `SimCLRTransform(cj_strength=0.5, gaussian_blur=0.0)`, SGD at a rate of 0.06 for 128 samples,
and a cosine. torchvision may have no build for this torch, so that these views are written here in torch with the same
parameters, for a batch at once, which is faster; saturation, hue and grey do nothing to grey images. Heads are narrower
than behind the 512 values of a ResNet. "in attar's setting" has attar's views, optimiser and schedule in place of
lightly's: what then differs is the pretext itself. Of series, for which lightly has no views, attar's are taken.

A linear head, 10 labels per class (six draws) and all labels, judged on other images of the training part; the test
part is not looked at. Seconds are CPU time of learning the representation.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from peers import peers
from runs import data
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from attar import kinds
from attar.adapt.probe import LinearProbe
from attar.represent import BYOL, CCASSG, PCA, MoCo, SimCLR
from attar.training.loop import train

BATCH, DIM, FEW, DRAWS, JUDGED = 256, 64, 10, 6, 4000
OURS: dict[str, Callable[..., Any]] = {"simclr": SimCLR, "moco": MoCo, "byol": BYOL, "ccassg": CCASSG}
# Names of the head and of the loss in lightly, and of the file of the loss; widths of the head.
THEIRS = {
    "simclr": ("SimCLR", "NTXentLoss", "ntx_ent_loss", (DIM, 128)),
    "moco": ("MoCo", "NTXentLoss", "ntx_ent_loss", (DIM, 128)),
    "byol": ("BYOL", "NegativeCosineSimilarity", "negative_cosine_similarity", (4 * DIM, DIM)),
    "barlow": ("BarlowTwins", "BarlowTwinsLoss", "barlow_twins_loss", (8 * DIM, 8 * DIM)),
    "vicreg": ("VICReg", "VICRegLoss", "vicreg_loss", (8 * DIM, 8 * DIM)),
}
Floats = np.ndarray[Any, Any]


def lightly_views(x: Tensor) -> Tensor:
    """`SimCLRTransform` of grey images from 0 to 1, `(n, 1, h, w)`."""
    area, turned, right, below, flip, jitter, bright, contrast = torch.rand(8, len(x))
    area, ratio = 0.08 + 0.92 * area, torch.exp((2 * turned - 1) * math.log(4 / 3))
    across, down = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    zero, sign = torch.zeros(len(x)), torch.where(flip < 0.5, -1.0, 1.0)
    rows = ((across * sign, zero, (2 * right - 1) * (1 - across)), (zero, down, (2 * below - 1) * (1 - down)))
    grid = F.affine_grid(torch.stack([torch.stack(row, 1) for row in rows], 1), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    more, less = (0.6 + 0.8 * amount[:, None, None, None] for amount in (bright, contrast))
    lit = (x * more).clamp(0, 1)
    lit = (less * lit + (1 - less) * lit.mean((1, 2, 3), keepdim=True)).clamp(0, 1)
    return torch.where(jitter[:, None, None, None] < 0.8, lit, x)


class Peer(nn.Module):
    """One of lightly's methods around an encoder; answers two batches of views with the loss."""

    def __init__(self, name: str, encoder: nn.Module) -> None:
        super().__init__()
        self.name, (head, loss, file, widths) = name, THEIRS[name]
        heads = import_module("lightly.models.modules.heads")
        bank = {"temperature": 0.1, "memory_bank_size": (4096, 128)} if name == "moco" else {}
        self.loss = getattr(import_module(f"lightly.loss.{file}"), loss)(**bank)
        self.net = nn.Sequential(encoder, getattr(heads, f"{head}ProjectionHead")(DIM, *widths))
        self.predict = heads.BYOLPredictionHead(DIM, *widths) if name == "byol" else nn.Identity()
        self.slow = deepcopy(self.net).requires_grad_(False)
        self.follow = import_module("lightly.models.utils").update_momentum

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        if self.name in ("moco", "byol"):
            self.follow(self.net, self.slow, 0.99)
            both: Tensor = self.loss(self.predict(self.net(a)), self.slow(b))
            both = both + self.loss(self.predict(self.net(b)), self.slow(a))
            return both / (2 if self.name == "moco" else 1)
        value: Tensor = self.loss(self.net(a), self.net(b))
        return value


def learnt(name: str, setting: str, x: Floats, kind: Any, width: int, epochs: int, seed: int) -> nn.Module:
    """The encoder after lightly's method, in its own setting or in attar's."""
    torch.manual_seed(seed)
    encoder: nn.Module = kind.encoder(DIM, width)
    method, module = Peer(name, encoder), nn.Sequential(kind.preprocess(), encoder)
    top, drawn = float(x.max()), torch.Generator().manual_seed(seed)

    def two_views(batch: Tensor, generator: torch.Generator) -> Tensor:
        rows = torch.from_numpy(x[batch.numpy()])
        if not setting and kind.name == "image":
            pairs = (kind.preprocess()(top * lightly_views(rows[:, None] / top)[:, 0]) for _ in range(2))
            return torch.cat(list(pairs))
        views: Tensor = kind.view(kind.preprocess()(torch.cat([rows, rows])), generator)
        return views

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        value: Tensor = method(*two_views(batch, generator).chunk(2))
        return value

    if setting:
        train(method, loss, len(x), epochs=epochs, batch_size=BATCH, lr=2e-3, seed=seed, name=name)
        return module
    optimizer = torch.optim.SGD(method.parameters(), lr=0.06 * BATCH / 128, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (len(x) // BATCH))
    for _ in range(epochs):
        for batch in torch.randperm(len(x))[: len(x) // BATCH * BATCH].split(BATCH):
            optimizer.zero_grad()
            torch.autograd.backward(loss(batch, drawn))
            optimizer.step()
            schedule.step()
    return module


def samples(name: str, n: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Samples to learn from with their labels, and others of the training part to judge by."""
    if name.endswith(".npz"):
        with np.load(name) as file:
            x, y = file["x"].astype(np.float32), file["y"]
    elif name == "digits":
        x, y = load_digits(return_X_y=True)
        x, _, y, _ = train_test_split(x.reshape(-1, 8, 8).astype(np.float32), y, test_size=539, random_state=0)
        n = 858
    else:
        with np.load(data({"fashion": "fashion_mnist.npz", "mnist": "mnist.npz"}[name])) as file:
            x, y = file["x_train"].astype(np.float32), file["y_train"]
    return x[:n], y[:n], x[n : n + JUDGED], y[n : n + JUDGED]


def judged(z: Floats, y: Floats, z_other: Floats, y_other: Floats) -> tuple[list[float], float]:
    """Percent right with ten labels per class, of each draw, and with all."""
    few = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(y))
        known = np.concatenate([order[y[order] == label][:FEW] for label in np.unique(y)])
        few.append(100 * LinearProbe().fit(z[known], y[known]).score(z_other, y_other))
    return few, 100 * LinearProbe().fit(z, y).score(z_other, y_other)


def main() -> None:
    """One line for each way to learn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("set", help="fashion, mnist, digits, or a file with x and y")
    parser.add_argument("--kind", default="image")
    parser.add_argument("--rows", default="")
    for name, usual in {"images": 3000, "epochs": 10, "width": 8, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    peers()
    x, y, x_other, y_other = samples(asked.set, asked.images)
    kind = kinds.of(asked.kind).learn(x)

    def ours(name: str, epochs: int) -> nn.Module:
        made = OURS[name](
            DIM, width=asked.width, epochs=epochs, batch_size=BATCH, kind=asked.kind, random_state=asked.seed
        )
        module: nn.Module = made.fit(x).module_
        return module

    rows: dict[str, Callable[[], nn.Module]] = {
        "pca": lambda: PCA(min(DIM, x[0].size)).fit(x).module_,
        "untrained": partial(ours, "simclr", 0),
    }
    rows |= {f"attar {name}": partial(ours, name, asked.epochs) for name in OURS}
    for setting in ("", " in attar's setting"):
        given = setting, x, kind, asked.width, asked.epochs, asked.seed
        rows |= {f"lightly {name}{setting}": partial(learnt, name, *given) for name in THEIRS}
    for name, learn in rows.items():
        if asked.rows and name not in asked.rows.split(","):
            continue
        start = time.process_time()
        module = learn().eval()
        seconds = time.process_time() - start
        with torch.no_grad():
            z, z_other = (torch.cat([module(part) for part in torch.from_numpy(a).split(500)]) for a in (x, x_other))
        few, everything = judged(z.numpy(), y, z_other.numpy(), y_other)
        speed = asked.epochs * (len(x) // BATCH * BATCH) / seconds
        right = f"{np.mean(few):5.1f} % ± {np.std(few):.1f}   all labels {everything:5.1f} %"
        print(f"{Path(asked.set).stem:<8} {name:<36} {right}   {seconds:5.1f} s   {speed:6.0f} images/s", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
