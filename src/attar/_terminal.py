"""Progress on a terminal: bars with the time left for what takes long, finished lines above them."""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

# A bar that is gone at once is only a flicker.
_PATIENCE = 0.5
# Columns for the numbers of a bar, the gaps between them and a sign of the bar itself.
_NUMBERS = 30

# What stands in front of a line, as in "note        3 of 64 pixels are the same".
_NAME = re.compile(r"\S.*? {2,}")
# Between a number and its unit, no line breaks.
_UNIT = re.compile(r"(?<=\d) (?=(?:%|B|KB|MB|ms|s|min)(?!\w))")


def folded(text: str, width: int) -> str:
    """Break what is wider than a terminal between words, and below what stands behind a name.

    A terminal would break it within words; a word that is wider than all of it, as a path may be, is left to that.

    >>> print(folded("note        the same in every image", 26))
    note        the same in
                every image
    """
    lines = []
    for line in text.split("\n"):
        name = _NAME.match(line)
        below = " " * name.end() if name and name.end() <= width / 2 else ""
        wrapped = textwrap.wrap(
            _UNIT.sub("\0", line),
            width,
            subsequent_indent=below,
            break_long_words=False,
            break_on_hyphens=False,
            tabsize=1,
        )
        lines += wrapped if len(line) > width else [line]
    return "\n".join(lines).replace("\0", " ")


class Terminal:
    """Shows progress on standard error, so that standard output stays clean; used in a `with` statement."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        # On a narrow terminal it is the name that is cut, and no number.
        name = max(8, self._console.width - _NUMBERS)
        self._bars = Progress(
            TextColumn("{task.description:<22}", table_column=Column(no_wrap=True, max_width=name)),
            BarColumn(bar_width=32),
            TextColumn("{task.percentage:>3.0f} %", table_column=Column(min_width=5, no_wrap=True)),
            TimeElapsedColumn(Column(min_width=7, no_wrap=True)),
            TextColumn("left", table_column=Column(min_width=4, no_wrap=True)),
            TimeRemainingColumn(table_column=Column(min_width=7, no_wrap=True)),
            console=self._console,
            transient=True,
            # What a command prints is the result, and not for standard error.
            redirect_stdout=False,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[_Bar]:
        """Show a bar for a task of `total` steps while it is under way."""
        bar = _Bar(self._bars, name, total)
        try:
            yield bar
        finally:
            bar.close()

    def say(self, line: str) -> None:
        """Print one finished line above the bars."""
        if self._console.is_terminal:
            line = folded(line, self._console.width)
        self._console.print(line, markup=False, soft_wrap=True)


class _Bar:
    def __init__(self, bars: Progress, name: str, total: int) -> None:
        self._bars = bars
        self._task = bars.add_task(name, total=total, visible=False)
        self._since = time.monotonic()

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more as done."""
        self._bars.update(self._task, advance=steps, visible=time.monotonic() - self._since > _PATIENCE)

    def close(self) -> None:
        """Take the bar away."""
        self._bars.remove_task(self._task)
