"""What labels are worth that `attar draw` asks for, beside those of as many samples drawn without a look.

    python benchmarks/drawing.py [DRAWS]

For each set, 20 and 50 samples are drawn either way, 20 times unless given, from a few thousand of its training part,
and labelled. On the same principal axes that `attar draw` spreads them over: accuracy on all others of a linear head
and of propagated labels, and in how many draws the 90 % interval that the labels alone promise holds it. ± is the
standard error over the draws.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from runs import data
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from attar.adapt import LabelPropagation, LinearProbe, estimated_accuracy, well_spread
from attar.data.arrays import from_arrays
from attar.drawing import _points
from attar.kinds import of

MOST, SIZES = 3_000, (20, 50)
FILES = ("mnist.npz", "fashion_mnist.npz", "uci_har.npz")


def main(draws: int) -> None:
    """Print a line for each set, size and way of drawing."""
    for name, x, y in sets():
        dataset = from_arrays(x)
        points = _points(of(dataset.kind).learn(dataset.x, dataset.columns), dataset.x, 0)
        for n in SIZES:
            for way in ("at random", "spread"):
                found = np.array([one(points, y, n, way, seed) for seed in range(draws)])
                mean, error = 100 * found.mean(0), 100 * found.std(0) / np.sqrt(draws)
                print(
                    f"{name:<18} {n} {way:<9}  linear {mean[0]:5.1f} ± {error[0]:3.1f}  propagated {mean[1]:5.1f} ±"
                    f" {error[1]:3.1f}  promised {mean[2]:5.1f}, held in {found[:, 3].sum():2.0f} of {draws}",
                    flush=True,
                )


def sets() -> Any:
    """Name, samples and class codes."""
    yield "digits", load_digits().images, load_digits().target
    yield "wine", *load_wine(return_X_y=True)
    yield "breast-cancer", *load_breast_cancer(return_X_y=True)
    for name in FILES:
        with np.load(data(name)) as file:
            x, y = file["x_train"], file["y_train"]
        some = np.random.default_rng(0).permutation(len(x))[:MOST]
        yield name.removesuffix(".npz"), x[some], np.unique(y[some], return_inverse=True)[1]


def one(points: npt.NDArray[Any], y: npt.NDArray[Any], n: int, way: str, seed: int) -> tuple[float, float, float, bool]:
    """Accuracies of both heads, what the labels promise of the second, and whether that holds."""
    rng = np.random.default_rng(seed)
    drawn = well_spread(points, n, random_state=seed) if way == "spread" else rng.permutation(len(y))[:n]
    rest = np.setdiff1d(np.arange(len(y)), drawn)
    known = np.full(len(y), -1)
    known[drawn] = y[drawn]
    linear = LinearProbe("squared").fit(points[drawn], y[drawn]).score(points[rest], y[rest])
    spread = LabelPropagation().fit(points, known)
    propagated = float((spread.classes_[spread.label_distributions_.argmax(1)] == y)[rest].mean())
    promised, (low, high) = estimated_accuracy(LabelPropagation(), points, known, repeats=1, random_state=seed)
    return linear, propagated, promised, low <= propagated <= high


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]) if sys.argv[1:] else (20,))
