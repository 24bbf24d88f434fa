"""Representations that lead back to samples, so that one can see what they keep: components, autoencoder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from attar.represent import PCA, Autoencoder, Raw, TfIdf
from attar.run import CHECKPOINT, Result, Run
from attar.trials.base import apply

if TYPE_CHECKING:
    from attar.data.dataset import Floats
    from attar.kinds.base import Kind
    from attar.training.progress import Progress

# Length of a code, and of the vector that stands for a text.
DIM, _TOPICS = 16, 128
# Channels of the autoencoder's first layer, samples in a batch, and its longest training in steps and in epochs.
_WIDTH, _BATCH, _STEPS, _EPOCHS = 16, 128, 3000, 200
# Fewer samples, or values in one, are no work for an autoencoder.
_FEW, _NARROW = 400, 8


@dataclass(frozen=True)
class Components:
    """Principal components of normalised samples, and back to raw units."""

    kind: Kind
    mean: Floats  # of flat normalised samples `(d,)`
    basis: Floats  # orthonormal rows `(k, d)`

    @classmethod
    def learn(cls, kind: Kind, v: Floats, k: int) -> Components:
        """The k largest components of flat normalised samples `(n, d)`."""
        pca = PCA(k, random_state=0).fit(v)
        return cls(kind, pca.mean_.astype(np.float32), pca.components_.astype(np.float32))

    def transform(self, X: Any) -> Floats:
        """Raw samples `(n, *shape)` to `(n, k)`."""
        return self.of_flat(flat(self.kind, np.asarray(X, dtype=np.float32)))

    def of_flat(self, v: Floats) -> Floats:
        """Flat normalised samples `(n, d)` to `(n, k)`."""
        return np.asarray((v - self.mean) @ self.basis.T, dtype=np.float32)

    def inverse_transform(self, Z: Any) -> Floats:
        """Back to raw samples `(n, *shape)`."""
        v = np.asarray(Z, dtype=np.float32) @ self.basis + self.mean
        with torch.inference_mode():
            shape = self.kind.preprocess()(torch.zeros(1, *self.kind.shape)).shape[1:]
            return np.asarray(self.kind.restore(torch.tensor(v).reshape(-1, *shape)).numpy(), dtype=np.float32)


def flat(kind: Kind, x: Floats, seed: int = 0) -> Floats:
    """Samples as vectors: normalised values, or what stands for texts, `(n, d)`."""
    if kind.quantities:
        raw = Raw(kind=kind).fit(x[:1])
        return apply(raw.module_, x, kind.batch(512))
    return np.asarray(TfIdf(_TOPICS, kind=kind, random_state=seed).fit_transform(x), dtype=np.float32)


def epochs_for(kind: Kind, x: Floats, seconds: float) -> int:
    """Epochs of an autoencoder: as many as the time allows, by that of a few steps; 0 where there is no need of one."""
    if len(x) < _FEW or not kind.quantities or x[0].size < _NARROW:
        return 0
    with torch.random.fork_rng(devices=[]):
        encoder, decoder = kind.encoder(DIM, _WIDTH), kind.decoder(DIM, _WIDTH)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *decoder.parameters()], fused=True)
    batch_size = kind.batch(_BATCH)
    batch = kind.preprocess()(torch.tensor(x[:batch_size]))
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        loss: Any = kind.reconstruction_loss(decoder(encoder(batch)), batch)
        loss.backward()
        optimizer.step()
        best = min(best, time.perf_counter() - start)
    steps = len(x) // batch_size
    return int(min(seconds / (best * steps), max(_STEPS / steps, 1), _EPOCHS)) or 1


def autoencoder(kind: Kind, x: Floats, dim: int, epochs: int, seed: int, run: Run, progress: Progress) -> Autoencoder:
    """An autoencoder that is trained in a stage of the run, or read from it."""
    model = Autoencoder(
        dim,
        width=_WIDTH,
        epochs=epochs,
        batch_size=kind.batch(_BATCH),
        kind=kind,
        random_state=seed,
    )

    def train(folder: Any) -> Result:
        model._fit(x, kind, folder / CHECKPOINT, progress)
        both = nn.ModuleDict({"encoder": model.encoder_, "decoder": model.decoder_})
        return Result({key: value.numpy() for key, value in both.state_dict().items()})

    weights = run.stage("autoencoder", train).arrays
    with torch.random.fork_rng(devices=[]):
        networks = nn.ModuleDict(dict(zip(("encoder", "decoder"), kind.autoencoder(dim, _WIDTH), strict=True)))
    networks.load_state_dict({key: torch.tensor(value) for key, value in weights.items()})
    networks.eval()
    model.kind_, model.shape_, model.dim_ = kind, kind.shape, dim
    model.encoder_, model.decoder_ = networks["encoder"], networks["decoder"]
    model.n_features_in_ = int(np.prod(kind.shape))
    return model
