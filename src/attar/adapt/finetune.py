"""A pretrained encoder trained on, together with a head, on the labelled samples."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar._settings import check_count
from attar.data.held import plain
from attar.deploy.folding import fold_batch_norm
from attar.errors import DataError, LabelError
from attar.training.loop import train
from attar.training.modes import seeded, usual_defaults

if TYPE_CHECKING:
    from attar.data.dataset import Floats
    from attar.kinds.base import Kind
    from attar.training.progress import Progress

_BATCH = 64


@usual_defaults()
def fine_tune(
    encoder: nn.Module,
    head: nn.Module,
    kind: Kind,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
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

    Raises:
        DataError: there are no samples, or they are no finite numbers and NaN, or a setting is out of its range.
        LabelError: there is not a class for each sample, or one that the head does not tell.
    """
    samples, codes = _labelled(x, y)
    folded = fold_batch_norm(encoder, kind.preprocess()(torch.tensor(samples[:1])))
    module = nn.Sequential(folded, copy.deepcopy(head))
    return _train(module, kind, samples, codes, steps, lr, weight_decay, strength, seed, device, progress, "fine-tune")


@usual_defaults()
def train_from_scratch(
    kind: Kind,
    n_classes: int,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
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
        steps, lr, weight_decay, strength, seed, device, progress: as of `fine_tune`; the seed is that of weights too.

    Returns:
        Normalised samples to logits, in evaluation mode.

    Raises:
        DataError, LabelError: as of `fine_tune`.
    """
    for name, value in (("n_classes", n_classes), ("dim", dim), ("width", width)):
        check_count(name, value)
    samples, codes = _labelled(x, y)
    with seeded(seed):
        module = nn.Sequential(kind.encoder(dim, width), nn.Linear(dim, n_classes))
    return _train(
        module, kind, samples, codes, steps, lr, weight_decay, strength, seed, device, progress, "from scratch"
    )


def _labelled(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Tensor]:
    """Raw samples as float32, and the class codes of all of them."""
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            samples: Floats = np.ascontiguousarray(plain(x), dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError("the samples are not one array of numbers: give one of float32, NaN where unknown") from None
    given: npt.NDArray[Any] = np.asarray(plain(y))
    if not samples.ndim or not len(samples):
        raise DataError("there are no samples to train on: give at least one, with its label")
    if np.isinf(samples).any():
        raise DataError("a sample is infinite, or too large for float32: mend it, or make the value NaN")
    if given.shape != samples.shape[:1]:
        raise LabelError(f"{len(samples):,} samples but labels of shape {given.shape}: give one for each")
    if given.dtype.kind not in "biuf" or not ((given >= 0) & (given < 2**31)).all() or (given % 1 != 0).any():
        raise LabelError(
            "y holds something else than class codes: give whole numbers from 0, and labelled samples alone"
        )
    return samples, torch.tensor(given.astype(np.int64))


def _train(
    module: nn.Module,
    kind: Kind,
    x: Floats,
    codes: Tensor,
    steps: int,
    lr: float,
    weight_decay: float,
    strength: float | None,
    seed: int,
    device: str,
    progress: Progress | None,
    name: str,
) -> nn.Module:
    check_count("steps", steps, least=0)
    preprocess, last = kind.preprocess(), int(codes.max())
    strength = kind.labelled_strength if strength is None else strength

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        samples = preprocess(torch.tensor(x[batch.numpy()])).to(generator.device)
        scores = module(kind.view(samples, generator, strength))
        if scores.shape[-1] <= last:
            raise LabelError(
                f"y has a class {last}, and the network tells {scores.shape[-1]} apart: number them from 0"
            )
        return F.cross_entropy(scores, codes[batch].to(generator.device))

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
