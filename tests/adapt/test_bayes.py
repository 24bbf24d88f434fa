from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.naive_bayes import MultinomialNB

from attar.adapt import NaiveBayes
from attar.errors import DataError, LabelError


def some(n=120, terms=15, k=3, known=4, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(k, size=n)
    theta = rng.dirichlet(np.full(terms, 0.4), size=k)
    x = np.stack([rng.multinomial(rng.integers(1, 12), theta[c]) for c in y]).astype(float)
    hidden = np.full(n, -1)
    for c in range(k):
        hidden[np.flatnonzero(y == c)[:known]] = c
    return x, y, hidden


def by_hand(x, hidden, rounds, answers=None):
    """Expectation maximisation, the fits being scikit-learn's on a copy of each sample for each class."""
    k = hidden.max() + 1
    r = np.zeros((len(x), k)) if answers is None else 0.3 * answers
    for i in range(rounds + 1):
        for sample, c in enumerate(hidden):
            if c >= 0:
                r[sample] = np.arange(k) == c
        weight = r.T.ravel()
        used = weight > 0
        model = MultinomialNB(alpha=0.1).fit(
            np.tile(x, (k, 1))[used], np.repeat(np.arange(k), len(x))[used], sample_weight=weight[used]
        )
        if i < rounds:
            r = 0.3 * model.predict_proba(x)
    return model


@pytest.mark.parametrize("rounds", [1, 3])
@pytest.mark.parametrize("begun", [False, True])
def test_it_is_expectation_maximisation_around_the_naive_bayes_of_scikit_learn(rounds, begun):
    x, _, hidden = some()
    answers = np.random.default_rng(1).dirichlet(np.ones(3), size=len(x)) if begun else None
    found = NaiveBayes(rounds).fit(x, hidden, answers)
    expected = by_hand(x, hidden, rounds, answers)
    np.testing.assert_allclose(found.coef_, expected.feature_log_prob_, atol=1e-9)
    np.testing.assert_allclose(found.intercept_, expected.class_log_prior_, atol=1e-9)
    np.testing.assert_allclose(found.predict_proba(x), expected.predict_proba(x), atol=1e-9)


def test_without_unlabelled_samples_it_is_that_of_scikit_learn():
    x, y, _ = some()
    np.testing.assert_allclose(
        NaiveBayes().fit(x, y).predict_proba(x), MultinomialNB(alpha=0.1).fit(x, y).predict_proba(x), atol=1e-9
    )


def test_samples_without_a_label_say_what_terms_mean():
    # Only the second and third term tell the classes apart in new samples, and no labelled sample has them.
    x = np.array([[1, 0, 0, 0], [0, 0, 0, 1], *[[1, 1, 0, 0], [0, 0, 1, 1]] * 5], dtype=float)
    y = np.array([0, 1, *[-1] * 10])
    new = np.array([[0, 1, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_array_equal(NaiveBayes().fit(x, y).predict(new), [0, 1])
    assert np.ptp(MultinomialNB().fit(x[:2], y[:2]).predict_proba(new)) < 1e-9


def test_sparse_counts_and_other_orders_and_names_of_classes_change_nothing():
    x, _, hidden = some()
    expected = NaiveBayes().fit(x, hidden)
    thin = NaiveBayes().fit(sparse.csr_matrix(x), hidden)
    np.testing.assert_allclose(thin.coef_, expected.coef_, atol=1e-12)
    np.testing.assert_allclose(thin.predict_proba(sparse.csr_matrix(x)), expected.predict_proba(x), atol=1e-12)
    order = np.random.default_rng(1).permutation(len(x))
    np.testing.assert_allclose(NaiveBayes().fit(x[order], hidden[order]).coef_, expected.coef_, atol=1e-9)
    named = NaiveBayes().fit(x, np.where(hidden < 0, -1, 7 + 2 * hidden))
    np.testing.assert_array_equal(named.classes_, [7, 9, 11])
    np.testing.assert_array_equal(named.coef_, expected.coef_)


def test_its_module_says_the_same():
    x, _, hidden = some()
    head = NaiveBayes().fit(x, hidden)
    with torch.no_grad():
        said = torch.softmax(head.to_module()(torch.tensor(x, dtype=torch.float32)), dim=1)
    np.testing.assert_allclose(said.numpy(), head.predict_proba(x), atol=1e-5)


def test_samples_without_any_term_have_the_classes_as_frequent_as_they_are():
    x, _, hidden = some()
    head = NaiveBayes().fit(np.concatenate([x, np.zeros((9, x.shape[1]))]), np.append(hidden, [-1] * 9))
    np.testing.assert_allclose(head.predict_proba(np.zeros((1, x.shape[1])))[0], np.exp(head.intercept_), atol=1e-9)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"X": -np.ones((6, 3))}, DataError, "Negative values"),
        ({"X": sparse.csr_matrix(-np.ones((6, 3)))}, DataError, "Negative values"),
        ({"answers": np.ones((6, 3))}, DataError, r"answers are \(6, 3\); give probabilities \(6, 2\)"),
        ({"y": [-1] * 6}, LabelError, "fewer than two classes"),
        ({"y": [0.5] * 6}, LabelError, "y"),
        ({"X": np.full((6, 3), np.nan)}, ValueError, "NaN"),
    ],
)
def test_what_it_cannot_learn_from_is_named(change, error, says):
    given = {"X": np.ones((6, 3)), "y": [0, 1, -1, -1, 0, 1]} | change
    with pytest.raises(error, match=says):
        NaiveBayes().fit(**given)


def test_rounds_are_at_least_one():
    with pytest.raises(DataError, match="NaiveBayes needs rounds"):
        NaiveBayes(rounds=0).fit(np.ones((2, 2)), [0, 1])
