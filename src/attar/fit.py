"""From a source as the command line names it to a finished run."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from attar import kinds
from attar._fingerprint import fingerprint
from attar.compress.budget import Budget, milliseconds, readable
from attar.data.copies import copies
from attar.data.cut import Cut
from attar.data.dataset import UNLABELLED, Dataset
from attar.data.groups import NAMES, levels, of_one_group
from attar.data.labels import validate_labels
from attar.data.nodes import Nodes
from attar.data.quality import suspects
from attar.data.sources import read
from attar.data.split import affordable, draw_labels, holdout, shortfall
from attar.data.windows import alike
from attar.errors import BudgetError, DataError, inflected
from attar.plan import (
    MOST,
    Plan,
    default_plan,
    faster_precision,
    most_samples,
    on_threads,
    plan_for_time,
    seconds_of,
    versions,
)
from attar.report.words import duration
from attar.run import FILE, Result, Run, free_folder, kept
from attar.training.progress import Progress, Silent

if TYPE_CHECKING:
    from attar.job import Outcome

# Of the labelled samples, where labels are drawn from a source that knows them all.
HOLDOUT = 0.3
# Seconds from which a person is told how long it takes.
_LONG = 900
# What samples of a kind are called.
_UNITS = {"image": "images", "series": "recordings", "table": "rows", "text": "texts", "graph": "nodes"}


@dataclass(frozen=True)
class Options:
    """What a person asks of a fit, besides the source.

    Arguments:
        kind: "image", "series", "table", "text" or "graph" where the guess would be wrong.
        labels: file of id and label.
        label_column: of a table.
        groups: file of id and group, such as a patient, whose samples are judged and held out together.
        group_column: of a table, or an array of an NPZ file, that says the same.
        labels_per_class: draw so many labels per class and hide the rest.
        label_fraction: or draw this part of the labels.
        holdout: part of the labelled samples that is set aside for one look at the end. None: 0.3 where labels are
            drawn from a source without a test part of its own, else nothing.
        budget: as in "50KB,0.5ms".
        seconds: for the whole job; None: the default schedule.
        seed: of everything random.
        balanced: whether each class counts the same, however rare, or each sample.
        out: the run folder; None: one under runs/ named after the source.
        side: in pixels, that the longer side of images is shrunk to where it is longer; None: as `read` has it.
        window: steps of the windows that recordings are cut into, as are the rows of a table; None: they are not.
        stride: steps from one window to the next; None: half a window.
        strict: refuse unreadable files rather than skip them.
        pretexts: to try, as in `Kind.possible`; None: those that suit the kind.
        backbone: "hf:NAME_OR_PATH" of a pretrained encoder that is tried too.
        backbone_epochs: that it is trained on for, without labels.
    """

    kind: str | None = None
    labels: Path | None = None
    label_column: str | None = None
    groups: Path | None = None
    group_column: str | None = None
    labels_per_class: int | None = None
    label_fraction: float | None = None
    holdout: float | None = None
    budget: str | None = None
    seconds: float | None = None
    seed: int = 0
    balanced: bool = False
    out: Path | None = None
    side: int | None = None
    window: int | None = None
    stride: int | None = None
    strict: bool = False
    pretexts: tuple[str, ...] | None = None
    backbone: str | None = None
    backbone_epochs: int = 0

    def limits(self) -> Budget:
        """The budget, read.

        Raises:
            BudgetError: it is not understood, or says what accuracy may be lost.
        """
        budget = Budget() if self.budget is None else Budget.parse(self.budget)
        if budget.accuracy_drop is not None:
            raise BudgetError(
                f"budget {self.budget!r}: what may be lost is for `attar compress`; here the most accurate model that "
                "fits is taken: give bytes, milliseconds or both"
            )
        return budget


def fit_source(source: str, options: Options, progress: Progress | None = None, command: str | None = None) -> Outcome:
    """Read, hold out, represent, adapt, choose, compress, export and report.

    Nothing is written before the samples, the labels and the budget have been found good.

    Arguments:
        source: a built-in name, `hf:owner/name`, a file or a folder.
        options: everything else.
        progress: where to report.
        command: what the person typed, for the report.

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
) -> Outcome:
    """The part of `fit_source` that comes after reading.

    Arguments:
        dataset: samples with the labels that may be used.
        options: seed and time.
        budget: parsed.
        progress: where to report.
        folder: of the run.
        source: what the samples are called.
        command: what repeats the run.
        take_next: where the folder belongs to another command, take one of a similar name.
    """
    began = time.perf_counter()
    _refuse_unsuited(dataset, options)
    progress.say(summary(dataset))
    for note in dataset.notes:
        progress.say(f"note        {note}")
    asked = {
        "source": source,
        "settings": {
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(options).items()
            if key != "out"
        },
        "data": fingerprint_of(dataset),
    }
    folder = free_folder(folder, asked) if take_next else folder
    # A run that has begun has been found to fit.
    if not (folder / FILE).exists():
        _refuse_hopeless(dataset, budget)
    with Run(folder, asked, versions()) as run:
        facts = run.stage("plan", lambda _: Result(facts=_plan(dataset, options, began, progress))).facts
        plan = kept(Plan, facts)
        fewer = affordable(dataset, plan.samples, MOST, options.seed)
        if fewer is not dataset:
            progress.say(f"note        {fewer.notes[-1]}")
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
                source=source,
                command=command,
            )


