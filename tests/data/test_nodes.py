from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attar.data.nodes import Nodes, links, neighbourhood
from attar.errors import DataError


def karate():
    graph = nx.karate_club_graph()
    return links(np.eye(34), np.array(graph.edges).T), graph


class TestLinks:
    def test_edges_lead_both_ways_and_come_once(self) -> None:
        graph, known = karate()
        assert {tuple(edge) for edge in graph.edge_index.T.tolist()} == {
            e for a, b in known.edges for e in ((a, b), (b, a))
        }
        assert graph.edge_index.shape == (2, 2 * known.number_of_edges())
        assert graph.notes == ("78 edges are given in one direction only: taken for both",)

    def test_the_result_is_already_in_order(self) -> None:
        graph, _ = karate()
        again = links(graph.features, graph.edge_index[:, ::-1])
        np.testing.assert_array_equal(again.edge_index, graph.edge_index)
        assert again.notes == ()

    def test_starts_point_at_the_edges_of_each_node(self) -> None:
        graph, known = karate()
        for node in known:
            around = graph.edge_index[0, graph.starts[node] : graph.starts[node + 1]]
            assert sorted(around.tolist()) == sorted(known.neighbors(node))

    def test_loops_and_repeats_and_lonely_nodes_are_noted(self) -> None:
        graph = links(np.eye(4), [[0, 0, 1, 2], [1, 1, 0, 2]])
        assert graph.edge_index.tolist() == [[1, 0], [0, 1]]
        assert graph.notes == ("1 edge leads from a node to itself: left out", "2 of 4 nodes have no edge")

    @pytest.mark.parametrize("edges", [np.zeros((2, 0)), [], [[], []], np.zeros((0, 2), dtype=int)])
    def test_no_edge_at_all(self, edges) -> None:
        graph = links(np.ones((1, 3)), edges)
        assert graph.edge_index.shape == (2, 0)
        assert graph.starts.tolist() == [0, 0]

    @pytest.mark.parametrize(
        ("features", "edges", "message"),
        [
            (np.eye(3), [[0, 3], [1, 0]], r"edge 1 \(3 to 0\) leads to no node: there are 3"),
            (np.eye(3), [[-1, 9], [0, 0]], r"edge 0 \(-1 to 0\) and 1 more"),
            (np.eye(3), [[0.5], [1.0]], "whole numbers"),
            (np.eye(3), [[0, 1, 2]], "whole numbers"),
            (np.eye(3), [[0, 1], [1]], "of several lengths"),
            (np.zeros(3), [[0], [1]], "at least one node"),
            (np.zeros((0, 3)), [[0], [1]], "at least one node"),
        ],
    )
    def test_hostile_input(self, features, edges, message) -> None:
        with pytest.raises(DataError, match=message):
            links(features, edges)


def test_a_part_of_the_nodes_is_in_the_same_graph() -> None:
    graph, _ = karate()
    nodes = graph.all()
    for part in (nodes[3:5], nodes[[7, 7]], nodes[np.arange(34) % 2 == 0], nodes.copy()):
        assert isinstance(part, Nodes)
        assert part.links is graph
    assert nodes[[7, 7]].tolist() == [[7], [7]]


class TestNeighbourhood:
    @given(st.integers(0, 2**32 - 1), st.integers(0, 3))
    def test_all_neighbours_are_those_of_a_breadth_first_search(self, seed: int, hops: int) -> None:
        rng = np.random.default_rng(seed)
        graph = links(np.eye(20), rng.integers(0, 20, (2, 25)))
        known = nx.DiGraph(list(map(tuple, graph.edge_index.T.tolist())))
        known.add_nodes_from(range(20))
        seeds = rng.permutation(20)[:3]
        nodes, edges = neighbourhood(graph, seeds, [None] * hops, rng)
        distance = {
            n: min(nx.single_source_shortest_path_length(known, s).get(n, 99) for s in seeds) for n in range(20)
        }
        assert nodes[:3].tolist() == seeds.tolist()
        assert sorted(nodes.tolist()) == [n for n in range(20) if distance[n] <= hops]
        expected = {(a, b) for a, b in known.edges if distance[b] < hops}
        assert {tuple(e) for e in nodes[edges].T.tolist()} == expected
        assert edges.shape[1] == len(expected)

    def test_fan_out_bounds_the_edges_to_each_node(self) -> None:
        graph, _ = karate()
        nodes, edges = neighbourhood(graph, np.array([0, 33]), [5, 2], np.random.default_rng(0))
        into = np.bincount(edges[1], minlength=len(nodes))
        assert into[:2].tolist() == [5, 5]
        assert into.max() <= 5
        assert {tuple(e) for e in nodes[edges].T.tolist()} <= {tuple(e) for e in graph.edge_index.T.tolist()}

    def test_each_neighbour_is_as_likely(self) -> None:
        graph = links(np.eye(5), [[1, 2, 3, 4], [0, 0, 0, 0]])
        rng = np.random.default_rng(0)
        drawn = np.concatenate([neighbourhood(graph, np.array([0]), [2], rng)[0][1:] for _ in range(500)])
        share = np.bincount(drawn, minlength=5)[1:] / 500
        np.testing.assert_allclose(share, 0.5, atol=5 * np.sqrt(0.25 / 500))
