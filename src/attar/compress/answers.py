"""What a network says of samples, and which classes it decides for."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attar.compress.given import Samples, rows
from attar.errors import CompressionError
from attar.training.modes import evaluating

# Samples that a network is asked about at once.
_AT_ONCE = 256


def answers(model: nn.Module, x: Samples) -> Tensor:
    """What a network says of all samples, in evaluation mode.

    Raises:
        CompressionError: it does not give one tensor with a row for each sample.
    """
    with torch.no_grad(), evaluating(model):
        return torch.cat([answer(model, rows(x, part)) for part in torch.split(torch.arange(len(x)), _AT_ONCE)])


def answer(model: nn.Module, batch: Tensor) -> Tensor:
    """What a network says of a batch; errors are those of `answers`."""
    said = model(batch)
    if not isinstance(said, Tensor) or not said.ndim or len(said) != len(batch):
        raise CompressionError(
            f"{type(model).__name__} does not give one tensor with a row for each sample; wrap it in a module that does"
        )
    return said


def are_logits(answers: Tensor) -> bool:
    """Whether answers are rows of logits `(n, classes)`; of one number a row, a softmax would leave nothing.

    Example:
        >>> are_logits(torch.zeros(5, 3)), are_logits(torch.zeros(5, 1)), are_logits(torch.zeros(5, 3, 2))
        (True, False, False)
    """
    return answers.ndim == 2 and answers.shape[1] > 1


def classes_of(answers: Tensor) -> int:
    """How many classes a network tells apart by such answers: of one number a row two, of none or many numbers none.

    Example:
        >>> [classes_of(torch.zeros(5, *shape)) for shape in [(3,), (1,), (), (3, 2)]]
        [3, 2, 2, 0]
    """
    if are_logits(answers):
        return answers.shape[1]
    return 2 if answers.ndim <= 2 and answers[:1].numel() == 1 else 0


def decided(said: Tensor, told: Tensor) -> Tensor:
    """The class of each answer `(n,)`; of one number, whether it is above 0, or ½ where all that was told are shares.

    Example:
        >>> said = torch.tensor([-1.0, 0.2])
        >>> decided(said, torch.tensor([3.0])), decided(said, torch.tensor([0.9]))
        (tensor([0, 1]), tensor([0, 0]))
    """
    if are_logits(told):
        return said.argmax(1)
    shares = bool(((told >= 0) & (told <= 1)).all())
    return (said.reshape(-1) > (0.5 if shares else 0.0)).long()


def variance_of(told: Tensor) -> Tensor:
    """The variance of answers that are no logits, in whose units differences are measured; 1 where all are equal."""
    variance = told.var(correction=min(1, told.numel() - 1))
    return torch.where(variance > 0, variance, 1)


def check_classes(codes: Tensor, answers: Tensor) -> None:
    """Hold class codes, -1 where unlabelled, to the classes that a network of such answers tells apart, if any."""
    known = classes_of(answers)
    if known and len(codes) and int(codes.max()) >= known:
        raise CompressionError(
            f"y has a class {int(codes.max())}, and the network tells {known} apart: "
            f"give codes from 0 to {known - 1}, -1 where unlabelled"
        )
