"""What every candidate is given, and what is done with each: validated, exported, checked and measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from attar.adapt.prior import class_weights, weighted
from attar.adapt.validate import Answer, Indices, LearningPoint, cross_validate, learning_curve
from attar.data.dataset import UNLABELLED, Doubles, Floats, Ints, Windows
from attar.data.groups import levels, of_labelled, units
from attar.data.split import some
from attar.data.windows import alike, shared
from attar.deploy.check import check
from attar.deploy.measure import measure
from attar.deploy.onnx import export, weigh
from attar.errors import ExportError, inflected
from attar.plan import NETWORK_CURVE
from attar.run import Result
from attar.training.memory import kept_memory

if TYPE_CHECKING:
    from attar.deploy.meta import ModelMeta
    from attar.kinds.base import Kind
    from attar.plan import Plan
    from attar.training.progress import Progress


# Samples that go through a module at once, unless the kind says otherwise: at most, at least, and the values in them.
_CHUNK, _LEAST, _NUMBERS = 64, 4, 2**14
# Labelled samples whose representation is kept, for risk curves of the head.
_COMPONENTS = 300
# Samples on which a file is checked.
_CHECKED = 64
# Largest difference in probability between a candidate and its file: float32 sums in another order, no more.
TOLERANCE = 2e-3


@dataclass(frozen=True)
class Job:
    """What every candidate is given."""

    kind: Kind
    x: Floats  # raw training samples `(n, *shape)`
    y: Ints  # class codes `(n,)`, -1 where unlabelled; each code of `meta.classes` occurs
    meta: ModelMeta  # for the exported files
    plan: Plan  # how long to train
    seed: int  # of everything random
    shown: Indices  # indices of the samples that the latent map shows
    progress: Progress
    windows: Windows | None = None  # as of a `Dataset`
    groups: Ints | None = None  # likewise
    balanced: bool = False  # whether each class counts the same, or each sample
    # A network of others that is tried too, from raw samples to vectors; None: none is.
    backbone: nn.Module | None = None
    # What draws the learning curve of a candidate, by its name, for those that were fitted in this process.
    curves: dict[str, Callable[[], list[LearningPoint]]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def at_once(self) -> int:
        """Samples that go through a module at once: few, so that what it computes on the way stays in the cache."""
        return self.kind.batch(max(_LEAST, min(_CHUNK, _NUMBERS // max(1, self.x[0].size))))

    @property
    def example(self) -> torch.Tensor:
        """Raw samples for an export."""
        return self.kind.example(self.x)

    @property
    def labelled(self) -> Indices:
        """Indices of the labelled samples."""
        return np.flatnonzero(self.y != UNLABELLED)

    @property
    def codes(self) -> Ints:
        """Classes of the labelled samples."""
        return self.y[self.labelled]

    @property
    def counted(self) -> Ints | None:
        """Classes of the labelled samples, where each counts the same; None: each sample does."""
        return self.codes if self.balanced else None

    def validated(self, answer: Answer, repeats: int) -> Doubles:
        """What a candidate says of each labelled sample where it has not seen its label, as `cross_validate`."""
        folds, seed = self.plan.folds, self.seed
        return cross_validate(answer, self.codes, folds=folds, repeats=repeats, seed=seed, together=self.together)

    def even(self, answer: Answer) -> Answer:
        """A candidate's answers; where each class counts the same, as if all classes were equally frequent."""
        if not self.balanced:
            return answer
        codes = self.codes
        return lambda parts: [weighted(p, class_weights(p[part], codes[part])) for p, part in zip(answer(parts), parts)]

    @cached_property
    def together(self) -> Ints | None:
        """Which of the labelled samples are judged together; None: each by itself."""
        return of_labelled(self.y, self.groups, self.windows)

    @cached_property
    def alike(self) -> Ints | None:
        """The recordings of all samples `(n,)`, where each has one label; else None.

        Where a class has one recording only, the parts of it that are judged apart count as recordings: else labels
        that are learnt from would be given to what is held out.
        """
        if self.windows is None or not alike(self.y, self.windows.recordings):
            return None
        return units(self.y, *levels(None, self.windows))

    def taught(self, y: Ints) -> Ints:
        """Labels `(n,)`, each given to its whole recording where recordings have one label each."""
        return y if self.alike is None else shared(y, self.alike)


@dataclass(frozen=True)
class Fitted:
    """A candidate before it is validated and written down: how it answers, what it says of all samples, its file."""

    name: str
    answer: Answer
    everything: Doubles
    write: Callable[[Path], None]
    network: bool = False  # costly to train: validated and drawn less often
    rank: int = 1  # the simplest head on a representation first
    semi_supervised: bool = False  # learns from unlabelled samples too, and so is no baseline
    even_already: bool = False  # answers as if all classes were equally frequent, where each counts the same

    def class_weights(self, job: Job) -> Doubles:
        """What makes up for how often it expects each class, as `attar.adapt.prior.class_weights`."""
        return class_weights(self.everything[job.labelled], job.codes)

    def even(self, job: Job) -> Fitted:
        """The same candidate with the answers of `Job.even`, its file included."""
        if self.even_already or not job.balanced:
            return self
        w = self.class_weights(job)

        def write(path: Path) -> None:
            self.write(path)
            weigh(path, w)

        return replace(self, answer=job.even(self.answer), everything=weighted(self.everything, w), write=write)


