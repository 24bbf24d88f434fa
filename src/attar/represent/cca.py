"""Views that agree in every direction, and directions that have nothing in common (CCA-SSG)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attar._settings import check_amounts
from attar.represent._views import ViewPretext, at_least_float32

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from attar.kinds.base import Kind

# Of a direction that is the same for all samples.
_TINY = 1e-6


class CCASSG(ViewPretext):
    """An encoder whose outputs for two views of a sample are the same, and whose directions are uncorrelated.

    z̃ = (z − mean z) / (std z · √n) over a batch of n, for each direction,
    L = ‖Z̃_A − Z̃_B‖² + λ (‖Z̃_Aᵀ Z̃_A − I‖² + ‖Z̃_Bᵀ Z̃_B − I‖²)

    A soft form of canonical correlation analysis. There are no negatives and no second network, so that a step takes
    time proportional to the batch: it suits batches as large as a whole graph.

    References:
        Zhang et al., From Canonical Correlation Analysis to Self-supervised Graph Neural Networks, 2021,
        https://arxiv.org/abs/2106.12484

    Arguments:
        dim: length of the representation.
        width: of the encoder.
        encoder: a network of your own, of which a copy is trained from the weights that it has: from normalised
            images `(n, channels, h, w)`, series `(n, channels, steps)` or rows `(n, columns)`, with one more for each
            that has gaps, to float32 `(n, d)`. `dim` and `width` have no say then. None: one that suits the kind.
        epochs: passes over all samples.
        batch_size: samples in a batch, at least 2; many more than `dim`, for fewer cannot be uncorrelated.
        decorrelation: λ, what a correlation counts beside a disagreement; None: what suits the kind.
        strength: of the augmentation.
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
        >>> CCASSG(dim=16, width=4, epochs=2, random_state=0).fit(images).transform(images).shape
        (64, 16)
    """

    def __init__(
        self,
        dim: int = 64,
        *,
        width: int = 32,
        encoder: nn.Module | None = None,
        epochs: int = 100,
        batch_size: int = 256,
        decorrelation: float | None = None,
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
        self.decorrelation = decorrelation
        self.strength = strength
        self.lr = lr
        self.precision = precision
        self.device = device
        self.kind = kind
        self.random_state = random_state

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.decorrelation is not None:
            check_amounts(self, "decorrelation")

    def _networks(self, kind: Kind) -> nn.ModuleDict:
        from torch import nn

        return nn.ModuleDict({"encoder": self._encoder(kind)})

    def _loss(self, networks: nn.ModuleDict, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        from attar.training.processes import whole_batch

        z: Tensor = networks["encoder"](self._two_views(kind, x, generator))
        z_i, z_j = whole_batch(at_least_float32(z)).chunk(2)
        return correlation_loss(z_i, z_j, kind.decorrelation if self.decorrelation is None else self.decorrelation)


def correlation_loss(z_i: Tensor, z_j: Tensor, decorrelation: float) -> Tensor:
    """L as in `CCASSG`.

    Arguments:
        z_i: outputs for one view of each sample `(n, dim)`.
        z_j: for the other `(n, dim)`.
        decorrelation: λ.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> z = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> round(float(correlation_loss(z, z, 1.0)), 4), round(float(correlation_loss(z, -z, 0.0)), 4)
        (0.0, 8.0)
    """
    import torch

    a, b = _standardised(z_i), _standardised(z_j)
    identity = torch.eye(a.shape[1], dtype=a.dtype, device=a.device)
    loss = (a - b).square().sum()
    for z in (a, b):
        loss = loss + decorrelation * (z.t() @ z - identity).square().sum()
    return loss


def _standardised(z: Tensor) -> Tensor:
    spread = z.std(dim=0, correction=0)
    scaled: Tensor = (z - z.mean(dim=0)) / ((spread + _TINY) * len(z) ** 0.5)
    return scaled
