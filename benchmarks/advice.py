"""Does the advice of `attar risk` help? The test risk of its settings against that of the defaults, on ten sets.

    python benchmarks/advice.py                            # all axes, 20 labels per class, seeds 100 and 101
    python benchmarks/advice.py --over λ,leaves --seeds 100,101,102,103,104  # quick ones, more seeds
    python benchmarks/advice.py --labels 10 --sets wine,iris

Advice comes from cross-validation on the labels that were drawn; the risk on the test part is then looked at once. Sets
with a split of their own keep it; of the others 30 % are held out. Each line: default and setting, what the loss was
expected to fall by, and loss and share of wrong answers on the test part. At the end, for each axis and for the verdict
(of all advice that with the largest expected gain): on how many sets the means over the seeds are lower, the same or
higher than by default. `stay` is the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from runs import data

from attar import kinds
from attar.data.dataset import UNLABELLED
from attar.data.sources import read
from attar.plan import on_threads
from attar.preparation import Options, prepared
from attar.risk.advice import best_of
from attar.sweeps import Labelled, Sweep, sweep
from attar.training.progress import Silent

SETS = [
    *("digits", "breast-cancer", "wine", "iris", "adbench/29_Pima.npz"),
    *("gunpoint", "italy-power-demand", "arrow-head", "osu-leaf", "japanese-vowels"),
]
OVER = ("λ", "features", "leaves", "trees", "epochs", "width")
# Loss and share of wrong answers, by default and as advised.
Looked = tuple[tuple[float, float], tuple[float, float]]


def measured(source: str, labels: int, seed: int, over: list[str]) -> dict[str, Sweep]:
    """The sweeps of one draw of labels."""
    dataset = prepared(read(data(source)), Options(labels_per_class=labels, seed=seed))
    x, y = dataset.x[dataset.trained], dataset.y[dataset.trained]
    labelled = np.flatnonzero(y != UNLABELLED)
    known = Labelled(kinds.of(dataset.kind).learn(x, dataset.columns), x, labelled, y[labelled], seed)
    test = dataset.x[dataset.test], dataset.y[dataset.test]
    return {name: sweep(known, name, Silent(), test) for name in over}


def looked(found: Sweep) -> Looked:
    """The risks of default and advice on the test part."""
    both = [
        (float(c.test_risk[0]), float(c.zero_one.test_risk[0])) for c in found.looked_at or () if c.zero_one is not None
    ]
    return both[0], both[1]


def line(name: str, seed: int, found: Sweep) -> str:
    """One sweep in words."""
    advice = found.advice
    (loss, wrong), (then, then_wrong) = looked(found)
    said = "stay" if advice.keep else f"{advice.setting:.4g}"
    low, high = advice.gain.interval
    return (
        f"{Path(name).stem:<20}{seed:>4}  {advice.over:<9}{advice.default:>6.4g} → {said:<8}"
        f"{advice.gain.mean:7.3f} ({low:6.3f} to {high:6.3f})   {loss:6.3f} → {then:6.3f}   "
        f"{100 * wrong:5.1f} → {100 * then_wrong:5.1f} %"
    )


def tally(axis: str, by_set: list[np.ndarray]) -> str:
    """On how many sets a risk is lower, the same, higher, and by how much at most; from `(seeds, 2, 2)` for each."""
    fallen = np.array([looks.mean(0)[0] - looks.mean(0)[1] for looks in by_set])
    words = f"{axis:<10}"
    for gains, unit in zip(fallen.T, (1, 100)):
        lower, higher = int((gains > 1e-9).sum()), int((gains < -1e-9).sum())
        worst = unit * max(0.0, float(-gains.min()))
        words += f"{lower:>8}{len(gains) - lower - higher:>6}{higher:>8}{worst:>10.3f}{unit * gains.mean():>11.3f}"
    return words


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--over", default=",".join(OVER))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--labels", type=int, default=20, help="per class")
    parser.add_argument("--seeds", default="100,101")
    asked = parser.parse_args()
    over = asked.over.split(",")
    found: dict[str, list[np.ndarray]] = {axis: [] for axis in (*over, "verdict")}
    for name in asked.sets.split(","):
        rows: dict[str, list[Looked]] = {axis: [] for axis in found}
        for seed in map(int, asked.seeds.split(",")):
            with on_threads(1):
                sweeps = measured(name, asked.labels, seed, over)
            for axis, one in sweeps.items():
                print(line(name, seed, one), flush=True)
                rows[axis].append(looked(one))
            best = best_of([one.advice for one in sweeps.values()])
            first = looked(next(iter(sweeps.values())))[0]
            rows["verdict"].append((first, first) if best is None else looked(list(sweeps.values())[best]))
        for axis, looks in rows.items():
            found[axis].append(np.array(looks))
    columns = "   lower  same  higher  by at most  mean fall"
    print(f"\n{'':<10}{'loss':>43}{'points wrong':>43}\n{'':<10}{columns[1:]}{columns}")
    for axis, by_set in found.items():
        print(tally(axis, by_set))


if __name__ == "__main__":
    main()
