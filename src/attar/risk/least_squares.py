"""Linear least squares on more and more features: the whole curve of double descent from one factorisation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from attar.errors import DataError
from attar.risk._path import Path
from attar.risk.curve import Curve

Doubles = npt.NDArray[np.float64]


def least_squares_path(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    sizes: npt.ArrayLike | None = None,
) -> Curve:
    """Risk of least squares on the first p features, for every p at once.

        p < n: β = argmin ‖Xβ − y‖²      p = n: β = X⁻¹ y      p > n: β = X⁺ y, the interpolant of least norm

    which is where gradient descent from zero arrives, for each p. Where columns depend on one another, β = X⁺ y
    throughout. Costs O(n (n + n_test) p_max) for all p together, where a solver called once for each p costs
    O(n² p_max) for every one; another right-hand side adds O((n + n_test) p_max).

    References:
        Belkin, Hsu, Xu, Two models of double descent for weak features, 2020, https://arxiv.org/abs/1903.07571
        Hastie et al., Surprises in high-dimensional ridgeless least squares interpolation, 2022,
        https://arxiv.org/abs/1903.08560

    Arguments:
        X: training samples `(n, p_max)`, the features in the order in which they are added. A constant is not added.
        y: targets `(n,)`, or several draws of them `(n, m)`.
        X_test: test samples `(n_test, p_max)`.
        y_test: their targets `(n_test,)` or `(n_test, m)`.
        sizes: the numbers p to report, from 1 to p_max; every one where left out.

    Returns:
        A curve over p: mean squared errors, the mean over the draws with their 5 and 95 % quantiles as intervals; ‖β‖;
        the scaled condition number, which bounds how many digits a risk has lost near the threshold; the threshold.

    Raises:
        DataError: not numeric or not finite, shapes that do not fit, no sample or no feature, sizes out of range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X, T, b = rng.normal(size=(20, 60)), rng.normal(size=(500, 60)), rng.normal(size=60) / 8
        >>> curve = least_squares_path(X, X @ b + rng.normal(size=20) / 4, T, T @ b)
        >>> curve.threshold, max(curve.peaks) in (19.0, 20.0, 21.0), curve.best > 20
        (20.0, True, True)
    """
    x, targets, t, expected = _checked(X, y, X_test, y_test)
    asked = _sizes(sizes, x.shape[1])
    n, k, m = len(x), len(asked), targets.shape[1]
    train, test, norm = (np.empty((k, m)) for _ in range(3))
    condition = np.empty(k)
    frobenius = np.cumsum(np.einsum("ij,ij->j", x, x))
    threshold: float | None = None
    for step in Path(x, targets, t).steps():
        if threshold is None and step.rank[-1] == n:
            threshold = float(step.first + int(np.argmax(step.rank == n)))
        for p, predictions in step.predictions(asked):
            i, place = p - step.first, int(np.searchsorted(asked, p))
            train[place] = step.residual[i] / n
            test[place] = ((expected - predictions) ** 2).mean(0)
            norm[place] = np.sqrt(step.norm[i])
            condition[place] = np.sqrt(step.inverse[i] * frobenius[p - 1])
    return Curve(
        asked.astype(np.float64),
        train.mean(1),
        test.mean(1),
        over="features",
        train_interval=_interval(train),
        test_interval=_interval(test),
        norm=norm.mean(1),
        condition=condition,
        threshold=threshold,
    )


def _checked(
    X: npt.ArrayLike, y: npt.ArrayLike, X_test: npt.ArrayLike, y_test: npt.ArrayLike
) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """As float64, the targets as columns."""
    arrays = []
    for name, value in (("X", X), ("y", y), ("X_test", X_test), ("y_test", y_test)):
        try:
            array = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{name} is not numeric: give an array of numbers") from None
        wanted = 2 if name.startswith("X") else 1
        if array.ndim == 1 and wanted == 1:
            array = array[:, None]
        if array.ndim != 2 or not array.size:
            raise DataError(
                f"{name} has shape {np.shape(value)}: give {'(n, p)' if wanted == 2 else '(n,) or (n, m)'}, not empty"
            )
        if not np.isfinite(array).all():
            row = int(np.argmin(np.isfinite(array).all(1)))
            raise DataError(f"{name} has a missing or infinite value in row {row}: fill it or leave the row out")
        arrays.append(array)
    x, targets, t, expected = arrays
    for name, samples, values in (("", x, targets), ("_test", t, expected)):
        if len(samples) != len(values):
            raise DataError(
                f"X{name} has {len(samples)} rows and y{name} {len(values)}: give one target for each sample"
            )
    if x.shape[1] != t.shape[1]:
        raise DataError(f"X has {x.shape[1]} columns and X_test {t.shape[1]}: give the same features")
    if expected.shape[1] not in (1, targets.shape[1]):
        raise DataError(f"y has {targets.shape[1]} draws and y_test {expected.shape[1]}: give as many, or one for all")
    return x, targets, t, expected


def _sizes(sizes: npt.ArrayLike | None, p_max: int) -> npt.NDArray[np.intp]:
    if sizes is None:
        return np.arange(1, p_max + 1)
    asked = np.unique(np.asarray(sizes))
    if not len(asked) or not np.issubdtype(asked.dtype, np.integer) or asked[0] < 1 or asked[-1] > p_max:
        raise DataError(f"sizes must be whole numbers from 1 to {p_max}, the number of columns of X")
    return asked.astype(np.intp)


def _interval(draws: Doubles) -> Doubles | None:
    return np.quantile(draws, [0.05, 0.95], axis=1).T if draws.shape[1] > 1 else None
