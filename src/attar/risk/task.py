"""What a curve is measured on: training and test samples, and what is to be said about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from attar._settings import check_count, is_amount
from attar.data.dataset import Doubles
from attar.data.held import plain
from attar.errors import DataError
from attar.risk._regression import hold_finite, real


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
        x, x_test = _finite("X", X, axes=2), _finite("X_test", X_test, axes=2)
        if x.shape[1:] != x_test.shape[1:]:
            raise DataError(
                f"samples of X have shape {x.shape[1:]} and those of X_test {x_test.shape[1:]}: give the same"
            )
        targets, targets_test = _targets(y), _targets(y_test)
        for name, samples, values in (("", x, targets), ("_test", x_test, targets_test)):
            if values.ndim not in (1, 2) or len(values) != len(samples):
                raise DataError(
                    f"X{name} has {len(samples)} rows and y{name} has shape {values.shape}: give one target for each"
                )
        if np.issubdtype(targets.dtype, np.floating):
            columns, columns_test = _number_columns(targets, targets_test)
            return cls(x, columns, x_test, columns_test)
        classes = _classes_of(targets, targets_test)
        return cls(x, one_hot(classes, targets), x_test, one_hot(classes, targets_test), classes)

    def flattened(self) -> Self:
        """The same task with vectors of float64 for samples."""
        x, x_test = (a.reshape(len(a), -1).astype(np.float64) for a in (self.x, self.x_test))
        return replace(self, x=x, x_test=x_test)

    def with_noise(self, share: float, rng: np.random.Generator) -> Self:
        """The same task with a share of the training samples given another class, as likely each; test samples stay.

        Raises:
            DataError: a share outside 0 to 1, or targets that are numbers.
        """
        if not is_amount(share) or share > 1:
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


def noisy_draws(task: Task, share: float, draws: int, random_state: int) -> Iterator[Task]:
    """The task with a share of labels wrong, drawn so many times.

    Raises:
        DataError: draws or seed are no whole numbers from 1 and from 0, or as `Task.with_noise`.
    """
    check_count("draws", draws)
    check_count("random_state", random_state, 0)
    return (task.with_noise(share, np.random.default_rng([random_state, draw])) for draw in range(draws))


def one_hot(classes: npt.NDArray[Any], values: npt.NDArray[Any]) -> Doubles:
    """1 in the column of each value's class, and 0 in the others `(n, classes)`."""
    return np.eye(len(classes))[np.searchsorted(classes, values)]


def _targets(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Targets as an array. Numbers that are held as objects become floats, unless all are whole, as classes are."""
    array = np.asarray(plain(values))
    numbers = array.dtype == object and all(_is_number(value) for value in array.flat)
    return array.astype(np.float64) if numbers and not all(isinstance(v, Integral) for v in array.flat) else array


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | Decimal) and not isinstance(value, bool | np.bool_)


def _number_columns(y: npt.NDArray[Any], y_test: npt.NDArray[Any]) -> tuple[Doubles, Doubles]:
    """Targets that are numbers, as columns."""
    if y.shape[1:] != y_test.shape[1:]:
        raise DataError(f"y has shape {y.shape} and y_test {y_test.shape}: give the same columns")
    columns, columns_test = (
        _finite(name, values, axes=1).reshape(len(values), -1).astype(np.float64)
        for name, values in (("y", y), ("y_test", y_test))
    )
    return columns, columns_test


def _classes_of(y: npt.NDArray[Any], y_test: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The classes that training and test samples have, ascending."""
    if y.ndim != 1 or y_test.ndim != 1 or y.dtype.kind not in "iubUSO":
        raise DataError(f"y has shape {y.shape} and type {y.dtype}: give numbers, or one class for each")
    kinds = {"names" if a.dtype.kind in "US" else "numbers" for a in (y, y_test) if a.dtype.kind != "O"}
    if len(kinds) > 1 or (np.issubdtype(y_test.dtype, np.floating) and (y_test % 1 != 0).any()):
        raise DataError(f"y has type {y.dtype} and y_test {y_test.dtype}: give the same classes, or numbers in both")
    try:
        return np.unique(np.concatenate([y, y_test]))
    except TypeError:
        raise DataError("y holds values that cannot be compared, such as None beside a name: fill them") from None


def _finite(name: str, values: npt.ArrayLike, axes: int) -> npt.NDArray[Any]:
    """Numbers on as many axes or more, none missing or infinite."""
    array = real(name, values)
    if array.ndim < axes or not array.size:
        raise DataError(f"{name} has shape {array.shape}: give at least one row and one column")
    hold_finite(name, array)
    return array
