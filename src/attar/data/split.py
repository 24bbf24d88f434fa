"""Which labels are shown and which samples are set aside, drawn in proportion to the classes."""

from __future__ import annotations

import numpy as np

from attar.data.dataset import UNLABELLED, Dataset, Doubles, Ints
from attar.data.groups import levels, units
from attar.data.nodes import Nodes
from attar.errors import DataError, LabelError, inflected

# Classes are uneven where one has so many times the samples of another.
_UNEVEN = 2


def some(n: int, most: int, seed: int) -> Ints:
    """Indices of `n` samples, in order: all, or so many drawn at random.

    >>> some(3, 5, seed=0), some(5, 3, seed=0)
    (array([0, 1, 2]), array([2, 3, 4]))
    """
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


def affordable(dataset: Dataset, most: int, labelled: int, seed: int) -> Dataset:
    """The dataset, or as many of its samples as can be learnt from, drawn at random.

    The test part stays, and a graph is left whole.

    Arguments:
        dataset: any.
        most: samples to train on, where no more than those are labelled.
        labelled: most samples to train on that are labelled.
        seed: of the draw.
    """
    trained = dataset.trained
    if len(trained) <= most or isinstance(dataset.x, Nodes):
        return dataset
    known = dataset.y[trained] != UNLABELLED
    labels, others = trained[known], trained[~known]
    labels = labels[some(len(labels), labelled, seed)]
    others = others[some(len(others), max(0, most - len(labels)), seed)]
    n = len(labels) + len(others)
    if n == len(trained):
        return dataset
    kept = np.sort(np.concatenate([labels, others, np.setdiff1d(np.arange(len(dataset)), trained)]))
    note = f"{n:,} of {len(trained):,} samples are learnt from, drawn at random: to compare more takes too long"
    return dataset.part(kept, note)


def draw_labels(
    y: Ints,
    *,
    per_class: int | None = None,
    fraction: float | None = None,
    seed: int = 0,
    among: Ints | None = None,
) -> Ints:
    """Keep a few labels and hide the rest, as if only those had been given.

    Arguments:
        y: class codes `(n,)`, -1 where unlabelled.
        per_class: labels to keep of each class; all of a class that has fewer (see `shortfall`).
        fraction: or, the part of the labels to keep, in proportion to the classes and at least one of each.
        seed: of the draw.
        among: indices to draw from and to hide (the training part); labels elsewhere stay. All where None.

    Returns:
        Codes `(n,)`, -1 where hidden.

    Raises:
        LabelError: both or neither of `per_class` and `fraction`, `per_class` below 1, `fraction` outside (0, 1],
            or no label to draw from.

    >>> draw_labels(np.array([0, 0, 0, 1, 1, 1]), per_class=1, seed=3)
    array([-1, -1,  0,  1, -1, -1])
    """
    if (per_class is None) == (fraction is None):
        raise LabelError("labels are drawn by a number per class or by a fraction; give one of the two")
    if per_class is not None and per_class < 1:
        raise LabelError(f"labels per class must be at least 1, not {per_class}")
    if fraction is not None and not 0 < fraction <= 1:
        raise LabelError(f"the fraction of labels must be above 0 and at most 1, not {fraction}")
    pool = np.arange(len(y)) if among is None else np.asarray(among, dtype=np.int64)
    members = _members(y, pool)
    if not members:
        raise LabelError("no sample is labelled, so no labels can be drawn; give labels with the source")
    counts = np.array([len(m) for m in members])
    if per_class is not None:
        take = np.minimum(counts, per_class)
    else:
        total = max(round(float(fraction or 0) * int(counts.sum())), len(counts))
        take = _allocate(counts, total, np.ones_like(counts), counts)
    result = np.array(y, dtype=np.int64)
    result[pool] = UNLABELLED
    kept = _draw(members, take, seed)
    result[kept] = y[kept]
    return result


def shortfall(y: Ints, classes: tuple[str, ...], per_class: int, among: Ints | None = None) -> tuple[str, ...]:
    """Name the classes with fewer labels than `draw_labels` was asked to keep.

    >>> shortfall(np.array([0, 0, 1]), ("cat", "dog"), per_class=2)
    ("class 'dog' has 1 label where 2 were asked for: it is used",)
    """
    pool = np.arange(len(y)) if among is None else among
    codes, counts = np.unique(y[pool], return_counts=True)
    return tuple(
        f"class '{classes[code]}' has {count} {inflected(count, 'label', 'labels')} where {per_class} were asked for: "
        f"{inflected(count, 'it is', 'all are')} used"
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
        if code != UNLABELLED and count < per_class
    )