def read_prepared(source: str, options: Options) -> Dataset:
    """What a source holds, as `prepared`.

    Raises:
        DataError: the source cannot be read.
        LabelError: too few labels, or of one class only.
    """
    found = read(
        source,
        kind=options.kind,
        labels=options.labels,
        label_column=options.label_column,
        groups=options.groups,
        group_column=options.group_column,
        side=options.side,
        cut=Cut.of(options.window, options.stride),
        strict=options.strict,
    )
    return prepared(found, options)


def prepared(dataset: Dataset, options: Options) -> Dataset:
    """The dataset with its test part set aside and, where asked, most of its labels hidden.

    Raises:
        DataError: all samples are of one group.
        LabelError: too few labels, or of one class only.
    """
    if dataset.grouped and len(dataset.group_names) < 2:
        name = dataset.group_names[0]
        raise DataError(f"all samples are of one group ('{name}'); leave the groups away, or give others")
    # Before labels are held out or drawn, which would say less about why they cannot be.
    validate_labels(dataset.y[dataset.trained], dataset.classes)
    if dataset.test is not None and (dataset.y[dataset.test] == UNLABELLED).all():
        note = "the test part has no label: its samples are learnt from, as others without one"
        dataset = replace(dataset, test=None, notes=(*dataset.notes, note))
    drawn = options.labels_per_class is not None or options.label_fraction is not None
    if dataset.test is None and (options.holdout or (drawn and options.holdout is None)):
        share = HOLDOUT if options.holdout is None else options.holdout
        dataset = replace(dataset, test=holdout(dataset, share, options.seed))
    elif options.holdout:
        note = "nothing more is held out, for the source has a test part"
        dataset = replace(dataset, notes=(*dataset.notes, note))
    y, notes = dataset.y, dataset.notes
    trained = dataset.trained
    if drawn:
        if options.labels_per_class is not None and options.labels_per_class >= 1:
            notes += shortfall(y, dataset.classes, options.labels_per_class, trained)
        y = draw_labels(
            y,
            per_class=options.labels_per_class,
            fraction=options.label_fraction,
            seed=options.seed,
            among=trained,
        )
    if not isinstance(dataset.x, Nodes):
        found = suspects(replace(dataset, y=y), copies(dataset.x))
        notes += tuple(one.said.removesuffix(".") for one in found if not one.fine)
    if dataset.test is not None and isinstance(dataset.x, Nodes):
        notes += ("nodes of the test part stay in the graph: their features and edges are seen, their labels are not",)
    notes += validate_labels(y[trained], dataset.classes)
    if dataset.windows is not None and alike(y[trained], dataset.windows.recordings[trained]):
        notes += ("no recording has labels of two classes: a label is given to its whole recording",)
    called = [] if dataset.grouped else [*(column.name for column in dataset.columns), *dataset.channels]
    like = [name for name in called if name.lower() in NAMES]
    notes += tuple(
        f"column '{name}' is a feature: where the samples of one belong together, give it as their groups"
        for name in like
    )
    parts = levels(dataset.groups if dataset.grouped else None, dataset.windows)
    if parts:
        word = "group" if dataset.grouped else "recording"
        notes += tuple(of_one_group(y[trained], parts[0][trained], dataset.classes, word))
    return replace(dataset, y=y, notes=notes)


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
    words = [dataset.kind, dataset.classes, [asdict(c) for c in dataset.columns], [str(i) for i in dataset.ids]]
    test = np.empty(0, dtype=np.int64) if dataset.test is None else dataset.test
    links = dataset.x.links if isinstance(dataset.x, Nodes) else None
    around = () if links is None else (links.features, links.edge_index)
    groups = () if dataset.groups is None else (dataset.groups,)
    words += [dataset.group_names] * len(groups)
    words += [dataset.channels] if dataset.channels else []
    return fingerprint(
        np.asarray(dataset.x),
        *around,
        dataset.y,
        test,
        np.frombuffer(json.dumps(words).encode(), dtype=np.uint8),
        *groups,
    )


def _refuse_hopeless(dataset: Dataset, budget: Budget) -> None:
    """Find out before any work whether the smallest model fits."""
    if budget == Budget():
        return
    from attar.job import smallest_models

    with tempfile.TemporaryDirectory() as folder:
        models = smallest_models(dataset, Path(folder))
    if not any(budget.allows(*model) for model in models):
        size, latency = min(models)
        raise BudgetError(
            f"nothing fits the budget of {budget}: the smallest model for these samples takes {readable(size)} and "
            f"{milliseconds(latency)}; allow at least that"
        )


def _refuse_unsuited(dataset: Dataset, options: Options) -> None:
    """Find out before any work whether what is asked for suits the samples."""
    if options.backbone is not None:
        from attar.represent.pretrained import refuse_unsuited

        refuse_unsuited(options.backbone, kinds.of(dataset.kind))
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
        plan = default_plan(x, n_labelled)
        if (seconds := seconds_of(plan, kind, x, options.pretexts)) > _LONG:
            progress.say(f"note        this takes about {duration(seconds)} here; --time 15m fits it to that")
    else:
        plan = plan_for_time(options.seconds, kind, x, n_labelled, options.pretexts, began=began)
    return plan.model_dump() | {
        "samples": samples,
        "precision": faster_precision(kind, x),
        "pretexts": options.pretexts,
        "backbone": options.backbone,
        "backbone_epochs": options.backbone_epochs,
    }
