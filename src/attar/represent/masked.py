"""Masked modelling: hide parts of a sample, and predict them from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from attar._settings import is_positive
from attar.errors import DataError
from attar.represent._parts import FloatArray
from attar.represent.pretext import Pretext
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from attar.kinds.base import Kind
    from attar.kinds.parts import PartEncoder

BoolArray = npt.NDArray[np.bool_]


class Masked(Pretext):
    """An encoder from whose view of some parts of a sample a decoder can tell the hidden ones.

    M ⊂ {1, …, p},  |M| = ρ p,  x̃ = hide(x, M),  z = f_θ(x̃),  x̂ = g_ψ(z),  L(θ, ψ) = 1/|M| Σ_{i ∈ M} ℓ(x̂ᵢ, xᵢ)

    The parts (patches, segments, cells, tokens, nodes), how they are hidden, and ℓ are the kind's: cross-entropy for
    categories, squared error for continuous values. M is drawn anew for each sample of each batch, among the parts
    that are present, and leaves at least one of them visible. The representation is the mean of the zᵢ of a whole
    sample.

    References:
        Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, 2019,
        https://arxiv.org/abs/1810.04805
        He et al., Masked Autoencoders Are Scalable Vision Learners, 2022, https://arxiv.org/abs/2111.06377

    Arguments:
        dim: length of each zᵢ and of the representation.
        width: length of the vectors inside the encoder and the decoder.
        ratio: ρ, the share of the parts that is hidden; None: what suits the kind.
        epochs: passes over all samples.
        batch_size: samples in a batch.
        lr: highest learning rate.
        precision: of training: "32-true", "bf16-mixed" (products in bfloat16), or "auto", the faster (`precision_of`).
        device: that is trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        kind: "image", "series", "table", "text" of token ids, or a fitted kind, as a graph needs. None: two axes are a
            table, three a series unless a sample is square, four an image.
        random_state: seed of weights, masks and the order of samples.

    Attributes:
        kind_: what was learnt about the kind of data.
        encoder_: f_θ on normalised samples.
        decoder_: g_ψ.
        loss_curve_: mean loss of each epoch.

    Raises:
        DataError: `ratio` is not between 0 and 1, or samples have no parts, or one alone.

    Example:
        >>> images = np.random.default_rng(0).random((64, 8, 8), dtype=np.float32)
        >>> masked = Masked(dim=16, width=8, epochs=2, random_state=0).fit(images)
        >>> masked.transform(images).shape
        (64, 16)
        >>> samples, hidden = masked.reconstruct(images, random_state=0)
        >>> samples.shape, hidden.shape, int(hidden[0].sum())
        ((64, 8, 8), (64, 16), 12)
    """

    decoder_: nn.Module

    def __init__(
        self,
        dim: int = 64,
        *,
        width: int = 64,
        ratio: float | None = None,
        epochs: int = 100,
        batch_size: int = 256,
        lr: float = 2e-3,
        precision: str = "auto",
        device: str = "cpu",
        kind: str | Kind | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.dim = dim
        self.width = width
        self.ratio = ratio
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.precision = precision
        self.device = device
        self.kind = kind
        self.random_state = random_state

    @usual_defaults()
    def reconstruct(
        self, X: npt.ArrayLike, random_state: int | np.random.RandomState | None = None
    ) -> tuple[FloatArray, BoolArray]:
        """Hide parts of samples and put the prediction in their place.

        Arguments:
            X: samples `(n, *shape_)`.
            random_state: seed of what is hidden.

        Returns:
            Samples `(n, *shape_)` in raw units, predicted where hidden and as given elsewhere (of what is missing, a
            number as the mean, and a category or token as NaN); and which parts were hidden, bool `(n, parts)`.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: X has samples of another shape than in `fit`, or values that `fit` would not accept.
            DataError: the kind hides parts of a whole batch rather than of each sample.
        """
        import torch

        check_is_fitted(self)
        samples = self._validated(X, reset=False)
        generator = torch.Generator().manual_seed(int(check_random_state(random_state).randint(2**31 - 1)))
        preprocess = self.kind_.preprocess()
        filled, masks = [], []
        with torch.inference_mode():
            for start in range(0, len(samples), self._at_once):
                x = preprocess(torch.tensor(samples[start : start + self._at_once]))
                if len(self.kind_.present(x)) != len(x):
                    raise DataError(
                        f"samples of kind {self.kind_.name!r} hang together and are hidden as one; use transform"
                    )
                x_hat, hidden = self._predict(self.encoder_, self.decoder_, self.kind_, x, generator)
                filled.append(self.kind_.restore(self.kind_.fill(x_hat, x, hidden)).numpy())
                masks.append(hidden.numpy())
        return np.concatenate(filled), np.concatenate(masks)

    def _check_settings(self) -> None:
        super()._check_settings()
        if self.ratio is not None and not (is_positive(self.ratio) and self.ratio < 1):
            raise DataError(f"ratio is {self.ratio!r}; give the share of parts to hide, between 0 and 1")

    def _networks(self, kind: Kind) -> nn.ModuleDict:
        from torch import nn

        return nn.ModuleDict({"encoder": self._encoder(kind), "decoder": kind.part_decoder(self.dim, self.width)})

    def _encoder(self, kind: Kind) -> nn.Module:
        return kind.part_encoder(self.dim, self.width)

    def _loss(self, networks: nn.ModuleDict, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        x_hat, hidden = self._predict(networks["encoder"], networks["decoder"], kind, x, generator)
        return kind.masked_loss(x_hat, x, hidden)

    def _predict(
        self, encoder: nn.Module, decoder: nn.Module, kind: Kind, x: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """What the decoder says of normalised samples, and which of their parts were hidden."""
        present = kind.present(x)
        if present.shape[1] < 2:
            raise DataError(
                "samples have a single part, such as 1 feature(s) of a table, and nothing is left to predict it from; "
                "use another pretext task"
            )
        ratio = kind.masking_ratio if self.ratio is None else self.ratio
        hidden = choose(present, ratio, generator, together=len(present) < len(x))
        seen = kind.hide(x, hidden, generator)
        z = cast("PartEncoder", encoder).parts(seen, hidden)
        return decoder(z, hidden, seen), hidden

    def _keep(self, networks: nn.ModuleDict) -> None:
        super()._keep(networks)
        self.decoder_ = networks["decoder"]


def choose(present: Tensor, ratio: float, generator: torch.Generator, *, together: bool = False) -> Tensor:
    """Draw which parts of each sample to hide: a share of those present, at least one, but never all.

    Arguments:
        present: bool `(n, parts)`.
        ratio: the share.
        generator: to draw from.
        together: whether a row is the whole batch, as of the nodes of a graph, and the same in all processes.

    Returns:
        Bool `(n, parts)`; of a sample with a single part, none.

    Example:
        >>> import torch
        >>> hidden = choose(torch.tensor([[True] * 8, [True] * 4 + [False] * 4]), 0.5, torch.Generator())
        >>> hidden.sum(dim=1), hidden[1, 4:].any()
        (tensor([4, 2]), tensor(False))
    """
    import torch

    available = present.sum(dim=1)
    count = torch.minimum((ratio * available).round().long().clamp(min=1), (available - 1).clamp(min=0))
    # In double precision a tie, which would go to the first of two parts, does not come up.
    drawn = torch.empty(present.shape, dtype=torch.float64, device=generator.device)
    if together:
        # In place each process draws all, where of `torch.rand` it gets a part of the rows.
        drawn.uniform_(generator=generator)
    else:
        drawn = torch.rand(present.shape, generator=generator, dtype=drawn.dtype, device=drawn.device)
    rank = drawn.to(present.device).masked_fill(~present, 2.0).argsort(dim=1).argsort(dim=1)
    return rank < count.unsqueeze(1)
