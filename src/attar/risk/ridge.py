"""Ridge regression: the whole path in λ from one decomposition, and the best λ for every number of features."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._measured import curve_of_draws
from attar.risk._regression import checked, numbers, sizes_of, thin_svd
from attar.risk.curve import Curve

# Values of λ where none are given, from this share of the largest squared singular value up.
_VALUES, _SMALLEST, _LARGEST = 61, 1e-10, 1e2


def ridge_path(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike | None = None,
    y_test: npt.ArrayLike | None = None,
    ridges: npt.ArrayLike | None = None,
) -> Curve:
    """Risk of ridge regression for every λ at once.

        β = argmin ‖Xβ − y‖² + λ ‖β‖² = V diag(sᵢ/(sᵢ² + λ)) Uᵀ y,   X = U diag(s) Vᵀ

    One decomposition serves all λ; λ = 0 is the least-squares solution of least norm. Where there are no test samples,
    the risk is that of leaving out one sample at a time, exactly, without a further fit:

        yᵢ − ŷ₋ᵢ = (yᵢ − ŷᵢ)/(1 − hᵢ),   h = diag(U diag(s²/(s² + λ)) Uᵀ)

    so the λ that is chosen by it, `best` of the curve, has seen no test sample.

    References:
        Hoerl, Kennard, Ridge regression: biased estimation for nonorthogonal problems, 1970,
        https://doi.org/10.1080/00401706.1970.10488634
        Golub, Heath, Wahba, Generalized cross-validation as a method for choosing a good ridge parameter, 1979,
        https://doi.org/10.1080/00401706.1979.10489751

    Arguments:
        X: training samples `(n, p)`. A constant is not added.
        y: targets `(n,)`, or several draws of them `(n, m)`.
        X_test: `(n_test, p)`; left out: samples left out one at a time.
        y_test: `(n_test,)` or `(n_test, m)`.
        ridges: values of λ, zero or more; left out: 61, from 1e-10 to 100 times the largest squared singular value.

    Returns:
        A curve over λ, ascending.

    Raises:
        DataError: as `least_squares_path`; a λ below zero; X_test without y_test.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X, b = rng.normal(size=(200, 100)), np.ones(100) / 10
        >>> curve = ridge_path(X, X @ b + rng.normal(size=200))
        >>> curve.over, 10 < curve.best < 1000  # p σ² / ‖β‖² is 100
        ('λ', True)
    """
    if (X_test is None) != (y_test is None):
        raise DataError("give X_test and y_test together, or neither")
    alone = X_test is None
    x, targets, t, expected = checked(X, y, X if X_test is None else X_test, y if y_test is None else y_test)
    u, s, vt = thin_svd(x)
    asked = _ridges(ridges, float(s[0] ** 2) if len(s) else 1.0)
    along, on_test = u.T @ targets, t @ vt.T
    n, m = targets.shape
    train, test, norm = (np.empty((len(asked), m)) for _ in range(3))
    for i, ridge in enumerate(asked):
        shares = s**2 / (s**2 + ridge)
        residual = targets - u @ (shares[:, None] * along)
        solution = (s / (s**2 + ridge))[:, None] * along
        train[i], norm[i] = (residual**2).mean(0), np.linalg.norm(solution, axis=0)
        if alone:
            test[i] = (left_out(u, s, ridge, targets) ** 2).mean(0)
        else:
            test[i] = ((expected - on_test @ solution) ** 2).mean(0)
    return curve_of_draws(
        asked,
        train,
        test,
        "λ",
        loss="squared error, left out one by one" if alone else "squared error",
        norm=norm.mean(1),
        threshold=float(asked[0]) if asked[0] == 0 and len(s) == n else None,
    )


def tuned_path(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    sizes: npt.ArrayLike | None = None,
) -> Curve:
    """Risk of ridge regression on the first p features, with for each p the λ that serves samples left out best.

    With the best λ there is no peak at the threshold: for isotropic features the risk then never rises with more
    samples, nor with more features of a model that they complete.

    References:
        Nakkiran, Venkat, Kakade, Ma, Optimal regularization can mitigate double descent, 2021,
        https://arxiv.org/abs/2003.01897

    Arguments:
        X, y, X_test, y_test, sizes: as in `least_squares_path`; without sizes 40 from 1 to p_max.

    Returns:
        A curve over p. λ is chosen on the training samples, by the mean over the draws.

    Raises:
        DataError: as `least_squares_path`.

    Example:
        >>> from attar.risk import least_squares_path
        >>> rng = np.random.default_rng(0)
        >>> X, T, b = rng.normal(size=(100, 300)), rng.normal(size=(300, 300)), np.ones(300) / 300**0.5
        >>> curve = tuned_path(X, X @ b + rng.normal(size=100) / 2, T, T @ b, sizes=[50, 100, 200, 300])
        >>> least = least_squares_path(X, X @ b, T, T @ b, noise=1 / 4)
        >>> bool(curve.test_risk.max() < 1.5), bool(least.test_risk.max() > 15)
        (True, True)
    """
    x, targets, t, expected = checked(X, y, X_test, y_test)
    p_max = x.shape[1]
    asked = sizes_of(np.unique(np.geomspace(1, p_max, 40).astype(int)) if sizes is None else sizes, p_max)
    curves = []
    for p in asked:
        ridge = ridge_path(x[:, :p], targets).best
        curves.append(ridge_path(x[:, :p], targets, t[:, :p], expected, [ridge]))
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(curve, name) for curve in curves])
        for name in ("train_risk", "test_risk", "norm", "train_interval", "test_interval")
        if getattr(curves[0], name) is not None
    }
    return replace(curves[0], axis=asked.astype(np.float64), over="features", threshold=None, **joined)


def left_out(u: Doubles, s: Doubles, ridge: float, targets: Doubles, constant: float = 0.0) -> Doubles:
    """Residuals of samples that were left out: what is left of y over what is left of a sample's own weight.

    Where all samples are interpolated, both are zero at λ = 0, and their ratio has a limit.

    Arguments:
        u, s: of `thin_svd`.
        ridge: λ.
        targets: `(n, m)`.
        constant: the part 1/n that a sample has in a constant, where X and the targets have had theirs taken off.
    """
    n, rank = u.shape
    along = u.T @ targets
    if rank == n and not constant:
        # Against the smallest, so that the units of X count nothing.
        left = (s[-1] ** 2 + ridge) / (s**2 + ridge)
        limit: Doubles = (u @ (left[:, None] * along)) / ((u**2) @ left)[:, None]
        return limit
    left = ridge / (s**2 + ridge)
    residual = u @ (left[:, None] * along) + targets - u @ along
    free = (u**2) @ left + np.maximum(1 - constant - (u**2).sum(1), 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        # A sample with a direction of its own cannot be foretold by the others: its answer is then zero.
        errors: Doubles = np.where(free[:, None] > 1e-14, residual / free[:, None], targets)
    return errors


def _ridges(ridges: npt.ArrayLike | None, largest: float) -> Doubles:
    if ridges is None:
        grid: Doubles = largest * np.geomspace(_SMALLEST, _LARGEST, _VALUES)
        return grid
    asked = np.unique(numbers("ridges", ridges))
    if not len(asked) or asked[0] < 0:
        raise DataError("ridges must be numbers of zero or more, at least one")
    return asked
