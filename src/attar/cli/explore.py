"""`attar explore SOURCE`: what samples look like, without any label."""

from __future__ import annotations

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from attar.cli.fit import _seconds as seconds_of
from attar.cli.fit import _terminal as terminal


def explore(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of images, recordings or texts, a file, a built-in set such as digits, or hf:owner/name."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder; runs/NAME-explored where not given.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="image, series, table or text, where the guess would be wrong.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="File of id (or file name) and label, to colour by.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of a table that holds the labels.")] = None,
    time: Annotated[
        str | None, typer.Option(help="Train the autoencoder for this time: 30s, 5m; half a minute to two without it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    strict: Annotated[bool, typer.Option(help="Refuse unreadable files rather than skip them.")] = False,
) -> None:
    """Write one page that shows what samples look like: quality, map, odd and typical ones, samples from p(x)."""
    seconds = None if time is None else seconds_of(time)
    from attar.exploration import explore as explore_source
    from attar.training.progress import Silent

    with nullcontext(Silent()) if quiet else terminal() as progress:
        done = explore_source(
            source,
            out=out,
            kind=kind,
            labels=labels,
            label_column=label_column,
            seconds=seconds,
            seed=seed,
            strict=strict,
            progress=progress,
            command=shlex.join(["attar", *sys.argv[1:]]),
        )
    if not quiet:
        typer.echo(f"\n{done.facts.verdict}\n\n{done.page}")
