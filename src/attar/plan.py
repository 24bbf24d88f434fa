"""How long each part of a job is trained: a recipe that is decided once, and written down with the run."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from attar.data.dataset import Floats
    from attar.kinds.base import Kind

VERSION = 1
# The most samples that are learnt from, drawn at random: each is compared with every other. And pairs of samples for
# each second that a job may take.
MOST, _PAIRS = 70_000, 6e6
# Optimiser steps that suffice on data of some thousand samples; their batches; and the share of the time allowed that
# training may take.
_SIMCLR, _AUTOENCODER, _STUDENT, _TUNE = 1000, 600, 1500, 150
_BATCH, _STUDENT_BATCH = 256, 128
_SHARE = 0.7
# Seconds that heads, trees, exports and the report take, however long the schedule.
_FIXED = 8.0
# The longest and the shortest schedule, as multiples of the default.
_LONGEST, _SHORTEST = 3.0, 0.02
# Filters of random convolutions, per dilation; fewer on large data, where each costs more and brings little.
_KERNELS, _FEW_KERNELS = 256, 128
# The fewest filters, whose time is measured; the share of the time allowed that all of them may take, and the seconds
# that they may take in any case.
_LEAST_KERNELS, _CONVOLVED, _LEAST_CONVOLVED = 32, 0.25, 5.0
# How often a job convolves each sample; further samples on which files are checked; values that are convolved to
# measure the time, and how often: some milliseconds at once are mostly what else the machine does.
_PASSES, _CHECKED, _TIMED, _TURNS = 2.5, 150, 2**13, 5
# Values in the data below which layers are so small that a second thread costs more than it saves.
_SMALL = 20_000_000
# Labels above which another round of cross-validation hardly narrows the estimate.
_FEW = 200
# In the learning curve of a network: sizes of the training set, and draws of each.
NETWORK_CURVE = 3, 2
# Below this share of the default schedule a network learns too little to be worth its time. A student cannot be done
# without where it is shipped: it gets this share at least.
_WORTHWHILE, _STUDENT_LEAST = 0.1, 0.3


class Plan(BaseModel):
    """What is run, and for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = VERSION  # of this recipe
    # The most that are learnt from, not counting those that are labelled or of the test part.
    samples: int = Field(default=MOST, ge=1)
    simclr_epochs: int = Field(ge=0)  # of contrastive learning, by SimCLR or another; 0: left out
    autoencoder_epochs: int = Field(ge=0)  # of the autoencoder, and of masked modelling; 0: left out
    tune_steps: int = Field(ge=0)  # of fine-tuning, and of training from scratch; 0: both are left out
    student_epochs: int = Field(ge=1)  # of distillation
    kernels: int = Field(default=_KERNELS, ge=8)  # of random convolutions, per dilation
    folds: int = Field(default=5, ge=2)  # of cross-validation
    repeats: int = Field(default=3, ge=1)  # of cross-validation of heads
    network_repeats: int = Field(default=1, ge=1)  # of cross-validation of networks, which cost more
    draws: int = Field(default=8, ge=1)  # of each size in the learning curve of a head
    pretexts: tuple[str, ...] | None = None  # to try; None: those that suit the kind of data
    backbone: str | None = None  # "hf:NAME_OR_PATH" of a pretrained encoder that is tried too; None: none is
    backbone_epochs: int = Field(default=0, ge=0)  # that it is trained on for; 0: it stays as it is
    precision: str = "auto"  # of training on unlabelled samples, as of pretexts
    device: str = "cpu"  # that is trained on: "cpu", or a GPU as torch names it
    # Of training: sums in another order are other sums, so this is part of what repeats a run.
    threads: int = Field(default=1, ge=1)

    @property
    def network_fits(self) -> int:
        """How often a network is trained: once in each fold, and once on all."""
        return self.folds * self.network_repeats + 1


