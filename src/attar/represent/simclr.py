"""Contrastive learning of representations (SimCLR)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attar.represent._views import ViewPretext

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from attar.kinds.base import Kind


class SimCLR(ViewPretext):
    """An encoder to which two views of a sample look alike, and views of different samples do not.

    x̃ᵢ = Tᵢ(x), x̃ⱼ = Tⱼ(x),  h = f_θ(x̃),  z = g_φ(h),
    ℓᵢⱼ = −log( exp(sim(zᵢ, zⱼ) / τ) / Σ_{k ≠ i} exp(sim(zᵢ, zₖ) / τ) )

    with g_φ(h) = W₂ ReLU(W₁ h). After training g_φ is thrown away; the representation is h.

    References:
        Chen et al., A Simple Framework for Contrastive Learning of Visual Representations, 2020, Algorithm 1,
        https://arxiv.org/abs/2002.05709

    Arguments:
        dim: length of the representation h.
        width: channels of the encoder's first layer.
        encoder: a network of your own, of which a copy is trained from the weights that it has: from normalised
            images `(n, channels, h, w)`, series `(n, channels, steps)` or rows `(n, columns)`, with one more for each
            that has gaps, to float32 `(n, d)`. `dim` and `width` have no say then. None: one that suits the kind.
        epochs: passes over all samples.
        batch_size: samples in a batch, at least 2; all others in it are a sample's negatives.
        temperature: τ; the smaller, the more the nearest negatives count.
        projection: length of z.
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
        >>> SimCLR(dim=16, width=4, epochs=2, random_state=0).fit(images).transform(images).shape
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
        self.temperature = temperature
        self.projection = projection
        self.strength = strength
        self.lr = lr
        self.precision = precision
        self.device = device
        self.kind = kind
        self.random_state = random_state

    def _networks(self, kind: Kind) -> nn.ModuleDict:
        from torch import nn

        # As in the paper's section 2.1, without batch normalisation: with it, labels spread less well over digits.
        projector = nn.Sequential(nn.Linear(self.dim_, self.dim_), nn.ReLU(), nn.Linear(self.dim_, self.projection))
        return nn.ModuleDict({"encoder": self._encoder(kind), "projector": projector})

    def _loss(self, networks: nn.ModuleDict, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        from attar.represent.ntxent import nt_xent

        z: Tensor = networks["projector"](networks["encoder"](self._two_views(kind, x, generator)))
        z_i, z_j = z.chunk(2)
        return nt_xent(z_i, z_j, self.temperature)
