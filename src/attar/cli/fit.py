"""`attar fit SOURCE`: the main job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from attar.cli import options as ask
from attar.cli.options import names_of, seconds_of, shown, tell, typed


def fit(
    source: ask.Source,
    labels: ask.Labels = None,
    label_column: ask.LabelColumn = None,
    groups: ask.Groups = None,
    group_column: ask.GroupColumn = None,
    ignore: ask.Ignore = None,
    category: ask.Category = None,
    labels_per_class: ask.LabelsPerClass = None,
    label_fraction: ask.LabelFraction = None,
    holdout: ask.Holdout = None,
    budget: Annotated[str | None, typer.Option(help="What the model may cost: 50KB, 0.5ms or 50KB,0.5ms.")] = None,
    time: Annotated[str | None, typer.Option(help="Fit the schedule to this time: 90s, 10m, 1h.")] = None,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Let each class count the same, however rare, rather than each sample.")
    ] = False,
    seed: ask.Seed = 0,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder; runs/NAME where not given.")] = None,
    kind: ask.Kind = None,
    pretexts: Annotated[
        str | None,
        typer.Option(
            help="Pretexts to try, as in simclr,masked, of simclr, moco, byol, cca-ssg, masked, autoencoder and, for "
            "series, ts-tcc; none for no training without labels. Without it, those that suit the data."
        ),
    ] = None,
    backbone: Annotated[
        str | None, typer.Option(help="Try a pretrained encoder of texts, images or sound too: hf:NAME or hf:FOLDER.")
    ] = None,
    backbone_epochs: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Train the backbone on, without labels, for so many passes over the samples."
        ),
    ] = 0,
    device: Annotated[
        str, typer.Option(help="Train networks on cpu, cuda or cuda:1 (a GPU), or auto, a GPU where there is one.")
    ] = "cpu",
    as_json: ask.AsJson = False,
    quiet: ask.Quiet = False,
    side: ask.Side = None,
    window: ask.Window = None,
    stride: ask.Stride = None,
    strict: ask.Strict = False,
) -> None:
    """Turn unlabelled data and a few labels into a small model.

    A report beside it says how good the model is.
    """
    seconds = None if time is None else seconds_of(time)
    from attar.fit import fit_source
    from attar.preparation import Options

    options = Options(
        kind=kind,
        labels=labels,
        label_column=label_column,
        groups=groups,
        group_column=group_column,
        ignore=tuple(ignore or ()),
        category=tuple(category or ()),
        labels_per_class=labels_per_class,
        label_fraction=label_fraction,
        holdout=holdout,
        budget=budget,
        seconds=seconds,
        balanced=balanced,
        seed=seed,
        out=out,
        side=side,
        window=window,
        stride=stride,
        strict=strict,
        pretexts=None if pretexts is None else names_of(pretexts),
        backbone=backbone,
        backbone_epochs=backbone_epochs,
        device=device,
    )
    with shown(quiet) as progress:
        outcome = fit_source(source, options, progress, command=typed())
    if as_json:
        typer.echo(json.dumps(_summary(outcome)))
    elif not quiet:
        tell(f"\n{outcome.facts.verdict}\n{outcome.facts.why}\n")
        typer.echo(f"{outcome.model}\n{outcome.model.with_name('report.html')}")


def _summary(outcome: Any) -> dict[str, Any]:
    facts = outcome.facts
    return {
        "run": str(outcome.model.parent),
        "kind": facts.kind,
        "n": facts.n,
        "n_labelled": facts.n_labelled,
        "chosen": next(row.name for row in facts.leaderboard if row.chosen),
        "measure": facts.measure,
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
