from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits, load_wine
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import attar.adapt
from attar.adapt import LabelPropagation, SelfTrainedProbe, estimated_accuracy
from attar.adapt.intervals import binomial_interval
from attar.errors import DataError, LabelError

X, Y = load_wine(return_X_y=True)
MODEL = make_pipeline(StandardScaler(), LogisticRegression())


def test_every_public_name_is_there() -> None:
    assert all(hasattr(attar.adapt, name) for name in attar.adapt.__all__)


def test_it_is_that_of_plain_cross_validation_with_the_exact_interval() -> None:
    accuracy, interval = estimated_accuracy(MODEL, X, Y)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    plain = np.mean(cross_val_predict(MODEL, X, Y, cv=folds) == Y)
    assert accuracy == pytest.approx(plain, abs=0.02)
    assert interval == pytest.approx(binomial_interval(accuracy, len(Y)), abs=0.02)
    assert (accuracy, interval) == estimated_accuracy(MODEL, X, Y)


@pytest.mark.parametrize("names", [["a", "b", "c"], [7, 3, 5], [True, False, None]])
def test_names_of_classes_do_not_matter(names) -> None:
    known = (2 if None in names else 3) > Y
    labels = np.array([names[y] for y in Y[known]])
    if names[0] == "a":  # in the order of the numbers
        assert estimated_accuracy(MODEL, X[known], labels) == estimated_accuracy(MODEL, X[known], Y[known])
    frame = pd.DataFrame(X[known], columns=[f"c{i}" for i in range(13)])
    assert estimated_accuracy(MODEL, frame, list(labels)) == estimated_accuracy(MODEL, X[known], labels)


def test_samples_and_labels_may_be_tensors() -> None:
    few = slice(None, None, 10)
    held = estimated_accuracy(DummyClassifier(), torch.tensor(X[few]), torch.tensor(Y[few]))
    assert held == estimated_accuracy(DummyClassifier(), X[few], Y[few])


def test_copies_of_a_sample_are_held_out_together_where_groups_say_so() -> None:
    rng = np.random.default_rng(0)
    x, y = np.repeat(rng.normal(size=(40, 5)), 4, axis=0), np.repeat(rng.integers(0, 2, 40), 4)
    nearest = KNeighborsClassifier(1)
    alone, _ = estimated_accuracy(nearest, x, y)
    together, (low, high) = estimated_accuracy(nearest, x, y, groups=np.repeat(np.arange(40), 4))
    assert alone == 1.0
    assert low < 0.5 < high  # noise
    assert together < 0.7


def test_each_class_counts_the_same_where_asked() -> None:
    y = np.array([0] * 18 + [1] * 2)
    always = DummyClassifier(strategy="most_frequent")
    assert estimated_accuracy(always, np.zeros((20, 1)), y)[0] == pytest.approx(0.9)
    assert estimated_accuracy(always, np.zeros((20, 1)), y, balanced=True)[0] == pytest.approx(0.5)


class Asked(ClassifierMixin, BaseEstimator):
    """Remembers what it was given."""

    seen: ClassVar[list] = []

    def fit(self, X, y):
        self.seen.append((len(X), y.copy()))
        return self

    def predict(self, X):
        return np.zeros(len(X))


def test_what_is_held_out_is_unlabelled_beside_unlabelled_samples() -> None:
    y = np.array([0, 0, 1, 1, 1, -1, -1])
    Asked.seen.clear()
    estimated_accuracy(Asked(), np.zeros((7, 2)), y, folds=2, repeats=1)
    assert [n for n, _ in Asked.seen] == [7, 7]
    for _, given in Asked.seen:
        assert (given[5:] == -1).all()
        assert 0 < (given == -1).sum() - 2 < 5
        assert (given[given != -1] == y[given != -1]).all()


@pytest.mark.parametrize("head", [SelfTrainedProbe(), LabelPropagation()])
def test_nine_intervals_in_ten_hold_for_heads_that_learn_from_unlabelled_samples(head) -> None:
    digits, labels = (values[:600] for values in load_digits(return_X_y=True))
    held = 0
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(len(labels))
        known = np.where(np.isin(np.arange(len(labels)), order[:60]), labels, -1)
        _, (low, high) = estimated_accuracy(head, digits, known, repeats=1, random_state=seed)
        held += low <= head.fit(digits, known).score(digits[order[60:]], labels[order[60:]]) <= high
    assert held >= 7  # fewer are no chance: of ten that hold in nine of ten, 1 in 80


def test_an_answer_that_is_no_class_is_wrong() -> None:
    class Refuses(Asked):
        def predict(self, X):
            return np.full(len(X), -1)

    assert estimated_accuracy(Refuses(), X, Y)[0] == 0


def test_answers_in_a_column_are_answers() -> None:
    class Column(KNeighborsClassifier):
        def predict(self, X):
            return super().predict(X)[:, None]

    assert estimated_accuracy(Column(), X, Y) == estimated_accuracy(KNeighborsClassifier(), X, Y)


def test_samples_of_no_group_are_by_themselves() -> None:
    alone = estimated_accuracy(MODEL, X, Y, groups=np.arange(len(X)))
    assert estimated_accuracy(MODEL, X, Y, groups=[None] * len(X)) == alone
    assert estimated_accuracy(MODEL, X, Y, groups=np.full(len(X), np.nan)) == alone


def test_a_class_with_one_label_is_not_judged_and_nothing_is_known_where_all_are_so() -> None:
    assert estimated_accuracy(DummyClassifier(), np.zeros((2, 1)), [0, 1]) == (0.0, (0.0, 1.0))


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(LabelError, match="labels of fewer than two classes"):
        estimated_accuracy(MODEL, X, np.zeros(len(X), int))
    with pytest.raises(LabelError, match="178 samples but 3 labels"):
        estimated_accuracy(MODEL, X, [0, 1, 2])
    with pytest.raises(DataError, match=r"groups: 178 samples but groups of shape \(2,\)"):
        estimated_accuracy(MODEL, X, Y, groups=[0, 1])
    with pytest.raises(DataError, match="Ridge answers with numbers: give a classifier"):
        estimated_accuracy(Ridge(), X, Y)
    with pytest.raises(DataError, match="Pipeline takes -1 for a class, and learns nothing from unlabelled samples"):
        estimated_accuracy(MODEL, X, np.where(np.arange(len(Y)) % 2, Y, -1))
    with pytest.raises(DataError, match="folds is 1"):
        estimated_accuracy(MODEL, X, Y, folds=1)
