"""`attar evaluate MODEL SOURCE`: how often a model is right on labelled samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from attar.cli import options as ask
from attar.cli.options import shown, tell


def evaluate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model.onnx that `attar fit` wrote.")],
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Samples with labels, as for `attar fit`.")],
    labels: ask.Labels = None,
    label_column: ask.LabelColumn = None,
    groups: ask.Groups = None,
    group_column: ask.GroupColumn = None,
    as_json: ask.AsJson = False,
    quiet: ask.Quiet = False,
    per_recording: ask.PerRecording = False,
    strict: ask.Strict = False,
) -> None:
    """Say how often a model is right on samples with labels."""
    from attar.evaluation import evaluate

    with shown(quiet or as_json) as progress:
        found = evaluate(
            model,
            source,
            labels=labels,
            label_column=label_column,
            groups=groups,
            group_column=group_column,
            per_recording=per_recording,
            strict=strict,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(found.to_json()))
        return
    for note in () if quiet else found.notes:
        tell(f"note: {note}", err=True)
    tell("\n".join(found.lines()))
