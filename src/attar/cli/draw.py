"""`attar draw SOURCE`: which samples to label."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from attar.cli import options as ask
from attar.cli.options import tell


def draw(
    source: ask.Source,
    n: Annotated[int, typer.Option("--number", "-n", min=1, metavar="N", help="How many samples to draw.")] = 50,
    out: Annotated[Path, typer.Option("--out", "-o", help="File of labels to write, and to fill in.")] = Path(
        "labels.csv"
    ),
    labels: ask.Labels = None,
    label_column: ask.LabelColumn = None,
    ignore: ask.Ignore = None,
    category: ask.Category = None,
    seed: ask.Seed = 0,
    kind: ask.Kind = None,
    quiet: ask.Quiet = False,
    side: ask.Side = None,
    window: ask.Window = None,
    stride: ask.Stride = None,
    group_column: ask.GroupColumn = None,
    strict: ask.Strict = False,
) -> None:
    """Draw which samples to label, spread over all of them.

    Each is as likely drawn as any other. Their labels teach more than those of as many drawn without a look.
    """
    from attar.drawing import draw as draw_samples

    drawn = draw_samples(
        source,
        n,
        labels=labels,
        label_column=label_column,
        ignore=ignore or (),
        category=category or (),
        kind=kind,
        seed=seed,
        side=side,
        window=window,
        stride=stride,
        group_column=group_column,
        strict=strict,
    )
    path = drawn.write(out)
    if not quiet:
        for note in drawn.dataset.notes:
            tell(f"note: {note}", err=True)
        typer.echo(f"{path}: {n:,} of {len(drawn.dataset):,} samples to label; fill in the column label, then")
        asked = {"--label-column": label_column, "--group-column": group_column, "--kind": kind, "--side": side}
        asked |= {"--window": window, "--stride": stride}
        said = [part for name, value in asked.items() if value is not None for part in (name, str(value))]
        for option, names in (("--ignore", ignore), ("--category", category)):
            said += [part for name in names or () for part in (option, name)]
        typer.echo(shlex.join(["attar", "fit", source, "--labels", str(path), *said, *["--strict"] * strict]))
