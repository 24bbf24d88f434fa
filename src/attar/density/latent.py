"""Samples from between two others, and new ones: by way of a representation that can be undone."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.utils import check_random_state

from attar.data.dataset import Doubles
from attar.data.held import plain
from attar.density.base import AnyFloats, RandomState
from attar.density.mixture import drawn
from attar.errors import DataError

# Segments of a path along the density, the sine waves that bend it, and draws from the density that it may pass by.
_SEGMENTS = 32
_WAVES = 4
_VIA = 256
_ITERATIONS = 60
# Step of the finite differences, against the length of the straight path.
_STEP = 1e-4


class Representation(Protocol):
    """x → z and back, as `attar.represent.PCA` and `Autoencoder` are."""

    def transform(self, X: Any) -> AnyFloats:
        """Samples to representations `(n, d)`."""

    def inverse_transform(self, Z: Any) -> AnyFloats:
        """Representations `(n, d)` to samples."""


class Drawable(Protocol):
    """A density over representations, as those of this package and of scikit-learn are."""

    def score_samples(self, X: Any) -> Doubles:
        """log p(z) of each row."""

    def sample(self, n_samples: int = 1, random_state: RandomState = None) -> Doubles:
        """Draw rows."""


def sample(
    representation: Representation, density: Drawable, n_samples: int = 1, random_state: RandomState = None
) -> AnyFloats:
    """Draw new samples: x = g(z), z ~ p(z).

    Arguments:
        representation: fitted, with `inverse_transform`.
        density: fitted on what `representation` makes of samples.
        n_samples: how many.
        random_state: seed.

    Returns:
        Samples `(n_samples, *shape)` in raw units.

    Raises:
        DataError: the representation cannot be undone, or `n_samples` is below 1.

    Example:
        >>> from attar.density import Gaussian
        >>> from attar.represent import PCA
        >>> X = np.random.default_rng(0).random((100, 8, 8))
        >>> pca = PCA(4).fit(X)
        >>> sample(pca, Gaussian().fit(pca.transform(X)), 5, random_state=0).shape
        (5, 8, 8)
    """
    check_undoable(representation)
    return representation.inverse_transform(_drawn(density, n_samples, random_state))


def interpolate(
    representation: Representation,
    x: npt.ArrayLike,
    x_other: npt.ArrayLike,
    alpha: npt.ArrayLike = 0.5,
    density: Drawable | None = None,
) -> AnyFloats:
    r"""Samples between pairs of others, on a straight path between their representations or along a density.

    .. math:: x_\alpha = g((1 - \alpha) f(x) + \alpha f(x'))

    With a density the path z(t) is the shortest where a step costs the more the fewer the data are,

    .. math:: \int_0^1 p(z(t))^{-1/d} \, \|\dot z(t)\| \, dt

    and α is the share of its Euclidean length. It is a sum of four sine waves on the straight path. The search starts
    from that path, or from the waves that come nearest to a detour of two straight legs by way of one of 256 draws from
    the density, whichever is shortest, and never ends at a longer one.

    References:
        Bousquet, Chapelle and Hein, Measure Based Regularization, 2003
        Hwang, Damelin and Hero, Shortest Path through Random Points, 2016, https://arxiv.org/abs/1202.0045

    Arguments:
        representation: fitted, with `transform` and `inverse_transform`.
        x: samples `(n, *shape)`, or one of them alone.
        x_other: as `x`.
        alpha: from 0, at x, to 1, at x_other: a number, or several `(m,)`.
        density: fitted on what `representation` makes of samples; None: straight.

    Returns:
        Samples `(n, *shape)`, or `(m, n, *shape)` for several α, in raw units; g(f(x)) at 0. Without the axis n between
        two that were given alone.

    Raises:
        DataError: the representation cannot be undone, or α is not from 0 to 1.

    Example:
        >>> from attar.represent import PCA
        >>> X = np.random.default_rng(0).random((20, 3))
        >>> pca = PCA(3).fit(X)
        >>> np.allclose(interpolate(pca, X[:5], X[5:10], 0.25), 0.75 * X[:5] + 0.25 * X[5:10])
        True
    """
    check_undoable(representation)
    a = np.asarray(alpha, dtype=np.float64)
    if a.ndim > 1 or a.size == 0 or not ((a >= 0) & (a <= 1)).all():
        raise DataError(f"interpolate needs alpha to be numbers from 0 to 1; got alpha={alpha!r}")
    alone = _is_alone(representation, x) and _is_alone(representation, x_other)
    pair = [np.asarray(plain(s))[None] for s in (x, x_other)] if alone else [x, x_other]
    z, z_other = (np.asarray(representation.transform(s), dtype=np.float64) for s in pair)
    if z.shape != z_other.shape:
        raise DataError(f"interpolate needs pairs of samples; got {len(z)} of the one and {len(z_other)} of the other")
    shares = np.atleast_1d(a)
    if density is None:
        between = z + shares[:, None, None] * (z_other - z)
    else:
        via = np.asarray(_drawn(density, _VIA, 0), dtype=np.float64)
        if via.shape[1:] != z.shape[1:]:
            raise DataError(
                f"interpolate needs a density of the {z.shape[1]} numbers of a representation, and this one is of "
                f"{via.shape[1]}: fit it on what the representation makes of samples"
            )
        paths = [_along(path(p, q, density, via), shares) for p, q in zip(z, z_other)]
        between = np.stack(paths, axis=1)
    rebuilt = representation.inverse_transform(between.reshape(-1, z.shape[1]))
    return rebuilt.reshape(*a.shape, *(() if alone else (len(z),)), *rebuilt.shape[1:])


def _drawn(density: Drawable, n: int, random_state: RandomState) -> Doubles:
    """Rows of a density."""
    if isinstance(density, GaussianMixture | BayesianGaussianMixture):
        return drawn(density, n, check_random_state(random_state))
    return density.sample(n, random_state)


def _is_alone(representation: Representation, x: Any) -> bool:
    """Whether an array or tensor is one sample, and no batch of them; series of one channel may be `(n, steps)`."""
    shape = tuple(getattr(x, "shape", ()))
    values = getattr(representation, "n_features_in_", None)
    if len(shape) < 2:
        return len(shape) == 1 and values in (None, *shape)
    return shape == getattr(representation, "shape_", None) and values != int(np.prod(shape[1:]))


def path(start: Doubles, end: Doubles, density: Drawable, via: Doubles) -> Doubles:
    """The shortest path between two representations where a step costs p^{-1/d}.

    Arguments:
        start: `(d,)`.
        end: `(d,)`.
        density: over representations.
        via: places that the path may make a detour by `(v, d)`.

    Returns:
        Places from start to end `(33, d)`.
    """
    bends = _Bends(start, end, density)
    if bends.length == 0:
        return bends.straight
    starts = np.stack([np.zeros(_WAVES * len(start)), *map(bends.detour, via)])
    best = starts[bends.costs(starts).argmin()]
    options = {"maxiter": _ITERATIONS}
    refined = minimize(bends.cost_and_slope, best, jac=True, method="L-BFGS-B", options=options).x
    ends = np.stack([best, refined])
    return bends.places(ends[bends.costs(ends).argmin()])


class _Bends:
    """Paths between two places, each the straight one and a few sine waves, and what they cost under a density.

    Amplitudes of the waves are flat, `(waves · d,)` of one path and `(k, waves · d)` of several. Costs are logarithms
    of ∫ p^{-1/d} ‖ż‖ dt.
    """

    def __init__(self, start: Doubles, end: Doubles, density: Drawable) -> None:
        self.density, self.d = density, len(start)
        t = np.linspace(0, 1, _SEGMENTS + 1)
        self.waves = np.sin(np.pi * t[:, None] * np.arange(1, _WAVES + 1))
        self.straight = start + t[:, None] * (end - start)
        # As near as the waves come to two straight legs, of height 1 in the middle.
        self.corner = np.minimum(2 * t, 2 - 2 * t) @ np.linalg.pinv(self.waves).T
        self.middle, self.length = 0.5 * (start + end), float(np.linalg.norm(end - start))
        self.step = _STEP * self.length

    def places(self, amplitudes: Doubles) -> Doubles:
        """Places from start to end `(33, d)`, or `(k, 33, d)`."""
        bent: Doubles = self.straight + self.waves @ amplitudes.reshape(*amplitudes.shape[:-1], _WAVES, self.d)
        return bent

    def detour(self, place: Doubles) -> Doubles:
        """Amplitudes that come nearest to two straight legs by way of a place."""
        return np.outer(self.corner, place - self.middle).ravel()

    def costs(self, amplitudes: Doubles) -> Doubles:
        """Of several paths."""
        z = self.places(amplitudes)
        middles, steps = 0.5 * (z[:, 1:] + z[:, :-1]), np.diff(z, axis=1)
        log_p = self.density.score_samples(middles.reshape(-1, self.d)).reshape(-1, _SEGMENTS)
        length = np.maximum(np.linalg.norm(steps, axis=2), np.finfo(float).tiny)
        return np.asarray(logsumexp(np.log(length) - log_p / self.d, axis=1), np.float64)

    def cost_and_slope(self, amplitudes: Doubles) -> tuple[float, Doubles]:
        """Of one path, and the gradient by its amplitudes; that of the density is by finite differences."""
        z = self.places(amplitudes)
        middle, step = 0.5 * (z[1:] + z[:-1]), np.diff(z, axis=0)
        probes = np.concatenate([np.zeros((1, self.d)), self.step * np.eye(self.d)])
        log_p = self.density.score_samples((middle + probes[:, None]).reshape(-1, self.d))
        log_p = log_p.reshape(self.d + 1, _SEGMENTS)
        slope = (log_p[1:] - log_p[0]).T / self.step
        length = np.maximum(np.linalg.norm(step, axis=1), np.finfo(float).tiny)
        parts = np.log(length) - log_p[0] / self.d
        cost = float(logsumexp(parts))
        share = np.exp(parts - cost)[:, None]
        by_middle, by_step = -share * slope / self.d, share * step / np.square(length)[:, None]
        by_waves = 0.5 * (self.waves[1:] + self.waves[:-1]).T @ by_middle + np.diff(self.waves, axis=0).T @ by_step
        return cost, by_waves.ravel()


def _along(places: Doubles, shares: Doubles) -> Doubles:
    """The places at shares of the Euclidean length of a path."""
    gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1))])
    at = shares * gone[-1]
    return np.stack([np.interp(at, gone, column) for column in places.T], axis=1)


def check_undoable(representation: Any) -> None:
    """Refuse a representation without a way back.

    Raises:
        DataError: it has no `inverse_transform`.
    """
    if not hasattr(representation, "inverse_transform"):
        raise DataError(
            f"{type(representation).__name__} cannot be undone; use a representation with inverse_transform, "
            "such as PCA or Autoencoder"
        )
