"""How far a long task has come: a protocol that the rooms report to, and that a front end shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Task(Protocol):
    """One task under way."""

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more as done."""


class Progress(Protocol):
    """Where tasks are announced."""

    def task(self, name: str, total: int) -> AbstractContextManager[Task]:
        """Announce a task of `total` steps; used in a `with` statement."""
        ...

    def say(self, line: str) -> None:
        """Show one finished line."""


def noted(note: str) -> str:
    """A note as a line to `say`, in line with those of what was tried.

    >>> noted("the same in every image")
    'note        the same in every image'
    """
    return f"note        {note}"


class _SilentTask:
    def advance(self, steps: int = 1) -> None:
        del steps


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Task]:
        """Announce a task; nothing is shown."""
        del name, total
        yield _SilentTask()

    def say(self, line: str) -> None:
        """Show nothing."""
        del line
