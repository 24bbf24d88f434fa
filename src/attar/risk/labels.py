"""What more labels would bring, and what wrong ones cost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from attar.risk.advice import Advice, Gain, gained, risks_of, zero_ones
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
    axis, wrong = curves[0][0].axis, zero_ones(curves)
    half = int(np.argmin(np.abs(axis - axis[-1] / 2)))
    doublings = float(np.log2(axis[-1] / axis[half])) or 1.0

    def gain(of: Sequence[Sequence[Curve]]) -> Gain | None:
        risks = [risk[:, [half, -1]] for risk in risks_of(of)]
        before, now = np.concatenate(risks).mean(0)
        if not 0 < now < before:
            return None
        fallen = gained(risks, [np.full(len(risk), 1) for risk in risks], 0, share)
        ratio = now * (1 - (now / before) ** (1 / doublings)) / (before - now)
        low, high = (ratio * end for end in fallen.interval)
        return Gain(ratio * fallen.mean, (low, high), fallen.chance)

    of_loss, none = gain(curves), Gain(0.0, (0.0, 0.0), 0.0)
    if of_loss is None:
        return Advice("samples", default, default, none)
    return Advice("samples", default, 2 * default, of_loss, gain(wrong) or none if wrong else None)


def wrong_labels(curves: Sequence[Sequence[Curve]], default: float, *, share: float) -> Advice:
    """What it costs if some labels are wrong: the setting is the second place of the axis, its gain below zero.

    Arguments:
        curves: over label noise, a row of folds for each round of cross-validation.
        default: the first place, no noise.
        share: as in `attar.risk.advice.advise`.
    """

    def gain(of: Sequence[Sequence[Curve]]) -> Gain:
        risks = risks_of(of)
        return gained(risks, [np.full(len(risk), 1) for risk in risks], 0, share)

    wrong = zero_ones(curves)
    setting = float(curves[0][0].axis[1])
    return Advice("label noise", default, setting, gain(curves), gain(wrong) if wrong else None)
