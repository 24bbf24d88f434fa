"""`attar predict MODEL SOURCE`: labels for new samples, by onnxruntime alone."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer


def predict(
    model: Annotated[Path, typer.Argument(help="A model.onnx that `attar fit` wrote.")],
    source: Annotated[str, typer.Argument(help="Samples, as for `attar fit`; labels are not needed.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="CSV file of id, label and probability.")] = Path(
        "predictions.csv"
    ),
    strict: Annotated[bool, typer.Option(help="Refuse unreadable files rather than skip them.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
) -> None:
    """Write a label and its probability for each sample."""
    from attar.deploy.predictions import write_predictions
    from attar.training.progress import Silent

    if quiet:
        shown: nullcontext[Silent] = nullcontext(Silent())
        with shown as progress:
            write_predictions(model, source, out, strict=strict, progress=progress)
        return
    from attar.cli.show import Terminal

    with Terminal() as terminal:
        n, notes = write_predictions(model, source, out, strict=strict, progress=terminal)
    for note in notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{out}: {n:,} predictions")
