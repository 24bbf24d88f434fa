"""Contrast over time and over contexts (TS-TCC)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from attar._settings import is_count
from attar.errors import DataError
from attar.represent._views import ViewPretext

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor, nn

    from attar.kinds.base import Kind

# Share of the steps that are predicted, and the context's transformer, as in the paper's section 4.2 and its code.
_HORIZON = 0.4
_LAYERS, _HEADS = 4, 4
_PROJECTION = 32


class TSTCC(ViewPretext):
    """An encoder whose features, up to some step of one view, tell how another view of the sample goes on.

    Of a weak and a strong view, the encoder makes sequences z^w and z^s of vectors of length one, and a transformer
    sums up the first t steps of each in a context c. With random t, and the other samples n of the batch,

    L_s = −1/K Σ_k log( exp(W_k c^s · z^w_{t+k}) / Σ_n exp(W_k c^s · z^w_{n, t+k}) ),  L_w likewise,
    L = λ₁ (L_s + L_w) + λ₂ NT-Xent(g(c^s), g(c^w))

    After training transformer and g are thrown away; the representation is the encoder's, pooled over time. The paper
    keeps the sequence itself as the input of its linear head, which grows with the length of the series.

    References:
        Eldele et al., Time-Series Representation Learning via Temporal and Contextual Contrasting, 2021,
        equations 1 to 5, https://arxiv.org/abs/2106.14112

    Arguments:
        dim: length of the representation.
        width: channels of the encoder's first layer.
        epochs: passes over all samples.
        batch_size: samples in a batch, at least 2; all others in it are a sample's negatives.
        temporal: λ₁, weight of the prediction.
        contextual: λ₂, weight of the contrast between contexts.
        temperature: of NT-Xent.
        context: length of c, a multiple of four.
        weak: strength of the weak view; 0 leaves the samples as they are.
        strength: of the strong view.
        lr: highest learning rate.
        precision: of training: "32-true", "bf16-mixed" (products in bfloat16), or "auto", the faster (`precision_of`).
        device: that is trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        kind: of data that has an order in time, "series" or a fitted kind. None: three axes are a series unless a
            sample is square.
        random_state: seed of weights, views, t and the order of samples.

    Attributes:
        kind_: what was learnt about the kind of data.
        encoder_: f_θ on normalised samples.
        loss_curve_: mean loss of each epoch.

    Example:
        >>> import numpy as np
        >>> series = np.random.default_rng(0).random((64, 2, 30), dtype=np.float32)
        >>> TSTCC(dim=16, width=4, epochs=2, random_state=0).fit(series).transform(series).shape
        (64, 16)
    """

    _amounts: ClassVar[tuple[str, ...]] = (*ViewPretext._amounts, "temporal", "contextual", "weak")
    _positive: ClassVar[tuple[str, ...]] = ("temperature",)

    def __init__(
        self,
        dim: int = 128,
        *,
        width: int = 32,
        epochs: int = 100,
        batch_size: int = 256,
        temporal: float = 1.0,
        contextual: float = 0.7,
        temperature: float = 0.2,
        context: int = 64,
        weak: float = 0.5,
        strength: float = 1.0,
        lr: float = 2e-3,
        precision: str = "auto",
        device: str = "cpu",
        kind: str | Kind | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.dim = dim
        self.width = width
        self.epochs = epochs
        self.batch_size = batch_size
        self.temporal = temporal
        self.contextual = contextual
        self.temperature = temperature
        self.context = context
        self.weak = weak
        self.strength = strength
        self.lr = lr
        self.precision = precision
        self.device = device
        self.kind = kind
        self.random_state = random_state

    def _check_settings(self) -> None:
        super()._check_settings()
        if not is_count(self.context) or self.context % _HEADS:
            raise DataError(f"context is {self.context!r}; give a multiple of {_HEADS}")

    def _networks(self, kind: Kind) -> nn.ModuleDict:
        import torch
        from torch import nn

        encoder = kind.encoder(self.dim, self.width).eval()
        with torch.no_grad():
            _, steps, channels = kind.sequence(encoder, kind.preprocess()(torch.zeros(1, *kind.shape))).shape
        # A series of one step has nothing to predict: contexts alone are contrasted.
        horizon = min(steps - 1, max(1, round(_HORIZON * steps)))
        layer = nn.TransformerEncoderLayer(
            self.context, _HEADS, self.context, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        first = nn.Linear(self.context, channels, bias=False)
        return nn.ModuleDict(
            {
                "encoder": encoder,
                "embed": nn.Linear(channels, self.context),
                "summary": nn.Embedding(1, self.context),
                "transformer": nn.TransformerEncoder(layer, _LAYERS, nn.LayerNorm(self.context), False),
                "predictors": nn.ModuleList(nn.Linear(self.context, channels) for _ in range(horizon)),
                "projector": nn.Sequential(
                    first, nn.BatchNorm1d(channels), nn.ReLU(), nn.Linear(channels, _PROJECTION)
                ),
            }
        )

    def _loss(self, networks: nn.ModuleDict, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        import torch
        from torch import nn
        from torch.nn import functional as F

        from attar.represent.ntxent import nt_xent
        from attar.training.processes import own_part, whole_batch

        strong, weak = kind.strong_view(x, generator, self.strength), kind.view(x, generator, self.weak)
        # One batch, as in `_two_views`.
        z = F.normalize(kind.sequence(networks["encoder"], torch.cat([strong, weak])), dim=2)
        predictors = cast(nn.ModuleList, networks["predictors"])
        last = int(torch.randint(z.shape[1] - len(predictors), (), generator=generator, device=generator.device))
        c = _context(networks, z[:, : last + 1])
        everyone = whole_batch(z)
        others = everyone.roll(len(everyone) // 2, dims=0)
        same = own_part(torch.arange(len(everyone) // 2, device=z.device))
        temporal = z.new_zeros(())
        for k, predictor in enumerate(predictors, start=1):
            for predicted, future in zip(predictor(c).chunk(2), others[:, last + k].chunk(2)):
                temporal = temporal + F.cross_entropy(predicted @ future.T, same) / len(predictors)
        g_s, g_w = networks["projector"](c).chunk(2)
        contextual = nt_xent(g_s, g_w, self.temperature)
        return self.temporal * temporal + self.contextual * contextual


def _context(networks: nn.ModuleDict, z: Tensor) -> Tensor:
    """What the transformer sums up of `(n, steps, channels)`, at a token of its own before the first step: `(n, c)`."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    token = cast("nn.Embedding", networks["summary"]).weight.expand(len(z), 1, -1)
    # A few steps each: the blocks of the fused kernel would be mostly empty.
    with sdpa_kernel(SDPBackend.MATH):
        c: Tensor = networks["transformer"](torch.cat([token, networks["embed"](z)], dim=1))[:, 0]
    return c
