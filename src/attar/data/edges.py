"""The list of edges in a folder that holds a graph: which columns are their ends, and what these call the nodes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from attar.data.columns import ROW_NAMES
from attar.data.dataset import ArrowTable, Ints
from attar.data.delimited import layout, read_delimited
from attar.data.spelling import spelt
from attar.data.tables import DELIMITED, read_parquet
from attar.data.written import is_text
from attar.errors import DataError

# What the columns of the ends of an edge may be called, with or without "_id" behind it.
_END_NAMES = (
    ("source", "target"),
    ("src", "dst"),
    ("from", "to"),
    ("head", "tail"),
    ("u", "v"),
    ("node1", "node2"),
    ("id1", "id2"),
)


def naming(table: Path, edges: Path, usual: Collection[str]) -> list[str]:
    """Find the column that names the nodes where none is called so, as one called paper or user may.

    It is the only one that has every end of an edge, and no cell twice. Ends that are row numbers are taken for these.

    Arguments:
        table: with a node a row.
        edges: between them.
        usual: what a column that names the nodes is called, in lower case.

    Returns:
        Its name in lower case; nothing where there is none, or one of a usual name.

    Raises:
        DataError: a file cannot be used.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    names = layout(table).names if table.suffix.lower() in DELIMITED else read_parquet(table).column_names
    if any(name.lower() in usual for name in names):
        return []
    rows, _ = _edges(edges)
    used = {end for side in _ends(rows) for end in side if end is not None}
    nodes, _ = _as_written(table)
    if used <= set(map(str, range(len(nodes)))):
        return []
    ends, found = pa.array(sorted(used), pa.string()), []
    for name, column in zip(nodes.column_names, nodes.columns):
        if is_text(column.type) or pa.types.is_integer(column.type):
            cells = pc.utf8_trim_whitespace(column.cast(pa.string()).combine_chunks())
            if pc.count_distinct(cells).as_py() == len(cells) and pc.all(pc.is_in(ends, value_set=cells)).as_py():
                found.append(name.lower())
    return found if len(found) == 1 else []


def ends_of(path: Path, place: Mapping[str, int], table: Path, *, by_row: bool) -> tuple[Ints, list[str]]:
    """Read a list of edges.

    Arguments:
        path: CSV, TSV or Parquet.
        place: row number of each node, by its name.
        table: the file of the nodes, which an error names.
        by_row: True where row numbers are the names.

    Returns:
        Row numbers of the ends of each edge `(2, m)`, and notes.

    Raises:
        DataError: an end is missing, or no node, or the file cannot be used.
    """
    rows, header = _edges(path)
    columns = _ends(rows)
    names = rows.column_names
    others = names[2:]
    if header and all(name in place for name in header[:2]):  # a first line of two nodes is an edge, not a header
        columns = [[name, *column] for name, column in zip(header, columns)]
        others = [f"x{i}" for i in range(2, len(names))]
    elif others and len(sides := _sides(names)) == 1:
        raise DataError(
            f"{path}: column '{names[sides[0]]}' is one end of each edge, and no column is called like the other; call "
            "them source and target"
        )
    for column in columns:
        i, name = next(((i, name) for i, name in enumerate(column) if name not in place), (-1, ""))
        if name is None:
            raise DataError(f"{path}: row {i} has an empty end; fill it in, or leave the edge out")
        if i >= 0:
            mend = "; add it, or leave the edge out"
            if by_row:
                mend = (
                    f": without a column called id, nodes are row numbers from 0 to {len(place) - 1}; call the column"
                    " of their names id"
                )
            raise DataError(f"{path}: row {i} leads to node '{name}', which {table.name} does not have{mend}")
    ends = np.array([[place[name] for name in column if name is not None] for column in columns], dtype=np.int64)
    return ends, [f"columns of {path.name} that are not used: {', '.join(others)}"] if others else []


def _as_written(path: Path) -> tuple[ArrowTable, tuple[str, ...]]:
    """A table, names in it, be they numbers, as they are written; and its header line, () where it has none."""
    if path.suffix.lower() not in DELIMITED:
        return read_parquet(path, empty=True), ()
    found = layout(path)
    rows, _ = read_delimited(path, text=found.names, empty=True)
    return rows, found.names if found.header else ()


def _edges(path: Path) -> tuple[ArrowTable, tuple[str, ...]]:
    """A row for each edge, its ends first, and the header line, () where there is none."""
    if path.stat().st_size == 0:
        raise DataError(
            f"{path}: the file is empty; give two nodes a line, or a header line alone where none are joined"
        )
    rows, header = _as_written(path)
    order = list(range(rows.num_columns))
    if rows.num_columns > 2 and rows.column_names[0].lower() in ROW_NAMES:
        order = order[1:]
    if len(order) < 2:
        raise DataError(f"{path}: one column only; give two, the ends of each edge")
    sides = _sides(rows.column_names)
    if len(sides) == 2:
        order = [*sides, *(i for i in order if i not in sides)]
    return rows.select(order), tuple(header[i] for i in order) if header else ()


def _ends(rows: ArrowTable) -> list[list[str | None]]:
    """What the first two columns call the nodes, as ids are written: without blanks around, and None where empty."""
    return [
        [None if end is None else spelt(end).strip() or None for end in rows.column(side).to_pylist()]
        for side in range(2)
    ]


def _sides(names: Sequence[str]) -> list[int]:
    """Positions of the columns that are called like the ends of an edge: two, one or none."""
    place = {name.lower().removesuffix("_id"): i for i, name in enumerate(names)}
    return max(([place[end] for end in pair if end in place] for pair in _END_NAMES), key=len)
