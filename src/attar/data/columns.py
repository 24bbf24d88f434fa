"""Which columns of a table are labels, groups, names of rows, texts and features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from attar.data.asked import Asked
from attar.data.dataset import ArrowTable, Column
from attar.data.labels import words_for_none
from attar.data.marks import named_column, typed
from attar.data.raw import Raw, RawLabels
from attar.data.spelling import spelt
from attar.data.tables import each_once, from_arrow
from attar.data.texts import SPLIT, beside, categories_alone, test_part, text_column, without_names
from attar.data.written import is_text, read_written, readings
from attar.errors import DataError, LabelError

LABEL_NAMES = ("label", "target", "class", "y")
ROW_NAMES = ("", "unnamed: 0", "rownames", "row.names", "row_names", "rowname")  # of pandas and of R


def from_table(table: ArrowTable, label: str | None, asked: Asked, *, where: str, notes: Sequence[str] = ()) -> Raw:
    """Split a table into samples, labels and ids.

    Arguments:
        table: of one sample per row.
        label: its column of labels, if any.
        asked: what else is said of its columns.
        where: the file that an error names.
        notes: so far.

    Raises:
        DataError: no column is left for the samples, or none of texts where the kind is text; or columns are marked
            that are not there, or no features.
        LabelError: there is no such column of groups, or it is that of the labels.
    """
    names, groups, said = table.column_names, asked.group_column, bool(asked.label_column)
    notes = list(notes)
    of = groups_in(table, groups, label, where)
    y: RawLabels | None = None
    if label is not None:
        y = table.column(label).to_pylist()
        notes += [] if said else [f"column '{label}' is taken for the labels"]
        notes += words_for_none(y)
    table = table.drop_columns([name for name in (label, groups) if name is not None])
    row_names = _row_names(table.column_names, asked)
    labels = "holds the labels" if said else "is taken for the labels (--label-column takes another)"
    holding = {label: labels, groups: "holds the groups"} | dict.fromkeys(row_names[:1], "names the rows")
    taken = {name: holds for name, holds in holding.items() if name is not None}
    asked = replace(asked, marks=asked.marks.among(names, where, taken))
    ids = None
    if row_names:
        notes.append(_naming(row_names[0]))
        ids = _ids(table.column(row_names[0]).to_pylist())
        # Beside ids, the row names of pandas are neither ids nor features.
        table = table.drop_columns([*{row_names[0], *(name for name in row_names if name.lower() in ROW_NAMES)}])
    if table.num_columns == 0:
        raise DataError(f"{where}: no column of features; give at least one beside labels and ids")
    raw = samples_of(table, where, asked)
    if raw.kind == "text":
        notes.append(f"column '{raw.columns[0].name}' is taken for the texts")
    elif label is not None and not said and (like := _like_labels([column.name for column in raw.columns])):
        notes.append(
            f"columns called like labels stay features ({', '.join(like)}): leave out what tells the label, as by"
            f" {typed(like)}"
        )
    return replace(raw, y=y, ids=ids, groups=of, notes=(*notes, *raw.notes))


def groups_in(table: ArrowTable, groups: str | None, label: str | None, where: str) -> RawLabels | None:
    """What a column says of the groups, if there is one, and it is not that of the labels."""
    if groups is None:
        return None
    if groups == label:
        raise LabelError(f"{where}: column '{groups}' holds the labels; give another one for the groups")
    cells: RawLabels = table.column(named_column(table.column_names, groups, where)).to_pylist()
    return cells


def _ids(cells: Sequence[object]) -> list[str]:
    """The names of rows; one without has its number, but not where that is the name of another one."""
    # As in a file of labels, blanks around a name are none of it.
    names = [None if cell is None else spelt(cell).strip() or None for cell in cells]
    taken = {*names}
    rows = (f"row {i}" if str(i) in taken else str(i) for i in range(len(names)))
    return [row if name is None else name for name, row in zip(names, rows)]


def _row_names(names: Sequence[str], asked: Asked) -> list[str]:
    """Columns that are called as those are that name the rows, the likeliest first."""
    lower = {str(name).lower(): name for name in reversed(names) if name not in asked.known}
    return [lower[wanted] for wanted in (*asked.ids, *ROW_NAMES) if wanted in lower]


def _naming(name: str) -> str:
    return (f"column '{name}'" if name else "the column without a name") + " names the rows, and is no feature"


def samples_of(table: ArrowTable, where: str, asked: Asked) -> Raw:
    """The features of a table without labels and ids, or the texts in one of its columns; else as `from_table`.

    What is marked is there, and no other column than these features.
    """
    marks = asked.marks
    if marks.category:
        if asked.kind == "text":
            marks.without_categories(where, "texts are learnt from, and not the columns beside them")
        asked = replace(asked, kind=asked.kind or "table", text={*asked.text, *marks.category})
    table, marked = marks.applied(table, where)
    raw = _samples_of(table, where, asked)
    return replace(raw, ignored=marks.ignore, notes=(*marked, *raw.notes))


def _samples_of(table: ArrowTable, where: str, asked: Asked) -> Raw:
    kind, text, known = asked.kind, asked.text, asked.known
    table, written = read_written(table, readings(table, text)) if kind != "text" else (table, [])
    # A frame of pandas may have the row names of the file that it was read from.
    rows = [name for name in table.column_names if name.lower() in ROW_NAMES and name not in known]
    rows = rows if table.num_columns > len(rows) else []
    table, unlearnt = without_names(table.drop_columns(rows), kind, {*text, *known})
    notes = [*written, *map(_naming, rows), *unlearnt]
    texts = text_column(table, kind, text, where)
    test, parts = (None, []) if known else test_part(table)
    if texts is not None:
        cells = np.array(table.column(texts).to_pylist(), dtype=object)
        notes += [*beside(table, texts), *parts]
        return Raw(cells, columns=(Column(texts),), kind="text", test=test, notes=tuple(notes))
    if test is not None and table.num_columns > 1:
        table = table.drop_columns([SPLIT])
        notes += [f"column '{SPLIT}' names the test part, and is no feature", *parts]
    else:
        test = None
    # What a model does not take need not be in order.
    of_table = table.schema if known and kind == "table" else ()
    unused = [field.name for field in of_table if field.name not in known and is_text(field.type)]
    values, columns, found = from_arrow(table, where=where, text={*text, *unused}, open=not known)
    notes += [*found, *categories_alone(columns, kind)]
    return Raw(values, columns=columns, kind="table", test=test, notes=tuple(notes))


def label_of(names: Sequence[str], wanted: str | None, where: str | Path) -> str | None:
    """The column of labels: the one that is wanted, "" for none; where None, one that is called as labels are.

    Raises:
        DataError: two columns have one name.
        LabelError: there is no such column.
    """
    each_once(names, str(where))
    if wanted == "":
        return None
    return next(iter(_like_labels(names)), None) if wanted is None else named_column(names, wanted, where)


def _like_labels(names: Sequence[str]) -> list[str]:
    """Columns that are called as labels are, the likeliest first."""
    lower = {name.lower(): name for name in reversed(names)}
    # Beside an x, a y is more likely the other coordinate.
    return [lower[name] for name in LABEL_NAMES if name in lower and not (name == "y" and "x" in lower)]
