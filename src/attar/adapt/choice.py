"""Which candidate to choose, and how good it is after having been chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from attar.adapt.intervals import Interval, Sizes, estimate, sums_of
from attar.adapt.validate import Indices
from attar.data.dataset import Doubles

_BOOTSTRAPS = 400
# A candidate that is a hair simpler is not preferred over one that is a hair better by rounding.
_TIE, _DIGITS = 1e-9, 12


def within_one_standard_error(
    right: Doubles,
    order: Sequence[int],
    together: npt.NDArray[np.integer] | None = None,
    classes: npt.NDArray[np.integer] | None = None,
) -> Indices:
    """The candidates that are not worse than the best by more than one standard error of their difference.

    The difference is taken sample by sample: candidates are right and wrong on much the same samples, so it is known
    better than either accuracy. Its standard error is what it would have were both equally good,

        SE² = Σ_g (Σ_{i ∈ g} (a_i − b_i))² / n²

    over groups g, which each might have favoured the other as well: so that one group alone decides nothing, however
    many samples it has. Of groups of equal size it makes the same choice as the usual SE around the mean difference.

    References:
        Breiman et al., Classification and Regression Trees, 1984, section 3.4.3 (the one-standard-error rule)

    Arguments:
        right: how often each candidate was right on each sample `(candidates, n)`, in [0, 1].
        order: rank of each candidate by simplicity; the simplest of equals is the best.
        together: the group of each sample `(n,)`, and
        classes: its class where each class counts the same, as of `standard_error`.

    Returns:
        Their indices, ascending.

    Example:
        >>> within_one_standard_error(np.array([[1, 1, 0, 1.0], [1, 1, 1, 1.0], [0, 0, 0, 0.0]]), order=[0, 1, 2])
        array([0, 1])
    """
    return _close(*sums_of(right, together, classes), order)[0]


def _close(sums: Doubles, sizes: Sizes, order: Sequence[int], times: Doubles | None = None) -> tuple[Indices, Doubles]:
    """The candidates that are close to the best, and the accuracy of each, where groups were drawn so many times each.

    As `mean_of` has it of the groups themselves, again and again, which would be copied for it.
    """
    w = np.ones(len(sizes)) if times is None else times
    n, totals = w @ sizes, w @ sums
    there, each = n > 0, 1 / np.maximum(n, 1)
    accuracy: Doubles = (totals * each)[:, there].mean(1)
    # Of equals, whatever rounding makes of them, the simplest.
    best = int(max(range(len(sums)), key=lambda i: (round(float(accuracy[i]), _DIGITS), -order[i])))
    a = sums @ each
    apart = (a[best] - a) / max(1, np.count_nonzero(there))
    error = np.sqrt(apart**2 @ w)
    return np.flatnonzero(accuracy[best] - accuracy <= error + _TIE), accuracy


def _simplest(sums: Doubles, sizes: Sizes, order: Sequence[int], times: Doubles | None = None) -> tuple[int, Doubles]:
    """The simplest of those, and the accuracies."""
    close, accuracy = _close(sums, sizes, order, times)
    return int(min(close, key=lambda i: (order[i], -accuracy[i]))), accuracy


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
    """The simplest candidate `within_one_standard_error`, its accuracy corrected for having been chosen.

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
        order: rank of each candidate by simplicity; among equals the more accurate is taken.
        seed: of the bootstrap.
        together: the group of each sample `(n,)`; None: none belong together.
        classes: the class of each sample `(n,)`, where each class counts the same.

    Returns:
        The choice; without any sample to judge by, the simplest candidate and an interval of everything.
    """
    sums, sizes = sums_of(right, together, classes)
    if not len(sizes):
        return Choice(int(np.argmin(order)), 0.0, (0.0, 1.0), 0.0)
    index = _simplest(sums, sizes, order)[0]
    recalls = sums.sum(1) / sizes.sum(0)
    rng = np.random.default_rng(seed)
    optimism = 0.0
    for _ in range(_BOOTSTRAPS):
        # A group that is drawn twice is two groups.
        times = np.bincount(rng.integers(len(sizes), size=len(sizes)), minlength=len(sizes)).astype(np.float64)
        then, looks = _simplest(sums, sizes, order, times)
        # A class that was not drawn would make the others look better or worse than all of them.
        is_really = recalls[then, times @ sizes > 0].mean()
        optimism += float(looks[then] - is_really) / _BOOTSTRAPS
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
