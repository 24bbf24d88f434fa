"""How often a classifier is right, from a handful of labels, and how sure that is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_regressor
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from attar._settings import check_count
from attar.adapt.intervals import Interval, estimate
from attar.adapt.validate import Indices, correctness, cross_validate
from attar.data.dataset import UNLABELLED, Doubles, Ints
from attar.data.groups import numbered
from attar.data.held import plain
from attar.data.labels import encode_labels
from attar.errors import DataError, LabelError


def estimated_accuracy(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    groups: npt.ArrayLike | None = None,
    balanced: bool = False,
    folds: int = 5,
    repeats: int = 3,
    random_state: int = 0,
) -> tuple[float, Interval]:
    """The accuracy of a classifier on new samples and its 90 % interval, cross-validated as `attar fit` does.

    The interval is the exact binomial one (Clopper and Pearson), for as many samples as tell as much where some belong
    together. It holds for one classifier: the best of several looks better than it is.

    Arguments:
        estimator: of scikit-learn's API; clones of it are fitted, to class codes from 0.
        X: samples, as it takes them.
        y: labels `(n,)`, -1, None, NaN or "" where unlabelled. Where some are, the estimator is one that learns from
            unlabelled samples too, as `SelfTrainedProbe` does: it is given all samples, and -1 for what is held out.
        groups: of each sample `(n,)`, such as a patient, None where it is by itself: samples of one are held out
            together, and what is estimated is the accuracy on new ones.
        balanced: whether each class counts the same, or each sample.
        folds: stratified; with up to ten groups, as many as the class that is labelled in most of them has.
        repeats: of cross-validation, each with other folds.
        random_state: seed of the folds.

    Returns:
        Accuracy, and low and high end of the interval: 0, and 0 to 1, where no class has two labels.

    Raises:
        LabelError: there are labels of fewer than two classes, or not one for each sample.
        DataError: there is not a group for each sample, a setting is out of its range, or the estimator is a regressor,
            or takes -1 for a class.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.neighbors import KNeighborsClassifier
        >>> X, y = load_wine(return_X_y=True)
        >>> accuracy, (low, high) = estimated_accuracy(KNeighborsClassifier(), X[::6], y[::6])
        >>> low < accuracy < high
        True
    """
    check_count("folds", folds, 2)
    check_count("repeats", repeats)
    y = plain(y)
    encoded, classes = encode_labels(np.asarray(y) if hasattr(y, "__array__") else y)
    n = _num_samples(X)
    if len(encoded) != n:
        raise LabelError(f"{n:,} samples but {len(encoded):,} labels; give one for each, -1 where unlabelled")
    if len(classes) < 2:
        raise LabelError("y has labels of fewer than two classes; label samples of at least two")
    if is_regressor(estimator):
        raise DataError(f"{type(estimator).__name__} answers with numbers: give a classifier")
    known = np.flatnonzero(encoded != UNLABELLED)
    together = None if groups is None else numbered(plain(groups), n, "groups")[0][known]
    codes, some = encoded[known], _safe_indexing(X, known)

    def answer(parts: list[Indices]) -> list[Doubles]:
        said = [_answered(estimator, X, encoded, known[part], some) for part in parts]
        # What is none of the classes is wrong.
        wrong = (codes + 1) % len(classes)
        return [np.eye(len(classes))[np.where(np.isin(one, codes), one, wrong).astype(int)] for one in said]

    held_out = cross_validate(answer, codes, folds=folds, repeats=repeats, seed=random_state, together=together)
    return estimate(correctness(held_out, codes), together, classes=codes if balanced else None)


def _answered(estimator: Any, X: Any, y: Ints, part: Indices, asked: Any) -> npt.NDArray[Any]:
    """The class that each sample asked about is given, after learning from part of the labels."""
    learnt = clone(estimator)
    if (y == UNLABELLED).any():
        learnt.fit(X, np.where(np.isin(np.arange(len(y)), part), y, UNLABELLED))
        if UNLABELLED in getattr(learnt, "classes_", ()):
            raise DataError(
                f"{type(learnt).__name__} takes -1 for a class, and learns nothing from unlabelled samples: give those "
                "with a label alone"
            )
    else:
        learnt.fit(_safe_indexing(X, part), y[part])
    # Some, as of CatBoost, answer with a column.
    answers: npt.NDArray[Any] = np.asarray(learnt.predict(asked)).ravel()
    return answers
