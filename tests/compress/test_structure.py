from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from attar.compress.costs import macs
from attar.compress.structure import narrowed
from attar.errors import CompressionError
from tests.compress.zoo import SHAPES, zoo


class Said:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.parametrize("name", sorted(SHAPES.keys() - {"functional"}))
def test_half_the_work_and_answers_of_the_same_shape(name) -> None:
    net, x = zoo(name)
    before, state = net(x), copy.deepcopy(net.state_dict())
    less = narrowed(net, 0.5, x, progress=Said())
    assert macs(less, x) <= (0.7 if name in ("dense", "recurrent", "tied", "shuffled") else 0.55) * macs(net, x)
    assert less(x).shape == before.shape
    assert torch.equal(net(x), before)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    # It is a network like others: it can be trained and copied.
    copy.deepcopy(less).train()(x).square().mean().backward()


@pytest.mark.parametrize("criterion", ["magnitude", "taylor", "scale"])
def test_channels_that_do_nothing_go_first_and_nothing_changes(criterion) -> None:
    net, x = zoo("resnet")
    dead = torch.tensor([1, 4, 6, 7])
    with torch.no_grad():
        net[4].conv1.weight[dead] *= 1e-12
        net[4].conv2.weight[:, dead] = 0
        net[4].bn1.weight[dead] = net[4].bn1.bias[dead] = 0
    less = narrowed(net, 0.05, x, criterion=criterion)
    kept = [c for c in range(8) if c not in dead.tolist()]
    assert 4 <= less[4].conv1.out_channels < 8
    chosen = [net[4].conv2.weight.detach()[:, kept].flatten().tolist()]
    if less[4].conv1.out_channels == 4 and macs(less, x) == macs(net, x) - 4 * 2 * 8 * 9 * 36:
        assert less[4].conv2.weight.detach().flatten().tolist() == chosen[0]
    torch.testing.assert_close(less(x), net(x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("amount", "less"), [(0.5, False), (0.9, True)])
def test_less_than_is_asked_for_is_said(amount, less) -> None:
    # The first layer cannot go, and is a fifth of the work.
    net = nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8), nn.Linear(8, 20), nn.Linear(20, 3))
    said, x = Said(), torch.randn(9, 6)
    saved = 1 - macs(narrowed(net, amount, x, progress=said), x) / macs(net, x)
    assert (saved < amount) == less == any(f"{saved:.1%} of the work is saved" in line for line in said.lines)


def test_each_layer_keeps_a_channel_and_the_same_share_goes_from_all_where_asked() -> None:
    net, x = zoo("mnist")
    least = narrowed(net, 0.999, x)
    assert all(layer.weight.shape[0] >= 1 for layer in least.modules() if isinstance(layer, nn.Linear | nn.Conv2d))
    assert least(x).shape == (24, 10)
    even = narrowed(net, 0.6, x, scope="layer")
    shares = [even.conv1.out_channels / 8, even.conv2.out_channels / 16, even.fc1.out_features / 32]
    assert max(shares) - min(shares) <= 0.25


@pytest.mark.parametrize(
    "norm", [nn.InstanceNorm1d(16), nn.BatchNorm1d(16, affine=False, track_running_stats=False), nn.BatchNorm1d(16)]
)
def test_a_norm_says_the_width_that_is_left(norm) -> None:
    net = nn.Sequential(nn.Conv1d(2, 16, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(96, 3)).eval()
    less = narrowed(net, 0.5, torch.randn(9, 2, 8))
    assert less[1].num_features == less[0].out_channels == 8
    assert less(torch.randn(4, 2, 8)).shape == (4, 3)


def test_a_norm_without_numbers_may_be_given_its_input_by_name() -> None:
    class Named(nn.Sequential):
        def forward(self, x):
            return self[2](self[1](input=self[0](x)).flatten(1))

    net = Named(nn.Conv1d(2, 16, 3), nn.InstanceNorm1d(16), nn.Linear(96, 3)).eval()
    assert narrowed(net, 0.5, torch.randn(9, 2, 8))[1].num_features == 8


def test_wide_layers_become_multiples_of_eight() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 100), nn.ReLU(), nn.Linear(100, 60), nn.ReLU(), nn.Linear(60, 5))
    less = narrowed(net, 0.7, torch.randn(8, 20))
    assert less[0].out_features % 8 == less[2].out_features % 8 == 0


def test_a_step_that_saves_more_than_all_that_is_asked_for_is_not_taken_whole() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Linear(40, 5)), torch.randn(8, 20)
    assert [narrowed(net, amount, x)[0].out_features for amount in (0, 0.01, 0.04, 0.09, 0.21)] == [40, 39, 38, 36, 24]


def test_what_cannot_go_is_left_and_said() -> None:
    said = Said()
    net, x = zoo("shuffled")
    less = narrowed(net, 0.9, x, progress=said)
    assert less.a.out_channels == 8
    assert any(line.startswith("a: left as it is") for line in said.lines)
    narrowed(*zoo("recurrent")[:1], 0.3, zoo("recurrent")[1], progress=said)
    assert "lstm: keeps its width, since a LSTM cannot be made narrower" in said.lines
    with pytest.raises(CompressionError, match="no channels"):
        narrowed(*zoo("functional")[:1], 0.5, zoo("functional")[1])
    with pytest.raises(CompressionError, match="no channels"):
        narrowed(nn.Linear(4, 3), 0.5, torch.randn(4, 4))


def test_heads_go_from_attentions_of_both_sorts() -> None:
    net, x = zoo("attention")
    less = narrowed(net, 0.45, x)
    assert less.heads < 4
    assert less.out.in_features == 4 * less.heads == less.qkv.out_features // 3
    net, x = zoo("encoder")
    less = narrowed(net, 0.5, x)
    widths = [layer.self_attn.out.in_features for layer in less.encoder.layers]
    assert min(widths) < 16
    assert all(width % 4 == 0 for width in widths)


def test_the_same_seed_gives_the_same_network() -> None:
    net, x = zoo("mnist")
    one, other = (narrowed(net, 0.5, x, criterion="taylor", seed=3) for _ in range(2))
    assert torch.equal(one(x), other(x))


class Idle(nn.Module):
    """Computes something that nothing reads."""

    def __init__(self):
        super().__init__()
        self.idle, self.end = nn.Linear(8, 16), nn.Linear(16, 4)
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x):
        self.end(self.idle(x).relu())
        return self.last(self.first(x).relu())


def test_what_saves_just_what_is_asked_for_is_enough() -> None:
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    assert len(narrowed(net, 0.5, torch.randn(50, 8))[0].weight) == 8


def test_channels_that_nothing_reads_matter_least() -> None:
    torch.manual_seed(0)
    less = narrowed(Idle(), 0.3, torch.randn(50, 8), criterion="taylor")
    assert (len(less.first.weight), len(less.idle.weight)) == (16, 6)


class Alone(nn.Module):
    """Takes one sample after the other, without an axis for them."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x):
        return torch.stack([self.last(self.first(one).relu()) for one in x])


def test_layers_that_see_a_sample_by_itself_are_narrowed() -> None:
    torch.manual_seed(0)
    less = narrowed(Alone(), 0.5, torch.randn(50, 8))
    assert len(less.first.weight) == 8
