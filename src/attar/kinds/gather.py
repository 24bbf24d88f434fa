"""From numbers of nodes to their features, normalised, and those of the nodes around them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from attar.data.nodes import Links, neighbourhood
from attar.errors import DataError
from attar.kinds.base import Standardise
from attar.nets.nodes import Nodes, bound, neighbour_sum, normalised_adjacency

_TINY = 1e-12


class Gather(nn.Module):
    """Numbers of nodes `(b, 1)`, or `Nodes` of any graph with raw features, to `Nodes` with normalised features.

    Arguments:
        links: the graph that numbers are of.
        standardise: of the features; None: they count something, and each row is brought to the length √d.
        fan_out: in training, most edges that are followed to each node, hop by hop; None: the whole graph is taken.
        hops: how far around a node the others have an influence on it.
    """

    def __init__(
        self, links: Links, standardise: Standardise | None, fan_out: tuple[int, ...] | None, hops: int
    ) -> None:
        super().__init__()
        self.links, self.fan_out, self.hops = links, fan_out, hops
        self.standardise = standardise
        if fan_out is None:
            self.everything = self._normalised(torch.tensor(links.features))
            self.edge_index = torch.tensor(links.edge_index)

    def forward(self, x: Tensor) -> Tensor:
        """Gather what a network needs to answer for the nodes.

        Raises:
            DataError: a number is not that of a node.
        """
        if isinstance(x, Nodes):
            return x.like(self._normalised(x.features))
        numbers, n = x.reshape(-1), len(self.links.features)
        rows = numbers.long()
        unknown = numbers[(rows != numbers) | (rows < 0) | (rows >= n)]
        if len(unknown):
            raise DataError(f"{unknown[0]:.8g} is no node of the graph: its {n} are counted from 0")
        if self.fan_out is None:
            return Nodes.of(self.everything, self.edge_index, rows)
        seeds, place = np.unique(rows.numpy(), return_inverse=True)
        # In training the same batch has the same neighbours, whoever asks, so that a resumed run equals one in one go.
        # A process that holds a part of it has those of that part: what several learn is not what one would.
        fan_out = self.fan_out if self.training else [None] * self.hops
        nodes, edges = neighbourhood(self.links, seeds, fan_out, np.random.default_rng(seeds))
        features = self._normalised(torch.tensor(self.links.features[nodes]))
        return Nodes.of(features, torch.from_numpy(edges), torch.from_numpy(place))

    def _normalised(self, x: Tensor) -> Tensor:
        if self.standardise is not None:
            y: Tensor = self.standardise(x)
            return y
        x = torch.where(torch.isnan(x), torch.zeros_like(x), x)
        length = x.square().sum(dim=1, keepdim=True).sqrt()
        # A node without any keeps a row of zeros.
        scaled: Tensor = x * (x.shape[1] ** 0.5 / length.clamp(min=_TINY))
        return scaled


class Spread(nn.Module):
    """Ŝᵏ X at the nodes asked about, with Ŝ as in a graph convolution.

    Arguments:
        times: k.
    """

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        """Average features over neighbours k times `(b, d)`."""
        nodes = bound(x)
        h = nodes.features
        edges, weight = normalised_adjacency(h[:, 0], nodes.edge_index)
        for _ in range(self.times):
            h = neighbour_sum(h, edges, weight)
        return nodes.at_seeds(h)
