"""Ensembles of trees on the columns of a table."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from attar.adapt.validate import Indices
from attar.data.dataset import Doubles
from attar.deploy.onnx import export_sklearn
from attar.represent import Raw
from attar.run import Result
from attar.trials.base import Fitted, Job, apply, finished


def trees(job: Job, folder: Path) -> Result:
    """A random forest and gradient boosting, the strongest of what knows tables and needs no unlabelled sample."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    start = time.perf_counter()
    # The default leaf of twenty samples is made for large tables: with fewer than forty labels it learns nothing.
    leaf = int(np.clip(len(job.labelled) // 20, 2, 20))
    fitted = [
        _fitted(job, "random forest", RandomForestClassifier(200, random_state=job.seed)),
        _fitted(job, "gradient boosting", HistGradientBoostingClassifier(min_samples_leaf=leaf, random_state=job.seed)),
    ]
    z = apply(Raw(kind=job.kind).fit(job.x).module_, job.x[job.shown])
    return finished(job, fitted, folder, z, "raw", start, baseline=True)


def _fitted(job: Job, name: str, ensemble: Any) -> Fitted:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    x, codes = job.x[job.labelled], job.codes

    def fit(part: Indices) -> Any:
        # A column that is empty in this part keeps its place.
        imputer, trees = SimpleImputer(keep_empty_features=True), clone(ensemble)
        # Of more than 10,000 samples it sets some aside to know when to stop, which needs two of each class.
        if isinstance(trees, HistGradientBoostingClassifier) and (np.bincount(codes[part]) == 1).any():
            trees.set_params(early_stopping=False)
        with np.errstate(over="ignore"):  # the mean of what no float32 can sum: it fills with 0
            return Pipeline([("impute", imputer), ("trees", trees)]).fit(x[part], codes[part])

    def answer(parts: list[Indices]) -> list[Doubles]:
        return [fit(part).predict_proba(x) for part in parts]

    final = fit(np.arange(len(x)))

    def write(path: Path) -> None:
        export_sklearn(final, job.x.shape[1], path, job.meta)

    return Fitted(name, answer, final.predict_proba(job.x), write, network=True)
