from __future__ import annotations

import numpy as np
import pytest

from attar.adapt.axes import among_groups, among_neighbours, local_axes
from attar.adapt.propagate import Frame, neighbour_graph


def samples(n=40, d=6, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def test_local_axes_equal_a_naive_loop() -> None:
    x = samples(60, 5).astype(np.float64) * [5, 1, 1, 1, 0.1]
    x -= x.mean(0)
    graph = neighbour_graph(Frame.learn(x).place(x), 4).weights
    within, pairs, total = np.zeros((5, 5)), 0, np.zeros((5, 5))
    for i in range(60):
        total += np.outer(x[i], x[i]) / 60
        for j in range(60):
            if graph[i, j] > 0:
                within += np.outer(x[i] - x[j], x[i] - x[j]) / 2
                pairs += 1
    within /= pairs
    within += 0.1 * np.trace(within) / 5 * np.eye(5)
    values, vectors = np.linalg.eig(np.linalg.solve(within, total))
    order = np.argsort(-values.real)[:3]
    found = local_axes(x, among_neighbours(x, graph), 3)
    assert found is not None
    for mine, other in zip(found.T, vectors.real[:, order].T):
        assert abs(mine @ other) == pytest.approx(np.linalg.norm(mine) * np.linalg.norm(other), rel=1e-9)
    np.testing.assert_allclose(found.T @ within @ found, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(found.T @ total @ found, np.diag(values.real[order]), rtol=1e-7, atol=1e-7)


def test_local_axes_turn_with_the_samples() -> None:
    x = samples(80, 6) - samples(80, 6).mean(0)
    graph = neighbour_graph(Frame.learn(x).place(x), 5).weights
    turn = np.linalg.qr(samples(6, 6, seed=1))[0]
    straight, turned = (local_axes(one, among_neighbours(one, graph), 4) for one in (x, x @ turn))
    assert straight is not None
    assert turned is not None
    np.testing.assert_allclose(
        np.abs((turn @ turned).T @ straight), np.abs(straight.T @ straight), rtol=1e-3, atol=1e-3
    )


def test_what_there_is_within_groups() -> None:
    x, together = samples(50, 4).astype(np.float64), np.arange(50)[::-1] ** 2 % 7
    means = {g: x[together == g].mean(0) for g in set(together.tolist())}
    within = sum(np.outer(x[i] - means[g], x[i] - means[g]) for i, g in enumerate(together.tolist())) / 50
    np.testing.assert_allclose(among_groups(x, together), within, atol=1e-12)
    assert np.abs(among_groups(x, np.arange(50))).max() == 0
    assert local_axes(x, among_groups(x, np.arange(50)), 2) is None
