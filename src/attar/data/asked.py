"""What is asked of a source that is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from attar.data.dataset import Form
from attar.data.marks import NO_MARKS, Marks


@dataclass(frozen=True)
class Asked:
    """What a person, or the model that is to predict a source, asks of it; a reader takes what concerns it.

    Arguments:
        kind: "text" where a table holds texts, another where it does not; None: as its columns say.
        label_column: of a table. None takes one called label, target, class or y, of a set of the hub first one of
            class labels, and says so; "" takes none.
        group_column: of a table, or an array of an NPZ file; None: an array called groups.
        marks: columns that are no features, or categories.
        strict: refuse an unreadable file rather than skip it, and a text in neither UTF-8 nor UTF-16.
        side: longest side that the median size of images is shrunk to.
        leave_out: files that are no samples, though they may lie in the folder (of labels or groups).
        shape: of images, `(h, w)` or `(h, w, c)`; the median size where None, of one file alone its own.
        text: columns of a table that are categories even where they look like numbers, and are read as written.
        known: columns of a table that a model needs, with their categories; they are features however odd they look.
        form: what a model takes of recordings: channels, even where they look like the time, and the rate.
        ids: what a column that names the rows may be called, in lower case, the likeliest first.
    """

    kind: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    marks: Marks = NO_MARKS
    strict: bool = False
    side: int | None = None
    leave_out: Collection[Path] = ()
    shape: tuple[int, ...] | None = None
    text: Collection[str] = ()
    known: Mapping[str, Collection[str]] = field(default_factory=dict)
    form: Form | None = None
    ids: Sequence[str] = ("id",)


ASKED = Asked()
