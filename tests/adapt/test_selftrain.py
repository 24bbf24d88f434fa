from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from attar.adapt.axes import principal_axes
from attar.adapt.probe import LinearProbe
from attar.adapt.selftrain import _PENALTIES, Pool, SelfTrainedProbe, _ridge
from attar.errors import DataError, LabelError


def some(n=200, d=12, k=3, known=4, seed=0):
    z, y = make_blobs(n, d, centers=k, cluster_std=3.0, random_state=seed)
    hidden = np.full(n, -1)
    for c in range(k):
        hidden[np.flatnonzero(y == c)[:known]] = c
    return z, y, hidden


def test_points_of_a_pool_have_a_diagonal_covariance_and_the_widest_axes_first():
    z, _, _ = some()
    points = Pool.learn(z).points
    gram = points.T @ points
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-4 * gram.max()
    assert (np.diff(np.diag(gram)) <= 1e-6).all()


def test_recordings_turn_a_pool_and_keep_its_covariance_diagonal():
    z, _, _ = some()
    together = np.arange(200) // 4
    pool = Pool.learn(z, together=together)
    gram = pool.points.T @ pool.points
    assert np.abs(gram - np.diag(np.diag(gram))).max() < 1e-4 * gram.max()
    np.testing.assert_allclose((z - pool.mean) @ pool.axes, pool.points, atol=1e-3)
    np.testing.assert_array_equal(Pool.learn(z, together=np.arange(200)).points, Pool.learn(z).points)


def test_what_differs_within_recordings_counts_less():
    rng = np.random.default_rng(0)
    together = np.arange(600) // 10
    y = together % 3
    # Recordings of a class are alike; within each, wide directions say nothing.
    z = np.concatenate([2 * np.eye(3)[y] + 0.5 * rng.standard_normal((600, 3)), 3 * rng.standard_normal((600, 30))], 1)
    known = np.full(600, -1)
    known[[0, 10, 20, 30, 40, 50]] = y[[0, 10, 20, 30, 40, 50]]
    without, with_them = (
        (SelfTrainedProbe().fit_pool(Pool.learn(z, together=t), known).predict(z) == y).mean() for t in (None, together)
    )
    assert with_them > without + 0.1


@pytest.mark.parametrize(("n", "d"), [(40, 7), (7, 40), (30, 30)])
def test_principal_axes_are_those_of_the_singular_value_decomposition(n, d):
    z = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    z -= z.mean(0)
    axes = principal_axes(z, 4)
    right = np.linalg.svd(z.astype(np.float64), full_matrices=False)[2][:4]
    np.testing.assert_allclose(np.abs(np.sum(axes.T * right, axis=1)), 1, atol=1e-4)


@pytest.mark.parametrize(("n", "d", "varying"), [(50, 100, 100), (50, 3000, 3000), (50, 100, 2), (30, 30, 5)])
def test_rounding_is_no_principal_axis(n, d, varying):
    z = np.random.default_rng(0).standard_normal((n, d)) * np.logspace(0, -2, d)
    z[:, varying:] = 3.0
    pool = Pool.learn(z)
    assert pool.axes.shape[1] == min(n - 1, varying)
    np.testing.assert_allclose(pool.axes.T @ pool.axes, np.eye(pool.axes.shape[1]), atol=1e-5)
    assert pool.points.var(0).sum() == pytest.approx(z.var(0).sum(), rel=1e-5)


