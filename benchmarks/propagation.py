"""Label propagation on uneven classes: the mass that each class is given, and how sure the answers are.

    python benchmarks/propagation.py            # 60 labels drawn at random, six draws
    python benchmarks/propagation.py 30 10

Standardised tables of scikit-learn and ADBench (3 000 rows at most). For each: the share of samples without a label
that are right, and the mean of −log p of their class, with the same mass for every class, with that of
`attar.adapt.prior.frequencies`, and with this and the answers sharpened; last, the share of the most frequent class.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from runs import data
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

from attar.adapt.propagate import Frame, LabelPropagation, neighbour_graph

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
MOST, FEWEST = 3000, 30


def sets() -> Iterator[tuple[str, Floats, Ints]]:
    """Name, samples and classes."""
    for load in (load_digits, load_wine, load_breast_cancer, load_iris):
        yield load.__name__.removeprefix("load_"), *load(return_X_y=True)
    for file in sorted(Path(data("adbench/11_donors.npz")).parent.glob("*.npz")):
        with np.load(file) as arrays:
            x, y = arrays["X"], arrays["y"].astype(int)
        rows = np.random.default_rng(0).permutation(len(x))[:MOST]
        if np.bincount(y[rows]).min() >= FEWEST:
            yield file.stem.partition("_")[2], x[rows], y[rows]


def judged(x: Floats, y: Ints, labels: int, draws: int) -> Floats:
    """Right in % and −log p of the three, and the right of the most frequent class, in the mean over the draws."""
    x = StandardScaler().fit_transform(x).astype(np.float32)
    frame, k = Frame.learn(x), int(y.max()) + 1
    graph = neighbour_graph(frame.place(x))
    rows = []
    for seed in range(draws):
        rng = np.random.default_rng(seed)
        drawn = rng.permutation(len(x))[:labels]
        while len(np.unique(y[drawn])) < k:
            drawn = rng.permutation(len(x))[:labels]
        known = np.full(len(x), -1)
        known[drawn] = y[drawn]
        rest = known < 0
        row = []
        for settings in ({"mass": np.ones(k), "sharpness": 1.0}, {"sharpness": 1.0}, {}):
            p = LabelPropagation().fit_graph(frame, graph, known, **settings).answer(frame.place(x))[rest]
            row += [
                100 * (p.argmax(1) == y[rest]).mean(),
                -np.log(np.maximum(p[np.arange(len(p)), y[rest]], 1e-9)).mean(),
            ]
        rows.append([*row, 100 * (y[rest] == np.bincount(y[drawn]).argmax()).mean()])
    mean: Floats = np.mean(rows, 0)
    return mean


def main(labels: int = 60, draws: int = 6) -> None:
    """The table, and its mean."""
    print(f"{'':<18} same mass      frequencies    sharpened      majority")
    found = []
    for name, x, y in sets():
        found.append(judged(x, y, labels, draws))
        show(name, found[-1])
    show("mean", np.mean(found, 0))


def show(name: str, row: Floats) -> None:
    """One line of the table."""
    pairs = "  ".join(f"{right:5.1f} % {loss:5.3f}" for right, loss in row[:6].reshape(3, 2))
    print(f"{name:<18} {pairs}  {row[6]:5.1f} %", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
