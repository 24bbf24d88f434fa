from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attar.data.nodes import links
from attar.errors import DataError
from attar.kinds import graph
from attar.kinds.graph import Graph
from attar.nets.nodes import Nodes
from attar.training import processes


def karate(features=None):
    known = nx.karate_club_graph()
    x = np.random.default_rng(0).standard_normal((34, 6)) if features is None else features
    return links(x, np.array(known.edges).T)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


class TestPreprocess:
    def test_numbers_are_standardised(self) -> None:
        x = np.random.default_rng(0).standard_normal((34, 6)) * 3 + 5
        x[0, 0] = np.nan
        nodes = karate(x).all()
        y = Graph.learn(nodes).preprocess()(torch.tensor(nodes)).features.numpy()
        np.testing.assert_allclose(np.delete(y[:, 0], 0).mean(), 0, atol=1e-5)
        np.testing.assert_allclose(y.std(0)[1:], 1, atol=1e-5)
        assert y[0, 0] == 0

    def test_counts_become_rows_of_one_length(self) -> None:
        x = (np.random.default_rng(0).random((34, 50)) < 0.1) * 2.0
        x[3] = 0
        nodes = karate(x).all()
        y = Graph.learn(nodes).preprocess()(torch.tensor(nodes)).features
        length = y.norm(dim=1)
        assert length[3] == 0
        torch.testing.assert_close(length[torch.arange(34) != 3], torch.full((33,), 50**0.5))

    def test_a_part_sees_the_whole_graph(self) -> None:
        nodes = karate().all()
        kind = Graph.learn(nodes)
        encoder = kind.encoder(4, 2).eval()
        z = encoder(kind.preprocess()(torch.tensor(nodes)))
        part = torch.tensor(nodes[[5, 5, 30]])
        torch.testing.assert_close(encoder(kind.preprocess()(part)), z[[5, 5, 30]])

    def test_sampled_neighbourhoods_give_the_same_where_they_hold_all(self, monkeypatch) -> None:
        nodes = karate().all()
        kind = Graph.learn(nodes)
        encoder = kind.encoder(4, 2).eval()
        z = encoder(kind.preprocess()(torch.tensor(nodes)))
        monkeypatch.setattr(graph, "_WHOLE", 0)
        assert not kind.whole
        for rows in ([5, 30], [0], [7, 7, 2]):
            x = kind.preprocess().eval()(torch.tensor(nodes[rows]))
            torch.testing.assert_close(encoder(x), z[rows])

    def test_the_same_batch_has_the_same_sample_of_neighbours(self, monkeypatch) -> None:
        monkeypatch.setattr(graph, "_WHOLE", 0)
        monkeypatch.setattr(graph, "_FAN_OUT", (3, 2))
        nodes = karate().all()
        preprocess = Graph.learn(nodes).preprocess()
        one, same, other = (preprocess(torch.tensor(nodes[rows])) for rows in ([0, 33], [0, 33], [0, 32]))
        assert torch.equal(one.edge_index, same.edge_index)
        assert torch.equal(one.features, same.features)
        assert not torch.equal(one.features, other.features)

    @pytest.mark.parametrize("number", [-1, 34, 1.5, np.nan])
    @pytest.mark.parametrize("whole", [0, 2**26])
    def test_numbers_that_are_no_nodes_are_refused(self, number, whole, monkeypatch) -> None:
        monkeypatch.setattr(graph, "_WHOLE", whole)
        preprocess = Graph.learn(karate().all()).preprocess()
        with pytest.raises(DataError, match=f"^{number:.8g} is no node of the graph: its 34 are counted from 0$"):
            preprocess(torch.tensor([[0.0], [number]]))

    def test_features_of_another_graph(self) -> None:
        kind = Graph.learn(karate().all())
        x, edges = torch.randn(3, 6), torch.tensor([[0, 1], [1, 0]])
        y = kind.preprocess()(Nodes.of(x, edges))
        torch.testing.assert_close(kind.restore(y), x)
        assert y.edge_index is edges

    @pytest.mark.parametrize("edges", [np.zeros((2, 0)), [[0], [0]]])
    def test_single_node(self, edges, generator) -> None:
        nodes = links(np.ones((1, 3)), edges).all()
        kind = Graph.learn(nodes)
        x = kind.preprocess()(torch.tensor(nodes))
        assert kind.encoder(4, 1)(kind.view(x, generator)).shape == (1, 4)
        assert torch.isfinite(kind.reconstruction_loss(kind.decoder(4, 1).eval()(torch.randn(1, 4)), x))
        assert "<svg" in kind.draw(nodes[0])


