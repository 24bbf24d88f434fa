"""How much each tensor of a network suffers from fewer bits and more zeros, and the mix of them that costs least."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.compress.answers import answers, are_logits, variance_of
from attar.compress.checks import check_answers
from attar.compress.given import Samples, rows, samples_for
from attar.compress.grids import Grid, fitted
from attar.compress.masks import smallest
from attar.compress.parametrizations import Coded, store
from attar.compress.places import Place, copied, places
from attar.data.split import some
from attar.errors import CompressionError
from attar.training.progress import Progress, Silent

_BITS = (8, 6, 5, 4, 3, 2)
_ZEROS = (0.0, 0.5, 0.8, 0.95)
# Samples on which losses are measured, and the least bits of a vector: few numbers, each of which matters.
_SAMPLES, _OF_VECTORS = 256, 6


@dataclass(frozen=True)
class Way:
    """One way to write a tensor.

    Arguments:
        bits: of a code; 32: as it is, in floating point.
        zeros: share of the weights that become zero, the smallest ones.
        size: bits of the tensor in a file.
        loss: mean divergence of the network's answers from its own before, with this tensor alone written so.
    """

    bits: int
    zeros: float
    size: float
    loss: float


def sensitivities(model: nn.Module, x: Samples, *, progress: Progress | None = None) -> dict[str, tuple[Way, ...]]:
    """Try each tensor with fewer bits and more zeros, all others as they are.

    The loss is the mean Kullback-Leibler divergence KL(p ‖ q) of the answers q from those before p; where the network
    does not answer with one row of two logits or more a sample, the mean squared difference in units of their variance.

    References:
        Wang et al., HAQ: Hardware-Aware Automated Quantization with Mixed Precision, 2019,
        https://arxiv.org/abs/1811.08886 (sensitivity of layers)

    Arguments:
        model: any network with float weights; it is not changed.
        x: samples `(n, *shape)`, of which some are used.
        progress: where each tensor is reported.

    Returns:
        For each tensor of floats, by its name, ways to write it; the first is as it is.

    Raises:
        CompressionError: there are no samples, the network does not take them, or an answer is not finite.

    Example:
        >>> net, x = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)), torch.randn(64, 8)
        >>> ways = sensitivities(net, x)
        >>> list(ways), ways["0.weight"][0].bits, ways["0.weight"][0].loss
        (['0.weight', '0.bias', '2.weight', '2.bias'], 32, 0.0)
    """
    x = samples_for(model, x)
    few = rows(x, torch.from_numpy(some(len(x), _SAMPLES, seed=0)))
    trial = copied(model).eval()
    told = answers(trial, few)
    check_answers([told])
    found: dict[str, tuple[Way, ...]] = {}
    floats = [one for one in places(trial) if not one.chain() and one.value.is_floating_point() and one.value.numel()]
    with (progress or Silent()).task("sensitivity", len(floats)) as task:
        for place in floats:
            found[place.name] = (Way(32, 0.0, 32.0 * place.value.numel(), 0.0), *_ways(trial, place, few, told))
            task.advance()
    return found


def mix(ways: Mapping[str, Sequence[Way]], size: float) -> dict[str, Way]:
    """One way for each tensor, of the least loss in sum whose sizes sum to no more than allowed.

    The choice is that of a price λ for a bit, argmin loss + λ · size in each tensor, with the smallest λ that keeps to
    the size, and then better ways as long as they fit: losses of tensors are taken to add up.

    References:
        Shoham, Gersho, Efficient bit allocation for an arbitrary set of quantizers, 1988,
        https://doi.org/10.1109/29.90373

    Arguments:
        ways: of each tensor, at least one.
        size: bits of all tensors together.

    Raises:
        CompressionError: the smallest ways of all are larger than that.

    Example:
        >>> eight = Way(8, 0.0, 80, 0.0)
        >>> ways = {"a": (eight, Way(4, 0.0, 40, 0.1)), "b": (eight, Way(4, 0.0, 40, 0.9))}
        >>> {name: way.bits for name, way in mix(ways, 130).items()}
        {'a': 4, 'b': 8}
    """
    chosen = {name: min(some, key=lambda way: (way.size, way.loss)) for name, some in ways.items()}
    left = size - sum(way.size for way in chosen.values())
    if left < 0:
        raise CompressionError(f"{size / 8:.0f} bytes are less than these tensors take in any way that was tried")
    while True:
        # Going along the lower convex hull of every tensor by its steepest edge is the same as lowering the price.
        better = [
            (name, way)
            for name, some in ways.items()
            for way in some
            if way.size <= chosen[name].size + left and way.loss < chosen[name].loss
        ]
        if not better:
            return chosen
        name, way = max(better, key=lambda one: _slope(chosen[one[0]], one[1]))
        left -= way.size - chosen[name].size
        chosen[name] = way


def _slope(now: Way, way: Way) -> tuple[bool, float]:
    """What a better way gains for a bit; one that is no larger comes before all others."""
    more = way.size - now.size
    return more <= 0, (now.loss - way.loss) / more if more > 0 else 0.0


def written(model: nn.Module, chosen: Mapping[str, Way]) -> nn.Module:
    """Return a copy whose tensors are written in these ways, without training."""
    small = copied(model).eval()
    for place in places(small):
        way = chosen.get(place.name)
        if way is not None and way.bits < 32:
            codes, scale = _coded(place.value.detach(), way.bits, way.zeros)
            store(place, codes, Coded(scale))
    return small


def _ways(trial: nn.Module, place: Place, x: Samples, told: Tensor) -> Iterator[Way]:
    """What a tensor takes, and how far the answers move, with fewer bits and more zeros in this tensor alone."""
    weight = place.value.detach().clone()
    vector = weight.ndim < 2
    for bits in (b for b in _BITS if not vector or b >= _OF_VECTORS):
        for zeros in (0.0,) if vector else _ZEROS:
            codes, scale = _coded(weight, bits, zeros)
            size = entropy(codes) + 32 * len(scale)
            with _instead(place, Coded(scale)(codes)):
                yield Way(bits, zeros, size, divergence(told, answers(trial, x)))


def entropy(codes: Tensor) -> float:
    """Bits of a tensor of integers whose frequencies are known: what the codec takes, or somewhat more.

    Example:
        >>> entropy(torch.tensor([0, 0, 1, 1]))
        4.0
    """
    counts = torch.unique(codes, return_counts=True)[1].double()
    return float((counts * (counts.sum() / counts).log2()).sum())


@contextmanager
def _instead(place: Place, value: Tensor) -> Iterator[None]:
    """Another value for a tensor, for a while."""
    tensor = place.original().data
    before = tensor.clone()
    tensor.copy_(value)
    try:
        yield
    finally:
        tensor.copy_(before)


def _coded(weight: Tensor, bits: int, zeros: float) -> tuple[Tensor, Tensor]:
    """Codes and steps, one for each row of a weight."""
    if zeros:
        weight = weight * ~smallest([weight.abs()], zeros)[0]
    grid = Grid(bits)
    per_row = weight.reshape(len(weight) if weight.ndim > 1 else 1, -1)
    steps = fitted(per_row, grid, "mse")
    return steps.codes(per_row, grid).reshape(weight.shape), steps.scale


def divergence(told: Tensor, said: Tensor) -> float:
    """Mean KL(p ‖ q) of answers q from those before p, in logits; or what `sensitivities` says of other answers.

    Example:
        >>> divergence(torch.zeros(2, 3), torch.ones(2, 3))
        0.0
    """
    if are_logits(told):
        p, q = F.log_softmax(told, 1), F.log_softmax(said, 1)
        loss = float((p.exp() * (p - q)).sum(1).mean())
    else:
        loss = float((said - told).square().mean() / variance_of(told))
    return math.inf if math.isnan(loss) else max(0.0, loss)
