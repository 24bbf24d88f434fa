"""What a person asks of a fit, and the samples as they are then learnt from and judged by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from attar.compress.budget import Budget
from attar.data.arrays import from_arrays
from attar.data.copies import copies
from attar.data.cut import Cut
from attar.data.dataset import UNLABELLED, Dataset
from attar.data.groups import NAMES, levels, of_one_group
from attar.data.labels import validate_labels
from attar.data.marks import Marks
from attar.data.nodes import Nodes
from attar.data.quality import suspects
from attar.data.sources import read
from attar.data.split import draw_labels, holdout, shortfall, unevenness
from attar.data.windows import alike
from attar.errors import BudgetError, DataError, LabelError

# Of the labelled samples, where labels are drawn from a source that knows them all.
HOLDOUT = 0.3
READING = (
    *("kind", "labels", "label_column", "groups", "group_column", "ignore", "category"),
    *("side", "window", "stride", "strict"),
)
"""The options that decide what is read."""
_LATER = ("ignore", "category")  # than the first runs, which go on without them


@dataclass(frozen=True)
class Options:
    """What a person asks of a fit, besides the source.

    Arguments:
        kind: "image", "series", "table", "text" or "graph" where the guess would be wrong.
        labels: file of id and label.
        label_column: of a table.
        groups: file of id and group, such as a patient, whose samples are judged and held out together.
        group_column: of a table, or an array of an NPZ file, that says the same.
        ignore: columns that are no features; one with commas that is no name is a list of names.
        category: likewise, of those whose numbers, or dates, are names of categories.
        labels_per_class: draw so many labels per class and hide the rest.
        label_fraction: or draw this part of the labels.
        holdout: part of the labelled samples that is set aside for one look at the end. None: 0.3 where labels are
            drawn from a source without a test part of its own, else nothing.
        budget: as in "50KB,0.5ms".
        seconds: for the whole job; None: the default schedule.
        seed: of everything random.
        balanced: whether each class counts the same, however rare, or each sample.
        out: the run folder; None: one under runs/ named after the source.
        side: in pixels, that the longer side of images is shrunk to where it is longer; None: as `read` has it.
        window: steps of the windows that recordings are cut into, as are the rows of a table; None: they are not.
        stride: steps from one window to the next; None: half a window.
        strict: refuse unreadable files rather than skip them.
        pretexts: to try, as in `Kind.possible`; None: those that suit the kind.
        backbone: "hf:NAME_OR_PATH" of a pretrained encoder that is tried too.
        backbone_epochs: that it is trained on for, without labels.
        device: that networks are trained on: "cpu", "cuda", "cuda:1", or "auto", a GPU where there is one.
    """

    kind: str | None = None
    labels: Path | None = None
    label_column: str | None = None
    groups: Path | None = None
    group_column: str | None = None
    ignore: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    labels_per_class: int | None = None
    label_fraction: float | None = None
    holdout: float | None = None
    budget: str | None = None
    seconds: float | None = None
    seed: int = 0
    balanced: bool = False
    out: Path | None = None
    side: int | None = None
    window: int | None = None
    stride: int | None = None
    strict: bool = False
    pretexts: tuple[str, ...] | None = None
    backbone: str | None = None
    backbone_epochs: int = 0
    device: str = "cpu"

    def limits(self) -> Budget:
        """The budget, read.

        Raises:
            BudgetError: it is not understood, or says what accuracy may be lost.
        """
        budget = Budget() if self.budget is None else Budget.parse(self.budget)
        if budget.accuracy_drop is not None:
            raise BudgetError(
                f"budget {self.budget!r}: what may be lost is for `attar compress`; here the most accurate model that "
                "fits is taken: give bytes, milliseconds or both"
            )
        return budget

    @property
    def marks(self) -> Marks:
        """What is said of columns."""
        return Marks(self.ignore, self.category)

    def settings(self, *names: str) -> dict[str, Any]:
        """The options of these names as JSON values; all but the run folder where there are none."""
        asked = {name: value for name, value in asdict(self).items() if (name in names if names else name != "out")}
        told = {name: value for name, value in asked.items() if value or name not in _LATER}
        told |= {name: "; ".join(told[name]) for name in _LATER if name in told}
        return {name: str(value) if isinstance(value, Path) else value for name, value in told.items()}


def read_source(source: str, options: Options, *, centre: bool = False) -> Dataset:
    """What a source holds; `centre` as of `attar.data.sources.read`.

    Raises:
        DataError: the source cannot be read.
    """
    return read(
        source,
        kind=options.kind,
        labels=options.labels,
        label_column=options.label_column,
        groups=options.groups,
        group_column=options.group_column,
        marks=options.marks,
        side=options.side,
        cut=Cut.of(options.window, options.stride),
        strict=options.strict,
        centre=centre,
    )


def read_any(source: Any, options: Options, *, centre: bool = False) -> tuple[str, Dataset]:
    """What a source is called, and what it holds: as `read_source`, or what Python holds, as `from_arrays`."""
    if isinstance(source, str | Path):
        return str(source), read_source(str(source), options, centre=centre)
    if {options.labels, options.label_column, options.groups, options.group_column} != {None}:
        raise LabelError(
            "x: labels and groups are read for a file or a folder; give one as the source, or leave them away"
        )
    if {options.side, options.window, options.stride} != {None}:
        raise DataError("x: a side and windows are of a file or a folder; give one as the source, or leave them away")
    return "x", from_arrays(source, kind=options.kind, marks=options.marks, centre=centre)


def read_prepared(source: str, options: Options) -> Dataset:
    """What a source holds, as `prepared`; errors as of that and of `read_source`."""
    return prepared(read_source(source, options), options)


def prepared(dataset: Dataset, options: Options) -> Dataset:
    """The dataset with its test part set aside and, where asked, most of its labels hidden.

    Raises:
        DataError: all samples are of one group.
        LabelError: too few labels, or of one class only.
    """
    if dataset.grouped and len(dataset.group_names) < 2:
        name = dataset.group_names[0]
        raise DataError(f"all samples are of one group ('{name}'); leave the groups away, or give others")
    # Before labels are held out or drawn, which would say less about why they cannot be.
    validate_labels(dataset.y[dataset.trained], dataset.classes)
    dataset = _drawn(_with_test_part(dataset, options), options)
    return replace(dataset, notes=(*dataset.notes, *_noted(dataset)))


def _hides_labels(options: Options) -> bool:
    return options.labels_per_class is not None or options.label_fraction is not None


def _with_test_part(dataset: Dataset, options: Options) -> Dataset:
    """The dataset with its own test part, or one that is set aside where that is asked for."""
    if dataset.test is not None and (dataset.y[dataset.test] == UNLABELLED).all():
        note = "the test part has no label: its samples are learnt from, as others without one"
        dataset = replace(dataset, test=None, notes=(*dataset.notes, note))
    share = HOLDOUT if options.holdout is None and _hides_labels(options) else options.holdout
    if dataset.test is None:
        return replace(dataset, test=holdout(dataset, share, options.seed)) if share else dataset
    if not options.holdout:
        return dataset
    note = "nothing more is held out, for the source has a test part"
    return replace(dataset, notes=(*dataset.notes, note))


def _drawn(dataset: Dataset, options: Options) -> Dataset:
    """The dataset with as many labels as are asked for, all others hidden."""
    if not _hides_labels(options):
        return dataset
    y, trained, few = dataset.y, dataset.trained, tuple[str, ...]()
    if options.labels_per_class is not None and options.labels_per_class >= 1:
        few = shortfall(y, dataset.classes, options.labels_per_class, trained)
        few += () if options.balanced else unevenness(y, dataset.classes, trained)
    y = draw_labels(
        y, per_class=options.labels_per_class, fraction=options.label_fraction, seed=options.seed, among=trained
    )
    return replace(dataset, y=y, notes=(*dataset.notes, *few))


def _noted(dataset: Dataset) -> Iterator[str]:
    """What a person should know of the samples and labels that are learnt from."""
    y, trained = dataset.y[dataset.trained], dataset.trained
    if not isinstance(dataset.x, Nodes):
        found = suspects(dataset, copies(dataset.x))
        yield from (one.said.removesuffix(".") for one in found if not one.fine)
    elif dataset.test is not None:
        yield "nodes of the test part stay in the graph: their features and edges are seen, their labels are not"
    yield from validate_labels(y, dataset.classes)
    if dataset.windows is not None and alike(y, dataset.windows.recordings[trained]):
        yield "no recording has labels of two classes: a label is given to its whole recording"
    features = () if dataset.grouped else (*(column.name for column in dataset.columns), *dataset.channels)
    for name in features:
        if name.lower() in NAMES:
            yield f"column '{name}' is a feature: where the samples of one belong together, give it as their groups"
    parts = levels(dataset.groups if dataset.grouped else None, dataset.windows)
    if parts:
        word = "group" if dataset.grouped else "recording"
        yield from of_one_group(y, parts[0][trained], dataset.classes, word)
