"""How well an accuracy is known, on samples that may belong together."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from scipy.stats import t as student

from attar.data.dataset import Doubles

Interval = tuple[float, float]
Sizes = npt.NDArray[np.intp]

LEVEL = 0.9
# Variances below it are rounding.
_ROUNDING = 1e-9


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


def standard_error(
    values: Doubles, together: npt.NDArray[np.integer] | None, classes: npt.NDArray[np.integer] | None = None
) -> Doubles:
    """Standard error of the mean of each row, where samples are drawn in groups.

    SE² = m / (m − 1) · Σ_g (Σ_{i ∈ g} (a_i − ā))² / n²

    over m groups g: samples of one recording or person are right and wrong together. Without groups it is s² / n.
    Where K classes count the same, ā is the mean of the means ā_c of the n_c samples of each class, and a_i − ā over n
    becomes a_i − ā_c over K · n_c.

    References:
        Binder, On the variances of asymptotically normal estimators from complex surveys, 1983,
        https://doi.org/10.2307/1402588 (a mean whose groups differ in size, linearised)

    Arguments:
        values: a `(rows, n)`.
        together: the group of each sample `(n,)`; None: none belong together.
        classes: the class of each sample `(n,)`, where each class counts the same; None: where each sample does.

    Returns:
        `(rows,)`; 0 for a single group, which tells nothing of how much others would differ.

    Example:
        >>> standard_error(np.array([[1.0, 1, 0, 0]]), None).round(3)
        array([0.289])
        >>> standard_error(np.array([[1.0, 1, 0, 0]]), np.array([0, 0, 1, 1]))
        array([0.5])
    """
    return error_of(*sums_of(values, together, classes))


def sums_of(
    values: Doubles, together: npt.NDArray[np.integer] | None, classes: npt.NDArray[np.integer] | None = None
) -> tuple[Doubles, Sizes]:
    """Σ a_i of each row, group and class `(rows, m, K)`, and of how many samples `(m, K)`.

    Without groups each sample is one, and where classes do not count the same there is but one. A sample that is NaN in
    any row is left out.
    """
    known = ~np.logical_or.reduce(np.isnan(values))
    values, together, classes = values[:, known], _only(together, known), _only(classes, known)
    n = values.shape[1]
    place = np.arange(n) if together is None else np.unique(together, return_inverse=True)[1]
    code = np.zeros(n, np.intp) if classes is None else np.unique(classes, return_inverse=True)[1]
    m, k = place.max(initial=-1) + 1, code.max(initial=-1) + 1
    cell = place * k + code
    sums: Doubles = np.stack([np.bincount(cell, row, m * k) for row in values])
    return sums.reshape(len(values), m, k), np.bincount(cell, minlength=m * k).astype(np.intp).reshape(m, k)


def mean_of(sums: Doubles, sizes: Sizes) -> Doubles:
    """The mean of each row `(rows,)`, over all samples or over the means of classes, by their `sums_of` groups."""
    n = sizes.sum(0)
    mean: Doubles = (sums.sum(1)[:, n > 0] / n[n > 0]).mean(1)
    return mean


def share(right: npt.ArrayLike, classes: npt.NDArray[np.integer] | None = None) -> float:
    """How many of n > 0 samples are right; where classes are given `(n,)`, in the mean over these.

    >>> share([True, True, True, False]), share([True, True, True, False], np.array([0, 0, 0, 1]))
    (0.75, 0.5)
    """
    return float(mean_of(*sums_of(np.asarray(right, dtype=np.float64)[None], None, classes))[0])


def error_of(sums: Doubles, sizes: Sizes) -> Doubles:
    """The `standard_error` of rows by their `sums_of` groups."""
    m, n = len(sizes), np.maximum(sizes.sum(0), 1)
    k = max(1, np.count_nonzero(sizes.sum(0)))
    apart = (sums @ (1 / n) - (sums.sum(1) / n**2) @ sizes.T) / k
    error: Doubles = np.sqrt(m / max(m - 1, 1) * (apart**2).sum(1))
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
    if not 1 < m < n or error**2 <= _ROUNDING:
        return float(m)
    tail = (1 + LEVEL) / 2
    return float(min(n, right.var() * (student.ppf(tail, n - 1) / student.ppf(tail, m - 1) / error) ** 2))


def estimate(
    right: Doubles,
    together: npt.NDArray[np.integer] | None,
    optimism: float = 0.0,
    classes: npt.NDArray[np.integer] | None = None,
) -> tuple[float, Interval]:
    """Accuracy less an optimism, and its interval; 0 and an interval of everything where nothing was held out.

    Where classes count the same, it is the mean of their accuracies a_c ∈ (l_c, u_c), from

        ā − r/K · (Σ_c (a_c − l_c)²)^½   to   ā + r/K · (Σ_c (u_c − a_c)²)^½

    with r ≥ 1 the ratio of the standard error to that of classes whose groups have nothing to do with each other.

    References:
        Zou, Donner, Construction of confidence limits about effect measures: a general approach, 2008,
        https://doi.org/10.1002/sim.3095 (limits of a sum from those of its terms)

    Arguments:
        right: how often each sample was right `(n,)`, NaN where it was never held out.
        together: as of `effective_size`.
        optimism: that is taken off.
        classes: as of `standard_error`.
    """
    known = ~np.isnan(right)
    right, together, classes = right[known], _only(together, known), _only(classes, known)
    if classes is None or not len(right):
        accuracy = float(np.clip(right.mean() - optimism, 0.0, 1.0)) if len(right) else 0.0
        return accuracy, binomial_interval(accuracy, effective_size(right, together))
    members = [classes == c for c in np.unique(classes)]
    each = [estimate(right[of], _only(together, of), optimism) for of in members]
    accuracies, limits = np.array([a for a, _ in each]), np.array([limits for _, limits in each])
    error = float(standard_error(right[None], together, classes)[0])
    apart = np.hypot.reduce([standard_error(right[None, of], _only(together, of))[0] for of in members]) / len(each)
    wider = max(1.0, error / apart) if apart > _ROUNDING else 1.0
    below, above = wider * np.hypot.reduce(limits - accuracies[:, None]) / len(each)
    accuracy = float(accuracies.mean())
    return accuracy, (max(0.0, accuracy - float(below)), min(1.0, accuracy + float(above)))


def _only(values: npt.NDArray[np.integer] | None, some: npt.NDArray[np.bool_]) -> npt.NDArray[np.integer] | None:
    return None if values is None else values[some]
