"""`attar risk SOURCE`: how the risk moves, and what to do about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from attar.cli import options as ask
from attar.cli.options import names_of, shown, tell, typed


def risk(
    source: ask.Source,
    over: Annotated[
        str | None,
        typer.Option(
            help="Vary features (and λ), leaves (and trees), epochs, width, samples or label-noise, or several with "
            "commas; without it all but label-noise."
        ),
    ] = None,
    labels: ask.Labels = None,
    label_column: ask.LabelColumn = None,
    groups: ask.Groups = None,
    group_column: ask.GroupColumn = None,
    ignore: ask.Ignore = None,
    category: ask.Category = None,
    labels_per_class: ask.LabelsPerClass = None,
    label_fraction: ask.LabelFraction = None,
    holdout: ask.Holdout = None,
    seed: ask.Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder; runs/NAME-risk where not given.")] = None,
    kind: ask.Kind = None,
    as_json: ask.AsJson = False,
    quiet: ask.Quiet = False,
    side: ask.Side = None,
    window: ask.Window = None,
    stride: ask.Stride = None,
    strict: ask.Strict = False,
) -> None:
    """Say whether models are too small or too large, by risk curves.

    The page shows where they stand, and what to do about it.
    """
    from attar.diagnosis import USUAL, diagnose, summary_of
    from attar.preparation import Options

    options = Options(
        kind=kind,
        labels=labels,
        label_column=label_column,
        groups=groups,
        group_column=group_column,
        ignore=tuple(ignore or ()),
        category=tuple(category or ()),
        labels_per_class=labels_per_class,
        label_fraction=label_fraction,
        holdout=holdout,
        seed=seed,
        out=out,
        side=side,
        window=window,
        stride=stride,
        strict=strict,
    )
    with shown(quiet) as progress:
        done = diagnose(
            source,
            options,
            over=USUAL if over is None else names_of(over),
            progress=progress,
            command=typed(),
        )
    if as_json:
        typer.echo(json.dumps(summary_of(done.facts)))
    elif not quiet:
        tell(f"\n{done.facts.verdict}\n\n{done.page}")
