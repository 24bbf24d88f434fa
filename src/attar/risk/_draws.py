"""A curve of what was measured in several draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from attar.risk.curve import Curve

Doubles = npt.NDArray[np.float64]


def mean_curve(axis: npt.ArrayLike, train: Doubles, test: Doubles, **others: Any) -> Curve:
    """Means of risks `(draws, k)`, with the intervals between their 5 and 95 % quantiles; what else a curve has."""
    draws = len(train)
    intervals = [np.quantile(risk, [0.05, 0.95], axis=0).T if draws > 1 else None for risk in (train, test)]
    return Curve(
        np.asarray(axis, dtype=np.float64),
        train.mean(0),
        test.mean(0),
        draws=draws,
        train_interval=intervals[0],
        test_interval=intervals[1],
        **others,
    )
