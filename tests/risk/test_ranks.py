"""Effective ranks against their definition, and against how much interpolation really harms."""

from __future__ import annotations

import numpy as np
import pytest

from attar.errors import DataError
from attar.risk import effective_ranks


def test_they_are_those_of_the_definition() -> None:
    values = np.concatenate([[9.0, 5.0, 1.0], np.geomspace(0.2, 0.01, 300)])
    found = effective_ranks(eigenvalues=np.random.default_rng(0).permutation(values), n=40)
    ranks = [values[k:].sum() / values[k] for k in range(len(values))]
    k = next(k for k, rank in enumerate(ranks) if rank >= 40)
    assert found.k == k
    assert found.small == pytest.approx(ranks[k])
    assert found.large == pytest.approx(values[k:].sum() ** 2 / (values[k:] ** 2).sum())
    assert found.large >= found.small  # lemma 5 of the paper


def test_equal_directions_have_a_rank_of_their_number() -> None:
    found = effective_ranks(eigenvalues=np.full(500, 3.0), n=50)
    assert (found.k, found.small, found.large) == (0, 500.0, 500.0)
    assert found.harm == pytest.approx(0.1)


def test_noise_that_is_fitted_comes_back_in_proportion() -> None:
    """σ² tr(X⁺ᵀ Σ X⁺) of drawn samples lies within a constant of k*/n + n/R_k*, and keeps its order."""
    rng = np.random.default_rng(1)
    n, measured, expected = 60, [], []
    for values in (np.full(100, 1.0), np.full(4000, 1.0), np.concatenate([np.full(5, 50.0), np.full(3000, 0.01)])):
        x = rng.standard_normal((n, len(values))) * np.sqrt(values)
        measured.append(float((np.linalg.pinv(x) ** 2 * values[:, None]).sum()))
        expected.append(effective_ranks(eigenvalues=values, n=n).harm)
    assert np.argsort(measured).tolist() == np.argsort(expected).tolist()
    assert all(e / 4 < m < 4 * e for m, e in zip(measured, expected))


def test_scale_and_shift_of_samples_change_nothing() -> None:
    x = np.random.default_rng(2).standard_normal((80, 400))
    one, other = effective_ranks(x, n=20), effective_ranks(7 * x + 100, n=20)
    assert one.k == other.k == 0
    assert one.large == pytest.approx(other.large)
    for unit in (1e-200, 1e200):
        assert effective_ranks(eigenvalues=unit * np.ones(100), n=50).large == pytest.approx(100)


def test_verdicts() -> None:
    assert "not benign" in effective_ranks(eigenvalues=np.ones(100), n=50).verdict()
    assert "is benign" in effective_ranks(eigenvalues=np.ones(10_000), n=50).verdict()
    assert effective_ranks(eigenvalues=np.ones(10), n=50).k is None
    assert effective_ranks(eigenvalues=np.ones(10), n=50).harm == 1
    assert "No tail" in effective_ranks(np.zeros((4, 3))).verdict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either"),
        ({"X": np.ones((2, 2)), "eigenvalues": [1.0]}, "either"),
        ({"eigenvalues": [1.0]}, "say n"),
        ({"eigenvalues": [-1.0], "n": 1}, "zero or more"),
        ({"X": np.ones(3)}, "X has shape"),
        ({"X": [[np.nan]]}, "X has a missing"),
        ({"X": np.ones((2, 2)), "n": 0}, "n is 0"),
        ({"X": np.ones((2, 2)), "n": np.nan}, "n is nan"),
    ],
)
def test_bad_input_is_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        effective_ranks(**arguments)  # type: ignore[arg-type]
