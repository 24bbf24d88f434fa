"""Linear least squares on more and more features: the whole curve of double descent from one factorisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from attar._settings import is_amount
from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._measured import curve_of_draws
from attar.risk._path import Path
from attar.risk._regression import checked, sizes_of
from attar.risk.curve import Curve


def least_squares_path(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    sizes: npt.ArrayLike | None = None,
    *,
    noise: float | None = None,
) -> Curve:
    """Risk of least squares on the first p features, for every p at once.

        p < n: β = argmin ‖Xβ − y‖²      p = n: β = X⁻¹ y      p > n: β = X⁺ y, the interpolant of least norm

    which is where gradient descent from zero arrives, for each p. Where columns depend on one another, β = X⁺ y
    throughout. Costs O(n (n + n_test) p_max) for all p together, where a solver called once for each p costs
    O(n² p_max) for every one; another right-hand side adds O((n + n_test) p_max).

    Where the variance σ² of the noise is known and y = f(X) is given without it, no draw of noise is needed:

        bias² = E ‖x X⁺ f(X) − f(x)‖²      variance = σ² E ‖x X⁺‖²      risk = bias² + variance + σ²

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
        noise: σ²; y and y_test are then without noise, and risks, bias² and variance are exact means over all noise of
            this variance, in y and in y_test, for these X. About four times the cost.

    Returns:
        A curve over p: mean squared errors, the mean over the draws with their 5 and 95 % quantiles as intervals; ‖β‖,
        of known noise the root of the mean of ‖β‖²;
        the scaled condition number, which bounds how many digits a risk has lost near the threshold; the threshold.

    Raises:
        DataError: not numeric or not finite, shapes that do not fit, no sample or no feature, sizes out of range, or
            noise below zero.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X, T, b = rng.normal(size=(20, 60)), rng.normal(size=(500, 60)), rng.normal(size=60) / 8
        >>> curve = least_squares_path(X, X @ b + rng.normal(size=20) / 4, T, T @ b)
        >>> curve.threshold, max(curve.peaks) in (19.0, 20.0, 21.0), curve.best > 20
        (20.0, True, True)
        >>> curve = least_squares_path(X, X @ b, T, T @ b, noise=1 / 16)
        >>> bool(np.allclose(curve.bias2 + curve.variance + curve.noise, curve.test_risk))
        True
    """
    x, targets, t, expected = checked(X, y, X_test, y_test)
    asked = sizes_of(sizes, x.shape[1])
    if noise is not None and not is_amount(noise):
        raise DataError(f"noise is {noise}: give a variance, zero or more")
    n, k, m = len(x), len(asked), targets.shape[1]
    # With the identity as further targets, the predictions are T X⁺ itself.
    columns = targets if noise is None else np.concatenate([targets, np.eye(n)], axis=1)
    train, test, norm = (np.empty((k, m)) for _ in range(3))
    condition, variance, fitted, length = (np.empty(k) for _ in range(4))
    frobenius = np.cumsum(np.einsum("ij,ij->j", x, x))
    path = Path(x, columns, t)
    for step in path.steps():
        for p, predictions in step.predictions(asked):
            i, place = p - step.first, int(np.searchsorted(asked, p))
            train[place] = step.residual[i, :m] / n
            test[place] = ((expected - predictions[:, :m]) ** 2).mean(0)
            norm[place] = np.sqrt(step.norm[i, :m])
            condition[place] = np.sqrt(step.inverse[i] * frobenius[p - 1])
            variance[place] = (predictions[:, m:] ** 2).sum() / len(t)
            fitted[place], length[place] = step.rank[i] / n, step.inverse[i]
    curve = curve_of_draws(
        asked,
        train,
        test,
        "features",
        # What noise adds to the mean of the squares is a sum.
        norm=norm.mean(1) if noise is None else np.sqrt(np.square(norm).mean(1)),
        condition=condition,
        threshold=path.threshold,
    )
    return curve if noise is None else _with_noise(curve, noise, variance, 1 - fitted, length)


def _with_noise(curve: Curve, noise: float, variance: Doubles, left: Doubles, length: Doubles) -> Curve:
    """The means over noise: what it adds to predictions, what it leaves in the residual, and what it adds to ‖β‖²."""
    spread = noise * variance

    def moved(interval: Doubles | None, by: Doubles) -> Doubles | None:
        return None if interval is None else interval + by[:, None]

    assert curve.norm is not None
    return replace(
        curve,
        train_risk=curve.train_risk + noise * left,
        test_risk=curve.test_risk + spread + noise,
        train_interval=moved(curve.train_interval, noise * left),
        test_interval=moved(curve.test_interval, spread + noise),
        bias2=curve.test_risk,
        variance=spread,
        noise=noise,
        norm=np.sqrt(curve.norm**2 + noise * length),
    )
