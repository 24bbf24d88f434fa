"""How good a candidate is, from the labelled samples alone, and which candidate to choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from scipy.stats import t as student

from attar.adapt.folds import stratified_folds
from attar.data.dataset import Doubles

Indices = npt.NDArray[np.intp]
Interval = tuple[float, float]

LEVEL = 0.9
_BOOTSTRAPS = 400
# So many groups are left out one by one.
_FEW_GROUPS = 10
# Of what belongs together, one part in so many is left out of each draw of a learning curve.
_LEFT_OUT = 5
# A candidate that is a hair simpler is not preferred over one that is a hair better by rounding.
_TIE = 1e-9

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
        together: samples that belong together are held out together, as in `stratified_folds`; of up to ten groups one
            at a time, for of few each is missed by what learns without it.

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
) -> list[LearningPoint]:
    """How accuracy grows with the number of labels, from two per class to nearly all.

    Arguments:
        answer: of the candidate.
        codes: classes `(n,)`.
        sizes: how many numbers of labels, evenly spaced by ratio.
        draws: stratified draws of each size.
        seed: of the draws.
        together: what belongs together with a sample that was trained on is not judged; some of it is always left out.
    """
    n, least = len(codes), int(np.minimum(2, np.bincount(codes)).sum())
    unit = np.arange(n) if together is None else together
    most = max(least, round(0.85 * n))
    rng = np.random.default_rng(seed)
    left_out = [np.empty(0, np.intp)] if together is None else stratified_folds(codes, _LEFT_OUT, rng, together)
    parts = [np.setdiff1d(np.arange(n), fold) for fold in left_out]
    points: dict[int, LearningPoint] = {}
    for size in np.geomspace(least, most, sizes) if parts else ():
        trained = [_draw_stratified(codes, part, size, rng) for part in islice(cycle(parts), draws)]
        labels = round(float(np.mean([len(part) for part in trained])))
        # Of few labels, neighbouring sizes may come to the same number.
        if labels == n or labels in points:
            continue
        scores = []
        for part, p in zip(trained, answer(trained)):
            rest = np.flatnonzero(~np.isin(unit, unit[part]))
            if len(rest):
                scores.append(float((p[rest].argmax(1) == codes[rest]).mean()))
        if not scores:
            continue
        low, high = np.quantile(scores, [0.05, 0.95])
        points[labels] = LearningPoint(labels, float(np.mean(scores)), float(low), float(high))
    return list(points.values())


def _draw_stratified(codes: npt.NDArray[np.integer], among: Indices, size: float, rng: np.random.Generator) -> Indices:
    members = [among[codes[among] == c] for c in np.unique(codes[among])]
    share = size / len(among)
    take = [min(len(m), max(min(2, len(m)), round(share * len(m)))) for m in members]
    return np.sort(np.concatenate([rng.permutation(m)[:k] for m, k in zip(members, take)]))


def correctness(held_out: Doubles, codes: npt.NDArray[np.integer]) -> Doubles:
    """Share of repeats in which each sample was predicted right `(n,)`; NaN where a repeat never held it out."""
    never = np.isnan(held_out).any(axis=(0, 2))
    right = (np.nan_to_num(held_out).argmax(2) == codes).mean(0)
    return np.where(never, np.nan, right)


def binomial_interval(accuracy: float, n: float, level: float = LEVEL) -> Interval:
    """Exact interval of a share observed on n samples.

    References:
        Clopper, Pearson, The use of confidence or fiducial limits illustrated in the case of the binomial, 1934,
        https://doi.org/10.1093/biomet/26.4.404

    Arguments:
        accuracy: share of successes; accuracy · n need not be a whole number.
        n: number of samples, of which there may be an `effective_size`.
        level: of confidence.

    Returns:
        Lower and upper limit; (0, 1) without any sample.

    Example:
        >>> [round(limit, 3) for limit in binomial_interval(0.9, 50)]
        [0.801, 0.96]
    """
    if n == 0:
        return 0.0, 1.0
    k, tail = round(accuracy * n, 6), (1 - level) / 2
    # A share that is no whole number of samples is rounded to the safe side at either end.
    fewest, most = math.floor(k), math.ceil(k)
    low = float(beta.ppf(tail, fewest, n - fewest + 1)) if fewest > 0 else 0.0
    high = float(beta.ppf(1 - tail, most + 1, n - most)) if most < n else 1.0
    return low, high


def standard_error(values: Doubles, together: npt.NDArray[np.integer] | None) -> Doubles:
    """Standard error of the mean of each row, where samples are drawn in groups.

    SE² = m / (m − 1) · Σ_g (Σ_{i ∈ g} (a_i − ā))² / n²

    over m groups g: samples of one recording or person are right and wrong together. Without groups it is s² / n.

    References:
        Binder, On the variances of asymptotically normal estimators from complex surveys, 1983,
        https://doi.org/10.2307/1402588 (a mean whose groups differ in size, linearised)

    Arguments:
        values: a `(rows, n)`.
        together: the group of each sample `(n,)`; None: none belong together.

    Returns:
        `(rows,)`; 0 for a single group, which tells nothing of how much others would differ.

    Example:
        >>> standard_error(np.array([[1.0, 1, 0, 0]]), None).round(3)
        array([0.289])
        >>> standard_error(np.array([[1.0, 1, 0, 0]]), np.array([0, 0, 1, 1]))
        array([0.5])
    """
    return _error(*_sums(values, together))


def _sums(values: Doubles, together: npt.NDArray[np.integer] | None) -> tuple[Doubles, npt.NDArray[np.intp]]:
    """Σ_{i ∈ g} a_i of each row `(rows, m)`, and the sizes of the groups `(m,)`, which of none are samples."""
    if together is None:
        return values, np.ones(values.shape[1], np.intp)
    _, place, sizes = np.unique(together, return_inverse=True, return_counts=True)
    return np.stack([np.bincount(place, row) for row in values]), sizes


def _error(sums: Doubles, sizes: npt.NDArray[np.intp]) -> Doubles:
    m, n = len(sizes), sizes.sum()
    apart = sums - sums.sum(1, keepdims=True) / n * sizes
    error: Doubles = np.sqrt(m / max(m - 1, 1) * (apart**2).sum(1)) / n
    return error


def effective_size(right: Doubles, together: npt.NDArray[np.integer] | None) -> float:
    """How many samples that have nothing to do with each other would tell an accuracy as well.

    n* = s² / SE² · (t_{n−1} / t_{m−1})²

    with a_i how often sample i was right, s² their variance, SE the `standard_error` of m groups, and t the quantiles
    of Student's distribution: few groups do not tell well how much they differ.

    References:
        Korn, Graubard, Confidence intervals for proportions with small expected number of positive counts estimated
        from survey data, 1998, https://www150.statcan.gc.ca/n1/en/catalogue/12-001-X19980024356

    Arguments:
        right: a `(n,)`, in [0, 1].
        together: the group of each sample `(n,)`; None: n* = n.

    Returns:
        n*, at most n; m where groups do not differ, as where all are right.

    Example:
        >>> round(effective_size(np.array([1.0, 1, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 3, 3])), 3)
        1.944
    """
    n = len(right)
    if together is None or n == 0:
        return n
    m = len(np.unique(together))
    error = float(standard_error(right[None], together)[0])
    # Groups that do not differ tell nothing of how much they would; m = n is the case of groups of one.
    if not 1 < m < n or error**2 <= _TIE:
        return float(m)
    tail = (1 + LEVEL) / 2
    return float(min(n, right.var() * (student.ppf(tail, n - 1) / student.ppf(tail, m - 1) / error) ** 2))


def one_standard_error(right: Doubles, order: Sequence[int], together: npt.NDArray[np.integer] | None = None) -> int:
    """The simplest candidate that is not worse than the best by more than one standard error of their difference.

    The difference is taken sample by sample: candidates are right and wrong on much the same samples, so it is known
    better than either accuracy.

    References:
        Breiman et al., Classification and Regression Trees, 1984, section 3.4.3 (the one-standard-error rule)

    Arguments:
        right: how often each candidate was right on each sample `(candidates, n)`, in [0, 1].
        order: rank of each candidate by simplicity, the simplest first; among equals the more accurate is taken.
        together: the group of each sample `(n,)`, as of `standard_error`.

    Returns:
        Index of the candidate.

    Example:
        >>> one_standard_error(np.array([[1, 1, 0, 1.0], [1, 1, 1, 1.0]]), order=[0, 1])
        0
    """
    return _simplest(*_sums(right, together), order)


def within_one_standard_error(
    right: Doubles, order: Sequence[int], together: npt.NDArray[np.integer] | None = None
) -> Indices:
    """The candidates that are not worse than the best by more than one standard error of their difference.

    Arguments:
        right: how often each candidate was right on each sample `(candidates, n)`, in [0, 1].
        order: rank of each candidate by simplicity; the simplest of equals is the best.
        together: the group of each sample `(n,)`, as of `standard_error`.

    Returns:
        Their indices, ascending.
    """
    return _close(*_sums(right, together), order)


def _close(sums: Doubles, sizes: npt.NDArray[np.intp], order: Sequence[int]) -> Indices:
    accuracy = sums.sum(1) / sizes.sum()
    best = int(max(range(len(sums)), key=lambda i: (accuracy[i], -order[i])))
    difference = sums[best] - sums
    return np.flatnonzero(difference.sum(1) / sizes.sum() <= _error(difference, sizes) + _TIE)


def _simplest(sums: Doubles, sizes: npt.NDArray[np.intp], order: Sequence[int]) -> int:
    accuracy = sums.sum(1) / sizes.sum()
    return int(min(_close(sums, sizes, order), key=lambda i: (order[i], -accuracy[i])))


@dataclass(frozen=True)
class Choice:
    """The candidate chosen, and how good it is.

    Arguments:
        index: of the candidate.
        accuracy: corrected for having been chosen.
        interval: 90 %, likewise.
        optimism: what was taken off its own cross-validated accuracy.
    """

    index: int
    accuracy: float
    interval: Interval
    optimism: float


def choose(right: Doubles, order: Sequence[int], seed: int, together: npt.NDArray[np.integer] | None = None) -> Choice:
    """Choose by one standard error, and correct the accuracy of what is chosen for having been chosen.

    The labelled samples, or their groups, are drawn anew with replacement, and on each draw a candidate is chosen: by
    how much more it is right on the samples that chose it than on all, in the mean, is the optimism of choosing. It is
    taken off.

    References:
        Efron, Estimating the error rate of a prediction rule: improvement on cross-validation, 1983, section 7,
        https://doi.org/10.1080/01621459.1983.10477973 (optimism by the bootstrap)
        Tsamardinos, Greasidou, Borboudakis, Bootstrapping the out-of-sample predictions for efficient and accurate
        cross-validation, 2018, https://doi.org/10.1007/s10994-018-5714-4 (on choosing among cross-validated candidates)

    Arguments:
        right: of each candidate and sample `(candidates, n)`, NaN where a sample was never held out.
        order: rank of each candidate by simplicity.
        seed: of the bootstrap.
        together: the group of each sample `(n,)`; None: none belong together.

    Returns:
        The choice; without any sample to judge by, the simplest candidate and an interval of everything.
    """
    held_out = ~np.isnan(right).any(0)
    if not held_out.any():
        return Choice(int(np.argmin(order)), 0.0, (0.0, 1.0), 0.0)
    known, unit = right[:, held_out], None if together is None else together[held_out]
    index = one_standard_error(known, order, unit)
    sums, sizes = _sums(known, unit)
    rng = np.random.default_rng(seed)
    optimism = 0.0
    for _ in range(_BOOTSTRAPS):
        # A group that is drawn twice is two groups.
        again = rng.integers(len(sizes), size=len(sizes))
        drawn, n = sums[:, again], sizes[again]
        then = _simplest(drawn, n, order)
        optimism += float(drawn[then].sum() / n.sum() - sums[then].sum() / sizes.sum()) / _BOOTSTRAPS
    return corrected(index, right[index], max(optimism, 0.0), together)


def corrected(index: int, right: Doubles, optimism: float, together: npt.NDArray[np.integer] | None = None) -> Choice:
    """A candidate with its accuracy less the optimism of choosing.

    Arguments:
        index: of the candidate.
        right: how often it was right on each sample `(n,)`, NaN where a sample was never held out.
        optimism: of choosing.
        together: as of `choose`.
    """
    return Choice(index, *estimate(right, together, optimism), optimism)


def estimate(right: Doubles, together: npt.NDArray[np.integer] | None, optimism: float = 0.0) -> tuple[float, Interval]:
    """Accuracy less an optimism, and its interval; 0 and an interval of everything where nothing was held out.

    Arguments:
        right: how often each sample was right `(n,)`, NaN where it was never held out.
        together: as of `effective_size`.
        optimism: that is taken off.
    """
    known = ~np.isnan(right)
    accuracy = float(np.clip(right[known].mean() - optimism, 0.0, 1.0)) if known.any() else 0.0
    n = effective_size(right[known], None if together is None else together[known])
    return accuracy, binomial_interval(accuracy, n)
