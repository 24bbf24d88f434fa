"""Real tables: what attar ships beside what a person would take from scikit-learn, LightGBM and CatBoost.

    pip install --target PEERS --no-deps lightgbm catboost
    ATTAR_PEERS=PEERS python benchmarks/tables.py peers FOLDER --out tables.jsonl
    python benchmarks/tables.py attar FOLDER --out tables.jsonl     # Learner(time=5)
    python benchmarks/tables.py table FOLDER --out tables.jsonl     # means, mean ranks, wins

FOLDER holds CSV files and `labels.txt`, a line "file.csv,column of labels" for each. Per draw, 10 rows of each class
have their label, or 50 drawn at random: the same for all. Columns are those that attar reads. attar learns from all
rows, the others from the labelled ones, and all are judged on every other row. An interval is compared with what it is
of: with 10 labels per class the mean of the accuracies on the classes, else the accuracy. A method that fails says the
commonest class. A line that the file holds already is not computed again.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from attar import Learner
from attar.data.dataset import UNLABELLED, Dataset, Ints
from attar.data.sources import read
from attar.data.split import draw_labels

LABELS, SECONDS = ("10 per class", "50 at random"), 5
PEERS = ("logistic", "forest", "boosting", "lightgbm", "catboost")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["peers", "attar", "table"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--labels", nargs="*", choices=LABELS, default=LABELS)
    parser.add_argument("--out", type=Path, default=Path("tables.jsonl"))
    asked = parser.parse_args()
    named = [line.split(",", 1) for line in (asked.folder / "labels.txt").read_text().splitlines()]
    lines = [json.loads(line) for line in asked.out.read_text().splitlines()] if asked.out.exists() else []
    if asked.what == "table":
        for labels in asked.labels:
            of = [line for line in lines if line["labels"] == labels and line["draw"] < asked.draws]
            table(of, [file for file, _ in named], labels)
        return
    sys.path.append(os.environ.get("ATTAR_PEERS", ""))
    for labels, draw in ((labels, draw) for draw in range(asked.draws) for labels in asked.labels):
        for file, column in named:
            dataset = None
            for method in PEERS if asked.what == "peers" else ("attar",):
                key = {"table": file, "labels": labels, "draw": draw, "method": method}
                if any(key.items() <= line.items() for line in lines):
                    continue
                dataset = dataset or read(str(asked.folder / file), label_column=column)
                line = key | measured(dataset, labels, draw, method)
                with asked.out.open("a") as out:
                    out.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)


def drawn(y: Ints, labels: str, draw: int) -> Ints:
    """The rows whose label is known: 10 of each class, or 50 of all."""
    if labels == LABELS[0]:
        return np.flatnonzero(draw_labels(y, per_class=10, seed=draw) != UNLABELLED)
    return np.random.default_rng(draw).permutation(np.flatnonzero(y != UNLABELLED))[:50]


def measured(dataset: Dataset, labels: str, draw: int, method: str) -> dict[str, Any]:
    """Accuracy on all rows whose label was not given, and of attar what it promised."""
    x = pd.DataFrame({column.name: dataset.x[:, i] for i, column in enumerate(dataset.columns)})
    for i, column in enumerate(dataset.columns):
        if column.categories:
            codes = np.nan_to_num(dataset.x[:, i], nan=-1).astype(int)
            x[column.name] = pd.Categorical.from_codes(codes, categories=list(column.categories))
    known = drawn(dataset.y, labels, draw)
    others = np.setdiff1d(np.flatnonzero(dataset.y != UNLABELLED), known)
    names = np.array([*dataset.classes, None], dtype=object)[dataset.y]
    start, said = time.perf_counter(), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method == "attar":
            given = np.full(len(x), None, dtype=object)
            given[known] = names[known]
            learner = Learner(time=SECONDS).fit(x, given)
            answers = learner.predict(x.iloc[others])
            chosen = next(row.name for row in learner.leaderboard_ if row.chosen)
            said = {"interval": learner.accuracy_interval_, "chosen": chosen}
        else:
            try:
                answers = peer(method, x).fit(x.iloc[known], names[known].astype(str)).predict(x.iloc[others]).ravel()
            except ImportError:
                raise
            except Exception as error:
                answers = np.full(len(others), pd.Series(names[known]).mode()[0], dtype=object)
                said = {"error": str(error)[:200]}
    truth, answers = names[others].astype(str), answers.astype(str)
    even = balanced_accuracy_score(truth, answers)
    accuracy = {"accuracy": float((truth == answers).mean()), "balanced": float(even)}
    return accuracy | said | {"seconds": time.perf_counter() - start}


def peer(name: str, x: pd.DataFrame) -> Any:
    """One method as it comes, with leaves as small as few labels need, on categories as it takes them."""
    words = [column for column in x if isinstance(x[column].dtype, pd.CategoricalDtype)]
    numbers = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    each = OneHotEncoder(handle_unknown="ignore")
    plain = make_column_transformer((numbers, make_column_selector(dtype_include="number")), (each, words))
    if name == "logistic":
        return make_pipeline(plain, LogisticRegressionCV(max_iter=2000, l1_ratios=(0,), use_legacy_attributes=False))
    if name == "forest":
        return make_pipeline(plain, RandomForestClassifier(300, random_state=0))
    if name == "boosting":
        return HistGradientBoostingClassifier(min_samples_leaf=2, categorical_features="from_dtype", random_state=0)
    if name == "lightgbm":
        return importlib.import_module(name).LGBMClassifier(min_child_samples=2, n_jobs=1, random_state=0, verbose=-1)
    model = importlib.import_module(name).CatBoostClassifier(
        cat_features=words, thread_count=1, random_seed=0, verbose=False, allow_writing_files=False
    )

    def written(x: pd.DataFrame) -> pd.DataFrame:
        """Categories as texts, a missing one as an empty text."""
        return x.assign(**{name: x[name].astype(object).fillna("").astype(str) for name in words})

    return make_pipeline(FunctionTransformer(written), model)


def table(lines: list[dict[str, Any]], files: list[str], labels: str) -> None:
    """Print a row a table, the mean accuracy, mean rank and wins of each method, and how often intervals held."""
    methods, accuracies = [*PEERS, "attar"], []
    print(f"\n{labels}\n\n| table | {' | '.join(methods)} |\n|{'---|' * (1 + len(methods))}")
    for file in files:
        of = [[line["accuracy"] for line in lines if (line["table"], line["method"]) == (file, m)] for m in methods]
        if all(of):
            accuracies.append([np.mean(values) for values in of])
            print(f"| {Path(file).stem} | {' | '.join(f'{100 * a:.1f}' for a in accuracies[-1])} |")
    found = np.array(accuracies)
    ranks, best = rankdata(-found.round(6), axis=1), found >= found.max(1, keepdims=True)
    print(f"| mean | {' | '.join(f'{100 * a:.2f}' for a in found.mean(0))} |")
    print(f"| mean rank | {' | '.join(f'{r:.2f}' for r in ranks.mean(0))} |")
    print(f"| best of {len(found)} | {' | '.join(str(n) for n in best.sum(0))} |")
    of_what = "balanced" if labels == LABELS[0] else "accuracy"
    promised = [(*line["interval"], line[of_what]) for line in lines if "interval" in line and line["table"] in files]
    held = sum(low <= accuracy <= high for low, high, accuracy in promised)
    over = sum(accuracy < low for low, _, accuracy in promised)
    print(f"\n90 % intervals held in {held} of {len(promised)}; {over} promised too much")


if __name__ == "__main__":
    main()
