"""Random Fourier and ReLU features: least squares on more and more of them, past as many as there are samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.spatial.distance import cdist

from attar._settings import check_count
from attar.data.dataset import Doubles
from attar.errors import DataError
from attar.risk._measured import losses, measured_curve
from attar.risk._prefixes import Columns, blocks, fits
from attar.risk.curve import Curve
from attar.risk.task import Task

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
    task = Task.of(X, y, X_test, y_test)
    if features not in ("fourier", "relu"):
        raise DataError(f"features is {features!r}: give 'fourier' or 'relu'")
    check_count("draws", draws)
    check_count("random_state", random_state, 0)
    if scale is not None and not 0 < scale < np.inf:
        raise DataError(f"scale is {scale}: give a positive number")
    x, t = (a.reshape(len(a), -1).astype(np.float64) for a in (task.x, task.x_test))
    # Samples that are there c times are one of weight c: as rows, they would depend on one another.
    x, place = _different(x)
    counts = np.bincount(place)[:, None]
    root = np.sqrt(counts)
    asked = _sizes(sizes, len(x))

    def means(y: Doubles) -> Doubles:
        sums = np.zeros((len(x), y.shape[1]))
        np.add.at(sums, place, y)
        return np.asarray(sums / counts)

    if scale is None:
        scale = _scale(x, means(task.y), np.random.default_rng(random_state)) if features == "fourier" else 1.0
    done, total = 0, draws * blocks(len(x), asked)

    def stepped() -> None:
        nonlocal done
        done += 1
        if on_step is not None:
            on_step(done, total)

    risks, norms, thresholds = [], [], []
    for draw in range(draws):
        noisy = task.with_noise(label_noise, np.random.default_rng([random_state, draw]))
        drawn = partial(_features, features, scale, (random_state, draw))
        weighted = _weighted(root, partial(drawn, x))
        fitted = fits(weighted, partial(drawn, t), root * means(noisy.y), asked, stepped)
        risks.append(losses(noisy, (fitted.train / root)[:, place], fitted.test))
        norms.append(np.sqrt(asked) * np.linalg.norm(fitted.norm, axis=1))
        thresholds.append(np.inf if fitted.threshold is None else fitted.threshold)
    threshold = max(thresholds)
    return measured_curve(
        asked,
        np.array(risks),
        "features",
        task.classes is not None,
        norm=np.mean(norms, axis=0),
        threshold=threshold if np.isfinite(threshold) else None,
    )


def _different(x: Doubles) -> tuple[Doubles, npt.NDArray[np.intp]]:
    """Samples without those that were there before, and for every sample its place among them."""
    _, first, place = np.unique(x, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return x[first[order]], np.argsort(order)[place.ravel()]


def _weighted(root: Doubles, columns: Columns) -> Columns:
    return lambda start, stop: root * columns(start, stop)


def _sizes(sizes: npt.ArrayLike | None, n: int) -> list[int]:
    if sizes is None:
        shares = np.concatenate([_BELOW, _NEAR, np.geomspace(_NEAR[-1], _ABOVE, 16)])
        asked = np.unique(np.maximum(np.round(n * shares), 1))
    else:
        asked = np.unique(np.asarray(sizes))
        if not len(asked) or not np.issubdtype(asked.dtype, np.integer) or asked[0] < 1:
            raise DataError("sizes must be whole numbers of features, at least 1")
    return [int(p) for p in asked]


def _features(features: str, scale: float, seed: tuple[int, int], x: Doubles, start: int, stop: int) -> Doubles:
    """Features start … stop − 1 of samples `(n, d)`: `(n, stop − start)`."""
    made = []
    for block in range(start // _DRAWN, -(-stop // _DRAWN)):
        rng = np.random.default_rng([*seed, block])
        mine = slice(max(start - block * _DRAWN, 0), stop - block * _DRAWN)
        v = rng.standard_normal((_DRAWN, x.shape[1]))
        b = rng.uniform(0, 2 * np.pi, _DRAWN)[mine]
        if features == "relu":
            v /= np.linalg.norm(v, axis=1, keepdims=True)
            made.append(np.maximum(x @ v[mine].T, 0))
        else:
            z = x @ (v[mine].T / scale)
            z += b
            made.append(np.cos(z, out=z))
            made[-1] *= 2**0.5
    return np.concatenate(made, axis=1)


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
