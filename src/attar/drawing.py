"""Which samples to label, written into a file to fill in."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from attar import kinds
from attar._files import write_whole
from attar._settings import check_count
from attar.adapt.pivotal import well_spread
from attar.data.dataset import UNLABELLED, Dataset, Floats, Ints
from attar.data.labels import MISSING
from attar.data.marks import Marks
from attar.data.split import some
from attar.errors import DataError
from attar.kinds.base import Kind
from attar.latents import flat
from attar.preparation import Options, read_any
from attar.represent import PCA, RandomConvolutions
from attar.training.modes import usual_defaults
from attar.trials.base import apply

# Of more samples, so many that are drawn without looking are spread over.
_MOST = 20_000
# Axes among which samples are neighbours, and filters of random convolutions.
_AXES, _FILTERS = 32, 32
# Characters of a text that stand beside its id.
_SHOWN = 500


@dataclass(frozen=True)
class Drawn:
    """Samples to label.

    Arguments:
        dataset: all samples, with the labels that there are.
        kind: what was learnt about them.
        rows: indices of those drawn `(n,)`, ascending.
        grouped: whether a file of labels had said which samples belong together.
    """

    dataset: Dataset = field(repr=False)
    kind: Kind = field(repr=False)
    rows: Ints
    grouped: bool = False

    @property
    def ids(self) -> list[str]:
        """Names of those drawn, as a file of labels has them."""
        return [str(name) for name in self.dataset.ids[self.rows]]

    def write(self, path: str | Path) -> Path:
        """Write a file of labels to fill in: what has a label already, and those drawn, with none.

        Groups stand beside them where the file of labels had some, and texts.

        Raises:
            DataError: there is a file of that name, which may hold labels; or a class has a name that means none there.
        """
        path, dataset = Path(path), self.dataset
        if path.exists():
            raise DataError(
                f"{path}: there already; give another --out, and --labels {path} to draw beside what it holds"
            )
        none = next((name for name in dataset.classes if name in MISSING), None)
        if none is not None:
            raise DataError(f"{path}: the class '{none}' would read as no label there; call it otherwise")
        known = np.flatnonzero(dataset.y != UNLABELLED)
        rows = np.concatenate([known, self.rows])
        columns: dict[str, list[Any]] = {
            "id": dataset.ids[rows].tolist(),
            "label": [dataset.classes[code] for code in dataset.y[known]] + [""] * len(self.rows),
        }
        if self.grouped and dataset.groups is not None:
            columns["group"] = [dataset.group_names[group] for group in dataset.groups[rows]]
        # Texts are given as such; all else as it is.
        if isinstance(texts := self.kind.given(dataset.x[rows]), list):
            columns["text"] = [" ".join(text.split())[:_SHOWN] for text in texts]
        file = io.StringIO(newline="")
        lines = csv.writer(file)
        lines.writerow(columns)
        lines.writerows(zip(*columns.values(), strict=True))
        write_whole(path, file.getvalue().encode())
        return path


@usual_defaults()
def draw(
    source: Any,
    n: int,
    *,
    labels: str | Path | None = None,
    label_column: str | None = None,
    ignore: str | Sequence[str] = (),
    category: str | Sequence[str] = (),
    kind: str | None = None,
    seed: int = 0,
    side: int | None = None,
    window: int | None = None,
    stride: int | None = None,
    group_column: str | None = None,
    strict: bool = False,
) -> Drawn:
    """Draw samples to label: each as likely as any other, and spread over all of them.

    Neighbours are those on principal axes: of random convolutions of images and series, of normalised columns, of
    TF-IDF vectors, or of features averaged over a graph.

    Arguments:
        source: as `attar fit` takes it: a built-in name, `hf:owner/name`, a file or a folder; or an array, a DataFrame
            or a list of texts.
        n: how many to draw, of those without a label.
        labels: file of id and label: what is labelled already.
        label_column: of a table in a file.
        ignore: columns that are no features.
        category: columns whose numbers, or dates, are names of categories.
        kind: "image", "series", "table", "text" or "graph" where the guess would be wrong.
        seed: of everything random.
        side: in pixels, that the longer side of images is shrunk to where it is longer; None: 64.
        window: steps of the windows that recordings of a file or folder are cut into, as are the rows of a table.
        stride: steps from one window to the next; None: half a window.
        group_column: of a table, which is no feature; where its rows are cut into windows, it tells recordings apart.
        strict: refuse unreadable files rather than skip them.

    Returns:
        The samples drawn. A test part of the source's own is left alone.

    Raises:
        DataError: the source cannot be read, has fewer samples without a label, or two of one name.
        LabelError: the labels cannot be read.

    Example:
        >>> images = np.random.default_rng(0).random((100, 8, 8))
        >>> len(draw(images, 10).rows)
        10
    """
    check_count("n", n)
    marks = Marks.of(ignore, category)
    options = Options(
        kind=kind,
        labels=None if labels is None else Path(labels),
        label_column=label_column,
        group_column=group_column,
        ignore=marks.ignore,
        category=marks.category,
        side=side,
        window=window,
        stride=stride,
        strict=strict,
    )
    where, dataset = read_any(source, options)
    names, counts = np.unique(dataset.ids, return_counts=True)
    if len(names) < len(dataset):
        raise DataError(
            f"{where}: {counts.max()} samples are called '{names[counts.argmax()]}', and a label would be of all of "
            "them; give each an id of its own, or call the column otherwise, so that rows are numbered"
        )
    unlabelled = dataset.trained[dataset.y[dataset.trained] == UNLABELLED]
    if window is not None:  # what holds no value has no label
        unlabelled = unlabelled[~np.isnan(dataset.x[unlabelled]).all(axis=(1, 2))]
    if n > len(unlabelled):
        raise DataError(f"{where}: {n:,} samples to draw, and {len(unlabelled):,} without a label; ask for fewer")
    looked_at = unlabelled[some(len(unlabelled), max(n, _MOST), seed)]
    learnt = kinds.of(dataset.kind).learn(dataset.x, dataset.columns)
    points = _points(learnt, dataset.x[looked_at], seed)
    rows = looked_at[well_spread(points, n, random_state=seed)]
    return Drawn(dataset, learnt, rows, grouped=labels is not None and dataset.grouped)


def _points(kind: Kind, x: Floats, seed: int) -> Floats:
    """Samples where neighbours are alike `(n, axes)`, by what nothing is trained for."""
    own = kind.own_baselines()
    if own:
        z = apply(list(own.values())[-1], x)
    elif "random-convolutions" in kind.baselines:
        z = RandomConvolutions(_FILTERS, kind=kind, random_state=seed).fit(x).transform(x)
    else:
        z = flat(kind, x, seed)
    most = min(_AXES, *z.shape)
    return np.asarray(PCA(most, random_state=seed).fit_transform(z) if len(z) > 1 else z)
