"""Networks on the nodes of a graph: graph convolution (GCN) and graph isomorphism (GIN)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from attar.errors import DataError
from attar.nets.nodes import Nodes, bound, neighbour_sum, normalised_adjacency, sparse_product

# Share of values other than zero up to which only these are multiplied.
_SPARSE = 0.1


class GraphConvolution(nn.Module):
    """Graph convolution: Y = Ŝ X W + b, with Ŝ = D^-½ (A + I) D^-½.

    References:
        Kipf and Welling, Semi-Supervised Classification with Graph Convolutional Networks, 2017,
        https://arxiv.org/abs/1609.02907

    Arguments:
        n_in: length of a node's input.
        n_out: length of its output.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out, bias=False)
        self.bias = nn.Parameter(torch.zeros(n_out))
        nn.init.xavier_uniform_(self.linear.weight)

    def project(self, x: Tensor) -> Tensor:
        """X W, which most of the work goes into."""
        return _linear(self.linear, x)

    def spread(self, h: Tensor, edge_index: Tensor) -> Tensor:
        """Ŝ H + b."""
        edges, weight = normalised_adjacency(h[:, 0], edge_index)
        return neighbour_sum(h, edges, weight) + self.bias


class GraphIsomorphism(nn.Module):
    """Graph isomorphism layer: Y = MLP((1 + ε) X + A X), with a perceptron of one hidden layer.

    As its first layer is linear, W₁ is applied before the sum: that is the same, and shorter vectors are sent.

    References:
        Xu et al., How Powerful are Graph Neural Networks?, 2019, https://arxiv.org/abs/1810.00826

    Arguments:
        n_in: length of a node's input.
        n_out: length of its output, and of the hidden layer.
    """

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_in, n_out, bias=False)
        self.eps = nn.Parameter(torch.zeros(()))
        self.rest = nn.Sequential(nn.BatchNorm1d(n_out), nn.ReLU(), nn.Linear(n_out, n_out))

    def project(self, x: Tensor) -> Tensor:
        """X W₁."""
        return _linear(self.first, x)

    def spread(self, h: Tensor, edge_index: Tensor) -> Tensor:
        """The rest of the layer, from X W₁."""
        y: Tensor = self.rest((1 + self.eps) * h + neighbour_sum(h, edge_index))
        return y


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """X Wᵀ; words are mostly absent from a text, and then only those present are multiplied."""
    if x.requires_grad or torch.onnx.is_in_onnx_export() or not x.is_floating_point():
        return cast(Tensor, layer(x))
    if int(torch.count_nonzero(x)) > _SPARSE * x.numel():
        return cast(Tensor, layer(x))
    return sparse_product(x.to_sparse(), layer.weight.t())


_LAYERS: dict[str, type[GraphConvolution] | type[GraphIsomorphism]] = {
    "gcn": GraphConvolution,
    "gin": GraphIsomorphism,
}


class NodeEncoder(nn.Module):
    """Two graph layers with a ReLU between them: a node, its neighbours and theirs to a vector.

    Arguments:
        n_in: length of a node's features.
        dim: length of the output.
        width: length after the first layer.
        layer: "gcn" or "gin".

    Raises:
        DataError: there is no such layer.

    Example:
        >>> path = Nodes.of(torch.eye(3), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
        >>> NodeEncoder(3, dim=8, width=4)(path).shape
        torch.Size([3, 8])
    """

    def __init__(self, n_in: int, dim: int, width: int, layer: str = "gcn") -> None:
        super().__init__()
        if layer not in _LAYERS:
            raise DataError(f"there is no graph layer {layer!r}; use one of {', '.join(_LAYERS)}")
        self.first, self.second = _LAYERS[layer](n_in, width), _LAYERS[layer](width, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Encode the nodes that are asked about `(b, dim)`."""
        nodes = bound(x)
        return nodes.at_seeds(self.nodes(nodes))

    def nodes(self, x: Nodes, hidden: Tensor | None = None, token: Tensor | None = None) -> Tensor:
        """Encode all nodes `(n, dim)`; in place of the features of `hidden` ones `(n,)` stands `token` `(n_in,)`."""
        features = x.features
        if hidden is None or token is None:
            h = self.first.project(features)
        else:
            # W x̃ = W x · visible + W token · hidden, of which the first stays a sparse product.
            h = self.first.project(features * ~hidden[:, None]) + hidden[:, None] * self.first.project(token[None])
        h = torch.relu(self.first.spread(h, x.edge_index))
        return self.second.spread(self.second.project(h), x.edge_index)


class MaskedNodeEncoder(nn.Module):
    """A `NodeEncoder` with a learnt token in place of the features of hidden nodes (GraphMAE).

    References:
        Hou et al., GraphMAE: Self-Supervised Masked Graph Autoencoders, 2022, https://arxiv.org/abs/2205.10803

    Arguments:
        n_in: length of a node's features.
        dim: length of the output.
        width: length after the first layer.
        layer: "gcn" or "gin".
    """

    def __init__(self, n_in: int, dim: int, width: int, layer: str = "gcn") -> None:
        super().__init__()
        self.encoder = NodeEncoder(n_in, dim, width, layer)
        self.token = nn.Parameter(torch.zeros(n_in))

    def forward(self, x: Tensor) -> Tensor:
        """Encode the nodes that are asked about `(b, dim)`."""
        z: Tensor = self.encoder(x)
        return z

    def parts(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Encode all nodes of the batch `(1, n, dim)`, of which `hidden` `(1, n)` cannot be seen."""
        nodes = bound(x)
        return self.encoder.nodes(nodes, None if hidden is None else hidden[0], self.token)[None]


class MaskedNodeDecoder(nn.Module):
    """From the representation of visible nodes to the features of hidden ones: X̂ = Ŝ (Z R ⊙ visible) W + b.

    What was encoded at a hidden node is masked once more, so that its features come from its neighbours alone, and the
    encoder need not learn to pass them on.

    Arguments:
        dim: length of the representation.
        n_out: length of a node's features.
    """

    def __init__(self, dim: int, n_out: int) -> None:
        super().__init__()
        self.bridge = nn.Linear(dim, dim, bias=False)
        self.output = nn.Linear(dim, n_out)

    def forward(self, z: Tensor, hidden: Tensor, x: Tensor) -> Tensor:
        """Features `(1, n, n_out)`; zero at nodes that were not hidden."""
        nodes, covered = bound(x), hidden[0]
        h = self.bridge(z[0]) * ~covered[:, None]
        edges, weight = normalised_adjacency(h[:, 0], nodes.edge_index)
        # The last product, which is most of the work, at hidden nodes alone.
        predicted = self.output(neighbour_sum(h, edges, weight)[covered])
        x_hat: Tensor = h.new_zeros(len(h), predicted.shape[1]).index_put((covered,), predicted)
        return x_hat[None]
