"""Labels and groups in files beside a source."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from attar.data.arrays import with_groups, with_labels
from attar.data.dataset import Dataset
from attar.data.folders import PATIENTS
from attar.data.labels_file import Listed, match_labels, read_labels
from attar.data.raw import Raw
from attar.errors import LabelError, inflected

# How the name of a window ends: with the step at which it begins in its recording.
_WINDOW = re.compile(r"@\d+$")


@dataclass(frozen=True)
class FilesBeside:
    """Files of labels and of groups, which count instead of what the source itself says.

    Arguments:
        labels: the file, and what it says; its further columns may be groups, where nobody says others.
        groups: the file, and what it says.
    """

    labels: tuple[Path, Listed] | None
    groups: tuple[Path, Listed] | None

    @classmethod
    def read(cls, labels: Path | None, groups: Path | None, group_column: str | None) -> FilesBeside:
        """Read the files that there are.

        Raises:
            LabelError: one cannot be used, or groups are in a column of the source as well.
        """
        if groups is not None and group_column is not None:
            raise LabelError(f"groups from {groups} and from column '{group_column}'; give one of the two")
        beside = groups is None and group_column is None
        return cls(
            None if labels is None else (labels, read_labels(labels, beside=beside)),
            None if groups is None else (groups, read_labels(groups, "group")),
        )

    @property
    def paths(self) -> list[Path]:
        """The files, which are no samples."""
        return [given[0] for given in (self.labels, self.groups) if given is not None]

    def replacing(self, raw: Raw) -> Raw:
        """What a reader found, without the labels and groups that the files replace; their notes are added."""
        said = (note for given in (self.labels, self.groups) if given is not None for note in given[1].notes)
        notes = (*(note for note in raw.notes if note != PATIENTS or self.groups is None), *said)
        if self.labels is not None and raw.y is not None:
            notes = (*notes, f"the source's own labels are set aside: those of {self.labels[0]} count")
        y, groups = (None if self.labels else raw.y), (None if self.groups else raw.groups)
        return replace(raw, y=y, groups=groups, notes=notes)

    def split(self, recordings: Collection[str]) -> tuple[FilesBeside, FilesBeside]:
        """What the files say of recordings of these names, and of windows that are still to be cut from them.

        A file of labels may name windows instead, as `walk.csv@64`, as `attar draw` and `attar predict` do.
        """
        named = [] if self.labels is None else [Path(key).name for key in self.labels[1].of if _WINDOW.search(key)]
        # A recording may be called so too, and named without its extension.
        if not {*named} - {name for one in map(Path, recordings) for name in (one.name, one.stem)}:
            return self, FilesBeside(None, None)
        return replace(self, labels=None), replace(self, groups=None)

    def applied(self, dataset: Dataset, skipped: tuple[str, ...]) -> Dataset:
        """The dataset with the labels and groups of the files, which may name what was skipped too."""
        n, ids = len(dataset), [*dataset.ids.tolist(), *skipped]
        if self.labels is not None:
            path, labels = self.labels
            y = match_labels(labels.of, ids, path)
            lost = sum(label is not None for label in y[n:])
            if lost:
                are = inflected(lost, "label is of a file", "labels are of files")
                dataset = replace(dataset, notes=(*dataset.notes, f"{lost} {are} that cannot be read"))
            dataset = with_labels(dataset, y[:n], str(path))
            if not dataset.grouped:
                dataset = _with_groups_beside(dataset, labels.beside, ids, path)
        if self.groups is not None:
            path, groups = self.groups
            given = match_labels(groups.of, ids, path, "group")[:n]
            dataset = with_groups(dataset, given, str(path))
        return dataset


def _with_groups_beside(
    dataset: Dataset,
    beside: Mapping[str, Mapping[str, str | None]],
    ids: Sequence[str],
    path: Path,
) -> Dataset:
    """The dataset in the groups of the file of labels, where these are several, and some of several samples.

    Of several columns, that of most groups: patients rather than sites.
    """
    columns = {name: match_labels(groups, ids, path, "group") for name, groups in beside.items()}
    found = {name: groups[: len(dataset)] for name, groups in columns.items()}
    many = {name: len({*groups} - {None}) for name, groups in found.items()}
    some = [name for name, n in many.items() if 1 < n < sum(group is not None for group in found[name])]
    if not some:
        return dataset
    name = max(some, key=many.__getitem__)
    others = "".join(f", and '{other}' is not" for other in some if other != name)
    note = (
        f"column '{name}' of {path.name} is taken for the groups{others}: leave it out of the file where samples of"
        " one do not belong together"
    )
    return with_groups(replace(dataset, notes=(*dataset.notes, note)), found[name], str(path))
