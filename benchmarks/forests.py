"""All forests of 40 numbers of leaves and 40 of trees, against scikit-learn's, fitted anew.

    OMP_NUM_THREADS=1 python benchmarks/forests.py OUT [N]

N training samples (2 000 unless given) and 1 000 test samples of Fashion-MNIST ($ATTAR_DATA/fashion_mnist.npz), 10
classes, no bootstrap. CPU time of both in one run; both are asked for squared and zero-one loss of training and test
samples. Two ways of fitting anew: each of the 1 600 forests by itself, of which every eighth number of leaves and of
trees is fitted, and the time of the others taken to grow in proportion to the number of trees; and one forest of all
trees for each of the 40 numbers of leaves, of which the smaller forests are the first trees. Then, for 20 other seeds,
whether errors agree in distribution (two-sample Kolmogorov-Smirnov test). The curves of both models, three draws of
forests and one of boosting, with 20 % of the labels wrong and without, are saved in the folder OUT as JSON.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from runs import data
from scipy.stats import ks_2samp
from sklearn.ensemble import RandomForestClassifier

from attar.risk import forest_curve, forest_grid

TREES = np.arange(1, 41)
SEEDS = 20

Split = tuple[npt.NDArray[np.float32], npt.NDArray[Any], npt.NDArray[np.float32], npt.NDArray[Any]]


def split(n: int, n_test: int) -> Split:
    with np.load(data("fashion_mnist.npz")) as held:
        x, y, t, expected = (held[name] for name in ("x_train", "y_train", "x_test", "y_test"))
    some = np.random.default_rng(0).permutation(len(x))[:n]
    flat = [a.reshape(len(a), -1).astype(np.float32) / 255 for a in (x[some], t[:n_test])]
    return flat[0], y[some], flat[1], expected[:n_test]


def judged(probabilities: npt.NDArray[np.float64], y: npt.NDArray[Any]) -> tuple[float, float]:
    return float(np.square(probabilities - np.eye(10)[y]).sum(1).mean()), float((probabilities.argmax(1) != y).mean())


def anew(data: Split, leaves: int, trees: int, seed: int) -> RandomForestClassifier:
    x, y, _, _ = data
    return RandomForestClassifier(trees, max_leaf_nodes=leaves, bootstrap=False, random_state=seed).fit(x, y)


def costs(data: Split) -> None:
    x, y, t, expected = data
    leaves = np.unique(np.geomspace(2, len(x), 44).round().astype(int))[-40:]
    start = time.process_time()
    grid = forest_grid(*data, leaves=leaves, trees=TREES)
    ours = time.process_time() - start
    print(f"{len(x)} samples, {len(leaves)} x {len(TREES)} settings: grown once {ours:.1f} CPU s")

    start, apart = time.process_time(), 0.0
    for i, most in enumerate(leaves):
        forest = anew(data, int(most), len(TREES), 0)
        for place, (a, b) in enumerate(((x, y), (t, expected))):
            total = np.zeros((len(a), 10))
            for j, tree in enumerate(forest.estimators_):
                total += tree.predict_proba(a)
                both = judged(total / (j + 1), b)
                apart = max(
                    apart, abs(both[0] - grid.risks[0, place, i, j]), abs(both[1] - grid.risks[0, 2 + place, i, j])
                )
    taken = time.process_time() - start
    print(f"one forest for each number of leaves {taken:.1f} CPU s: {taken / ours:.1f} times")
    print(f"largest difference of a risk {apart:.1e}", flush=True)

    counts, seconds = TREES[7::8], []
    for count in counts:
        start = time.process_time()
        for most in leaves[::8]:
            forest = anew(data, int(most), int(count), 0)
            for a, b in ((x, y), (t, expected)):
                judged(forest.predict_proba(a), b)
        seconds.append((time.process_time() - start) * len(leaves) / len(leaves[::8]))
    slope, rest = np.polyfit(counts, seconds, 1)
    every = float((slope * TREES + rest).sum())
    print(
        f"each setting by itself {every:.0f} CPU s, from a {len(counts) * len(leaves[::8])}th of them: "
        f"{every / ours:.0f} times",
        flush=True,
    )


def distributions(data: Split) -> None:
    x, _, t, expected = data
    leaves, trees = [10, 100, len(x)], [1, 10]
    ours = [forest_grid(*data, leaves=leaves, trees=trees, random_state=seed).risks[0, 3] for seed in range(SEEDS)]
    print(f"\n{'leaves':>7} {'trees':>6} {'wrong, grown once':>18} {'fitted anew':>12} {'p of KS test':>13}")
    for i, most in enumerate(leaves):
        for j, count in enumerate(trees):
            one = np.array(ours)[:, i, j]
            other = [1 - anew(data, most, count, 1000 + seed).score(t, expected) for seed in range(SEEDS)]
            p = ks_2samp(one, other).pvalue
            print(
                f"{most:7d} {count:6d} {100 * one.mean():16.2f} % {100 * np.mean(other):10.2f} % {p:13.2f}", flush=True
            )


def curves(data: Split, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for model in ("forest", "boosting"):
        for noise in (0.0, 0.2):
            start = time.process_time()
            curve = forest_curve(*data, model=model, label_noise=noise, draws=3 if model == "forest" else 1)
            taken = time.process_time() - start
            curve.save(out / f"{model}-{100 * noise:.0f}.json")
            assert curve.zero_one is not None
            print(f"\n{model}, {100 * noise:.0f} % of the labels wrong, {curve.draws} draws: {taken:.0f} CPU s")
            print(f"{curve.over:>20} {'train risk':>11} {'test risk':>10} {'train wrong':>12} {'test wrong':>11}")
            rows = (curve.axis, curve.train_risk, curve.test_risk, curve.zero_one.train_risk, curve.zero_one.test_risk)
            for at, train, test, wrong_train, wrong in zip(*rows):
                print(f"{at:20.0f} {train:11.4f} {test:10.4f} {100 * wrong_train:10.2f} % {100 * wrong:9.2f} %")
            print(f"squared error: {curve.verdict()}\nwrong answers: {curve.zero_one.verdict()}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    held = split(int(sys.argv[2]) if len(sys.argv) > 2 else 2000, 1000)
    costs(held)
    distributions(held)
    curves(held, Path(sys.argv[1]))
