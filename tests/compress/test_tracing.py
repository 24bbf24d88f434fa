from __future__ import annotations

import pytest
import torch
from torch import nn

from attar.compress.program import listed
from attar.compress.tracing import traced
from attar.errors import CompressionError


class Made(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("seen", torch.zeros(4))
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def counting(net, x):
    net.seen.add_(1)
    return net.linear(x) + net.seen


@pytest.mark.parametrize(
    ("forward", "what"),
    [
        (lambda net, x: net.linear(x) if x.sum() > 0 else x, "cannot be traced"),
        (lambda net, x: net.linear(x) - x.shape[0] * torch.randn(4), "not hold|chance"),
        (lambda net, x: net.linear(x).reshape(3, 4) * 1, "cannot be traced|batch"),
        (counting, "its own buffers"),
        (lambda net, x: torch.fft.rfft(net.linear(x)).abs(), "which an .attar file does not hold"),
        (lambda net, x: {"y": net.linear(x)}, "one tensor or a tuple"),
        (lambda net, x: net.linear.weight, "computed from its input"),
    ],
)
def test_what_a_file_cannot_hold_is_said(forward, what) -> None:
    with pytest.raises(CompressionError, match=what):
        traced(Made(forward), torch.randn(1, 4))


def test_changes_in_place_become_results() -> None:
    def forward(net, x):
        h = net.linear(x)
        kept = h.clone()
        h.relu_()
        h += kept
        return h * kept

    net = Made(forward)
    program, x = traced(net, torch.randn(1, 4)), torch.randn(6, 4)
    assert torch.equal(program(x), net(x))
    assert not any(step.operation.partition(".")[0].endswith("_") for step in listed(program).steps)


def test_the_network_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()).train()
    net[1].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    program = traced(net, torch.randn(1, 4))
    assert [layer.training for layer in net] == [True, False, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert program(torch.randn(3, 4)).shape == (3, 4)


def test_what_no_output_needs_is_not_kept() -> None:
    def forward(net, x):
        net.linear(x).sum()
        return x * 2

    program = traced(Made(forward), torch.randn(1, 4))
    assert [step.operation for step in listed(program).steps] == ["mul.Tensor"]
    assert not dict(program.named_parameters())


def test_a_program_learns_as_its_network_does() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), torch.randn(8, 4)
    program = traced(net, x[:1])
    for one in (net, program):
        one(x).square().sum().backward()
    for name, p in program.named_parameters():
        assert torch.equal(p.grad, net.get_parameter(name).grad)
