"""Windows that were cut from the same recording, which is told by their overlap, and the labels of recordings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from attar.data.dataset import UNLABELLED, Array, Floats, Ints, Judging, Windows
from attar.data.groups import seen_in_training

# Steps that are hashed together; a window shares as many or this part of its own with the next.
_STEPS, _SHARE = 8, 1 / 8
# Steps at which what is shared changes: one event in silence, up and down, is the same in many samples at many places.
_CHANGES = 3
# Share of the windows that must be followed by another one, and of pairs that may be at any other distance: all else is
# chance, or of no use. And windows on which this is tried first.
_COMMON, _TRIED = 0.05, 256
# Labels of a recording are alike by chance with less than this probability, or are not taken to be.
_CHANCE = 0.05
# Stretches of a recording.
_PARTS = 5
# Numbers that are hashed at a time.
_BLOCK = 2**22


def recordings(x: Array) -> tuple[Windows, int] | None:
    """Which windows were cut from one recording, each some steps after the one before.

    A window follows another one where it begins with the very values that the other ends with. All windows are cut at
    one distance, or at multiples of it where some are lost. Copies follow none, nor do windows that begin with a value
    that does not change, or share what changes once or twice.

    Arguments:
        x: float32 windows `(n, channels, steps)`.

    Returns:
        Where each was cut from, and the steps from a window to the next; None where they do not overlap.

    Example:
        >>> walk = np.random.default_rng(0).standard_normal(96).astype(np.float32)
        >>> found, stride = recordings(np.stack([walk[None, i : i + 32] for i in (0, 16, 64, 48)]))
        >>> found.recordings, stride
        (array([0, 0, 1, 1]), 16)
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, steps = len(x), x.shape[2]
    most = steps - max(_STEPS, round(_SHARE * steps))
    if n < 2 or most < 1:
        return None
    beginnings = _beginnings(x)
    tried = np.unique(np.linspace(0, n - 1, _TRIED).astype(np.int64))
    if len(np.unique(_following(x, tried, beginnings, most)[0])) < _COMMON * len(tried):
        return None
    before, after, shift = _following(x, np.arange(n), beginnings, most)
    count = np.bincount(shift)
    # Where some windows are lost, twice the distance is as common.
    stride = int(np.argmax(2 * count >= count.max()))
    cut = shift % stride == 0
    before, after, shift = before[cut], after[cut], shift[cut]
    if len(np.unique(before)) < _COMMON * n or (~cut).mean() > _COMMON:
        return None
    follows = coo_array((np.ones(len(before)), (before, after)), shape=(n, n))
    number = connected_components(follows, directed=False)[1].astype(np.int64)
    return Windows(number, stretches(number, _places(number, before, after, shift))), stride


def told(x: Floats, first: Ints, test: Ints | None = None) -> tuple[Windows | None, list[str]]:
    """Which of the samples were cut from `recordings`, if any, and what a person should know of it.

    Arguments:
        x: series `(n, channels, steps)`.
        first: of `attar.data.copies.copies`.
        test: indices of the samples set aside.
    """
    # A copy follows the same windows as the one that it is of, which would hide that they do.
    unique, place = np.unique(first, return_inverse=True)
    cut = recordings(x if len(unique) == len(x) else x[unique])
    if cut is None:
        return None, []
    windows, stride = cut[0][place], cut[1]
    return windows, overlaps(windows.recordings, stride, x.shape[2], test)


def overlaps(together: Ints, stride: int, steps: int, test: Ints | None = None) -> list[str]:
    """What a person should know of windows that overlap.

    >>> overlaps(np.array([0, 0, 1, 1]), 16, 64, test=np.array([3]))[1]
    '1 of 1 test samples is cut from recordings that training has seen'
    """
    n, many, part = len(together), len(np.unique(together)), 100 * (1 - stride / steps)
    return [
        Judging(
            f"the samples are {n:,} windows of {many:,} recordings, for they overlap by {part:.0f} %",
            ": those of one recording are judged together",
        ),
        *seen_in_training(together, test, "cut from recordings"),
    ]


def alike(y: Ints, together: Ints) -> bool:
    """Whether a recording has one label: no two known ones differ, and that is no chance.

    A second label of a recording is the first one's by chance with probability Σ p_c², p_c the share of a class.

    Arguments:
        y: labels `(n,)`, -1 where unlabelled.
        together: the number of each sample's recording `(n,)`, from 0.

    Example:
        >>> recording = np.array([0, 0, 0, 0, 1, 1, 1, 1])
        >>> alike(np.array([2, 2, 2, 2, 5, 5, 5, 5]), recording), alike(np.array([2, 2, 2, 2, 5, 5, 5, 2]), recording)
        (True, False)
    """
    known = y != UNLABELLED
    classes, codes = np.unique(y[known], return_inverse=True)
    table = np.zeros((int(together.max()) + 1, len(classes)))
    np.add.at(table, (together[known], codes), 1)
    if ((table > 0).sum(1) > 1).any():
        return False
    again = float(np.maximum(table.sum(1) - 1, 0).sum())
    chance = float(((table.sum(0) / max(1, known.sum())) ** 2).sum())
    return bool(chance**again < _CHANCE)


