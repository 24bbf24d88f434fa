"""`attar report RUN`: the page of a finished run, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder that `attar fit` wrote.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where to write it; RUN/report.html if not given.")
    ] = None,
) -> None:
    """Write the report of a run again, from the facts that it kept."""
    from attar.report.saved import render_run

    typer.echo(render_run(run, out))
