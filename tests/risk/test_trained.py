"""Risks are those of a network trained alone; where the threshold is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attar.risk._trained import Setting, curve_of, measure, settled
from attar.risk.stacked import plain_network
from attar.risk.task import Task

RNG = np.random.default_rng(0)
X, X_TEST = RNG.normal(2, [1, 3, 0, 1], size=(30, 4)), RNG.normal(2, [1, 3, 1, 1], size=(20, 4))
Y, Y_TEST = np.where(X[:, 0] > 2, "b", "a"), np.where(X_TEST[:, 0] > 2, "b", "a")


def test_risks_are_those_of_a_network_trained_alone() -> None:
    task = Task.of(X, Y, X_TEST, Y_TEST)
    recipe, lr = settled(task, {"momentum": 0.0}, 0.1)
    setting = Setting(width=5, batch_size=30, lr=lr, samples=30, label_noise=0.2)
    found = measure(task, [setting], recipe, "mlp", 1, epochs=20, seeds=2, random_state=7)
    assert found.shape == (1, 2, 1, 4)
    for seed in range(2):
        rng = np.random.default_rng([7, seed])
        _, start = rng.permutation(30), int(rng.integers(2**31))
        codes = torch.tensor(task.with_noise(0.2, rng).y.argmax(1))
        scale = np.where(X.std(0) > 0, X.std(0), np.inf)
        x, t = (torch.tensor((a - X.mean(0)) / scale, dtype=torch.float32) for a in (X, X_TEST))
        network = plain_network("mlp", (4,), 2, 5, 1, start)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(20):  # whole batches, so that the order does not matter
            optimizer.zero_grad()
            F.cross_entropy(network(x), codes).backward()
            optimizer.step()
        with torch.no_grad():
            both = [(network(x), codes), (network(t), torch.tensor(task.y_test.argmax(1)))]
            expected = [F.cross_entropy(answers, right).item() for answers, right in both]
            expected += [(answers.argmax(1) != right).float().mean().item() for answers, right in both]
        np.testing.assert_allclose(found[0, seed, 0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("over", "errors", "threshold"),
    [
        ("width", [0.5, 0.01, 0.0, 0.02], 2.0),
        ("width", [0.5, 0.4, 0.3, 0.02], None),
        ("samples", [0.0, 0.01, 0.2, 0.3], 2.0),
        ("label noise", [0.0, 0.0, 0.0, 0.0], 4.0),
    ],
)
def test_threshold_is_where_the_training_error_is_at_most_one_percent(
    over: str, errors: list[float], threshold: float | None
) -> None:
    task = Task.of(X, Y, X_TEST, Y_TEST)
    risks = np.ones((4, 2, 4))
    risks[:, :, 2] = np.array(errors)[:, None] + [[-0.001, 0.001]]
    curve = curve_of(task, np.arange(1.0, 5), risks, over, "cross-entropy")
    assert curve.zero_one is not None
    assert curve.threshold == curve.zero_one.threshold == threshold


def test_threshold_of_numbers_is_a_share_of_their_variance() -> None:
    task = Task.of(X, 100 * X[:, 0], X_TEST, 100 * X_TEST[:, 0])
    variance = (100 * X[:, 0]).var()
    risks = np.array([0.5, 0.011, 0.009, 0.0])[:, None, None] * variance * np.ones((4, 1, 4))
    assert curve_of(task, np.arange(1.0, 5), risks, "width", "squared error").threshold == 3
