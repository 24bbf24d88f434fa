"""From a source to a page that shows what its samples look like, without any label."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from attar import kinds
from attar.data.dataset import Dataset, unjudged
from attar.data.marks import Marks
from attar.data.split import some
from attar.errors import DataError
from attar.fit import default_folder, fingerprint_of
from attar.plan import MOST, default_plan, on_threads, versions
from attar.preparation import READING, Options, read_any
from attar.report.saved import write_explored
from attar.run import Result, Run, free_folder
from attar.training.progress import Progress, Silent, noted

if TYPE_CHECKING:
    from attar.report.explored import Explored

# Seconds that the autoencoder is trained for, where nothing else is asked: at least, at most, and for each value.
SECONDS, PER_VALUE = (30.0, 120.0), 2.5e-6


@dataclass(frozen=True)
class Exploration:
    """What a finished exploration leaves: a page to open, and everything that it shows."""

    page: Path
    facts: Explored


def explore(
    source: Any,
    *,
    out: str | Path | None = None,
    kind: str | None = None,
    labels: str | Path | None = None,
    label_column: str | None = None,
    groups: str | Path | None = None,
    group_column: str | None = None,
    ignore: str | Sequence[str] = (),
    category: str | Sequence[str] = (),
    seconds: float | None = None,
    seed: int = 0,
    side: int | None = None,
    window: int | None = None,
    stride: int | None = None,
    strict: bool = False,
    progress: Progress | None = None,
    command: str | None = None,
) -> Exploration:
    """Write one page that shows what samples look like: what is wrong with them, how they lie, which are odd.

    Labels are not needed; where the source has some, samples can be coloured by them. A test part is looked at like
    all the rest.

    Arguments:
        source: as `attar fit` takes it: a built-in name, `hf:owner/name`, a file or a folder; or an array, a
            DataFrame or a list of texts.
        out: the run folder; None: one under runs/ named after the source. The same call goes on in it.
        kind: "image", "series", "table" or "text" where the guess would be wrong.
        labels: file of id and label, to colour by; of a file or a folder.
        label_column: of a table in a file.
        groups: file of id and group, such as a person: what is of one belongs together.
        group_column: of a table in a file, or an array of an NPZ file, that says the same; where rows are cut into
            windows, it tells recordings apart.
        ignore: columns that are no features.
        category: columns whose numbers, or dates, are names of categories.
        seconds: that the autoencoder is trained for, where there are enough samples for one; None: half a minute, and
            up to two for many samples.
        seed: of everything random.
        side: in pixels, that the longer side of images in a file or folder is shrunk to where it is longer; None: 64.
        window: steps of the windows that recordings of a file or folder are cut into, as are the rows of a table.
        stride: steps from one window to the next; None: half a window.
        strict: refuse unreadable files rather than skip them.
        progress: where to report.
        command: what the person typed, for the page.

    Returns:
        The page and what it shows.

    Raises:
        AttarError: what a person can mend.
    """
    progress, marks = progress or Silent(), Marks.of(ignore, category)
    options = Options(
        kind=kind,
        labels=None if labels is None else Path(labels),
        label_column=label_column,
        groups=None if groups is None else Path(groups),
        group_column=group_column,
        ignore=marks.ignore,
        category=marks.category,
        seconds=seconds,
        seed=seed,
        side=side,
        window=window,
        stride=stride,
        strict=strict,
    )
    where, dataset = read_any(source, options, centre=True)
    if kinds.of(dataset.kind).hops:
        raise DataError(f"{where}: nodes of a graph cannot be explored; give their features alone, as a table")
    if len(dataset) < 2:
        raise DataError(f"{where}: one sample cannot be compared with others; give at least two")
    dataset, n = replace(dataset, notes=unjudged(dataset.notes)), len(dataset)
    progress.say(f"{dataset.kind} · {n:,} samples of {' × '.join(map(str, dataset.x.shape[1:]))}")
    for note in dataset.notes:
        progress.say(noted(note))
    if n > MOST:  # no neighbours can be found among more
        dataset = dataset.part(some(n, MOST, seed), f"{MOST:,} of {n:,} samples, drawn at random, are looked at")
    settings = options.settings(*READING, "seconds", "seed")
    asked = {"source": where, "settings": {"explore": True, **settings}, "data": fingerprint_of(dataset)}
    folder = free_folder(default_folder(where, "-explored"), asked) if out is None else Path(out)
    with Run(folder, asked, versions()) as run:
        plan = run.stage("plan", lambda _: Result(facts=_plan(dataset, seconds))).facts
        with on_threads(plan["threads"]):
            from attar.scenes import explored
            from attar.survey import survey

            found = survey(dataset, plan["epochs"], seed, run, progress)
            command = command or shlex.join(sys.argv)
            facts = explored(dataset, found, n, run, progress, command, {**settings, **plan})
        return Exploration(write_explored(run.folder, facts), facts)


def _plan(dataset: Dataset, seconds: float | None) -> dict[str, Any]:
    from attar.latents import epochs_for

    seconds = float(np.clip(dataset.x.size * PER_VALUE, *SECONDS)) if seconds is None else seconds
    kind = kinds.of(dataset.kind).learn(dataset.x, dataset.columns)
    threads = default_plan(dataset.x, 0).threads
    with on_threads(threads):
        return {
            "threads": threads,
            "epochs": epochs_for(kind, dataset.x, seconds),
        }
