"""Fits that happen whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unchanged_on_failure(estimator: object) -> Iterator[None]:
    """An estimator that fails to fit is afterwards what it was, never half of one fit and half of another.

    What it holds is put back, and not copied: a fit replaces what was learnt, and changes none of it in place.

    Example:
        >>> class Mean:
        ...     def fit(self, x):
        ...         with unchanged_on_failure(self):
        ...             self.n_ = len(x)
        ...             self.mean_ = sum(x) / len(x)
        >>> mean = Mean()
        >>> mean.fit([1, 3])
        >>> mean.fit([])
        Traceback (most recent call last):
        ZeroDivisionError: division by zero
        >>> mean.n_, mean.mean_
        (2, 2.0)
    """
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise
