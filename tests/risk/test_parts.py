"""The parts of each loss against their definitions, written out sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.risk._parts import cross_entropy, squared, zero_one

Array = np.ndarray[Any, np.dtype[np.float64]]
seeds = st.integers(0, 2**32 - 1)


def probabilities(rng: np.random.Generator, *shape: int) -> Array:
    return rng.dirichlet(np.ones(shape[-1]), shape[:-1])


@settings(deadline=None, max_examples=30)
@given(seed=seeds, d=st.integers(2, 6), m=st.integers(1, 3), r=st.integers(1, 3))
def test_squared_error_splits_as_defined(seed: int, d: int, m: int, r: int) -> None:
    rng = np.random.default_rng(seed)
    answers, targets, truth = (rng.standard_normal(s) for s in ((d, 5, m), (5, r, m), (5, m)))
    unknown = squared(answers, targets, None, None)(np.full(d, 1 / d), d / (d - 1))
    known = squared(answers, targets, truth, None)(np.full(d, 1 / d), d / (d - 1))
    for i in range(5):
        spread = sum(answers[:, i, c].var(ddof=1) for c in range(m))
        gap = np.square(answers[:, i].mean(0) - truth[i]).sum()
        assert unknown["variance"][i] == pytest.approx(spread)
        assert known["bias2"][i] == pytest.approx(gap - spread / d)
        assert known["noise"][i] == pytest.approx(np.mean([np.square(y - truth[i]).sum() for y in targets[i]]))
        loss = np.mean([np.square(a - y).sum() for a in answers[:, i] for y in targets[i]])
        assert unknown["risk"][i] == pytest.approx(loss)
        assert unknown["bias2"][i] + unknown["variance"][i] + unknown.get("noise", np.zeros(5))[i] == pytest.approx(
            loss
        )
        if r > 1:
            assert unknown["noise"][i] == pytest.approx(targets[i].var(0, ddof=1).sum())


@settings(deadline=None, max_examples=30)
@given(seed=seeds, d=st.integers(2, 6), m=st.integers(2, 4))
def test_cross_entropy_splits_as_defined(seed: int, d: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    answers, truth = probabilities(rng, d, 5, m) * (1 - 1e-3 * m) + 1e-3, probabilities(rng, 5, m)
    targets = np.eye(m)[rng.integers(m, size=(5, 1))]
    shares = probabilities(rng, d)
    parts = cross_entropy(answers, targets, truth, None)(shares, 1.0)
    without = cross_entropy(answers, targets, None, None)(shares, 1.0)
    for i in range(5):
        mean = np.exp(shares @ np.log(answers[:, i]))
        mean /= mean.sum()
        assert parts["bias2"][i] == pytest.approx((truth[i] * np.log(truth[i] / mean)).sum())
        kl = [(mean * np.log(mean / a)).sum() for a in answers[:, i]]
        assert parts["variance"][i] == pytest.approx(shares @ kl)
        assert parts["noise"][i] == pytest.approx(-(truth[i] * np.log(truth[i])).sum())
        label = targets[i, 0].argmax()
        assert parts["risk"][i] == pytest.approx(shares @ -np.log(answers[:, i, label]))
        assert without["bias2"][i] == pytest.approx(-np.log(mean[label]))
        assert without["bias2"][i] + without["variance"][i] == pytest.approx(without["risk"][i])


def test_a_certain_and_wrong_answer_is_no_infinite_loss() -> None:
    answers = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    parts = cross_entropy(answers, np.array([[[0.0, 1.0]]]), None, None)(np.full(2, 0.5), 2.0)
    assert parts["risk"][0] == pytest.approx(-np.log(1e-6) / 2, rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(seed=seeds, d=st.integers(2, 7), m=st.integers(2, 4))
def test_zero_one_loss_splits_as_domingos_defines(seed: int, d: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    labels, truth = rng.integers(m, size=(d, 6)), probabilities(rng, 6, m)
    answers = np.eye(m)[labels]
    targets = np.eye(m)[rng.integers(m, size=(6, 1))]
    parts = zero_one(answers, targets, truth, None)(np.full(d, 1 / d), 1.0)
    for i in range(6):
        best = truth[i].argmax()
        votes = np.bincount(labels[:, i], minlength=m) / d
        main = votes.argmax()
        assert parts["bias2"][i] == (main != best)
        varied = np.mean(labels[:, i] != main)
        assert parts["unbiased_variance"][i] == pytest.approx(varied if main == best else 0)
        expected = np.mean([1 - truth[i, label] for label in labels[:, i]])
        assert parts["bias2"][i] + parts["variance"][i] + parts["noise"][i] == pytest.approx(expected)
        if m == 2:
            # Theorem 2: c₁ N + B + c₂ V.
            c1, c2 = 2 * np.mean(labels[:, i] == best) - 1, 1 if main == best else -1
            assert parts["noise"][i] == pytest.approx(c1 * (1 - truth[i, best]))
            assert parts["variance"][i] == pytest.approx(c2 * varied)
    without = zero_one(answers, targets, None, None)(np.full(d, 1 / d), 1.0)
    np.testing.assert_allclose(without["bias2"] + without["variance"], without["risk"], atol=1e-12)
    np.testing.assert_allclose(without["risk"], (labels != targets[:, 0].argmax(1)).mean(0))
