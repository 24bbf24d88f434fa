"""What every representation x → z has in common."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from attar._fitted import unchanged_on_failure
from attar.data.held import plain
from attar.kinds import hold_values, with_channel
from attar.kinds.samples import as_features, hold_graph, hold_shape, lost_in_float32
from attar.represent._parts import FloatArray
from attar.training.memory import kept_memory
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    from torch import nn


# Large enough to keep the cores busy, small enough that the activations of a convolutional encoder stay small.
BATCH = 512


class Representation(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A scikit-learn transformer from raw samples to vectors, x → z = f_θ(x), which can also be had as a module.

    A subclass writes `__init__` (which only stores) and `_fit` (which learns, and sets `dim_` and `_module`). It
    overrides `module_` where that is made of other things, and `_transform` only where that is faster or more precise
    than running the module.

    Attributes:
        shape_: shape of one sample as seen by `fit`.
        dim_: length of z.
        n_features_in_: number of values in one sample.
        feature_names_in_: of a DataFrame.

    Example:
        >>> import numpy as np
        >>> from attar.represent.pca import PCA
        >>> images = np.random.default_rng(0).random((20, 8, 8), dtype=np.float32)
        >>> pca = PCA(3).fit(images)
        >>> pca.transform(images).shape, pca.shape_, pca.dim_
        ((20, 3), (8, 8), 3)
    """

    shape_: tuple[int, ...]
    dim_: int
    n_features_in_: int

    _module: nn.Module
    _accepts_nan: ClassVar[bool] = True
    _dtypes: ClassVar[tuple[type[np.floating[Any]], ...]] = (np.float32,)
    _at_once: int = BATCH

    @property
    def module_(self) -> nn.Module:
        """The same map as a plain module in evaluation mode: raw float32 `(n, *shape_)` to float32 `(n, dim_)`."""
        check_is_fitted(self)
        return self._module

    @abstractmethod
    def _fit(self, X: FloatArray) -> None:
        """Learn from validated samples, and set `dim_` and `_module`."""

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Learn the representation without labels.

        Arguments:
            X: samples `(n, features)`, `(n, channels, steps)`, `(n, h, w)` or `(n, h, w, c)`; with `kind="series"`, two
                axes are series of one channel.
            y: not used; for pipelines.

        Returns:
            The estimator itself; with a `UserWarning` where samples of more than float32 lie so far from zero that in
            float32 most of them are the same.

        Raises:
            ValueError: X is empty, not numeric, infinite, or NaN where the representation does not accept it.
        """
        with unchanged_on_failure(self):
            self._fit(self._validated(X, reset=True))
        return self

    def transform(self, X: npt.ArrayLike) -> FloatArray:
        """Represent samples.

        Arguments:
            X: samples `(n, *shape_)`.

        Returns:
            Representations `(n, dim_)`.

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: X has samples of another shape than in `fit`, or values that `fit` would not accept.
        """
        check_is_fitted(self)
        return self._transform(self._validated(X, reset=False))

    @usual_defaults()
    def _transform(self, X: FloatArray) -> FloatArray:
        import torch

        module = self.module_
        z = np.empty((len(X), self.dim_), dtype=np.float32)
        with kept_memory(), torch.inference_mode():
            for start in range(0, len(X), self._at_once):
                some = slice(start, start + self._at_once)
                # A copy: torch warns on sharing memory with a read-only array.
                z[some] = module(torch.tensor(X[some])).numpy()
        return z

    def _validated(self, X: npt.ArrayLike, *, reset: bool, finite: bool = True) -> FloatArray:
        """Check samples, remember their shape (`reset`) or hold them to it; a float array in C order.

        Without `finite`, the subclass looks for NaN and infinity itself, while it reads the samples anyway.
        """
        X = plain(X)
        x: FloatArray = as_features(
            self,
            X,
            reset=reset,
            dtype=self._dtypes,
            order="C",
            ensure_all_finite="allow-nan" if finite and self._accepts_nan else finite,
        )
        x = with_channel(getattr(self, "kind", None), hold_graph(self, X, x, reset=reset))
        hold_shape(self, x, reset=reset)
        hold_values(getattr(self, "kind", None), x)
        if reset and np.float64 not in self._dtypes:
            for note in lost_in_float32(self, X, x):
                warnings.warn(f"{type(self).__name__}: {note}", stacklevel=3)
        return x

    @property
    def _n_features_out(self) -> int:
        return self.dim_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self._accepts_nan
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"] if np.float64 in self._dtypes else []
        return tags
