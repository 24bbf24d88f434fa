"""How often a shipped model is right on samples that somebody has labelled since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from attar.adapt.intervals import Interval, estimate
from attar.data.copies import copied, copies, duplicates
from attar.data.cut import of_recordings
from attar.data.dataset import Dataset, Floats, Ints
from attar.data.groups import levels
from attar.data.labels import of_model
from attar.data.sources import read_for_evaluation
from attar.data.windows import told
from attar.deploy.session import load
from attar.errors import LabelError, inflected
from attar.training.progress import Progress, Silent

# Kinds whose copies are looked for: people do write the same text twice, and nodes are told apart by their edges.
_COPIED = ("image", "series", "table")


@dataclass(frozen=True)
class Evaluation:
    """What a model says of labelled samples.

    Arguments:
        accuracy: share of them that it gets right.
        interval: 90 %, of that share on such samples, or groups of them.
        balanced_interval: likewise, of `balanced_accuracy`.
        classes: of the model, and after them those that it does not know.
        confusion: how often each class was taken for each that the model knows `(n_classes, n_known)`.
        areas: under the ROC curve of each class against the rest, by its probabilities; None of one that the model does
            not know, and where all samples are of it, or none.
        notes: what was found on reading.
    """

    accuracy: float
    interval: Interval
    balanced_interval: Interval
    classes: tuple[str, ...]
    confusion: Ints
    areas: tuple[float | None, ...]
    notes: tuple[str, ...]

    @property
    def n(self) -> int:
        """Samples that were judged."""
        return int(self.confusion.sum())

    @property
    def recalls(self) -> tuple[float | None, ...]:
        """Share of the samples of each class that are right; None of a class without any."""
        return self._right_among(self.confusion.sum(1))

    @property
    def precisions(self) -> tuple[float | None, ...]:
        """Share of the samples taken for each class that are right; None of a class that none was taken for."""
        return self._right_among(self.confusion.sum(0))

    def _right_among(self, counts: Ints) -> tuple[float | None, ...]:
        right, unknown = self.confusion.diagonal(), len(self.classes) - self.confusion.shape[1]
        pairs = zip(np.pad(right, (0, unknown)).tolist(), np.pad(counts, (0, len(self.classes) - len(counts))).tolist())
        return tuple(hit / n if n else None for hit, n in pairs)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the recalls: of a model that always says one class, 1 / number of classes."""
        return float(np.mean([recall for recall in self.recalls if recall is not None]))

    def lines(self) -> list[str]:
        """The same for a terminal: a sentence, and a line for each class."""
        within, within_balanced = (
            f"{100 * low:.1f} to {100 * high:.1f}" for low, high in (self.interval, self.balanced_interval)
        )
        samples = inflected(self.n, "sample", "samples")
        found = [
            f"right on {100 * self.accuracy:.1f} % of {self.n:,} labelled {samples} (90 % interval {within}); "
            f"{100 * self.balanced_accuracy:.1f} % in the mean over the classes ({within_balanced})",
            "",
        ]
        wide = max(map(len, self.classes))
        each = zip(self.classes, self.recalls, self.precisions, self.areas)
        for i, (name, recall, precision, area) in enumerate(each):
            wrong = np.where(np.arange(self.confusion.shape[1]) == i, 0, self.confusion[i])
            shares = ["–" if share is None else f"{100 * share:.1f} %" for share in (recall, precision)]
            curve = "–" if area is None else f"{area:.3f}"
            most = int(wrong.argmax())
            taken = f"  most often taken for {self.classes[most]} ({wrong[most]:,})" if wrong[most] else ""
            found.append(
                f"{name:<{wide}}  {shares[0]:>7} of {self.confusion[i].sum():>6,}  precision {shares[1]:>7}  "
                f"AUC {curve:>5}{taken}"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values."""
        return {
            "accuracy": self.accuracy,
            "interval": list(self.interval),
            "balanced_accuracy": self.balanced_accuracy,
            "balanced_interval": list(self.balanced_interval),
            "n": self.n,
            "classes": [
                {
                    "name": name,
                    "n": sum(row),
                    "recall": recall,
                    "precision": precision,
                    "auc": area,
                    "taken_for": dict(zip(self.classes, row)),
                }
                for name, recall, precision, area, row in zip(
                    self.classes, self.recalls, self.precisions, self.areas, self.confusion.tolist()
                )
            ],
            "notes": list(self.notes),
        }


def evaluate(
    model: str | Path,
    source: str,
    *,
    labels: str | Path | None = None,
    label_column: str | None = None,
    groups: str | Path | None = None,
    group_column: str | None = None,
    per_recording: bool = False,
    strict: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a model file by samples with labels. Nothing is learnt from them.

    Arguments:
        model: a file that attar wrote.
        source: samples, as of `attar fit`; of one with a test part of its own, that alone is judged.
        labels: file of id and label.
        label_column: of a table.
        groups: file of id and group, such as a patient: the interval is then one for new groups.
        group_column: of a table, or an array of an NPZ file, that says the same.
        per_recording: whether a recording is judged once, by the mean of the answers to its windows.
        strict: refuse unreadable files rather than skip them.
        progress: where to report.

    Raises:
        ModelError: not a model of attar's.
        DataError: the samples cannot be used; LabelError: the labels cannot, or there are none.
    """
    loaded = load(model)
    dataset = read_for_evaluation(
        source,
        loaded.form,
        labels=None if labels is None else Path(labels),
        label_column=label_column,
        groups=None if groups is None else Path(groups),
        group_column=group_column,
        strict=strict,
    )
    notes, progress = [*dataset.notes, *loaded.doubts(dataset.x)], progress or Silent()
    probabilities = None
    if per_recording:
        labelled = len(dataset.labelled)
        with progress.task("evaluate", len(dataset)) as task:
            dataset, probabilities = of_recordings(dataset, loaded.predict_proba(dataset.x, task.advance))
        if labelled and not len(dataset.labelled):
            raise LabelError(f"{source}: every recording holds more than one label; leave --per-recording away")
    judged = dataset.labelled
    if dataset.test is not None and np.isin(judged, dataset.test).any():
        judged = np.intersect1d(judged, dataset.test)
        notes.append(f"the test part of {source} alone is judged")
    if not len(judged):
        raise LabelError(f"{source}: no sample is labelled; give labels, as of attar fit")
    # Of all samples: those with labels may be too far apart to overlap.
    together, found = _together(dataset, whole=per_recording)
    notes += found
    if probabilities is None:
        with progress.task("evaluate", len(judged)) as task:
            answers = loaded.predict_proba(dataset.x[judged], task.advance)
    else:
        answers = probabilities[judged]
    known = tuple(loaded.meta.classes)
    y, classes, unknown = of_model(dataset.y[judged], dataset.classes, known)
    notes += unknown
    return _evaluated(answers, y, classes, None if together is None else together[judged], notes)


def _together(dataset: Dataset, *, whole: bool) -> tuple[Ints | None, list[str]]:
    """Which samples are right and wrong together `(n,)`, None where each is by itself; and what was found of that.

    Arguments:
        dataset: all samples.
        whole: whether each is a whole recording.
    """
    comparable = dataset.kind in _COPIED
    first = copies(dataset.x) if comparable else np.arange(len(dataset))
    groups, windows, notes = dataset.groups, dataset.windows, list[str]()
    if windows is None and dataset.kind == "series" and not whole:
        windows, notes = told(dataset.x, first)
    # Windows that were cut from recordings are judged by these.
    if groups is None and dataset.stride is None and comparable:
        groups = copied(dataset.x, first)
        notes = [*notes, *duplicates(first, together=groups is not None)]
    parts = levels(groups, windows)
    return parts[0] if parts else None, notes


def _evaluated(
    probabilities: Floats, y: Ints, classes: tuple[str, ...], together: Ints | None, notes: Sequence[str]
) -> Evaluation:
    """How right the answers `(n, n_known)` to samples of classes `(n,)` are."""
    said, n_known = probabilities.argmax(1), probabilities.shape[1]
    confusion = np.zeros((len(classes), n_known), dtype=np.int64)
    np.add.at(confusion, (y, said), 1)
    right = (said == y).astype(np.float64)
    accuracy, interval = estimate(right, together)
    balanced_interval = estimate(right, together, classes=y)[1]
    areas = [area_under_roc(p, y == i) for i, p in enumerate(probabilities.T)]
    unknown = [None] * (len(classes) - n_known)
    return Evaluation(accuracy, interval, balanced_interval, classes, confusion, (*areas, *unknown), tuple(notes))


def area_under_roc(scores: Floats, positive: npt.NDArray[np.bool_]) -> float | None:
    """How probable it is that a positive sample has a higher score than another; equal ones count half.

    U / (n₊ n₋) of the sum of ranks, U = R₊ − n₊ (n₊ + 1) / 2 (Mann, Whitney, On a test of whether one of two random
    variables is stochastically larger than the other, 1947, https://doi.org/10.1214/aoms/1177730491).

    Arguments:
        scores: `(n,)`.
        positive: which samples are `(n,)`.

    Returns:
        The area; None where all samples are positive, or none.

    >>> area_under_roc(np.float32([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75
    """
    n, hits = len(positive), int(positive.sum())
    if hits in (0, n):
        return None
    return float((rankdata(scores)[positive].sum() - hits * (hits + 1) / 2) / (hits * (n - hits)))
