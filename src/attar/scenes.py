"""What was found out about samples, in the form in which the page shows it: colours, panels, pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from attar.data.dataset import UNLABELLED, Dataset, Floats, Ints
from attar.errors import inflected
from attar.fit import unit_of
from attar.report import atlas
from attar.report.explored import Colour, Explored, Line, Panel, Shown
from attar.report.scree import holding
from attar.run import Result, Run
from attar.survey import REBUILT, Survey
from attar.training.progress import Progress

# Samples in a line; columns of a table that samples are coloured by, and numbers of them together.
_ROW = 12
_COLUMNS, _NUMBERS = 32, 1_500_000
# Letters of a text that are shown beside the map.
_LETTERS = 160


def explored(
    dataset: Dataset,
    found: Survey,
    n: int,
    run: Run,
    progress: Progress,
    command: str,
    settings: dict[str, Any],
) -> Explored:
    """Put together what the page shows of the samples that were looked at, of the n that the source has."""
    order = _along_map(found.places)

    def pictures(_: Any) -> Result:
        if found.kind.pictures(dataset.x[:1]) is None:
            return Result()
        made = []
        with progress.task("pictures", len(order)) as task:
            for sheet in atlas.sheets(lambda rows: _pixels(found, dataset.x[rows]), order):
                made.append(np.frombuffer(sheet, dtype=np.uint8))
                task.advance(atlas.SIDE**2)
        return Result({f"{i:04d}": sheet for i, sheet in enumerate(made)})

    kept = run.stage("pictures", pictures).arrays
    sheets = tuple(kept[name].tobytes() for name in sorted(kept))
    pairs = {i for finding in found.findings for pair in finding.pairs for i in pair}
    return Explored(
        run=run.folder.name,
        source=run.asked["source"],
        kind=dataset.kind,
        n=n,
        shape=tuple(dataset.x.shape[1:]),
        verdict=_verdict(dataset, found, n),
        notes=dataset.notes,
        ids=dataset.ids,
        layouts={"Neighbours": found.places, "Principal components": found.plane},
        colours=tuple(_colours(dataset, found)),
        sheets=sheets,
        cell=atlas.size(sheets[0]) if sheets else (0, 0),
        order=order,
        words=_words(dataset, found),
        findings=tuple(found.findings),
        drawn={i: _shown(dataset, found, i) for i in sorted(pairs)},
        spectrum=found.spectrum,
        panels=tuple(_panels(dataset, found)),
        seconds=run.seconds,
        settings=settings,
        versions=run.versions,
        command=command,
    )


def _along_map(places: Floats) -> Ints:
    """Samples in stripes over the map: those beside each other there are mostly in one sheet of pictures."""
    stripes = max(1, round(np.sqrt(len(places) / atlas.SIDE**2)))
    rank = np.empty(len(places), dtype=np.int64)
    rank[np.argsort(places[:, 0], kind="stable")] = np.arange(len(places))
    return np.asarray(np.lexsort((places[:, 1], rank * stripes // len(places))), dtype=np.int64)


def _pixels(found: Survey, x: Floats) -> Any:
    return found.kind.pictures(x)


def _verdict(dataset: Dataset, found: Survey, n: int) -> str:
    size = " × ".join(f"{side:,}" for side in dataset.x.shape[1:])
    columns = inflected(dataset.x.shape[-1], "column", "columns")
    of = {"table": f"{size} {columns}", "text": f"up to {size} tokens"}.get(dataset.kind, size)
    wrong = [finding.name.lower() for finding in found.findings if not finding.fine]
    held = holding(found.spectrum, 0.9)
    hold = inflected(held or 0, "holds", "hold")
    spread = f"{held} of {found.spectrum.values:,} directions {hold} 90 % of their variance"
    if not any(found.spectrum.shares):
        spread = "all are the same"
    elif held is None:
        spread = f"more than {len(found.spectrum.shares)} directions hold 90 % of their variance"
    look = f"look at: {', '.join(wrong)}" if wrong else "nothing looks wrong with them"
    return f"{n:,} {unit_of(dataset)} of {of}: {spread}; {look}."


def _colours(dataset: Dataset, found: Survey) -> Iterable[Colour]:
    clusters = tuple(f"cluster {g + 1}" for g in range(int(found.cluster.max()) + 1))
    yield Colour("cluster", found.cluster.astype(np.float32), clusters, "of k-means among the principal components")
    yield Colour("density", found.log_density, (), "log p(z), from a mixture of normal densities: large where many are")
    yield Colour(
        "oddness", -np.log10(found.p_value), (), "−log₁₀ of the chance that a sample like the others is so odd"
    )
    if len(dataset.labelled):
        y = np.where(dataset.y == UNLABELLED, np.nan, dataset.y).astype(np.float32)
        yield Colour("label", y, dataset.classes, "as the source gives it; nothing on this page is learnt from it")
    if dataset.groups is not None and dataset.grouped:
        name = np.array(dataset.group_names)[dataset.groups]
        names = tuple(sorted({*dataset.group_names} - {""}))
        group = np.where(name == "", np.nan, np.searchsorted(names, name)).astype(np.float32)
        yield Colour("group", group, names, "as a person says what belongs together")
    if dataset.test is not None:
        part = np.zeros(len(dataset), dtype=np.float32)
        part[dataset.test] = 1
        yield Colour("part", part, ("training", "test"), "as the source parts them")
    if dataset.kind == "table":
        for j, column in enumerate(dataset.columns[: max(1, min(_COLUMNS, _NUMBERS // len(dataset)))]):
            yield Colour(column.name, dataset.x[:, j], tuple(column.categories), "a column")
    elif dataset.kind != "text":
        values = dataset.x.reshape(len(dataset), -1)
        with np.errstate(invalid="ignore"):  # of a sample of which nothing is known
            mean = np.nansum(values, axis=1, dtype=np.float64) / (~np.isnan(values)).sum(axis=1)
        yield Colour("mean", mean.astype(np.float32), (), "of all values of a sample")


def _words(dataset: Dataset, found: Survey) -> tuple[str, ...]:
    if dataset.kind != "text":
        return ()
    given: Any = found.kind.given(dataset.x)
    return tuple(" ".join(str(text).split())[:_LETTERS] for text in given)


def _shown(dataset: Dataset, found: Survey, i: int, said: str = "") -> Shown:
    return Shown(found.kind.draw(dataset.x[i]), said or str(dataset.ids[i]), int(i))


def _panels(dataset: Dataset, found: Survey) -> Iterable[Panel]:
    def line(name: str, chosen: Ints, said: Any = lambda _: "") -> Line:
        return Line(name, tuple(_shown(dataset, found, int(i), said(i)) for i in chosen))

    def chance(i: int) -> str:
        return f"{dataset.ids[i]}\np = {found.p_value[i]:.2g}"

    order = np.argsort(found.normality, kind="stable")
    if (found.p_value < 1).any():  # too few are not judged
        yield Panel(
            "The oddest samples",
            "Those that are least like the others, judged by several detectors together; p is the chance that a sample "
            "like the others looks as odd as this.",
            (line("", order[: 2 * _ROW], chance),),
        )
    dense = np.argsort(-found.log_density, kind="stable")
    middle = [
        line(f"cluster {g + 1}", members[np.argsort(found.from_middle[members], kind="stable")][:_ROW])
        for g in range(int(found.cluster.max()) + 1)
        for members in (np.flatnonzero(found.cluster == g),)
    ]
    yield Panel(
        "The most typical samples",
        "Where the density is largest, and nearest to the middle of each cluster.",
        (line("highest density", dense[:_ROW]), *middle),
    )
    if found.latents:
        # What a model makes may lie beyond what there is: drawn by itself, such a sample would look faint.
        ends = float(np.nanmin(dataset.x)), float(np.nanmax(dataset.x))
        yield from _rebuilt(found, line("original", found.shown[:REBUILT]), ends)


def _rebuilt(found: Survey, originals: Line, ends: tuple[float, float]) -> Iterable[Panel]:
    def made(name: str, samples: Floats) -> Line:
        return Line(name, tuple(Shown(found.kind.draw(np.clip(sample, *ends))) for sample in samples))

    # Components come first: what is worse has learnt too little to be worth looking at.
    enough = found.latents[0].error
    latents = [latent for latent in found.latents if latent.error <= enough]
    errors = ", ".join(f"{latent.name}: {100 * latent.error:.1f} %" for latent in latents)
    said = (
        f"What is left after a few numbers stand for a sample. Of the variance of samples set aside is lost: {errors}."
    )
    for name, error in ((latent.name, latent.error) for latent in found.latents if latent.error > enough):
        said += f" {name.split(',')[0].capitalize()}: {100 * error:.1f} %, no better than that, and not shown."
    yield Panel(
        "Samples rebuilt",
        said,
        (originals, *(made(latent.name, latent.rebuilt) for latent in latents)),
        aligned=True,
    )
    yield Panel(
        "Samples drawn from p(x)",
        "Codes drawn from a mixture of normal densities, led back to samples. None of these is in the data.",
        tuple(made(latent.name, latent.drawn) for latent in latents),
    )
    if found.ends.shape[1]:
        lines = [
            made(f"{latent.name}, {way}", np.stack([step[pair] for step in steps]))
            for pair in range(found.ends.shape[1])
            for latent in latents
            for way, steps in (("straight", latent.straight), ("along the density", latent.along))
            if way == "straight" or latent is latents[-1]
        ]
        yield Panel(
            "Between two samples",
            "From one sample to another, in steps between their codes: on a straight line, and along a path that "
            "stays where data are.",
            tuple(lines),
            aligned=True,
        )
