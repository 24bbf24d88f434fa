"""Heads on one representation."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from torch import nn

from attar.adapt.calibration import sharpened, sharpness
from attar.adapt.heads import MeanOfHeads
from attar.adapt.prior import frequencies
from attar.adapt.probe import LinearProbe
from attar.adapt.propagate import Frame, LabelPropagation, neighbour_graph, propagated
from attar.adapt.selftrain import Pool, SelfTrainedProbe
from attar.adapt.validate import Indices, correctness
from attar.data.dataset import UNLABELLED, Doubles, Floats, Ints
from attar.run import Result
from attar.trials.base import Fitted, Job, apply, finished, writer

T = TypeVar("T")

# Representations that get a linear head alone: the samples themselves, and the counts of their words.
_LINEAR_ONLY = ("raw", "tf-idf")
# Samples whose representations are held at once.
_PART = 1024
# Samples from which the principal axes are learnt and a head trains itself.
_POOL = 8192
# Samples for each label from which learning from all of them helps more than it errs.
_PER_LABEL = 10


def heads(job: Job, name: str, module: nn.Module, folder: Path, *, baseline: bool = False) -> Result:
    """A linear head, one that trains itself, labels propagated over the neighbour graph, and the mean of the last two.

    The samples themselves, as the first baseline, get the linear head alone.
    """
    start = time.perf_counter()
    samples = Represented(job, name, module)
    probe = LinearProbe(random_state=job.seed).fit(samples.z, job.codes)
    trained = None
    if name not in _LINEAR_ONLY:
        trained = SelfTrainedProbe(random_state=job.seed).fit_pool(samples.pool, job.taught(job.y)[samples.pooled])
    answers = [head.predict_proba for head in (probe, trained) if head is not None]
    placed, *said = samples.of_all(samples.frame.place, *answers)
    left_out: dict[str, str] = {}
    fitted = [linear(samples, probe, said[0])]
    if trained is not None:
        fitted.append(self_trained(samples, trained, said[1]))
        if samples.frame.axes.shape[1] >= 2:
            propagation, memory = _propagated(samples, placed)
            fitted += [propagation, _mean(samples, fitted[1], trained, propagation, memory)]
        else:
            left_out[f"{name} + propagation"] = "on one axis there are two directions only, and no neighbours"
    return samples.finished(fitted, probe, folder, placed, start, left_out, baseline=baseline)


@dataclass(frozen=True)
class Represented:
    """The samples of a job in one representation."""

    job: Job
    name: str  # of the representation
    module: nn.Module  # from raw samples to it, `(n, dim)`

    def writer(self, head: nn.Module) -> Callable[[Path], None]:
        """What exports the representation with a head."""
        return writer(self.job, self.module, head)

    @cached_property
    def pooled(self) -> Indices:
        """Samples that axes are learnt from: those labelled, then those that a label is given to, then others."""
        job = self.job
        others = np.random.default_rng(job.seed).permutation(np.setdiff1d(np.arange(len(job.x)), job.labelled))
        others = others[np.argsort(job.taught(job.y)[others] == UNLABELLED, kind="stable")]
        return np.sort(np.concatenate([job.labelled, others[: max(0, _POOL - len(job.labelled))]]))

    @cached_property
    def z_pooled(self) -> Floats:
        """Representations of the pooled samples."""
        return apply(self.module, self.job.x[self.pooled], self.job.at_once)

    @cached_property
    def z(self) -> Floats:
        """Representations of the labelled samples."""
        return self.z_pooled[np.searchsorted(self.pooled, self.job.labelled)]

    @cached_property
    def pool(self) -> Pool:
        """The pooled samples on their principal axes."""
        alike = self.job.alike
        return Pool.learn(self.z_pooled, together=None if alike is None else alike[self.pooled])

    @cached_property
    def frame(self) -> Frame:
        """The subspace in which neighbours are looked for."""
        return self.pool.frame()

    def of_all(self, *functions: Callable[[Floats], npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """What each function makes of all representations, only a part of which is held at once."""
        job, step = self.job, max(_PART, self.job.at_once)
        # Where the pool is everything, a costly encoder need not run again.
        everything = len(self.pooled) == len(job.x)
        parts = []
        with job.progress.task(self.name, len(job.x)) as task:
            for begin in range(0, len(job.x), step):
                place = slice(begin, begin + step)
                z = self.z_pooled[place] if everything else apply(self.module, job.x[place], job.at_once)
                parts.append([function(z) for function in functions])
                task.advance(len(z))
        return [np.concatenate(of_one) for of_one in zip(*parts)]

    def on_map(self, placed: Floats) -> Floats:
        """Points of the samples that the map shows, among those of all samples in the frame."""
        job = self.job
        if self.frame.axes.shape[1] >= 3:
            return placed[job.shown]
        # Directions in a plane all lie on a circle: there the map shows the coordinates themselves.
        return self.frame.coordinates(apply(self.module, job.x[job.shown], job.at_once))

    def finished(
        self,
        fitted: list[Fitted],
        probe: LinearProbe,
        folder: Path,
        placed: Floats,
        start: float,
        left_out: dict[str, str],
        *,
        baseline: bool,
    ) -> Result:
        """The result of the stage: heads, the linear one among them, and the places of all samples in the frame."""
        return finished(
            self.job,
            fitted,
            folder,
            self.on_map(placed),
            self.name,
            start,
            baseline=baseline,
            z=self.z,
            penalty=float(probe.penalty_) if probe.loss_ == "squared" else None,
            left_out=left_out,
        )


def taught_by(job: Job, part: Indices) -> Ints:
    """Labels of all samples `(n,)`, where those of this part of the labelled samples alone are known."""
    y = np.full(len(job.x), UNLABELLED)
    y[job.labelled[part]] = job.codes[part]
    return job.taught(y)


def _mass(job: Job, part: Indices) -> Doubles:
    """How frequent each class is taken to be, by this part of the labelled samples."""
    counts = np.bincount(job.codes[part], minlength=len(job.meta.classes))
    return np.ones(len(counts)) if job.balanced else frequencies(counts)


# Answers outlive their stage, for the learning curve of the chosen candidate: none of them holds all representations.
def linear(samples: Represented, head: LinearProbe, everything: Doubles) -> Fitted:
    """A linear head and what it says of all samples, as a candidate."""
    job, codes = samples.job, samples.job.codes
    z = samples.z - samples.z.mean(0)
    # Ridge regression on part of the samples lies in the span of them all: a rotation to it changes nothing.
    if head.loss_ == "squared" and len(z) < z.shape[1]:
        z = z @ np.linalg.svd(z, full_matrices=False)[2].T

    def answer(parts: list[Indices]) -> list[Doubles]:
        probe = LinearProbe(head.loss_, random_state=job.seed)
        return [probe.fit(z[part], codes[part]).predict_proba(z) for part in parts]

    return Fitted(f"{samples.name} + linear", answer, everything, samples.writer(head.to_module()))


def self_trained(samples: Represented, head: SelfTrainedProbe, everything: Doubles) -> Fitted:
    """A head that trains itself and what it says of all samples, as a candidate."""
    job, pooled, pool, z = samples.job, samples.pooled, samples.pool, samples.z

    @remembered
    def answer(parts: list[Indices]) -> list[Doubles]:
        probe = SelfTrainedProbe(random_state=job.seed)
        return [probe.fit_pool(pool, taught_by(job, part)[pooled]).predict_proba(z) for part in parts]

    return Fitted(
        f"{samples.name} + self-trained",
        answer,
        everything,
        samples.writer(head.to_module()),
        rank=0 if len(pooled) >= _PER_LABEL * len(job.labelled) else 2,
        semi_supervised=True,
    )


def _propagated(samples: Represented, placed: Floats) -> tuple[Fitted, nn.Module]:
    """Labels propagated among all samples, and the head that remembers them."""
    job, codes = samples.job, samples.job.codes
    graph, head = neighbour_graph(placed), LabelPropagation()

    @remembered
    def unsharpened(parts: list[Indices]) -> list[Doubles]:
        labels, masses = [taught_by(job, part) for part in parts], [_mass(job, part) for part in parts]
        return [p[job.labelled] for p in propagated(graph.weights, labels, masses, head.alpha)]

    (held_out,) = job.validated(unsharpened, 1)

    def answer(parts: list[Indices]) -> list[Doubles]:
        return [sharpened(p, sharpness(held_out[part], codes[part])) for p, part in zip(unsharpened(parts), parts)]

    head.fit_graph(
        samples.frame,
        graph,
        job.taught(job.y),
        mass=_mass(job, np.arange(len(codes))),
        sharpness=sharpness(held_out, codes),
    )
    memory = head.to_module()
    fitted = Fitted(
        f"{samples.name} + propagation",
        answer,
        head.answer(placed),
        samples.writer(memory),
        rank=3,
        semi_supervised=True,
        even_already=True,
    )
    return fitted, memory


def _mean(
    samples: Represented, by_training: Fitted, trained: SelfTrainedProbe, propagation: Fitted, memory: nn.Module
) -> Fitted:
    """The mean of both. Where classes count the same, the self-trained head is made even first: propagation is so."""
    job, evenly, head = samples.job, by_training.even(samples.job), copy(trained)
    if job.balanced:
        head.intercept_ = trained.intercept_ + np.log(by_training.class_weights(job))

    def answer(parts: list[Indices]) -> list[Doubles]:
        return [(a + b) / 2 for a, b in zip(evenly.answer(parts), propagation.answer(parts))]

    return Fitted(
        f"{samples.name} + self-trained and propagation",
        answer,
        (evenly.everything + propagation.everything) / 2,
        samples.writer(MeanOfHeads([head.to_module(), memory])),
        rank=3,
        semi_supervised=True,
        even_already=True,
    )


def remembered(answer: Callable[[list[Indices]], list[T]]) -> Callable[[list[Indices]], list[T]]:
    """What a head says after each part: several heads are asked about the same parts, and each is fitted once."""
    known: dict[bytes, T] = {}

    def remembered(parts: list[Indices]) -> list[T]:
        keys = [part.tobytes() for part in parts]
        new = {key: part for key, part in zip(keys, parts) if key not in known}
        known.update(zip(new, answer(list(new.values()))))
        return [known[key] for key in keys]

    return remembered


def probed(job: Job, module: nn.Module) -> Doubles:
    """How often a linear head is right on each labelled sample that it has not seen `(n_labelled,)`."""
    z, codes = apply(module, job.x[job.labelled], job.at_once), job.codes

    def answer(parts: list[Indices]) -> list[Doubles]:
        return [LinearProbe(random_state=job.seed).fit(z[part], codes[part]).predict_proba(z) for part in parts]

    return correctness(job.validated(job.even(answer), job.plan.repeats), codes)
