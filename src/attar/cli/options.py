"""What several commands ask for, and how it is read."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from attar.training.progress import Progress

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder of images, recordings or texts, a file, a built-in set such as digits, or hf:owner/name.",
    ),
]
Labels = Annotated[Path | None, typer.Option(help="File of id (or file name) and label.")]
LabelColumn = Annotated[
    str | None,
    typer.Option(help="Column of a table that holds the labels; without it one called label, target, class or y."),
]
Groups = Annotated[
    Path | None,
    typer.Option(help="File of id (or file name) and group: samples of one patient, machine, … are judged together."),
]
GroupColumn = Annotated[
    str | None, typer.Option(help="Column of a table, or array of an NPZ file, that holds the groups.")
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN[,COLUMN…]",
        help="Columns that are no features; may be repeated, and a name that has commas itself is given whole.",
    ),
]
Category = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COLUMN[,COLUMN…]",
        help="Columns whose numbers or dates are names of categories, such as postal codes; likewise.",
    ),
]
LabelsPerClass = Annotated[int | None, typer.Option(help="Draw so many labels of each class and hide the rest.")]
LabelFraction = Annotated[float | None, typer.Option(help="Or draw this part of the labels, as in 0.1.")]
Holdout = Annotated[
    float | None,
    typer.Option(
        help="Part of the labelled samples set aside for one look at the end; 0.3 where labels are drawn from a "
        "source without a test part of its own, else 0."
    ),
]
Kind = Annotated[str | None, typer.Option(help="image, series, table, text or graph, where the guess would be wrong.")]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Seed of everything random.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object in place of the summary.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no summary.")]
Side = Annotated[
    int | None,
    typer.Option(min=8, metavar="PIXELS", help="Shrink images whose longer side is longer to this; 64 without it."),
]
Window = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="STEPS", help="Cut recordings, or the rows of one table, into windows of so many steps."
    ),
]
Stride = Annotated[
    int | None, typer.Option(min=1, metavar="STEPS", help="From one window to the next; half a window without it.")
]
PerRecording = Annotated[
    bool,
    typer.Option("--per-recording", help="One answer a recording: the mean of those of its windows."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse unreadable files rather than skip them.")]

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)", re.IGNORECASE)


def seconds_of(text: str) -> float:
    """A time such as 90s, 10m or 1h in seconds.

    Raises:
        BadParameter: the text is no time above zero.
    """
    match = _TIME.fullmatch(text.strip())
    seconds = float(match[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600}[match[2].lower()] if match else 0.0
    if seconds <= 0:
        raise typer.BadParameter(f"{text!r} is not a time; write it as 90s, 10m or 1h")
    return seconds


def names_of(text: str) -> tuple[str, ...]:
    """The names in a list with commas; "none" is none.

    >>> names_of("simclr, masked"), names_of("none")
    (('simclr', 'masked'), ())
    """
    names = (name.strip() for name in text.split(","))
    return tuple(name for name in names if name not in ("", "none"))


def typed() -> str:
    """The command as it was typed, for the page of a run."""
    return shlex.join(["attar", *sys.argv[1:]])


def tell(text: str, *, err: bool = False) -> None:
    """Print sentences; a terminal gets them broken between words."""
    if (sys.stderr if err else sys.stdout).isatty():
        from attar._terminal import folded

        text = folded(text, shutil.get_terminal_size().columns)
    typer.echo(text, err=err)


def shown(quiet: bool) -> AbstractContextManager[Progress]:
    """Where progress goes: to the terminal, or nowhere."""
    if quiet:
        from attar.training.progress import Silent

        return nullcontext(Silent())
    from attar._terminal import Terminal

    return Terminal()
