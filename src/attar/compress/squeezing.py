"""A network that is trained to fit into a file of so many bytes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from attar._settings import is_count
from attar.compress import saved
from attar.compress.checks import as_seed, check_single, check_training, check_two_epochs
from attar.compress.distillation import Lesson, asked_of
from attar.compress.gates import Gate, gated_places
from attar.compress.given import Labels, SampleSource, View, gathered, rows, samples_for
from attar.compress.grids import Grid
from attar.compress.parametrizations import Coded, Masked, frozen, settle, store
from attar.compress.places import Place, copied, places
from attar.compress.tightening import Tightening, rounded
from attar.compress.trimming import Trimming, roundings, trimmed
from attar.errors import CompressionError
from attar.training.loop import train
from attar.training.modes import usual_defaults
from attar.training.progress import Progress

# Share of the epochs for weights that are masked but not rounded yet, and of the learning rate for those that are.
_FIRST, _CALMER = 2 / 3, 0.5
# Tries to meet the budget to the byte.
_TRIES = 8


@usual_defaults()
def squeeze(
    model: nn.Module,
    x: SampleSource,
    y: Labels = None,
    *,
    bytes: int,
    bits: int = 3,
    epochs: int = 30,
    teacher: nn.Module | Tensor | None = None,
    view: View | None = None,
    temperature: float = 2.0,
    alpha: float = 0.9,
    batch_size: int = 128,
    lr: float = 2e-3,
    weight_decay: float = 1e-2,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    progress: Progress | None = None,
) -> nn.Module:
    """Return a copy of a network whose file has at most so many bytes: few weights that are small integers.

    The copy learns from the network by distillation. In the first two thirds of the epochs, weights are masked, more
    and more of them: those that are worth least, w² E[g²], for the bits that they cost where they stand (`keeping`).
    The bits that are allowed fall as b + (b₀ − b)(1 − t)³, and a masked weight may come back as long as they do. In the
    last third no weight comes back, and all are rounded to the multiples of a step, learnt for each tensor. Meanwhile
    and in the end, codes become smaller where that costs the least for a bit, until the file fits (`trimming`).

    References:
        Zhu, Gupta, To Prune, or Not to Prune, 2017, https://arxiv.org/abs/1710.01878, eq. 1
        Han et al., Deep Compression, 2016, https://arxiv.org/abs/1510.00149
        Esser et al., Learned Step Size Quantization, 2020, https://arxiv.org/abs/1902.08153
        Wiedemann et al., DeepCABAC, 2020, https://arxiv.org/abs/1907.11900 (rate and distortion)

    Arguments:
        model: any network; it is not changed. Frozen layers are compressed and trained like others. Parameters that
            are integers already stay as they are.
        x: samples `(n, *shape)`, or a data set or loader of them, with or without labels.
        y: class codes `(n,)`, -1 where unlabelled; None: no labels.
        bytes: of the file that `save` writes.
        bits: of a code, 2 to 16: codes are between -(2^(bits - 1) - 1) and 2^(bits - 1) - 1.
        epochs: passes over all samples, at least 2.
        teacher: as in `distill`; None: the network itself.
        view: as in `distill`.
        temperature: as in `distill`.
        alpha: as in `distill`.
        batch_size: samples in a batch.
        lr: highest learning rate.
        weight_decay: of AdamW.
        seed: of the order of samples, and of the views.
        checkpoint: folder to keep the state in, and to go on from with the same arguments.
        progress: where steps are reported.

    Raises:
        CompressionError: the budget is below what a file without any weight takes, there is nothing to compress,
            there are no samples, or bits or epochs are out of range.
        RunError: the checkpoint is of another training, or damaged.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net, x = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4)), torch.randn(256, 16)
        >>> small = squeeze(net, x, bytes=500, epochs=4)
        >>> small[0].parametrizations.weight.original.dtype, int((small[0].weight != 0).sum()) < 1024 // 2
        (torch.int8, True)
    """
    grid = Grid(bits)
    if not is_count(bytes):
        raise CompressionError(f"bytes={bytes!r}: give a whole number")
    check_single(model)
    check_two_epochs(epochs)
    check_training(model, epochs, batch_size, lr, weight_decay)
    seed = as_seed(seed)
    x, y = gathered(x, y, teacher)
    x = samples_for(model, x)
    student = copied(model)
    settle(student)
    gated = gated_places(student)
    if not gated:
        raise CompressionError(f"{type(model).__name__} has no parameter that could be made smaller")
    example = rows(x, torch.zeros(1, dtype=torch.long))
    least = _bytes_without_weights(student, gated, example)
    if least >= bytes:
        raise CompressionError(
            f"a file of this network takes {least} bytes without any weight: allow more than {bytes}"
        )
    allowed = 8.0 * (bytes - least)
    teacher = model if teacher is None else teacher
    lesson = Lesson(teacher, x, y, temperature=temperature, alpha=alpha, view=view)
    asked = "" if checkpoint is None else asked_of(model, teacher, x, y, bytes, bits, epochs, temperature, alpha)
    trained = partial(train, n=len(x), batch_size=batch_size, progress=progress, asked=asked)
    first = max(1, min(epochs - 1, round(_FIRST * epochs)))
    steps_of_epoch = len(x) // min(batch_size, len(x))
    tightening = Tightening(student, gated, allowed, grid, first * steps_of_epoch)
    trained(
        tightening,
        partial(_loss, lesson, tightening),
        epochs=first,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        checkpoint=None if checkpoint is None else Path(checkpoint, "masks.safetensors"),
        name="mask",
    )
    curvatures = [_masked_and_rounded(place, gate, grid) for place, gate in gated]
    trimming = Trimming(student, curvatures, allowed, (epochs - first) * steps_of_epoch)
    trained(
        trimming,
        partial(_loss, lesson, trimming),
        epochs=epochs - first,
        lr=_CALMER * lr,
        weight_decay=0.0,
        seed=seed + 1,
        checkpoint=None if checkpoint is None else Path(checkpoint, "steps.safetensors"),
        name="round",
    )
    return _fitting(student, curvatures, example, bytes, allowed)


def _loss(lesson: Lesson, schedule: Tightening | Trimming, batch: Tensor, generator: torch.Generator) -> Tensor:
    """What the student of a schedule learns by, once that is a step further."""
    schedule.advance()
    return lesson.loss(schedule.student, batch, generator)


def _masked_and_rounded(place: Place, gate: Gate, grid: Grid) -> tuple[Place, Tensor]:
    """A place whose mask stays as it is, and whose weight is rounded from now on; and the curvature of the loss."""
    weight = place.value.detach()
    place.replace(weight)
    place.wrap(Masked(gate.mask))
    place.wrap(rounded(weight, grid))
    return place, gate.curvature


def _bytes_without_weights(student: nn.Module, gated: list[tuple[Place, Gate]], example: Tensor) -> int:
    nothing = {place.name: (torch.zeros_like(place.value), place.value.new_ones(1)) for place, _ in gated}
    return saved.size(_stored(student, nothing), example)


def _fitting(
    student: nn.Module, curvatures: list[tuple[Place, Tensor]], example: Tensor, most: int, allowed: float
) -> nn.Module:
    """The frozen student with codes that fit into the budget to the byte."""
    found = roundings(curvatures)
    for _ in range(_TRIES):
        codes = trimmed(found, allowed)
        small = _stored(
            student, {place.name: (q, one.step[None]) for (place, _), one, q in zip(curvatures, found, codes)}
        )
        if (written := saved.size(small, example)) <= most:
            return small
        allowed -= 8 * (written - most)
    raise CompressionError(f"no file of {most} bytes was found: allow more")


def _stored(student: nn.Module, codes: dict[str, tuple[Tensor, Tensor]]) -> nn.Module:
    """The frozen student with these codes and steps, by the name of the place."""
    small = frozen(student)
    for place in places(small):
        if place.name in codes:
            integers, step = codes[place.name]
            store(place, integers, Coded(step))
    return small
