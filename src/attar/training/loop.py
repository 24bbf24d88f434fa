"""The one training loop."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from attar.errors import AttarError, DataError, RunError, TrainingError
from attar.training import checkpoint as checkpoints
from attar.training import processes as together
from attar.training.checkpoint import Plan, Position
from attar.training.devices import device_of
from attar.training.memory import kept_memory
from attar.training.modes import seeded
from attar.training.progress import Progress, Silent, Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_WARM_UP = 0.1  # of all steps
_CLIP = 5.0  # largest norm of a gradient
_PRECISIONS = ("32-true", "bf16-mixed")
# Seconds between checkpoints: little is lost, and little time goes into writing.
_INTERVAL = 5.0

LossOfBatch = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class History:
    """What happened in training.

    Arguments:
        losses: mean loss of each epoch.
        steps: optimiser steps in all.
    """

    losses: tuple[float, ...]
    steps: int


def train(
    module: nn.Module,
    loss_of_batch: LossOfBatch,
    n: int,
    *,
    epochs: int,
    steps: int | None = None,
    batch_size: int = 256,
    lr: float = 2e-3,
    weight_decay: float = 1e-4,
    seed: int = 0,
    checkpoint: Path | None = None,
    interval: float = _INTERVAL,
    until: int | None = None,
    progress: Progress | None = None,
    name: str = "train",
    precision: str = "32-true",
    device: str = "cpu",
    checksum: Callable[[], int] | None = None,
    asked: str = "",
) -> History:
    """Train by AdamW with a warm-up, a cosine towards zero, and clipped gradients.

    η(t) = η · min(t / w, ½ (1 + cos(π (t − w) / (T − w + 1)))),  t = 1, …, T the step, w the warm-up

    The same arguments yield the same weights, whether or not training was killed and resumed in between (on one
    processor type with one number of threads). Global random state is as before afterwards.

    Started by torchrun, all processes train one module, each on its part of every batch, to the weights that one
    process reaches with whole batches, up to rounding; but of a graph too large to be whole each looks at a
    neighbourhood of its own nodes, and the weights are others. The first process writes and reports.

    References:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019, https://arxiv.org/abs/1711.05101

    Arguments:
        module: everything that is trained or remembered; in training mode on the device meanwhile, in evaluation mode
            on the processor afterwards.
        loss_of_batch: from indices of samples `(b,)` and a generator, to draw from, to a scalar; runs `module`, which
            is on the device of the generator, as samples and the scalar have to be. It may also change buffers of
            `module`, such as a queue or a moving average: they are kept in the checkpoint.
        n: number of samples.
        epochs: passes over all samples.
        steps: number of optimiser steps instead, where not None.
        batch_size: samples in a batch; all where `n` is smaller. A last incomplete batch is left out.
        lr: η, the highest learning rate.
        weight_decay: for parameters of two axes or more.
        seed: of the order of samples and of the generator.
        checkpoint: file to keep the state in, and to go on from where it exists.
        interval: seconds between two checkpoints; has no influence on the result.
        until: step to stop at for now, where not None; from the checkpoint it goes on as if it had not stopped.
        progress: where each step is reported.
        name: of the task in `progress`.
        precision: of Lightning Fabric: "32-true", or "bf16-mixed": products and convolutions of the loss in bfloat16.
        device: "cpu", "cuda", "cuda:1", or "auto", a GPU where there is one; with several processes the processor.
        checksum: of the samples, which all processes hold; None: they are not compared.
        asked: a fingerprint of what else decides; a checkpoint with another is refused.

    Returns:
        The losses.

    Raises:
        TrainingError: the loss became NaN or infinite.
        AttarError: processes hold other samples, or there are more of them than samples in a batch, or than one for a
            GPU.
        DataError: there is no such device or precision.
        RunError: the checkpoint is corrupt, of another training, or not there for all processes.

    Example:
        >>> line, x = nn.Linear(1, 1), torch.linspace(-1, 1, 64)[:, None]
        >>> loss = lambda batch, generator: (line(x[batch]) - 2 * x[batch]).square().mean()
        >>> history = train(line, loss, n=64, epochs=200, batch_size=32, lr=0.1)
        >>> len(history.losses), history.losses[-1] < 1e-3
        (200, True)
    """
    where = device_of(device)
    # Of the others Fabric has some that change nothing here, and "16-mixed", whose scaled gradients nobody scales back.
    if precision not in _PRECISIONS:
        raise DataError(f"precision is {precision!r}: give one of {', '.join(_PRECISIONS)}")
    fabric = _fabric(precision, where)
    with ExitStack() as stack:
        stack.enter_context(kept_memory())
        # Whoever calls may have turned gradients off.
        stack.enter_context(torch.enable_grad())
        stack.enter_context(together.process_group())
        _hold_equal(n, checksum)
        if together.processes() > 1 and where.type != "cpu":
            raise AttarError(f"several processes train on processors, and device is {device!r}: start one process")
        seed = together.begin_equal(module, seed)
        stack.enter_context(seeded(seed, where))
        # Searches over settings give numpy's numbers, which neither JSON nor a generator of torch takes.
        batch_size, lr, weight_decay = together.divisible(int(batch_size), n), float(lr), float(weight_decay)
        steps = int(epochs * max(1, n // batch_size) if steps is None else steps)
        plan = Plan(n, steps, batch_size, lr, weight_decay, seed, precision, where.type, asked)
        stack.enter_context(_in_training(module, where))
        training = _Training(fabric, module, plan, torch.Generator(where).manual_seed(seed), checkpoint, interval)
        shown = progress if progress is not None and together.is_first() else Silent()
        with shown.task(name, plan.steps) as task:
            training.go_on(loss_of_batch, plan.steps if until is None else min(until, plan.steps), task)
    losses, per_epoch = training.position.losses, plan.per_epoch
    epoch_losses = (losses[start : start + per_epoch] for start in range(0, len(losses), per_epoch))
    return History(tuple(math.fsum(of_one) / len(of_one) for of_one in epoch_losses), training.position.step)


def _hold_equal(n: int, checksum: Callable[[], int] | None) -> None:
    """Refuse processes that hold different samples."""
    if together.differ(n) or (together.processes() > 1 and checksum is not None and together.differ(checksum())):
        raise AttarError("processes hold different samples; give all of them the same, of which each takes a part")


class _Training:
    """A training under way, from where its checkpoint left it."""

    def __init__(
        self,
        fabric: Fabric,
        module: nn.Module,
        plan: Plan,
        generator: torch.Generator,
        checkpoint: Path | None,
        interval: float,
    ) -> None:
        self.fabric, self.module, self.plan, self.generator = fabric, module, plan, generator
        self.checkpoint, self.interval = checkpoint, interval
        self.optimizer = _optimizer(module, plan.lr, plan.weight_decay)
        self.position = Position(0, [])
        if checkpoint is not None:
            self.position = checkpoints.read(checkpoint, plan, module, self.optimizer, generator)
            if together.differ(self.position.step):
                raise RunError(f"checkpoint {checkpoint} is not there for all processes; name one that all can read")

    def go_on(self, loss_of_batch: LossOfBatch, end: int, task: Task) -> None:
        """Take all steps up to one, and write a checkpoint now and then and after the last."""
        task.advance(self.position.step)
        written = time.monotonic()
        for batch in islice(_batches(self.plan, self.position.step), max(0, end - self.position.step)):
            own = together.own_part(batch)
            with together.sharing(len(own)), self.fabric.autocast():
                loss = loss_of_batch(own, self.generator)
            self._step(loss)
            task.advance()
            if self.position.step == end or time.monotonic() - written >= self.interval:
                self._write()
                written = time.monotonic()

    def _step(self, loss: Tensor) -> None:
        plan, position = self.plan, self.position
        mean = loss.detach().clone()
        together.average([mean])
        value = float(mean)
        if not math.isfinite(value):
            epoch = position.step // plan.per_epoch + 1
            raise TrainingError(f"the loss became {value} in epoch {epoch}; use a learning rate below {plan.lr:g}")
        for group in self.optimizer.param_groups:
            group["lr"] = plan.lr * _rate(position.step, plan.steps)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        # By hand, since Fabric's own way averages what one wrapped module sends backward, and a loss runs several.
        together.average([p.grad for p in self.module.parameters() if p.grad is not None])
        nn.utils.clip_grad_norm_(self.module.parameters(), _CLIP)
        self.optimizer.step()
        position.step += 1
        position.losses.append(value)

    def _write(self) -> None:
        if self.checkpoint is not None and together.is_first():
            checkpoints.write(self.checkpoint, self.plan, self.position, self.module, self.optimizer, self.generator)


def _fabric(precision: str, device: torch.device) -> Fabric:
    # Here, because the import takes as long as that of torch.
    from lightning_fabric import Fabric

    # Otherwise it tells the terminal of the precision, between progress bars and where none were asked for.
    logger = logging.getLogger("lightning_fabric")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        devices = 1 if device.type == "cpu" else [device.index]
        return Fabric(accelerator=device.type, devices=devices, precision=cast(Any, precision))
    finally:
        logger.setLevel(level)


@contextmanager
def _in_training(module: nn.Module, device: torch.device) -> Iterator[None]:
    """Training mode on a device, with convolutions laid out for it.

    Afterwards, also where training failed, the module is in evaluation mode on the processor.
    """
    module.to(device)
    # Convolutions are quickest where the channels of a pixel lie side by side.
    _lay_out(module, torch.channels_last)
    module.train()
    try:
        yield
    finally:
        module.eval().cpu()
        _lay_out(module, torch.contiguous_format)


def _lay_out(module: nn.Module, memory_format: torch.memory_format) -> None:
    """Order the weights of two-dimensional convolutions in memory."""
    for p in module.parameters():
        if p.ndim == 4:
            # Not `contiguous`, which leaves the strides of a single channel as they are: its convolution, often the
            # largest, would answer in the usual order, and the steps behind it pass from one to the other.
            p.data = torch.empty_like(p.data, memory_format=memory_format).copy_(p.data)


def _optimizer(module: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    trained = [p for p in module.parameters() if p.requires_grad]
    if not trained:
        raise TrainingError("there is nothing to train: no parameter has requires_grad")
    # Decay of a bias or of a batch normalisation's scale regularises nothing.
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=lr, fused=True)


def _batches(plan: Plan, start: int) -> Iterator[Tensor]:
    """The batches from step `start` on: each epoch's order depends on its number alone, not on those before."""
    size, per_epoch = min(plan.n, plan.batch_size), plan.per_epoch
    order = torch.empty(0, dtype=torch.long)
    for step in range(start, plan.steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0 or step == start:
            shuffle = torch.Generator().manual_seed((plan.seed + 1) * 1_000_003 + epoch)
            order = torch.randperm(plan.n, generator=shuffle)
        batch = order[place * size : (place + 1) * size]
        # Batch normalisation is undefined for one sample alone.
        yield batch.repeat(2) if len(batch) == 1 else batch


def _rate(step: int, steps: int) -> float:
    """Share of the highest learning rate at a step counted from 0."""
    warm_up = max(1, round(_WARM_UP * steps))
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up + 1) / (steps - warm_up + 1)))
