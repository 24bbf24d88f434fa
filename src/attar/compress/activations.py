"""What goes into a layer, rounded: how a network answers when it computes with integers, seen in floating point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from attar.compress.answers import answers
from attar.compress.checks import check_inputs
from attar.compress.given import Samples, rows
from attar.compress.grids import Clipping, Grid, fitted
from attar.compress.parametrizations import Rounded
from attar.compress.places import decodes, exchange
from attar.errors import CompressionError

# Layers that integer kernels exist for.
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
# Samples to learn ranges from, and numbers of each layer's inputs that are remembered of a batch of them.
_SAMPLES, _REMEMBERED = 512, 1 << 15


class RoundedInput(nn.Module):
    """x ≈ s · clamp(⌊x / s⌉, low, high) with one step s: unsigned integers with the code of 0 at −low.

    Arguments:
        step: s, a scalar.
        low: smallest code, at most 0.
        high: largest code, at least 1.
    """

    def __init__(self, step: Tensor, low: int, high: int) -> None:
        super().__init__()
        self.step: Tensor
        self.register_buffer("step", step.detach().clone())
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """The numbers on the grid."""
        return (x / self.step).round().clamp(self.low, self.high) * self.step


class _Behind(nn.Sequential):
    """The rounding of its input, and a layer, whose weight a network may also ask for, as for its type."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            layer = self.__dict__.get("_modules", {}).get("1")
            # Each module has its own way to be copied, and its own parametrisations.
            if layer is None or name.startswith("_") or name == "parametrizations":
                raise
            return getattr(layer, name)


def round_inputs(
    model: nn.Module, x: Samples, bits: Mapping[nn.Module, int], clipping: Clipping = "mse", seed: int = 0
) -> nn.Module:
    """Put `Rounded`, with steps that can be trained, before linear layers and convolutions.

    The range of each layer's inputs is learnt from some of the samples, and contains 0. Layers that the network does
    not call with one tensor, as attention does not call its output projection, stay as they are.

    Arguments:
        model: changed in place.
        x: samples `(n, *shape)`.
        bits: of the inputs of each layer; those of layers that are not in it, or none of `LAYERS`, stay floats.
        clipping: how ranges are chosen.
        seed: of the choice of samples and of the numbers looked at.

    Returns:
        The model; where it is itself one layer, that layer with the rounding before it.

    Raises:
        CompressionError: no such layer is called, or its inputs are not numbers.
    """
    names: dict[nn.Module, str] = {
        layer: name for name, layer in model.named_modules() if isinstance(layer, LAYERS) and layer in bits
    }
    chosen = {layer: Grid(bits[layer], symmetric=False) for layer in names}
    seen = _inputs(model, chosen, x, torch.Generator().manual_seed(seed))
    if not seen:
        raise CompressionError(
            "the network calls no linear layer or convolution whose inputs could be rounded; leave `activations` away"
        )
    instead: dict[nn.Module, nn.Module] = {}
    for layer, numbers in seen.items():
        check_inputs(names[layer] or type(layer).__name__, numbers)
        steps = fitted(numbers[None], chosen[layer], clipping)
        assert steps.zero is not None
        # Where nothing is positive, one code above zero is kept: rounding needs one to learn its step by.
        zero = min(int(steps.zero), chosen[layer].high - 1)
        rounded = Rounded(steps.scale, chosen[layer].low - zero, chosen[layer].high - zero)
        instead[layer] = _Behind(rounded, layer)
    return exchange(model, instead)


def settled(model: nn.Module) -> nn.Module:
    """The model, changed in place, with what has been trained of the rounding of inputs fixed."""
    trained = (one for name, one in model.named_modules() if isinstance(one, Rounded) and not decodes(name))
    return exchange(model, {one: RoundedInput(one.steps()[0], one.low, one.high) for one in trained})


def _inputs(
    model: nn.Module, layers: Iterable[nn.Module], x: Samples, generator: torch.Generator
) -> dict[nn.Module, Tensor]:
    """Numbers that go into each layer, the smallest and the largest of all among them."""
    found: dict[nn.Module, list[Tensor]] = {}
    several: set[nn.Module] = set()

    def note(layer: nn.Module, given: tuple[Any, ...]) -> None:
        if len(given) != 1 or not isinstance(given[0], Tensor) or not given[0].is_floating_point():
            several.add(layer)
        elif given[0].numel():
            every = some = given[0].detach().flatten()
            if len(every) > _REMEMBERED:
                some = every[torch.randint(len(every), (_REMEMBERED,), generator=generator)]
            found.setdefault(layer, []).append(torch.cat([some, torch.stack(every.aminmax())]))

    some = torch.randperm(len(x), generator=generator)[:_SAMPLES].sort().values
    with ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(layer.register_forward_pre_hook(note))
        answers(model, rows(x, some))
    return {layer: torch.cat(parts) for layer, parts in found.items() if layer not in several}
