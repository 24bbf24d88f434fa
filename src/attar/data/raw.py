"""What a reader found, before anything was checked or converted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from attar.data.dataset import Array, Column, Ints
from attar.errors import inflected, listed

RawSamples: TypeAlias = Array | list[Array]
RawLabels: TypeAlias = Sequence[object] | Array
# What the part of a split is called that choices are made on.
VALIDATION = frozenset({"val", "valid", "validation", "dev"})


@dataclass(frozen=True)
class Raw:
    """Samples as their source holds them: every reader yields one, `arrays.build` checks it and makes the dataset.

    Arguments:
        x: array of any type, texts among them, or a list of recordings `(steps,)` or `(channels, steps)` of different
            lengths.
        y: one label per sample, None where there is none; or None.
        exact: True where each text is the name of a class, even "-1" and "nan"; else these mean unlabelled.
        ids: name of each sample; row numbers where None.
        columns: of a table, or channels of recordings, whose source names them.
        kind: where the source leaves no doubt about it.
        test: indices that the source sets aside for testing.
        notes: what was found on reading.
        length: of texts in tokens, where a model says it.
        groups: name of the group that each sample is of, None where of none; or None.
        skipped: files that cannot be read, and are no samples.
        rate: of recordings, in Hz, where known.
        breaks: steps of each recording at which its time goes on after a pause, or starts anew; empty where none does.
        ignored: columns that a person left out.
    """

    x: RawSamples
    y: RawLabels | None = None
    exact: bool = False
    ids: Sequence[str] | None = None
    columns: tuple[Column, ...] = ()
    kind: str | None = None
    test: Ints | None = None
    notes: tuple[str, ...] = ()
    length: int | None = None
    groups: RawLabels | None = None
    skipped: tuple[str, ...] = ()
    rate: float | None = None
    breaks: Sequence[Ints] = ()
    ignored: tuple[str, ...] = ()


def join(parts: Mapping[str, Raw]) -> Raw:
    """Put the parts of a source's own split into one, one after the other; what they are called says which is for what.

    >>> joined = join({"train": Raw(np.zeros((3, 2)), [0, 0, 1]), "test": Raw(np.ones((2, 2)), [0, 1])})
    >>> joined.x.shape, joined.test, joined.ids
    ((5, 2), array([3, 4]), ['train/0', 'train/1', 'train/2', 'test/0', 'test/1'])
    """
    raws = list(parts.values())
    test, notes = held_out([name for name, raw in parts.items() for _ in range(len(raw.x))])
    x: RawSamples
    if any(isinstance(raw.x, list) for raw in raws):
        x = [sample for raw in raws for sample in raw.x]
    else:
        x = np.concatenate([raw.x for raw in raws])
    return replace(
        raws[0],
        x=x,
        y=_one_after_the_other([(raw.y, len(raw.x)) for raw in raws]),
        groups=_one_after_the_other([(raw.groups, len(raw.x)) for raw in raws]),
        ids=[f"{name}/{i}" for name, raw in parts.items() for i in raw.ids or range(len(raw.x))],
        test=test,
        notes=(*(note for raw in raws for note in raw.notes), *notes),
    )


def held_out(parts: Sequence[str]) -> tuple[Ints | None, list[str]]:
    """Which samples are the test part of a source's own split, if any, and what a person should know of the others.

    Arguments:
        parts: what the source calls the part that each sample is of.

    >>> held_out(["train", "train", "Val", "Val", "test"])
    (array([4]), ['2 samples are joined to the training part, those of Val'])
    >>> held_out(["train", "train", "Val"])
    (array([2]), ['there is no test part: Val is taken for it'])
    """
    sizes = Counter(parts)
    if len(sizes) < 2:
        return None, []
    validation = sorted(name for name in sizes if name.lower() in VALIDATION)
    test = next((name for name in sizes if name.lower() == "test"), None)
    notes = []
    if test is None and validation:
        test = validation.pop(0)
        notes.append(f"there is no test part: {test} is taken for it")
    if validation:
        n = sum(sizes[name] for name in validation)
        are = inflected(n, "sample is", "samples are")
        notes.append(f"{n} {are} joined to the training part, those of {listed(validation)}")
    return None if test is None else np.flatnonzero([name == test for name in parts]), notes


def _one_after_the_other(parts: Sequence[tuple[RawLabels | None, int]]) -> RawLabels | None:
    if all(labels is None for labels, _ in parts):
        return None
    arrays = [labels for labels, _ in parts if isinstance(labels, np.ndarray)]
    if len(arrays) == len(parts) and len({(array.dtype, array.shape[1:]) for array in arrays}) == 1:
        return np.concatenate(arrays)
    return [label for labels, n in parts for label in ([None] * n if labels is None else labels)]
