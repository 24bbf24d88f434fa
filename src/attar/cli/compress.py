"""`attar compress MODEL`: a smaller file; `attar unpack FILE`: an ONNX file of it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from attar.cli import options as ask
from attar.cli.options import shown, tell, typed


def compress(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="An .onnx file, or a network in an .attar file that attar.compress.save wrote."
        ),
    ],
    budget: Annotated[
        str,
        typer.Option(help="50KB, 0.5ms (networks only), 1% (of accuracy, or of answers that change), or 50KB,1%."),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="Samples to learn from and to judge by, as attar fit takes them; a network needs them."),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=2, metavar="N", help="Passes over the samples in training; an .onnx file is not trained.")
    ] = 12,
    seed: ask.Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder; runs/NAME-compressed where not given.")
    ] = None,
    as_json: ask.AsJson = False,
    quiet: ask.Quiet = False,
) -> None:
    """Make a model smaller, to fit a budget.

    A page beside it shows all that was tried, and what it costs.
    """
    from attar.shrinking import shrink

    with shown(quiet) as progress:
        done = shrink(
            model,
            budget,
            data=data,
            epochs=epochs,
            seed=seed,
            out=out,
            progress=progress,
            command=typed(),
        )
    if as_json:
        facts = asdict(done.facts)
        typer.echo(
            json.dumps({key: facts[key] for key in ("verdict", "judged", "n_judged", "tried", "chosen", "seconds")})
        )
    elif not quiet:
        files = [f"{done.model.with_name(name)}  ({purpose})" for name, purpose in done.facts.files.items()]
        tell("\n".join(["", done.facts.verdict, "", *files, str(done.page)]))


def unpack(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An .attar file.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The ONNX file; beside the other where not given.")
    ] = None,
) -> None:
    """Write the ONNX file that an .attar file holds.

    Of a network it takes samples of one shape, that of the example it was saved with.
    """
    from attar.compress.packed import unpack as restore
    from attar.errors import CompressionError

    if file.is_dir():
        raise CompressionError(f"{file}: is a folder; name an .attar file in it")
    target = file.with_suffix(".onnx") if out is None else out
    if out is None and target.exists():
        raise CompressionError(f"{target}: is there already; name it with --out to write it anew")
    restore(file, target)
    typer.echo(str(target))
