"""Random Fourier and ReLU features: least squares on more and more of them, past as many as there are samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.spatial.distance import cdist

from attar._settings import is_positive
from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._measured import losses, measured_curve
from attar.risk._prefixes import Fits, blocks, fits
from attar.risk._regression import ascending
from attar.risk.curve import Curve
from attar.risk.task import Task, noisy_draws

# Features that are drawn at once, each block from a seed of its own: the first N are the same for every list of sizes.
_DRAWN = 256
# Scales that are tried, as shares of the median distance; on so many samples.
_SCALES, _SAMPLES = 2.0 ** np.arange(-4, 2), 1000
# Sizes where none are given, as shares of the number of samples.
_BELOW, _NEAR, _ABOVE = np.geomspace(0.005, 0.8, 18), np.array([0.9, 0.95, 0.98, 0.99, 1, 1.01, 1.02, 1.05, 1.1]), 4.0


def feature_curve(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    X_test: npt.ArrayLike,
    y_test: npt.ArrayLike,
    sizes: npt.ArrayLike | None = None,
    *,
    features: str = "fourier",
    scale: float | None = None,
    label_noise: float = 0.0,
    draws: int = 1,
    random_state: int = 0,
    on_step: Callable[[int, int], None] | None = None,
) -> Curve:
    """Risk of least squares on the first N random features, for growing N.

        h(x) = Σ aₖ φₖ(x),   a = Φ⁺ y      the least-squares fit for N < n, the interpolant of least norm for N ≥ n

        fourier: φₖ(x) = √2 cos(⟨vₖ, x⟩ + bₖ),  vₖ ~ N(0, σ⁻² I), bₖ uniform on [0, 2π]
        relu:    φₖ(x) = max(⟨vₖ, x⟩, 0),       vₖ uniform on the sphere

    Each is one real parameter for each target, so that the interpolation threshold is N = n. For N → ∞ the Fourier fit
    becomes that of the kernel exp(−‖x − x'‖² / 2σ²). Classes are targets of 0 and 1, one column for each; their
    zero-one loss is that of the largest column. One run costs about 8/3 n³ + 2n² (N − n) operations for all sizes
    together, in memory for 3n² numbers.

    References:
        Rahimi, Recht, Random features for large-scale kernel machines, 2007,
        https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines
        Belkin, Hsu, Ma, Mandal, Reconciling modern machine-learning practice and the classical bias-variance trade-off,
        2019, https://arxiv.org/abs/1812.11118 (figure 2)

    Arguments:
        X: training samples `(n, *shape)`, flattened; columns that are measured in different units should be scaled.
        y: `(n,)` classes or numbers, or `(n, m)` numbers.
        X_test: test samples `(n_test, *shape)`.
        y_test: `(n_test,)` or `(n_test, m)`.
        sizes: numbers of features N to report; by default some 40, dense around n, up to 4n.
        features: "fourier" or "relu".
        scale: σ of Fourier features. Where left out, that share of the median distance between training samples, of
            1/16, 1/8, … 2, by which the kernel interpolates at most 1000 of them with the lowest leave-one-out error.
        label_noise: share of the training samples that get another class.
        draws: how many times features and label noise are drawn.
        random_state: seed of them.
        on_step: called with the number of steps done and of all.

    Returns:
        A curve over N: squared errors, summed over the columns of a sample, as means over samples and draws, with
        intervals where there are several draws; `zero_one` for classes; √N ‖a‖, which tends to the norm of the
        kernel's interpolant; and as threshold the number of different training samples, from which on the training risk
        is as low as their targets allow.

    Raises:
        DataError: not numeric or not finite, shapes that do not fit, no sample; sizes, features, scale, share or draws
            out of range.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> X, T = rng.normal(size=(40, 3)), rng.normal(size=(500, 3))
        >>> curve = feature_curve(X, np.sin(2 * X[:, 0]), T, np.sin(2 * T[:, 0]), [4, 20, 40, 400])
        >>> curve.threshold, curve.peaks, curve.best
        (40.0, (40.0,), 400.0)
    """
    task = Task.of(X, y, X_test, y_test).flattened()
    if features not in ("fourier", "relu"):
        raise DataError(f"features is {features!r}: give 'fourier' or 'relu'")
    noisy_tasks = noisy_draws(task, label_noise, draws, random_state)
    if scale is not None and not is_positive(scale):
        raise DataError(f"scale is {scale}: give a positive number")
    distinct = _Distinct.of(task.x)
    asked = _sizes(sizes, len(distinct.samples))
    if features == "relu":
        scale = 1.0
    elif scale is None:
        scale = _scale(distinct.samples, distinct.means(task.y), np.random.default_rng(random_state))
    done, total = count(1), draws * blocks(len(distinct.samples), asked)

    def on_block() -> None:
        if on_step is not None:
            on_step(next(done), total)

    risks, norms, thresholds = [], [], []
    for draw, noisy in enumerate(noisy_tasks):
        fit = _fit(noisy, distinct, asked, partial(_features, features, scale, (random_state, draw)), on_block)
        risks.append(losses(noisy, fit.train, fit.test))
        norms.append(np.sqrt(asked) * np.linalg.norm(fit.norm, axis=1))
        thresholds.append(fit.threshold or np.inf)
    threshold = max(thresholds)
    return measured_curve(
        asked,
        np.array(risks),
        "features",
        task.classes is not None,
        norm=np.mean(norms, axis=0),
        threshold=threshold if np.isfinite(threshold) else None,
    )


@dataclass(frozen=True)
class _Distinct:
    """Samples without those that were there before: as rows of a matrix, copies would depend on one another.

    Arguments:
        samples: `(k, d)`.
        place: of every sample among them `(n,)`.
        counts: how often each of them is there `(k, 1)`.
    """

    samples: Doubles
    place: npt.NDArray[np.intp]
    counts: npt.NDArray[np.intp]

    @classmethod
    def of(cls, x: Doubles) -> Self:
        """From samples `(n, d)`."""
        _, first, place = np.unique(x, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.argsort(order)[place.ravel()]
        return cls(x[first[order]], place, np.bincount(place)[:, None])

    def means(self, y: Doubles) -> Doubles:
        """Mean targets `(k, m)`."""
        sums = np.zeros((len(self.samples), y.shape[1]))
        np.add.at(sums, self.place, y)
        return np.asarray(sums / self.counts)


def _fit(
    task: Task,
    distinct: _Distinct,
    sizes: list[int],
    features: Callable[[Doubles, int, int], Doubles],
    on_block: Callable[[], None],
) -> Fits:
    """Least squares on the first features: a sample that is there c times is one of weight c."""
    root = np.sqrt(distinct.counts)
    fit = fits(
        lambda start, stop: root * features(distinct.samples, start, stop),
        partial(features, task.x_test),
        root * distinct.means(task.y),
        sizes,
        on_block,
    )
    return replace(fit, train=(fit.train / root)[:, distinct.place])


def _sizes(sizes: npt.ArrayLike | None, n: int) -> list[int]:
    if sizes is None:
        shares = np.concatenate([_BELOW, _NEAR, np.geomspace(_NEAR[-1], _ABOVE, 16)])
        sizes = np.maximum(np.round(n * shares), 1).astype(int)
    return [int(size) for size in ascending(sizes, "sizes must be whole numbers of features, at least 1")]


def _features(features: str, scale: float, seed: tuple[int, int], x: Doubles, start: int, stop: int) -> Doubles:
    """Features start … stop − 1 of samples `(n, d)`: `(n, stop − start)`."""
    columns = []
    for block in range(start // _DRAWN, -(-stop // _DRAWN)):
        rng = np.random.default_rng([*seed, block])
        within = slice(max(start - block * _DRAWN, 0), stop - block * _DRAWN)
        v = rng.standard_normal((_DRAWN, x.shape[1]))
        b = rng.uniform(0, 2 * np.pi, _DRAWN)[within]
        if features == "relu":
            v /= np.linalg.norm(v, axis=1, keepdims=True)
            columns.append(np.maximum(x @ v[within].T, 0))
        else:
            z = x @ (v[within].T / scale)
            z += b
            np.cos(z, out=z)
            z *= 2**0.5
            columns.append(z)
    return np.concatenate(columns, axis=1)


def _scale(x: Doubles, y: Doubles, rng: np.random.Generator) -> float:
    """That with the lowest leave-one-out error, which is yᵢ − f₋ᵢ(xᵢ) = (K⁻¹ y)ᵢ / (K⁻¹)ᵢᵢ."""
    some = rng.permutation(len(x))[:_SAMPLES]
    distances, y = cdist(x[some], x[some]), y[some]
    median = float(np.median(distances[distances > 0])) if distances.any() else 1.0

    def error(share: float) -> float:
        kernel = np.exp(-0.5 * (distances / (share * median)) ** 2)
        try:
            inverse = cho_solve(cho_factor(kernel), np.eye(len(y)))
        except LinAlgError:  # so wide that rounding cannot tell samples apart
            return np.inf
        return float(np.square(inverse @ y / np.diag(inverse)[:, None]).sum())

    return median * float(min(_SCALES, key=error))
