"""`attar risk SOURCE`: how the risk moves, and what to do about it."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from attar.cli.fit import _names as names
from attar.cli.fit import _terminal as terminal


def risk(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of images, recordings or texts, a file, a built-in set such as digits, or hf:owner/name."
        ),
    ],
    over: Annotated[
        str | None,
        typer.Option(
            help="What to vary: features, leaves, width, epochs, samples, label-noise, or several with commas; "
            "without it all but label-noise."
        ),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="File of id (or file name) and label.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of a table that holds the labels.")] = None,
    labels_per_class: Annotated[
        int | None, typer.Option(help="Draw so many labels of each class and hide the rest.")
    ] = None,
    label_fraction: Annotated[float | None, typer.Option(help="Or draw this part of the labels.")] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="Part of the labelled samples set aside for one look at the end; 0.3 where labels are drawn from a "
            "source without a test part of its own, else 0."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder; runs/NAME-risk where not given.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="image, series, table, text or graph, where the guess would be wrong.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="End standard output with one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    strict: Annotated[bool, typer.Option(help="Refuse unreadable files rather than skip them.")] = False,
) -> None:
    """Draw risk curves: where models stand between too small and too large, and what to do about it."""
    from attar.diagnosis import USUAL, diagnose, summary_of
    from attar.fit import Options
    from attar.training.progress import Silent

    options = Options(
        kind=kind,
        labels=labels,
        label_column=label_column,
        labels_per_class=labels_per_class,
        label_fraction=label_fraction,
        holdout=holdout,
        seed=seed,
        out=out,
        strict=strict,
    )
    with nullcontext(Silent()) if quiet else terminal() as progress:
        done = diagnose(
            source,
            options,
            over=USUAL if over is None else names(over),
            progress=progress,
            command=shlex.join(["attar", *sys.argv[1:]]),
        )
    if as_json:
        typer.echo(json.dumps(summary_of(done.facts)))
    elif not quiet:
        typer.echo(f"\n{done.facts.verdict}\n\n{done.page}")
