"""The layers that can be split into thinner ones: what each has seen of the data, and what each way costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from attar.compress import lowrank
from attar.compress.checks import check_inputs
from attar.compress.costs import evaluated
from attar.compress.given import Samples, rows
from attar.compress.lowrank import Chain, Task
from attar.compress.moments import Moments
from attar.compress.places import places
from attar.compress.vbmf import vbmf_rank
from attar.data.split import some

Scheme = Literal["channel", "tucker", "spatial", "canonical"]
Ranks = int | tuple[int, ...]

# Samples that covariances are of, so many at once, and patches of each lot at most.
_SAMPLES, _LOT, _PATCHES = 2048, 128, 4096
# Ranks that are tried, in parts of the largest.
_PARTS = [i / 16 for i in range(1, 16)]
_WAYS: dict[Scheme, Callable[..., Chain]] = {
    "channel": lowrank.channel,
    "tucker": lowrank.tucker,
    "spatial": lowrank.spatial,
    "canonical": lowrank.canonical,
}
# On which of the two axes each layer of a chain filters; before that, it works on places of the input.
_FILTERS = {
    "channel": ((1, 1), (0, 0)),
    "tucker": ((0, 0), (1, 1), (0, 0)),
    "spatial": ((1, 0), (0, 1)),
    "canonical": ((0, 0), (1, 1), (0, 0)),
}


@dataclass(frozen=True)
class Option:
    """A way to split a layer, or to leave it as it is.

    Arguments:
        scheme: None: as it is.
        ranks: of the scheme.
        error: part of the variance of the answers that is lost.
        macs: multiply-accumulates for one sample.
        weights: numbers that it has.
    """

    scheme: Scheme | None
    ranks: Ranks
    error: float
    macs: int
    weights: int


class Site:
    """A linear layer or a convolution of a network, and the data that reach it.

    Arguments:
        name: in `named_modules`.
        weight_name: the name of its weight.
        layer: it is not changed.
        weighted: whether errors are those of its answers to the data, and not of the weight.
    """

    def __init__(
        self, name: str, weight_name: str, layer: nn.Linear | nn.Conv1d | nn.Conv2d, weighted: bool = False
    ) -> None:
        self.name, self.weight_name, self.layer, self.weighted = name, weight_name, layer, weighted
        shape = layer.weight.shape
        high_wide = shape[2:] if len(shape) == 4 else (1, *(shape[2:] or (1,)))
        self.weight = layer.weight.detach().double().reshape(*shape[:2], *high_wide)
        # Of a grouped convolution, those of what each group reads.
        self.moments = [Moments(self.weight[0].numel()) for _ in range(getattr(layer, "groups", 1))]
        self.seen = self.moments[0]
        # Places (high, wide) of input and output; until data are seen, only their ratio is right: the strides.
        self.inside, self.outside = self._strides(), (1, 1)
        # The lot that was seen last, and how many places of the output its samples have had, in all calls.
        self._lot, self._places = range(-1, 0), 1

    def see(self, x: Tensor, y: Tensor, lot: range) -> None:
        """Take one call of the layer into account.

        Arguments:
            x: what it reads.
            y: what it answers.
            lot: the numbers of the samples in this batch.
        """
        if isinstance(self.layer, nn.Linear):
            if x.ndim == 3 and len(x) != len(lot) == x.shape[1]:
                x = x.transpose(0, 1)  # steps of sequences come before samples, as in transformers
            patches = x.reshape(-1, x.shape[-1])
            self.inside = self.outside = (math.prod(x.shape[1:-1]), 1)
        else:
            axes = len(self.layer.kernel_size)
            x, y = (one.reshape(-1, one.shape[-1 - axes], *[1] * (2 - axes), *one.shape[-axes:]) for one in (x, y))
            self.inside, self.outside = ((one.shape[2], one.shape[3]) for one in (x, y))
            patches = self._patches(x)
        self._lot, self._places = lot, len(patches) + (self._places if lot == self._lot else 0)
        step = -(-len(patches) // _PATCHES)
        # Else each sample would be seen at the same few places, such as the left edge of a picture.
        while math.gcd(step, math.prod(self.outside)) > 1:
            step += 1
        of = lot.start + torch.arange(len(patches)) * len(lot) // len(patches)
        for seen, part in zip(self.moments, patches[::step].chunk(len(self.moments), 1)):
            seen.take(part, of[::step])

    @cached_property  # asked for when all is seen
    def task(self) -> Task:
        """The weight, and the covariance of what reaches it."""
        return Task(self.weight, self.seen.covariance if self.weighted and self.seen.rows else None)

    def options(self, schemes: Sequence[Scheme]) -> list[Option]:
        """As it is, and all ways to split it that need fewer multiply-accumulates and weights."""
        as_is = self.as_is()
        found = [self.option(scheme, ranks) for scheme in self._possible(schemes) for ranks in self._ranks(scheme)]
        return [as_is, *(one for one in found if one.macs < as_is.macs and one.weights < as_is.weights)]

    def option(self, scheme: Scheme, ranks: Ranks) -> Option:
        """One way to split it; where it has but one, that."""
        (scheme,) = self._possible((scheme,))
        if scheme == "channel" and isinstance(ranks, tuple):
            ranks = min(ranks)
        chain = self._chain(scheme, ranks)
        done_high = done_wide = False
        cost = 0
        for weight, (high, wide) in zip(chain.weights, _FILTERS[scheme]):
            done_high, done_wide = done_high or bool(high), done_wide or bool(wide)
            cost += (
                weight.numel()
                * (self.outside if done_high else self.inside)[0]
                * (self.outside if done_wide else self.inside)[1]
            )
        weights = sum(w.numel() for w in chain.weights)
        return Option(scheme, ranks, self.task.error(chain.composed), self._for_a_sample(cost), weights)

    def vbmf_ranks(self, scheme: Scheme) -> Ranks:
        """The ranks that are no noise, by VBMF of the matrices that a scheme splits the weight as, as in `tucker`."""
        w = self.weight
        by_out, by_in = w.flatten(1), w.transpose(0, 1).flatten(1)
        matrices = {
            "channel": (by_out,),
            "tucker": (by_out, by_in),
            "spatial": (w.permute(1, 2, 0, 3).flatten(0, 1).flatten(1),),
            "canonical": (by_out, by_in),
        }
        ranks = tuple(max(1, vbmf_rank(matrix)) for matrix in matrices[scheme])
        return ranks if scheme == "tucker" else max(ranks)

    def as_is(self) -> Option:
        """The layer as it is."""
        numbers = self.weight.numel()
        return Option(None, 0, 0.0, self._for_a_sample(numbers * math.prod(self.outside)), numbers)

    def built(self, option: Option) -> nn.Sequential:
        """The layers in its place."""
        assert option.scheme is not None
        chain = self._chain(option.scheme, option.ranks)
        layers = [self._stage(w, *filters, option.scheme) for w, filters in zip(chain.weights, _FILTERS[option.scheme])]
        old = self.layer.bias
        if self.weighted or old is not None:
            # What is lost of the mean of the answers is constant.
            lost = self.seen.mean_of(self.weight.flatten(1) - chain.composed) if self.weighted else torch.zeros(())
            bias = lost + (0 if old is None else old.detach().double()) + torch.zeros(len(self.weight))
            layers[-1].bias = nn.Parameter(bias.to(self.layer.weight.dtype))
        return nn.Sequential(*layers).train(self.layer.training)

    def _possible(self, schemes: Sequence[Scheme]) -> Sequence[Scheme]:
        return schemes if self.weight[0, 0].numel() > 1 else ("channel",)

    def _ranks(self, scheme: Scheme) -> list[Ranks]:
        out, n_in, high, wide = self.weight.shape
        if scheme == "tucker":
            return [(_rounded(a * out), _rounded(b * n_in)) for a in _PARTS[1::2] for b in _PARTS[1::2]]
        most = {
            "channel": min(out, self.weight[0].numel()),
            "spatial": min(n_in * high, out * wide),
            "canonical": 2 * max(out, n_in),
        }
        return sorted({_rounded(part * most[scheme]) for part in _PARTS})

    def _for_a_sample(self, cost: int) -> int:
        """Multiply-accumulates for a sample in all calls of the layer, from those in one call."""
        return round(cost * self._places / (len(self._lot) * math.prod(self.outside)))

    def _chain(self, scheme: Scheme, ranks: Ranks) -> Chain:
        each = ranks if isinstance(ranks, tuple) else (ranks,) * (2 if scheme == "tucker" else 1)
        return _WAYS[scheme](self.task, *each)

    def _strides(self) -> tuple[int, int]:
        stride = () if isinstance(self.layer, nn.Linear) else self.layer.stride
        return cast(tuple[int, int], (1, 1, *stride)[-2:])

    def _patches(self, x: Tensor) -> Tensor:
        """What is under the filter at each place `(places, in · high · wide)`."""
        layer = cast(nn.Conv1d | nn.Conv2d, self.layer)
        around = layer._reversed_padding_repeated_twice
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        if mode != "constant" and isinstance(layer, nn.Conv1d):
            x = F.pad(x[:, :, 0], around, mode)[:, :, None]
        else:
            x = F.pad(x, around, mode)
        stride, dilation = self._strides(), cast(tuple[int, int], (1, *layer.dilation)[-2:])
        unfolded = F.unfold(x, tuple(self.weight.shape[2:]), dilation, 0, stride)
        return unfolded.transpose(1, 2).flatten(0, 1)

    def _stage(self, weight: Tensor, high: int, wide: int, scheme: Scheme) -> nn.Module:
        """A layer that filters on the axes that are marked, with a width of 1 on others."""
        old = self.layer
        weight = weight.to(old.weight.dtype)
        if isinstance(old, nn.Linear):
            linear = nn.Linear(weight.shape[1], len(weight), bias=False)
            linear.weight = nn.Parameter(weight[:, :, 0, 0].contiguous())
            return linear
        marks = (high, wide)[2 - len(old.kernel_size) :]

        def picked(values: tuple[int, ...], other: int) -> tuple[int, ...]:
            return tuple(value if mark else other for value, mark in zip(values, marks))

        filters = any(marks)
        groups = len(weight) if filters and scheme == "canonical" else 1
        padding = old.padding if isinstance(old.padding, str) else picked(old.padding, 0)
        new = type(old)(
            weight.shape[1] * groups,
            len(weight),
            picked(old.kernel_size, 1),  # type: ignore[arg-type]
            picked(old.stride, 1),  # type: ignore[arg-type]
            padding if filters else 0,  # type: ignore[arg-type]
            picked(old.dilation, 1),  # type: ignore[arg-type]
            groups,
            bias=False,
            padding_mode=old.padding_mode if filters else "zeros",
        )
        new.weight = nn.Parameter(weight.reshape(*weight.shape[:2], *new.kernel_size).contiguous())
        return new


def sites(
    model: nn.Module, x: Samples | None, weights: Collection[str] | None = None, weighted: bool = True
) -> tuple[list[Site], list[str]]:
    """The layers whose weight is theirs alone, each with the data that reach it; and the names of the others.

    Arguments:
        model: in evaluation mode for this.
        x: samples `(n, *shape)`; None: no data.
        weights: names of the weights of the layers that are wanted; None: all but those of grouped convolutions.
        weighted: whether errors are those of answers to the data, where there are some.

    Raises:
        CompressionError: what reaches a layer is not finite.
    """
    owners = {id(layer): place for place in places(model) for layer, name in place.owners if name == "weight"}
    found, left = [], []
    for name, layer in model.named_modules():
        place = owners.get(id(layer))
        if weights is not None and (place is None or place.name not in weights):
            continue
        whole = weights is not None or getattr(layer, "groups", 1) == 1
        if place is not None and len(place.owners) == 1 and type(layer) in (nn.Linear, nn.Conv1d, nn.Conv2d) and whole:
            found.append(Site(name, place.name, cast(Any, layer), weighted and x is not None))
        elif isinstance(layer, nn.Linear | _ConvNd):
            left.append(name)
    if x is not None:
        _show(model, found, x)
    return found, left


def _show(model: nn.Module, layers: Sequence[Site], x: Samples) -> None:
    """Let each layer see what reaches it of some of the samples."""
    lot = range(0)

    def note(site: Site, _: nn.Module, given: tuple[Tensor, ...], named: dict[str, Tensor], said: Tensor) -> None:
        site.see((*given, *named.values())[0], said, lot)  # the input may be given by name

    with evaluated(model), ExitStack() as hooks:
        for site in layers:
            hooks.enter_context(site.layer.register_forward_hook(partial(note, site), with_kwargs=True))
        for which in torch.split(torch.from_numpy(some(len(x), _SAMPLES, seed=0)), _LOT):
            lot = range(lot.stop, lot.stop + len(which))
            model(rows(x, which))
    for site in layers:
        for seen in site.moments:
            check_inputs(site.name or type(site.layer).__name__, seen.seen_covariance)


def _rounded(width: float) -> int:
    """A multiple of eight, where that is fine enough."""
    step = 8 if width >= 32 else 4 if width >= 16 else 1
    return max(1, step * round(width / step))
