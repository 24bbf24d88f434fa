"""From a source and a few labels to a page of risk curves, and what they say to do."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from attar import kinds
from attar.data.dataset import UNLABELLED, Dataset, Ints
from attar.data.groups import of_labelled
from attar.errors import DataError
from attar.fit import default_folder, fingerprint_of, summary
from attar.plan import on_threads, versions
from attar.preparation import READING, Options, read_prepared
from attar.report.risks import Risks
from attar.report.saved import write_risks
from attar.report.swept import Shown
from attar.risk import Curve
from attar.risk.advice import best_of
from attar.run import Result, Run, free_folder, write_json
from attar.sweeps import OVER, Labelled, least_training, sweep
from attar.training.progress import Progress, Silent, noted

USUAL = ("features", "leaves", "epochs", "width", "samples")
"""What is varied where nothing is asked for."""
SUMMARY = "advice.json"
# What a person may ask for.
_OPTIONS = (*READING, "labels_per_class", "label_fraction", "holdout", "seed")


@dataclass(frozen=True)
class Diagnosis:
    """What finished risk curves leave: a page to open, and what it shows."""

    page: Path
    facts: Risks


def diagnose(
    source: str,
    options: Options | None = None,
    *,
    over: Sequence[str] = USUAL,
    progress: Progress | None = None,
    command: str | None = None,
) -> Diagnosis:
    """Draw risk curves of models of a source, and say what to do; for curves of arrays see `attar.risk`.

    Every curve is the mean of repeated cross-validation on the labelled samples. Where the source has a test part, or
    one is set aside, default and advised setting are looked at on it, once, after every choice is made.

    Arguments:
        source: as `attar fit` takes it.
        options: labels, test part, seed and run folder, as `attar fit` takes them.
        over: names of `attar.sweeps.OVER`.
        progress: where to report.
        command: what the person typed, for the page.

    Raises:
        AttarError: what a person can mend.
    """
    progress, options = progress or Silent(), options or Options()
    unknown = [name for name in over if name not in OVER]
    if unknown or not over:
        raise DataError(f"cannot vary {', '.join(unknown) or 'nothing'}: give some of {', '.join(OVER)}")
    dataset = read_prepared(source, options)
    least_training(_labels(dataset), options.seed, _together(dataset))
    progress.say(summary(dataset))
    for note in dataset.notes:
        progress.say(noted(note))
    settings = {"over": ", ".join(over), **options.settings(*_OPTIONS)}
    asked = {"source": source, "settings": {"risk": True, **settings}, "data": fingerprint_of(dataset)}
    folder = options.out or free_folder(default_folder(source, "-risk"), asked)
    with Run(folder, asked, versions()) as run, on_threads(1):
        shown = _measured(dataset, over, options.seed, run, progress)
        facts = Risks(
            run=run.folder.name,
            source=source,
            kind=dataset.kind,
            n=len(dataset),
            n_labelled=len(_labels(dataset)),
            n_test=len(_tested(dataset)),
            sweeps=tuple(shown),
            best=best_of([one.advice for one in shown]),
            notes=dataset.notes,
            settings=settings,
            versions=run.versions,
            command=command or shlex.join(sys.argv),
            seconds=run.seconds,
        )
        for one in shown:
            for ending in ("json", "arrow", "svg"):
                one.curve.save(run.folder / "curves" / f"{_file(one.curve.over)}.{ending}")
        write_json(run.folder / SUMMARY, summary_of(facts))
        return Diagnosis(write_risks(run.folder, facts), facts)


def summary_of(facts: Risks) -> dict[str, Any]:
    """The advice as JSON values."""
    return {
        "run": facts.run,
        "verdict": facts.verdict,
        "best": None if facts.best is None else facts.sweeps[facts.best].curve.over,
        "sweeps": [
            {
                "over": one.curve.over,
                "loss": one.curve.loss,
                "threshold": one.curve.threshold,
                "advice": one.advice.sentence,
                **asdict(one.advice),
                "test": None if one.test is None else [_risks_of(curve) for curve in one.test],
            }
            for one in facts.sweeps
        ],
    }


def _risks_of(curve: Curve) -> dict[str, float]:
    wrong = {} if curve.zero_one is None else {"errors": float(curve.zero_one.test_risk[0])}
    return {"setting": float(curve.axis[0]), "loss": float(curve.test_risk[0]), **wrong}


def _labels(dataset: Dataset) -> Ints:
    labels: Ints = dataset.y[np.intersect1d(dataset.trained, dataset.labelled)]
    return labels


def _tested(dataset: Dataset) -> Ints:
    """The samples of the test part that have a label: of others no answer is right or wrong."""
    test = np.empty(0, np.int64) if dataset.test is None else dataset.test
    tested: Ints = test[dataset.y[test] != UNLABELLED]
    return tested


def _together(dataset: Dataset) -> Ints | None:
    """Which of the labelled samples belong together."""
    return of_labelled(dataset.y[dataset.trained], *dataset.belonging(dataset.trained))


def _measured(dataset: Dataset, over: Sequence[str], seed: int, run: Run, progress: Progress) -> list[Shown]:
    x, y = dataset.x[dataset.trained], dataset.y[dataset.trained]
    labelled = np.flatnonzero(y != UNLABELLED)
    kind = kinds.of(dataset.kind).learn(x, dataset.columns)
    data = Labelled(kind, x, labelled, y[labelled], seed, _together(dataset))
    # A class that training has not seen is one that no answer can hit; it keeps its code.
    tested = _tested(dataset)
    test = (dataset.x[tested], dataset.y[tested]) if len(tested) else None

    def measure(name: str, _: Path) -> Result:
        found = sweep(data, name, progress, test)
        return Result(facts=Shown(found.curve, found.advice, found.looked_at).to_json())

    shown = []
    for name in dict.fromkeys(axis for group in over for axis in OVER[group]):
        found = Shown.from_json(run.stage(_file(name), partial(measure, name)).facts)
        progress.say(f"{name:<12}{found.advice.sentence}")
        shown.append(found)
    return shown


def _file(over: str) -> str:
    return {"λ": "ridge"}.get(over, over.replace(" ", "-"))