def unevenness(y: Ints, classes: tuple[str, ...], among: Ints | None = None) -> tuple[str, ...]:
    """Say that as many labels of each class promise something else than the classes as they come.

    >>> unevenness(np.array([0, 0, 0, 0, 1]), ("well", "ill"))[0].partition(":")[0]
    "as many labels of each class are drawn, where 80 % are 'well'"
    >>> unevenness(np.array([0, 0, 0, 1, 1]), ("well", "ill"))
    ()
    """
    pool = y if among is None else y[among]
    counts = np.bincount(pool[pool != UNLABELLED], minlength=len(classes))
    if counts.max() < _UNEVEN * counts[counts > 0].min():
        return ()
    return (
        f"as many labels of each class are drawn, where {100 * counts.max() / counts.sum():.0f} % are "
        f"'{classes[int(counts.argmax())]}': the accuracy promised is that for classes of equal size; a fraction of "
        "the labels is drawn as they come",
    )


def holdout(dataset: Dataset, fraction: float, seed: int = 0) -> Ints:
    """Choose the samples that are set aside and looked at once, after every choice is made.

    Only labelled samples are chosen, as an unlabelled one tests nothing; in proportion to the classes; each class
    keeps at least one for training. Where samples are judged in groups, whole groups are chosen, the unlabelled ones of
    them too, so that training knows nothing of them: each that brings the classes nearer to their shares.

    Arguments:
        dataset: with no test part of its own.
        fraction: of the labelled samples.
        seed: of the draw.

    Returns:
        Indices, ascending.

    Raises:
        DataError: the fraction is outside (0, 1), or the source has its own test part.
        LabelError: too few labelled samples to set one aside.

    >>> from attar.data.arrays import from_arrays
    >>> holdout(from_arrays([[1.0], [2.0], [3.0], [4.0]], [0, 0, 1, 1]), 0.5)
    array([0, 2])
    """
    if not 0 < fraction < 1:
        raise DataError(f"the held-out fraction must be between 0 and 1, not {fraction}")
    if dataset.test is not None:
        raise DataError("the source has its own test part; leave the held-out fraction away")
    parts = levels(dataset.groups, dataset.windows)
    if parts:
        together = units(dataset.y, *parts)
        return np.flatnonzero(np.isin(together, _draw_groups(dataset, together, fraction, seed)))
    members = _members(dataset.y, dataset.labelled)
    counts = np.array([len(m) for m in members], dtype=np.int64)
    most = counts - 1
    total = min(max(round(fraction * int(counts.sum())), 1), int(most.sum()))
    if total < 1:
        raise LabelError("too few labelled samples to hold any out; label two or more of a class, or hold nothing out")
    return np.sort(_draw(members, _allocate(counts, total, np.zeros_like(counts), most), seed))


def _draw_groups(dataset: Dataset, together: Ints, fraction: float, seed: int) -> list[int]:
    """Groups with about this share of the labels of each class, and never all of a class."""
    labelled = dataset.labelled
    numbers, place = np.unique(together[labelled], return_inverse=True)
    counts = np.zeros((len(numbers), len(dataset.classes)))
    np.add.at(counts, (place, dataset.y[labelled]), 1)
    left, wanted = counts.sum(0), fraction * counts.sum(0)
    order, chosen = np.random.default_rng(seed).permutation(len(numbers)), []
    for i in order:
        if _keeps_all(left, counts[i]) and ((wanted - counts[i]) ** 2).sum() < (wanted**2).sum():
            left, wanted = left - counts[i], wanted - counts[i]
            chosen.append(int(numbers[i]))
    able = [i for i in order if _keeps_all(left, counts[i])]
    if not chosen and able:
        chosen = [int(numbers[min(able, key=lambda i: float(((wanted - counts[i]) ** 2).sum()))])]
    if not chosen:
        raise LabelError("too few labelled groups to hold any out; label two or more with each class, or hold none out")
    return chosen


def _keeps_all(left: Doubles, taken: Doubles) -> bool:
    """Whether each class keeps a label."""
    return bool(((left > taken) | (taken == 0)).all())


def _members(y: Ints, pool: Ints) -> list[Ints]:
    known = pool[y[pool] != UNLABELLED]
    return [known[y[known] == code] for code in np.unique(y[known])]


def _draw(members: list[Ints], take: Ints, seed: int) -> Ints:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(m)[:k] for m, k in zip(members, take.tolist(), strict=True)])


def _allocate(counts: Ints, total: int, low: Ints, high: Ints) -> Ints:
    """Share `total`, which `low` and `high` allow, in proportion to `counts` within them: largest remainders first."""
    ideal = counts * (total / counts.sum())
    take: Ints = np.clip(np.floor(ideal).astype(np.int64), low, high)
    while take.sum() != total:
        step = 1 if take.sum() < total else -1
        free = take < high if step > 0 else take > low
        gap = np.where(free, (ideal - take) * step, -np.inf)
        take[int(np.argmax(gap))] += step
    return take
