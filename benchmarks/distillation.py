"""Distillation on unlabelled data: the same student taught by a teacher, and trained on 1 % of the labels alone.

    python benchmarks/distillation.py har [draws]        # 7 352 windows, 74 labels
    python benchmarks/distillation.py fashion [draws]    # 20 000 images, 600 labels: 1 % of all 60 000

The teacher is a self-trained linear head on random convolutions, that no label has touched. All students begin with
the same weights and take as many steps at the same rate. The one that is distilled sees views of all samples, as
`attar fit` has them; those that learn from labels alone see the labelled samples as they are, or views of them. Each is
asked about the test part once.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from runs import data
from torch import Tensor, nn

from attar.adapt.selftrain import SelfTrainedProbe
from attar.compress import distill
from attar.compress.given import View
from attar.data.dataset import UNLABELLED
from attar.data.split import draw_labels
from attar.kinds import kind_of
from attar.kinds.base import Kind
from attar.represent import RandomConvolutions
from attar.training.loop import train

WIDTH, BATCH, STRENGTH, SOME = 16, 128, 0.5, 20_000
SETS = {
    "har": ("uci_har", "series", 74, 20),
    "fashion": ("fashion_mnist", "image", 600, 12),
}


def main(name: str, draws: int) -> None:
    """Print a row of the table for each draw of labels, and the mean."""
    file, what, labels, epochs = SETS[name]
    with np.load(data(f"{file}.npz")) as part:
        x, y, x_test, y_test = (part[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    chosen = np.sort(np.random.default_rng(0).permutation(len(x))[:SOME])
    x, y, x_test = x[chosen].astype(np.float32), y[chosen].astype(np.int64), x_test.astype(np.float32)
    kind = kind_of(what, x)
    encoder = RandomConvolutions(kind=kind, random_state=0).fit(x)
    z, z_test = encoder.transform(x), encoder.transform(x_test)
    print(
        "| draw | labels | teacher | labels alone | with views | distilled | CPU s |\n|---|---|---|---|---|---|---|",
        flush=True,
    )
    rows = []
    for seed in range(draws):
        begun = time.process_time()
        known = draw_labels(y, fraction=labels / len(x), seed=seed)
        teacher = SelfTrainedProbe(random_state=seed).fit(z, known)
        told = torch.tensor(np.log(np.maximum(teacher.predict_proba(z), 1e-6)), dtype=torch.float32)
        steps = epochs * (len(x) // BATCH)
        n_classes = len(teacher.classes_)
        plain, viewed, taught = (student(kind, n_classes, seed) for _ in range(3))
        supervised(plain, still(kind), x, known, steps, seed)
        supervised(viewed, views(kind), x, known, steps, seed)
        distill(taught, told, x, known, view=views(kind), epochs=epochs, batch_size=BATCH, seed=seed)
        right = [100 * float((teacher.predict(z_test) == y_test).mean())]
        right += [100 * float((answers(one, kind, x_test) == y_test).mean()) for one in (plain, viewed, taught)]
        rows.append(right)
        shown = " | ".join(f"{value:.2f}" for value in rows[-1])
        print(f"| {seed} | {(known != UNLABELLED).sum()} | {shown} | {time.process_time() - begun:.0f} |", flush=True)
    print(f"| mean | | {' | '.join(f'{value:.2f}' for value in np.mean(rows, axis=0))} | |", flush=True)


def student(kind: Kind, n_classes: int, seed: int) -> nn.Module:
    """An untrained student of the ladder."""
    torch.manual_seed(seed)
    return next(one for one in kind.students(n_classes) if one.name == f"width-{WIDTH}").build()


def views(kind: Kind) -> View:
    """Raw samples to augmented normalised ones."""
    preprocess = kind.preprocess()
    return lambda x, generator: kind.view(preprocess(x), generator, STRENGTH)


def still(kind: Kind) -> View:
    """Raw samples to normalised ones."""
    preprocess = kind.preprocess()
    return lambda x, _: preprocess(x)


def supervised(net: nn.Module, view: View, x: np.ndarray, known: np.ndarray, steps: int, seed: int) -> None:
    """Train on the labelled samples alone."""
    labelled = np.flatnonzero(known != UNLABELLED)
    samples, labels = torch.tensor(x[labelled]), torch.tensor(known[labelled])

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        return F.cross_entropy(net(view(samples[batch], generator)), labels[batch])

    train(net, loss, len(samples), steps=steps, epochs=0, batch_size=BATCH, lr=4e-3, weight_decay=1e-3, seed=seed)


def answers(net: nn.Module, kind: Kind, x: np.ndarray) -> np.ndarray:
    """The class of each sample."""
    preprocess = kind.preprocess()
    with torch.inference_mode():
        said = [net(preprocess(part)).argmax(1) for part in torch.from_numpy(x).split(1000)]
    return torch.cat(said).numpy()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    torch.set_num_threads(1)
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3)
