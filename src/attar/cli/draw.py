"""`attar draw SOURCE`: which samples to label."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from attar.cli.options import (
    Category,
    GroupColumn,
    Ignore,
    Kind,
    LabelColumn,
    Labels,
    Quiet,
    Seed,
    Side,
    Source,
    Strict,
    Stride,
    Window,
    tell,
)


def draw(
    source: Source,
    n: Annotated[int, typer.Option("--number", "-n", min=1, metavar="N", help="How many samples to draw.")] = 50,
    out: Annotated[Path, typer.Option("--out", "-o", help="File of labels to write, and to fill in.")] = Path(
        "labels.csv"
    ),
    labels: Labels = None,
    label_column: LabelColumn = None,
    ignore: Ignore = None,
    category: Category = None,
    seed: Seed = 0,
    kind: Kind = None,
    quiet: Quiet = False,
    side: Side = None,
    window: Window = None,
    stride: Stride = None,
    group_column: GroupColumn = None,
    strict: Strict = False,
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
