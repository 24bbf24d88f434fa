"""Checks on the settings of an estimator: what it cannot work with is refused, by the name of the setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from numbers import Integral, Real
from typing import Any

from attar.errors import DataError


def is_count(value: Any, least: int = 1) -> bool:
    """Whether a setting is a whole number, and at least so large."""
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= least


def is_positive(value: Any) -> bool:
    """Whether a setting is a finite number above 0."""
    return not isinstance(value, bool) and isinstance(value, Real) and 0 < float(value) < math.inf


def is_amount(value: Any) -> bool:
    """Whether a setting is a finite number from 0."""
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) < math.inf


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Hold an argument to a whole number, not below `least`; else a DataError."""
    if not is_count(value, least):
        raise DataError(f"{name} is {value!r}: give a whole number from {least}")


def check_counts(estimator: object, *names: str, least: int = 1) -> None:
    """Hold settings of an estimator to whole numbers, none below `least`; else a DataError."""
    _check(estimator, names, lambda value: is_count(value, least), f"a whole number from {least}")


def check_positive(estimator: object, *names: str) -> None:
    """Hold settings of an estimator to finite numbers above 0; else a DataError."""
    _check(estimator, names, is_positive, "a finite number above 0")


def check_amounts(estimator: object, *names: str) -> None:
    """Hold settings of an estimator to finite numbers from 0; else a DataError."""
    _check(estimator, names, is_amount, "a finite number from 0")


def _check(estimator: object, names: Iterable[str], suits: Callable[[Any], bool], wanted: str) -> None:
    for name in names:
        if not suits(value := getattr(estimator, name)):
            raise DataError(f"{type(estimator).__name__} needs {name} to be {wanted}; got {name}={value!r}")
