"""Where a risk has its minima and peaks, ripples aside."""

from __future__ import annotations

import numpy as np

from attar.data.dataset import Doubles

CLEAR = 0.05
"""A minimum or peak counts if the risk rises, or falls, by this share of it on both sides."""


def extremes(risk: Doubles, slack: Doubles) -> tuple[list[int], list[int]]:
    """Indices of the minima and of the peaks between them; a change of less than `CLEAR` or the slack is a ripple."""
    risk = np.where(np.isfinite(risk), risk, np.finfo(float).max / 4)
    minima: list[int] = []
    peaks: list[int] = []
    lowest = highest = 0
    falling = True
    for i in range(1, len(risk)):
        if falling:
            if risk[i] < risk[lowest]:
                lowest = i
            elif risk[i] > risk[lowest] + max(CLEAR * risk[lowest], np.hypot(slack[i], slack[lowest])):
                minima.append(lowest)
                falling, highest = False, i
        else:
            if risk[i] > risk[highest]:
                highest = i
            elif risk[i] < risk[highest] - max(CLEAR * risk[highest], np.hypot(slack[i], slack[highest])):
                peaks.append(highest)
                falling, lowest = True, i
    return ([*minima, lowest], peaks) if falling else (minima, peaks)


def near(axis: Doubles, i: int, value: float) -> bool:
    """Whether a value lies within two places of the i-th."""
    return bool(axis[max(i - 2, 0)] <= value <= axis[min(i + 2, len(axis) - 1)])
