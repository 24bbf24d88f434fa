"""The main job: from a dataset and a budget to a model file and the facts of a report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

import attar
from attar import kinds
from attar.adapt.choice import choose, corrected, within_one_standard_error
from attar.adapt.validate import correctness
from attar.candidates import Candidate, candidates, learning
from attar.committee import committee
from attar.compress.budget import Budget
from attar.data.dataset import UNLABELLED, Dataset
from attar.data.groups import levels
from attar.deploy.meta import ModelMeta
from attar.deploy.units import described
from attar.errors import BudgetError, ExportError
from attar.findings import Decided, Decision, TestPart, findings, line_of, line_of_step
from attar.plan import Plan
from attar.report.facts import Facts
from attar.report.saved import write_report
from attar.run import MODEL, Result, Run, kept
from attar.sentences import percent
from attar.ship import Shipped, as_it_is, distilled, largest_student, smallest
from attar.standing import standing
from attar.training.progress import Progress, Silent
from attar.trials.base import Job

if TYPE_CHECKING:
    from attar.kinds.base import Student

# Samples on the latent map.
_SHOWN = 1000


@dataclass(frozen=True)
class Outcome:
    """What a finished job leaves: everything that the report shows, and the file that is shipped."""

    facts: Facts
    model: Path


def run_job(
    dataset: Dataset,
    plan: Plan,
    budget: Budget,
    run: Run,
    progress: Progress,
    *,
    seed: int,
    balanced: bool = False,
    backbone: nn.Module | None = None,
    command: str,
) -> Outcome:
    """Represent, adapt, choose, compress, export, check, test once, and write it all down.

    Arguments:
        dataset: samples, the labels that may be used, and the test part if there is one (with its labels).
        plan, budget: how long each part is trained, and what the shipped file may cost.
        run, progress: the folder to work in, and where to report.
        seed: of everything random.
        balanced: whether each class counts the same, or each sample.
        backbone: a network of others that is tried too.
        command: what repeats the run.

    Raises:
        BudgetError: nothing that was tried fits the budget.
        ExportError: nothing that was tried could be exported.
    """
    job, test = _job(dataset, plan, seed, progress, balanced, backbone)
    student = None if budget == Budget() else largest_student(job, budget, run)
    left_out: list[str] = []
    tried, ready = _tried(job, student, budget, run, left_out)
    decision = _decision(job, tried, ready)
    choice, chosen = decision.choice, decision.chosen
    if chosen.members:
        progress.say(line_of(chosen, job))
    progress.say(
        f"chosen      {chosen.name}: {percent(choice.accuracy)} "
        f"({percent(choice.interval[0])} to {percent(choice.interval[1])}), corrected for having been chosen"
    )
    shipped = decision.file
    if shipped is None:
        assert student is not None
        shipped = distilled(job, chosen, student, budget, run)
    model = run.place(shipped.path, MODEL)
    for step in shipped.steps:
        progress.say(line_of_step(step))
    curve = learning(job, run, decision.lead)
    decided = Decided(decision, left_out, curve, shipped, model)
    risk = run.stage("risk", lambda _: Result(facts=standing(job, chosen))).facts

    def found(_: Path) -> Result:
        facts = findings(job, test, decided, dataset, run, budget, risk=risk, command=command)
        return Result(facts=facts.model_dump(mode="json"))

    facts = kept(Facts, run.stage("facts", found).facts)
    write_report(run.folder, facts)
    return Outcome(facts, model)


def _tried(
    job: Job, student: Student | None, budget: Budget, run: Run, left_out: list[str]
) -> tuple[list[Candidate], list[Shipped | None]]:
    """The candidates that can be shipped, and of each its file that fits the budget; None where a student must."""
    tried, ready = [], []
    for candidate in candidates(job, run, left_out):
        job.progress.say(line_of(candidate, job))
        file = as_it_is(job, candidate, budget, run)
        if student is not None or file is not None:
            tried.append(candidate)
            ready.append(file)
    if not tried and budget == Budget():
        raise ExportError(f"nothing that was tried could be exported: {left_out[0]}")
    if not tried:
        raise BudgetError(f"nothing that was tried fits the budget of {budget}; allow more")
    return tried, ready


def _decision(job: Job, tried: list[Candidate], ready: list[Shipped | None]) -> Decision:
    """The choice among the candidates that were tried."""
    right = np.stack([correctness(c.held_out, job.codes) for c in tried])
    # A simpler candidate is worth a little accuracy where a simpler file is shipped. Those that do not fit the budget
    # are all shipped as the same student: among them there is nothing to trade, but what is usual for the kind still
    # comes first, and is imitated alone.
    last = 1 + max(c.rank for c in tried)
    order = [last if file is None and c.rank >= 0 else c.rank for c, file in zip(tried, ready)]
    choice = choose(right, order, job.seed, job.together, job.counted)
    lead, file = tried[choice.index], ready[choice.index]
    if file is None and lead.rank >= 0:
        # All that ship as the same student, and that the labels cannot tell from the best, are one teacher.
        close = within_one_standard_error(right, order, job.together, job.counted)
        teacher = committee([tried[i] for i in close if ready[i] is None], lead)
        if teacher is not lead:
            own = correctness(teacher.held_out, job.codes)
            tried, right = [*tried, teacher], np.vstack([right, own])
            choice = corrected(len(tried) - 1, own, choice.optimism, job.together, job.counted)
    return Decision(tried, right, choice, lead, file)


def smallest_models(dataset: Dataset, folder: Path) -> list[tuple[int, float]]:
    """Bytes and latency of the smallest models that can be made for these samples, by trying them untrained."""
    job, _ = _job(dataset, Plan(simclr_epochs=0, autoencoder_epochs=0, tune_steps=0, student_epochs=1), 0, None)
    return smallest(job, folder)


def _job(
    dataset: Dataset,
    plan: Plan,
    seed: int,
    progress: Progress | None,
    balanced: bool = False,
    backbone: nn.Module | None = None,
) -> tuple[Job, TestPart | None]:
    x, y = dataset.x[dataset.trained], dataset.y[dataset.trained]
    # Classes of which no label may be used cannot be learnt.
    known = np.unique(y[y != UNLABELLED])
    code = np.full(len(dataset.classes) + 1, UNLABELLED)
    code[known] = np.arange(len(known))
    kind = kinds.of(dataset.kind).learn(x, dataset.columns)
    extra: dict[str, str | int | float | None] = {
        "hops": kind.hops,
        "channels": "\n".join(dataset.channels),
        "rate": dataset.rate,
        "stride": dataset.stride,
        "by": dataset.by,
        "ignored": json.dumps(dataset.ignored, ensure_ascii=False) if dataset.ignored else "",
        "units": described(x, dataset.kind, dataset.columns),
    }
    meta = ModelMeta(
        dataset.kind,
        kind.shape,
        tuple(dataset.classes[c] for c in known),
        dataset.columns,
        version=attar.__version__,
        extra={name: value for name, value in extra.items() if value},
    )
    # The labelled ones first, each part in random order: files are often sorted by class.
    order = np.random.default_rng(seed).permutation(len(x))
    shown = np.sort(np.concatenate([order[y[order] != UNLABELLED], order[y[order] == UNLABELLED]])[:_SHOWN])
    groups, windows = dataset.belonging(dataset.trained)
    job = Job(kind, x, code[y], meta, plan, seed, shown, progress or Silent(), windows, groups, balanced, backbone)
    if dataset.test is None:
        return job, None
    # What has no label tests nothing.
    test = dataset.test[dataset.y[dataset.test] != UNLABELLED]
    parts = levels(dataset.groups, dataset.windows)
    together, groups = parts[0][test] if parts else None, dataset.belonging(test)[0]
    return job, TestPart(dataset.x[test], code[dataset.y[test]], together, groups)
