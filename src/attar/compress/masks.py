"""Which weights become zero, and when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from attar.compress.parametrizations import Codebook, Coded, Masked, Rounded
from attar.compress.places import Place, places
from attar.errors import CompressionError

Scope = Literal["global", "layer"]
# Part of a training after which the masks are fixed and the rest is recovery, and how often they change till then.
_PART = 0.75
_CHANGES = 100


class Thinning(nn.Module):
    """A network whose masks grow while it is trained; the number of the step is kept with the weights.

    References:
        Zhu, Gupta, To Prune, or Not to Prune, 2017, https://arxiv.org/abs/1710.01878, eq. 1

    Arguments:
        model: it is given masks, which hide nothing yet but what it has masks for already.
        amount: share of the weights that are zero in the end.
        threshold: weights below it are zero in the end, in place of an amount.
        pattern: (n, m): n of each m neighbours along a row are kept in the end, in place of an amount.
        scope: whether weights are compared across the network, or within each layer.
        scores: importance by the name of the place, 0 where there is none; None: the magnitude of the weight.
        steps: of the training.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        amount: float | None = None,
        threshold: float | None = None,
        pattern: tuple[int, int] | None = None,
        scope: Scope = "global",
        scores: Mapping[str, Tensor] | None = None,
        steps: int = 0,
    ) -> None:
        super().__init__()
        self.model = model
        self.amount, self.threshold, self.pattern, self.scope = amount, threshold, pattern, scope
        self.scores, self.steps = scores, steps
        weights = (place for place in places(model) if place.value.ndim > 1 and place.value.is_floating_point())
        self.masks = {place: _mask(place) for place in weights}
        self.before = [mask.mask.clone() for mask in self.masks.values()]
        if not self.masks:
            raise CompressionError(f"{type(model).__name__} has no weight of two axes or more, and none to prune")
        self.step: Tensor
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        """What the network says, with the zeros that are due at this step of the training."""
        if self.training:
            # A short training reaches the end too.
            step, last = int(self.step), min(round(_PART * self.steps), self.steps - 1)
            if step == last:
                self.thin()
            elif step < last and step % max(1, last // _CHANGES) == 0:
                self.thin(1 - (1 - step / last) ** 3)
            self.step += 1
        said: Tensor = self.model(x)
        return said

    def thin(self, part: float = 1.0) -> None:
        """Hide so large a part of what is hidden in the end."""
        # The weights below the masks are compared: one that was hidden comes back where others have become smaller,
        # unless it was so from the start: then it goes before all others.
        scores = [self._score(place).masked_fill(~kept, -1.0) for place, kept in zip(self.masks, self.before)]
        if self.threshold is not None:
            hidden = [score < part * self.threshold for score in scores]
        elif self.pattern is not None:
            n, m = self.pattern
            hidden = [outside_pattern(score, m - int(part * (m - n)), m) for score in scores]
        else:
            share = part * (self.amount or 0.0)
            if self.scope == "layer":
                hidden = [smallest([score], share)[0] for score in scores]
            else:
                hidden = smallest(scores, share)
        for mask, zeros, kept in zip(self.masks.values(), hidden, self.before):
            mask.mask.copy_(kept & ~zeros)

    def _score(self, place: Place) -> Tensor:
        weight = place.original().detach()
        if self.scores is None:
            return weight.abs()
        # The answers do not depend on what has no gradient, such as a head that is for training alone.
        return self.scores.get(place.name, torch.zeros_like(weight))


def smallest(scores: list[Tensor], share: float) -> list[Tensor]:
    """True at the smallest numbers of all tensors together; as many as the share says, whatever is equal.

    Example:
        >>> smallest([torch.tensor([1.0, 4.0]), torch.tensor([[2.0, 2.0]])], 0.5)
        [tensor([ True, False]), tensor([[ True, False]])]
    """
    flat = torch.cat([score.flatten() for score in scores])
    chosen = torch.zeros(len(flat), dtype=torch.bool)
    chosen[flat.argsort(stable=True)[: round(share * len(flat))]] = True
    parts = torch.split(chosen, [score.numel() for score in scores])
    return [part.reshape(score.shape) for part, score in zip(parts, scores)]


def outside_pattern(score: Tensor, n: int, m: int) -> Tensor:
    """True at all but the n largest of each m neighbours along a row; where a row is no multiple of m, its end is kept.

    Example:
        >>> outside_pattern(torch.tensor([[3.0, 1.0, 2.0, 4.0, 0.0]]), 2, 4)
        tensor([[False,  True,  True, False, False]])
    """
    row = score.flatten(1)
    whole = row.shape[1] // m * m
    groups = row[:, :whole].reshape(-1, m)
    order = groups.argsort(dim=1, descending=True, stable=True)
    outside = torch.zeros_like(groups, dtype=torch.bool).scatter_(1, order[:, n:], True)
    hidden = torch.zeros_like(row, dtype=torch.bool)
    hidden[:, :whole] = outside.reshape(len(row), whole)
    return hidden.reshape(score.shape)


def _mask(place: Place) -> Masked:
    """The mask of a place; a new one that hides nothing where it has none."""
    chain = place.chain()
    if any(isinstance(one, Coded | Codebook | Rounded) for one in chain):
        raise CompressionError(f"{place.name} is kept in integers already: prune first and quantise then")
    for one in chain:
        if isinstance(one, Masked):
            return one
    mask = Masked(torch.ones(place.value.shape, dtype=torch.bool))
    place.wrap(mask)
    return mask
