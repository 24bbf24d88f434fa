"""Weights that share few values: one-dimensional k-means, and training of what is shared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from attar.compress.parametrizations import Codebook, store
from attar.compress.places import Place, places

_ROUNDS = 100


def clustered(weight: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Split numbers into clusters with the least squared distance to their means, from means evenly spaced at first.

    Where some numbers are zero, as pruned weights are, one of the values is zero and stands for these alone.

    References:
        Han, Mao, Dally, Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and
        Huffman Coding, 2016, https://arxiv.org/abs/1510.00149, section 3

    Arguments:
        weight: finite numbers of any shape.
        levels: how many values there may be, at least 2.

    Returns:
        The values in ascending order `(levels or fewer,)`, and for each number the place of its value.

    Example:
        >>> values, codes = clustered(torch.tensor([0.9, 0.0, 1.1, -2.0]), 3)
        >>> values.tolist(), codes.tolist()
        ([-2.0, 0.0, 1.0], [2, 1, 2, 0])
    """
    flat = weight.flatten().double()
    zero = flat == 0
    some = bool(zero.any())
    values = _means(flat[~zero].sort().values, levels - some)
    if some:
        values = torch.cat([values, torch.zeros(1, dtype=values.dtype)])
    values = torch.unique(values.to(weight.dtype))
    codes = _nearest(flat, values.double())
    if some:
        at = int((values == 0).nonzero()[0])
        others = torch.cat([values[:at], values[at + 1 :]]).double()
        if len(others):
            place = _nearest(flat, others)
            codes = torch.where(zero, at, place + (place >= at))
    return values, codes.reshape(weight.shape)


def _means(ordered: Tensor, levels: int) -> Tensor:
    """Lloyd's algorithm on sorted numbers: clusters are intervals, their sums differences of one running sum."""
    if not len(ordered):
        return ordered
    sums = torch.cat([ordered.new_zeros(1), ordered.cumsum(0)])
    means = torch.linspace(float(ordered[0]), float(ordered[-1]), levels, dtype=ordered.dtype)
    ends: Tensor | None = None
    for _ in range(_ROUNDS):
        inner = torch.searchsorted(ordered, (means[1:] + means[:-1]) / 2)
        found = torch.cat([inner.new_zeros(1), inner, inner.new_full((1,), len(ordered))])
        if ends is not None and torch.equal(found, ends):
            break
        ends, count = found, found.diff()
        means = torch.where(count > 0, sums[found].diff() / count.clamp(min=1), means)
    return means


def _nearest(numbers: Tensor, values: Tensor) -> Tensor:
    return torch.searchsorted((values[1:] + values[:-1]) / 2, numbers)


def share(place: Place, levels: int) -> None:
    """Let a weight be places in a codebook of its own."""
    values, codes = clustered(place.value.detach(), levels)
    store(place, codes, Codebook(values))


@contextmanager
def trainable(model: nn.Module) -> Iterator[None]:
    """Let the values of codebooks be parameters: each receives the sum of the gradients of the weights that share it.

    Zeros receive none, and stay. Afterwards, the values as they are then are buffers again.
    """
    chains = [place.chain() for place in places(model)]
    books = [chain[-1] for chain in chains if chain and isinstance(chain[-1], Codebook)]
    for book in books:
        kept = book.values != 0
        values = nn.Parameter(book.values)
        values.register_hook(lambda gradient, kept=kept: gradient * kept)
        del book.values
        book.register_parameter("values", values)
    try:
        yield
    finally:
        for book in books:
            trained = book.values.detach().clone()
            del book.values
            book.register_buffer("values", trained)
