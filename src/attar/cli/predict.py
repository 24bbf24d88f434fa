"""`attar predict MODEL SOURCE`: labels for new samples, by onnxruntime alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from attar.cli import options as ask
from attar.cli.options import shown, tell


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model.onnx that `attar fit` wrote.")],
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Samples, as for `attar fit`; labels are not needed.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="File of id, label and probability: CSV, or by its name .tsv, .json, .jsonl or .parquet; - is the "
            "standard output.",
        ),
    ] = Path("predictions.csv"),
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write the probability of every class too, a column each.")
    ] = False,
    per_recording: ask.PerRecording = False,
    strict: ask.Strict = False,
    quiet: ask.Quiet = False,
) -> None:
    """Write a label and its probability for each sample."""
    from attar.deploy.predictions import STDOUT, write_predictions
    from attar.errors import inflected

    with shown(quiet) as progress:
        n, notes = write_predictions(
            model,
            source,
            out,
            strict=strict,
            progress=progress,
            probabilities=probabilities,
            per_recording=per_recording,
        )
    if quiet:
        return
    for note in notes:
        tell(f"note: {note}", err=True)
    where = "standard output" if out == STDOUT else out
    typer.echo(f"{where}: {n:,} {inflected(n, 'prediction', 'predictions')}", err=out == STDOUT)
