"""What more labels would bring, and what wrong ones cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from attar.risk.advice import Advice, Gain, gained, mean_of
from attar.risk.curve import Curve


def more_labels(curves: Sequence[Sequence[Curve]], default: float, *, share: float) -> Advice:
    """Twice as many labels, if the risk goes on falling as a power of their number; where it does not, as many as now.

    With R the risk with all, R₀ that with half or nearly half, and d doublings between the two, the next doubling takes
    off R (1 − (R/R₀)^(1/d)). The uncertainty is that of R₀ − R.

    References:
        Hestness et al., Deep learning scaling is predictable, empirically, 2017, https://arxiv.org/abs/1712.00409

    Arguments:
        curves: over samples, a row of folds for each round of cross-validation.
        default: how many there are.
        share: as in `attar.risk.advice.advise`.
    """
    mean = mean_of(curves)
    half = int(np.argmin(np.abs(mean.axis - mean.axis[-1] / 2)))
    doublings = float(np.log2(mean.axis[-1] / mean.axis[half])) or 1.0

    def gain(pick: Callable[[Curve], Curve]) -> Gain | None:
        risks = [np.stack([pick(c).test_risk[[half, -1]] for c in folds]) for folds in curves]
        before, now = np.concatenate(risks).mean(0)
        if not 0 < now < before:
            return None
        fallen = gained(risks, [np.full(len(risk), 1) for risk in risks], 0, share)
        ratio = now * (1 - (now / before) ** (1 / doublings)) / (before - now)
        low, high = (ratio * end for end in fallen.interval)
        return Gain(ratio * fallen.mean, (low, high), fallen.chance)

    of_loss, none = gain(lambda c: c), Gain(0.0, (0.0, 0.0), 0.0)
    if of_loss is None:
        return Advice("samples", default, default, none)
    errors = None if mean.zero_one is None else gain(lambda c: c.zero_one or c) or none
    return Advice("samples", default, 2 * default, of_loss, errors)


def wrong_labels(curves: Sequence[Sequence[Curve]], default: float, *, share: float) -> Advice:
    """What it costs if some labels are wrong: the setting is the second place of the axis, its gain below zero.

    Arguments:
        curves: over label noise, a row of folds for each round of cross-validation.
        default: the first place, no noise.
        share: as in `attar.risk.advice.advise`.
    """

    def gain(pick: Callable[[Curve], Curve]) -> Gain:
        risks = [np.stack([pick(c).test_risk for c in folds]) for folds in curves]
        return gained(risks, [np.full(len(risk), 1) for risk in risks], 0, share)

    mean = mean_of(curves)
    errors = None if mean.zero_one is None else gain(lambda c: c.zero_one or c)
    return Advice("label noise", default, float(mean.axis[1]), gain(lambda c: c), errors)
