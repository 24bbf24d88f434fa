"""Samples that belong together, as those of one person or machine do: they are judged together."""

from __future__ import annotations

import numpy as np

from attar.data.dataset import UNLABELLED, Ints, Judging, Windows, is_missing
from attar.data.held import plain
from attar.data.labels import MISSING, as_text, whole
from attar.data.raw import RawLabels
from attar.errors import DataError, inflected

# What a column of groups may be called, also with "_id".
_NAMES = ("group", "patient", "subject", "person", "participant", "animal", "machine", "device", "session", "site")
NAMES = frozenset((*_NAMES, *(f"{name}_id" for name in _NAMES), "groups"))


def numbered(groups: RawLabels, n: int, where: str) -> tuple[Ints, tuple[str, ...], list[str]]:
    """Give the groups numbers.

    Arguments:
        groups: one per sample: whatever names it. A sample without one is a group of its own.
        n: number of samples.
        where: the file or argument that an error names.

    Returns:
        The number of each one's group `(n,)`, from 0; the name of each number; and notes.

    Raises:
        DataError: another number of groups than samples.

    Example:
        >>> numbered(["ann", "bob", None, "ann"], 4, "groups")
        (array([0, 1, 2, 0]), ('ann', 'bob', ''), ['1 of 4 samples is of no group: it is judged by itself'])
    """
    groups = plain(groups)
    shape = np.shape(groups) if hasattr(groups, "__array__") else (len(groups),)
    if shape != (n,):
        raise DataError(f"{where}: {n:,} samples but groups of shape {shape}; give one for each, along one axis")
    values = np.asarray(groups) if hasattr(groups, "__array__") else groups
    texts = ["" if is_missing(name) else as_text(name).strip() for name in values]
    # Numbers are floats beside gaps, in one part of a source perhaps and not in the other.
    names = whole([None if text in MISSING else text for text in texts])
    # A sample of no group is known by its place.
    number: dict[str | int, int] = {}
    result = np.array([number.setdefault(i if name is None else name, len(number)) for i, name in enumerate(names)])
    alone = names.count(None)
    are, each = inflected(alone, "is", "are"), inflected(alone, "it", "each")
    note = Judging(f"{alone:,} of {n:,} samples {are} of no group", f": {each} is judged by itself")
    return result, tuple(name if isinstance(name, str) else "" for name in number), [note] if alone else []


def levels(groups: Ints | None, windows: Windows | None) -> tuple[Ints, ...]:
    """What is judged together, the largest first, for `units`: groups, recordings, stretches, as far as there are any.

    >>> levels(np.array([0, 0, 1]), Windows(np.array([0, 1, 1]), np.array([0, 1, 2])))
    (array([0, 0, 0]), array([0, 1, 1]), array([0, 1, 2]))
    """
    within = () if windows is None else (windows.recordings, windows.stretches)
    if groups is None:
        return within
    return (joined(groups, windows.recordings), *within) if windows is not None else (groups,)


def joined(groups: Ints, others: Ints) -> Ints:
    """What belongs together in either way, in numbers from 0 `(n,)`.

    >>> joined(np.array([0, 0, 1, 2, 3]), np.array([5, 6, 6, 7, 8]))
    array([0, 0, 0, 1, 2])
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    (_, a), (_, b) = (np.unique(numbers, return_inverse=True) for numbers in (groups, others))
    # A graph of groups and others: a sample is an edge between its two.
    size = int(a.max() + b.max()) + 2
    edges = coo_array((np.ones(len(a)), (a, a.max() + 1 + b)), shape=(size, size))
    found: Ints = connected_components(edges, directed=False)[1].astype(np.int64)[a]
    return found


def units(y: Ints, *parts: Ints) -> Ints:
    """What is judged together `(n,)`: a group; of a class that is labelled in one alone, smaller parts of it.

    Such a class could not be judged at all otherwise; its samples look better than those of another group would. Where
    one of the smaller parts has all of its labels too, they are judged one by one.

    Arguments:
        y: labels `(n,)`, -1 where unlabelled.
        parts: the number of each sample's group `(n,)`, from 0, and those of smaller and smaller parts.

    Example:
        >>> person, day = np.array([0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 2, 2])
        >>> units(np.array([0, 0, 0, 0, 1, 1, -1]), person)
        array([0, 0, 0, 1, 6, 7, 1])
        >>> units(np.array([0, 0, 0, 0, 1, 1, -1]), person, day)
        array([0, 0, 0, 1, 3, 4, 1])
    """
    found = parts[0]
    for smaller in (*parts[1:], np.arange(len(y))):
        found = np.where(np.isin(y, _of_one(y, found)), found.max() + 1 + smaller, found)
    return found


def of_labelled(y: Ints, groups: Ints | None, windows: Windows | None) -> Ints | None:
    """The `units` of the labelled samples `(n_labelled,)`; None where each is judged by itself.

    >>> of_labelled(np.array([0, 1, -1, 0, 1]), np.array([0, 0, 0, 1, 1]), None)
    array([0, 0, 1, 1])
    """
    parts = levels(groups, windows)
    return units(y, *parts)[y != UNLABELLED] if parts else None


def of_one_group(y: Ints, together: Ints, classes: tuple[str, ...], word: str) -> list[str]:
    """Name the classes that are labelled in one group only.

    Arguments:
        y: positions in `classes` `(n,)`, -1 where unlabelled.
        together: the number of each sample's group `(n,)`, from 0.
        classes: names.
        word: what groups are called.

    Example:
        >>> of_one_group(np.array([0, 0, -1, 1, 1, -1]), np.array([0, 1, 1, 2, 2, 2]), ("walk", "stand"), "person")
        ["labels of one person only: 'stand'; on another one they will be harder to tell"]
    """
    names = ", ".join(f"'{classes[label]}'" for label in _of_one(y, together))
    return [f"labels of one {word} only: {names}; on another one they will be harder to tell"] if names else []


def seen_in_training(together: Ints, test: Ints | None, words: str) -> list[str]:
    """Count the test samples whose group training has.

    Arguments:
        together: the number of each sample's group `(n,)`.
        test: indices of the test samples.
        words: what those samples are.

    Example:
        >>> seen_in_training(np.array([0, 0, 1]), np.array([1, 2]), "of groups")
        ['1 of 2 test samples is of groups that training has seen']
    """
    if test is None:
        return []
    seen = int(np.isin(together[test], np.delete(together, test)).sum())
    are = inflected(seen, "is", "are")
    return [f"{seen:,} of {len(test):,} test samples {are} {words} that training has seen"] if seen else []


def _of_one(y: Ints, together: Ints) -> list[int]:
    """The classes all of whose labels are of one group."""
    known = np.unique(y[y != UNLABELLED]).tolist()
    return [label for label in known if len(np.unique(together[y == label])) == 1]
