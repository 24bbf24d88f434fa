"""Nodes of a graph as a tensor that carries its edges, and sums over these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from attar.errors import DataError


class Nodes(Tensor):
    """Features of nodes `(n, d)` that carry the edges among them.

    `torch.cat` puts graphs side by side: no edge leads from one to the other. Every other operation answers with the
    bare features, so that edges cannot end up with features that they do not belong to; `of` binds them again.

    Attributes:
        edge_index: `(2, m)`, source and target of each edge as row numbers.
        seeds: rows that are asked about `(b,)`, the others being their neighbourhood; None: every row.
        sizes: number of rows of each graph that stands side by side.

    Example:
        >>> path = Nodes.of(torch.zeros(3, 4), torch.tensor([[0, 1], [1, 2]]))
        >>> torch.cat([path, path]).edge_index.tolist(), torch.cat([path, path]).sizes
        ([[0, 1, 3, 4], [1, 2, 4, 5]], (3, 3))
    """

    edge_index: Tensor
    seeds: Tensor | None
    sizes: tuple[int, ...]

    @classmethod
    def of(
        cls, x: Tensor, edge_index: Tensor, seeds: Tensor | None = None, sizes: tuple[int, ...] | None = None
    ) -> Nodes:
        """Bind features to edges."""
        nodes = x.as_subclass(cls)
        nodes.edge_index, nodes.seeds, nodes.sizes = edge_index, seeds, sizes or (x.shape[0],)
        return nodes

    def like(self, x: Tensor, edge_index: Tensor | None = None) -> Nodes:
        """Other features, and where given other edges, of the same nodes."""
        return Nodes.of(x, self.edge_index if edge_index is None else edge_index, self.seeds, self.sizes)

    def to(self, *args: Any, **kwargs: Any) -> Nodes:
        """As of a tensor; the edges are where the features are."""
        x = self.features.to(*args, **kwargs)
        seeds = None if self.seeds is None else self.seeds.to(x.device)
        return Nodes.of(x, self.edge_index.to(x.device), seeds, self.sizes)

    @property
    def inputs(self) -> dict[str, Tensor]:
        """Features and edges by the names that they have in an exported file."""
        return {"x": self.features, "edge_index": self.edge_index}

    @property
    def features(self) -> Tensor:
        """Without the edges."""
        return self.as_subclass(Tensor)

    @property
    def asked(self) -> Tensor:
        """The features of the rows that are asked about `(b, d)`."""
        return self.at_seeds(self.features)

    def at_seeds(self, rows: Tensor) -> Tensor:
        """Of one row per node, those that are asked about."""
        return rows if self.seeds is None else rows[self.seeds]

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            answer = func(*args, **(kwargs or {}))
        parts = args[0] if func is torch.cat else ()
        if parts and len(args) == 1 and not kwargs and all(isinstance(part, Nodes) for part in parts):
            return _side_by_side(answer, parts)
        return answer


def _side_by_side(x: Tensor, parts: Sequence[Nodes]) -> Nodes:
    edges, seeds, start = [], [], 0
    for part in parts:
        edges.append(part.edge_index + start)
        seeds.append(start + (torch.arange(len(part), device=x.device) if part.seeds is None else part.seeds))
        start += len(part)
    every = all(part.seeds is None for part in parts)
    sizes = tuple(size for part in parts for size in part.sizes)
    return Nodes.of(x, torch.cat(edges, dim=1), None if every else torch.cat(seeds), sizes)


def bound(x: Tensor) -> Nodes:
    """The nodes, where they still have their edges.

    Raises:
        DataError: what was done to them has lost the edges.
    """
    if not isinstance(x, Nodes):
        raise DataError(f"features {tuple(x.shape)} without edges; a network on a graph takes what its kind prepared")
    return x


def neighbour_sum(h: Tensor, edge_index: Tensor, weight: Tensor | None = None) -> Tensor:
    """Sum over the edges that lead to each node: y_t = Σ_{s → t} w_st h_s.

    In half precision a sum over many neighbours would stop to grow, so it is taken and returned in float32.

    Arguments:
        h: `(n, d)`.
        edge_index: `(2, m)`.
        weight: of each edge `(m,)`, to which no gradient flows; None: 1.

    Returns:
        `(n, d)`, zero where no edge leads to.

    Example:
        >>> neighbour_sum(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[0, 1, 2], [2, 2, 0]])).T
        tensor([[4., 0., 3.]])
    """
    source, target = edge_index[0], edge_index[1]
    if weight is None:
        weight = torch.ones_like(source, dtype=h.dtype)
    if torch.onnx.is_in_onnx_export():
        # What exports. Not `index_add`, whose ONNX form takes a node that occurs more than once a single time.
        sent = h.index_select(0, source) * weight[:, None]
        return torch.zeros_like(h).scatter_add(0, target[:, None].expand_as(sent), sent)
    # The same in a quarter of the time.
    size, wide = (h.shape[0], h.shape[0]), torch.promote_types(h.dtype, torch.float32)
    matrix = torch.sparse_coo_tensor(edge_index.flip(0), weight.to(wide), size, check_invariants=False)
    return sparse_product(matrix, h)


def sparse_product(matrix: Tensor, h: Tensor) -> Tensor:
    """A sparse matrix times h, in the precision of the matrix; autocast's half has no gradient."""
    with torch.autocast(h.device.type, enabled=False):
        return cast(Tensor, torch.sparse.mm(matrix, h.to(matrix.dtype)))


def normalised_adjacency(like: Tensor, edge_index: Tensor) -> tuple[Tensor, Tensor]:
    """Edges and weights of Ŝ = D^-½ (A + I) D^-½ with D the row sums of A + I.

    Arguments:
        like: one number per node `(n,)`, whatever it is.
        edge_index: `(2, m)` of A, with both directions of each edge.

    Returns:
        Edges with a loop at each node `(2, m + n)`, and their weights `(m + n,)`.
    """
    ones = torch.ones_like(like, dtype=torch.promote_types(like.dtype, torch.float32))
    # Not `arange`, into which a tracer would freeze the number of nodes.
    loops = torch.cumsum(torch.ones_like(like, dtype=torch.long), dim=0) - 1
    edges = torch.cat([edge_index, torch.stack([loops, loops])], dim=1)
    degree = torch.zeros_like(ones).scatter_add(0, edges[1], ones.index_select(0, edges[1]))
    scale = degree.rsqrt()
    return edges, scale.index_select(0, edges[0]) * scale.index_select(0, edges[1])
