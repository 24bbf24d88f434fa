"""Rare classes: balanced accuracy of attar with and without `balanced`, beside class weights of scikit-learn.

    python benchmarks/balanced.py                     # all tables
    python benchmarks/balanced.py 23_mammography      # some

Tables of ADBench (`$ATTAR_DATA/adbench`) with the anomalies as a class: 3,000 rows are drawn, 200 of them with their
label, and the balanced accuracy is that on 3,000 others, or all there are, which had no part in anything.
"""

from __future__ import annotations

import sys

import numpy as np
from runs import data
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from attar import Learner

TABLES = (
    "5_campaign",
    "7_Cardiotocography",
    "11_donors",
    "19_landsat",
    "23_mammography",
    "27_PageBlocks",
    "31_satimage-2",
    "41_Waveform",
)
ROWS, LABELS, SECONDS = 3000, 200, 5


def main() -> None:
    """Print a line a table, and the means."""
    print("| | labels of the rare class | logistic | forest | attar | attar, balanced | promised | held |")
    print("|---|---|---|---|---|---|---|---|")
    found, held = [], 0
    names = sys.argv[1:] or TABLES
    for name in names:
        table = np.load(data(f"adbench/{name}.npz"))
        order = np.random.default_rng(0).permutation(len(table["X"]))
        x, y = table["X"][order].astype(np.float32), table["y"][order].astype(int)
        half = min(ROWS, len(x) // 2)
        known, new = np.where(np.arange(half) < LABELS, y[:half], -1), slice(half, half + ROWS)
        logistic = make_pipeline(
            StandardScaler(),
            LogisticRegressionCV(
                class_weight="balanced",
                scoring="balanced_accuracy",
                max_iter=2000,
                l1_ratios=(0,),
                use_legacy_attributes=False,
            ),
        )
        forest = RandomForestClassifier(300, class_weight="balanced_subsample", random_state=0)
        balanced = Learner(balanced=True, time=SECONDS)
        scores = []
        for model in (logistic, forest):
            model.fit(x[:LABELS], y[:LABELS])
            scores.append(balanced_accuracy_score(y[new], model.predict(x[new])))
        for learner in (Learner(time=SECONDS), balanced):
            learner.fit(x[:half], known)
            scores.append(balanced_accuracy_score(y[new], learner.predict(x[new])))
        low, high = balanced.accuracy_interval_
        inside = low <= scores[-1] <= high
        held += inside
        found.append(scores)
        print(
            f"| {name.split('_')[1]} | {int(y[:LABELS].sum())} | {' | '.join(f'{100 * s:.1f}' for s in scores)} | "
            f"{100 * balanced.accuracy_:.1f} ({100 * low:.0f} to {100 * high:.0f}) | {'yes' if inside else 'no'} |",
            flush=True,
        )
    print(f"| mean | | {' | '.join(f'{100 * s:.1f}' for s in np.mean(found, 0))} | | {held} of {len(names)} |")


if __name__ == "__main__":
    main()
