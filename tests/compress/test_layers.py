"""A program has the layers of the network that it was made from."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from attar.compress import factorize, load, prune, quantize, save
from attar.compress.costs import macs
from attar.compress.layers import with_layers
from attar.compress.parametrizations import codes_of
from attar.compress.places import copied, places
from attar.compress.tracing import traced
from tests.compress.zoo import SHAPES, zoo

KNOWN = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Embedding, nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)


def layers_of(net: nn.Module) -> list[str]:
    return sorted(f"{type(layer).__name__} {layer.extra_repr()}" for layer in net.modules() if type(layer) in KNOWN)


@pytest.mark.parametrize("name", SHAPES)
def test_it_computes_the_same_with_the_same_tensors(name) -> None:
    net, x = zoo(name)
    program = traced(net.eval(), x[:1])
    layered = with_layers(program)
    with torch.no_grad():
        assert torch.equal(layered(x), program(x))
    assert {id(p) for p in layered.parameters()} == {id(p) for p in program.parameters()}
    assert macs(layered, x[:1]) == macs(net, x[:1])


@pytest.mark.parametrize("name", ["mnist", "resnet", "branches", "dense", "recurrent"])
def test_layers_are_those_of_the_network(name) -> None:
    net, x = zoo(name)
    assert layers_of(with_layers(traced(net.eval(), x[:1]))) == layers_of(net)


class Odd(nn.Module):
    """Shared, padded, dilated, depthwise and without a bias, and tensors that are no layer's."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding="same", dilation=2)
        self.apart = nn.Conv2d(8, 8, 3, stride=2, groups=8, bias=False)
        self.act = nn.PReLU(8)
        self.norm = nn.BatchNorm2d(8, affine=False, eps=0.1)
        self.turn = nn.Linear(8, 8)
        self.other = nn.Linear(8, 8)
        self.other.weight = self.turn.weight
        self.weight = nn.Parameter(torch.randn(8, 8))
        self.register_buffer("fixed", torch.randn(8, 8))

    def forward(self, x):
        h = self.norm(self.act(self.apart(self.first(x)))).mean((2, 3))
        h = self.turn(torch.relu(self.turn(h))) + self.other(h)
        return nn.functional.linear(h, self.weight) + nn.functional.linear(h, self.fixed) @ self.weight


def test_settings_sharing_and_tensors_of_no_layer() -> None:
    torch.manual_seed(0)
    net, x = Odd().eval(), torch.randn(3, 1, 8, 8)
    layered = with_layers(traced(net, x[:1]))
    with torch.no_grad():
        assert torch.equal(layered(x), net(x))
    linear = [layer for layer in layered.modules() if type(layer) is nn.Linear]
    assert sorted(sum(layer.weight is other.weight for other in linear) for layer in linear) == [1, 2, 2]
    assert torch.equal(layered.fixed, net.fixed)


def test_what_was_read_from_a_file_is_made_narrower_and_split_like_the_network_itself(tmp_path) -> None:
    net, x = zoo("mnist", 64)
    save(net, tmp_path / "net.attar", example=x)
    read = load(tmp_path / "net.attar")
    for change in (
        lambda one: prune(one, 0.5, x=x, structure="channels"),
        lambda one: factorize(one, x, share=0.5),
    ):
        expected, found = change(net.eval()), change(read)
        assert macs(found, x[:1]) == macs(expected, x[:1]) < 0.6 * macs(net, x[:1])
        with torch.no_grad():
            assert torch.allclose(found(x), expected(x), atol=1e-4)
        save(found, tmp_path / "smaller.attar", example=x)
        with torch.no_grad():
            assert torch.allclose(load(tmp_path / "smaller.attar")(x), expected(x), atol=1e-4)


def test_integers_stay_as_they_are() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    rounded = quantize(net, torch.randn(20, 8), bits=4)
    assert with_layers(rounded) is rounded
    assert with_layers(net) is net


class Placed(nn.Module):
    """A tensor of the network itself, beside a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.position, self.head = nn.Parameter(torch.randn(5, 8)), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(x + self.position).mean(1)


@pytest.mark.parametrize("trace", [lambda net, x: traced(net, x[:1]), lambda net, _: torch.fx.symbolic_trace(net)])
def test_tensors_of_a_traced_network_itself_are_rounded_and_copied(trace) -> None:
    torch.manual_seed(0)
    net, x = Placed().eval(), torch.randn(20, 5, 8)
    small = copy.deepcopy(quantize(trace(net, x), x, bits=12, activations=12))
    assert {place.name for place in places(small) if codes_of(place) is not None} == {"position", "head.1.weight"}
    with torch.no_grad():
        torch.testing.assert_close(small(x), net(x), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("again", [copied, copy.deepcopy])
def test_a_copy_of_a_traced_network_is_edited_by_itself(again) -> None:
    one, x = copied(torch.fx.symbolic_trace(Placed())), torch.randn(2, 5, 8)
    other, expected = again(one), one(x)
    end = other.graph.output_node()
    with other.graph.inserting_before(end):
        end.args = (other.graph.call_function(torch.neg, end.args),)
    other.recompile()
    assert torch.equal(one(x), expected)
    assert torch.equal(other(x), -expected)
