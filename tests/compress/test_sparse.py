from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from attar.compress import sparse
from attar.compress.pruning import prune
from attar.compress.sparse import SparseLinear, sparse_where_faster
from attar.errors import CompressionError
from tests.compress.zoo import SHAPES, zoo


@pytest.mark.parametrize("shape", [(9,), (1, 9), (5, 9), (2, 3, 9), (0, 9)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
def test_answers_are_those_of_the_dense_layer(shape, bias, density) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(9, 7, bias=bias), torch.randn(shape)
    layer.weight.data *= torch.rand(7, 9) < density
    less = SparseLinear(layer)
    torch.testing.assert_close(less(x), layer(x).detach())
    assert less.values.numel() == int((layer.weight != 0).sum())
    torch.testing.assert_close(copy.deepcopy(less)(x), less(x), rtol=0, atol=0)


def test_it_stores_what_is_not_zero() -> None:
    layer = prune(nn.Linear(200, 100), 0.95)
    size = sum(t.numel() * t.element_size() for t in SparseLinear(layer).state_dict().values())
    assert size == 8 * 1000 + 4 * 101 + 4 * 100
    assert "density=0.050" in repr(SparseLinear(layer))


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("quicker", [True, False])
def test_each_layer_is_what_was_measured_to_be_quicker(name, quicker, monkeypatch) -> None:
    monkeypatch.setattr(sparse, "seconds", lambda *_: [2.0, 1.0] if quicker else [1.0, 2.0])
    net, x = zoo(name)
    pruned = prune(net, 0.9)
    chosen = sparse_where_faster(pruned, x)
    found = [layer for layer in chosen.modules() if isinstance(layer, SparseLinear)]
    linear = any(type(layer) is nn.Linear for layer in net.modules())
    assert bool(found) == (quicker and linear)
    torch.testing.assert_close(chosen(x), pruned(x), rtol=1e-4, atol=1e-5)
    assert not any(isinstance(layer, SparseLinear) for layer in pruned.modules())


def test_a_layer_that_is_the_whole_network_is_sparse_too(monkeypatch) -> None:
    monkeypatch.setattr(sparse, "seconds", lambda *_: [2.0, 1.0])
    pruned, x = prune(nn.Linear(9, 7), 0.9), torch.randn(5, 9)
    chosen = sparse_where_faster(pruned, x)
    assert isinstance(chosen, SparseLinear)
    torch.testing.assert_close(chosen(x), pruned(x).detach())


@pytest.mark.parametrize("x", [torch.randn(5, 9), np.zeros((5, 9)), np.zeros((5, 9), ">f4")[::-1]])
def test_samples_are_taken_in_the_precision_of_the_network(x) -> None:
    assert isinstance(sparse_where_faster(prune(nn.Linear(9, 7), 0.9), x), nn.Module)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[0.0] * 9], "x is of type list"),
        (torch.zeros(0, 9), "there are no samples"),
        (torch.zeros(2, 8), "Linear does not take x of shape"),
        (DataLoader(TensorDataset(torch.zeros(2, 9))), "x is of type DataLoader, and one batch of samples is needed"),
    ],
)
def test_other_samples_are_refused(x, message) -> None:
    with pytest.raises(CompressionError, match=message):
        sparse_where_faster(nn.Linear(9, 7), x)


def test_dense_layers_stay_without_being_measured(monkeypatch) -> None:
    monkeypatch.setattr(sparse, "seconds", lambda *_: pytest.fail("measured"))
    net, x = zoo("tied")
    assert not any(isinstance(layer, SparseLinear) for layer in sparse_where_faster(net, x).modules())


def test_both_ways_are_timed_in_turns() -> None:
    turns = []
    times = sparse.seconds((lambda x: turns.append("a"), lambda x: turns.append("b")), torch.zeros(1))
    assert len(times) == 2
    assert turns == ["a", "b"] * (len(turns) // 2)


class Named(nn.Module):
    """A layer that is given its input by name."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(9, 7)

    def forward(self, x):
        return self.layer(input=x)


def test_an_input_may_be_given_by_name(monkeypatch) -> None:
    monkeypatch.setattr(sparse, "seconds", lambda *_: [2.0, 1.0])
    pruned, x = prune(Named(), 0.9), torch.randn(5, 9)
    chosen = sparse_where_faster(pruned, x)
    assert isinstance(chosen.layer, SparseLinear)
    torch.testing.assert_close(chosen.layer(x), pruned(x).detach())


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_what_torch_has_no_sparse_products_of_stays_dense(kind) -> None:
    pruned, x = prune(nn.Linear(9, 7).to(kind), 0.9), torch.randn(5, 9, dtype=kind)
    assert torch.equal(sparse_where_faster(pruned, x)(x), pruned(x))
