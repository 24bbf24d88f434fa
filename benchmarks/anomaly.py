"""Anomalies in the tables of ADBench: `AnomalyDetector` against single detectors of PyOD, and its p-values.

    pip install --target PEERS --no-deps pyod matplotlib contourpy cycler fonttools kiwisolver
    ATTAR_PEERS=PEERS python benchmarks/anomaly.py peers --out anomaly.jsonl
    python benchmarks/anomaly.py attar --out anomaly.jsonl     # ROC AUC, fitted and judged on the same samples
    python benchmarks/anomaly.py clean --out anomaly.jsonl     # p-values of samples that are not anomalies
    python benchmarks/anomaly.py table --out anomaly.jsonl     # means, mean ranks, tests of uniformity

Every table of $ATTAR_DATA/adbench (or ../shared/data/adbench), at most 5,000 rows of it, drawn by the seed, columns
standardised. Labels serve the ROC AUC alone. Detectors of PyOD have their defaults; what one cannot score counts as
AUC 0.5. `clean` fits on half of the normal samples and tests the p-values of the other half by Kolmogorov and Smirnov.
A line that the file holds already is not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from runs import data
from scipy.stats import ks_2samp, kstest, rankdata
from sklearn.metrics import roc_auc_score

from attar.density import AnomalyDetector
from attar.density._ensemble import Ensemble

Floats = npt.NDArray[np.float64]

ROWS = 5_000
PEERS = ("IForest", "ECOD", "COPOD", "HBOS", "KNN", "LOF", "GMM", "PCA", "CBLOF")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["peers", "attar", "clean", "table"])
    parser.add_argument("--sets", nargs="*", help="names; all where left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("anomaly.jsonl"))
    asked = parser.parse_args()
    lines = [json.loads(line) for line in asked.out.read_text().splitlines()] if asked.out.exists() else []
    if asked.what == "table":
        table(lines)
        return
    every: dict[str, dict[str, Callable[[Floats, npt.NDArray[np.int64], int], dict[str, float]]]] = {
        "peers": {name: peer(name) for name in PEERS},
        "attar": {"attar": attar},
        "clean": {"clean": clean},
    }
    methods = every[asked.what]
    root = Path(data("adbench/45_wine.npz")).parent
    for name in asked.sets or sorted(path.stem for path in root.glob("*.npz")):
        x, y = read(root / f"{name}.npz", asked.seed)
        for method, measure in methods.items():
            key = {"set": name, "method": method, "seed": asked.seed}
            if any(key.items() <= line.items() for line in lines):
                continue
            start = time.process_time()
            measured = measure(x, y, asked.seed)
            line = {**key, **measured, "n": len(x), "d": x.shape[1], "seconds": time.process_time() - start}
            with asked.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)


def read(path: Path, seed: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Samples with standardised columns, and 1 for anomalies."""
    with np.load(path) as file:
        x, y = file["X"].astype(np.float64), file["y"].astype(np.int64)
    chosen = np.random.default_rng(seed).permutation(len(x))[:ROWS]
    x, y = x[chosen], y[chosen]
    deviation = x.std(axis=0)
    return (x - x.mean(axis=0)) / np.where(deviation > 0, deviation, 1), y


def peer(name: str) -> Callable[[Floats, npt.NDArray[np.int64], int], dict[str, float]]:
    """ROC AUC of one detector of PyOD."""

    def measure(x: Floats, y: npt.NDArray[np.int64], seed: int) -> dict[str, float]:
        if os.environ.get("ATTAR_PEERS", "") not in sys.path:
            sys.path.append(os.environ.get("ATTAR_PEERS", ""))
        detector = getattr(import_module(f"pyod.models.{name.lower()}"), name)
        seeded = {"random_state": seed} if name in ("IForest", "GMM", "PCA", "CBLOF") else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                scores = detector(**seeded).fit(x).decision_scores_
            except ValueError as error:
                return {"auc": 0.5, "error": str(error)}  # type: ignore[dict-item]
        return {"auc": float(roc_auc_score(y, np.nan_to_num(scores)))}

    return measure


def attar(x: Floats, y: npt.NDArray[np.int64], seed: int) -> dict[str, float]:
    """ROC AUC of the whole, and of each score of an ensemble that has seen all samples."""
    detector = AnomalyDetector(random_state=seed).fit(x)
    ensemble = Ensemble.learn(x, seed)
    views = ensemble.views(x)
    alone = {
        f"{type(score).__name__}, {view}": float(roc_auc_score(y, score(views[view])))
        for family in ensemble.families
        for score, view, _ in family.scores
    }
    return {"auc": float(roc_auc_score(y, -detector.score_samples(x))), **alone}


def clean(x: Floats, y: npt.NDArray[np.int64], seed: int) -> dict[str, float]:
    """How far p-values are from uniform, in two tests, and how many are at most 0.05.

    All p-values of a detector share the samples that it compares with, so together they stray farther from uniform than
    as many independent ones: with as many to compare with as are judged, the test of uniformity rejects 31 % of perfect
    detectors at 5 %. The test of two samples, of the possible p-values and those there are, allows for that.
    """
    normal = x[y == 0]
    detector = AnomalyDetector(random_state=seed).fit(normal[::2])
    p = detector.p_values(normal[1::2])
    n = detector.n_calibration_ + 1
    two = ks_2samp(np.arange(1, n + 1) / n, p)
    return {
        "uniform": float(kstest(p, "uniform").pvalue),
        "two": float(two.pvalue),
        "alarms": float(np.mean(p <= 0.05)),
        "tested": len(p),
    }


def table(lines: list[dict[str, Any]]) -> None:
    """Print a row a set, then means, mean ranks and the tests of uniformity."""
    names = [*PEERS, "attar"]
    aucs = {(line["set"], line["method"]): line["auc"] for line in lines if "auc" in line}
    sets = sorted({key[0] for key in aucs if all((key[0], name) in aucs for name in names)})
    values = np.array([[aucs[each, name] for name in names] for each in sets])
    print("| |", " | ".join(names), "|\n|---|", "|".join("---" for _ in names), "|", sep="")
    for each, row in zip(sets, values, strict=True):
        print(f"| {each} |", " | ".join(f"{100 * value:.1f}" for value in row), "|")
    print("| mean |", " | ".join(f"{value:.2f}" for value in 100 * values.mean(axis=0)), "|")
    print("| mean rank |", " | ".join(f"{value:.2f}" for value in rankdata(-values, axis=1).mean(axis=0)), "|")
    for line in lines:
        if "two" in line:
            tests = f"{line['uniform']:.3f} | {line['two']:.3f}"
            print(f"| {line['set']} | {line['tested']} | {tests} | {100 * line['alarms']:.1f} % |")


if __name__ == "__main__":
    main()
