from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.compress.marks import Marks


class Between(nn.Module):
    """A layer, something, and a layer that reads it."""

    def __init__(self, what, width=10, reads=10) -> None:
        super().__init__()
        self.first, self.what, self.last = nn.Conv1d(3, width, 1), what, nn.Conv1d(reads, 2, 1)

    def forward(self, x):
        return self.last(self.what(self.first(x)))


def read(what, reads=10):
    net = Between(what, reads=reads).eval()
    marks = Marks(net, torch.randn(2, 3, 8))
    with marks.watched():
        return marks.dependencies(net.first, 10)[net.last]


def test_each_channel_is_told_apart_through_any_operation() -> None:
    eye = torch.eye(10, dtype=torch.bool)
    assert torch.equal(read(lambda h: F.max_pool1d(torch.relu(h), 2) * 3 - 1), eye)
    assert torch.equal(read(lambda h: h.flip(1).sigmoid()), eye.flip(1))
    assert torch.equal(read(lambda h: h[:, 2:7], 5), eye[:, 2:7])
    assert torch.equal(read(lambda h: torch.cat([h[:, 5:], h[:, :1]], 1), 6), torch.cat([eye[:, 5:], eye[:, :1]], 1))
    assert torch.equal(
        read(lambda h: h.reshape(2, 2, 5, -1).transpose(1, 2).reshape(2, 10, -1)),
        eye[:, [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]],
    )


def test_what_is_mixed_is_read_from_all() -> None:
    got = read(lambda h: h[:, :4] + h[:, 1:5], 4)
    assert torch.equal(got, torch.eye(10, dtype=torch.bool)[:, :4] | torch.eye(10, dtype=torch.bool)[:, 1:5])
    assert read(lambda h: F.layer_norm(h.mT, (10,)).mT).all()
    assert read(lambda h: h.mean(1, keepdim=True).expand(-1, 10, -1)).all()


def test_what_no_layer_writes_is_found_too() -> None:
    net = Between(lambda h: h).eval()
    marks = Marks(net, torch.randn(2, 3, 8))
    with marks.watched():
        assert marks.reached_from(net)[net.first].all()
        assert not marks.reached_from(net)[net.last].any()
        assert marks.dependencies(net.last, 2)["output", 0].any(1).all()


class Moments(NamedTuple):
    mean: Tensor
    scale: Tensor


class Spread(nn.Module):
    """A layer of its own that answers by names, and one that takes what it answers."""

    def __init__(self, takes: bool = False) -> None:
        super().__init__()
        self.takes, self.weight = takes, nn.Parameter(torch.randn(4, 4))

    def forward(self, x: Tensor | Moments) -> Tensor | Moments:
        return x.mean @ self.weight if self.takes else Moments(x @ self.weight, x)


def test_tensors_are_marked_within_tuples_with_names() -> None:
    net = nn.Sequential(nn.Linear(3, 4), Spread(), Spread(takes=True), nn.Linear(4, 2)).eval()
    marks = Marks(net, torch.randn(2, 3))
    with marks.watched():
        assert marks.reached_from(net[1])[f"wall {id(net[2])}", 4].all()
        assert marks.reached_from(net[2])[net[3]].all()
