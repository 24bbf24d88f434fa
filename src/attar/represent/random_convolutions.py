"""Random convolutions: thousands of untrained filters and how strongly, how often and where they answer."""

from __future__ import annotations

from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar._settings import check_counts
from attar.errors import DataError
from attar.kinds import kind_of
from attar.represent._channels import STILL, Correlations, Levels
from attar.represent._parts import FloatArray
from attar.represent.base import Representation
from attar.training.memory import kept_memory
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attar.kinds.base import Kind

_LENGTH = {1: 9, 2: 3}
# Filters of one group compete for each place.
_GROUP = 8
# Cells along each axis over which answers are pooled: where a stroke lies matters, when a beat falls does not.
_CELLS = {1: 1, 2: 2}
# Places that are enough for a mean: of more, only some are looked at.
_PLACES = 8192
# Most dilations; of larger samples more, as long as a filter spans no more than this share of the shortest side.
_MAX_DILATIONS, _WIDEST = {1: 8, 2: 3}, {1: 0.0, 2: 0.4}
# Samples and answers from which thresholds are drawn, and samples whose features are standardised.
_REFERENCE, _ANSWERS, _SCALED = 64, 20_000, 2048
# Samples that filters may be learnt from.
_LEARNT = 512
# Answers of one dilation that fit into the cache: with four times as many, images take twice as long.
_ANSWERS_AT_ONCE = 2**20
# Steps of a weight in one.
_GRID = 128
# What is added to the answers of a group, one after the other, and to thresholds: samples that are whole numbers have
# answers that are equal, and rounding must not decide which is the larger. Far above rounding, far below what matters.
_APART, _OFF = 1e-5, 4e-5
# Variance that correlations, and levels, of several channels have together, as a share of that of all convolutions.
_SHARE = 1 / 8
# Weights of a filter, whichever its shape, and the standard deviation of what is added to them.
_TAPS, _NOISE = 9, 0.5


class RandomConvolutions(Representation):
    """Random dilated convolutions of series and images, pooled into vectors.

    For every dilation 1, 2, 4, … there are `n_kernels` filters of nine weights, near −1 in six places and 2 in three
    and of mean zero, over a random subset of channels, applied to the series and to its first difference (to an image
    as it is). Of each answer a it keeps

        the share of places with a > b, for `n_thresholds` quantiles b of the answers to training samples,
        √ of the mean over all places of max(a, 0) where the filter answers strongest in its group of eight, else 0,

    per cell of a grid for images, each standardised. Of more than 8,192 places it looks at every second, third, … along
    each axis. The first is the family of ROCKET and MiniRocket, the second the competition of Hydra.

    Filters see sums of channels and no heights. Of series of several channels it therefore also keeps the correlations
    of all channels with each other, at lags of 0, 1, 2, 4 and 8 steps, and the mean and the logarithm of the deviation
    of each; these two parts each have an eighth of the variance of all convolutions together.

    Everything is a convolution, a comparison, a product or a mean, so it exports to ONNX.

    References:
        Dempster, Petitjean, Webb, ROCKET, 2020, https://arxiv.org/abs/1910.13051
        Dempster, Schmidt, Webb, MiniRocket, 2021, https://arxiv.org/abs/2012.08791
        Dempster, Schmidt, Webb, Hydra, 2023, https://arxiv.org/abs/2203.13652

    Arguments:
        n_kernels: filters per dilation, rounded up to a multiple of 8.
        n_thresholds: per filter.
        kind: "image", "series", or a kind that has already learnt. None: two axes are series of one channel, three a
            series unless a sample is square, four an image.
        by_sample: standardise each channel of each sample by itself, rather than all samples alike: for series of which
            only the shape matters, not at what height they lie or how far they reach.
        random_state: seed of filters and thresholds.

    Attributes:
        dim_: length of a representation.
        module_: from raw samples to representations.

    Example:
        >>> recordings = np.random.default_rng(0).standard_normal((20, 3, 100)).astype(np.float32)
        >>> RandomConvolutions(16, random_state=0).fit_transform(recordings).shape
        (20, 301)
    """

    def __init__(
        self,
        n_kernels: int = 256,
        n_thresholds: int = 1,
        *,
        kind: str | Kind | None = None,
        by_sample: bool = False,
        random_state: int | None = None,
    ) -> None:
        self.n_kernels = n_kernels
        self.n_thresholds = n_thresholds
        self.kind = kind
        self.by_sample = by_sample
        self.random_state = random_state

    @usual_defaults()
    def _fit(self, X: FloatArray) -> None:
        check_counts(self, "n_kernels", "n_thresholds")
        n_kernels, n_thresholds = int(self.n_kernels), int(self.n_thresholds)
        seed = np.random.default_rng(self.random_state).integers(2**31)
        generator = torch.Generator().manual_seed(int(seed))
        flat = self.kind is None and X.ndim == 2 and not hasattr(X, "links")
        kind = kind_of("series", X[:, None]) if flat else kind_of(self.kind, X)
        preprocess = kind.preprocess_by_sample() if self.by_sample else kind.preprocess()
        preprocess = nn.Sequential(_Channel(), preprocess) if flat else preprocess
        drawn = torch.randperm(len(X), generator=generator)[:_SCALED]
        with kept_memory(), torch.no_grad():
            normalised = preprocess(torch.tensor(X[drawn.numpy()]))
            if normalised.ndim < 3:
                raise DataError(
                    f"samples of kind {kind.name} lie along no axis to convolve over; use another representation"
                )
            bank = _Bank(normalised[:_LEARNT], n_kernels, n_thresholds, generator, self._filters())
            self._module = nn.Sequential(preprocess, bank).eval()
            self._at_once = _at_once(n_kernels, normalised)
            bank.standardise(torch.cat([bank(batch) for batch in normalised.split(self._at_once)]))
        self.dim_ = int(bank.mean.numel())

    def _filters(self) -> type[_Filters]:
        return _Filters


