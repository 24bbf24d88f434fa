"""Principal components, from arrays in memory, on disk, or arriving in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from attar._fitted import unchanged_on_failure
from attar.errors import DataError
from attar.represent._components import how_many
from attar.represent._moments import BLURRED, Floats64, Moments, Root, Scatter, Wide, over_processes
from attar.represent._parts import PIECE_VALUES, FloatArray, are_batches, is_mapped, parts, release, samples_of
from attar.represent._randomized import randomized
from attar.represent.base import Representation
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    from torch import nn

SOLVERS = ("auto", "covariance", "qr", "randomized")
# A d × d matrix of float64 takes 134 MB here, and its eigenvectors seconds.
LARGE = 4096
# Variances below this, relative to the largest, are none.
NONE = 1e-12
TOO_LARGE = "X has values too large to sum their squares; divide them by a constant"
WITHOUT_MOMENTS = 'PCA(solver="randomized") keeps no moments to add samples to; fit all with solver="covariance"'


class PCA(Representation):
    r"""Projection on the directions of largest variance, in one pass over data of any size.

    .. math:: z = W (x - \bar x), \qquad \frac{1}{n - 1} \sum_i (x_i - \bar x)(x_i - \bar x)^T = W^T \Lambda W + \dots

    Samples are flattened. They come as an array, as a `numpy.memmap`, or as an iterable of batches, in memory
    O(d² + batch), and the result does not depend on how they were split. In each row of W the entry of largest
    magnitude is positive.

    References:
        Algorithms for Computing the Sample Variance (Chan, Golub, LeVeque, 1983).
        Finding structure with randomness (Halko, Martinsson, Tropp, 2011). https://arxiv.org/abs/0909.4061

    Arguments:
        n_components: how many: a number; None for min(n, d); a fraction below 1 for the fewest that explain more
            than it of the variance; "mle" for Minka's choice (needs n ≥ d); "parallel" for those above chance.
        whiten: give components variance 1; those without variance become 0.
        solver: "covariance" is the fastest, and loses directions with less than 1e-6 of the largest variance
            (of float32 samples: 1e-3); "qr" keeps them, to the precision of a singular value decomposition;
            "randomized" approximates few components of many features, from arrays only. "auto" takes covariance,
            qr where samples are fewer than features, where the result of covariance would be blurred and the samples
            can be read again, and for batches of float64; randomized above 4 096 features and samples. Up to a quarter
            as many components as samples, where these are fewer than features, it finds in qr's rows several times as
            fast, with at least the precision of covariance.
        random_state: seed of "randomized" and of "parallel".

    Attributes:
        components_: W `(dim_, n_features_in_)`, float64.
        explained_variance_, explained_variance_ratio_, singular_values_: per component `(dim_,)`.
        mean_: `(n_features_in_,)`, float64.
        noise_variance_: mean variance of the directions left out.
        n_samples_: how many samples were seen.
        n_components_: how many components there are, by scikit-learn's name for `dim_`.

    Example:
        >>> X = np.random.default_rng(0).standard_normal((200, 5)) * [9, 3, 1, 1, 1] + 1e6
        >>> pca = PCA(2).fit(X[i : i + 50] for i in range(0, 200, 50))
        >>> np.allclose(pca.explained_variance_, PCA(2).fit(X).explained_variance_)
        True
        >>> PCA(0.95).fit(X).n_components_
        2
    """

    _accepts_nan: ClassVar[bool] = False
    _dtypes: ClassVar[tuple[type[np.floating[Any]], ...]] = (np.float64, np.float32)

    def __init__(
        self,
        n_components: int | float | str | None = None,
        *,
        whiten: bool = False,
        solver: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.whiten = whiten
        self.solver = solver
        self.random_state = random_state

    def fit(self, X: Any, y: object = None) -> Self:  # noqa: ARG002
        """Find the components.

        Arguments:
            X: samples `(n, ...)`, or an iterable of such batches: an iterator, or a list of arrays of 2 or more axes.
                A batch may be a list of one array, as those of a `DataLoader` are, or empty.
            y: not used; for pipelines.

        Returns:
            The estimator itself.

        Raises:
            ValueError: fewer than 2 samples, NaN or infinity, or more components than samples or features.
        """
        self._check_parameters()
        with unchanged_on_failure(self):
            if is_mapped(X):
                # Checked part by part while it is read, so that it never has to be resident as a whole.
                self._validated(X[:1], reset=True, finite=False)
                self._fit(X)
            elif are_batches(X):
                self._fit_batches(X)
            else:
                self._fit(self._validated(X, reset=True, finite=False))
        return self

    def _fit(self, X: FloatArray) -> None:
        n, d = len(X), self.n_features_in_
        self._check_count(n)
        k, auto = self._asked(), self.solver == "auto"
        few = k is not None and 10 * k <= min(n, d)
        if self.solver == "randomized" or (auto and few and min(n, d) > LARGE):
            self._fit_randomized(X)
            return
        wide = auto and n < d
        form = Wide if wide else Root if self.solver == "qr" else Scatter
        self._solve(self._read(X, form(d)))
        if auto and not wide and X.dtype != np.float32 and self._blurred():
            self._solve(self._read(X, Root(d)))

    def _fit_batches(self, X: Iterable[npt.ArrayLike]) -> None:
        if self.solver == "randomized":
            raise DataError('PCA(solver="randomized") reads its samples several times; give an array, not batches')
        moments: Moments | None = None
        for batch in X:
            given = samples_of(batch)
            # Of a split at random places some parts are empty.
            if getattr(given, "shape", (1,))[0] == 0:
                continue
            x = self._validated(given, reset=moments is None)
            moments = self._new_moments(x) if moments is None else moments
            moments.update(x.reshape(len(x), -1))
        if moments is None:
            raise DataError("PCA got no batch with samples; give an iterable that yields at least one")
        self._check_count(moments.count)
        self._solve(moments)

    def _read(self, X: FloatArray, moments: Moments) -> Moments:
        for x in self._pieces(X):
            moments.update(x)
            # The mean shows what a look at every value would; only then is it worth it to say which.
            if not np.isfinite(moments.mean).all():
                self._refuse(x)
        return moments

    def _refuse(self, x: FloatArray) -> NoReturn:
        """Say what is wrong with flat samples: a value that is not finite, or one whose square is not."""
        self._validated(x.reshape(len(x), *self.shape_), reset=False)
        raise DataError(TOO_LARGE)

    def _pieces(self, X: FloatArray) -> Iterator[FloatArray]:
        """Flat samples: all of an array in memory, pieces of a mapped file."""
        if not is_mapped(X):
            yield X.reshape(len(X), -1)
            return
        for piece in parts(X, PIECE_VALUES):
            x = self._validated(piece, reset=False, finite=False)
            yield x.reshape(len(x), -1)
            release(X)

    def partial_fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Add samples to those seen before; as many components as there are samples for.

        Arguments:
            X: samples `(n, ...)`.
            y: not used; for pipelines.

        Returns:
            The estimator itself.

        Raises:
            ValueError: as `fit`, samples of another shape than before, or a randomized solution before, which keeps no
                moments. What was learnt before stays.
        """
        self._check_parameters()
        known: Moments | None = getattr(self, "moments_", None)
        if known is None and hasattr(self, "moments_"):
            raise DataError(WITHOUT_MOMENTS)
        with unchanged_on_failure(self):
            x = self._validated(X, reset=known is None)
            # A copy, for samples may turn out to be too large; beside the eigenvectors it costs nothing.
            moments = self._new_moments(x) if known is None else deepcopy(known)
            self._solve(moments.update(x.reshape(len(x), -1)))
        return self

    def merge(self, other: PCA) -> Self:
        """Add the samples that another PCA has seen, in another process for instance; exact, in any order.

        Arguments:
            other: fitted on samples of the same shape.

        Returns:
            The estimator itself, as if it had seen the samples of both.

        Raises:
            ValueError: samples of another shape, or a randomized solution, which keeps no moments.
        """
        check_is_fitted(self)
        check_is_fitted(other)
        if self.shape_ != other.shape_:
            raise DataError(f"PCA of samples of shape {self.shape_} cannot merge one of shape {other.shape_}")
        if self.moments_ is None or other.moments_ is None:
            raise DataError(WITHOUT_MOMENTS)
        self._solve(deepcopy(self.moments_).merge(other.moments_))
        return self

    def merge_processes(self) -> Self:
        """Add the samples of every process that torchrun has started, where each has fitted its own part.

        All of them must call it, and all hold the same afterwards, to the bit.

        Returns:
            The estimator itself, as if it had seen the samples of all; unchanged where there is one process.

        Raises:
            ValueError: as `merge`, in all processes.
        """
        import torch

        from attar.training.processes import of_each, process_group, processes

        check_is_fitted(self)
        with process_group():
            if processes() == 1:
                return self
            shapes = {tuple(shape.tolist()) for shape in of_each(torch.tensor(self.shape_))}
            # Judged by all, since a failure in one alone would leave the others waiting for it.
            if len(shapes) > 1:
                raise DataError(f"PCA of samples of different shapes in each process ({shapes}) cannot be merged")
            everywhere = all(int(known) for known in of_each(torch.tensor([int(self.moments_ is not None)])))
            if not everywhere or self.moments_ is None:
                raise DataError(WITHOUT_MOMENTS)
            merged = over_processes(self.moments_)
        self._solve(merged)
        return self

    def inverse_transform(self, Z: npt.ArrayLike) -> FloatArray:
        """Reconstruct samples: x̂ = x̄ + Wᵀ z.

        Arguments:
            Z: representations `(n, dim_)`.

        Returns:
            Samples `(n, *shape_)`.

        Raises:
            DataError: Z has another number of components.
        """
        check_is_fitted(self)
        z = np.asarray(Z)
        if z.ndim != 2 or z.shape[1] != self.dim_:
            raise DataError(f"Z has shape {z.shape}, but PCA is expecting (n, {self.dim_}) as input")
        scale = np.sqrt(self.explained_variance_) if self.whiten else 1.0
        x: FloatArray = self.mean_ + (z * scale) @ self.components_
        return x.reshape(len(z), *self.shape_).astype(z.dtype if z.dtype == np.float32 else np.float64, copy=False)

    @property
    def n_components_(self) -> int:
        """How many components there are, as scikit-learn calls it."""
        return self.dim_

    @property
    @usual_defaults()
    def module_(self) -> nn.Module:
        """Raw float32 `(n, *shape_)` to float32 `(n, dim_)`, as a module."""
        from attar.represent._affine import Affine

        check_is_fitted(self)
        return Affine(*self._affine(np.dtype(np.float32))).eval()

    def _transform(self, X: FloatArray) -> FloatArray:
        shift, weight, bias = self._affine(X.dtype)
        z = np.empty((len(X), self.dim_), dtype=X.dtype)
        start = 0
        for block in parts(X):
            z[start : start + len(block)] = (block.reshape(len(block), -1) - shift) @ weight.T + bias
            start += len(block)
        return z

    def _affine(self, dtype: np.dtype[Any]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Shift, weight and bias in one precision: the bias is what rounding took from the shift."""
        scale = np.ones(self.dim_)
        if self.whiten:
            varies = self.explained_variance_ > self._floor_
            scale = np.where(varies, 1 / np.sqrt(np.where(varies, self.explained_variance_, 1)), 0)
        weight = self.components_ * scale[:, None]
        shift = self.mean_.astype(dtype)
        return shift, weight.astype(dtype), ((shift - self.mean_) @ weight.T).astype(dtype)

    def _new_moments(self, X: FloatArray) -> Moments:
        """Parts cannot be read again, so the precise form is taken unless the samples are not precise themselves."""
        d = self.n_features_in_
        covariance = self.solver == "covariance" or (self.solver == "auto" and X.dtype == np.float32 and d <= LARGE)
        return Scatter(d) if covariance else Root(d)

    def _blurred(self) -> bool:
        relative = self.explained_variance_ / max(self.explained_variance_[0], np.finfo(np.float64).tiny)
        return bool(np.any((relative > NONE) & (relative < BLURRED)))

    def _fit_randomized(self, X: FloatArray) -> None:
        n, d = len(X), self.n_features_in_
        k = self._asked()
        if k is None:
            raise DataError(f'PCA(solver="randomized") needs n_components to be a number; got {self.n_components!r}')
        generator = check_random_state(self.random_state)
        for x in self._pieces(X):
            # The largest possible scatter, as its products would overflow in the middle of the iteration.
            if not np.abs(x).max() < np.sqrt(np.finfo(x.dtype).max / X.size) / 2:
                self._refuse(x)
        mean, squares, trace, vectors = randomized(
            lambda: (x for piece in self._pieces(X) for x in parts(piece)), n, d, k, generator
        )
        self.moments_: Moments | None = None
        self._store(n, mean, squares / (n - 1), vectors, trace / (n - 1), d * float(np.finfo(np.float64).eps))

    def _solve(self, moments: Moments) -> None:
        """Find the components, or as many of them as there are samples for."""
        n, d = moments.count, self.n_features_in_
        if not moments.is_finite:
            raise DataError(TOO_LARGE)
        scatter = moments.diagonal()
        squares, vectors = moments.spectrum(min(n, d, self._asked() or d))
        if (scatter <= n * (moments.epsilon * moments.mean) ** 2).all():
            # Constant samples, of which rounding alone is left.
            scatter, squares = np.zeros_like(scatter), np.zeros_like(squares)
        variances, feature_variances = squares / max(n - 1, 1), scatter / max(n - 1, 1)
        count = how_many(self.n_components, variances, feature_variances, n, self.random_state)
        self.moments_ = moments
        self._store(
            n, moments.mean, variances[:count], vectors[:count], float(feature_variances.sum()), moments.resolution
        )

    def _asked(self) -> int | None:
        """How many components are wanted; None where the variances decide."""
        k = self.n_components
        return int(k) if isinstance(k, Integral) else None

    def _store(
        self, n: int, mean: Floats64, variances: Floats64, vectors: Floats64, total: float, resolution: float
    ) -> None:
        k, limit = len(variances), min(n, self.n_features_in_)
        largest = np.argmax(np.abs(vectors), axis=1)
        self.components_ = vectors * np.where(vectors[np.arange(k), largest] < 0, -1.0, 1.0)[:, None]
        self.mean_ = mean.copy()
        self.n_samples_ = n
        self.dim_ = k
        self.explained_variance_ = variances.copy()
        self.explained_variance_ratio_ = variances / total if total > 0 else np.zeros(k)
        self.singular_values_ = np.sqrt(variances * (n - 1))
        self.noise_variance_ = max(total - float(variances.sum()), 0.0) / (limit - k) if k < limit else 0.0
        self._floor_ = float(variances[0]) * resolution

    def _check_parameters(self) -> None:
        k: Any = self.n_components
        if isinstance(k, Integral):
            suits = int(k) >= 1 and not isinstance(k, bool)
        elif isinstance(k, Real):
            suits = bool(0 < k <= 1)  # type: ignore[operator]
        else:
            suits = k is None or k in ("mle", "parallel")
        if not suits:
            raise DataError(
                'PCA needs n_components to be a number from 1, a fraction up to 1.0, "mle", "parallel" or None; '
                f"got n_components={k!r}"
            )
        if self.solver not in SOLVERS:
            raise DataError(f"PCA needs solver to be one of {', '.join(SOLVERS)}; got solver={self.solver!r}")

    def _check_count(self, n: int) -> None:
        """Refuse fewer samples than the components need."""
        if n < 2:
            raise DataError(f"PCA needs at least 2 samples for a variance; got n_samples = {n}")
        limit = min(n, self.n_features_in_)
        if (self._asked() or 0) > limit:
            raise DataError(
                "PCA needs n_components to be at most min(n_samples, n_features) = "
                f"{limit}; got n_components={self.n_components}"
            )
