"""How odd samples are to others, and in which clusters they lie."""

from __future__ import annotations

import numpy as np

from attar import survey
from attar.data.arrays import from_arrays
from attar.run import Run
from attar.training.progress import Silent


def oddness(z, copied=()):
    """Arrays of the stage; the samples whose numbers are in `copied` are copies of sample 0."""
    first = np.arange(len(z))
    first[list(copied)] = 0
    unique, position = np.unique(first, return_inverse=True)
    return survey._oddness(z.astype(np.float32), unique, position, 0, Silent()).arrays


def test_of_few_samples_in_many_directions_p_values_are_those_of_new_ones() -> None:
    # Judged by what has seen them, each of 42 samples in 30 directions would look usual.
    p = oddness(np.random.default_rng(0).standard_normal((42, 30)))["p_value"]
    assert 0.4 < p.mean() < 0.6
    assert p.min() < 0.1


def test_copies_of_an_odd_sample_do_not_make_each_other_usual() -> None:
    z = np.random.default_rng(0).standard_normal((120, 3))
    z[[0, 7, 8, 9]] = 9.0
    found = oddness(z, copied=(7, 8, 9))
    assert set(np.argsort(found["normality"])[:4]) == {0, 7, 8, 9}
    np.testing.assert_allclose(found["p_value"][[0, 7, 8, 9]], 1 / 60, rtol=0.03)


def test_too_few_are_not_judged() -> None:
    found = oddness(np.eye(9))
    assert (found["p_value"] == 1).all()
    assert (found["normality"] == 0).all()


def test_samples_that_differ_by_rounding_alone_are_clustered_without_a_warning() -> None:
    rng = np.random.default_rng(0)
    for _ in range(4):
        z = rng.standard_normal((11, 5))[np.arange(66) % 11] * (1 + 1e-6 * rng.standard_normal((66, 5)))
        assert survey._clusters(z.astype(np.float32), 0).arrays["cluster"].max() >= 9


def test_samples_whose_squared_distances_are_zero_are_one_cluster() -> None:
    z = 1e-30 * np.random.default_rng(0).standard_normal((40, 3))
    assert not survey._clusters(z.astype(np.float32), 0).arrays["cluster"].any()


def test_directions_beyond_the_known_ones_are_counted_as_they_are(monkeypatch) -> None:
    monkeypatch.setattr(survey, "_ALL", 100)
    monkeypatch.setattr(survey, "_LARGEST", 20)
    v = np.random.default_rng(0).standard_normal((300, 200)) * np.linspace(1, 0.01, 200) + 3
    variances = np.linalg.eigvalsh(np.cov(v.T))
    effective = survey._components(v.astype(np.float32), 0).facts["effective"]
    assert abs(effective / (variances.sum() ** 2 / (variances**2).sum()) - 1) < 0.03


def test_of_what_is_set_aside_no_copy_is_learnt(tmp_path) -> None:
    x = np.random.default_rng(0).standard_normal((60, 64)).astype(np.float32)
    with Run(tmp_path / "run", {}, {}) as run:
        (latent,) = survey.survey(from_arrays(np.repeat(x, 10, axis=0)), 0, 0, run, Silent()).latents
    # Of numbers without a pattern, 16 components of 64 keep no more than their share of new samples.
    assert latent.error > 0.6
