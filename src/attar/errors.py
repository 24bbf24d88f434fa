"""Everything that attar raises on purpose, and its one warning.

Each message is one line: what was wrong, where (file, row, column or argument), and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class AttarError(Exception):
    """Base of all: what a person can mend. The command line prints it and exits with 2."""


class DataError(AttarError, ValueError):
    """The samples cannot be used: unreadable, empty, of the wrong shape, all missing."""


class LabelError(DataError):
    """The labels cannot be used: unknown ids, one class, too few."""


class BudgetError(AttarError, ValueError):
    """The budget is unreadable, or nothing fits it."""


class ModelError(AttarError, ValueError):
    """The model file is not attar's, or does not suit the samples."""


class RunError(AttarError):
    """The run folder is corrupt, or belongs to another command."""


class ExportError(AttarError):
    """An exported model differs from its original by more than the tolerance."""


class CompressionError(AttarError, ValueError):
    """A network cannot be compressed in the way asked for, or a compressed file cannot be read."""


class TrainingError(AttarError):
    """The loss of a training became NaN or infinite."""


class MissingExtraError(AttarError, ImportError):
    """A feature whose optional dependency is not installed."""


class CollapseWarning(UserWarning):
    """A learnt representation no longer keeps samples apart, or the loss broke away."""


def first_line(error: Exception) -> str:
    """What an error of the system or another library says, in at most 160 characters; its type where it says nothing.

    >>> first_line(ValueError("no such column\\nat row 3")), first_line(EOFError()), first_line(OSError(28, "no room"))
    ('no such column', 'EOFError', 'no room')
    """
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (said.strip().splitlines() or [type(error).__name__])[0][:160]


def inflected(n: int, one: str, more: str) -> str:
    """The words that agree with a number.

    >>> [f"{n} {inflected(n, 'column is', 'columns are')} empty" for n in (1, 2)]
    ['1 column is empty', '2 columns are empty']
    """
    return one if n == 1 else more


def listed(names: Sequence[str]) -> str:
    """The first five names, and an ellipsis where there are more.

    >>> listed(["a", "b"]), listed("abcdefg")
    ('a, b', 'a, b, c, d, e, …')
    """
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
