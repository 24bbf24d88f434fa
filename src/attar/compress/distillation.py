"""Knowledge distillation: a small student learns what a large teacher says of unlabelled samples."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar._fingerprint import fingerprint
from attar._settings import is_amount, is_positive
from attar.compress.answers import answer, answers, are_logits, check_classes, variance_of
from attar.compress.checks import as_seed, check_answers, check_gradient, check_training
from attar.compress.features import Guides
from attar.compress.given import (
    Labels,
    Samples,
    SampleSource,
    View,
    as_array,
    as_tensor,
    class_codes,
    gathered,
    rows,
    samples_for,
)
from attar.data.dataset import UNLABELLED
from attar.errors import CompressionError
from attar.training.devices import device_of
from attar.training.loop import History, train
from attar.training.modes import evaluating, seeded, usual_defaults
from attar.training.progress import Progress

# Labelled samples that join each batch of unlabelled ones.
_LABELLED = 32


def distillation_loss(
    student: Tensor, teacher: Tensor, labelled: Tensor, labels: Tensor, temperature: float, alpha: float
) -> Tensor:
    """L = (1 − α) · mean ℓ(y, softmax(z_s)) + α T² · mean KL(softmax(z_t / T) ‖ softmax(z_s / T)); see `distill`.

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


@usual_defaults()
def distill(
    student: nn.Module,
    teacher: nn.Module | Tensor,
    x: SampleSource,
    y: Labels = None,
    *,
    epochs: int = 10,
    temperature: float = 2.0,
    alpha: float = 0.9,
    view: View | None = None,
    features: Mapping[str, str] | None = None,
    beta: float = 1.0,
    batch_size: int = 128,
    lr: float = 4e-3,
    weight_decay: float = 1e-3,
    seed: int = 0,
    device: str = "cpu",
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a student on what a teacher says of all samples, labelled or not, and on the labels there are.

    The teacher has seen each sample as it is, the student sees a random view of it: so it learns besides that a view
    is still the same thing, which is how it can become better than its teacher.

    Where a network answers with something other than one row of logits a sample, two at least, `distillation_loss` has
    the mean squared difference, in units of the teacher's variance, in place of the divergence.

    References:
        Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015, https://arxiv.org/abs/1503.02531
        Romero et al., FitNets: Hints for Thin Deep Nets, 2015, https://arxiv.org/abs/1412.6550 (features)
        Xie et al., Self-training with Noisy Student, 2020, https://arxiv.org/abs/1911.04252 (views for students only)

    Arguments:
        student: samples to logits; trained in place.
        teacher: the same, left as it is; or its logits `(n, n_classes)`.
        x: samples `(n, *shape)`, or a data set or loader of them, with or without labels.
        y: class codes `(n,)`, -1 where unlabelled; None: no labels.
        epochs: passes over all samples.
        temperature: T in `distillation_loss`.
        alpha: α in `distillation_loss`.
        view: of a batch of samples, drawn with a generator, for the student; None: the samples as they are.
        features: a layer of the student by its name, and the one of the teacher whose features it is led towards, which
            sees the same views then (`Guides`); None: answers alone count.
        beta: weight of that loss, which is added.
        batch_size: samples in a batch.
        lr: highest learning rate.
        weight_decay: of AdamW.
        seed: of the order of samples and of the views.
        device: that is trained on: "cpu", "cuda" or "cuda:1" (a GPU), or "auto", a GPU where there is one.
        checkpoint: to go on from, with the same arguments, and to keep the state in; the weights of the student do not
            count then.
        progress: where steps are reported.

    Raises:
        CompressionError: there are no samples, or not one answer or label for each, or features of a teacher that is
            given by its logits.
        RunError: the checkpoint is of another training, or damaged.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> x, teacher, student = torch.randn(64, 8), nn.Linear(8, 3), nn.Linear(8, 3)
        >>> _ = distill(student, teacher, x, epochs=60, batch_size=16, lr=0.05)
        >>> bool((student(x).argmax(1) == teacher(x).argmax(1)).float().mean() > 0.9)
        True
    """
    x, y = gathered(x, y, teacher)
    x = samples_for(student, x, view)
    check_training(student, epochs, batch_size, lr, weight_decay)
    seed = as_seed(seed)
    if any(one.is_inference() for one in student.parameters()):
        raise CompressionError("the student was made in torch.inference_mode(), and is not trained: make it outside")
    guides = _guides(student, teacher, features, beta, x, seed) if features else None
    lesson = Lesson(teacher, x, y, temperature=temperature, alpha=alpha, view=view)
    loss = partial(lesson.loss, student) if guides is None else partial(lesson.guided_loss, student, guides, beta)
    with nullcontext() if guides is None else guides.teaching_on(device_of(device)):
        return train(
            student if guides is None else nn.ModuleList([student, guides]),
            loss,
            len(x),
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            seed=seed,
            device=device,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            progress=progress,
            name="distill",
            asked="" if checkpoint is None else asked_of(student, teacher, x, y, temperature, alpha, features, beta),
        )


def _guides(
    student: nn.Module, teacher: nn.Module | Tensor, features: Mapping[str, str], beta: float, x: Samples, seed: int
) -> Guides:
    if not isinstance(features, Mapping):
        raise CompressionError(
            f"features={features!r}: give a dict, from layers of the student to those of the teacher"
        )
    if not is_amount(beta):
        raise CompressionError(f"beta={beta!r}: it must be a finite number from 0")
    if not isinstance(teacher, nn.Module):
        raise CompressionError("features are those of a network: give the teacher itself, not its logits")
    with seeded(seed):
        return Guides(student, teacher, features, rows(x, torch.arange(min(len(x), 2))))


def asked_of(student: nn.Module, teacher: nn.Module | Tensor, x: Samples, y: Labels, *settings: object) -> str:
    """A fingerprint of teacher, samples, labels and settings, by which the checkpoint of another training is refused.

    Of logits, which may be computed again and differ by rounding, only the largest count.
    """
    # Nothing in its state says how many codes a rounded weight or input has.
    grids = [(vars(one).get("low"), vars(one).get("high")) for one in student.modules()]
    says = teacher.state_dict().values() if isinstance(teacher, nn.Module) else [as_tensor(teacher).argmax(-1)]
    given = [as_tensor(x), class_codes(y, len(x)), *(one for one in says if isinstance(one, Tensor))]
    return fingerprint(np.asarray(f"{settings} {grids}"), *map(as_array, given))


class Lesson:
    """What a student sees of a batch, and how far its answers are from those asked for.

    Arguments and errors are those of `distill`.
    """

    def __init__(
        self,
        teacher: nn.Module | Tensor,
        x: Samples,
        y: Labels,
        *,
        temperature: float,
        alpha: float,
        view: View | None,
    ) -> None:
        if not is_positive(temperature) or not (is_amount(alpha) and alpha <= 1):
            raise CompressionError(
                f"temperature={temperature!r}, alpha={alpha!r}: give one above 0, and one from 0 to 1"
            )
        if isinstance(teacher, Tensor | np.ndarray):
            self._asked = as_tensor(teacher)
        else:
            self._asked = answers(teacher, samples_for(teacher, x))
        if len(self._asked) != len(x):
            raise CompressionError(f"{len(self._asked)} answers of the teacher for {len(x)} samples: give one for each")
        self._labels = class_codes(y, len(x))
        check_answers([self._asked], of="teacher")
        check_classes(self._labels, self._asked)
        self._labelled = (self._labels != UNLABELLED).nonzero()[:, 0]
        self._variance = None if are_logits(self._asked) else variance_of(self._asked)
        self._x, self._view, self._temperature, self._alpha = x, view, temperature, alpha

    def loss(
        self, student: nn.Module, batch: Tensor, generator: torch.Generator, beside: nn.Module | None = None
    ) -> Tensor:
        """Of a batch of samples, by their numbers; a network beside the student sees the same views."""
        n, where = len(self._labelled), generator.device
        drawn = torch.randint(max(n, 1), (min(_LABELLED, n),), generator=generator, device=where)
        labelled = self._labelled[drawn.cpu()]
        seen = rows(self._x, torch.cat([batch, labelled])).to(where)
        if self._view is not None:
            seen = self._view(seen, generator)
        said = answer(student, seen)
        if beside is not None:
            with torch.no_grad(), evaluating(beside):
                beside(seen)
        return self._error(student, said, batch, labelled)

    def guided_loss(
        self, student: nn.Module, guides: Guides, beta: float, batch: Tensor, generator: torch.Generator
    ) -> Tensor:
        """The same, and that of the features, times β."""
        with guides.watched() as features:
            loss = self.loss(student, batch, generator, beside=guides.teacher)
        led: Tensor = beta * guides(features)
        return loss + led

    def _error(self, student: nn.Module, said: Tensor, batch: Tensor, labelled: Tensor) -> Tensor:
        """How far answers to a batch, and to the labelled samples after it, are from what is asked."""
        check_gradient(student, said)
        if said.shape[1:] != self._asked.shape[1:]:
            raise CompressionError(
                f"the student answers a sample with numbers of shape {tuple(said.shape[1:])}, and the teacher of shape "
                f"{tuple(self._asked.shape[1:])}: give two that answer alike"
            )
        asked = self._asked[batch].to(said.device)
        of_batch, of_labelled = said.split([len(batch), len(labelled)])
        if self._variance is not None:
            squared: Tensor = (of_batch - asked).square().mean()
            return squared / self._variance
        labels = self._labels[labelled].to(said.device)
        return distillation_loss(of_batch, asked, of_labelled, labels, self._temperature, self._alpha)
