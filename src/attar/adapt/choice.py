"""Which candidate to choose, and how good it is after having been chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attar.adapt.intervals import Interval, Sizes, error_of, estimate, mean_of, sums_of
from attar.adapt.validate import Indices
from attar.data.dataset import Doubles

_BOOTSTRAPS = 400
# A candidate that is a hair simpler is not preferred over one that is a hair better by rounding.
_TIE = 1e-9


def one_standard_error(
    right: Doubles,
    order: Sequence[int],
    together: npt.NDArray[np.integer] | None = None,
    classes: npt.NDArray[np.integer] | None = None,
) -> int:
    """The simplest candidate that is not worse than the best by more than one standard error of their difference.

    The difference is taken sample by sample: candidates are right and wrong on much the same samples, so it is known
    better than either accuracy.

    References:
        Breiman et al., Classification and Regression Trees, 1984, section 3.4.3 (the one-standard-error rule)

    Arguments:
        right: how often each candidate was right on each sample `(candidates, n)`, in [0, 1].
        order: rank of each candidate by simplicity, the simplest first; among equals the more accurate is taken.
        together: the group of each sample `(n,)`, and
        classes: its class where each class counts the same, as of `standard_error`.

    Returns:
        Index of the candidate.

    Example:
        >>> one_standard_error(np.array([[1, 1, 0, 1.0], [1, 1, 1, 1.0]]), order=[0, 1])
        0
    """
    return _simplest(*sums_of(right, together, classes), order)


def within_one_standard_error(
    right: Doubles,
    order: Sequence[int],
    together: npt.NDArray[np.integer] | None = None,
    classes: npt.NDArray[np.integer] | None = None,
) -> Indices:
    """The candidates that are not worse than the best by more than one standard error of their difference.

    Arguments:
        right: how often each candidate was right on each sample `(candidates, n)`, in [0, 1].
        order: rank of each candidate by simplicity; the simplest of equals is the best.
        together: the group of each sample `(n,)`, and
        classes: its class where each class counts the same, as of `standard_error`.

    Returns:
        Their indices, ascending.
    """
    return _close(*sums_of(right, together, classes), order)


def _close(sums: Doubles, sizes: Sizes, order: Sequence[int]) -> Indices:
    accuracy = mean_of(sums, sizes)
    best = int(max(range(len(sums)), key=lambda i: (accuracy[i], -order[i])))
    difference = sums[best] - sums
    return np.flatnonzero(mean_of(difference, sizes) <= error_of(difference, sizes) + _TIE)


def _simplest(sums: Doubles, sizes: Sizes, order: Sequence[int]) -> int:
    accuracy = mean_of(sums, sizes)
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


def choose(
    right: Doubles,
    order: Sequence[int],
    seed: int,
    together: npt.NDArray[np.integer] | None = None,
    classes: npt.NDArray[np.integer] | None = None,
) -> Choice:
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
        classes: the class of each sample `(n,)`, where each class counts the same.

    Returns:
        The choice; without any sample to judge by, the simplest candidate and an interval of everything.
    """
    sums, sizes = sums_of(right, together, classes)
    if not len(sizes):
        return Choice(int(np.argmin(order)), 0.0, (0.0, 1.0), 0.0)
    index = one_standard_error(right, order, together, classes)
    rng = np.random.default_rng(seed)
    optimism = 0.0
    for _ in range(_BOOTSTRAPS):
        # A group that is drawn twice is two groups.
        again = rng.integers(len(sizes), size=len(sizes))
        drawn, n = sums[:, again], sizes[again]
        then = _simplest(drawn, n, order)
        # A class that was not drawn would make the others look better or worse than all of them.
        there = n.any(0)
        looks, is_really = mean_of(drawn[[then]], n)[0], mean_of(sums[[then]][:, :, there], sizes[:, there])[0]
        optimism += float(looks - is_really) / _BOOTSTRAPS
    return corrected(index, right[index], max(optimism, 0.0), together, classes)


def corrected(
    index: int,
    right: Doubles,
    optimism: float,
    together: npt.NDArray[np.integer] | None = None,
    classes: npt.NDArray[np.integer] | None = None,
) -> Choice:
    """A candidate with its accuracy less the optimism of choosing.

    Arguments:
        index: of the candidate.
        right: how often it was right on each sample `(n,)`, NaN where a sample was never held out.
        optimism: of choosing.
        together: as of `choose`, and
        classes: likewise.
    """
    return Choice(index, *estimate(right, together, optimism, classes), optimism)