def finished(
    job: Job,
    fitted: list[Fitted],
    folder: Path,
    points: Floats,
    points_of: str,
    start: float,
    *,
    baseline: bool,
    z: Floats | None = None,
    penalty: float | None = None,
    left_out: Mapping[str, str] | None = None,
) -> Result:
    """Validate, export, check and measure the candidates of one stage.

    Arguments:
        job, fitted, folder: the data, the candidates, and where their files go.
        points, points_of: where the map shows samples, `(n_shown, k)`, and what these are.
        start: when the stage began.
        baseline: whether the representation is learnt without training on unlabelled samples.
        z: representation of the labelled samples, where there is a linear head on it.
        penalty: of that head, where it has a ridge.
        left_out: names of those that are no candidates, and why.
    """
    arrays: dict[str, npt.NDArray[Any]] = {"points": points}
    if z is not None:
        drawn = some(len(z), _COMPONENTS, job.seed)
        arrays["components"], arrays["components_of"] = _components(z[drawn]), drawn
    facts: list[dict[str, Any]] = []
    reasons = dict(left_out or {})
    checked = job.labelled[:_CHECKED]
    fitting = (time.perf_counter() - start) / len(fitted)
    for candidate in (each.even(job) for each in fitted):
        i, began = len(facts), time.perf_counter()
        file = folder / f"{i}.onnx"
        try:
            candidate.write(file)
            difference = check(file, job.x[checked], candidate.everything[checked], TOLERANCE)
        except ExportError as error:
            # Where most samples are alike, a look-up hangs on rounding; a network of others may have no ONNX form. That
            # is no model to ship, and no reason to stop.
            reasons[candidate.name] = str(error).removeprefix(f"{file}: ")
            continue
        repeats = job.plan.network_repeats if candidate.network else job.plan.repeats
        arrays[f"{i}.held_out"] = job.validated(candidate.answer, repeats)
        arrays[f"{i}.everything"] = candidate.everything
        # Drawn of the chosen one alone, for it takes more trainings than validation does.
        job.curves[candidate.name] = partial(_learning_curve, job, candidate)
        measured = measure(file, job.x)
        facts.append(
            {
                "name": candidate.name,
                "baseline": baseline and not candidate.semi_supervised,
                "file": file.name,
                "bytes": measured.bytes,
                "latency_ms": measured.latency_ms,
                "difference": difference,
                "rank": candidate.rank,
                "seconds": fitting + time.perf_counter() - began,
            }
        )
    return Result(
        arrays, {"candidates": facts, "left_out": notes_on(reasons), "points_of": points_of, "penalty": penalty}
    )


def notes_on(left_out: Mapping[str, str]) -> list[str]:
    """A sentence on each reason why candidates are left out, and all that are left out for it.

    >>> notes_on({"a": "too slow", "b": "no labels", "c": "too slow"})
    ['a, c are left out: too slow', 'b is left out: no labels']
    """
    names: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        names.setdefault(reason, []).append(name)
    return [f"{', '.join(of)} {inflected(len(of), 'is', 'are')} left out: {reason}" for reason, of in names.items()]


def _learning_curve(job: Job, candidate: Fitted) -> list[LearningPoint]:
    sizes, draws = NETWORK_CURVE if candidate.network else (5, job.plan.draws)
    return learning_curve(
        candidate.answer,
        job.codes,
        sizes=sizes,
        draws=draws,
        seed=job.seed,
        together=job.together,
        balanced=job.balanced,
    )


def _components(z: Floats) -> Floats:
    """Samples on all their principal axes, those of most variance first: to a linear head the same as z itself."""
    u, s, _ = np.linalg.svd(np.asarray(z, dtype=np.float64) - z.mean(0, dtype=np.float64), full_matrices=False)
    return np.asarray(u * s, dtype=np.float32)


def writer(job: Job, module: nn.Module, head: nn.Module) -> Callable[[Path], None]:
    """What exports a representation with a head."""
    whole = nn.Sequential(module, head, nn.Softmax(dim=1)).eval()
    return lambda path: export(whole, job.example, path, job.meta)


def apply(module: nn.Module, x: Floats, at_once: int = _CHUNK) -> Floats:
    """A module's output for all samples, so many at a time."""
    with kept_memory(), torch.inference_mode():
        chunks = [module(torch.tensor(x[i : i + at_once])).numpy() for i in range(0, len(x), at_once)]
    return np.asarray(np.concatenate(chunks), dtype=np.float32)
