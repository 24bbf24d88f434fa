"""A pretrained encoder trained on, together with a head, on the labelled samples."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.deploy.folding import fold_batch_norm
from attar.training.loop import train
from attar.training.modes import seeded, usual_defaults

if TYPE_CHECKING:
    from attar.data.dataset import Floats, Ints
    from attar.kinds.base import Kind
    from attar.training.progress import Progress

_BATCH = 64


@usual_defaults()
def fine_tune(
    encoder: nn.Module,
    head: nn.Module,
    kind: Kind,
    x: Floats,
    y: Ints,
    *,
    steps: int = 150,
    lr: float = 5e-4,
    weight_decay: float = 1e-3,
    strength: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> nn.Module:
    """Train encoder and head on views of the labelled samples, starting from a head that already fits.

    Starting from a linear probe keeps what the encoder has learnt from being torn down by a random head. Its batch
    normalisation is folded into the convolutions, for a handful of labels says nothing of means and variances.

    References:
        Kumar et al., Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution, 2022,
        https://arxiv.org/abs/2202.10054 (linear probing, then fine-tuning)

    Arguments:
        encoder: normalised samples to `(n, dim)`; not changed.
        head: `(n, dim)` to logits; not changed.
        kind: of the samples.
        x: raw labelled samples `(n, *shape)`.
        y: class codes `(n,)`.
        steps: of the optimiser.
        lr: highest learning rate.
        weight_decay: of AdamW.
        strength: of the views; None: what suits the kind.
        seed: of batches and views.
        device: that is trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        progress: where steps are reported.

    Returns:
        Normalised samples to logits, in evaluation mode.
    """
    folded = fold_batch_norm(encoder, kind.preprocess()(torch.tensor(x[:1])))
    module = nn.Sequential(folded, copy.deepcopy(head))
    return _train(module, kind, x, y, steps, lr, weight_decay, strength, seed, device, progress, "fine-tune")


@usual_defaults()
def train_from_scratch(
    kind: Kind,
    n_classes: int,
    x: Floats,
    y: Ints,
    *,
    dim: int = 64,
    width: int = 32,
    steps: int = 150,
    lr: float = 2e-3,
    weight_decay: float = 1e-2,
    strength: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> nn.Module:
    """The same network from random weights: what the labels give without any unlabelled sample.

    Arguments:
        kind: of the samples.
        n_classes: size of the output.
        x: raw labelled samples `(n, *shape)`.
        y: class codes `(n,)`.
        dim: length of the representation.
        width: of the encoder.
        steps: of the optimiser.
        lr: highest learning rate.
        weight_decay: of AdamW.
        strength: of the views; None: what suits the kind.
        seed: of weights, batches and views.
        device: that is trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        progress: where steps are reported.

    Returns:
        Normalised samples to logits, in evaluation mode.
    """
    with seeded(seed):
        module = nn.Sequential(kind.encoder(dim, width), nn.Linear(dim, n_classes))
    return _train(module, kind, x, y, steps, lr, weight_decay, strength, seed, device, progress, "from scratch")


def _train(
    module: nn.Module,
    kind: Kind,
    x: Floats,
    y: Ints,
    steps: int,
    lr: float,
    weight_decay: float,
    strength: float | None,
    seed: int,
    device: str,
    progress: Progress | None,
    name: str,
) -> nn.Module:
    preprocess = kind.preprocess()
    labels = torch.tensor(y)
    strength = kind.labelled_strength if strength is None else strength

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        samples = preprocess(torch.tensor(x[batch.numpy()])).to(generator.device)
        known = labels[batch].to(generator.device)
        return F.cross_entropy(module(kind.view(samples, generator, strength)), known)

    train(
        module,
        loss,
        len(x),
        epochs=1,
        steps=steps,
        batch_size=kind.batch(_BATCH),
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        device=device,
        progress=progress,
        name=name,
    )
    return module
