"""What a reader found, before anything was checked or converted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from attar.data.dataset import Array, Column, Ints

RawSamples: TypeAlias = Array | list[Array]
RawLabels: TypeAlias = Sequence[object] | Array


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


def join(train: Raw, test: Raw) -> Raw:
    """Put a source's own training and test part into one, with the indices of the test part set.

    >>> joined = join(Raw(np.zeros((3, 2)), [0, 0, 1]), Raw(np.ones((2, 2)), [0, 1]))
    >>> joined.x.shape, joined.test, joined.ids
    ((5, 2), array([3, 4]), ('train/0', 'train/1', 'train/2', 'test/0', 'test/1'))
    """
    n, m = len(train.x), len(test.x)
    x: RawSamples
    if isinstance(train.x, list) or isinstance(test.x, list):
        x = [*train.x, *test.x]
    else:
        x = np.concatenate([train.x, test.x])
    y, groups = _one_after_the_other(train.y, n, test.y, m), _one_after_the_other(train.groups, n, test.groups, m)
    ids = (
        *(f"train/{i}" for i in (range(n) if train.ids is None else train.ids)),
        *(f"test/{i}" for i in (range(m) if test.ids is None else test.ids)),
    )
    both = (*train.notes, *test.notes)
    return Raw(x, y, train.exact, ids, train.columns, train.kind, np.arange(n, n + m), both, groups=groups)


def _one_after_the_other(a: RawLabels | None, n: int, b: RawLabels | None, m: int) -> RawLabels | None:
    if a is None and b is None:
        return None
    return [*([None] * n if a is None else a), *([None] * m if b is None else b)]
