"""Heads on one representation."""

from __future__ import annotations

import time
from copy import copy
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from attar.adapt.calibration import sharpened, sharpness
from attar.adapt.heads import MeanOfHeads
from attar.adapt.prior import frequencies
from attar.adapt.probe import LinearProbe
from attar.adapt.propagate import LabelPropagation, neighbour_graph, propagated
from attar.adapt.selftrain import Pool, SelfTrainedProbe
from attar.adapt.validate import Answer, Indices, correctness, cross_validate
from attar.data.dataset import UNLABELLED, Doubles, Ints
from attar.run import Result
from attar.trials.base import Fitted, Job, apply, finished, writer

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
    labelled, codes = job.labelled, job.codes
    taught = job.taught(job.y)
    others = np.random.default_rng(job.seed).permutation(np.setdiff1d(np.arange(len(job.x)), labelled))
    # First those that a label will be given to.
    others = others[np.argsort(taught[others] == UNLABELLED, kind="stable")]
    pooled = np.sort(np.concatenate([labelled, others[: max(0, _POOL - len(labelled))]]))
    z_pooled = apply(module, job.x[pooled], job.at_once)
    z = z_pooled[np.searchsorted(pooled, labelled)]
    linear = LinearProbe(random_state=job.seed).fit(z, codes)
    penalty = float(linear.penalty_) if linear.loss_ == "squared" else None
    pool = Pool.learn(z_pooled, together=None if job.alike is None else job.alike[pooled])
    frame = pool.frame()
    trained = SelfTrainedProbe(random_state=job.seed).fit_pool(pool, taught[pooled])
    said, said_trained, points = [], [], []
    with job.progress.task(name, len(job.x)) as task:
        step = max(_PART, job.at_once)
        for begin in range(0, len(job.x), step):
            place = slice(begin, begin + step)
            # Where the pool is everything, a costly encoder need not run again.
            everything = len(pooled) == len(job.x)
            chunk = z_pooled[place] if everything else apply(module, job.x[place], job.at_once)
            said.append(linear.predict_proba(chunk))
            said_trained.append(trained.predict_proba(chunk))
            points.append(frame.place(chunk))
            task.advance(len(chunk))
    placed = np.concatenate(points)
    # Directions in a plane all lie on a circle: there the map shows the coordinates themselves.
    flat = frame.axes.shape[1] < 3
    shown = frame.coordinates(apply(module, job.x[job.shown], job.at_once)) if flat else placed[job.shown]

    # Ridge regression on part of the samples lies in the span of them all: a rotation to it changes nothing.
    compact = z - z.mean(0)
    if linear.loss_ == "squared" and len(z) < z.shape[1]:
        compact = compact @ np.linalg.svd(compact, full_matrices=False)[2].T

    def linear_on(part: Indices) -> Doubles:
        probe = LinearProbe(linear.loss_, random_state=job.seed)
        return probe.fit(compact[part], codes[part]).predict_proba(compact)

    answer_linear = _remembered(lambda parts: [linear_on(part) for part in parts])
    by_linear = Fitted(f"{name} + linear", answer_linear, np.concatenate(said), writer(job, module, linear.to_module()))
    finish = partial(finished, job, folder=folder, points=shown, points_of=name, start=start, z=z, penalty=penalty)
    if name in ("raw", "tf-idf"):
        return finish(fitted=[by_linear], baseline=True)

    def taught_by(part: Indices) -> Ints:
        y = np.full(len(job.x), UNLABELLED)
        y[labelled[part]] = codes[part]
        return job.taught(y)

    def trained_on(part: Indices) -> Doubles:
        probe = SelfTrainedProbe(random_state=job.seed).fit_pool(pool, taught_by(part)[pooled])
        return probe.predict_proba(z)

    answer_trained = _remembered(lambda parts: [trained_on(part) for part in parts])
    by_training = Fitted(
        f"{name} + self-trained",
        answer_trained,
        np.concatenate(said_trained),
        writer(job, module, trained.to_module()),
        rank=0 if len(pooled) >= _PER_LABEL * len(labelled) else 2,
    )
    if frame.axes.shape[1] < 2:
        reason = f"{name} + propagation is left out: on one axis there are two directions only, and no neighbours"
        return finish(fitted=[by_linear, by_training], baseline=baseline, left_out=[reason])
    graph, propagation = neighbour_graph(placed), LabelPropagation()

    def mass(part: Indices) -> Doubles:
        counts = np.bincount(codes[part], minlength=len(job.meta.classes))
        return np.ones(len(counts)) if job.balanced else frequencies(counts)

    def propagated_from(parts: list[Indices]) -> list[Doubles]:
        found = propagated(graph.weights, [*map(taught_by, parts)], [*map(mass, parts)], propagation.alpha)
        return [p[labelled] for p in found]

    blunt = _remembered(propagated_from)
    (held_out,) = cross_validate(blunt, codes, folds=job.plan.folds, repeats=1, seed=job.seed, together=job.together)

    def answer_propagation(parts: list[Indices]) -> list[Doubles]:
        return [sharpened(p, sharpness(held_out[part], codes[part])) for p, part in zip(blunt(parts), parts)]

    everyone = mass(np.arange(len(codes)))
    propagation.fit_graph(frame, graph, taught, mass=everyone, sharpness=sharpness(held_out, codes))

    # Where classes count the same, propagation gives each the same mass, and the other is made even before their mean.
    evenly, head = by_training.even(job), copy(trained)
    if job.balanced:
        head.intercept_ = trained.intercept_ + np.log(by_training.class_weights(job))

    def answer_both(parts: list[Indices]) -> list[Doubles]:
        return [(a + b) / 2 for a, b in zip(evenly.answer(parts), answer_propagation(parts))]

    memory = propagation.to_module()
    by_propagation = Fitted(
        f"{name} + propagation",
        answer_propagation,
        propagation.answer(placed),
        writer(job, module, memory),
        rank=3,
        even_already=True,
    )
    both = Fitted(
        f"{name} + self-trained and propagation",
        answer_both,
        (evenly.everything + by_propagation.everything) / 2,
        writer(job, module, MeanOfHeads([head.to_module(), memory])),
        rank=3,
        even_already=True,
    )
    return finish(fitted=[by_linear, by_training, by_propagation, both], baseline=baseline)


def _remembered(answer: Answer) -> Answer:
    """What a head says after each part: several heads are asked about the same parts, and each is fitted once."""
    known: dict[bytes, Doubles] = {}

    def remembered(parts: list[Indices]) -> list[Doubles]:
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

    held_out = cross_validate(
        job.even(answer), codes, folds=job.plan.folds, repeats=job.plan.repeats, seed=job.seed, together=job.together
    )
    return correctness(held_out, codes)
