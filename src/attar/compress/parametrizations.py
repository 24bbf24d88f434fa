"""What stands between the numbers that a layer keeps and the weights that it computes with."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn
from torch.nn.utils import remove_spectral_norm, remove_weight_norm
from torch.nn.utils.prune import BasePruningMethod, remove
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from attar.compress.places import Place, bare, copied, places
from attar.training.modes import evaluating

# Of a step.
_LEAST = 1e-12
# The smallest type that holds the codes is taken.
_TYPES = (torch.int8, torch.int16, torch.int32)


class Masked(nn.Module):
    """w ⊙ m: weights outside the mask are zero, and stay so in training, for they receive no gradient.

    Arguments:
        mask: True where a weight is kept, of the shape of the weight.
    """

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask: Tensor
        self.register_buffer("mask", mask.bool())

    def forward(self, weight: Tensor) -> Tensor:
        """The weights that are kept, and zeros."""
        return weight * self.mask


class Rounded(nn.Module):
    """s · (clamp(⌊w / s + z⌉, low, high) − z) with a step s that is trained: quantisation-aware training.

    Rounding passes the gradient on as it is (straight through); the step receives that of learned step size
    quantisation, scaled by 1 / √(weights of a step · high).

    References:
        Bengio, Léonard, Courville, Estimating or Propagating Gradients Through Stochastic Neurons, 2013,
        https://arxiv.org/abs/1308.3432
        Esser et al., Learned Step Size Quantization, 2020, https://arxiv.org/abs/1902.08153, eqs. 1 to 5

    Arguments:
        step: s `(rows,)`, above zero; the weight's numbers in their order, divided evenly among the rows.
        low: smallest code.
        high: largest code, at least 1.
        zero: z `(rows,)`, the code of 0; None: 0.
    """

    def __init__(self, step: Tensor, low: int, high: int, zero: Tensor | None = None) -> None:
        super().__init__()
        self.step = nn.Parameter(step.detach().clone())
        self.low, self.high = low, high
        self.zero: Tensor | None
        self.register_buffer("zero", zero)

    def forward(self, weight: Tensor) -> Tensor:
        """The weights on the grid."""
        scale = (weight.numel() / len(self.step) * self.high) ** -0.5
        step = self.step.abs().clamp(min=_LEAST)
        # As it is where that serves, for a reshaped one loses the order in memory that convolutions are fastest in.
        in_rows = len(step) == 1 or len(step) == len(weight)
        rows = weight if in_rows else weight.reshape(len(step), -1)
        shape = (-1, *[1] * (rows.ndim - 1)) if len(step) > 1 else ()
        zero = None if self.zero is None else self.zero.reshape(shape)
        on_grid: Tensor = _StraightThrough.apply(  # type: ignore[no-untyped-call]
            rows, step.reshape(shape), zero, self.low, self.high, scale
        )
        return on_grid.reshape(weight.shape)

    def codes(self, weight: Tensor) -> Tensor:
        """The integers ⌊w / s + z⌉ of a weight, in its shape."""
        rows = weight.reshape(len(self.step), -1) / self.steps()[:, None]
        rows = rows if self.zero is None else rows + self.zero[:, None]
        return rows.round().clamp(self.low, self.high).reshape(weight.shape)

    def steps(self) -> Tensor:
        """The steps as they are used, fixed."""
        return self.step.detach().abs().clamp(min=_LEAST)


class _StraightThrough(torch.autograd.Function):
    """Rounding, with the gradients of `Rounded`; in one piece, since in training it runs over all that layers see."""

    @staticmethod
    def forward(
        ctx: Any, numbers: Tensor, step: Tensor, zero: Tensor | None, low: int, high: int, scale: float
    ) -> Tensor:
        place = numbers / step if zero is None else numbers / step + zero
        codes = place.round().clamp_(low, high)
        ctx.save_for_backward(place, codes, step, zero)
        ctx.ends, ctx.scale = (low, high), scale
        return (codes if zero is None else codes - zero) * step

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        place, codes, step, zero = ctx.saved_tensors
        inside = (place > ctx.ends[0]) & (place < ctx.ends[1])
        slope = torch.where(inside, codes - place, codes if zero is None else codes - zero)
        of_step = (gradient * slope).sum_to_size(step.shape) * ctx.scale
        return gradient * inside if ctx.needs_input_grad[0] else None, of_step, None, None, None, None


class Coded(nn.Module):
    """w = s · (q − z): what is kept are the integers q.

    Arguments:
        scale: s `(rows,)`; the codes in their order, divided evenly among the rows: one row is one scale for the
            whole tensor, as many as the tensor is long along its first axis is one for each channel or neuron, more
            are groups of neighbours.
        zero: z `(rows,)`, the code of 0; None: 0.
    """

    def __init__(self, scale: Tensor, zero: Tensor | None = None) -> None:
        super().__init__()
        self.scale: Tensor
        self.zero: Tensor | None
        self.register_buffer("scale", scale)
        self.register_buffer("zero", zero)

    def forward(self, codes: Tensor) -> Tensor:
        """The weight, of the shape of the codes."""
        rows = codes.reshape(len(self.scale), -1).to(self.scale.dtype)
        if self.zero is not None:
            rows = rows - self.zero[:, None]
        return (rows * self.scale[:, None]).reshape(codes.shape)


class Codebook(nn.Module):
    """w = c[q]: what is kept are places q in a short list of values c (Han et al., Deep Compression, 2016).

    Arguments:
        values: c `(levels,)`.
    """

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values: Tensor
        self.register_buffer("values", values)

    def forward(self, codes: Tensor) -> Tensor:
        """The weight, of the shape of the codes."""
        weight: Tensor = self.values[codes.long()]
        return weight


def store(place: Place, codes: Tensor, decoder: Coded | Codebook) -> None:
    """Let a layer, and those that share its weight, keep integers and a decoder in place of the weight.

    Arguments:
        place: of the weight; parametrisations that it has are replaced.
        codes: integers in the shape of the weight.
        decoder: from them to the weight.
    """
    kept = codes.to(_smallest_type(codes))
    for layer, name in place.owners:
        bare(layer, name)
        layer.register_buffer(name, kept)
    place.wrap(decoder)


def frozen(model: nn.Module) -> nn.Module:
    """Return a copy in which all is fixed: masks become zeros, rounded weights become codes, and the parametrisations
    of others (weight normalisation, say) become the weights that they yield."""
    model = copied(model).eval()
    settle(model)
    for place in places(model):
        chain = place.chain()
        if not chain or isinstance(chain[-1], Coded | Codebook):
            continue
        with torch.no_grad():
            weight = place.original()
            for one in chain[:-1]:
                weight = one(weight)
            last = chain[-1]
            if isinstance(last, Rounded):
                store(place, last.codes(weight), Coded(last.steps(), last.zero))
            else:
                place.replace(last(weight))
    return model


def settle(model: nn.Module) -> None:
    """Take all weights of a copy alike, whatever its owner did with them in training.

    Those that parametrisations and hooks of others compute are replaced by what they yield; those that
    `torch.nn.utils.prune` holds at zero get a mask of our own; and all that are floats can be trained.
    """
    for layer in list(model.modules()):
        for hook in list(layer._forward_pre_hooks.values()):
            _settle_hook(layer, hook)
    own = (Masked, Rounded, Coded, Codebook)
    for layer in list(model.modules()):
        if not parametrize.is_parametrized(layer):
            continue
        for name, chain in list(layer.parametrizations.items()):  # type: ignore[operator, union-attr]
            if not all(isinstance(one, own) for one in chain):
                # In training, some draw what they yield.
                with evaluating(layer):
                    value = getattr(layer, name).detach().clone()
                bare(layer, name)
                layer.register_parameter(name, nn.Parameter(value))
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_()


def _settle_hook(layer: nn.Module, hook: object) -> None:
    """Replace a weight that a hook computes before each call, as older functions of torch have it."""
    if isinstance(hook, WeightNorm):
        remove_weight_norm(layer, hook.name)
    elif isinstance(hook, SpectralNorm):
        remove_spectral_norm(layer, hook.name)
    elif isinstance(hook, BasePruningMethod):
        name = hook._tensor_name
        mask = getattr(layer, f"{name}_mask")
        # Others may share the parameter, and `remove` would change it.
        layer.register_parameter(f"{name}_orig", nn.Parameter(getattr(layer, f"{name}_orig").detach().clone()))
        remove(layer, name)
        Place(name, ((layer, name),)).wrap(Masked(mask))


def codes_of(place: Place) -> Tensor | None:
    """The integers that a layer keeps; None where it keeps floats."""
    chain = place.chain()
    return place.original() if chain and isinstance(chain[-1], Coded | Codebook) else None


def _smallest_type(codes: Tensor) -> torch.dtype:
    most = int(codes.abs().max()) if codes.numel() else 0
    return next(kind for kind in _TYPES if most <= torch.iinfo(kind).max)
