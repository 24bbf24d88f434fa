"""From predictions to a curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Doubles
from attar.risk._regression import interval_of
from attar.risk.curve import Curve
from attar.risk.task import Task


def losses(task: Task, train: Doubles, test: Doubles) -> Doubles:
    """Of predictions `(k, n, m)` and `(k, n_test, m)`: risks `(4, k)`.

    Squared error of training and of test samples, summed over the columns of a sample; then the share of them whose
    largest column is not their class, which means something for classes alone.
    """
    both = ((task.y, train), (task.y_test, test))
    squared = [[np.square(p - y).sum(1).mean() for p in predictions] for y, predictions in both]
    wrong = [[(p.argmax(1) != y.argmax(1)).mean() for p in predictions] for y, predictions in both]
    return np.array([*squared, *wrong])


def measured_curve(axis: npt.ArrayLike, risks: Doubles, over: str, classes: bool, **others: Any) -> Curve:
    """Means of `losses` over draws `(draws, 4, k)`, with 90 % intervals, and what else a curve has."""

    def curve(train: Doubles, test: Doubles, **more: Any) -> Curve:
        return Curve(
            np.asarray(axis, dtype=np.float64),
            train.mean(0),
            test.mean(0),
            over=over,
            draws=len(risks),
            train_interval=interval_of(train.T),
            test_interval=interval_of(test.T),
            **more,
        )

    train, test, wrong_train, wrong = np.moveaxis(risks, 1, 0)
    if classes:
        threshold = others.get("threshold")
        others["zero_one"] = curve(wrong_train, wrong, loss="zero-one loss", threshold=threshold)
    return curve(train, test, **others)
