"""A stack answers as its networks do, and padding stays zero."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from attar.errors import DataError
from attar.risk.stacked import Stack, plain_network

ARCHITECTURES = [("mlp", (7,), 1), ("mlp", (2, 3, 3), 3), ("conv", (2, 9), 2), ("conv", (1, 8, 6), 3)]


def networks(net: str, shape: tuple[int, ...], depth: int) -> list[nn.Sequential]:
    return [plain_network(net, shape, 3, width, depth, seed).double() for seed, width in enumerate((1, 4, 5))]


@pytest.mark.parametrize(("net", "shape", "depth"), ARCHITECTURES)
def test_outputs_and_gradients_are_those_of_each_network(net: str, shape: tuple[int, ...], depth: int) -> None:
    alone = networks(net, shape, depth)
    stack = Stack(alone)
    x = torch.randn(3, 6, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    outputs = stack(x)
    gradients = torch.autograd.grad(outputs.square().sum(), stack.parameters)
    for k, network in enumerate(alone):
        torch.testing.assert_close(outputs[k], network(x[k]))
        expected = torch.autograd.grad(network(x[k]).square().sum(), list(network.parameters()))
        for stacked, g in zip(gradients, expected):
            own = tuple(map(slice, g.shape))
            torch.testing.assert_close(stacked[k][own], g)
            outside = torch.ones_like(stacked[k], dtype=torch.bool)
            outside[own] = False
            assert not stacked[k][outside].any()


@pytest.mark.parametrize(("net", "shape", "depth"), ARCHITECTURES)
def test_unstack_puts_back_what_stack_took(net: str, shape: tuple[int, ...], depth: int) -> None:
    alone, others = networks(net, shape, depth), networks(net, shape, depth)
    stack = Stack(others)
    for network in others:
        for parameter in network.parameters():
            nn.init.zeros_(parameter)
    stack.unstack()
    for network, other in zip(alone, others):
        for parameter, restored in zip(network.parameters(), other.parameters()):
            assert torch.equal(parameter, restored)


def test_the_start_is_that_of_torch_and_leaves_its_random_state_alone() -> None:
    torch.manual_seed(5)
    expected = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    before = torch.get_rng_state()
    network = plain_network("mlp", (4,), 2, 6, 1, seed=5)
    assert torch.equal(before, torch.get_rng_state())
    for parameter, same in zip(network.parameters(), expected.parameters()):
        assert torch.equal(parameter, same)


def test_convolutions_double_their_channels_and_halve_the_sample() -> None:
    network = plain_network("conv", (3, 28, 28), 10, 4, 3, seed=0)
    assert [tuple(p.shape) for p in network.parameters() if p.ndim > 1] == [
        (4, 3, 3, 3),
        (8, 4, 3, 3),
        (16, 8, 3, 3),
        (10, 16),
    ]
    assert network[:6](torch.zeros(1, 3, 28, 28)).shape == (1, 16, 4, 4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"net": "tree"}, "net is 'tree'"),
        ({"width": 0}, "width is 0"),
        ({"depth": 0}, "depth is 0"),
        ({"depth": 1.5}, "depth is 1.5"),
        ({"net": "conv"}, r"samples have shape \(4,\)"),
    ],
)
def test_bad_input_is_named(changed: dict[str, object], message: str) -> None:
    good = {"net": "mlp", "shape": (4,), "outputs": 2, "width": 3, "depth": 1, "seed": 0}
    with pytest.raises(DataError, match=message):
        plain_network(**{**good, **changed})  # type: ignore[arg-type]
