from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attar.errors import DataError
from attar.nets.gnn import (
    GraphConvolution,
    GraphIsomorphism,
    MaskedNodeDecoder,
    MaskedNodeEncoder,
    NodeEncoder,
)
from attar.nets.nodes import Nodes, neighbour_sum, normalised_adjacency


def karate() -> tuple[Tensor, Tensor, Tensor]:
    """Features, edges and dense adjacency of Zachary's karate club."""
    dense = torch.tensor(nx.to_numpy_array(nx.karate_club_graph()) > 0)
    x = torch.randn(len(dense), 5, generator=torch.Generator().manual_seed(0))
    return x, dense.nonzero().t().contiguous(), dense.double()


def relabelled(x: Tensor, edge_index: Tensor) -> tuple[Tensor, Nodes]:
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    place = torch.empty_like(order)
    place[order] = torch.arange(len(x))
    return order, Nodes.of(x[order], place[edge_index])


class TestNodes:
    def test_cat_is_the_disjoint_union(self) -> None:
        x, edges, dense = karate()
        both = torch.cat([Nodes.of(x, edges), Nodes.of(x[:3], torch.tensor([[0], [1]]), torch.tensor([2]))])
        adjacency = torch.zeros(len(both), len(both), dtype=torch.double)
        adjacency[both.edge_index[0], both.edge_index[1]] = 1
        assert torch.equal(adjacency[:34, :34], dense)
        assert adjacency[:34, 34:].sum() == adjacency[34:, :34].sum() == 0
        assert both.sizes == (34, 3)
        assert both.seeds.tolist() == [*range(34), 36]

    def test_views_in_one_batch_are_encoded_as_each_by_itself(self) -> None:
        x, edges, _ = karate()
        one, other = Nodes.of(x, edges), Nodes.of(2 * x, edges[:, ::2])
        encoder = NodeEncoder(5, 4, 6).eval()
        apart = torch.cat([encoder(one), encoder(other)])
        torch.testing.assert_close(encoder(torch.cat([one, other])), apart)

    def test_other_operations_lose_the_edges_rather_than_keep_wrong_ones(self) -> None:
        x, edges, _ = karate()
        nodes = Nodes.of(x, edges)
        for result in (nodes + 1, nodes[:3], torch.stack([nodes, nodes]), torch.cat([nodes, x])):
            assert type(result) is Tensor
        with pytest.raises(DataError, match="without edges"):
            NodeEncoder(5, 4, 6)(nodes[:3])