def default_plan(x: Floats, n_labelled: int, factor: float = 1.0, device: str = "cpu") -> Plan:
    """The schedule for raw samples `(n, *shape)` on a device; `factor` stretches all training.

    Example:
        >>> import numpy as np
        >>> default_plan(np.zeros((1257, 8, 8), np.float32), n_labelled=50).simclr_epochs
        100
    """
    n = len(x)

    def epochs(steps: int, batch: int, most: int, factor: float = factor) -> int:
        return max(1, min(round(most * max(factor, 1)), round(factor * steps / max(1, n // batch))))

    worthwhile = factor >= _WORTHWHILE
    return Plan(
        simclr_epochs=epochs(_SIMCLR, _BATCH, 100 if n >= _BATCH else 200) if worthwhile else 0,
        autoencoder_epochs=epochs(_AUTOENCODER, _BATCH, 60) if factor >= 2 * _WORTHWHILE else 0,
        tune_steps=round(_TUNE * min(1, 2 * factor)) if worthwhile else 0,
        student_epochs=epochs(
            _STUDENT, _STUDENT_BATCH, 100 if n >= _STUDENT_BATCH else 400, max(factor, _STUDENT_LEAST)
        ),
        kernels=_KERNELS if x.size < _SMALL else _FEW_KERNELS,
        repeats=3 if n_labelled <= _FEW else 1,
        draws=8 if n_labelled <= _FEW else 3,
        folds=5 if n_labelled <= 2000 else 3,
        device=device,
        threads=1 if x.size < _SMALL else max(1, os.cpu_count() or 1),
    )


def most_samples(seconds: float | None) -> int:
    """How many can be compared with each other in the time that is allowed.

    >>> most_samples(None), most_samples(60.0), most_samples(3600.0)
    (70000, 18974, 70000)
    """
    return MOST if seconds is None else min(MOST, max(1, round((_PAIRS * seconds) ** 0.5)))


def plan_for_time(
    seconds: float,
    kind: Kind,
    x: Floats,
    n_labelled: int,
    pretexts: tuple[str, ...] | None = None,
    *,
    device: str = "cpu",
    began: float | None = None,
) -> Plan:
    """The schedule that fits the seconds allowed, from the measured time of a few steps.

    Arguments:
        seconds: for the whole job.
        kind: of the samples.
        x: raw samples `(n, *shape)`.
        n_labelled: how many of them have a label.
        pretexts: that are trained; None: those that suit the kind.
        device: that is trained on.
        began: the job, by `time.perf_counter`; None: now.
    """
    began = time.perf_counter() if began is None else began
    usual = default_plan(x, n_labelled, device=device)
    needed, convolving = _training_seconds(usual, kind, x, pretexts), _convolving_seconds(usual, kind, x)
    # Importing takes longest where a machine is slow or busy, which is where it must be counted.
    left = seconds - (time.perf_counter() - began) - _FIXED
    factor = _SHARE * left / max(needed, 1e-9)
    plan = default_plan(x, n_labelled, min(_LONGEST, max(_SHORTEST, factor)), device)
    affordable = int(plan.kernels * max(_CONVOLVED * seconds, _LEAST_CONVOLVED) / max(convolving, 1e-9))
    return plan.model_copy(update={"kernels": min(plan.kernels, max(_LEAST_KERNELS, affordable // 8 * 8))})


def seconds_of(plan: Plan, kind: Kind, x: Floats, pretexts: tuple[str, ...] | None = None) -> float:
    """About how long a job of this plan takes here, by the measured time of a few steps; arguments as of the above."""
    return _FIXED + _training_seconds(plan, kind, x, pretexts) / _SHARE + _convolving_seconds(plan, kind, x)


def _training_seconds(plan: Plan, kind: Kind, x: Floats, pretexts: tuple[str, ...] | None) -> float:
    pretexts = kind.pretexts if pretexts is None else pretexts
    rebuilding = sum(name in ("autoencoder", "masked") for name in pretexts)
    # Two networks are validated, and the learning curve of one at most is drawn.
    networks = 2 * plan.network_fits + NETWORK_CURVE[0] * NETWORK_CURVE[1]
    samples = (
        2 * (len(pretexts) - rebuilding) * plan.simclr_epochs * len(x)
        + 2 * rebuilding * plan.autoencoder_epochs * len(x)
        + plan.student_epochs * len(x)
        # A step on fewer samples hardly takes less.
        + networks * plan.tune_steps * kind.batch(64)
    )
    # Threads that the job will not use wait for each other where cores are busy: twenty times as long, on digits.
    with on_threads(plan.threads):
        return samples * _seconds_per_sample(kind, x, plan.device)


def _convolving_seconds(plan: Plan, kind: Kind, x: Floats) -> float:
    """Time that a job spends on random convolutions, where it tries them, by that of a few filters on a few samples."""
    if "random-convolutions" not in kind.baselines:
        return 0.0
    from attar.represent import RandomConvolutions

    few = x[: max(8, _TIMED // max(1, x[0].size))]
    with on_threads(plan.threads):
        bank = RandomConvolutions(_LEAST_KERNELS, kind=kind, random_state=0).fit(few)
        start = time.perf_counter()
        for _ in range(_TURNS):
            bank.transform(few)
        seconds = (time.perf_counter() - start) / (_TURNS * len(few))
    # Most are looked at standardised each by themselves, and then left.
    looks = "random-convolutions-by-sample" in kind.baselines and kind.differ(x)
    return seconds * plan.kernels / _LEAST_KERNELS * ((_PASSES + looks) * len(x) + _CHECKED)


def _seconds_per_sample(kind: Kind, x: Floats, device: str) -> float:
    """Time of one view, forward and backward pass through the default encoder and optimiser step, per sample."""
    import torch

    from attar.training.devices import device_of

    where, seconds = device_of(device), []
    # Fresh weights and dropout are drawn from the global generator.
    with torch.random.fork_rng(devices=[]):
        encoder, preprocess = kind.encoder(64, 32).to(where), kind.preprocess()
        optimizer = torch.optim.AdamW(encoder.parameters(), fused=True)
        generator = torch.Generator(where).manual_seed(0)
        asked = x[: kind.batch(_BATCH)]
        # Of nodes, those around them too.
        batch = preprocess(torch.tensor(asked)).to(where)
        for _ in range(4):
            start = time.perf_counter()
            loss = encoder(kind.view(batch, generator)).square().mean()
            loss.backward()
            optimizer.step()
            loss.item()  # waits for a GPU
            seconds.append(time.perf_counter() - start)
    # The first sets things up. The others' mean: where the machine is shared, the best of them is no measure of many.
    return sum(seconds[1:]) / (3 * len(asked))


def versions() -> dict[str, str]:
    """Versions of what decides the outcome of a run."""
    import platform
    from importlib.metadata import version

    names = ("numpy", "scipy", "scikit-learn", "torch", "onnx", "onnxruntime")
    import attar

    return {"attar": attar.__version__, "python": platform.python_version()} | {n: version(n) for n in names}


@contextmanager
def on_threads(n: int) -> Iterator[None]:
    """Let torch and the linear algebra libraries use n threads meanwhile."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with threadpool_limits(n):
            yield
    finally:
        torch.set_num_threads(before)
