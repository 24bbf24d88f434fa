"""`attar quantize MODEL`: an ONNX file that computes in integers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from attar.cli import options as ask
from attar.cli.options import shown, tell


def quantize(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An .onnx file, by whomever.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Samples, as attar fit takes them: some show the ranges, and others judge. For a model with several "
            "inputs an .npz file with an array for each, by their names, and labels y where you have some."
        ),
    ] = None,
    labels: ask.Labels = None,
    label_column: ask.LabelColumn = None,
    bits: Annotated[int, typer.Option(metavar="8|4", help="8, or 4 for the weights of large linear layers alone.")] = 8,
    dynamic: Annotated[
        bool | None,
        typer.Option(
            "--dynamic/--static",
            help="Round what goes into layers by the range that it has then, or by one that samples show; the first "
            "without data and for transformers, else the second.",
        ),
    ] = None,
    method: Annotated[
        Literal["minmax", "percentile", "entropy"] | None,
        typer.Option(help="How static ranges are chosen; the better of the first two without it."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Such as 50KB: weights that matter least take 4 bits in a static file, until it fits."),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(metavar="N", help="Weights that share a step in 4 bits: 16, 32, 64, 128 or 256; 32 without it."),
    ] = None,
    seed: ask.Seed = 0,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write; MODEL-int8.onnx where not given.")
    ] = None,
    as_json: ask.AsJson = False,
    quiet: ask.Quiet = False,
) -> None:
    """Make an ONNX file that computes in integers, for less time.

    It is compared with the original, and both are measured; a file that is no faster is said to be.
    """
    from attar.quantizing import quantize_file

    with shown(quiet) as progress:
        done = quantize_file(
            model,
            out,
            data=data,
            labels=labels,
            label_column=label_column,
            bits=bits,
            dynamic=dynamic,
            method=method,
            budget=budget,
            block=block,
            seed=seed,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps(done.to_json()))
    elif not quiet:
        tell("\n".join(["", *done.lines(), "", str(done.model)]))
