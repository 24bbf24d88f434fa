"""How samples are damaged, and how far a network is followed in repairing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from attar.data.dataset import Floats

if TYPE_CHECKING:
    from attar.density._conditional import Conditional
    from attar.kinds.base import Kind

# Damaged samples at least that a network is judged by, and how many it repairs at once.
_JUDGED, _BATCH = 500, 512
# How far the network may be followed from the first estimate to its own, and up to which shares of the largest noise.
_TRUSTS, LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0), (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)


def damaged(
    kind: Kind, x: Tensor, known: Tensor, damages: tuple[str, ...], noise: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised samples, each with one of the damages at random, as a network of `attar.kinds.restorable` takes them.

    Arguments:
        kind: of the samples.
        x: normalised samples.
        known: which of their values are not missing.
        damages: some of "noise", "holes" and "blocks".
        noise: its largest standard deviation.
        generator: to draw from.

    Returns:
        y, what is known of each of its values, and how noisy each is.
    """
    one_each = (len(x), *(1 for _ in x.shape[1:]))
    damage_of = torch.randint(len(damages), one_each, generator=generator)
    # Its own for each channel or column: noise that is alike in raw units is not so in normalised ones.
    strength = noise * torch.rand((*x.shape[:2], *one_each[2:]), generator=generator)
    epsilon = torch.randn(x.shape, generator=generator)
    share = known.to(x.dtype)
    # What noise does not suit has the level 0 for any sigma.
    suits = (kind.noise_level(1.0) > 0).to(x.dtype)
    noisy = torch.zeros(one_each, dtype=torch.bool)
    for i, damage in enumerate(damages):
        hit = damage_of == i
        if damage == "noise":
            noisy = hit
        elif damage == "holes":
            share = torch.where(hit & kind.holes(x, generator), 0.0, share)
        else:
            coarse = kind.spread(kind.halved(torch.where(known, x, 0.0)))
            share = torch.where(hit, 0.5 * share, share)
            x = torch.where(hit, coarse, x)
    level = strength * noisy * suits
    return (x + level * epsilon) * (share > 0), share, level


def trust(
    network: nn.Module, first: Conditional, kind: Kind, X: Floats, damage: str, noise: float, seed: int
) -> Tensor:
    """How far from the first estimate to the network's own samples are repaired best, 0 to 1; of noise at each level.

    Arguments:
        network: as trained.
        first: the first estimate.
        kind: of the samples.
        X: raw samples that nothing was learnt from.
        damage: "noise", "holes" or "blocks".
        noise: its largest standard deviation.
        seed: of the damage.
    """
    preprocess, generator = kind.preprocess(), torch.Generator().manual_seed(seed)
    X = np.resize(X, (max(len(X), _JUDGED), *X.shape[1:]))
    levels = LEVELS if damage == "noise" else LEVELS[-1:]
    losses = torch.zeros(len(levels), len(_TRUSTS))
    with torch.inference_mode():
        for start in range(0, len(X), _BATCH):
            raw = torch.from_numpy(X[start : start + _BATCH])
            x, known = preprocess(raw), kind.observed(raw)
            for level, loss in zip(levels, losses):
                seen = damaged(kind, x, known, (damage,), level * noise, generator)
                low = first(kind, *seen)
                high = network(*seen, low)
                of_each = [kind.restoration_loss(torch.lerp(low, high, share), x, known) for share in _TRUSTS]
                loss += len(raw) * torch.stack(of_each)
    return torch.tensor(_TRUSTS)[losses.argmin(1)]
