"""From a source as the command line names it to a finished run."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from attar import kinds
from attar._fingerprint import fingerprint
from attar.compress.budget import Budget, milliseconds, readable
from attar.data.dataset import UNLABELLED, Dataset
from attar.data.nodes import Nodes
from attar.data.split import affordable
from attar.errors import BudgetError, DataError, inflected
from attar.plan import (
    MOST,
    Plan,
    default_plan,
    most_samples,
    on_threads,
    plan_for_time,
    seconds_of,
    versions,
)
from attar.preparation import Options, read_prepared
from attar.report.words import duration
from attar.run import FILE, Result, Run, free_folder, kept
from attar.training.modes import usual_defaults
from attar.training.progress import Progress, Silent, noted

if TYPE_CHECKING:
    from torch import nn

    from attar.job import Outcome

# Seconds from which a person is told how long it takes.
_LONG = 900
# What samples of a kind are called.
_UNITS = {"image": "images", "series": "recordings", "table": "rows", "text": "texts", "graph": "nodes"}


def fit_source(source: str, options: Options, progress: Progress | None = None, command: str | None = None) -> Outcome:
    """Read, hold out, represent, adapt, choose, compress, export and report.

    The source is a built-in name, `hf:owner/name`, a file or a folder. Nothing is written before the samples, the
    labels and the budget have been found good.

    Raises:
        AttarError: what a person can mend.
    """
    progress = progress or Silent()
    budget = options.limits()
    dataset = read_prepared(source, options)
    folder = options.out or default_folder(source)
    return fit_dataset(
        dataset,
        options,
        budget,
        progress,
        folder=folder,
        take_next=options.out is None,
        source=source,
        command=command or shlex.join(sys.argv),
    )


@usual_defaults()
def fit_dataset(
    dataset: Dataset,
    options: Options,
    budget: Budget,
    progress: Progress,
    *,
    folder: Path,
    source: str,
    command: str,
    take_next: bool = False,
    backbone: nn.Module | None = None,
) -> Outcome:
    """The part of `fit_source` that comes after reading.

    Arguments:
        dataset: samples with the labels that may be used.
        options: all but what was read, and the budget, which is parsed.
        source: what the samples are called.
        command: what repeats the run.
        take_next: where the folder belongs to another command, take one of a similar name.
        backbone: a network of others that is tried too, from raw samples `(n, *shape)` to `(n, d)`.
    """
    began = time.perf_counter()
    if options.device != "cpu":
        from attar.training.devices import device_of

        # Whatever it is called, so that a run goes on with another name of the same.
        options = replace(options, device=str(device_of(options.device)))
    settings = options.settings()
    if backbone is not None:
        backbone, settings["backbone"] = _copy_of(backbone, dataset, options)
    _refuse_unsuited(dataset, options)
    progress.say(summary(dataset))
    for note in dataset.notes:
        progress.say(noted(note))
    asked = {"source": source, "settings": settings, "data": fingerprint_of(dataset)}
    folder = free_folder(folder, asked) if take_next else folder
    # A run that has begun has been found to fit.
    if not (folder / FILE).exists():
        _refuse_hopeless(dataset, budget)
    with Run(folder, asked, versions()) as run:
        facts = run.stage("plan", lambda _: Result(facts=_plan(dataset, options, began, progress))).facts
        plan = kept(Plan, facts)
        fewer = affordable(dataset, plan.samples, MOST, options.seed)
        if fewer is not dataset:
            progress.say(noted(fewer.notes[-1]))
        with on_threads(plan.threads):
            from attar.job import run_job  # loads torch: not before the input has been found good

            return run_job(
                fewer,
                plan,
                budget,
                run,
                progress,
                seed=options.seed,
                balanced=options.balanced,
                backbone=backbone,
                command=command,
            )


def default_folder(source: str, suffix: str = "") -> Path:
    """Where a run is kept that nobody has named a folder for."""
    # Resolved, for "." and ".." name nothing.
    name = (Path(source).resolve() if Path(source).exists() else Path(source.removeprefix("hf:"))).stem
    return Path("runs", f"{name or 'run'}{suffix}")


def summary(dataset: Dataset) -> str:
    """One line on what the samples are."""
    n_labelled = int((dataset.y[dataset.trained] != UNLABELLED).sum())
    test = "" if dataset.test is None else f", {len(dataset.test):,} set aside for the test"
    return (
        f"{dataset.kind} · {len(dataset):,} {unit_of(dataset)}, {_size(dataset)} · "
        f"{n_labelled:,} labelled, {len(dataset.classes)} classes{test}"
    )


def _size(dataset: Dataset) -> str:
    """Of one sample; of a graph, of all."""
    sizes = dataset.x.shape[1:]
    if isinstance(dataset.x, Nodes) and dataset.x.links is not None:
        sizes = (dataset.x.links.features.shape[1], dataset.x.links.edge_index.shape[1] // 2)
    named = {
        "series": (("channel", "channels"), ("step", "steps")),
        "table": (("column", "columns"),),
        "text": (("token", "tokens"),),
        "graph": (("feature", "features"), ("edge", "edges")),
    }.get(dataset.kind)
    if named is None:
        return " × ".join(map(str, sizes))
    said = (", " if dataset.kind == "graph" else " × ").join(
        f"{n} {inflected(n, *words)}" for n, words in zip(sizes, named)
    )
    return f"up to {said}" if dataset.kind == "text" else said


def unit_of(dataset: Dataset) -> str:
    """What its samples are called."""
    return "windows" if dataset.windows is not None else _UNITS[dataset.kind]


def fingerprint_of(dataset: Dataset) -> str:
    """A hash of all that is known of the samples: the same codes of other classes are other data."""
    # How numbers were written changes none of them, and runs go on that were begun when it was not kept.
    said = [asdict(c).items() for c in dataset.columns]
    columns = [{name: value for name, value in c if name not in ("signs", "unit")} for c in said]
    ids = [str(i) for i in dataset.ids]
    words: list[object] = [dataset.kind, dataset.classes, columns, ids]
    words += [] if dataset.groups is None else [dataset.group_names]
    words += [known for known in (dataset.channels, dataset.rate) if known]
    test = np.empty(0, dtype=np.int64) if dataset.test is None else dataset.test
    links = dataset.x.links if isinstance(dataset.x, Nodes) else None
    around = () if links is None else (links.features, links.edge_index)
    groups = () if dataset.groups is None else (dataset.groups,)
    return fingerprint(
        np.asarray(dataset.x),
        *around,
        dataset.y,
        test,
        np.frombuffer(json.dumps(words).encode(), dtype=np.uint8),
        *groups,
    )


def _copy_of(backbone: nn.Module, dataset: Dataset, options: Options) -> tuple[nn.Module, str]:
    """A copy of a network of others, and a name that tells it from another by its parts, weights and answers."""
    import torch

    from attar.represent._own import own_copy

    if options.backbone_epochs:
        raise DataError("a backbone that is a module stays as it is; fit it before, as SimCLR(encoder=…) does")
    gaps = np.isnan(dataset.x).reshape(len(dataset), -1).sum(axis=1)
    with on_threads(1):  # so that answers do not hang on how many there are
        module, answers = own_copy("backbone", backbone, torch.tensor(dataset.x[[gaps.argmin(), gaps.argmax()]]))
    weights = [value for value in module.state_dict().values() if isinstance(value, torch.Tensor)]
    # As bytes: numpy has no bfloat16.
    raw = [value.reshape(-1).view(torch.uint8).numpy() for value in weights]
    hashed = fingerprint(np.frombuffer(str(module).encode(), dtype=np.uint8), answers.numpy(), *raw)
    return module, f"{type(module).__name__} {hashed}"


def _refuse_hopeless(dataset: Dataset, budget: Budget) -> None:
    """Find out before any work whether the smallest model fits."""
    if budget == Budget():
        return
    from attar.job import smallest_models

    with tempfile.TemporaryDirectory() as folder:
        models = smallest_models(dataset, Path(folder))
    if not any(budget.allows(*model) for model in models):
        size, latency = min(models)
        # In bytes: what is rounded may be too little.
        least = "that" if budget.bytes is None or budget.bytes >= size else f"{size}B"
        raise BudgetError(
            f"nothing fits the budget of {budget}: the smallest model for these samples takes {readable(size)} and "
            f"{milliseconds(latency)}; allow at least {least}"
        )


def _refuse_unsuited(dataset: Dataset, options: Options) -> None:
    """Find out before any work whether what is asked for suits the samples."""
    if options.backbone is not None:
        from attar.represent.pretrained import refuse_unsuited

        refuse_unsuited(options.backbone, kinds.of(dataset.kind), dataset.x, dataset.columns, dataset.rate)
    elif options.backbone_epochs:
        raise DataError("epochs of a backbone, and no backbone; name one, as hf:NAME or hf:FOLDER")
    possible = kinds.of(dataset.kind).possible
    for name in options.pretexts or ():
        if name not in possible:
            raise DataError(
                f"pretext {name!r} is not one for samples of kind {dataset.kind}; choose from {', '.join(possible)}"
            )


def _plan(dataset: Dataset, options: Options, began: float, progress: Progress) -> dict[str, object]:
    samples = most_samples(options.seconds)
    trained = dataset.trained
    n_labelled = int((dataset.y[trained] != UNLABELLED).sum())
    x = dataset.x[trained[:samples]]
    kind = kinds.of(dataset.kind).learn(x, dataset.columns)
    if options.seconds is None:
        plan = default_plan(x, n_labelled, device=options.device)
        if (seconds := seconds_of(plan, kind, x, options.pretexts)) > _LONG:
            progress.say(noted(f"this takes about {duration(seconds)} here; --time 15m fits it to that"))
    else:
        plan = plan_for_time(options.seconds, kind, x, n_labelled, options.pretexts, device=options.device, began=began)
    return plan.model_dump() | {
        "samples": samples,
        "pretexts": options.pretexts,
        "backbone": options.backbone,
        "backbone_epochs": options.backbone_epochs,
    }
