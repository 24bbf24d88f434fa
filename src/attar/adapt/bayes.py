"""Naive Bayes on counts, which learns from samples without a label too."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import softmax
from sklearn.utils.validation import check_is_fitted, validate_data

from attar._fitted import unchanged_on_failure
from attar._settings import check_counts
from attar.adapt.labels import known_classes
from attar.adapt.probe import LinearProbe
from attar.data.dataset import UNLABELLED, Doubles
from attar.data.held import plain
from attar.errors import DataError

# What a sample without a label counts beside one with, and how often each term is taken to have been seen beforehand.
_SHARE, _BEFORE = 0.3, 0.1


class NaiveBayes(LinearProbe):
    """Multinomial naive Bayes, its distributions estimated from labelled samples and from its own answers on others.

        p(c | x) ∝ π_c Π_t θ_ct^x_t,   θ_ct ∝ 0.1 + Σ_i r_ic x_it,   π_c ∝ Σ_i r_ic

    r_i is 1 for the class of a labelled sample; of others it is 0.3 p(c | x_i), by some rounds of expectation
    maximisation. Without unlabelled samples it is `sklearn.naive_bayes.MultinomialNB(alpha=0.1)`. A term that no
    labelled sample has gets its meaning from those beside it in the others: on texts with few labels this says more
    than any weight that labels alone decide on; but many terms that repeat each other make it far too sure of itself.

    References:
        Nigam, McCallum, Thrun, Mitchell, Text Classification from Labeled and Unlabeled Documents using EM, 2000,
        https://doi.org/10.1023/A:1007692713085 (section 5.3.1 on the weight of unlabelled ones)

    Arguments:
        rounds: of answering and fitting.
        random_state: nothing is drawn, whatever it is.

    Attributes:
        classes_, coef_, intercept_: as of `LinearProbe`: log θ and log π.

    Example:
        >>> counts = [[2, 0, 0, 0], [0, 0, 0, 2], [1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 0]]
        >>> NaiveBayes().fit(counts, [0, 1, -1, -1, -1]).predict(counts)
        array([0, 1, 0, 1, 0])
    """

    def __init__(self, rounds: int = 4, random_state: int | None = 0) -> None:
        self.rounds = rounds
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.positive_only = True
        return tags

    def fit(self, X: Any, y: npt.ArrayLike, answers: Doubles | None = None) -> Self:
        """Learn.

        Arguments:
            X: counts, or weights of terms, `(n, terms)`, none negative, of labelled and unlabelled samples; dense or
                sparse.
            y: integer labels `(n,)`, -1 where unlabelled.
            answers: what another classifier says of all samples to begin with, probabilities `(n, n_classes)`; None:
                the labels alone are learnt from at first.

        Raises:
            LabelError: labels are no whole numbers, or those known are of fewer than two classes.
            DataError: a count is negative, `rounds` is below 1, or the answers have another shape.
        """
        check_counts(self, "rounds")
        with unchanged_on_failure(self):
            self._fit_counts(X, y, answers)
        return self

    def _fit_counts(self, X: Any, y: npt.ArrayLike, answers: Doubles | None) -> None:
        x, labels = validate_data(
            self, X if sparse.issparse(X) else plain(X), plain(y), accept_sparse="csr", dtype=np.float64
        )
        if (x.data if sparse.issparse(x) else x).min(initial=0.0) < 0:
            raise DataError("Negative values in data passed to X of NaiveBayes; give counts, or weights from 0")
        self.classes_ = known_classes(labels)
        known = np.flatnonzero(labels != UNLABELLED)
        ones = np.eye(len(self.classes_))[np.searchsorted(self.classes_, labels[known])]
        r = np.zeros((len(labels), len(self.classes_)))
        if answers is not None:
            if answers.shape != r.shape:
                raise DataError(f"answers are {answers.shape}; give probabilities {r.shape}, a row for each sample")
            r = _SHARE * np.asarray(answers, dtype=np.float64)
        for left in range(self.rounds, -1, -1):
            r[known] = ones
            counts = _BEFORE + np.asarray(x.T @ r).T
            self.coef_ = np.log(counts) - np.log(counts.sum(axis=1, keepdims=True))
            self.intercept_ = np.log(r.sum(axis=0) / r.sum())
            if left:
                r = _SHARE * softmax(x @ self.coef_.T + self.intercept_, axis=1)

    def _scores(self, X: Any) -> Doubles:
        check_is_fitted(self)
        x = validate_data(
            self, X if sparse.issparse(X) else plain(X), accept_sparse="csr", dtype=np.float64, reset=False
        )
        scores: Doubles = np.asarray(x @ self.coef_.T) + self.intercept_
        return scores
