"""What a curve is measured on: training and test samples, and what is to be said about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Doubles
from attar.data.held import plain
from attar.errors import DataError
from attar.risk._regression import real


@dataclass(frozen=True)
class Task:
    """Samples and targets, checked.

    Arguments:
        x: training samples `(n, *shape)`.
        y: targets `(n, m)`; of classes, 1 in the column of a sample's own and 0 in the others.
        x_test: `(n_test, *shape)`.
        y_test: `(n_test, m)`.
        classes: names of the columns, ascending; None where the targets are numbers.
    """

    x: npt.NDArray[Any]
    y: Doubles
    x_test: npt.NDArray[Any]
    y_test: Doubles
    classes: npt.NDArray[Any] | None = None

    @classmethod
    def of(cls, X: npt.ArrayLike, y: npt.ArrayLike, X_test: npt.ArrayLike, y_test: npt.ArrayLike) -> Self:
        """Check samples and targets; those that are not floating-point numbers are classes.

        A class that is in the test samples alone has a column too: no model can know it.

        Arguments:
            X: training samples `(n, *shape)`.
            y: `(n,)` numbers or classes, or `(n, m)` numbers.
            X_test: `(n_test, *shape)`.
            y_test: `(n_test,)` or `(n_test, m)`.

        Raises:
            DataError: not numeric or not finite, empty, or shapes that do not fit.

        Example:
            >>> Task.of([[0.0], [1.0]], ["b", "a"], [[2.0]], ["a"]).y.tolist()
            [[0.0, 1.0], [1.0, 0.0]]
        """
        x, t = _samples("X", X), _samples("X_test", X_test)
        if x.shape[1:] != t.shape[1:]:
            raise DataError(f"samples of X have shape {x.shape[1:]} and those of X_test {t.shape[1:]}: give the same")
        targets, expected = _targets(y), _targets(y_test)
        for name, samples, values in (("", x, targets), ("_test", t, expected)):
            if values.ndim not in (1, 2) or len(values) != len(samples):
                raise DataError(
                    f"X{name} has {len(samples)} rows and y{name} has shape {values.shape}: give one target for each"
                )
        if np.issubdtype(targets.dtype, np.floating):
            if expected.ndim != targets.ndim or targets.shape[1:] != expected.shape[1:]:
                raise DataError(f"y has shape {targets.shape} and y_test {expected.shape}: give the same columns")
            y, y_test = (_samples(name, a).reshape(len(a), -1) for name, a in (("y", targets), ("y_test", expected)))
            return cls(x, y.astype(np.float64), t, y_test.astype(np.float64))
        if targets.ndim != 1 or expected.ndim != 1 or targets.dtype.kind not in "iubUSO":
            raise DataError(
                f"y has shape {targets.shape} and type {targets.dtype}: give numbers, or one class for each"
            )
        kinds = {"names" if a.dtype.kind in "US" else "numbers" for a in (targets, expected) if a.dtype.kind != "O"}
        if len(kinds) > 1 or (np.issubdtype(expected.dtype, np.floating) and (expected % 1 != 0).any()):
            raise DataError(
                f"y has type {targets.dtype} and y_test {expected.dtype}: give the same classes, or numbers in both"
            )
        try:
            classes = np.unique(np.concatenate([targets, expected]))
        except TypeError:
            raise DataError("y holds values that cannot be compared, such as None beside a name: fill them") from None
        one_hot = np.eye(len(classes))
        return cls(
            x, one_hot[np.searchsorted(classes, targets)], t, one_hot[np.searchsorted(classes, expected)], classes
        )

    def with_noise(self, share: float, rng: np.random.Generator) -> Self:
        """The same task with a share of the training samples given another class, as likely each; test samples stay.

        Raises:
            DataError: a share outside 0 to 1, or targets that are numbers.
        """
        if not 0 <= share <= 1:
            raise DataError(f"label noise is {share}: give a share from 0 to 1")
        if not share:
            return self
        if self.classes is None:
            raise DataError("label noise is for classes, and y holds numbers: add noise to y itself")
        if len(self.classes) < 2:
            return self
        codes = self.y.argmax(1)
        wrong = rng.permutation(len(codes))[: round(share * len(codes))]
        codes[wrong] = (codes[wrong] + rng.integers(1, len(self.classes), len(wrong))) % len(self.classes)
        return replace(self, y=np.eye(len(self.classes))[codes])


def _targets(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Targets as an array; in one of objects, numbers are numbers unless all are whole, as classes may be."""
    array = np.asarray(plain(values))
    numbers = array.dtype == object and all(_is_number(value) for value in array.flat)
    return array.astype(np.float64) if numbers and not all(isinstance(v, Integral) for v in array.flat) else array


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_)


def _samples(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    array = real(name, values)
    if array.ndim < 1 + name.startswith("X") or not array.size:
        raise DataError(f"{name} has shape {array.shape}: give at least one row and one column")
    finite = np.isfinite(array.reshape(len(array), -1)).all(1)
    if not finite.all():
        raise DataError(f"{name} has a missing or infinite value in row {int(np.argmin(finite))}: fill it or leave it")
    return array
