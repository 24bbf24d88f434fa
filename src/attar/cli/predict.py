"""`attar predict MODEL SOURCE`: labels for new samples, by onnxruntime alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attar.cli.options import Quiet, Strict, shown


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model.onnx that `attar fit` wrote.")],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Samples, as for `attar fit`; labels are not needed.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file of id, label and probability.")] = Path(
        "predictions.csv"
    ),
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Write a label and its probability for each sample."""
    from attar.deploy.predictions import write_predictions
    from attar.errors import inflected

    with shown(quiet) as progress:
        n, notes = write_predictions(model, source, out, strict=strict, progress=progress)
    if quiet:
        return
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{out}: {n:,} {inflected(n, 'prediction', 'predictions')}")
