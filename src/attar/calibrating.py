"""Samples for a model file that is made to compute in integers: some learn its ranges, and others judge it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attar.adapt.intervals import Interval, estimate
from attar.compress.answers import decided
from attar.compress.likeness import Likeness
from attar.compress.samples import BATCH, batches, fixed_batch, rows
from attar.data.dataset import UNLABELLED, Dataset, Ints
from attar.data.groups import levels
from attar.data.labels import as_text, of_model
from attar.data.sources import read_for_evaluation
from attar.data.split import some
from attar.deploy.feed import Feed
from attar.deploy.meta import KEY
from attar.deploy.session import load, session_of
from attar.errors import DataError, LabelError, first_line, inflected
from attar.foreign import given_to, labels_of, named, read_for

# Samples to judge by.
_JUDGED = 1000


@dataclass(frozen=True)
class Given:
    """Samples in the form that a model takes.

    Arguments:
        file: the model.
        fixed: how many it takes at once; None: as many as one likes.
        feed: all of them, by the names of its inputs.
        dataset: them as they were read, with their labels.
        classes: of a model that attar wrote; None: of others.
    """

    file: Path
    fixed: int | None
    feed: Feed
    dataset: Dataset
    classes: tuple[str, ...] | None

    def part(self, which: Ints) -> Feed:
        """Some of them."""
        return {name: array[which] for name, array in self.feed.items()}

    def feeds(self, which: Ints, *, singly: bool) -> list[Feed]:
        """Some in batches; singly where ranges are of what comes at once, or a model takes more than it says."""
        return batches(self.part(which), self.fixed or (1 if singly else BATCH))

    @property
    def first(self) -> Feed:
        """The first, or as many as the model takes at once."""
        return self.feeds(np.arange(min(rows(self.feed), self.fixed or 1)), singly=True)[0]

    def split(self, most: int, seed: int) -> tuple[Ints, Ints]:
        """So many to calibrate with, no more than half, and others to judge by: the test part, where there is one.

        Raises:
            DataError: there are too few.
        """
        n, test, size = rows(self.feed), self.dataset.test, self.fixed or 1
        learnt = np.arange(n) if test is None else np.setdiff1d(np.arange(n), test)
        learning = min(most, n // 2 if test is None else len(learnt)) // size * size
        calibrating = learnt[some(len(learnt), learning, seed)]
        others = np.setdiff1d(np.arange(n), calibrating) if test is None else test
        judged = others[some(len(others), min(_JUDGED, len(others)) // size * size, seed)]
        if not len(judged) or (most and not learning):
            told = inflected(n, "sample is", "samples are")
            each = "" if size == 1 else f", {size} at once"
            raise DataError(
                f"{self.file}: {n:,} {told} too few: some calibrate, and others judge{each}; give {2 * size} or more"
            )
        return calibrating, judged


@dataclass(frozen=True)
class Correctness:
    """How often the answers are right, before and after.

    Arguments:
        n: samples with a label among those that were judged.
        before, after: share of them.
        before_interval, after_interval: 90 %, of that share on such samples.
        lost, won: how many are no longer right, and now are.
    """

    n: int
    before: float
    before_interval: Interval
    after: float
    after_interval: Interval
    lost: int
    won: int


def given(file: Path, data: str, *, labels: Path | None = None, label_column: str | None = None) -> Given:
    """Read samples for a model file, and their labels, as `attar.data.sources.read` does.

    Raises:
        DataError: they cannot be used for it; LabelError: the labels cannot.
    """
    session = session_of(file)
    ours = KEY in session.get_modelmeta().custom_metadata_map
    read = _of_ours if ours else _of_others
    samples = Given(file, fixed_batch(session), *read(file, data, labels, label_column))
    try:
        first = samples.first
        session.run(None, {one.name: first[one.name] for one in session.get_inputs()})
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise DataError(f"{file}: does not take such samples one at a time: {first_line(error)}") from error
    return samples


def _of_ours(file: Path, data: str, labels: Path | None, column: str | None) -> tuple[Feed, Dataset, tuple[str, ...]]:
    model = load(file, threads=1)
    if model.kind == "graph":
        raise DataError(f"{file}: of a graph nothing can be set aside to judge by; leave the data away")
    dataset = read_for_evaluation(data, model.form, labels=labels, label_column=column)
    return model.feed(dataset.x), dataset, tuple(model.meta.classes)


def _of_others(file: Path, data: str, labels: Path | None, column: str | None) -> tuple[Feed, Dataset, None]:
    found = named(data, file)
    if found is not None:
        if labels is not None or column is not None:
            raise LabelError(f"{data}: labels of arrays by the names of inputs are an array y beside them; give that")
        return found[0], _labelled(found[1], rows(found[0])), None
    dataset = read_for(data, file, labels=labels, label_column=column)
    return given_to(file, dataset.x), dataset, None


def _labelled(y: Any, n: int) -> Dataset:
    """The labels of arrays by names as of any source; -1 is none."""
    texts = [str(UNLABELLED)] * n if y is None else [as_text(one) for one in y.tolist()]
    classes = tuple(sorted({*texts} - {str(UNLABELLED)}))
    codes = {name: code for code, name in enumerate(classes)}
    found = np.array([codes.get(one, UNLABELLED) for one in texts])
    return Dataset("table", np.zeros((n, 1), np.float32), found, classes, np.arange(n).astype(str))


def correctness(samples: Given, judged: Ints, alike: Likeness) -> tuple[Correctness | None, tuple[str, ...]]:
    """How often both files are right, where the labels are of their answers, and what a person should know of them."""
    if alike.before is None or alike.after is None or not np.isin(judged, samples.dataset.labelled).any():
        return None, ()
    dataset = samples.dataset.part(judged, "")
    said, now = (torch.tensor(np.asarray(one, np.float32)) for one in (alike.before, alike.after))
    if samples.classes is None:
        found, told = labels_of(said, dataset)
        if found is None:
            return None, told
        codes = found.numpy()
    else:
        codes, _, told = of_model(dataset.y, dataset.classes, samples.classes)
    # What the original does not answer with numbers is neither right nor wrong, before and after.
    known = (codes != UNLABELLED) & torch.isfinite(said).reshape(len(said), -1).all(1).numpy()
    if not known.any():
        return None, told
    before, after = ((decided(one, said).numpy() == codes)[known] for one in (said, now))
    parts = levels(*dataset.belonging(np.flatnonzero(known)))
    (share, interval), (share_after, interval_after) = (
        estimate(one.astype(np.float64), parts[0] if parts else None) for one in (before, after)
    )
    notes = (*told, "of a model that learnt from these samples, the accuracy on new ones is lower")
    lost, won = int((before & ~after).sum()), int((after & ~before).sum())
    return Correctness(int(known.sum()), share, interval, share_after, interval_after, lost, won), notes