class _Channel(nn.Module):
    """A table of steps as series of one channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.unsqueeze(1)


class _Bank(nn.Module):
    """All filters, learnt or not, with thresholds, from normalised samples."""

    mean: Tensor
    std: Tensor

    def __init__(
        self, x: Tensor, n_kernels: int, n_thresholds: int, generator: torch.Generator, kind_of_filters: type[_Filters]
    ) -> None:
        super().__init__()
        dims = x.ndim - 2
        filters = [
            kind_of_filters(x, n_kernels, n_thresholds, dilation, difference, generator)
            for difference in ((False, True) if dims == 1 and x.shape[2] > 1 else (False,))
            for dilation in _dilations([s - difference for s in x.shape[2:]])
        ]
        convolved = sum(f(x[:1]).numel() for f in filters)
        several = dims == 1 and x.shape[1] > 1
        between = [Correlations(x.shape[1], x.shape[2], convolved), Levels()] if several else []
        sized = [(part, part(x[:1]).shape[1]) for part in between]
        self.filters = nn.ModuleList(filters)
        # Of too many channels there are no correlations, and their products are not made.
        self.between = nn.ModuleList(part for part, size in sized if size)
        self.sizes = [convolved, *(size for _, size in sized if size)]
        self.register_buffer("mean", torch.zeros(sum(self.sizes)))
        self.register_buffer("std", torch.ones(sum(self.sizes)))

    def standardise(self, features: Tensor) -> None:
        """Take mean and deviation from these features."""
        self.mean.copy_(features.mean(0))
        convolutions, *between = features.split(self.sizes, dim=1)
        # What hardly varies is mostly chance; it is not blown up to the size of the rest.
        least = 1e-4 * max(convolutions.std(correction=0).item(), 1e-3)
        spread = [convolutions.std(0, correction=0) + least]
        for part in between:
            wider = (_SHARE * convolutions.shape[1] / part.shape[1]) ** 0.5
            spread.append((part.std(0, correction=0) + STILL) / wider)
        self.std.copy_(torch.cat(spread))

    def forward(self, x: Tensor) -> Tensor:
        convolved = torch.cat([f(x) for f in self.filters], dim=1).flatten(1)
        return (torch.cat([convolved, *(part(x) for part in self.between)], dim=1) - self.mean) / self.std


class _Filters(nn.Module):
    """The filters of one dilation."""

    weight: Tensor
    bias: Tensor
    channels: Tensor
    thresholds: Tensor
    cells: Tensor

    def __init__(
        self,
        x: Tensor,
        n_kernels: int,
        n_thresholds: int,
        dilation: int,
        difference: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        dims, channels = x.ndim - 2, x.shape[1]
        self.dilation, self.difference = dilation, difference
        self.groups = -(-n_kernels // _GROUP)
        n = self.groups * _GROUP
        self.register_buffer("weight", _random_weights(n, generator).reshape(n, 1, *(_LENGTH[dims],) * dims))
        self.register_buffer("bias", _APART * torch.arange(_GROUP).repeat(self.groups))
        # A group sees the sum of its channels: one convolution of few channels to groups, and one within each group.
        self.register_buffer("channels", self._channels(channels, generator).reshape(-1, channels, *(1,) * dims))
        self._learn(x, generator)
        size = [s - difference for s in x.shape[2:]]
        self.stride = ceil((prod(size) / _PLACES) ** (1 / dims))
        size = [-(-s // self.stride) for s in size]
        # Transposed: a product with so few columns is much faster the other way round in memory.
        self.register_buffer("cells", _cells(size, _CELLS[dims]).T.contiguous())
        # Plain numbers: asked of a tensor, they would be computed anew in every ONNX file.
        self.size = n, prod(size)
        at = torch.rand(n, n_thresholds, generator=generator)
        self.register_buffer("thresholds", _quantiles(self._some_answers(x[:_REFERENCE]), at) + _OFF)

    def _channels(self, channels: int, generator: torch.Generator) -> Tensor:
        """Which channels each group of filters sees `(groups, channels)`: few more often than many."""
        mask = torch.zeros(self.groups, channels)
        for group in mask:
            most = np.log2(min(channels, 9) + 1)
            n = min(channels, max(1, int(2 ** (torch.rand((), generator=generator).item() * most))))
            group[torch.randperm(channels, generator=generator)[:n]] = 1
        return mask

    def _learn(self, x: Tensor, generator: torch.Generator) -> None:
        """Random filters learn nothing from the samples."""

    def _sums(self, x: Tensor) -> Tensor:
        """What each group sees `(n, groups, places)`; of one channel, which is every group's sum, `(n, 1, places)`."""
        x = x[:, :, 1:] - x[:, :, :-1] if self.difference else x
        convolve = F.conv1d if x.ndim == 3 else F.conv2d
        return x if x.shape[1] == 1 else convolve(x, self.channels)

    def _convolve(self, x: Tensor) -> Tensor:
        """Answers `(n, kernels, places)`."""
        sums = self._sums(x)
        padding = self.dilation * (self.weight.shape[-1] // 2)
        convolve = F.conv1d if x.ndim == 3 else F.conv2d
        groups = sums.shape[1]
        answers = convolve(sums, self.weight, self.bias, self.stride, padding, self.dilation, groups)
        return answers if x.ndim == 3 else answers.reshape(-1, *self.size)

    def _some_answers(self, x: Tensor) -> Tensor:
        """Every k-th of all answers, `(kernels, answers)`, made for a few samples at a time."""
        n = len(self.bias)
        places = len(x) * self.cells.shape[-1]
        step, at, kept = -(-places // _ANSWERS), 0, []
        for batch in torch.split(x, _at_once(n, x)):
            answers = self._convolve(batch).transpose(0, 1).reshape(n, -1)
            kept.append(answers[:, at::step].clone())
            at = (at - answers.shape[1]) % step
        return torch.cat(kept, dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Features `(n, kernels · (n_thresholds + 1), cells)`."""
        a = self._convolve(x)
        thresholds = [self.thresholds[:, i : i + 1] for i in range(self.thresholds.shape[1])]
        # The mean of the sign is twice the share above, less one: the same after standardising, in fewer passes.
        above = [_MeanSign.apply(a - b, self.cells) for b in thresholds]  # type: ignore[no-untyped-call]
        rivals = a.reshape(-1, self.groups, _GROUP, self.size[1])
        # 1 for the strongest and 0 for all others, by arithmetic: comparing and selecting take twice as long.
        strongest = _IsZero.apply(rivals - rivals.amax(2, keepdim=True))  # type: ignore[no-untyped-call]
        wins = strongest * rivals.clamp_min(0.0)
        strength = _pool(wins.reshape(-1, *self.size), self.cells).sqrt()
        return torch.cat([*above, strength], dim=1)


# In onnxruntime a sign takes seven times as long as a hard sigmoid, max(0, min(1, α d + β)), which is one where it is
# this steep: no two numbers that are told apart differ by so little.
_STEEP = 1e30


class _MeanSign(torch.autograd.Function):
    """Mean of the sign over each cell of `(n, kernels, places)`, `(n, kernels, cells)`."""

    @staticmethod
    def forward(ctx: Any, d: Tensor, cells: Tensor) -> Tensor:
        del ctx
        return _pool(torch.sign(d), cells)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[None, None]:
        """A sign has no slope."""
        del ctx, gradients
        return None, None

    @staticmethod
    def symbolic(g: Any, d: Any, cells: Any) -> Any:
        """2 m − 1, where m is the mean of 1, ½ and 0."""
        above, (n_cells, _) = g.op("HardSigmoid", d, alpha_f=_STEEP, beta_f=0.5), cells.type().sizes()
        places, two, one = (g.op("Constant", value_t=torch.tensor(value)) for value in ([2], 2.0, 1.0))
        mean = (
            g.op("ReduceMean", above, places, keepdims_i=1)
            if n_cells == 1
            else g.op("MatMul", above, g.op("Transpose", cells, perm_i=[1, 0]))
        )
        return g.op("Sub", g.op("Mul", mean, two), one)


class _IsZero(torch.autograd.Function):
    """1 where d ≤ 0 is zero, and 0 elsewhere."""

    @staticmethod
    def forward(ctx: Any, d: Tensor) -> Tensor:
        del ctx
        return torch.sign(d) + 1

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> None:
        """It has no slope."""

    @staticmethod
    def symbolic(g: Any, d: Any) -> Any:
        """As it is."""
        return g.op("HardSigmoid", d, alpha_f=_STEEP, beta_f=1.0)


def _pool(a: Tensor, cells: Tensor) -> Tensor:
    """Means over each cell, `(n, kernels, cells)`."""
    return a.mean(2, keepdim=True) if len(cells) == 1 else a @ cells.T


def _at_once(n_kernels: int, x: Tensor) -> int:
    """How many samples `(n, channels, *size)` are best answered to at a time."""
    return max(1, _ANSWERS_AT_ONCE // (n_kernels * x[0, 0].numel()))


def _random_weights(n: int, generator: torch.Generator) -> Tensor:
    """Weights of n filters `(n, 9)`, near −1 in six places and 2 in three, as MiniRocket's are.

    No two are the same: where two answer equally at the edges, rounding would decide which of them wins.
    """
    raised = torch.rand(n, _TAPS, generator=generator).argsort(1)[:, : _TAPS // 3]
    weight = torch.full((n, _TAPS), -1.0).scatter_(1, raised, 2.0)
    weight = weight + _NOISE * torch.randn(n, _TAPS, generator=generator)
    weight = weight - weight.mean(1, keepdim=True)
    return _on_grid(weight / weight.abs().sum(1, keepdim=True))


def _on_grid(weight: Tensor) -> Tensor:
    """Weights rounded to multiples of 1/128, each row to a sum of exactly zero: eight bits hold them without loss."""
    steps = (weight * _GRID).round()
    steps.scatter_add_(1, steps.abs().argmax(1, keepdim=True), -steps.sum(1, keepdim=True))
    return steps / _GRID


def _quantiles(rows: Tensor, at: Tensor) -> Tensor:
    """Of each row `(r, n)` its quantiles at shares `(r, k)`, equal to those of `torch.quantile`, which sorts it all."""
    places = at * (rows.shape[1] - 1)
    below, above = places.long(), places.ceil().long()
    needed = torch.cat([below, above], dim=1).numpy()
    parted = torch.from_numpy(np.stack([np.partition(row, kth) for row, kth in zip(rows.numpy(), needed)]))
    return torch.lerp(parted.gather(1, below), parted.gather(1, above), places - below)


def _dilations(size: Sequence[int]) -> tuple[int, ...]:
    """1, 2, 4, … as long as a filter spans no more than the shortest side; beyond the most, a share of that."""
    dims, side = len(size), min(size)

    def within(span: float) -> int:
        return int(np.log2(max((span - 1) / (_LENGTH[dims] - 1), 1))) + 1

    return tuple(2**e for e in range(min(within(side), max(_MAX_DILATIONS[dims], within(_WIDEST[dims] * side)))))


def _cells(size: Sequence[int], n: int) -> Tensor:
    """Averaging over the cells of a grid: a matrix (places, cells), each column of sum 1."""
    cells = torch.ones(1, 1)
    for side in size:
        k = min(n, side)
        of_place = torch.arange(side) * k // side
        members = F.one_hot(of_place, k).to(torch.float32)
        cells = torch.kron(cells, members / members.sum(0))
    return cells