def test_leave_one_out_scores_are_those_of_refitting_without_the_sample():
    z, y, _ = some(n=30, d=5)
    points = Pool.learn(z).points
    w, offset, _, held_out = _ridge(points, y, 3)
    targets = np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    # The penalty is read off the solution: (ZᵀZ + λ) w = Zᵀ t.
    gram = points.T @ points
    aligned = points.T @ (targets - offset)
    penalty = float(np.mean((aligned[:, 0] - gram @ w[:, 0]) / w[:, 0]))
    ones = np.c_[np.ones(30), points]
    shrink = np.diag([0.0] + [penalty] * points.shape[1])
    for i in (0, 11, 29):
        rest = np.delete(np.arange(30), i)
        solved = np.linalg.solve(ones[rest].T @ ones[rest] + shrink, ones[rest].T @ targets[rest])
        np.testing.assert_allclose(held_out[i], ones[i] @ solved, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("std", [1.5, 10.0, 60.0])
def test_the_penalty_is_the_one_with_the_least_error_of_refits_without_each_sample(std):
    z, y = make_blobs(40, 5, centers=3, cluster_std=std, random_state=0)
    points = Pool.learn(z).points
    targets = np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    ones, everything = np.c_[np.ones(40), points], np.arange(40)
    errors, weights = [], []
    for penalty in _PENALTIES:
        # In units of the mean squared length of a sample; the constant is free.
        shrink = penalty * np.square(points).sum(1).mean() * np.diag([0.0, *np.ones(points.shape[1])])

        def refitted(which, shrink=shrink):
            return np.linalg.solve(ones[which].T @ ones[which] + shrink, ones[which].T @ targets[which])

        held_out = [ones[i] @ refitted(np.delete(everything, i)) for i in everything]
        errors.append(np.square(targets - held_out).mean())
        weights.append(refitted(everything)[1:])
    best = int(np.argmin(errors))
    w, _, _, held_out = _ridge(points, y, 3)
    np.testing.assert_allclose(w, weights[best], rtol=1e-4)
    assert np.square(targets - held_out).mean() == pytest.approx(errors[best])


def test_unlabelled_samples_help_where_they_show_the_directions():
    better = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        y = rng.integers(2, size=400)
        z = rng.standard_normal((400, 60)) + np.outer(2 * y - 1, np.r_[[2.5], np.zeros(59)])
        hidden = np.full(400, -1)
        for c in (0, 1):
            hidden[np.flatnonzero(y == c)[:4]] = c
        known = hidden >= 0
        alone = LinearProbe("squared").fit(z[known], y[known]).score(z, y)
        better += SelfTrainedProbe().fit(z, hidden).score(z, y) > alone
    assert better >= 4


def test_it_is_a_linear_map_whatever_the_offset_and_the_module_agrees():
    z, _, hidden = some()
    probe = SelfTrainedProbe().fit(z, hidden)
    far = SelfTrainedProbe().fit(z + 100, hidden)
    assert (probe.predict(z) == far.predict(z + 100)).mean() > 0.99
    logits = probe.to_module()(torch.tensor(z, dtype=torch.float32))
    np.testing.assert_allclose(logits.softmax(1).numpy(force=True), probe.predict_proba(z), atol=1e-4)


def test_known_labels_are_kept_and_their_names_too():
    z, y, hidden = some(known=10)
    probe = SelfTrainedProbe().fit(z, np.where(hidden >= 0, hidden + 5, -1))
    assert probe.classes_.tolist() == [5, 6, 7]
    assert probe.score(z, y + 5) > 0.8


def test_fewer_than_two_classes_are_refused():
    with pytest.raises(LabelError, match="at least two"):
        SelfTrainedProbe().fit(np.eye(4), [0, 0, -1, -1])


@pytest.mark.parametrize("z", [np.zeros((20, 3)), np.ones((20, 1)) * 1e6])
def test_samples_that_are_all_the_same_give_finite_probabilities(z):
    hidden = np.array([0, 1] + [-1] * 18)
    assert np.isfinite(SelfTrainedProbe().fit(z, hidden).predict_proba(z)).all()


@pytest.mark.parametrize("rounds", [0, 1.5])
def test_a_number_of_rounds_that_cannot_be_is_refused(rounds):
    with pytest.raises(DataError, match=f"SelfTrainedProbe needs rounds .* got rounds={rounds}"):
        SelfTrainedProbe(rounds=rounds).fit(np.eye(4), [0, 1, -1, -1])
