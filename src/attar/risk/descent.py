"""Gradient descent on least squares, where it goes and when it arrives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from attar._settings import is_positive
from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._measured import curve_of_draws
from attar.risk._regression import checked, numbers, thin_svd
from attar.risk.curve import Curve


def gradient_descent_path(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    steps: npt.ArrayLike | None = None,
    *,
    start: npt.ArrayLike | None = None,
    rate: float | None = None,
) -> Curve:
    """Risk along gradient descent βₜ₊₁ = βₜ − η Xᵀ(Xβₜ − y), at any steps without those between.

        βₜ = β₀ + V diag((1 − (1 − η sᵢ²)ᵗ)/sᵢ) Uᵀ (y − X β₀),   X = U diag(s) Vᵀ

    As t grows this becomes β₀ + X⁺(y − Xβ₀): from zero the solution of least norm X⁺y, from elsewhere the solution that
    is nearest to the start, the projection of β₀ onto all of them. Stopping early acts as a ridge of about 1/(ηt).

    References:
        Ali, Kolter, Tibshirani, A continuous-time view of early stopping for least squares, 2019,
        https://arxiv.org/abs/1810.10082
        Hastie et al., Surprises in high-dimensional ridgeless least squares interpolation, 2022, proposition 1,
        https://arxiv.org/abs/1903.08560

    Arguments:
        X, y, X_test, y_test: as in `least_squares_path`.
        steps: whole numbers t, zero or more; left out: 60 up to where the slowest direction has arrived, or 1e9.
        start: β₀ `(p,)`; zero where left out.
        rate: η, below 2 / s₁²; 1 / s₁² where left out.

    Returns:
        A curve over steps.

    Raises:
        DataError: as `least_squares_path`; a rate at which descent does not converge.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X, y = rng.normal(size=(10, 30)), rng.normal(size=10)
        >>> curve = gradient_descent_path(X, y, np.eye(30), np.zeros(30))
        >>> bool(np.isclose(curve.norm[-1], np.linalg.norm(np.linalg.pinv(X) @ y)))
        True
    """
    x, targets, t, expected = checked(X, y, X_test, y_test)
    p = x.shape[1]
    beta = np.zeros(p) if start is None else numbers("start", start)
    if beta.shape != (p,):
        raise DataError(f"start has shape {beta.shape}: give one number for each of the {p} features")
    u, s, vt = thin_svd(x)
    largest = float(s[0] ** 2) if len(s) else 1.0
    eta = 1 / largest if rate is None else rate
    if not is_positive(eta) or eta >= 2 / largest:
        raise DataError(f"rate is {eta}: descent converges between 0 and {2 / largest:g}, twice 1/s²")
    # Of directions that go beyond where they arrive, and back, a fast one may be the slowest to arrive.
    asked = _steps(steps, float(min(eta * s[-1] ** 2, 2 - eta * largest)) if len(s) else 1.0)
    rest = targets - (x @ beta)[:, None]
    along, outside, at_start = u.T @ rest, rest - u @ (u.T @ rest), t @ beta
    on_test = t @ vt.T
    train, test, norm = (np.empty((len(asked), targets.shape[1])) for _ in range(3))
    for i, step in enumerate(asked):
        left, gone = _shares(eta * s**2, step)
        moved = (gone / s)[:, None] * along
        train[i] = ((u @ (left[:, None] * along) + outside) ** 2).mean(0)
        test[i] = ((expected - at_start[:, None] - on_test @ moved) ** 2).mean(0)
        norm[i] = np.linalg.norm(beta[:, None] + vt.T @ moved, axis=0)
    return curve_of_draws(asked, train, test, "steps", norm=norm.mean(1))


def _shares(speeds: Doubles, step: float) -> tuple[Doubles, Doubles]:
    """(1 − v)ᵗ, which is left of each direction after t steps, and 1 − (1 − v)ᵗ, which is gone; v from 0 to 2."""
    slow = speeds < 0.5
    # 1 − v would lose most digits of a small v, and in so many steps as it takes, that would be seen.
    exponent = step * np.log1p(-np.where(slow, speeds, 0.0))
    left: Doubles = np.where(slow, np.exp(exponent), _power(1 - speeds, step))
    return left, np.where(slow, -np.expm1(exponent), 1 - left)


def _power(base: Doubles, step: float) -> Doubles:
    """A power with a whole exponent that may be large."""
    return np.where(base < 0, (-1.0) ** (step % 2), 1.0) * np.abs(base) ** step


def _steps(steps: npt.ArrayLike | None, slowest: float) -> Doubles:
    if steps is None:
        # e⁻³⁰ of the slowest direction is left.
        last = min(max(30 / slowest, 10.0), 1e9)
        return np.unique(np.round(np.concatenate([[0.0], np.geomspace(1, last, 59)])))
    asked = np.unique(numbers("steps", steps))
    if not len(asked) or asked[0] < 0 or (asked != np.round(asked)).any():
        raise DataError("steps must be whole numbers of zero or more, at least one")
    return asked
