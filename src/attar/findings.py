"""What a finished job amounts to: the facts of its report, and the one look at the test part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.adapt.choice import Choice
from attar.adapt.intervals import Interval, estimate, share, sums_of
from attar.adapt.validate import correctness
from attar.candidates import Candidate
from attar.committee import predicted
from attar.compress.budget import Budget, milliseconds, readable
from attar.data.dataset import UNLABELLED, Dataset, Doubles, Floats, Ints
from attar.deploy.session import Model, load
from attar.report.facts import CurvePoint, Facts, Group, LatentPoint, Row, Step
from attar.run import Run
from attar.sentences import percent, verdict, why, without_looking
from attar.ship import Shipped
from attar.trials.base import Job

Confusion = tuple[tuple[int, ...], ...]

# Below this many samples a map has no neighbourhoods to show.
_FEW = 8


@dataclass(frozen=True)
class TestPart:
    """Samples that are looked at once, after every choice is made."""

    __test__ = False  # not a test case of pytest

    x: Floats  # raw `(n, *shape)`
    y: Ints  # class codes as in training; -1 for a class that training has not seen, which no answer can hit
    # What belongs together `(n,)`, as the largest of `attar.data.groups.levels`; None where nothing does.
    together: Ints | None = None
    groups: Ints | None = None  # as of a `Dataset`


@dataclass(frozen=True)
class Decision:
    """What a job tried, and what it chose."""

    tried: list[Candidate]  # all candidates, a committee among them
    right: Doubles  # how often each was right on each labelled sample `(n_tried, n_labelled)`
    choice: Choice  # one of them, and what it promises
    lead: Candidate  # the chosen one, or of a committee the member that was ahead
    file: Shipped | None  # of the chosen one, where it fits the budget; None: a student learns from it

    @property
    def chosen(self) -> Candidate:
        """The candidate of the choice."""
        return self.tried[self.choice.index]


@dataclass(frozen=True)
class Decided:
    """What a job decided, and what it made of that."""

    decision: Decision  # among the candidates
    left_out: list[str]  # sentences on those that are no candidates, and why
    curve: tuple[CurvePoint, ...]  # how the accuracy of the lead grows
    shipped: Shipped  # the file, and the way to it
    model: Path  # the file in the run folder


@dataclass(frozen=True)
class _Judged:
    """What is known of the model by samples with a label: of the test part, or of training where there is none."""

    codes: Ints  # classes of the samples
    confusion: Confusion  # this and the next two as of `Facts`
    confusion_of: str
    groups: tuple[Group, ...]
    steps: tuple[Step, ...]  # to the shipped file, with the accuracies that are known
    accuracy: float | None = None  # on the test part; None where there is none
    interval: Interval | None = None  # of that


def findings(
    job: Job,
    test: TestPart | None,
    decided: Decided,
    dataset: Dataset,
    run: Run,
    budget: Budget,
    *,
    risk: dict[str, Any],
    command: str,
) -> Facts:
    """Put together what the report shows; here, and only here, the test part is looked at."""
    decision, classes, model = decided.decision, job.meta.classes, load(decided.model)
    tried, right, choice, chosen = decision.tried, decision.right, decision.choice, decision.chosen
    if test is None or not len(test.y):
        judged = _by_cross_validation(job, decided, dataset)
    else:
        judged = _on_test_part(job, test, decided, dataset, model)
    n_test = 0 if judged.accuracy is None else len(judged.codes)
    shipped = judged.steps[-1]
    estimates = [_estimated(r, job) for r in right]
    rows = [
        Row(
            name=one.name,
            accuracy=accuracy,
            interval=interval,
            bytes=one.bytes,
            latency_ms=one.latency_ms,
            baseline=one.baseline,
            chosen=one is chosen,
            seconds=one.seconds,
        )
        for one, (accuracy, interval) in zip(tried, estimates)
    ]
    return Facts(
        run=run.folder.name,
        source=run.asked["source"],
        kind=job.kind.name,
        n=len(dataset),
        n_labelled=len(job.codes),
        n_test=n_test,
        shape=job.kind.shape,
        classes=classes,
        labels_per_class=tuple(np.bincount(job.codes, minlength=len(classes)).tolist()),
        notes=(*dataset.notes, *decided.left_out),
        verdict=verdict(choice, judged.accuracy, n_test, shipped, job.balanced)
        + without_looking(judged.interval or choice.interval, judged.codes, classes, job.balanced, job.codes),
        why=why(tried, [accuracy for accuracy, _ in estimates], choice, job.balanced),
        balanced=job.balanced,
        accuracy=choice.accuracy,
        interval=choice.interval,
        test_accuracy=judged.accuracy,
        test_interval=judged.interval,
        leaderboard=tuple(sorted(rows, key=lambda row: -row.accuracy)),
        confusion=judged.confusion,
        confusion_of=judged.confusion_of,
        groups=judged.groups,
        curve=_curve(decided.curve, right[choice.index], job),
        risk=risk,
        latent=_latent(job, chosen, model.predict_proba(job.kind.given(job.x)), dataset),
        latent_of=chosen.points_of,
        compression=judged.steps,
        budget=None if budget == Budget() else str(budget),
        largest_difference=decided.shipped.difference,
        model_path=decided.model.name,
        model_bytes=shipped.bytes,
        model_latency_ms=shipped.latency_ms,
        seconds=run.seconds,
        settings={
            key: ", ".join(value) if isinstance(value, list | tuple) else value
            for key, value in (run.asked["settings"] | job.plan.model_dump(exclude_none=True)).items()
        },
        versions=run.versions,
        command=command,
    )


def _by_cross_validation(job: Job, decided: Decided, dataset: Dataset) -> _Judged:
    groups: tuple[Group, ...] = ()
    if job.groups is not None:
        right = decided.decision.right[decided.decision.choice.index]
        groups = _by_group(right, job.groups[job.labelled], dataset.group_names, job.counted)
    confusion, confusion_of = _cross_validated(decided.decision.chosen.held_out, job.codes, len(job.meta.classes))
    return _Judged(job.codes, confusion, confusion_of, groups, decided.shipped.steps)


def _on_test_part(job: Job, test: TestPart, decided: Decided, dataset: Dataset, model: Model) -> _Judged:
    given, classes = job.kind.given(test.x), test.y if job.balanced else None
    answers = model.predict_proba(given).argmax(1)
    right = (answers == test.y).astype(np.float64)
    accuracy, interval = estimate(right, test.together, classes=classes)
    return _Judged(
        codes=test.y,
        confusion=_confusion(test.y, answers, len(job.meta.classes)),
        confusion_of="test split",
        groups=() if test.groups is None else _by_group(right, test.groups, dataset.group_names, classes),
        steps=_tested(
            decided.shipped.steps,
            lambda: share(predicted(decided.decision.chosen, given).argmax(1) == test.y, classes),
            accuracy,
        ),
        accuracy=accuracy,
        interval=interval,
    )


def line_of(candidate: Candidate, job: Job) -> str:
    """One line of the leaderboard for a terminal."""
    accuracy, (low, high) = _estimated(correctness(candidate.held_out, job.codes), job)
    return f"{candidate.name:<50} {percent(accuracy):>7}  ({100 * low:.0f}–{100 * high:.0f})"


def line_of_step(step: Step) -> str:
    """One line of what the way to the shipped file cost, for a terminal."""
    return f"{step.name + ' ':<12}{readable(step.bytes)}, {milliseconds(step.latency_ms, 3)} per sample"


def _estimated(right: Doubles, job: Job) -> tuple[float, Interval]:
    return estimate(right, job.together, classes=job.counted)


def _tested(steps: tuple[Step, ...], original: Callable[[], float], shipped: float) -> tuple[Step, ...]:
    """The steps with their accuracy on the test part: of the original, where it is another file, and of the shipped."""
    last = steps[-1].model_copy(update={"accuracy": shipped})
    if len(steps) == 1:
        return (last,)
    return (steps[0].model_copy(update={"accuracy": original()}), *steps[1:-1], last)


def _confusion(y: Ints, predicted: npt.NDArray[np.integer], n: int) -> Confusion:
    table = np.zeros((n, n), dtype=int)
    seen = y != UNLABELLED
    np.add.at(table, (y[seen], predicted[seen]), 1)
    return tuple(map(tuple, table.tolist()))


def _cross_validated(held_out: Doubles, codes: Ints, n: int) -> tuple[Confusion, str]:
    """The confusions of every repeat, as often right as the leaderboard says, and where they are from."""
    repeats = len(held_out)
    known = ~np.isnan(held_out).any(axis=(0, 2))
    table = _confusion(np.tile(codes[known], repeats), held_out[:, known].argmax(2).ravel(), n)
    each = f", each answered {repeats} times" if repeats > 1 else ""
    return table, f"cross-validation on the labelled samples{each}"


def _by_group(right: Doubles, groups: Ints, names: tuple[str, ...], classes: Ints | None) -> tuple[Group, ...]:
    """Accuracy on each group that has a name, and samples that were held out."""
    sums, sizes = sums_of(right[None], groups, classes)
    accuracies = (sums[0] / np.maximum(sizes, 1)).sum(1) / np.count_nonzero(sizes, axis=1)
    found = [
        Group(name=names[code], n=n, accuracy=accuracy)
        for code, n, accuracy in zip(np.unique(groups[~np.isnan(right)]), sizes.sum(1).tolist(), accuracies.tolist())
        if names[code]
    ]
    return tuple(sorted(found, key=lambda group: (group.accuracy, -group.n, group.name)))


def _curve(drawn: tuple[CurvePoint, ...], right: Doubles, job: Job) -> tuple[CurvePoint, ...]:
    """The learning curve, with cross-validation on all labels as its last point."""
    accuracy, (low, high) = _estimated(right, job)
    last = CurvePoint(labels=len(right), accuracy=accuracy, low=low, high=high)
    return (*(point for point in drawn if point.labels < len(right)), last)


def _latent(job: Job, chosen: Candidate, said: Floats, dataset: Dataset) -> tuple[LatentPoint, ...]:
    ids, classes = dataset.ids[dataset.trained], job.meta.classes
    return tuple(
        LatentPoint(
            id=str(ids[i]),
            x=float(x),
            y=float(y),
            predicted=classes[int(said[i].argmax())],
            probability=float(said[i].max()),
            label=None if job.y[i] == UNLABELLED else classes[job.y[i]],
            thumbnail=job.kind.draw(job.x[i]),
        )
        for i, (x, y) in zip(job.shown, _plane(chosen.points, job.seed))
    )


def _plane(points: Floats, seed: int) -> Doubles:
    """Two coordinates in which neighbours stay neighbours (t-SNE, van der Maaten and Hinton, 2008)."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n = len(points)
    if n < _FEW or points.shape[1] < 3 or not np.ptp(points, axis=0).any():
        return np.pad(points[:, :2].astype(np.float64), ((0, 0), (0, max(0, 2 - points.shape[1]))))
    reduced = PCA(min(50, *points.shape), random_state=seed).fit_transform(points)
    embedded: Doubles = TSNE(
        init="pca", perplexity=min(30, (n - 1) / 3), random_state=seed, max_iter=500
    ).fit_transform(reduced)
    return embedded
