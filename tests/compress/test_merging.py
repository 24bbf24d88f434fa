from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from attar.compress.merging import merge_batch_norm
from attar.compress.parametrizations import Codebook, Coded, codes_of, store
from attar.compress.places import places


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(4, 6, 3, bias=False, groups=2), nn.BatchNorm2d(6)
        self.head, self.last = nn.Linear(6, 5), nn.BatchNorm1d(5)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.head(self.norm(self.conv(x)).mean((2, 3))))
        return y


@pytest.fixture
def block():
    torch.manual_seed(0)
    net = Block()
    for _ in range(4):
        net(torch.randn(16, 4, 8, 8))
    nn.init.normal_(net.norm.weight)
    nn.init.normal_(net.norm.bias)
    return net.eval()


def keep(net, name, decoder):
    place = next(place for place in places(net) if place.name == name)
    store(place, torch.randint(-7, 8, place.value.shape), decoder)


@pytest.mark.parametrize("rows", [1, 6, 18])
@pytest.mark.parametrize("affine", [True, False])
def test_merging_changes_steps_alone(block, rows, affine) -> None:
    zero = torch.randn(rows) if affine else None
    keep(block, "conv.weight", Coded(torch.rand(rows) / 10, zero))
    block.listed = [block.norm]
    x = torch.randn(5, 4, 8, 8)
    merged = merge_batch_norm(block, x)
    assert merged.listed == [merged.norm]
    with torch.no_grad():
        torch.testing.assert_close(merged(x), block(x), atol=1e-5, rtol=1e-5)
    assert {type(merged.norm), type(merged.last)} == {nn.Identity}
    assert torch.equal(merged.conv.parametrizations.weight.original, block.conv.parametrizations.weight.original)
    assert isinstance(block.norm, nn.BatchNorm2d)
    assert len(block.conv.parametrizations.weight[0].scale) == rows


def test_codebooks_and_shared_integers_keep_their_norm(block) -> None:
    keep(block, "conv.weight", Codebook(torch.randn(15)))
    block.twin = nn.Linear(6, 5)
    block.twin.weight = block.head.weight
    keep(block, "head.weight", Coded(torch.rand(5)))
    x = torch.randn(5, 4, 8, 8)
    merged = merge_batch_norm(block, x)
    assert torch.equal(merged(x), block(x))
    assert isinstance(merged.norm, nn.BatchNorm2d)
    assert isinstance(merged.last, nn.BatchNorm1d)
    assert sum(codes_of(place) is not None for place in places(merged)) == 2


class Standardised(nn.Conv2d):
    """A layer that whatever scales its weight does nothing to."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        y: Tensor = self._conv_forward(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias)
        return y


class Positive(nn.Linear):
    """A layer that answers with something else than a product."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


def test_layers_that_compute_in_another_way_keep_their_norm(block) -> None:
    conv, head = Standardised(4, 6, 3), Positive(6, 5)
    block.conv, block.head = conv, head
    keep(block, "conv.weight", Coded(torch.rand(6) / 10))
    keep(block, "head.weight", Coded(torch.rand(5) / 10))
    x = torch.randn(5, 4, 8, 8)
    merged = merge_batch_norm(block, x)
    assert torch.equal(merged(x), block(x))
    assert {type(merged.norm), type(merged.last)} == {nn.BatchNorm2d, nn.BatchNorm1d}


def test_integers_keep_a_norm_over_another_axis() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
    net(torch.randn(9, 6, 4) * 2 + 1)
    net.eval()
    keep(net, "0.weight", Coded(torch.rand(6) / 10))
    x = torch.randn(5, 6, 4)
    for example in (x, None):
        assert torch.equal(merge_batch_norm(net, example)(x), net(x))
