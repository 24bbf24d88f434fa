import pytest
import torch
from torch import nn

from attar.represent._momentum import Momentum


def _network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


def test_it_equals_the_closed_form_of_the_average():
    network = _network().double()
    slow, m = Momentum(network), 0.9
    start = [p.detach().clone() for p in network.parameters()]
    history = []
    for _ in range(5):
        with torch.no_grad():
            for p in network.parameters():
                p.add_(torch.randn_like(p))
        history.append([p.detach().clone() for p in network.parameters()])
        slow.follow(network, m)
    for i, own in enumerate(slow.network.parameters()):
        # ξ_T = m^T ξ_0 + (1 − m) Σ_t m^(T − t) θ_t
        expected = m**5 * start[i] + (1 - m) * sum(m ** (4 - t) * theta[i] for t, theta in enumerate(history))
        torch.testing.assert_close(own.detach(), expected, rtol=1e-12, atol=1e-12)
    assert slow.followed == 5


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_it_becomes_the_other_or_stays(momentum):
    network, other = _network(), _network()
    slow = Momentum(network)
    slow.follow(other, momentum)
    for own, wanted in zip(slow.network.parameters(), (network if momentum else other).parameters()):
        assert torch.equal(own, wanted)


def test_the_original_is_neither_changed_nor_trained_through():
    network = _network()
    before = {name: t.clone() for name, t in network.state_dict().items()}
    slow = Momentum(network)
    slow.follow(_network(), 0.5)
    y = slow(torch.randn(8, 3, requires_grad=True))
    assert not y.requires_grad
    assert not any(p.requires_grad for p in slow.parameters())
    for name, t in network.state_dict().items():
        assert torch.equal(t, before[name])
