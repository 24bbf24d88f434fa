"""Contrast against keys that a slow network gives, of this batch and of earlier ones (MoCo)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from attar._settings import check_counts
from attar.represent._views import ViewPretext, at_least_float32

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from attar.kinds.base import Kind


class MoCo(ViewPretext):
    """An encoder that tells the other view of a sample from views of the other samples, and of earlier ones in a queue.

    q = g_θ(f_θ(T(x))),  k = g_ξ(f_ξ(T'(x))),  ξ ← m ξ + (1 − m) θ,
    ℓ = −log( exp(q · k / τ) / Σ_{k' of the batch and of the queue} exp(q · k' / τ) )

    and the same with the views exchanged, with q and k of length one. Keys of a batch enter the queue afterwards, and
    the oldest leave it. The keys of the batch are negatives as in version 3, which gives up the queue and needs
    batches of thousands; the queue, as in versions 1 and 2, adds to them where batches are small. In trainings of some
    hundred steps, as here, old keys are told from new ones without looking at the sample: a queue alone, or a long
    one, teaches less. For the same reason the momentum is 0.97 rather than 0.999. The queue holds as many keys as half
    of the samples at most, lest most of them meet their own. Batch normalisation is not shuffled, but is over both
    views together.

    References:
        He et al., Momentum Contrast for Unsupervised Visual Representation Learning, 2020, Algorithm 1,
        https://arxiv.org/abs/1911.05722
        Chen et al., Improved Baselines with Momentum Contrastive Learning, 2020, https://arxiv.org/abs/2003.04297
        Chen et al., An Empirical Study of Training Self-Supervised Vision Transformers, 2021, Algorithm 1,
        https://arxiv.org/abs/2104.02057

    Arguments:
        dim: length of the representation h = f_θ(x).
        width: channels of the encoder's first layer.
        encoder: a network of your own, of which a copy is trained from the weights that it has: from normalised
            images `(n, channels, h, w)`, series `(n, channels, steps)` or rows `(n, columns)`, with one more for each
            that has gaps, to float32 `(n, d)`. `dim` and `width` have no say then. None: one that suits the kind.
        epochs: passes over all samples.
        batch_size: samples in a batch, at least 2.
        queue: keys of earlier batches that are negatives too, at most; 0: none, as in version 3; None: as many as a
            batch has, two of each sample.
        momentum: m, the share of the key network that a step keeps; None: 0.97, and 0 on graphs.
        temperature: τ; the smaller, the more the nearest negatives count.
        projection: length of q and k.
        strength: of the augmentation; 0 leaves the samples as they are.
        lr: highest learning rate.
        precision: of training: "32-true", "bf16-mixed" (products in bfloat16), or "auto", the faster (`precision_of`).
        device: that is trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        kind: "image", "series", "table", "text" of token ids, or a fitted kind, as a graph needs. None: two axes are a
            table, three a series unless a sample is square, four an image.
        random_state: seed of weights, queue, views and the order of samples.

    Attributes:
        kind_: what was learnt about the kind of data.
        encoder_: f_θ on normalised samples.
        loss_curve_: mean loss of each epoch.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).random((64, 8, 8), dtype=np.float32)
        >>> MoCo(dim=16, width=4, epochs=2, random_state=0).fit(images).transform(images).shape
        (64, 16)
    """

    _counts: ClassVar[tuple[str, ...]] = (*ViewPretext._counts, "projection")
    _positive: ClassVar[tuple[str, ...]] = ("temperature",)

    def __init__(
        self,
        dim: int = 64,
        *,
        width: int = 32,
        encoder: nn.Module | None = None,
        epochs: int = 100,
        batch_size: int = 256,
        queue: int | None = None,
        momentum: float | None = None,
        temperature: float = 0.2,
        projection: int = 64,
        strength: float = 1.0,
        lr: float = 2e-3,
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
        self.queue = queue
        self.momentum = momentum
        self.temperature = temperature
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
        if self.queue is not None:
            check_counts(self, "queue", least=0)
        if self.momentum is not None:
            check_momentum(self.momentum)

    def _networks(self, kind: Kind) -> nn.ModuleDict:
        from torch import nn

        from attar.represent._momentum import Momentum
        from attar.represent._queue import Queue

        encoder = self._encoder(kind)
        projector = nn.Sequential(nn.Linear(self.dim_, self.dim_), nn.ReLU(), nn.Linear(self.dim_, self.projection))
        key = Momentum(nn.Sequential(encoder, projector))
        longest = 2 * self.batch_size if self.queue is None else self.queue
        queue = Queue(min(longest, self.n_samples_ // 2), self.projection)
        return nn.ModuleDict({"encoder": encoder, "projector": projector, "key": key, "queue": queue})

    def _loss(self, networks: nn.ModuleDict, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        import torch
        from torch import nn
        from torch.nn import functional as F

        from attar.represent._momentum import Momentum
        from attar.represent._queue import Queue
        from attar.training.processes import whole_batch

        key, queue = cast(Momentum, networks["key"]), cast(Queue, networks["queue"])
        query = nn.Sequential(networks["encoder"], networks["projector"])
        key.follow(query, kind.momentum if self.momentum is None else self.momentum)
        views = self._two_views(kind, x, generator)
        q, k = (whole_batch(F.normalize(at_least_float32(network(views)), dim=1)) for network in (query, key))
        (q_i, q_j), (k_i, k_j) = q.chunk(2), k.chunk(2)
        # The key of a query has its place among those of the batch.
        places = torch.arange(len(q_i), device=q.device)
        losses = [
            F.cross_entropy(own @ torch.cat([other, queue.vectors]).T / self.temperature, places)
            for own, other in ((q_i, k_j), (q_j, k_i))
        ]
        queue.push(k)
        return (losses[0] + losses[1]) / 2
