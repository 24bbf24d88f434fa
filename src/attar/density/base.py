"""What every density p(x) has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from attar._fitted import unchanged_on_failure
from attar._settings import is_count
from attar.data.dataset import Doubles
from attar.data.held import plain
from attar.errors import DataError

AnyFloats: TypeAlias = npt.NDArray[np.floating[Any]]
RandomState: TypeAlias = int | np.random.RandomState | None

# Least variance of a direction against that of a column, so that a degenerate normal still has a density.
FLOOR = 1e-8
# A spread below this share of the largest value is rounding noise of float64.
_CONSTANT = 1e-12
# Squares of larger values, and sums of them, are no longer finite.
_LARGEST = 1e140
# Standardised values beyond it are as improbable as one at it.
_FAR = 1e60
# Distances, or numbers inside a network, that are held at once.
BLOCK = 2**23


class Density(DensityMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A density over vectors, with scikit-learn's API: `fit`, `score_samples`, `score`, `sample`.

    log p(x) = log q(u) − Σⱼ log sⱼ,  u = (x − m) / s

    A subclass writes `__init__` (which only stores), and q over standardised values: `_fit`, `_score` and `_sample`.
    So that p is defined for any samples, the scale s of a column without variation is its magnitude, or 1.

    Attributes:
        center_: m, the mean of each column.
        scale_: s, its standard deviation.
        n_features_in_: number of columns.
        feature_names_in_: of a DataFrame.

    Example:
        >>> from attar.density.gaussian import Gaussian
        >>> X = np.random.default_rng(0).standard_normal((500, 2)) * [1, 100] + 1e6
        >>> density = Gaussian().fit(X)
        >>> density.sample(3, random_state=0).shape, density.score_samples(X).shape
        ((3, 2), (500,))
    """

    center_: Doubles
    scale_: Doubles
    n_features_in_: int

    # One scale for all columns, where directions and not columns are what the model speaks of.
    _one_scale: ClassVar[bool] = False

    @abstractmethod
    def _fit(self, u: Doubles) -> None:
        """Learn q from standardised samples."""

    @abstractmethod
    def _score(self, u: Doubles) -> Doubles:
        """log q(u) of standardised samples `(n, d)`."""

    @abstractmethod
    def _sample(self, n: int, random: np.random.RandomState) -> Doubles:
        """Standardised samples `(n, d)` from q."""

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Learn the density.

        Arguments:
            X: samples `(n, d)`.
            y: not used; for pipelines.

        Returns:
            The estimator itself.

        Raises:
            ValueError: fewer than 2 samples, NaN, infinite or huge values, or a setting that is not known.
        """
        with unchanged_on_failure(self):
            x: Doubles = validate_data(self, plain(X), dtype=np.float64, ensure_min_samples=2)
            largest = float(np.abs(x).max())
            if largest > _LARGEST:
                raise DataError(f"X has a value of magnitude {largest:g}, too large to square; divide X by a constant")
            self.center_, self.scale_ = _location(x, self._one_scale)
            self._fit(self._standardised(x))
        return self

    def score_samples(self, X: npt.ArrayLike) -> Doubles:
        """The logarithm of the density.

        Arguments:
            X: samples `(n, d)`.

        Returns:
            log p(x) `(n,)`, in nats; always finite.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: X has NaN, infinite values, or another number of columns.
        """
        check_is_fitted(self)
        x: Doubles = validate_data(self, plain(X), dtype=np.float64, reset=False)
        log_p: Doubles = self._score(self._standardised(x)) - np.log(self.scale_).sum()
        return log_p

    def score(self, X: npt.ArrayLike, y: object = None) -> float:  # noqa: ARG002
        """Mean of log p(x) over samples `(n, d)`, in nats."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, random_state: RandomState = None) -> Doubles:
        """Draw from the density.

        Arguments:
            n_samples: how many.
            random_state: seed.

        Returns:
            Samples `(n_samples, d)`.

        Raises:
            NotFittedError: `fit` was not called.
            DataError: `n_samples` is no whole number from 1.
        """
        check_is_fitted(self)
        if not is_count(n_samples):
            raise DataError(f"sample needs n_samples to be a whole number from 1; got n_samples={n_samples!r}")
        x: Doubles = self.center_ + self.scale_ * self._sample(n_samples, check_random_state(random_state))
        return x

    def _standardised(self, x: Doubles) -> Doubles:
        with np.errstate(over="ignore"):
            u: Doubles = np.clip((x - self.center_) / self.scale_, -_FAR, _FAR)
        return u


def _location(x: Doubles, one_scale: bool) -> tuple[Doubles, Doubles]:
    """Mean and scale of each column, or the scale of all of them."""
    mean: Doubles = x.mean(axis=0)
    deviation = x - mean
    # The rounding error of the mean of a long column far from zero is that of its sum.
    mean = mean + deviation.mean(axis=0)
    spread: Doubles = np.sqrt(np.square(x - mean).mean(axis=0))
    magnitude = np.abs(x).max(axis=0)
    constant = spread <= _CONSTANT * magnitude
    if one_scale:
        # However large a column without variation is, it says nothing of the scale of the others.
        magnitude = np.full_like(magnitude, magnitude.max())
        spread = np.full_like(spread, np.sqrt(np.square(np.where(constant, 0.0, spread)).mean()))
        constant = np.full_like(constant, constant.all())
    return mean, np.where(constant, np.where(magnitude > 0, magnitude, 1.0), spread)
