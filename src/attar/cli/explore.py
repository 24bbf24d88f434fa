"""`attar explore SOURCE`: what samples look like, without any label."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attar.cli import options as ask
from attar.cli.options import seconds_of, shown, tell, typed


def explore(
    source: ask.Source,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder; runs/NAME-explored where not given.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="image, series, table or text, where the guess would be wrong.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="File of id (or file name) and label, to colour by.")] = None,
    label_column: ask.LabelColumn = None,
    groups: ask.Groups = None,
    group_column: ask.GroupColumn = None,
    ignore: ask.Ignore = None,
    category: ask.Category = None,
    time: Annotated[
        str | None, typer.Option(help="Train the autoencoder for this time: 30s, 5m; half a minute to two without it.")
    ] = None,
    seed: ask.Seed = 0,
    quiet: ask.Quiet = False,
    side: ask.Side = None,
    window: ask.Window = None,
    stride: ask.Stride = None,
    strict: ask.Strict = False,
) -> None:
    """Write one page that shows what samples look like.

    Quality, a map of all, odd and typical ones, and samples from p(x); no label is needed.
    """
    seconds = None if time is None else seconds_of(time)
    from attar.exploration import explore as explore_source

    with shown(quiet) as progress:
        done = explore_source(
            source,
            out=out,
            kind=kind,
            labels=labels,
            label_column=label_column,
            groups=groups,
            group_column=group_column,
            ignore=ignore or (),
            category=category or (),
            seconds=seconds,
            seed=seed,
            side=side,
            window=window,
            stride=stride,
            strict=strict,
            progress=progress,
            command=typed(),
        )
    if not quiet:
        tell(f"\n{done.facts.verdict}\n\n{done.page}")
