"""`attar fit SOURCE`: the main job."""

from __future__ import annotations

import json
import re
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)", re.IGNORECASE)


def _seconds(text: str) -> float:
    match = _TIME.fullmatch(text.strip())
    seconds = float(match[1]) * {"s": 1, "m": 60, "min": 60, "h": 3600}[match[2].lower()] if match else 0.0
    if seconds <= 0:
        raise typer.BadParameter(f"{text!r} is not a time; write it as 90s, 10m or 1h")
    return seconds


def _names(text: str) -> tuple[str, ...]:
    names = (name.strip() for name in text.split(","))
    return tuple(name for name in names if name not in ("", "none"))


def fit(
    source: Annotated[
        str,
        typer.Argument(
            help="A folder of images, recordings or texts, a file, a built-in set such as digits, or hf:owner/name."
        ),
    ],
    labels: Annotated[Path | None, typer.Option(help="File of id (or file name) and label.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of a table that holds the labels.")] = None,
    labels_per_class: Annotated[
        int | None, typer.Option(help="Draw so many labels of each class and hide the rest.")
    ] = None,
    label_fraction: Annotated[float | None, typer.Option(help="Or draw this part of the labels.")] = None,
    holdout: Annotated[
        float | None,
        typer.Option(
            help="Part of the labelled samples set aside for one look at the end; 0.3 where labels are drawn from a "
            "source without a test part of its own, else 0."
        ),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="What the model may cost: 50KB, 0.5ms or 50KB,0.5ms.")] = None,
    time: Annotated[str | None, typer.Option(help="Fit the schedule to this time: 90s, 10m, 1h.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/NAME where not given.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="image, series, table, text or graph, where the guess would be wrong.")
    ] = None,
    pretexts: Annotated[
        str | None,
        typer.Option(
            help="Pretexts to try, as in simclr,masked (also autoencoder, moco, byol, cca-ssg, for series ts-tcc); "
            "none for no training without labels. Without it, those that suit the data."
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Try a pretrained encoder of texts, images or sound too: hf:NAME or hf:FOLDER.")
    ] = None,
    backbone_epochs: Annotated[
        int, typer.Option(min=0, help="Train the backbone on, without labels, for so many passes over the samples.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="End standard output with one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    strict: Annotated[bool, typer.Option(help="Refuse unreadable files rather than skip them.")] = False,
) -> None:
    """Turn unlabelled data and a few labels into a small model and a report."""
    seconds = None if time is None else _seconds(time)
    from attar.fit import Options, fit_source
    from attar.training.progress import Silent

    options = Options(
        kind=kind,
        labels=labels,
        label_column=label_column,
        labels_per_class=labels_per_class,
        label_fraction=label_fraction,
        holdout=holdout,
        budget=budget,
        seconds=seconds,
        seed=seed,
        out=out,
        strict=strict,
        pretexts=None if pretexts is None else _names(pretexts),
        backbone=backbone,
        backbone_epochs=backbone_epochs,
    )
    with nullcontext(Silent()) if quiet else _terminal() as progress:
        outcome = fit_source(source, options, progress, command=shlex.join(["attar", *sys.argv[1:]]))
    if as_json:
        typer.echo(json.dumps(_summary(outcome)))
    elif not quiet:
        typer.echo(f"\n{outcome.facts.verdict}\n{outcome.facts.why}\n")
        typer.echo(f"{outcome.model}\n{outcome.model.with_name('report.html')}")


def _terminal() -> Any:
    from attar.cli.show import Terminal

    return Terminal()


def _summary(outcome: Any) -> dict[str, Any]:
    facts = outcome.facts
    return {
        "run": str(outcome.model.parent),
        "kind": facts.kind,
        "n": facts.n,
        "n_labelled": facts.n_labelled,
        "chosen": next(row.name for row in facts.leaderboard if row.chosen),
        "accuracy": facts.accuracy,
        "interval": list(facts.interval),
        "test_accuracy": facts.test_accuracy,
        "leaderboard": [
            row.model_dump(include={"name", "accuracy", "interval", "bytes", "latency_ms"}, mode="json")
            for row in facts.leaderboard
        ],
        "model": {
            "path": str(outcome.model),
            "bytes": facts.model_bytes,
            "latency_ms": facts.model_latency_ms,
        },
        "seconds": facts.seconds,
    }
