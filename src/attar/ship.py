"""From the chosen candidate to the file that is shipped: as it is, with weights in eight bits, or as a student."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from attar.adapt.intervals import share
from attar.candidates import BY_SAMPLE, Candidate
from attar.compress.budget import Budget, readable
from attar.compress.distillation import distill
from attar.compress.integers import quantize_static
from attar.compress.weights import quantize_weights
from attar.data.dataset import Doubles, Floats
from attar.data.split import some
from attar.deploy.check import check
from attar.deploy.measure import measure
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.errors import BudgetError, ExportError
from attar.report.facts import Step
from attar.run import CHECKPOINT, Result, Run, kept
from attar.thinner import ROOM, filters_within, thinner, write
from attar.training.modes import seeded
from attar.trials.base import Job

if TYPE_CHECKING:
    from attar.kinds.base import Kind, Student

_CALIBRATION, _BATCH = 512, 128
# Share of samples that an integer model must give the class of its float original.
_AGREEMENT = 0.95
_CHECKED = 256
# The same for eight bits a weight, on so many samples, and how many times smaller a file becomes at the very most.
_SAME, _COMPARED, _AT_MOST = 0.99, 2048, 5
_EXPORTED = 1e-3
# What a student of random convolutions must share with its teacher; with less, a network is trained.
_CONVOLUTIONS, _IMITATES = "random-convolutions", 0.97
# What a stage leaves that found no file to ship.
_NONE = Result(facts={"step": None})
# Probabilities below this count as this in logarithms; and how strong the views are that a student learns from.
_TINY, _STRENGTH = 1e-6, 0.5


def largest_student(job: Job, budget: Budget, run: Run) -> Student | None:
    """The largest student whose file fits the budget, found on untrained ones; None where not even the tiniest does."""
    ladder = job.kind.students(len(job.meta.classes))
    # A stage: a time measured again may choose another student than the one whose training goes on.
    found = run.stage("student-size", lambda folder: Result(facts={"rung": _rung(job, ladder, budget, folder)}))
    place = found.facts["rung"]
    return None if place is None else ladder[place]


@dataclass(frozen=True)
class Shipped:
    """A file that may be shipped."""

    path: Path
    steps: tuple[Step, ...]  # from the candidate to it, each measured
    difference: float  # largest one in probability between the file and the model that it was made from


def as_it_is(job: Job, candidate: Candidate, budget: Budget, run: Run) -> Shipped | None:
    """The candidate's own file where it fits the budget, else with eight bits a weight; None where neither does."""
    if budget.allows(candidate.bytes, candidate.latency_ms):
        return Shipped(candidate.path, (_original(candidate),), candidate.difference)
    if budget.bytes is None or not budget.allows(candidate.bytes // _AT_MOST, candidate.latency_ms):
        return None
    stage = f"{candidate.path.parent.name}-{candidate.path.stem}-int8"
    small = _made_of(candidate, run, stage, lambda folder: _in_eight_bits(job, candidate, budget, folder))
    if small is None:
        return None
    step = small.steps[-1]
    return small if budget.allows(step.bytes, step.latency_ms) and (step.agreement or 0.0) >= _SAME else None


def distilled(job: Job, chosen: Candidate, student: Student, budget: Budget, run: Run) -> Shipped:
    """A student of the chosen candidate or committee: a network, or fewer random convolutions where these are usual.

    Raises:
        BudgetError: the student trained is larger than its untrained copy.
        ExportError: a file differs from its original by more than the tolerance.
    """
    if _CONVOLUTIONS in job.kind.usual:
        fewer = _made_of(chosen, run, "fewer-filters", lambda folder: _fewer_filters(job, chosen, budget, folder))
        if fewer is not None:
            return fewer
    trained = _made_of(chosen, run, "student", lambda folder: _student(job, chosen, student, budget, folder))
    assert trained is not None
    return trained


def _original(candidate: Candidate) -> Step:
    return Step(name="original", bytes=candidate.bytes, latency_ms=candidate.latency_ms, note=candidate.name)


def _made_of(candidate: Candidate, run: Run, stage: str, make: Callable[[Path], Result]) -> Shipped | None:
    """The file that a stage makes of a candidate; None where it finds that there is none."""
    facts = run.stage(stage, make).facts
    steps = facts["steps"] if "steps" in facts else [facts["step"]]
    if None in steps:
        return None
    path = run.folder / "stages" / stage / facts["file"]
    return Shipped(path, (_original(candidate), *(kept(Step, step) for step in steps)), float(facts["difference"]))


def _in_eight_bits(job: Job, candidate: Candidate, budget: Budget, folder: Path) -> Result:
    """The candidate's file with eight bits a weight; where it fits, measured and compared with the candidate."""
    file = folder / "int8-weights.onnx"
    try:
        quantize_weights(candidate.path, file)
    except ExportError:  # trees have no weights
        return _NONE
    if not budget.allows(file.stat().st_size, 0.0):
        return _NONE
    drawn = some(len(job.x), _COMPARED, job.seed)
    # As a user has them: a candidate may see samples in terms of its own.
    said, expected = load(file).predict_proba(job.kind.given(job.x[drawn])), candidate.everything[drawn]
    step = _step("int8 weights", file, job, said, expected)
    return Result(facts={"step": step, "file": file.name, "difference": float(np.abs(said - expected).max())})


def _fewer_filters(job: Job, teacher: Candidate, budget: Budget, folder: Path) -> Result:
    """Random convolutions that fit the budget and say the same as the teacher; none where they do not."""
    by_sample = teacher.points_of == BY_SAMPLE
    filters = filters_within(job, budget, folder, by_sample)
    if filters is None:
        return _NONE
    module, file = thinner(job, teacher.everything, filters, by_sample), folder / "int8-weights.onnx"
    write(job, module, file)
    with torch.inference_mode():
        expected = torch.softmax(module(torch.tensor(job.x[:_CHECKED])), dim=1).numpy()
    said = load(file).predict_proba(job.x)
    note = f"random convolutions, {filters} of each dilation, int8 weights"
    step = _step("fewer filters", file, job, said, teacher.everything, note)
    if not budget.allows(file.stat().st_size, 0.0) or step["agreement"] < _IMITATES:
        return _NONE
    difference = float(np.abs(said[:_CHECKED] - expected).max())
    return Result(facts={"step": step, "file": file.name, "difference": difference})


def _student(job: Job, teacher: Candidate, rung: Student, budget: Budget, folder: Path) -> Result:
    """The student distilled, quantised, checked and measured."""
    network = _built(rung, job.seed)
    preprocess = job.kind.preprocess()
    distill(
        network,
        torch.tensor(np.log(np.maximum(teacher.everything, _TINY)), dtype=torch.float32),
        job.x,
        # Of labels most are of common classes, and the teacher has learnt from them.
        None if job.balanced else job.y,
        view=lambda x, generator: job.kind.view(preprocess(x.cpu()).to(generator.device), generator, _STRENGTH),
        epochs=job.plan.student_epochs,
        batch_size=job.kind.batch(_BATCH),
        seed=job.seed,
        device=job.plan.device,
        checkpoint=folder / CHECKPOINT,
        progress=job.progress,
    )
    whole = _whole(job.kind, network)
    floats, integers = folder / "float32.onnx", folder / "int8.onnx"
    export(whole, job.example, floats, job.meta)
    few = job.x[:_CHECKED]
    with torch.inference_mode():
        difference = check(floats, few, whole(torch.tensor(few)).numpy(), _EXPORTED)
    of_float = load(floats).predict_proba(job.x)
    step = _step("distilled", floats, job, of_float, teacher.everything, f"{rung.name}, {rung.parameters:,} parameters")
    if not job.kind.integers:
        _hold(budget, floats)
        return Result(facts={"steps": [step], "file": floats.name, "difference": difference})
    quantize_static(floats, integers, job.x[some(len(job.x), _CALIBRATION, job.seed)])
    of_integers = load(integers).predict_proba(job.x)
    agreement = float((of_float.argmax(1) == of_integers.argmax(1)).mean())
    if agreement < _AGREEMENT:
        raise ExportError(
            f"{integers}: gives {1 - agreement:.1%} of the samples another class than in floating point "
            f"(tolerance {1 - _AGREEMENT:.0%}); allow a larger budget"
        )
    _hold(budget, integers)
    steps = [step, _step("int8", integers, job, of_integers, teacher.everything)]
    difference = float(np.abs(of_float - of_integers).max())
    return Result(facts={"steps": steps, "file": integers.name, "difference": difference})


def _hold(budget: Budget, path: Path) -> None:
    """See to it that a file is no larger than the budget."""
    if budget.bytes is not None and path.stat().st_size > budget.bytes:
        raise BudgetError(
            f"{path}: takes {readable(path.stat().st_size)}, more than its untrained copy had promised for the "
            f"budget of {budget}; allow 5 % more"
        )


def _step(name: str, path: Path, job: Job, said: Floats, told: Doubles, note: str = "") -> dict[str, Any]:
    """A file, measured, and how often it gives the class of what it was made from."""
    cost = measure(path, job.kind.given(job.x[:1]))
    agreement = _agreement(job, said, told)
    step = Step(name=name, bytes=cost.bytes, latency_ms=cost.latency_ms, agreement=agreement, note=note)
    return step.model_dump(mode="json")


def _agreement(job: Job, said: Floats, told: Doubles) -> float:
    """Share of samples that are given the same class; where each class counts the same, the mean over those told."""
    classes = told.argmax(1)
    return share(said.argmax(1) == classes, classes if job.balanced else None)


def _rung(job: Job, ladder: tuple[Student, ...], budget: Budget, folder: Path) -> int | None:
    """Place in the ladder of the largest student whose untrained file fits."""
    return next((place for place, rung in enumerate(ladder) if budget.allows(*trial(job, rung, folder))), None)


def smallest(job: Job, folder: Path) -> list[tuple[int, float]]:
    """Bytes and latency of the smallest models for these samples: the tiniest student, and linear ones of raw samples.

    These are left out where no candidate is one, as of texts; with eight bits a weight they are smaller than in floats.
    """
    found = [trial(job, job.kind.students(len(job.meta.classes))[-1], folder)]
    if "raw" not in job.kind.baselines:
        return found
    flat = job.kind.flat()
    values = flat(job.kind.preprocess()(torch.tensor(job.x[:1]))).shape[1]
    linear = nn.Sequential(flat, nn.Linear(values, len(job.meta.classes)))
    file, small = folder / "linear.onnx", folder / "linear-int8.onnx"
    export(_whole(job.kind, _as_if_trained(linear)), job.example, file, job.meta)
    with suppress(ExportError):  # of few weights
        quantize_weights(file, small)
    for path in (file, small):
        if path.exists():
            measured = measure(path, job.x)
            found.append((measured.bytes, measured.latency_ms))
            path.unlink()
    return found


def trial(job: Job, rung: Student, folder: Path) -> tuple[int, float]:
    """Bytes and latency of an untrained student, quantised; with room for what its weights may change in that."""
    floats, integers = folder / "trial.onnx", folder / "trial-int8.onnx"
    export(_whole(job.kind, _as_if_trained(_built(rung, 0))), job.example, floats, job.meta)
    if job.kind.integers:
        quantize_static(floats, integers, job.x[:8])
    measured = measure(integers if job.kind.integers else floats, job.x)
    for path in (floats, integers):
        path.unlink(missing_ok=True)
    return int(ROOM * measured.bytes), measured.latency_ms


def _built(rung: Student, seed: int) -> nn.Module:
    with seeded(seed):
        return rung.build().eval()


def _as_if_trained(network: nn.Module) -> nn.Module:
    """No two weights the same: in a file, the zeros and ones of a fresh network would be kept once for all."""
    generator = torch.Generator().manual_seed(0)
    for values in network.state_dict().values():
        if values.is_floating_point():
            values += 0.01 * torch.rand(values.shape, generator=generator)
    return network


def _whole(kind: Kind, network: nn.Module) -> nn.Module:
    return nn.Sequential(kind.preprocess(), network, nn.Softmax(dim=1)).eval()
