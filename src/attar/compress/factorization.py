"""Low rank: a layer as two or three thinner ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import nn

from attar._settings import is_count, is_positive
from attar.compress.checks import as_seed, check_choice, check_weights
from attar.compress.costs import evaluated, macs
from attar.compress.distillation import distill
from attar.compress.factors import Option, Ranks, Scheme, Site, sites
from attar.compress.given import Labels, Samples, SampleSource, View, rows, samples_and_labels, with_example
from attar.compress.layers import with_layers
from attar.compress.parametrizations import settle
from attar.compress.places import copied, exchange, places, replaceable
from attar.errors import CompressionError
from attar.training.modes import usual_defaults
from attar.training.progress import Progress, Silent


@usual_defaults()
@torch.random.fork_rng(devices=[])  # new layers draw weights, which are then replaced
def factorize(
    model: nn.Module,
    x: SampleSource | None = None,
    *,
    ranks: Mapping[str, Ranks] | Literal["vbmf"] | None = None,
    energy: float | None = None,
    share: float | None = None,
    of: Literal["macs", "weights"] = "macs",
    schemes: Sequence[Scheme] = ("channel", "tucker", "spatial"),
    weighted: bool = True,
    y: Labels = None,
    epochs: int = 0,
    lr: float = 2e-3,
    view: View | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> nn.Module:
    """Return a copy in which linear layers and convolutions are products of thinner ones, where that is cheaper.

    Weighted by data, the answers of each layer to the samples change least, rather than its weight. What cannot be
    split (shared and parametrised weights, grouped convolutions, layers whose settings the network reads) stays.

    Arguments:
        model: any network; it is not changed. Frozen layers are compressed and trained like others.
        x: samples `(n, *shape)`, or a data set or loader of them, with or without labels, for `share` and `epochs`;
            without any, errors are those of the weights, and no layer may be read but by its answers.
        ranks: by the name of the layer, the others stay; "vbmf": as many as are no noise, in each layer.
        energy: part of the variance of its answers that each layer keeps, in place of ranks.
        share: of all multiply-accumulates, or weights, that may remain, in place of ranks: each layer gives up what
            costs it the least of the variance of its answers.
        of: what is saved, and counted by `share`.
        schemes: ways to split a convolution, of which the one that errs least is taken; see `lowrank`. Two ranks are
            for "tucker". A linear layer has one way, and so has a filter of one place.
        weighted: False: the errors are those of the weights.
        y: class codes `(n,)`, -1 where unlabelled, for the recovery; None: no labels.
        epochs: passes over all samples to recover in, by distillation from the original; 0: none.
        lr: highest learning rate of the recovery.
        view: as in `distill`.
        seed: of all that is random.
        progress: where steps, and what is left as it is, are reported.

    Raises:
        CompressionError: an argument is missing or out of range, no layer becomes cheaper, or a weight or what a layer
            is given of a sample is not finite.

    Example:
        >>> x, net = torch.randn(200, 30), nn.Sequential(nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 2))
        >>> factorize(net, x, ranks={"0": 5})[0]
        Sequential(
          (0): Linear(in_features=30, out_features=5, bias=False)
          (1): Linear(in_features=5, out_features=30, bias=True)
        )
    """
    seed = as_seed(seed)
    x, y = samples_and_labels(model, x, y)
    _check_settings(x, ranks, energy, share, of, schemes, epochs)
    if ranks is not None:
        _check_ranks(model, ranks, schemes)
    smaller = copied(with_layers(model)).eval()
    settle(smaller)
    check_weights(places(smaller))
    found = _divisible(smaller, x, weighted, progress or Silent())
    if isinstance(ranks, Mapping):
        _check_names(ranks, [site.name for site in found])
    if ranks is not None:
        chosen = [_with_ranks(site, ranks, schemes) for site in found]
    elif energy is not None:
        chosen = [_cheapest(site.options(schemes), 1 - energy, of) for site in found]
    else:
        assert share is not None
        assert x is not None
        total = macs(smaller, x) if of == "macs" else sum(p.numel() for p in smaller.parameters())
        chosen = _within([site.options(schemes) for site in found], share, total, of)
    if all(option.scheme is None for option in chosen):
        raise CompressionError(
            f"{type(model).__name__} has no layer that becomes cheaper in this way: allow lower ranks"
        )
    smaller = exchange(smaller, {site.layer: site.built(one) for site, one in zip(found, chosen) if one.scheme})
    if epochs and x is not None:
        distill(smaller, model, x, y, epochs=epochs, lr=lr, view=view, seed=seed, progress=progress)
    return with_example(smaller.eval(), x)


def _with_ranks(site: Site, ranks: Mapping[str, Ranks] | Literal["vbmf"], schemes: Sequence[Scheme]) -> Option:
    """The way that errs least."""
    as_is = site.as_is()
    if ranks == "vbmf":
        tried = [site.option(scheme, site.vbmf_ranks(scheme)) for scheme in schemes]
        tried = [one for one in tried if one.macs < as_is.macs]
    elif site.name in ranks:
        rank = ranks[site.name]
        # Two ranks are those of inputs and outputs, which one scheme has.
        suited: Sequence[Scheme] = ("tucker",) if isinstance(rank, tuple) else schemes
        tried = [site.option(scheme, rank) for scheme in suited]
    else:
        tried = []
    return min(tried, key=lambda one: one.error, default=as_is)


def _cheapest(options: Sequence[Option], error: float, of: str) -> Option:
    """Of those that err no more."""
    return min((one for one in options if one.error <= error), key=lambda one: getattr(one, of))


def _within(options: Sequence[Sequence[Option]], share: float, total: int, of: str) -> list[Option]:
    """One option of each layer, as it is in front: the least sum of errors that a price of what is saved finds."""
    # What the network takes beside these layers.
    rest = total - sum(getattr(as_is, of) for as_is, *_ in options)
    budget = share * total - rest

    def at(price: float) -> list[Option]:
        return [min(layer, key=lambda one: one.error + price * getattr(one, of)) for layer in options]

    def cost(chosen: Sequence[Option]) -> int:
        return sum(getattr(one, of) for one in chosen)

    if all(len(layer) == 1 for layer in options):
        return at(0.0)
    low, high = 0.0, 1.0
    if (least := cost(at(high))) > budget:
        floor = math.ceil(1000 * (rest + least) / total) / 1000
        raise CompressionError(
            f"share={share:g} of the {of} is too little, since {rest + least} of {total} remain at the least: "
            f"{f'give at least {floor:.3f}' if floor < 1 else 'these layers become no cheaper'}"
        )
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if cost(at(middle)) <= budget else (middle, high)
    return at(high)


def _divisible(model: nn.Module, x: Samples | None, weighted: bool, progress: Progress) -> list[Site]:
    """The layers that can be split; why others cannot is reported."""
    found, left = sites(model, x, weighted=weighted)
    reasons = dict.fromkeys(left, "its weight is shared, grouped or computed from others")
    if x is not None:
        few = rows(x, torch.arange(min(2, len(x))))

        def runs() -> bool:
            with evaluated(model):
                model(few)
            return True

        able = replaceable(model, {site.layer: nn.Sequential(site.layer) for site in found}, runs)
        fixed = [site.name for site in found if site.layer not in able]
        found = [site for site in found if site.layer in able]
        reasons |= dict.fromkeys(fixed, "the network reads its weight or its settings")
    for name, reason in reasons.items():
        progress.say(f"{name}: left as it is, since {reason}")
    return found


def _check_settings(
    x: Samples | None,
    ranks: Mapping[str, Ranks] | Literal["vbmf"] | None,
    energy: float | None,
    share: float | None,
    of: str,
    schemes: Sequence[str],
    epochs: int,
) -> None:
    check_choice("of", of, ("macs", "weights"))
    if isinstance(schemes, str) or not schemes:
        raise CompressionError(f"schemes={schemes!r}: give several, as in schemes=('channel', 'spatial')")
    for scheme in schemes:
        check_choice("schemes", scheme, get_args(Scheme))
    if [ranks, energy, share].count(None) != 2:
        raise CompressionError("give one of ranks=, energy= and share=: how far the layers are split")
    for name, value in (("energy", energy), ("share", share)):
        if value is not None and not (is_positive(value) and value < 1):
            raise CompressionError(f"{name}={value!r}: it must be a number between 0 and 1")
    if x is None and (share is not None or epochs):
        raise CompressionError("x= is needed for share= and epochs=: give samples")


def _check_ranks(model: nn.Module, ranks: Mapping[str, Ranks] | str, schemes: Sequence[str]) -> None:
    if not isinstance(ranks, Mapping):
        check_choice("ranks", ranks, ("vbmf",))
        return
    layers = dict(model.named_modules())
    for name, rank in ranks.items():
        if name not in layers:
            raise CompressionError(f"ranks: there is no layer {name!r}; see named_modules()")
        if not all(is_count(one) for one in (rank if isinstance(rank, tuple) else (rank,))):
            raise CompressionError(f"ranks: {rank!r} of layer {name!r} is no whole number from 1")
        if isinstance(rank, tuple) and (len(rank) != 2 or "tucker" not in schemes):
            raise CompressionError(f"ranks: {rank} of layer {name!r}: give one rank, or two and schemes=('tucker',)")


def _check_names(ranks: Mapping[str, Ranks], divisible: Sequence[str]) -> None:
    for name in ranks:
        if name not in divisible:
            raise CompressionError(
                f"ranks: layer {name!r} cannot be split; of all layers {', '.join(map(repr, divisible)) or 'none'} can"
            )