def shared(y: Ints, together: Ints) -> Ints:
    """Labels given to all windows of their recording.

    Arguments:
        y: labels `(n,)`, -1 where unlabelled; those of one recording are `alike`.
        together: the number of each sample's recording `(n,)`, from 0.

    Example:
        >>> shared(np.array([-1, 5, -1, -1]), np.array([0, 0, 0, 1]))
        array([ 5,  5,  5, -1])
    """
    known = y != UNLABELLED
    of_recording = np.full(int(together.max()) + 1, UNLABELLED)
    of_recording[together[known]] = y[known]
    return of_recording[together]


def _places(number: Ints, before: Ints, after: Ints, shift: Ints) -> Ints:
    """The step at which each window begins `(n,)`, counted from some window of its recording."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    n = len(number)
    # From a node beyond all windows to one of each recording, and on from window to window.
    first = np.unique(number, return_index=True)[1]
    ends = np.concatenate([before, after, np.full(len(first), n)]), np.concatenate([after, before, first])
    steps = coo_array((np.concatenate([shift, -shift, np.zeros(len(first))]), ends), shape=(n + 1, n + 1)).tocsr()
    joined = coo_array((np.ones(len(ends[0])), ends), shape=(n + 1, n + 1)).tocsr()
    order, parent = breadth_first_order(joined, n)
    order = order[1:]
    forward = np.asarray(steps[parent[order], order]).ravel().astype(np.int64).tolist()
    place = [0] * (n + 1)
    for child, start, step in zip(order.tolist(), parent[order].tolist(), forward):
        place[child] = place[start] + step
    return np.array(place[:n], dtype=np.int64)


def stretches(number: Ints, place: Ints) -> Ints:
    """Each recording in so many parts, one after the other, of as many windows each."""
    order = np.lexsort((place, number))
    size = np.bincount(number)
    rank = np.empty(len(number), dtype=np.int64)
    rank[order] = np.arange(len(number)) - np.repeat(np.cumsum(size) - size, size)
    return number * _PARTS + rank * _PARTS // size[number]


def _beginnings(x: Array) -> tuple[npt.NDArray[np.uint64], Ints]:
    """Hashes of how windows begin, sorted, and whose they are: those that no other has, and that are not constant."""
    start = x[:, :, :_STEPS]
    changes = (start != start[:, :, :1]).any(axis=(1, 2))
    hashes = np.concatenate([hashed[:, 0] for _, hashed in _hashed(start, np.arange(len(x)))])
    values, place, count = np.unique(hashes, return_index=True, return_counts=True)
    alone = (count == 1) & changes[place]
    return values[alone], place[alone]


def _following(
    x: Array, rows: Ints, beginnings: tuple[npt.NDArray[np.uint64], Ints], most: int
) -> tuple[Ints, Ints, Ints]:
    """Some of the windows, one that follows each, and 1 to `most` steps later."""
    values, owners = beginnings
    pairs = [np.empty((3, 0), dtype=np.int64)]
    for part, hashed in _hashed(x, rows):
        row, step = np.nonzero(np.isin(hashed[:, 1 : most + 1], values))
        before, later, shift = found = np.stack(
            [part[row], owners[np.searchsorted(values, hashed[row, step + 1])], step + 1]
        )
        alike = before != later
        for s in np.unique(shift):
            at = np.flatnonzero(alike & (shift == s))
            overlap = x[later[at], :, :-s]
            changes = (overlap[:, :, 1:] != overlap[:, :, :-1]).any(axis=1).sum(axis=1)
            alike[at] = (x[before[at], :, s:] == overlap).all(axis=(1, 2)) & (changes >= _CHANGES)
        pairs.append(found[:, alike])
    before, later, shift = np.concatenate(pairs, axis=1)
    return before, later, shift


def _hashed(x: Array, rows: Ints) -> Iterator[tuple[Ints, npt.NDArray[np.uint64]]]:
    """Some windows, and hashes of what is in them from each step on `(some, steps − 7)`."""
    rng = np.random.default_rng(0)
    odd = rng.integers(2**63, size=(x.shape[1], _STEPS), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    at_once, last = max(1, _BLOCK // x[0].size), x.shape[2] - _STEPS + 1
    for begin in range(0, len(rows), at_once):
        part = rows[begin : begin + at_once]
        # Adding 0 makes one zero of the two. Bits are mixed first, since floats are often multiples of each other.
        bits = (np.asarray(x[part], np.float32) + np.float32(0)).view(np.uint32).astype(np.uint64)
        bits *= np.uint64(0x9E3779B97F4A7C15)
        bits ^= bits >> np.uint64(32)
        hashed = np.zeros((len(part), last), np.uint64)
        for channel in range(x.shape[1]):
            for step in range(_STEPS):
                hashed += bits[:, channel, step : step + last] * odd[channel, step]
        yield part, hashed
