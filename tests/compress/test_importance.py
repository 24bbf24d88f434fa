from __future__ import annotations

import torch
from torch import nn

from attar.compress.importance import effects, sensitivities
from tests.compress.zoo import zoo


def test_effects_are_gradients_of_the_cross_entropy_times_weights() -> None:
    torch.manual_seed(0)
    net, x, y = nn.Linear(5, 3), torch.randn(16, 5), torch.arange(16) % 3
    (effect,) = effects(net, x, y)
    p = torch.softmax(net(x), 1).detach()
    error = (p - torch.eye(3)[y]) / 16
    torch.testing.assert_close(effect["weight"], (error.T @ x) * net.weight.detach())
    torch.testing.assert_close(effect["bias"], error.sum(0) * net.bias.detach())


def test_without_labels_the_mean_is_the_fisher_information() -> None:
    torch.manual_seed(0)
    net, x = nn.Linear(2, 2, bias=False), torch.randn(1, 2).repeat(16 * 64, 1)
    # All samples are alike: E of the mean gradient's square over 16 drawn labels is that of one over 16.
    p = torch.softmax(net(x[:1]), 1)[0].detach()
    fisher = p[0] * p[1] * x[0].square() * net.weight.detach().square() / 16
    got = sum(sensitivities(net, x, seed=seed)["weight"] for seed in range(5)) / (5 * 64)
    torch.testing.assert_close(got, fisher, rtol=0.25, atol=0)


def test_any_answer_and_no_trace() -> None:
    for name in ("mnist", "recurrent", "branches"):
        net, x = zoo(name)
        net.train()
        found = sensitivities(net, x)
        assert set(found) == {key for key, _ in net.named_parameters()}
        assert net.training
        assert all(p.grad is None for p in net.parameters())
    assert sensitivities(nn.Linear(4, 1), torch.randn(40, 4))["weight"].all()
    net = nn.Conv1d(2, 3, 3)
    assert sensitivities(net, torch.randn(4, 2, 8))["weight"].shape == (3, 2, 3)
