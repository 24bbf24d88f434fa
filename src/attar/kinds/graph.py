"""Nodes of a graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.data.dataset import Column, Floats
from attar.data.nodes import Links
from attar.data.nodes import Nodes as NodeArray
from attar.errors import DataError
from attar.kinds.base import Kind, Standardise, moments, svg
from attar.kinds.gather import Gather, Spread
from attar.nets.gnn import MaskedNodeDecoder, MaskedNodeEncoder, NodeEncoder
from attar.nets.mlp import MLP
from attar.nets.nodes import Nodes, bound
from attar.training.processes import whole_batch

# Numbers in the features of all nodes up to which a batch is the whole graph: 256 MB.
_WHOLE = 2**26
# Edges that are followed from a node to its neighbours, and from each of these, where it is not.
_FAN_OUT = (15, 10)
# Most nodes in a batch: a loss that compares each with each takes time in the square of them.
_BATCH = 4096
# Shares of features and edges that a view drops: those of CCA-SSG for Cora.
_FEATURES, _EDGES = 0.1, 0.4
# Length of what a decoder says about edges, per node.
_LINK = 32
# γ of the scaled cosine error.
_SHARPNESS = 3
# Features of which most are zero, and none is negative, count something, such as words.
_COUNTS = 0.8
# Length after the first layer for each unit of `width`.
_HIDDEN = 8
# A drawing: size in pixels, and neighbours that can still be told apart.
_DRAWN = 64
_NEIGHBOURS = 24
_DOT_ASKED, _DOT = 'r="4" fill="#d95f02"', 'r="2.5" fill="#1f77b4"'


@dataclass(frozen=True)
class Graph(Kind):
    """Nodes of a graph, each with features, and with edges to others.

    A raw sample is the number of a node, for what a node is depends on the nodes around it. So a part of the samples,
    a batch or a fold, is still in the whole graph, and the features of the others (not their labels) are seen.

    Features that count something, as words, become rows of one length √d, so that a long text weighs no more than a
    short one; others are standardised.

    Arguments:
        shape: of the features of one node.
        counts: whether they count something.
        mean: of each feature over all nodes.
        std: of each feature, likewise.
        links: the graph.
        layer: of the encoder, "gcn" or "gin".

    Example:
        >>> from attar.data.nodes import links
        >>> graph = links(np.eye(4), [[0, 1, 2], [1, 2, 3]])
        >>> kind = Graph.learn(graph.all())
        >>> kind.encoder(8)(kind.preprocess()(torch.tensor([[3.0], [0.0]]))).shape
        torch.Size([2, 8])
    """

    name: ClassVar[str] = "graph"
    layouts: ClassVar[Mapping[int, str]] = {2: "(n, 1)"}
    baselines: ClassVar[tuple[str, ...]] = ("raw", "pca")
    pretexts: ClassVar[tuple[str, ...]] = ("cca-ssg", "simclr")
    # Ranges of activations are learnt from batches of samples, and a graph cannot be cut into batches.
    integers: ClassVar[bool] = False
    # Two layers, and the number of neighbours of those at their edge.
    momentum: ClassVar[float] = 0.0
    hops: ClassVar[int] = 3
    ladder: ClassVar[tuple[int, ...]] = (32, 16, 8, 4, 2, 1)

    counts: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    links: Links = field(compare=False, repr=False)
    layer: str = "gcn"

    @classmethod
    def learn(cls, x: Floats, columns: Sequence[Column] = ()) -> Self:
        """Learn the statistics of the graph that the nodes `(n, 1)` are in.

        Raises:
            DataError: the samples are not nodes of a graph.
        """
        del columns
        links = x.links if isinstance(x, NodeArray) else None
        if links is None:
            raise DataError(
                "samples of a graph are its nodes; make them with nodes = attar.data.nodes.links(x, edge_index).all(), "
                "and give what learns from them kind=attar.kinds.of('graph').learn(nodes)"
            )
        features = links.features
        counts = bool(np.nanmin(features, initial=0) >= 0 and np.mean(features == 0) >= _COUNTS)
        mean, std = moments(features, axis=1)
        return cls(tuple(features.shape[1:]), counts, mean, std, links)

    def preprocess(self) -> nn.Module:
        """From numbers of nodes `(b, 1)`, or from `attar.nets.nodes.Nodes`, to nodes with normalised features."""
        standardise = None if self.counts else Standardise(self.mean, self.std, axes=2)
        return Gather(self.links, standardise, None if self.whole else _FAN_OUT, self.hops)

    def restore(self, x: Tensor) -> Tensor:
        """Normalised features back to raw units `(n, d)`; of counts, what length a row had is not known any more."""
        features = x.asked if isinstance(x, Nodes) else x[:, : self.shape[0]]
        if self.counts:
            return features
        return Standardise(self.mean, self.std, axes=2).to(x.device).inverse(features)

    def encoder(self, dim: int, width: int = 32) -> nn.Module:
        """Two graph layers."""
        return NodeEncoder(self.shape[0], dim, _HIDDEN * width, self.layer)

    def decoder(self, dim: int, width: int = 32) -> nn.Module:
        """A perceptron to a node's features, and to a vector that is like those of its neighbours."""
        return MLP(dim, _HIDDEN * width, self.shape[0] + _LINK)

    def view(self, x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """Some features dropped from all nodes of the graph, and some of its edges.

        References:
            Zhu et al., Deep Graph Contrastive Representation Learning, 2020, https://arxiv.org/abs/2006.04131
        """
        nodes = bound(x)
        # One draw for each graph that stands in the batch: two views in one batch are two views.
        kept = _blank(generator, len(nodes.sizes), *self.shape).uniform_(generator=generator) >= _FEATURES * strength
        of = torch.repeat_interleave(torch.arange(len(nodes.sizes)), torch.tensor(nodes.sizes)).to(x.device)
        return nodes.like(nodes.features * kept.to(x.device)[of], _thinned(nodes, _EDGES * strength, generator))

    def noisy(self, x: Tensor, generator: torch.Generator, std: float) -> Tensor:
        """Gaussian noise on the features; the edges stay."""
        nodes = bound(x)
        noise = _blank(generator, *nodes.shape).normal_(generator=generator) * std
        return nodes.like(nodes.features + noise.to(nodes.features))

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Mean squared error of the features, plus cross-entropy over edges and, as much in all, pairs without one.

        The odds of an edge are exp(aᵢ · aⱼ) with a the end of each row of x̂.

        References:
            Kipf and Welling, Variational Graph Auto-Encoders, 2016, https://arxiv.org/abs/1611.07308
        """
        nodes = bound(x)
        features, ends = torch.split(x_hat, [self.shape[0], _LINK], dim=1)
        loss = F.mse_loss(features, nodes.asked)
        seeds = torch.arange(len(nodes), device=x.device) if nodes.seeds is None else nodes.seeds
        if self.whole:
            # Rows of one graph in all processes, so that pairs of their nodes can be told.
            ends, seeds = whole_batch(ends), whole_batch(seeds)
        linked = _linked(nodes, seeds)
        n_edges, n_pairs = linked.sum(), linked.numel() - len(linked)
        if not 0 < n_edges < n_pairs:
            return loss
        logits = ends @ ends.t() / _LINK**0.5
        apart = ~linked & ~torch.eye(len(linked), dtype=torch.bool, device=x.device)
        of_edges = F.softplus(-logits)[linked].mean()
        return loss + (of_edges + F.softplus(logits)[apart].mean()) / 2

    def part_encoder(self, dim: int, width: int = 64) -> nn.Module:
        """Two graph layers, with a learnt token at hidden nodes."""
        return MaskedNodeEncoder(self.shape[0], dim, _HIDDEN * width, self.layer)

    def part_decoder(self, dim: int, width: int = 64) -> nn.Module:
        """A graph convolution that sees visible nodes alone."""
        del width
        return MaskedNodeDecoder(dim, self.shape[0])

    def present(self, x: Tensor) -> Tensor:
        """All nodes of the batch, which is one sample here `(1, n)`."""
        return torch.ones(1, len(x), dtype=torch.bool, device=x.device)

    def hide(self, x: Tensor, hidden: Tensor, generator: torch.Generator) -> Tensor:
        """The nodes as they are."""
        del hidden, generator
        return x

    def masked_loss(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """Scaled cosine error: mean of (1 − cos(x̂, x))^γ over hidden nodes.

        References:
            Hou et al., GraphMAE: Self-Supervised Masked Graph Autoencoders, 2022, https://arxiv.org/abs/2205.10803
        """
        covered = hidden[0]
        error = (1 - F.cosine_similarity(x_hat[0][covered], bound(x).features[covered], dim=1)).pow(_SHARPNESS)
        return error.sum() / max(int(covered.sum()), 1)

    def fill(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """The predicted features, which have a direction but no length, at the length of an average node."""
        nodes = bound(x)
        predicted = F.normalize(x_hat[0], dim=1) * self.shape[0] ** 0.5
        return nodes.like(torch.where(hidden[0][:, None], predicted, nodes.features))

    def draw(self, sample: Floats) -> str:
        """A node, its neighbours around it, and the edges among them."""
        middle, asked = _DRAWN / 2, int(sample[0])
        around = self._neighbours(asked)
        angles = [2 * pi * i / len(around) for i in range(len(around))]
        places = {n: (middle * (1 + 0.8 * sin(a)), middle * (1 - 0.8 * cos(a))) for n, a in zip(around, angles)}
        places[asked] = (middle, middle)
        edges = [
            f"M{x:.1f} {y:.1f}L{places[other][0]:.1f} {places[other][1]:.1f}"
            for node, (x, y) in places.items()
            for other in self._neighbours(node)
            if other in places and other < node
        ]
        dots = [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" {_DOT_ASKED if node == asked else _DOT}/>'
            for node, (x, y) in places.items()
        ]
        return svg(_DRAWN, _DRAWN, f'<path d="{"".join(edges)}" stroke="#999" stroke-width="0.7"/>{"".join(dots)}')

    @property
    def whole(self) -> bool:
        """Whether a batch is the whole graph, with some of its nodes asked about."""
        return self.links.features.size <= _WHOLE

    def batch(self, usual: int) -> int:
        """All nodes where the network looks at all of them anyway."""
        return min(_BATCH, max(usual, len(self.links.features))) if self.whole else usual

    def example(self, x: Floats) -> Tensor:
        """Three nodes in a row."""
        del x
        return Nodes.of(torch.ones(3, *self.shape), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))

    def flat(self) -> nn.Module:
        """The features of the nodes asked about."""
        return Spread(0)

    def own_baselines(self) -> dict[str, nn.Module]:
        """Features averaged over neighbours, and once more over theirs.

        References:
            Wu et al., Simplifying Graph Convolutional Networks, 2019, https://arxiv.org/abs/1902.07153
        """
        return {"propagated features": nn.Sequential(self.preprocess(), Spread(2)).eval()}

    def _neighbours(self, node: int) -> list[int]:
        start, stop = self.links.starts[node : node + 2]
        neighbours: list[int] = self.links.edge_index[0, start:stop][:_NEIGHBOURS].tolist()
        return neighbours


def _blank(generator: torch.Generator, *shape: int) -> Tensor:
    """To be filled with random numbers, in place, which are then the same in all processes.

    Of what `torch.rand` draws for samples each process gets a part, but the graph is whole in all of them.
    """
    return torch.empty(shape, device=generator.device)


def _thinned(x: Nodes, rate: float, generator: torch.Generator) -> Tensor:
    """The edges without a random part of them; of an edge both directions, or none."""
    low, high = x.edge_index.min(dim=0).values, x.edge_index.max(dim=0).values
    edges, place = torch.unique(low * len(x) + high, return_inverse=True)
    kept = _blank(generator, len(edges)).uniform_(generator=generator) >= rate
    return x.edge_index[:, kept.to(x.device)[place]]


def _linked(x: Nodes, seeds: Tensor) -> Tensor:
    """Which of some rows have an edge between them, bool `(b, b)`."""
    place = torch.full((len(x),), -1, dtype=torch.long, device=x.device)
    place[seeds] = torch.arange(len(seeds), device=x.device)
    ends = place[x.edge_index]
    ends = ends[:, (ends >= 0).all(dim=0)]
    linked = torch.zeros(len(seeds), len(seeds), dtype=torch.bool, device=x.device)
    linked[ends[1], ends[0]] = True
    return linked
