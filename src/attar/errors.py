"""Everything that attar raises on purpose.

    AttarError                 what a person can mend; the command line prints it and exits with 2
    ├── DataError              the samples: unreadable, empty, of the wrong shape, all missing
    │   └── LabelError         the labels: unknown ids, one class, too few
    ├── BudgetError            nothing that was tried fits the budget
    ├── ModelError             a model file that attar did not write, or that does not suit the samples
    ├── RunError               a run folder that is corrupt, or belongs to another command
    ├── ExportError            an exported model that differs from its original
    ├── CompressionError       a network, or a part of it, that cannot be compressed in the way asked for
    ├── TrainingError          a training whose loss became NaN or infinite
    └── MissingExtraError      a feature whose optional dependency is not installed

And one warning, `CollapseWarning`: a representation that was learnt, and that is of no use.

Each message is one line: what was wrong, where (file, row, column or argument), and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class AttarError(Exception):
    """Base of every error that attar raises on purpose."""


class DataError(AttarError, ValueError):
    """The samples cannot be used."""


class LabelError(DataError):
    """The labels cannot be used."""


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
