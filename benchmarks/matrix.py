"""Each pretext on each kind: a small encoder untrained, and trained, under a linear head with five labels per class.

    python benchmarks/matrix.py                   # all of it, some minutes on one thread
    python benchmarks/matrix.py masked series     # some pretexts, some kinds

Of texts the training part alone, of nodes of the graph all but the test part; of the other sets, all samples. All are
learnt from without labels, the head sees five labels per class and is judged on all others, mean of three draws. The
encoder is untrained but for the statistics of batch normalisation, from a pass without learning.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from runs import data
from sklearn.datasets import load_digits, load_wine

from attar.adapt.probe import LinearProbe
from attar.data.graphs import from_npz
from attar.data.nodes import Nodes
from attar.data.sources import read
from attar.kinds import of
from attar.kinds.base import Kind
from attar.represent import BYOL, CCASSG, TSTCC, Autoencoder, Masked, MoCo, SimCLR
from attar.represent.pretext import Pretext

PER_CLASS, DRAWS = 5, 3
TEXTS = 1000

PRETEXTS: dict[str, type[Pretext]] = {
    "autoencoder": Autoencoder,
    "masked": Masked,
    "cca-ssg": CCASSG,
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "ts-tcc": TSTCC,
}
ALL = {"dim": 32, "width": 8, "batch_size": 64, "epochs": 20, "lr": 4e-3, "random_state": 0}
# What a kind or a cell has otherwise, found on the same samples and labels.
OF_A_KIND: dict[str, dict[str, Any]] = {
    "text": {"width": 32},
    "graph": {"batch_size": 4096, "epochs": 40, "lr": 4e-3},
}
OF_A_CELL: dict[tuple[str, str], dict[str, Any]] = {
    # A step predicts each token of each text.
    ("autoencoder", "text"): {"epochs": 6},
    # At four times this rate the texts fall into two directions.
    ("moco", "text"): {"lr": 1e-3},
    ("masked", "image"): {"width": 32, "epochs": 40},
    ("masked", "series"): {"width": 32, "epochs": 40},
    ("masked", "table"): {"width": 32, "epochs": 40},
}


@dataclass(frozen=True)
class Samples:
    """A real set: its kind, what is learnt from, and where labels are taken from and judged."""

    name: str
    kind: Kind
    x: Any
    y: np.ndarray
    labels: np.ndarray
    judged: np.ndarray

    @classmethod
    def of(cls, name: str, kind: str, x: Any, y: np.ndarray, columns: Any = ()) -> Samples:
        everything = np.arange(len(y))
        return cls(name, of(kind).learn(x, columns), x, y, everything, everything)


def image() -> Samples:
    digits = load_digits()
    return Samples.of("digits", "image", digits.images.astype(np.float32), digits.target)


def series() -> Samples:
    with np.load(data("ucr/SyntheticControl.npz")) as file:
        x, y = (np.concatenate([file[f"{what}_train"], file[f"{what}_test"]]) for what in "xy")
    return Samples.of("SyntheticControl", "series", x.astype(np.float32), y)


def table() -> Samples:
    wine = load_wine()
    return Samples.of("wine", "table", wine.data.astype(np.float32), wine.target)


def text() -> Samples:
    dataset = read(str(data("text/trec.parquet")))
    assert dataset.test is not None
    train = np.setdiff1d(np.arange(len(dataset)), dataset.test)
    some = np.random.default_rng(0).permutation(train)[:TEXTS]
    return Samples.of("TREC", "text", dataset.x[some], dataset.y[some], dataset.columns)


def graph() -> Samples:
    path = Path(data("graph/cora.npz"))
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    nodes = from_npz(arrays, path).x
    assert isinstance(nodes, Nodes)
    judged = np.setdiff1d(np.arange(len(nodes)), arrays["test_idx"])
    return Samples("Cora", of("graph").learn(nodes), nodes, arrays["y"], arrays["train_idx"], judged)


SETS: dict[str, Callable[[], Samples]] = {
    "image": image,
    "series": series,
    "table": table,
    "text": text,
    "graph": graph,
}


def accuracy(z: np.ndarray, samples: Samples) -> float:
    """Of a linear head on a few labels, mean over draws, in per cent."""
    z, y = (z - z.mean(axis=0)) / (z.std(axis=0) + 1e-6), samples.y
    scores = []
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        known = np.concatenate(
            [rng.choice(samples.labels[y[samples.labels] == c], PER_CLASS, replace=False) for c in np.unique(y)]
        )
        rest = np.setdiff1d(samples.judged, known)
        scores.append(LinearProbe("squared").fit(z[known], y[known]).score(z[rest], y[rest]))
    return 100 * float(np.mean(scores))


def cell(name: str, samples: Samples, **options: Any) -> tuple[float, float]:
    """Accuracies of the encoder untrained and trained."""
    settings = ALL | OF_A_KIND.get(samples.kind.name, {}) | OF_A_CELL.get((name, samples.kind.name), {}) | options
    found = []
    for change in ({"epochs": 1, "lr": 1e-9}, {}):
        pretext = PRETEXTS[name](kind=samples.kind, **settings | change)
        found.append(accuracy(pretext.fit(samples.x).transform(samples.x), samples))
    return found[0], found[1]


def main(names: list[str], kinds: list[str]) -> None:
    """One line for each cell."""
    print("| kind | set | pretext | untrained | trained | seconds |\n|---|---|---|---|---|---|")
    for kind in kinds:
        samples = SETS[kind]()
        for name in names:
            if name not in samples.kind.possible:
                continue
            start = time.process_time()
            untrained, trained = cell(name, samples)
            seconds = time.process_time() - start
            row = f"{kind} | {samples.name} | {name} | {untrained:.1f} % | {trained:.1f} % | {seconds:.0f}"
            print(f"| {row} |", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    wanted = sys.argv[1:]
    main([n for n in PRETEXTS if n in wanted] or list(PRETEXTS), [k for k in SETS if k in wanted] or list(SETS))
