"""A network that is trained to fit into a file of so many bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from attar.compress import saved
from attar.compress.distillation import Samples, View, answers, lesson, rows
from attar.compress.gates import Gate
from attar.compress.keeping import bits as estimated
from attar.compress.keeping import chosen
from attar.compress.parametrizations import Coded, Masked, Rounded, frozen, settle, store
from attar.compress.places import Place, copied, places
from attar.compress.trimming import Rounding, counted, trimmed
from attar.errors import CompressionError
from attar.training.loop import train

if TYPE_CHECKING:
    from attar.data.dataset import Ints
    from attar.training.progress import Progress

# Part of the first training in which masks shrink, and how often they change meanwhile.
_RAMP, _CHANGES = 0.7, 120
# From here on, what is estimated is corrected by what the codec counts.
_MEASURED = 0.9
# Share of the epochs for weights that are masked but not rounded yet, and of the learning rate for those that are.
_FIRST, _CALMER = 2 / 3, 0.5
# Of the codes of vectors, such as biases: they are few.
_VECTOR_BITS = 6
# Steps that are tried, as shares of the one that reaches the largest weight.
_STEPS = 32
# Bits that masks may take, over those allowed: some weights become zero by rounding.
_OVER = 1.01
# Tries to meet the budget to the byte.
_TRIES = 8


def squeeze(
    model: nn.Module,
    x: Samples,
    y: Ints | Tensor | None = None,
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
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> nn.Module:
    """Return a copy of a network whose file has at most so many bytes: few weights that are small integers.

    The copy learns from the network by distillation. In the first two thirds of the epochs, weights are masked, more
    and more of them: those that are worth least, w² E[g²], for the bits that they cost where they stand (`keeping`).
    The bits that are allowed fall as b + (b₀ − b)(1 − t)³, and a masked weight may come back as long as they do. In the
    last third masks are fixed, and the weights are rounded to the multiples of a step, learnt for each tensor. In the
    end, codes become smaller where that costs the least for a bit, until the file fits (`trimming`).

    References:
        Zhu, Gupta, To Prune, or Not to Prune, 2017, https://arxiv.org/abs/1710.01878, eq. 1
        Han et al., Deep Compression, 2016, https://arxiv.org/abs/1510.00149
        Esser et al., Learned Step Size Quantization, 2020, https://arxiv.org/abs/1902.08153
        Wiedemann et al., DeepCABAC, 2020, https://arxiv.org/abs/1907.11900 (rate and distortion)

    Arguments:
        model: any network; it is not changed. Parameters that are integers already stay as they are.
        x: samples `(n, *shape)`.
        y: class codes `(n,)`, -1 where unlabelled; None: no labels.
        bytes: of the file that `save` writes.
        bits: of a code, at least 2: codes are between -(2^(bits - 1) - 1) and 2^(bits - 1) - 1.
        epochs: passes over all samples, at least 2.
        teacher: as in `distill`; None: the network itself.
        view: as in `distill`.
        temperature: as in `distill`.
        alpha: as in `distill`.
        batch_size: samples in a batch.
        lr: highest learning rate.
        weight_decay: of AdamW.
        seed: of the order of samples, and of the views.
        checkpoint: folder to keep the state in, and to go on from.
        progress: where steps are reported.

    Raises:
        CompressionError: the budget is below what a file without any weight takes, there is nothing to compress, or
            there are no samples.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> net, x = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4)), torch.randn(256, 16)
        >>> small = squeeze(net, x, bytes=500, epochs=4)
        >>> int((small[0].weight != 0).sum()) < 1024 // 2
        True
    """
    if bits < 2 or epochs < 2:
        raise CompressionError(f"bits={bits} and epochs={epochs}: give at least 2 of each")
    if not len(x):
        raise CompressionError("there are no samples to learn from: give at least one")
    teacher = model if teacher is None else teacher
    told = answers(teacher, x) if isinstance(teacher, nn.Module) else teacher
    student = copied(model)
    settle(student)
    gated = _gated(student)
    if not gated:
        raise CompressionError(f"{type(model).__name__} has no parameter that could be made smaller")
    example = rows(x, torch.zeros(1, dtype=torch.long))
    least = _size(
        _stored(student, {place.name: (torch.zeros_like(place.value), torch.ones(1)) for place, _ in gated}), example
    )
    if least >= bytes:
        raise CompressionError(
            f"a file of this network takes {least} bytes without any weight: allow more than {bytes}"
        )
    allowed = 8.0 * (bytes - least)
    first = max(1, min(epochs - 1, round(_FIRST * epochs)))
    n, size = len(x), min(batch_size, len(x))
    masking = _Masking(student, gated, allowed, bits, first * (n // size))
    learn = lesson(student, told, x, y, temperature=temperature, alpha=alpha, view=view)

    def loss(batch: Tensor, generator: torch.Generator) -> Tensor:
        masking.advance()
        return learn(batch, generator)

    train(
        masking,
        loss,
        n,
        epochs=first,
        batch_size=batch_size,
        lr=lr,
        weight_decay=weight_decay,
        seed=seed,
        checkpoint=None if checkpoint is None else checkpoint / "masks.safetensors",
        progress=progress,
        name="mask",
    )
    for place, gate in gated:
        weight = place.value.detach()
        place.replace(weight)
        place.wrap(Masked(gate.mask))
        place.wrap(_rounded(weight, bits))
    train(
        student,
        learn,
        n,
        epochs=epochs - first,
        batch_size=batch_size,
        lr=_CALMER * lr,
        weight_decay=0.0,
        seed=seed + 1,
        checkpoint=None if checkpoint is None else checkpoint / "steps.safetensors",
        progress=progress,
        name="round",
    )
    return _fitting(student, gated, example, bytes, allowed)


def _fitting(
    student: nn.Module, gated: list[tuple[Place, Gate]], example: Tensor, most: int, allowed: float
) -> nn.Module:
    """The frozen student with codes that fit into the budget to the byte."""
    roundings = {}
    with torch.no_grad():
        for place, gate in gated:
            rounding = cast(Rounded, place.chain()[-1])
            weight = place.original() * gate.mask
            roundings[place.name] = Rounding(weight, rounding.steps(), rounding.codes(weight), gate.curvature)
    for _ in range(_TRIES):
        codes = trimmed(list(roundings.values()), allowed)
        small = _stored(student, {name: (q, one.step) for (name, one), q in zip(roundings.items(), codes)})
        if (size := _size(small, example)) <= most:
            return small
        allowed -= 8 * (size - most)
    raise CompressionError(f"no file of {most} bytes was found: allow more")


def _stored(student: nn.Module, codes: dict[str, tuple[Tensor, Tensor]]) -> nn.Module:
    """The frozen student with these codes and steps, by the name of the place."""
    small = frozen(student)
    for place in places(small):
        if place.name in codes:
            integers, step = codes[place.name]
            store(place, integers, Coded(step))
    return small


def _size(module: nn.Module, example: Tensor) -> int:
    """Bytes of the file."""
    with tempfile.TemporaryDirectory() as folder:
        saved.save(module, Path(folder, "model.attar"), example)
        return Path(folder, "model.attar").stat().st_size


class _Masking(nn.Module):
    """A student whose gates let fewer weights through from step to step; the number of the step is kept with them."""

    def __init__(
        self, student: nn.Module, gated: list[tuple[Place, Gate]], allowed: float, bits: int, steps: int
    ) -> None:
        super().__init__()
        self.student = student
        self._gated, self._allowed, self._bits = gated, allowed, bits
        self._value_bits = value_bits(bits)
        self._last = max(1, round(_RAMP * steps))
        self.step: Tensor
        self.correction: Tensor
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self.register_buffer("correction", torch.ones((), dtype=torch.float64))

    def advance(self) -> None:
        """Change the masks if it is time, before a step."""
        step = int(self.step)
        if 0 < step <= self._last and (step == self._last or step % max(1, self._last // _CHANGES) == 0):
            self._mask(step / self._last)
        if step == self._last:
            for _, gate in self._gated:
                gate.open.fill_(False)
        self.step += 1

    def _mask(self, part: float) -> None:
        whole = self._value_bits * sum(gate.mask.numel() for _, gate in self._gated)
        target = _OVER * self._allowed * float(self.correction)
        target += max(0.0, whole - target) * (1 - part) ** 3
        worths = [gate.worth(place.original()) for place, gate in self._gated]
        masks = chosen(worths, [gate.mask for _, gate in self._gated], target, self._value_bits)
        for (_, gate), mask in zip(self._gated, masks):
            gate.mask.copy_(mask)
        if part >= _MEASURED:
            expected = sum(estimated(gate.mask, self._value_bits) for _, gate in self._gated)
            weights = [place.original().detach() * gate.mask for place, gate in self._gated]
            found = counted([_rounded(weight, self._bits).codes(weight) for weight in weights])
            self.correction.fill_(expected / found)


def value_bits(bits: int) -> float:
    """About how many bits a code takes that is not zero: fewer than it could, for small ones are more frequent.

    Example:
        >>> value_bits(2)
        0.9
    """
    return 0.9 * float(torch.tensor(2.0**bits - 2).log2())


def _gated(student: nn.Module) -> list[tuple[Place, Gate]]:
    gated = []
    for place in places(student):
        if not place.chain() and place.value.is_floating_point():
            gate = Gate(place.value.detach())
            place.wrap(gate)
            gated.append((place, gate))
    return gated


def _rounded(weight: Tensor, bits: int) -> Rounded:
    """The step that is closest to the weights that are kept."""
    high = 2 ** ((bits if weight.ndim > 1 else max(bits, _VECTOR_BITS)) - 1) - 1
    kept = weight[weight != 0]
    largest = kept.abs().max() if len(kept) else torch.ones((), dtype=weight.dtype)
    tried = largest / high * torch.arange(1, _STEPS + 1) / _STEPS
    errors = torch.stack([((kept / step).round().clamp(-high, high) * step - kept).square().sum() for step in tried])
    return Rounded(tried[errors.argmin()].reshape(1), -high, high)
