"""From predictions to a curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Doubles
from attar.risk.curve import Curve
from attar.risk.task import Task


def losses(task: Task, train: Doubles, test: Doubles) -> Doubles:
    """Of predictions `(k, n, m)` and `(k, n_test, m)`: risks `(4, k)`.

    Squared error of training and of test samples, summed over the columns of a sample; then the share of them whose
    largest column is not their class, which means something for classes alone.
    """
    pairs = ((task.y, train), (task.y_test, test))
    squared = [[np.square(p - y).sum(1).mean() for p in predictions] for y, predictions in pairs]
    wrong = [[(p.argmax(1) != y.argmax(1)).mean() for p in predictions] for y, predictions in pairs]
    return np.array([*squared, *wrong])


def measured_curve(axis: npt.ArrayLike, risks: Doubles, over: str, classes: bool, **others: Any) -> Curve:
    """The curve of `losses` over draws `(draws, 4, k)`; of classes with that of the share of wrong answers."""
    train, test, wrong_train, wrong = np.moveaxis(risks, 0, 2)
    if classes:
        threshold = others.get("threshold")
        others["zero_one"] = curve_of_draws(axis, wrong_train, wrong, over, loss="zero-one loss", threshold=threshold)
    return curve_of_draws(axis, train, test, over, **others)


def curve_of_draws(axis: npt.ArrayLike, train: Doubles, test: Doubles, over: str, **others: Any) -> Curve:
    """The curve of mean risks over draws.

    Arguments:
        axis: `(k,)`.
        train: risks of the training samples `(k, draws)`.
        test: risks of the test samples `(k, draws)`.
        over: name of the axis.
        others: further arguments of `Curve`.
    """
    return Curve(
        np.asarray(axis, dtype=np.float64),
        train.mean(1),
        test.mean(1),
        over=over,
        draws=train.shape[1],
        train_interval=_interval(train),
        test_interval=_interval(test),
        **others,
    )


def _interval(draws: Doubles) -> Doubles | None:
    """What holds 90 % of the draws `(k, draws)` at each place `(k, 2)`; None where there is one draw."""
    return np.quantile(draws, [0.05, 0.95], axis=1).T if draws.shape[1] > 1 else None