class TestView:
    def test_strength_zero_changes_nothing(self, generator) -> None:
        x = Graph.learn(karate().all()).preprocess()(torch.tensor(karate().all()))
        view = Graph.learn(karate().all()).view(x, generator, 0.0)
        assert torch.equal(view.features, x.features)
        assert torch.equal(view.edge_index, x.edge_index)

    def test_edges_go_at_their_rate_and_both_ways(self, generator) -> None:
        rng = np.random.default_rng(0)
        nodes = links(np.ones((300, 2)), rng.integers(0, 300, (2, 6000))).all()
        kind = Graph.learn(nodes)
        x = kind.preprocess()(torch.tensor(nodes))
        kept = kind.view(x, generator).edge_index
        n = x.edge_index.shape[1] / 2
        assert abs(kept.shape[1] / 2 / n - (1 - graph._EDGES)) < 5 * (0.25 / n) ** 0.5
        assert {tuple(e) for e in kept.t().tolist()} == {tuple(e) for e in kept.flip(0).t().tolist()}

    # The karate club has 78 edges, a multiple of the rows; two graphs may be as many as the rows of a process.
    @pytest.mark.parametrize("rows", [1, 2, 39])
    def test_all_processes_see_one_graph(self, rows, monkeypatch) -> None:
        nodes = karate().all()
        kind = Graph.learn(nodes)
        x, found = torch.cat([kind.preprocess()(torch.tensor(nodes))] * 2), []
        monkeypatch.setattr(processes, "processes", lambda: 2)
        for rank in range(2):
            monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
            with processes.sharing(rows):
                view = kind.view(x, torch.Generator().manual_seed(0))
                found.append((view, view.edge_index, kind.noisy(x, torch.Generator().manual_seed(0), 1.0)))
        assert all(torch.equal(one, other) for one, other in zip(*found))

    def test_each_graph_of_a_batch_is_its_own_view(self, generator) -> None:
        nodes = karate(np.ones((34, 200)) + np.eye(34, 200)).all()
        kind = Graph.learn(nodes)
        x = kind.preprocess()(torch.tensor(nodes))
        one, other = kind.view(torch.cat([x, x]), generator).features.chunk(2)
        dropped = [(part == 0).all(dim=0) & (x.features != 0).any(dim=0) for part in (one, other)]
        assert not torch.equal(*dropped)
        for part, gone in zip((one, other), dropped):
            assert torch.equal(part[:, ~gone], x.features[:, ~gone])


class TestReconstruction:
    def test_equals_a_loop_over_pairs(self) -> None:
        nodes = karate().all()
        kind = Graph.learn(nodes)
        x = kind.preprocess()(torch.tensor(nodes))
        x = x.like(x.features.double())
        x_hat = torch.randn(34, 6 + graph._LINK, dtype=torch.double)
        ends, of_edges, of_others = x_hat[:, 6:], [], []
        edges = set(map(tuple, x.edge_index.t().tolist()))
        for i in range(34):
            for j in range(34):
                odds = torch.sigmoid(ends[i] @ ends[j] / graph._LINK**0.5)
                if (i, j) in edges:
                    of_edges.append(-torch.log(odds))
                elif i != j:
                    of_others.append(-torch.log(1 - odds))
        features = (x_hat[:, :6] - x.features).square().mean()
        expected = features + (torch.stack(of_edges).mean() + torch.stack(of_others).mean()) / 2
        torch.testing.assert_close(kind.reconstruction_loss(x_hat, x), expected, rtol=1e-10, atol=1e-10)

    def test_of_a_part_counts_edges_within_it(self) -> None:
        nodes = karate().all()
        kind = Graph.learn(nodes)
        x = kind.preprocess()(torch.tensor(nodes[[0, 1, 33]]))
        assert graph._linked(x, x.seeds).int().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


class TestMasking:
    def test_scaled_cosine_error_equals_a_loop(self, generator) -> None:
        nodes = karate().all()
        kind = Graph.learn(nodes)
        x = kind.preprocess()(torch.tensor(nodes))
        hidden = torch.rand(1, 34, generator=generator) < 0.5
        x_hat = torch.randn(1, 34, 6)
        errors = [
            (1 - float(x_hat[0, i] @ x.features[i] / x_hat[0, i].norm() / x.features[i].norm())) ** 3
            for i in range(34)
            if hidden[0, i]
        ]
        assert float(kind.masked_loss(x_hat, x, hidden)) == pytest.approx(np.mean(errors), rel=1e-5)
        assert kind.masked_loss(x_hat, x, torch.zeros_like(hidden)) == 0

    def test_fill_changes_hidden_nodes_alone(self) -> None:
        nodes = karate().all()
        kind = Graph.learn(nodes)
        x = kind.preprocess()(torch.tensor(nodes))
        hidden, x_hat = torch.zeros(1, 34, dtype=torch.bool), torch.randn(1, 34, 6)
        hidden[0, 4] = True
        filled = kind.fill(x_hat, x, hidden).features
        assert torch.equal(filled[np.arange(34) != 4], x.features[np.arange(34) != 4])
        torch.testing.assert_close(F.cosine_similarity(filled[4], x_hat[0, 4], dim=0), torch.tensor(1.0))

    def test_all_parts_are_there(self) -> None:
        nodes = karate().all()
        kind = Graph.learn(nodes)
        assert kind.present(kind.preprocess()(torch.tensor(nodes[:3]))).shape == (1, 34)


def test_drawing_shows_the_neighbours() -> None:
    nodes = karate().all()
    svg = Graph.learn(nodes).draw(nodes[11])
    assert svg.count("<circle") == 2
    assert svg.count("M") == 1


def test_samples_that_are_no_nodes() -> None:
    with pytest.raises(DataError, match="nodes"):
        Graph.learn(np.zeros((3, 1), dtype=np.float32))
