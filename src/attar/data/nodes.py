"""Nodes of a graph as samples: an array of node numbers that knows its graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from attar.data.dataset import Floats, Ints
from attar.errors import DataError, inflected

# float32 holds every whole number up to here, and a sample is the number of its node as float32.
_MOST = 2**24


@dataclass(frozen=True, eq=False)
class Links:
    """Features of all nodes, and the edges between them; whole, whichever nodes are asked about.

    Arguments:
        features: float32 `(n, d)`, NaN where missing.
        edge_index: `(2, m)`, source and target of each edge as row numbers: both directions, no loops, each edge once,
            ordered by target.
        notes: what was found in the edges, and what was done about it.
    """

    features: Floats
    edge_index: Ints
    notes: tuple[str, ...] = field(default=())

    @cached_property
    def starts(self) -> Ints:
        """Position in `edge_index` of the first edge that leads to each node `(n + 1,)`."""
        counts = np.bincount(self.edge_index[1], minlength=len(self.features))
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    def all(self) -> Nodes:
        """Every node as a sample."""
        return Nodes.of(self, np.arange(len(self.features)))


class Nodes(np.ndarray[Any, np.dtype[np.float32]]):
    """Samples that are nodes: their numbers, float32 `(b, 1)`, and `links`, the graph that they are in.

    A part of them, as `nodes[rows]`, is in the same graph: nothing of it is lost with the rows left out.
    """

    links: Links | None

    @classmethod
    def of(cls, links: Links, rows: npt.ArrayLike) -> Nodes:
        """Nodes of a graph by their row numbers."""
        if len(links.features) > _MOST:
            raise DataError(f"the graph has {len(links.features)} nodes; attar takes up to {_MOST}: take a part of it")
        nodes = cast(Nodes, np.asarray(rows, dtype=np.float32).reshape(-1, 1).view(cls))
        nodes.links = links
        return nodes

    def __array_finalize__(self, obj: Any) -> None:
        self.links = getattr(obj, "links", None)


def links(features: npt.ArrayLike, edge_index: npt.ArrayLike, where: str = "edges") -> Links:
    """Check edges, and bring them into the form that everything else takes.

    A loop is left out, as every network here adds one to each node itself; an edge that is given twice counts once; and
    an edge leads both ways.

    Arguments:
        features: `(n, d)`.
        edge_index: `(2, m)` whole numbers from 0 to n − 1.
        where: the file or argument that an error names.

    Raises:
        DataError: the features are no numbers or infinite; the edges have another shape or type, or one of them leads
            to no node.

    Example:
        >>> graph = links(np.eye(3), [[0, 1, 2], [1, 0, 2]])
        >>> graph.edge_index.tolist(), graph.notes
        ([[1, 0], [0, 1]], ('1 edge leads from a node to itself: left out', '1 of 3 nodes has no edge'))
    """
    try:
        of_nodes, of_edges = np.asarray(features), np.asarray(edge_index)
    except ValueError:
        raise DataError(f"{where}: rows of several lengths; give features (n, d) and edges (2, m)") from None
    x = _features(of_nodes, where)
    edges = _edges(of_edges, len(x), where)
    notes = []
    loops = edges[0] == edges[1]
    if n_loops := int(loops.sum()):
        notes.append(f"{n_loops} {inflected(n_loops, 'edge leads', 'edges lead')} from a node to itself: left out")
    # Both directions as one number each: unique numbers are unique edges, in order of their targets.
    source, target = edges[:, ~loops]
    one_way = np.unique(target * len(x) + source)
    both_ways = np.union1d(one_way, source * len(x) + target)
    if added := len(both_ways) - len(one_way):
        are = inflected(added, "edge is", "edges are")
        notes.append(f"{added} {are} given in one direction only: taken for both")
    result = np.stack([both_ways % len(x), both_ways // len(x)])
    if lonely := len(x) - len(np.unique(result[1])):
        notes.append(f"{lonely} of {len(x)} nodes {inflected(lonely, 'has', 'have')} no edge")
    return Links(x, result, tuple(notes))


def _features(given: npt.NDArray[Any], where: str) -> Floats:
    if given.dtype.kind not in "biuf":
        raise DataError(f"{where}: features of type {given.dtype}; give numbers (nodes, features)")
    with np.errstate(over="ignore"):
        x = given.astype(np.float32)
    if np.isinf(x).any():
        node = int(np.argwhere(np.isinf(x))[0, 0])
        raise DataError(f"{where}: node {node} has an infinite feature, or one beyond float32; mend it")
    if x.ndim != 2 or 0 in x.shape:
        raise DataError(f"{where}: features of shape {x.shape}; give at least one node and one feature, (n, d)")
    return x


def _edges(given: npt.NDArray[Any], n: int, where: str) -> Ints:
    """Edges `(2, m)` between so many nodes."""
    if given.size == 0:
        return np.zeros((2, 0), dtype=np.int64)
    if given.ndim != 2 or given.shape[0] != 2 or given.dtype.kind not in "iu":
        raise DataError(f"{where}: edges of shape {given.shape} and type {given.dtype}; give whole numbers (2, edges)")
    dangling = np.flatnonzero(((given < 0) | (given >= n)).any(axis=0))
    if len(dangling):
        i = int(dangling[0])
        more = f" and {len(dangling) - 1} more" if len(dangling) > 1 else ""
        raise DataError(
            f"{where}: edge {i} ({given[0, i]} to {given[1, i]}){more} leads to no node: there are {n}, counted from 0;"
            " mend the edges or add the nodes"
        )
    return given.astype(np.int64)


def neighbourhood(
    graph: Links, seeds: Ints, fan_out: Sequence[int | None], rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Nodes around some, hop by hop, with at most so many edges to each node.

    References:
        Hamilton, Ying, Leskovec, Inductive Representation Learning on Large Graphs, 2017, Algorithm 2,
        https://arxiv.org/abs/1706.02216

    Arguments:
        graph: to sample from.
        seeds: node numbers `(b,)`, each once.
        fan_out: for each hop, the most edges that are followed from a node; None: all of them.
        rng: that draws them, without replacement.

    Returns:
        Node numbers, the seeds first `(k,)`, and the edges between them as positions in these `(2, m)`.

    Example:
        >>> path = links(np.eye(4), [[0, 1, 2], [1, 2, 3]])
        >>> nodes, edges = neighbourhood(path, np.array([0]), [None, None], np.random.default_rng(0))
        >>> nodes.tolist(), edges.tolist()
        ([0, 1, 2], [[1, 0, 2], [0, 1, 1]])
    """
    place = np.full(len(graph.features), -1, dtype=np.int64)
    nodes = np.asarray(seeds, dtype=np.int64)
    place[nodes] = np.arange(len(nodes))
    frontier, chosen = nodes, []
    for most in fan_out:
        edges = _edges_to(graph, frontier, most, rng)
        chosen.append(edges)
        found = np.unique(graph.edge_index[0, edges])
        frontier = found[place[found] < 0]
        place[frontier] = len(nodes) + np.arange(len(frontier))
        nodes = np.concatenate([nodes, frontier])
    kept = np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)
    return nodes, place[graph.edge_index[:, kept]]


def _edges_to(graph: Links, nodes: Ints, most: int | None, rng: np.random.Generator) -> Ints:
    """Positions of edges that lead to the nodes."""
    start, count = graph.starts[nodes], np.diff(graph.starts)[nodes]
    owner = np.repeat(np.arange(len(nodes)), count)
    first = np.cumsum(count) - count
    edges: Ints = start[owner] + np.arange(len(owner)) - first[owner]
    if most is None or not len(edges):
        return edges
    # Edges of a node in random order: those in the first places stay.
    order = np.lexsort((rng.random(len(edges)), owner))
    chosen: Ints = np.sort(edges[order[np.arange(len(edges)) - first[owner] < most]])
    return chosen
