from __future__ import annotations

import pytest
import torch
from torch import nn

from attar.compress.costs import macs, macs_of_layers
from attar.compress.sparse import SparseLinear
from tests.compress.zoo import SHAPES, zoo


def test_counts_are_those_of_the_formulas() -> None:
    net, x = zoo("mnist")
    assert macs(net, x) == 100 * 8 * 9 + 64 * 16 * 8 * 9 + 256 * 32 + 320
    assert macs_of_layers(net, x)["conv2"] == 64 * 16 * 8 * 9
    net, x = zoo("recurrent")
    assert macs(net, x) == 7 * 3 * 12 + 7 * 2 * 4 * 8 * (12 + 8) + 16 * 20 + 20 * 4
    net, x = zoo("attention")
    assert macs(net, x) == 7 * (3 * 16 + 16 * 48 + 16 * 16) + 2 * 7 * 7 * 16 + 16 * 4
    net, x = zoo("encoder")
    assert macs(net, x) == 7 * 3 * 16 + 2 * (7 * (4 * 16 * 16 + 2 * 16 * 24) + 2 * 7 * 7 * 16) + 16 * 4


def test_a_layer_of_several_blocks_is_counted_in_all_of_them() -> None:
    layer = nn.Linear(8, 8)
    net = nn.Sequential(nn.Sequential(layer, nn.ReLU()), nn.Sequential(layer, layer), nn.Linear(8, 2))
    assert macs_of_layers(net, torch.zeros(1, 8)) == {"": 208, "0": 64, "0.0": 192, "0.1": 0, "1": 128, "2": 16}


@pytest.mark.parametrize("name", SHAPES)
def test_the_model_stays_in_its_mode(name) -> None:
    net, x = zoo(name)
    net.train()
    assert macs(net, x) == macs(net, x.numpy()) > 0
    assert net.training
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mkldnn.enabled


class Queried(nn.Module):
    """Learnt queries, repeated for each sample, go into a layer as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.queries, self.layer = nn.Parameter(torch.randn(1, 4, 8)), nn.Linear(8, 3)

    def forward(self, x):
        return self.layer(self.queries.expand(len(x), -1, -1)).mean(1) + x


def test_views_of_parameters_are_given_to_layers() -> None:
    net = Queried()
    assert macs_of_layers(net, torch.zeros(2, 3)) == {"": 96, "layer": 96}
    assert all(one.requires_grad for one in net.parameters())


@pytest.mark.parametrize("shape", [(3, 8), (3, 5, 8)])
def test_a_sparse_layer_costs_what_it_stores(shape) -> None:
    layer = nn.Linear(8, 6)
    layer.weight.data[torch.rand(6, 8) > 0.4] = 0
    assert macs(SparseLinear(layer), torch.rand(shape)) == int((layer.weight != 0).sum()) * (5 if len(shape) > 2 else 1)
