"""A model on the nodes of a graph, exported, answers on other graphs than the one it was made for."""

from __future__ import annotations

from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
import torch
from torch import nn

from attar.data.nodes import links
from attar.deploy.check import check
from attar.deploy.measure import measure
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.errors import ModelError
from attar.kinds.graph import Graph
from attar.nets.nodes import Nodes

CLASSES = ("a", "b", "c")


def karate():
    x = np.random.default_rng(0).standard_normal((34, 6))
    return links(x, np.array(nx.karate_club_graph().edges).T).all()


@pytest.fixture(scope="module", params=["gcn", "gin"])
def exported(request, tmp_path_factory):
    kind = Graph(**{**vars(Graph.learn(karate())), "layer": request.param})
    torch.manual_seed(0)
    network = nn.Sequential(kind.encoder(8, 1), nn.Linear(8, 3))
    network(kind.preprocess()(torch.tensor(karate())))  # batch norms get statistics of their own
    whole = nn.Sequential(kind.preprocess(), network, nn.Softmax(dim=1)).eval()
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    meta = ModelMeta("graph", kind.shape, CLASSES, extra={"hops": kind.hops})
    export(whole, kind.example(karate()), path, meta)
    return whole, path


GRAPHS = {
    "karate": (34, np.array(nx.karate_club_graph().edges).T),
    "random": (50, np.array(nx.erdos_renyi_graph(50, 0.1, seed=1).edges).T),
    "with lonely nodes": (6, np.array([[0, 1], [1, 2]])),
    "no edge": (5, np.zeros((2, 0), dtype=int)),
    "one node": (1, np.zeros((2, 0), dtype=int)),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_equals_python_on_any_graph(exported, name) -> None:
    whole, path = exported
    n, edges = GRAPHS[name]
    graph = links(np.random.default_rng(1).standard_normal((n, 6)), edges)
    with torch.no_grad():
        expected = whole(Nodes.of(torch.tensor(graph.features), torch.tensor(graph.edge_index))).numpy()
    np.testing.assert_allclose(load(path).predict_proba(graph), expected, atol=1e-5)


def test_a_part_is_answered_as_in_the_whole(exported) -> None:
    _, path = exported
    model, nodes = load(path), karate()
    said = model.predict_proba(nodes)
    for rows in ([33], [5, 2, 5], np.arange(34)[::-1]):
        np.testing.assert_allclose(model.predict_proba(nodes[rows]), said[rows], atol=1e-6)


def test_takes_an_object_with_edges(exported) -> None:
    _, path = exported
    nodes = karate()
    data = SimpleNamespace(x=nodes.links.features, edge_index=nodes.links.edge_index)
    np.testing.assert_array_equal(load(path).predict_proba(data), load(path).predict_proba(nodes))
    assert load(path).predict(data).shape == (34,)


def test_check_and_measure(exported) -> None:
    whole, path = exported
    with torch.no_grad():
        expected = whole(torch.tensor(karate())).numpy()
    assert check(path, karate(), expected, 1e-4) < 1e-5
    assert measure(path, karate(), repeats=5).latency_ms > 0


def test_what_suits_no_graph(exported) -> None:
    _, path = exported
    with pytest.raises(ModelError, match="takes a graph"):
        load(path).predict_proba(np.zeros((3, 6)))
    with pytest.raises(ModelError, match="5 features and the model wants 6"):
        load(path).predict_proba(links(np.zeros((3, 5)), [[0], [1]]))
    with pytest.raises(ModelError, match="leads to no node"):
        load(path).predict_proba(SimpleNamespace(x=np.zeros((3, 6)), edge_index=np.array([[0], [3]])))


def test_a_model_that_looks_at_no_edge(tmp_path) -> None:
    kind = Graph.learn(karate())
    whole = nn.Sequential(kind.preprocess(), kind.flat(), nn.Linear(6, 3), nn.Softmax(dim=1)).eval()
    export(whole, kind.example(karate()), tmp_path / "m.onnx", ModelMeta("graph", kind.shape, CLASSES))
    with torch.no_grad():
        expected = whole(torch.tensor(karate())).numpy()
    np.testing.assert_allclose(load(tmp_path / "m.onnx").predict_proba(karate()), expected, atol=1e-5)
