"""Ensembles of trees on the columns of a table."""

from __future__ import annotations

import time
from collections.abc import Callable
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
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    start = time.perf_counter()
    x, codes = job.x[job.labelled], job.codes
    # The default leaf of twenty samples is made for large tables: with fewer than forty labels it learns nothing.
    leaf = int(np.clip(len(x) // 20, 2, 20))
    fitted = []
    for name, forest in (
        ("random forest", RandomForestClassifier(200, random_state=job.seed)),
        ("gradient boosting", HistGradientBoostingClassifier(min_samples_leaf=leaf, random_state=job.seed)),
    ):

        def fit(part: Indices, forest: Any = forest) -> Any:
            # A column that is empty in this part keeps its place.
            imputer, ensemble = SimpleImputer(keep_empty_features=True), clone(forest)
            # Of more than 10,000 samples it sets some aside to know when to stop, which needs two of each class.
            if isinstance(ensemble, HistGradientBoostingClassifier) and (np.bincount(codes[part]) == 1).any():
                ensemble.set_params(early_stopping=False)
            with np.errstate(over="ignore"):  # the mean of what no float32 can sum: it fills with 0
                return Pipeline([("impute", imputer), ("trees", ensemble)]).fit(x[part], codes[part])

        def answer(parts: list[Indices], fit: Callable[[Indices], Any] = fit) -> list[Doubles]:
            return [fit(part).predict_proba(x) for part in parts]

        final = fit(np.arange(len(x)))

        def write(path: Path, final: Any = final) -> None:
            export_sklearn(final, job.x.shape[1], path, job.meta)

        fitted.append(Fitted(name, answer, final.predict_proba(job.x), write, network=True))
    z = apply(Raw(kind=job.kind).fit(job.x).module_, job.x[job.shown])
    return finished(job, fitted, folder, z, "raw", start, baseline=True)
