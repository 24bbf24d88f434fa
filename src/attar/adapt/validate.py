"""How good a candidate is, from the labelled samples alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import numpy.typing as npt

from attar.adapt.folds import stratified_folds
from attar.adapt.intervals import share
from attar.data.dataset import Doubles

Indices = npt.NDArray[np.intp]

# Up to so many groups are held out one at a time.
_FEW_GROUPS = 10
# Where samples belong together, each draw of a learning curve leaves out one of so many parts of the groups.
_LEFT_OUT = 5

Answer = Callable[[list[Indices]], list[Doubles]]
"""A candidate under validation: it is trained once on each of several parts of the n labelled samples, each part given
by the positions of its samples, and returns after each training the class probabilities of all n, `(n, n_classes)`."""


def cross_validate(
    answer: Answer,
    codes: npt.NDArray[np.integer],
    *,
    folds: int,
    repeats: int,
    seed: int,
    together: npt.NDArray[np.integer] | None = None,
) -> Doubles:
    """Class probabilities of each labelled sample by models that have not seen its label.

    Arguments:
        answer: of the candidate.
        codes: classes `(n,)`.
        folds: stratified; fewer where no class has so many labels.
        repeats: how often, each with other folds. The first repeats are the same for every candidate.
        seed: of the folds.
        together: samples that belong together are held out together, as in `stratified_folds`; up to ten groups one of
            each class at a time, since a model that learns without one of few groups misses it.

    Returns:
        `(repeats, n, n_classes)`; NaN for a sample that is never held out (the only one of its class).
    """
    rng = np.random.default_rng(seed)
    n, everything = len(codes), np.arange(len(codes))
    groups = 0 if together is None else len(np.unique(together))
    folds = max(folds, groups) if groups <= _FEW_GROUPS else folds
    rounds = []
    for _ in range(repeats):
        held_out = stratified_folds(codes, folds, rng, together)
        p = np.full((n, int(codes.max()) + 1), np.nan)
        for fold, answered in zip(held_out, answer([np.setdiff1d(everything, fold) for fold in held_out])):
            p[fold] = answered[fold]
        rounds.append(p)
    return np.stack(rounds)


@dataclass(frozen=True)
class LearningPoint:
    """Accuracy with so many labels.

    Arguments:
        labels: trained on, in the mean over the draws.
        accuracy: mean over the draws, on the labelled samples not trained on.
        low: 5 % quantile over the draws.
        high: 95 % quantile over the draws.
    """

    labels: int
    accuracy: float
    low: float
    high: float


def learning_curve(
    answer: Answer,
    codes: npt.NDArray[np.integer],
    *,
    sizes: int,
    draws: int,
    seed: int,
    together: npt.NDArray[np.integer] | None = None,
    balanced: bool = False,
) -> list[LearningPoint]:
    """How accuracy grows with the number of labels, from two per class to nearly all.

    Arguments:
        answer: of the candidate.
        codes: classes `(n,)`.
        sizes: how many numbers of labels, evenly spaced by ratio.
        draws: stratified draws of each size.
        seed: of the draws.
        together: what belongs together with a sample that was trained on is not judged; some of it is always left out.
        balanced: whether each class counts the same, or each sample. Then one sample of each class that has two is
            left to be judged: a curve whose points are means over other classes would rise or fall by that.
    """
    n, least = len(codes), int(np.minimum(2, np.bincount(codes)).sum())
    unit = np.arange(n) if together is None else together
    most = max(least, round(0.85 * n))
    rng = np.random.default_rng(seed)
    left_out = [np.empty(0, np.intp)] if together is None else stratified_folds(codes, _LEFT_OUT, rng, together)
    parts = [np.setdiff1d(np.arange(n), fold) for fold in left_out]
    # Where whole groups are left out, there is enough to judge by.
    aside = int(balanced and together is None)
    points: dict[int, LearningPoint] = {}
    for size in np.geomspace(least, most, sizes) if parts else ():
        trained = [_draw_stratified(codes, part, size, rng, aside) for part in islice(cycle(parts), draws)]
        labels = round(float(np.mean([len(part) for part in trained])))
        # Neighbouring sizes may round to the same number of labels.
        if labels == n or labels in points:
            continue
        scores = []
        for part, p in zip(trained, answer(trained)):
            rest = np.flatnonzero(~np.isin(unit, unit[part]))
            if len(rest):
                scores.append(share(p[rest].argmax(1) == codes[rest], codes[rest] if balanced else None))
        if not scores:
            continue
        low, high = np.quantile(scores, [0.05, 0.95])
        points[labels] = LearningPoint(labels, float(np.mean(scores)), float(low), float(high))
    return list(points.values())


def _draw_stratified(
    codes: npt.NDArray[np.integer], among: Indices, size: float, rng: np.random.Generator, aside: int
) -> Indices:
    """So many samples, two of each class at least where it has them; so many of a class that has more stay aside."""
    members = [among[codes[among] == c] for c in np.unique(codes[among])]
    part = size / len(among)
    most = [len(m) - aside if len(m) > aside else len(m) for m in members]
    take = [min(k, max(2, round(part * len(m)))) for k, m in zip(most, members)]
    return np.sort(np.concatenate([rng.permutation(m)[:k] for m, k in zip(members, take)]))


def correctness(held_out: Doubles, codes: npt.NDArray[np.integer]) -> Doubles:
    """Share of repeats in which each sample was predicted right `(n,)`; NaN where a repeat never held it out."""
    never = np.isnan(held_out).any(axis=(0, 2))
    right = (np.nan_to_num(held_out).argmax(2) == codes).mean(0)
    return np.where(never, np.nan, right)
