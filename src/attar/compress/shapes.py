"""Networks of other shapes that a search begins with: as it is, with fewer channels, of low rank."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from torch import Tensor, nn

from attar.compress.answers import answers
from attar.compress.costs import macs
from attar.compress.factorization import factorize
from attar.compress.factors import Scheme
from attar.compress.pruning import prune
from attar.compress.sensitivity import divergence
from attar.errors import CompressionError
from attar.training.progress import Progress

WHOLE = "whole"
# Shares of the multiply-accumulates that narrower and factorised networks keep, and the most that is worth a training.
_CHANNELS, _RANKS, _WORTH = (0.5, 0.25, 0.12), 0.5, 0.9
_SCHEMES: tuple[tuple[Scheme, ...], ...] = (("channel", "tucker", "spatial"), ("spatial",))


def shapes(
    model: nn.Module, x: Tensor, fast_enough: Callable[[nn.Module], bool], *, seed: int, progress: Progress
) -> dict[str, nn.Module]:
    """Networks to train, by what was done to them; the first is the network itself, if it is fast enough.

    Arguments:
        model: any network.
        x: a few hundred samples, from which channels and ranks are chosen.
        fast_enough: whether a network is.
        seed: of what is drawn.
        progress: where it is said what cannot be made.
    """
    narrow = partial(prune, model, x=x, structure="channels", criterion="taylor", seed=seed)
    makers: dict[str, Callable[[], nn.Module]] = {
        WHOLE: lambda: model,
        **{f"{kept:.0%} of the channels' work": partial(narrow, 1 - kept) for kept in _CHANNELS},
        f"low rank, {_RANKS:.0%} of the work": lambda: _factorized(model, x, _RANKS),
    }
    whole, found = macs(model, x), {}
    for name, make in makers.items():
        try:
            network = make()
        except CompressionError as error:
            progress.say(f"{name}: left out, since {error}")
            continue
        if (name == WHOLE or macs(network, x) <= _WORTH * whole) and fast_enough(network):
            found[name] = network
    return found


def _factorized(model: nn.Module, x: Tensor, share: float) -> nn.Module:
    """Convolutions split in any way, or all into a column and a row: what loses less untrained."""
    found = []
    for schemes in _SCHEMES:
        with suppress(CompressionError):
            found.append(factorize(model, x, share=share, schemes=schemes))
    if not found:
        raise CompressionError("no layer becomes cheaper by low rank")
    told = answers(model, x)
    return min(found, key=lambda one: divergence(told, answers(one, x)))