class TestGraphConvolution:
    def test_equals_the_dense_formula(self) -> None:
        x, edges, dense = karate()
        layer = GraphConvolution(5, 3).double()
        nn.init.normal_(layer.bias)
        with_loops = dense + torch.eye(len(dense))
        scale = torch.diag(with_loops.sum(1) ** -0.5)
        expected = scale @ with_loops @ scale @ x.double() @ layer.linear.weight.t() + layer.bias
        actual = layer.spread(layer.project(x.double()), edges)
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)

    def test_gradient_equals_that_of_the_dense_formula(self) -> None:
        x, edges, dense = karate()
        h = x.double().requires_grad_()
        edges_, weight = normalised_adjacency(h[:, 0], edges)
        grad = torch.randn(h.shape, dtype=torch.double)
        (ours,) = torch.autograd.grad(neighbour_sum(h, edges_, weight.detach()), h, grad)
        with_loops = dense + torch.eye(len(dense))
        scale = torch.diag(with_loops.sum(1) ** -0.5)
        torch.testing.assert_close(ours, (scale @ with_loops @ scale).t() @ grad, rtol=1e-12, atol=1e-12)

    def test_an_isolated_node_keeps_what_it_is(self) -> None:
        layer = GraphConvolution(5, 3)
        x = torch.randn(4, 5)
        for edges in (torch.zeros(2, 0, dtype=torch.long), torch.tensor([[0, 1], [1, 0]])):
            torch.testing.assert_close(layer.spread(layer.project(x), edges)[2:], layer.project(x)[2:] + layer.bias)

    def test_mostly_zero_features_give_the_same(self) -> None:
        x = torch.eye(34, 40)
        layer = GraphConvolution(40, 3)
        sparse = layer.project(x)
        torch.testing.assert_close(sparse, layer.linear(x))
        grad = torch.randn(sparse.shape)
        (ours,) = torch.autograd.grad(layer.project(x), layer.linear.weight, grad)
        torch.testing.assert_close(ours, grad.t() @ x)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_isomorphism_layer_is_a_perceptron_of_a_sum() -> None:
    x, edges, dense = karate()
    layer = GraphIsomorphism(5, 3).double().eval()
    nn.init.constant_(layer.eps, 0.3)
    expected = layer.rest(layer.first(1.3 * x.double() + dense @ x.double()))
    torch.testing.assert_close(layer.spread(layer.project(x.double()), edges), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layer", ["gcn", "gin"])
class TestNodeEncoder:
    def test_relabelled_nodes_get_the_same(self, layer: str) -> None:
        x, edges, _ = karate()
        encoder = NodeEncoder(5, 4, 6, layer).eval()
        order, again = relabelled(x, edges)
        torch.testing.assert_close(encoder(again), encoder(Nodes.of(x, edges))[order])

    def test_answers_for_the_nodes_asked_about(self, layer: str) -> None:
        x, edges, _ = karate()
        encoder = NodeEncoder(5, 4, 6, layer).eval()
        some = torch.tensor([7, 0, 7])
        torch.testing.assert_close(encoder(Nodes.of(x, edges, some)), encoder(Nodes.of(x, edges))[some])

    def test_two_hops_count_and_a_third_does_not(self, layer: str) -> None:
        # Edges lead one way: so the degrees of the near ones stay what they are.
        encoder = NodeEncoder(5, 4, 6, layer).eval()
        x, edges = torch.randn(4, 5), torch.tensor([[1, 2, 3], [0, 1, 2]])
        far, near = x.clone(), x.clone()
        far[3] += 1
        near[2] += 1
        z, z_far, z_near = (encoder(Nodes.of(features, edges))[0] for features in (x, far, near))
        assert torch.equal(z, z_far)
        assert not torch.equal(z, z_near)

    def test_every_parameter_receives_a_gradient(self, layer: str) -> None:
        x, edges, _ = karate()
        encoder = NodeEncoder(5, 4, 6, layer)
        encoder(Nodes.of(x, edges)).square().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


@pytest.mark.parametrize("layer", ["gcn", "gin"])
def test_in_half_precision_a_node_of_many_neighbours_still_sums_them(layer: str) -> None:
    n = 2000
    spokes = torch.stack([torch.arange(1, n), torch.zeros(n - 1, dtype=torch.long)])
    x = 1 + torch.rand(n, 5, generator=torch.Generator().manual_seed(0))
    star = Nodes.of(x, torch.cat([spokes, spokes.flip(0)], dim=1))
    torch.manual_seed(0)
    encoder = NodeEncoder(5, 4, 6, layer).eval()
    with torch.no_grad():
        expected = encoder(star)[0]
        with torch.autocast("cpu", torch.bfloat16):
            found = encoder(star)[0]
    assert (found - expected).norm() < 0.02 * expected.norm()


@pytest.mark.parametrize("layer", ["gcn", "gin"])
def test_in_half_precision_features_that_are_mostly_zero_are_learnt_from(layer: str) -> None:
    _, edges, _ = karate()
    words = torch.eye(34)[:, :20]  # few enough values for a sparse product
    gradients = []
    for half in (False, True):
        torch.manual_seed(0)
        encoder = NodeEncoder(20, 4, 6, layer)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = encoder(Nodes.of(words, edges)).float().square().mean()
        loss.backward()
        gradients.append(torch.cat([p.grad.ravel() for p in encoder.parameters()]))
    assert (gradients[1] - gradients[0]).norm() < 0.05 * gradients[0].norm()


def test_unknown_layer() -> None:
    with pytest.raises(DataError, match="gcn, gin"):
        NodeEncoder(5, 4, 6, "gat")


class TestMasked:
    def test_hidden_features_have_no_influence(self) -> None:
        x, edges, _ = karate()
        encoder, hidden = MaskedNodeEncoder(5, 4, 6), torch.zeros(1, 34, dtype=torch.bool)
        hidden[0, ::3] = True
        other = torch.where(hidden[0][:, None], torch.randn(34, 5), x)
        z = encoder.parts(Nodes.of(x, edges), hidden)
        assert torch.equal(z, encoder.parts(Nodes.of(other, edges), hidden))
        nn.init.ones_(encoder.token)
        at_token = Nodes.of(torch.where(hidden[0][:, None], 1.0, x), edges)
        torch.testing.assert_close(encoder.parts(Nodes.of(x, edges), hidden)[0], encoder(at_token))

    def test_decoder_sees_nothing_at_hidden_nodes(self) -> None:
        x, edges, dense = karate()
        hidden = torch.zeros(1, 34, dtype=torch.bool)
        hidden[0, ::3] = True
        decoder, z = MaskedNodeDecoder(4, 5), torch.randn(1, 34, 4)
        other = torch.where(hidden[..., None], torch.randn(z.shape), z)
        said = decoder(z, hidden, Nodes.of(x, edges))
        assert torch.equal(said, decoder(other, hidden, Nodes.of(x, edges)))
        with_loops = dense + torch.eye(len(dense))
        scale = torch.diag(with_loops.sum(1) ** -0.5)
        seen = decoder.bridge(z[0]) * ~hidden[0][:, None]
        expected = decoder.output((scale @ with_loops @ scale).float() @ seen)
        torch.testing.assert_close(said[0][hidden[0]], expected[hidden[0]])
        assert said[0][~hidden[0]].abs().sum() == 0


def test_edges_given_twice_count_twice() -> None:
    h = torch.eye(2)
    edges = torch.tensor([[0, 0], [1, 1]])
    np.testing.assert_array_equal(neighbour_sum(h, edges)[1], [2, 0])
