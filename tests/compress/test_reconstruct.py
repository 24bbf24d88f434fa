from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from attar.compress.channels import coupling, silence
from attar.compress.reconstruct import drop_biases, give_biases, reconstruct


def test_a_channel_that_others_tell_is_not_missed() -> None:
    """A neuron that is a linear function of others goes without a trace."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3, bias=False))
    with torch.no_grad():
        net[0].weight[4] = net[0].weight[0] - 2 * net[0].weight[1]
        net[0].bias[4] = 3
    x, before = torch.randn(400, 6), copy.deepcopy(net)
    give_biases(net)
    coupled = coupling(net, x[:2])
    reconstruct(net, coupled, [coupled.groups[0][4]], x)
    assert not net[1].weight[:, 4].any()
    torch.testing.assert_close(net(x), before(x), rtol=1e-2, atol=1e-2)
    silence(before, coupled, [coupled.groups[0][4]])
    assert (before(x) - net(x)).abs().max() > 1


def test_no_other_weights_of_what_stays_err_less() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1)), torch.randn(64, 2, 8, 8)
    before, coupled = copy.deepcopy(net), coupling(net, x[:2])
    gone = coupled.groups[0][:2]
    reconstruct(net, coupled, gone, x)
    least = (net(x) - before(x)).square().mean()
    for seed in range(5):
        near = copy.deepcopy(net)
        noise = torch.randn(near[2].weight.shape, generator=torch.Generator().manual_seed(seed))
        near[2].weight.data += 0.03 * noise * (near[2].weight != 0)
        assert (near(x) - before(x)).square().mean() > least


def test_a_grouped_convolution_is_made_up_for_as_its_groups_alone() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(2, 12, 3), nn.ReLU(), nn.Conv2d(12, 9, 3, groups=3)), torch.randn(64, 2, 8, 8)
    before, coupled = copy.deepcopy(net), coupling(net, x[:2])
    gone = coupled.groups[0][0]
    reconstruct(net, coupled, [gone], x)
    assert not net[2].weight[:, gone["2.weight", 1]].any()
    for g, seen in enumerate(before[:2](x).chunk(3, 1)):
        alone = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 3, 3))
        alone[0].weight.data, alone[0].bias.data = torch.eye(4)[:, :, None, None], torch.zeros(4)
        alone[1].load_state_dict({name: value.chunk(3)[g] for name, value in before[2].state_dict().items()})
        its = coupling(alone, seen[:2])
        (same,) = (one for one in its.groups[0] if one["1.weight", 1] == gone["2.weight", 1])
        reconstruct(alone, its, [same], seen.detach())
        torch.testing.assert_close(alone(seen), net(x).chunk(3, 1)[g], rtol=1e-3, atol=1e-4)


def test_by_one_sample_nothing_is_made_up_for() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
    x = torch.randn(1, 2, 8, 8)
    coupled = coupling(net, x)
    gone = [one for group in coupled.groups for one in group[:2]]
    silent, less = copy.deepcopy(net), copy.deepcopy(net)
    silence(silent, coupled, gone)
    reconstruct(less, coupled, gone, x)
    silence(less, coupled, gone)
    other = torch.randn(50, 2, 8, 8)
    torch.testing.assert_close(less(other), silent(other), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("n", [2, 4, 16, 300])
def test_by_few_samples_no_more_is_lost_than_without(n) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(10, 40), nn.ReLU(), nn.Linear(40, 5))
    x = torch.randn(300, 4) @ torch.randn(4, 10)
    coupled = coupling(net, x[:2])
    gone = list(coupled.groups[0][:15])
    silent = copy.deepcopy(net)
    silence(silent, coupled, gone)
    most = (silent(x) - net(x)).square().mean()
    for seed in range(5):
        less = copy.deepcopy(net)
        reconstruct(less, coupled, gone, x[torch.randperm(300, generator=torch.Generator().manual_seed(seed))[:n]])
        assert (less(x) - net(x)).square().mean() < 1.05 * most


def test_biases_come_and_go() -> None:
    net = nn.Sequential(nn.Linear(3, 4, bias=False), nn.Linear(4, 4, bias=False), nn.Linear(4, 2))
    with_biases = copy.deepcopy(net)
    give_biases(with_biases)
    assert torch.equal(with_biases(torch.ones(1, 3)), net(torch.ones(1, 3)))
    with_biases[1].bias.data[2] = 1
    drop_biases(with_biases, net)
    assert [layer.bias is None for layer in with_biases] == [True, False, False]
