"""Whether an encoder keeps samples apart while it is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from attar.training.modes import evaluating

# Samples that are looked at, and looks during training.
PROBED = 256
_LOOKS = 10
# Fewest steps that are judged: until then, the averaged statistics of batch normalisation lag behind its weights.
_ENOUGH = 20
# An encoder has collapsed where its spread is below this share of the length of the mean vector (healthy encoders have
# 0.25 and more), or where less than this share is left of the directions beyond the first.
_SPREAD, _DIRECTIONS = 0.03, 0.1
# An encoder has exploded where its vectors are so many times as long as before training. Healthy ones grow to 20 times,
# at 25 times the learning rate to 1,000; those whose batch normalisation saw batches without a spread, to 100,000.
_LONGER = 1e4
# Fewest epochs whose losses are judged, and how many times the largest change so far a rise must be.
_COURSE, _RISE = 10, 5.0


def effective_rank(z: Tensor) -> float:
    """How many directions vectors spread over: the exponential of the entropy of their singular values.

    r = exp(−Σ pᵢ log pᵢ),  pᵢ = σᵢ / Σ σ,  σ the singular values of the centred vectors

    References:
        Roy and Vetterli, The effective rank: A measure of effective dimensionality, 2007.
        Garrido et al., RankMe: Assessing the downstream performance of pretrained self-supervised representations by
        their rank, 2023, https://arxiv.org/abs/2210.02885

    Arguments:
        z: vectors `(n, dim)`.

    Returns:
        From 1 to min(n − 1, dim); 0 where all vectors are the same.

    Example:
        >>> round(effective_rank(torch.cat([torch.eye(8), -torch.eye(8)])), 4)
        8.0
    """
    values = torch.linalg.svdvals(z.double() - z.double().mean(dim=0))
    if not values.numel() or values[0] <= torch.finfo(z.dtype).eps * z.abs().max():
        return 0.0
    p = values / values.sum()
    return math.exp(float(torch.special.entr(p).sum()))


class Watch(nn.Module):
    """The effective rank and the spread of an encoder's output on a few samples, looked at while it is trained.

    A module, so that what was seen before training was killed is in the checkpoint.

    Arguments:
        x: normalised samples to look at, some `PROBED`.
        steps: of training.
    """

    seen: Tensor
    step: Tensor

    def __init__(self, x: Tensor, steps: int) -> None:
        super().__init__()
        self.x = x
        self.every, self.steps = max(1, -(-steps // _LOOKS)), steps
        # Rank, spread and length of the mean vector: before training, and at each look.
        self.register_buffer("seen", torch.full((_LOOKS + 1, 3), math.nan, dtype=torch.float64))
        self.register_buffer("step", torch.tensor(0))

    def before_step(self, encoder: nn.Module) -> None:
        """Count a step of training, and look at the encoder where it is time to."""
        if int(self.step) % self.every == 0:
            # Several processes may take more steps, in smaller batches.
            self._look(encoder, min(int(self.step) // self.every, _LOOKS))
        self.step += 1

    def verdict(self, encoder: nn.Module, losses: Sequence[float]) -> str:
        """Look once more, after training: what went wrong and when, in one sentence; empty where nothing did.

        Arguments:
            encoder: as trained.
            losses: mean of each epoch.
        """
        self._look(encoder, _LOOKS)
        remedy = "use a pretext that keeps samples apart, weaker views or a lower learning rate"
        rank_before, *_ = self.seen[0].tolist()
        rank, spread, length = self.seen[-1].tolist()
        share = 100 * spread / (length or 1.0)
        if math.isnan(rank):
            return f"the representation is not finite after training; {remedy}"
        if self.steps < _ENOUGH:
            return ""
        places = [place for place, look in enumerate(self.seen) if not self._collapsed(look)]
        if _LOOKS not in places:
            done = 100 * max(places) * self.every // max(self.steps, int(self.step))
            return (
                f"the representation collapsed after {done} % of training: {len(self.x)} samples spread over "
                f"{rank:.1f} directions ({rank_before:.1f} before) by {share:.1g} % of the length of their mean; "
                f"{remedy}"
            )
        longer = math.hypot(spread, length) / (math.hypot(*self.seen[0, 1:].tolist()) or math.inf)
        if longer > _LONGER:
            return (
                f"the representation exploded: its vectors are {longer:.1g} times as long as before training; use more "
                "samples in a batch or a lower learning rate"
            )
        epoch = spike(losses)
        if epoch:
            return (
                f"the loss rose from {losses[epoch - 1]:.3g} to {losses[epoch]:.3g} in epoch {epoch + 1} and stayed "
                f"high; {remedy}"
            )
        return ""

    @torch.no_grad()
    def _look(self, encoder: nn.Module, place: int) -> None:
        with evaluating(encoder):
            z = encoder(self.x.to(self.seen.device))
        if torch.isfinite(z).all():
            spread = z.double().var(dim=0, correction=0).mean().sqrt()
            length = z.double().mean(dim=0).square().mean().sqrt()
            self.seen[place] = torch.stack([spread.new_tensor(effective_rank(z)), spread, length])

    def _collapsed(self, look: Tensor) -> bool:
        rank_before, spread_before, length_before = self.seen[0].tolist()
        # What was alike before training is not training's fault.
        if not (rank_before > 0 and spread_before >= _SPREAD * length_before):
            return False
        rank, spread, length = look.tolist()
        # Where nothing was looked at there is NaN, which is above nothing: such a place is not a healthy one.
        return not (rank - 1 >= _DIRECTIONS * (rank_before - 1) and spread >= _SPREAD * length)


def spike(losses: Sequence[float]) -> int:
    """The epoch, counted from 0, in which the loss rose as never before and did not come back; 0 where none did.

    Example:
        >>> falling = [1 / (1 + e) for e in range(20)]
        >>> spike(falling), spike([*falling, *(9.0 for e in range(5))])
        (0, 20)
    """
    if len(losses) < _COURSE:
        return 0
    end = losses[-max(1, len(losses) // 10) :]
    late = sum(end) / len(end)
    usual = 0.0
    for epoch, (before, loss) in enumerate(pairwise(losses), start=1):
        rise = loss - before
        if epoch >= _COURSE // 2 and rise > _RISE * usual and late > before + rise / 2:
            return epoch
        usual = max(usual, abs(rise))
    return 0
