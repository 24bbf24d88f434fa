from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from attar.compress.attention import split_heads
from attar.compress.channels import coupling, narrow, silence
from attar.compress.costs import evaluated
from tests.compress.zoo import Residual, zoo


@pytest.mark.parametrize("name", ["mnist", "resnet", "branches", "dense", "recurrent", "encoder", "tied"])
def test_without_a_component_a_network_says_what_it_says_when_nothing_reads_it(name) -> None:
    net, x = zoo(name)
    split_heads(net)
    coupled = coupling(net, x[:2])
    assert coupled.groups
    for group in coupled.groups:
        # A component that is silent by itself may go without a trace; some of each group are not.
        moved = 0.0
        for component in group[:: max(1, len(group) // 3)]:
            less, silent = copy.deepcopy(net), copy.deepcopy(net)
            narrow(less, coupled, [component])
            silence(silent, coupled, [component])
            with evaluated(less), evaluated(silent):
                torch.testing.assert_close(less(x), silent(x), rtol=1e-4, atol=1e-5)
                moved = max(moved, float((less(x) - net(x)).abs().max()))
        assert moved > 1e-4


def test_what_is_added_goes_together_and_what_is_concatenated_by_itself() -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 1), Residual(4, 4, 1), nn.Conv2d(4, 3, 1)).eval()
    (inner, stream) = sorted(coupling(net, torch.randn(2, 2, 5, 5)).groups, key=lambda group: len(group[0]))
    assert {axis for axis, _ in inner[0]} >= {"1.conv1.weight", "1.bn1.running_var", "1.conv2.weight"}
    assert {axis for axis, _ in stream[0]} >= {"0.weight", "1.conv2.weight", "1.conv1.weight", "2.weight"}
    assert all(set(map(len, component.values())) == {1} for component in (*inner, *stream))


def test_numbers_of_a_flattening_and_of_groups() -> None:
    net, x = zoo("mnist")
    group = next(group for group in coupling(net, x[:2]).groups if ("conv2.weight", 0) in group[0])
    assert [component["fc1.weight", 1] for component in group] == [tuple(range(16 * c, 16 * c + 16)) for c in range(16)]
    net, x = zoo("branches")
    found = {axis for group in coupling(net, x[:2]).groups for axis in group[0]}
    # Of twelve channels in three groups, the i-th of each group go together: and so two branches do.
    (group,) = (group for group in coupling(net, x[:2]).groups if ("grouped.weight", 1) in group[0])
    assert len(group) == 4
    assert group[1]["one.weight", 0] == (1, 5)
    assert group[1]["other.weight", 0] == (1,)
    assert group[1]["grouped.weight", 1] == (1,)
    # Its output goes through the depthwise one, two filters a channel, beside the input, which stays.
    (group,) = (group for group in coupling(net, x[:2]).groups if ("grouped.weight", 0) in group[0])
    assert group[1]["depthwise.weight", 0] == (2, 3, 10, 11, 18, 19)
    assert group[1]["last.weight", 1] == (2, 3, 10, 11, 18, 19)
    assert ("last.weight", 0) not in found


def test_inputs_outputs_and_the_width_of_a_layer_norm_stay() -> None:
    for name in ("mnist", "resnet", "recurrent", "encoder"):
        net, x = zoo(name)
        axes = {axis for group in coupling(net, x[:2]).groups for axis in group[0]}
        first, *_, last = (layer for layer in net.modules() if isinstance(layer, nn.Linear | nn.Conv2d))
        names = {id(tensor): key for key, tensor in net.named_parameters()}
        assert (names[id(first.weight)], 1) not in axes
        assert (names[id(last.weight)], 0) not in axes
    net = nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.Linear(8, 2)).eval()
    assert coupling(net, torch.randn(2, 3)).groups == ()


def test_a_shared_weight_is_one() -> None:
    net, x = zoo("tied")
    group = next(group for group in coupling(net, x[:2]).groups if ("b.weight", 0) in group[0])
    # a writes what b reads, b writes what c reads, and b and c are one.
    assert group[3]["b.weight", 0] == group[3]["b.weight", 1] == group[3]["a.weight", 0] == (3,)


def test_heads_are_found_and_with_them_all_that_an_attention_mixes() -> None:
    net, x = zoo("attention")
    group = next(group for group in coupling(net, x[:2]).groups if ("qkv.weight", 0) in group[0])
    assert len(group) == 4
    assert group[1]["out.weight", 1] == (4, 5, 6, 7)
    assert group[1]["qkv.weight", 0] == (4, 5, 6, 7, 20, 21, 22, 23, 36, 37, 38, 39)


def test_hooks_and_modes_are_as_before() -> None:
    net, x = zoo("resnet")
    net.train()
    before = copy.deepcopy(net.state_dict())
    coupling(net, x[:2])
    assert net.training
    assert all(not layer._forward_hooks and not layer._forward_pre_hooks for layer in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


class Begun(nn.Module):
    """A recurrent layer whose first state is given."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.state = nn.Linear(3, 6), nn.Linear(3, 5)
        self.cells, self.head = nn.GRU(6, 5, batch_first=True), nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.cells(torch.relu(self.before(x)), self.state(x[:, 0])[None])[0][:, -1])


def test_the_first_state_of_a_recurrent_layer_keeps_its_width() -> None:
    torch.manual_seed(0)
    coupled = coupling(Begun(), torch.randn(2, 4, 3))
    assert {axis for group in coupled.groups for one in group for axis in one} == {
        ("before.weight", 0),
        ("before.bias", 0),
        ("cells.weight_ih_l0", 1),
    }
