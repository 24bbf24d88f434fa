"""How sure answers are, made as sure as labels that were held out say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from attar.data.dataset import Doubles

# What scores are multiplied with.
_TEMPERATURES = np.logspace(-1, 1.5, 26)
# A probability that is not told from 0.
TINY = 1e-12


def temperature(scores: Doubles, codes: npt.NDArray[np.intp]) -> float:
    """The scale of `scores` under which the labels are most likely; half a label of doubt keeps it finite."""
    n, k = scores.shape
    if not scores.any():  # nothing was held out
        return 1.0
    target = np.full((n, k), 0.5 / (n * k))
    target[np.arange(n), codes] += 1 - 0.5 / n
    losses = [-(target * log_softmax(t * scores, axis=1)).sum() for t in _TEMPERATURES]
    return float(_TEMPERATURES[int(np.argmin(losses))])


def sharpened(p: Doubles, t: float) -> Doubles:
    """p^t, to sum to 1 again: probabilities `(…, n_classes)` at a temperature of 1 / t."""
    raised: Doubles = softmax(t * np.log(np.maximum(p, TINY)), axis=-1)
    return raised


def sharpness(held_out: Doubles, codes: npt.NDArray[np.integer]) -> float:
    """The t of `sharpened` under which labels are most likely.

    Arguments:
        held_out: what is said of samples without their labels `(n, n_classes)`; NaN where nothing is.
        codes: their labels `(n,)`.

    References:
        Guo et al., On Calibration of Modern Neural Networks, 2017, https://arxiv.org/abs/1706.04599, section 4.2
    """
    known = ~np.isnan(held_out[:, 0])
    return temperature(np.log(np.maximum(held_out[known], TINY)), codes[known])
