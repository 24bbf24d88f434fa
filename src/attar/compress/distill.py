"""Knowledge distillation: a small student learns what a large teacher says of unlabelled samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.data.dataset import UNLABELLED
from attar.training.loop import History, train

if TYPE_CHECKING:
    from attar.data.dataset import Floats, Ints
    from attar.kinds.base import Kind
    from attar.training.progress import Progress

_TINY = 1e-6
# Labelled samples that join each batch of unlabelled ones.
_LABELLED = 32


def distillation_loss(
    student: Tensor, teacher: Tensor, labelled: Tensor, labels: Tensor, temperature: float, alpha: float
) -> Tensor:
    """L = (1 − α) · mean ℓ(y, softmax(z_s)) + α T² · mean KL(softmax(z_t / T) ‖ softmax(z_s / T)).

    References:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, https://arxiv.org/abs/1503.02531

    Arguments:
        student: logits z_s of the samples that the teacher has seen `(n, n_classes)`.
        teacher: logits z_t of the same samples.
        labelled: the student's logits of labelled samples `(m, n_classes)`; m may be 0.
        labels: their classes `(m,)`.
        temperature: T > 0; above 1 it shows how the teacher ranks the wrong classes.
        alpha: α in [0, 1], the teacher's share.

    Returns:
        A scalar.

    Example:
        >>> z = torch.tensor([[1.0, 2.0], [0.5, 0.0]])
        >>> float(distillation_loss(z, z, z, torch.tensor([1, 0]), temperature=2.0, alpha=1.0))
        0.0
    """
    divergence = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    loss = alpha * temperature**2 * divergence
    return loss + (1 - alpha) * F.cross_entropy(labelled, labels) if len(labels) else loss


def distill(
    student: nn.Module,
    kind: Kind,
    x: Floats,
    teacher: npt.NDArray[np.floating],
    y: Ints,
    *,
    epochs: int,
    temperature: float = 2.0,
    alpha: float = 0.9,
    strength: float = 0.5,
    batch_size: int = 128,
    lr: float = 4e-3,
    weight_decay: float = 1e-3,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a student on the teacher's soft predictions of all samples, labelled or not, and on the labels there are.

    The teacher has seen each sample as it is, the student sees a random view of it: so it learns besides that a view
    is still the same thing, which is how it can become better than its teacher.

    References:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, https://arxiv.org/abs/1503.02531
        Xie et al., Self-training with Noisy Student, 2020, https://arxiv.org/abs/1911.04252 (views for students only)

    Arguments:
        student: normalised samples to logits; trained in place.
        kind: of the samples; normalises them and draws views.
        x: raw samples `(n, *shape)`.
        teacher: its class probabilities `(n, n_classes)`.
        y: class codes `(n,)`, -1 where unlabelled.
        epochs: passes over all samples.
        temperature: T in `distillation_loss`.
        alpha: α in `distillation_loss`.
        strength: of the views; 0: the samples as they are.
        batch_size: samples in a batch.
        lr: highest learning rate.
        weight_decay: of AdamW.
        seed: of the order of samples and of the views.
        checkpoint: to go on from, and to keep the state in.
        progress: where steps are reported.
    """
    preprocess = kind.preprocess()
    teacher_logits = torch.tensor(np.log(np.maximum(teacher, _TINY)), dtype=torch.float32)
    known = torch.tensor(np.flatnonzero(y != UNLABELLED))
    labels = torch.tensor(y)

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        some = known[torch.randint(max(len(known), 1), (min(_LABELLED, len(known)),), generator=generator)]
        samples = preprocess(torch.from_numpy(x[torch.cat([batch, some]).numpy()]))
        logits = student(kind.view(samples, generator, strength))
        unlabelled, labelled = logits.split([len(batch), len(some)])
        return distillation_loss(unlabelled, teacher_logits[batch], labelled, labels[some], temperature, alpha)

    return train(
        student,
        loss,
        len(x),
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        checkpoint=checkpoint,
        progress=progress,
        name="distill",
    )
