"""The main job against its targets and against plain peers on the same labels.

    python benchmarks/main_job.py digits    # 5 labels per class, 50 KB, seeds 0 to 4
    python benchmarks/main_job.py har       # 1 % of the labels, 100 KB, seeds 0 to 2
    python benchmarks/main_job.py tables    # breast-cancer and wine, 10 labels per class, seeds 0 to 4

For each run: accuracy on the test split of the chosen candidate before compression and of the shipped file, its size,
and the time. For tables also each baseline of the leaderboard on the same test split.
"""

from __future__ import annotations

import sys

import numpy as np
from runs import chosen, data, fit
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from attar.data.sources import read
from attar.preparation import Options, prepared


def one(source: str, seeds: int, **options: object) -> list[float]:
    """Accuracy of the shipped file for each seed, one line each."""
    shipped = []
    for seed in range(seeds):
        facts = fit(source, seed=seed, **options)
        low, high = facts.interval
        original = facts.compression[0].accuracy
        shipped.append(facts.test_accuracy or 0.0)
        print(
            f"{source:<16} seed {seed}  shipped {100 * shipped[-1]:.1f} %, before {100 * (original or 0):.1f} %, "
            f"{facts.model_bytes} bytes, {facts.model_latency_ms:.3f} ms, promised {100 * low:.0f}–{100 * high:.0f}, "
            f"{facts.seconds:.0f} s, {chosen(facts)}",
            flush=True,
        )
    print(f"{source}: mean {100 * np.mean(shipped):.2f} %", flush=True)
    return shipped


def baselines(source: str, seeds: int, per_class: int) -> None:
    """The peers a person would try first, from scikit-learn as it comes, on the same labels."""
    scores: dict[str, list[float]] = {}
    for seed in range(seeds):
        dataset = prepared(read(data(source)), Options(labels_per_class=per_class, seed=seed))
        test = dataset.test
        assert test is not None
        known = np.setdiff1d(dataset.labelled, test)
        for name, model in (
            ("logistic regression", make_pipeline(StandardScaler(), LogisticRegressionCV(max_iter=2000))),
            ("random forest", RandomForestClassifier(300, random_state=0)),
            ("gradient boosting", HistGradientBoostingClassifier(min_samples_leaf=2, random_state=0)),
        ):
            model.fit(dataset.x[known], dataset.y[known])
            scores.setdefault(name, []).append(model.score(dataset.x[test], dataset.y[test]))
    for name, values in scores.items():
        print(f"{source:<16} {name:<20} {100 * np.mean(values):.2f} %", flush=True)


def main() -> None:
    """Run the sets named, or all."""
    for name in sys.argv[1:] or ("digits", "har", "tables"):
        if name == "digits":
            one("digits", 5, labels_per_class=5, budget="50KB")
        elif name == "har":
            one("uci_har.npz", 3, label_fraction=0.01, budget="100KB")
        elif name == "tables":
            for table in ("breast-cancer", "wine"):
                one(table, 5, labels_per_class=10)
                baselines(table, 5, 10)
        else:
            sys.exit(f"no benchmark {name!r}; name digits, har or tables")


if __name__ == "__main__":
    main()
