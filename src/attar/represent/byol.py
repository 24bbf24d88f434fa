"""Learning from one's own average, without negatives (BYOL)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, cast

from attar.represent._views import ViewPretext, at_least_float32

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from attar.kinds.base import Kind

# How often at least the first momentum would make the target a new one within the training.
_RENEWALS = 3.3


class BYOL(ViewPretext):
    """An encoder that predicts from one view of a sample what its own average says of the other.

    L = 2 − 2 cos(q_θ(g_θ(f_θ(T(x)))), g_ξ(f_ξ(T'(x)))) and the same with the views exchanged,
    ξ ← m ξ + (1 − m) θ,  m = 1 − (1 − momentum) (cos(π k / K) + 1) / 2 in step k of K

    with no gradient to the target network ξ. Nothing is pushed apart; that all samples do not end in one place is
    owed to the predictor q, which learns faster than the target moves, and to batch normalisation.

    It is meant for some hundred steps, where the paper has some hundred thousand, and differs from it in three things.
    What the projector g answers is normalised over the batch, as in SimSiam: all vectors of a fresh network have a
    direction in common, and to go further into it is the quickest way to agree, which says nothing of the samples.
    The momentum begins at 0.97 rather than 0.996, and at 1 − 3.3 / K where that is lower, so that the target does not
    stay the random network that it began as. And the learning rate is three times SimCLR's.

    References:
        Grill et al., Bootstrap Your Own Latent: A New Approach to Self-Supervised Learning, 2020, equations 1 and 2,
        https://arxiv.org/abs/2006.07733
        Chen and He, Exploring Simple Siamese Representation Learning, 2021, section 4.4,
        https://arxiv.org/abs/2011.10566

    Arguments:
        dim: length of the representation h = f_θ(x).
        width: channels of the encoder's first layer.
        encoder: a network of your own, of which a copy is trained from the weights that it has: from normalised
            images `(n, channels, h, w)`, series `(n, channels, steps)` or rows `(n, columns)`, with one more for each
            that has gaps, to float32 `(n, d)`. `dim` and `width` have no say then. None: one that suits the kind.
        epochs: passes over all samples.
        batch_size: samples in a batch, at least 2.
        momentum: the share of the target network that the first step keeps; None: 0.97, less in fewer than 110 steps,
            and 0 on graphs.
        hidden: units of the hidden layer of projector and predictor.
        projection: length of what is predicted.
        strength: of the augmentation; 0 leaves the samples as they are.
        lr: highest learning rate.
        precision: of training: "32-true", "bf16-mixed" (products in bfloat16), or "auto", the faster (`precision_of`).
        device: that is trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        kind: "image", "series", "table", "text" of token ids, or a fitted kind, as a graph needs. None: two axes are a
            table, three a series unless a sample is square, four an image.
        random_state: seed of weights, views and the order of samples.

    Attributes:
        kind_: what was learnt about the kind of data.
        encoder_: f_θ on normalised samples.
        loss_curve_: mean loss of each epoch.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).random((64, 8, 8), dtype=np.float32)
        >>> BYOL(dim=16, width=4, epochs=2, random_state=0).fit(images).transform(images).shape
        (64, 16)
    """

    _counts: ClassVar[tuple[str, ...]] = (*ViewPretext._counts, "hidden", "projection")

    def __init__(
        self,
        dim: int = 64,
        *,
        width: int = 32,
        encoder: nn.Module | None = None,
        epochs: int = 100,
        batch_size: int = 256,
        momentum: float | None = None,
        hidden: int = 256,
        projection: int = 64,
        strength: float = 1.0,
        lr: float = 6e-3,
        precision: str = "auto",
        device: str = "cpu",
        kind: str | Kind | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.dim = dim
        self.width = width
        self.encoder = encoder
        self.epochs = epochs
        self.batch_size = batch_size
        self.momentum = momentum
        self.hidden = hidden
        self.projection = projection
        self.strength = strength
        self.lr = lr
        self.precision = precision
        self.device = device
        self.kind = kind
        self.random_state = random_state

    def _check_settings(self) -> None:
        from attar.represent._momentum import check_momentum

        super()._check_settings()
        if self.momentum is not None:
            check_momentum(self.momentum)

    def _networks(self, kind: Kind) -> nn.ModuleDict:
        from torch import nn

        from attar.represent._momentum import Momentum

        def perceptron(n_in: int) -> nn.Sequential:
            first = nn.Linear(n_in, self.hidden, bias=False)
            return nn.Sequential(first, nn.BatchNorm1d(self.hidden), nn.ReLU(), nn.Linear(self.hidden, self.projection))

        encoder, projector = self._encoder(kind), perceptron(self.dim_)
        # Without it, views agree on what all samples have in common, before they agree on anything else.
        projector.append(nn.BatchNorm1d(self.projection, affine=False))
        target = Momentum(nn.Sequential(encoder, projector))
        return nn.ModuleDict(
            {"encoder": encoder, "projector": projector, "predictor": perceptron(self.projection), "target": target}
        )

    def _loss(self, networks: nn.ModuleDict, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        from torch import nn
        from torch.nn import functional as F

        from attar.represent._momentum import Momentum

        target, online = cast(Momentum, networks["target"]), nn.Sequential(networks["encoder"], networks["projector"])
        target.follow(online, self._momentum_at(int(target.followed), kind.momentum))
        views = self._two_views(kind, x, generator)
        predicted, wanted = (at_least_float32(z) for z in (networks["predictor"](online(views)), target(views)))
        cosines = F.cosine_similarity(predicted, wanted.roll(len(wanted) // 2, dims=0), dim=1)
        # The sum of two means, each over the samples.
        return 2 * (2 - 2 * cosines).mean()

    def _momentum_at(self, step: int, most: float) -> float:
        from attar.training.processes import divisible

        steps = self.epochs * max(1, self.n_samples_ // divisible(self.batch_size, self.n_samples_))
        usual = max(0.0, min(most, 1 - _RENEWALS / steps))
        first = usual if self.momentum is None else self.momentum
        return 1 - (1 - first) * (math.cos(math.pi * step / steps) + 1) / 2
