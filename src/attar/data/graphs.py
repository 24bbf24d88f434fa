"""Graphs in: arrays of an NPZ file, a folder of a node table and an edge list, or an object of torch-geometric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from attar.data import nodes
from attar.data.asked import Asked
from attar.data.dataset import UNLABELLED, Array, Ints
from attar.data.edges import ends_of, naming
from attar.data.held import plain
from attar.data.marks import leaving_out
from attar.data.nodes import Links, Nodes
from attar.data.raw import Raw, RawLabels
from attar.data.tables import DELIMITED, PARQUET
from attar.errors import DataError, LabelError, inflected

EDGES = "edge_index"
# Arrays of a sparse matrix of features, row by row.
_SPARSE = ("x_data", "x_indices", "x_indptr", "x_shape")
# What a column that names the nodes may be called.
_ID_NAMES = ("id", "node_id", "nodeid", "node")


def is_graph(x: object) -> bool:
    """Whether a Python object is a graph: of attar, or one with features `x` and an `edge_index`."""
    return isinstance(x, Links | Nodes) or (hasattr(x, EDGES) and hasattr(x, "x"))


def refuse_other_graphs(x: object) -> None:
    """Refuse what is a graph to others, and neither that here nor an array, with what makes one of it.

    Raises:
        DataError: a graph of networkx, several graphs, or one of several kinds of nodes.
    """
    if type(x).__module__.partition(".")[0] == "networkx":
        raise DataError("x: a graph of networkx; give torch_geometric.utils.from_networkx(x, group_node_attrs=[…])")
    if hasattr(x, "node_types") and hasattr(x, "edge_types"):
        raise DataError("x: a graph of several kinds of nodes; give that of one kind, x.to_homogeneous()")
    if isinstance(x, list | tuple) and any(is_graph(one) for one in x):
        raise DataError(
            "x: several graphs; the samples are nodes: join them, torch_geometric.data.Batch.from_data_list"
        )


def as_nodes(x: Any) -> Nodes:
    """The nodes of a graph in Python, checked.

    Arguments:
        x: `Links`, some nodes of it, or an object with `x` `(n, d)` and `edge_index` `(2, m)`, such as `Data`.

    Raises:
        DataError: no features, or edges that cannot be used.
    """
    if isinstance(x, Links):
        return x.all()
    if isinstance(x, Nodes):
        return x
    if x.x is None or x.edge_index is None:
        hint = ", without the transform ToSparseTensor" if getattr(x, "adj_t", None) is not None else ""
        raise DataError(f"x: a graph without {'features x' if x.x is None else EDGES}; give both{hint}")
    return nodes.links(np.asarray(plain(x.x)), np.asarray(plain(x.edge_index)), "x").all()


def from_object(x: Any, y: RawLabels | None, ids: Sequence[str] | None) -> Raw:
    """Take a graph in Python, and of its labels, or those given in their place, the ones that its masks leave.

    Where it has a `train_mask`, the labels of other nodes are set aside, but for those of its `test_mask`.

    Raises:
        DataError: features or edges are missing or cannot be used; LabelError: the labels or the masks cannot.
    """
    all_nodes = as_nodes(x)
    labels = getattr(x, "y", None) if y is None else y
    masks: dict[str, Array] = {
        name: np.asarray(plain(mask))
        for name in ("train_mask", "test_mask")
        if (mask := getattr(x, name, None)) is not None
    }
    if labels is None or (y is not None and not masks):
        raw = Raw(all_nodes, labels, kind="graph")
    else:
        raw = _split({"y": np.asarray(plain(labels)), **masks}, all_nodes, "x")
    ignored = [name for name in ("edge_weight", "edge_attr") if getattr(x, name, None) is not None]
    note = (f"attributes of the graph that are not used: {', '.join(ignored)}",) if ignored else ()
    return replace(raw, ids=ids, notes=(*raw.notes, *note))


def from_npz(arrays: Mapping[str, Array], path: Path) -> Raw:
    """Take the arrays of a file: `edge_index`, features `x` or a sparse matrix of them, labels `y`, and a split.

    The split is `train_idx` and `test_idx` (numbers of nodes) or `train_mask` and `test_mask`. Where it has a training
    part, the labels of other nodes are set aside, but for those of the test part.

    Raises:
        DataError: features or edges are missing or cannot be used; LabelError: the labels or their split cannot.
    """
    features = _features(arrays, path)
    raw = _split(arrays, nodes.links(features, arrays[EDGES], str(path)).all(), str(path))
    used = {EDGES, "x", *_SPARSE, "y", "num_nodes"} | {f"{p}_{f}" for p in ("train", "test") for f in ("idx", "mask")}
    ignored = sorted(set(arrays) - used)
    note = (f"arrays of {path.name} that are not used: {', '.join(ignored)}",) if ignored else ()
    return replace(raw, notes=(*raw.notes, *note))


def find(folder: Path) -> tuple[Path, Path] | None:
    """The node table and the edge list of a folder that holds a graph: files called nodes and edges."""
    files = [[folder / f"{name}{suffix}" for suffix in (*DELIMITED, *PARQUET)] for name in ("nodes", "edges")]
    nodes_of, edges_of = ([file for file in some if file.is_file()] for some in files)
    return (nodes_of[0], edges_of[0]) if len(nodes_of) == len(edges_of) == 1 else None


def read_pair(table: Path, edges: Path, asked: Asked) -> Raw:
    """Read a table with a node a row and, where edges name nodes otherwise than by row number, a column of ids.

    Arguments:
        table: CSV, TSV or Parquet; columns are features, but for the labels and ids, and are numbers. Ids are in a
            column called id, node_id, nodeid or node, else, where edges do not name nodes by row number, in the only
            one that has every end of an edge and no cell twice.
        edges: CSV, TSV or Parquet of the ends of each edge, in columns called source and target, src and dst, from and
            to, head and tail, u and v, node1 and node2, or id1 and id2; where none are, in the first two.
        asked: of the table. Where its `label_column` is "", the nodes are to be predicted: a column that is called like
            labels, and any of texts, which can only be labels, is left out.

    Raises:
        DataError: an edge names a node that the table does not have, a feature is a text, or a file cannot be used.
    """
    from attar.data.files import read_table

    predicted = asked.label_column == ""
    ids_of = (*_ID_NAMES, *naming(table, edges, _ID_NAMES))
    marks = asked.marks.without_categories(str(table), "nodes have features of numbers")
    raw = read_table(table, Asked("table", asked.label_column or None, asked.group_column, marks, ids=ids_of))
    values: Any = raw.x
    texts = [column.name for column in raw.columns if column.categories]
    if texts and not predicted:
        # Codes of categories are those of this file, and a model would take another file's for them.
        rename = "" if raw.ids is not None else ", or call it 'id' where it names the nodes"
        raise DataError(
            f"{table}: column '{texts[0]}' holds texts; nodes have features of numbers: encode it{rename}"
            f"{leaving_out(texts[:1])}"
        )
    numbers = [j for j, column in enumerate(raw.columns) if not column.categories]
    if not numbers:
        raise DataError(f"{table}: no column of numbers; give nodes at least one feature")
    ids = [str(i) for i in range(len(values))] if raw.ids is None else list(raw.ids)
    place = {name: i for i, name in enumerate(ids)}
    if len(place) < len(ids):
        twice = next(name for i, name in enumerate(ids) if place[name] != i)
        raise DataError(f"{table}: two nodes are called '{twice}'; give each an id of its own")
    ends, found = ends_of(edges, place, table, by_row=raw.ids is None)
    graph = nodes.links(values[:, numbers], ends, str(edges))
    y = None if predicted else raw.y
    columns = tuple(raw.columns[j] for j in numbers)
    notes = [*raw.notes, *found]
    if raw.ids is None:
        notes.append(f"edges name nodes by row number, counted from 0: {table.name} has no column 'id'")
    return replace(raw, x=graph.all(), y=y, ids=ids, columns=columns, kind="graph", notes=tuple(notes))


def _features(arrays: Mapping[str, Array], path: Path) -> Array:
    if "x" in arrays:
        return arrays["x"]
    if not all(name in arrays for name in _SPARSE):
        raise DataError(f"{path}: edges but no features; add an array x (nodes, features), or {', '.join(_SPARSE)}")
    from scipy.sparse import csr_array

    data, indices, starts, shape = (arrays[name] for name in _SPARSE)
    try:
        matrix = csr_array((data, indices, starts), shape=tuple(int(size) for size in shape))
        matrix.check_format()
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path}: x_data, x_indices and x_indptr are no sparse matrix ({error}); write it again"
        ) from None
    x: Array = matrix.toarray()
    return x


def _split(arrays: Mapping[str, Array], x: Nodes, where: str) -> Raw:
    """Labels, of which those count that the split gives to training, and the test part."""
    if "y" not in arrays:
        return Raw(x, kind="graph")
    y = np.array(arrays["y"]).reshape(-1)
    if len(y) != len(x):
        raise LabelError(f"{where}: {len(x)} nodes but {len(y)} labels; give one for each, -1 where unknown")
    train, test = (_rows(arrays, name, len(y), where) for name in ("train", "test"))
    test = test if test is not None and len(test) else None  # a test part of no node is none
    if train is None:
        return Raw(x, y, kind="graph", test=test)
    counts = np.zeros(len(y), dtype=bool)
    counts[[*train, *([] if test is None else test)]] = True
    labels = [value if here else UNLABELLED for value, here in zip(y.tolist(), counts)]
    aside = int((~counts).sum())
    labels_of, are = inflected(aside, "the label of 1 node", f"labels of {aside} nodes"), inflected(aside, "is", "are")
    notes = (f"{labels_of} outside the training and the test part {are} set aside",) if aside else ()
    return Raw(x, labels, kind="graph", test=test, notes=notes)


def _rows(arrays: Mapping[str, Array], part: str, n: int, where: str) -> Ints | None:
    """Numbers of the nodes in a part of the split."""
    if f"{part}_mask" in arrays:
        mask = arrays[f"{part}_mask"]
        if mask.shape != (n,) or mask.dtype.kind != "b":
            which = f"; of several splits give one, {part}_mask[:, 0]" if mask.ndim == 2 else "; give a boolean a node"
            raise LabelError(f"{where}: {part}_mask of shape {mask.shape} and type {mask.dtype}{which}")
        return np.flatnonzero(mask)
    if f"{part}_idx" not in arrays:
        return None
    rows = arrays[f"{part}_idx"].reshape(-1)
    # An empty list has no whole numbers, but none that are no node either.
    if len(rows) and (rows.dtype.kind not in "iu" or not 0 <= rows.min() <= rows.max() < n):
        raise LabelError(f"{where}: {part}_idx has numbers that are no node; they go from 0 to {n - 1}")
    return np.unique(rows).astype(np.int64)
