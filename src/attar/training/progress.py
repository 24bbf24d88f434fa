"""How far a long task has come: a protocol that the rooms report to, and that a front end shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Task(Protocol):
    """One task under way."""

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more as done."""


class Progress(Protocol):
    """Where tasks are announced."""

    def task(self, name: str, total: int) -> _Context:
        """Announce a task of `total` steps; used in a `with` statement."""
        ...

    def say(self, line: str) -> None:
        """Show one finished line."""


class _Context(Protocol):
    def __enter__(self) -> Task: ...
    def __exit__(self, *exc: object) -> bool | None: ...


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
