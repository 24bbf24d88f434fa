"""Representations that a sample can be rebuilt from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
from sklearn.utils.validation import check_array, check_is_fitted

from attar.errors import DataError
from attar.represent._parts import FloatArray
from attar.represent.pretext import Pretext
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from attar.kinds.base import Kind


# Numbers that a decoder answers with at once: 512 MB.
_DECODED = 2**27


class Autoencoder(Pretext):
    """An encoder and a decoder that together reproduce their input through a narrow code.

    L(θ, ψ) = 1/N Σₙ ‖xₙ − g_ψ(zₙ)‖² + λ/dim ‖zₙ‖₁,  zₙ = f_θ(xₙ + ε),  ε ~ N(0, noise²)

    The error is taken on normalised samples, and per value, so that it is 1 for a decoder that only knows the mean;
    for categories it is the cross-entropy. With noise it is a denoising autoencoder, with λ a sparse one.

    References:
        Hinton and Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, 2006,
        https://doi.org/10.1126/science.1127647
        Vincent et al., Extracting and Composing Robust Features with Denoising Autoencoders, 2008,
        https://doi.org/10.1145/1390156.1390294
        Goodfellow et al., Deep Learning, 2016, section 14.2.1, https://www.deeplearningbook.org

    Arguments:
        dim: length of the code z.
        width: channels of the encoder's first layer.
        epochs: passes over all samples.
        batch_size: samples in a batch.
        noise: standard deviation of what is added to normalised samples before they are encoded.
        sparsity: λ, the weight of the penalty on the code.
        network: "convolutional", "fully-connected", "recurrent" (series) or "transformer"; None: the kind's own.
        lr: highest learning rate.
        precision: of training: "32-true", "bf16-mixed" (products in bfloat16), or "auto", the faster (`precision_of`).
        device: that is trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        kind: "image", "series", "table", "text" of token ids, or a fitted kind, as a graph needs. None: two axes are a
            table, three a series unless a sample is square, four an image.
        random_state: seed of weights, noise and the order of samples.

    Attributes:
        kind_: what was learnt about the kind of data.
        encoder_: f_θ on normalised samples.
        decoder_: g_ψ to normalised samples.
        loss_curve_: mean loss of each epoch.

    Example:
        >>> images = np.random.default_rng(0).random((64, 8, 8), dtype=np.float32)
        >>> autoencoder = Autoencoder(dim=8, width=4, epochs=2, random_state=0).fit(images)
        >>> autoencoder.inverse_transform(autoencoder.transform(images)).shape
        (64, 8, 8)
    """

    decoder_: nn.Module

    _amounts: ClassVar[tuple[str, ...]] = (*Pretext._amounts, "noise", "sparsity")

    def __init__(
        self,
        dim: int = 32,
        *,
        width: int = 32,
        epochs: int = 50,
        batch_size: int = 256,
        noise: float = 0.0,
        sparsity: float = 0.0,
        network: str | None = None,
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
        self.noise = noise
        self.sparsity = sparsity
        self.network = network
        self.lr = lr
        self.precision = precision
        self.device = device
        self.kind = kind
        self.random_state = random_state

    @usual_defaults()
    def inverse_transform(self, Z: npt.ArrayLike) -> FloatArray:
        """Rebuild samples from their codes.

        Arguments:
            Z: codes `(n, dim)`.

        Returns:
            Samples `(n, *kind_.shape)` in raw units; of nodes of a graph, their features.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: Z is not numeric, or its codes are of another length.
        """
        import torch

        check_is_fitted(self)
        with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is refused as such
            codes = check_array(Z, dtype=np.float32, input_name="Z")
        if codes.shape[1] != self.dim_:
            raise DataError(f"Z has codes of length {codes.shape[1]}; this autoencoder decodes codes of {self.dim_}")
        x = np.empty((len(codes), *self.kind_.shape), dtype=np.float32)
        with torch.inference_mode():
            # A text is decoded to a score of each token at each place, thousands of times as much as goes in.
            at_once = max(1, min(self._at_once, _DECODED // self.decoder_(torch.tensor(codes[:1])).numel()))
            for start in range(0, len(codes), at_once):
                some = slice(start, start + at_once)
                x[some] = self.kind_.restore(self.decoder_(torch.tensor(codes[some]))).numpy()
        return x

    def _networks(self, kind: Kind) -> nn.ModuleDict:
        from torch import nn

        encoder, decoder = kind.autoencoder(self.dim, self.width, self.network)
        return nn.ModuleDict({"encoder": encoder, "decoder": decoder})

    def _encoder(self, kind: Kind) -> nn.Module:
        return kind.autoencoder(self.dim, self.width, self.network)[0]

    def _loss(self, networks: nn.ModuleDict, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        z: Tensor = networks["encoder"](kind.noisy(x, generator, self.noise) if self.noise > 0 else x)
        loss = kind.reconstruction_loss(networks["decoder"](z), x)
        return loss + self.sparsity * z.abs().mean() if self.sparsity > 0 else loss

    def _keep(self, networks: nn.ModuleDict) -> None:
        super()._keep(networks)
        self.decoder_ = networks["decoder"]
