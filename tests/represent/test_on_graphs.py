"""Every pretext on the nodes of a graph, with what the kind answers alone."""

from __future__ import annotations

from copy import deepcopy
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest
import torch

from attar.data.nodes import links
from attar.density import AnomalyDetector
from attar.errors import DataError
from attar.kinds import graph
from attar.kinds.graph import Graph
from attar.nets.nodes import Nodes
from attar.represent import BYOL, CCASSG, PCA, Autoencoder, Masked, MoCo, RandomConvolutions, Raw, SimCLR
from attar.training.loop import train

PRETEXTS = {
    "simclr": lambda kind: SimCLR(8, width=1, epochs=3, batch_size=34, kind=kind, random_state=0),
    "masked": lambda kind: Masked(8, width=1, epochs=3, batch_size=34, kind=kind, random_state=0),
    "autoencoder": lambda kind: Autoencoder(8, width=1, epochs=3, batch_size=34, kind=kind, random_state=0),
    "cca-ssg": lambda kind: CCASSG(8, width=1, epochs=3, batch_size=34, kind=kind, random_state=0),
    "moco": lambda kind: MoCo(8, width=1, epochs=3, batch_size=34, kind=kind, random_state=0),
    "byol": lambda kind: BYOL(8, width=1, epochs=3, batch_size=34, kind=kind, random_state=0),
}


@pytest.fixture
def nodes():
    x = np.random.default_rng(0).standard_normal((34, 6))
    return links(x, np.array(nx.karate_club_graph().edges).T).all()


@pytest.mark.parametrize("name", PRETEXTS)
class TestPretexts:
    def test_same_seed_same_representation(self, nodes, name) -> None:
        kind = Graph.learn(nodes)
        z = [PRETEXTS[name](kind).fit(nodes).transform(nodes) for _ in range(2)]
        assert z[0].shape == (34, 8)
        assert np.isfinite(z[0]).all()
        np.testing.assert_array_equal(*z)

    def test_a_part_of_the_nodes_is_represented_as_in_the_whole(self, nodes, name) -> None:
        pretext = PRETEXTS[name](Graph.learn(nodes)).fit(nodes)
        np.testing.assert_allclose(pretext.transform(nodes[[3, 30]]), pretext.transform(nodes)[[3, 30]], atol=1e-6)

    def test_another_graph(self, nodes, name) -> None:
        pretext = PRETEXTS[name](Graph.learn(nodes)).fit(nodes)
        with torch.no_grad():
            other = Nodes.of(torch.randn(5, 6), torch.zeros(2, 0, dtype=torch.long))
            assert pretext.module_(other).shape == (5, 8)

    def test_with_neighbours_sampled(self, nodes, name, monkeypatch) -> None:
        monkeypatch.setattr(graph, "_WHOLE", 0)
        monkeypatch.setattr(graph, "_FAN_OUT", (4, 2))
        kind = Graph.learn(nodes)
        pretext = PRETEXTS[name](kind)
        pretext.set_params(batch_size=8)
        z = pretext.fit(nodes).transform(nodes)
        assert z.shape == (34, 8)
        assert np.isfinite(z).all()

    def test_killed_and_resumed_equals_uninterrupted(self, nodes, name, monkeypatch, tmp_path) -> None:
        kind = Graph.learn(nodes)
        whole = PRETEXTS[name](kind).fit(nodes).transform(nodes)
        path = tmp_path / "checkpoint.safetensors"

        def stop(module, loss, n, **options):
            calls = []

            def counted(batch, generator):
                calls.append(batch)
                if len(calls) == 3:
                    raise KeyboardInterrupt
                return loss(batch, generator)

            return train(module, counted, n, interval=0.0, **options)

        monkeypatch.setattr("attar.training.loop.train", stop)
        with pytest.raises(KeyboardInterrupt):
            PRETEXTS[name](kind)._fit(nodes, kind, path)
        monkeypatch.undo()
        resumed = PRETEXTS[name](kind)
        resumed._fit(nodes, kind, path)
        np.testing.assert_array_equal(resumed.transform(nodes), whole)


def test_a_graph_is_passed_through_once_for_all_of_its_nodes() -> None:
    many = links(np.eye(600, 2), np.zeros((2, 0))).all()
    pretext = SimCLR(4, width=1, epochs=0, kind=Graph.learn(many), random_state=0).fit(many)
    passes = []
    pretext.encoder_.register_forward_hook(lambda *_: passes.append(1))
    assert pretext.transform(many).shape == (600, 4)
    assert len(passes) == 1


def test_nodes_are_not_hidden_one_sample_at_a_time(nodes) -> None:
    masked = PRETEXTS["masked"](Graph.learn(nodes)).fit(nodes)
    with pytest.raises(DataError, match="'graph' hang together"):
        masked.reconstruct(nodes, random_state=0)


def test_an_autoencoder_with_noise_leads_back_to_features(nodes) -> None:
    kind = Graph.learn(nodes)
    autoencoder = Autoencoder(8, width=1, epochs=2, noise=0.3, kind=kind, random_state=0).fit(nodes)
    assert autoencoder.inverse_transform(autoencoder.transform(nodes)).shape == (34, 6)
    x = kind.preprocess()(torch.tensor(nodes))
    noisy = kind.noisy(x, torch.Generator().manual_seed(0), 0.3)
    assert torch.equal(noisy.edge_index, x.edge_index)
    assert (noisy.features - x.features).std().item() == pytest.approx(0.3, rel=0.2)


def test_a_graph_is_refused_with_a_way_to_its_nodes(nodes) -> None:
    data = SimpleNamespace(x=nodes.links.features, edge_index=nodes.links.edge_index)
    for graph_ in (data, nodes.links):
        for representation in (Raw(kind=Graph.learn(nodes)), PRETEXTS["simclr"]("graph")):
            with pytest.raises(
                DataError, match=r"^X is a graph; give its nodes, attar\.data\.arrays\.from_arrays\(X\)\.x$"
            ):
                representation.fit(graph_)


@pytest.mark.parametrize("kind", [None, "graph"])
def test_nodes_know_their_graph(nodes, kind) -> None:
    known = PRETEXTS["cca-ssg"](Graph.learn(nodes)).fit(nodes)
    told = PRETEXTS["cca-ssg"](kind).fit(nodes)
    np.testing.assert_array_equal(told.transform(nodes[[3, 1]]), known.transform(nodes[[3, 1]]))
    np.testing.assert_array_equal(
        Raw(kind=kind).fit_transform(nodes), Raw(kind=Graph.learn(nodes)).fit_transform(nodes)
    )
    with pytest.raises(DataError, match="nodes of another graph"):
        told.transform(links(nodes.links.features + 1, nodes.links.edge_index).all())
    with pytest.raises(DataError, match="nodes of another graph"):
        Raw().fit(np.ones((4, 1))).transform(nodes)
    again = Raw().fit(nodes).fit(np.arange(9.0)[:, None])
    with pytest.raises(DataError, match="nodes of another graph"):
        again.transform(nodes)
    with pytest.raises(DataError, match="lie along no axis"):
        RandomConvolutions(kind=kind).fit(nodes)


@pytest.mark.parametrize("estimator", [PCA(1), SimCLR(kind="table"), AnomalyDetector(representation=PCA(1))])
def test_what_knows_no_graphs_refuses_the_numbers_of_nodes(nodes, estimator) -> None:
    with pytest.raises(DataError, match="would see the numbers alone"):
        estimator.fit(nodes)


def test_nodes_of_another_graph_are_refused(nodes) -> None:
    x, edges = nodes.links.features, nodes.links.edge_index
    kind = Graph.learn(nodes)
    raw, copied = Raw(kind=kind).fit(nodes), Raw(kind=deepcopy(kind)).fit(nodes)
    np.testing.assert_array_equal(raw.transform(links(x, edges).all()[[3]]), copied.transform(nodes[[3]]))
    for other in (links(x + 1, edges), links(x, edges[:, :5])):
        for call in (raw.fit, raw.transform, PRETEXTS["simclr"](kind).fit):
            with pytest.raises(DataError, match="nodes of another graph"):
                call(other.all())


def test_raw_features_of_nodes(nodes) -> None:
    z = Raw(kind=Graph.learn(nodes)).fit(nodes).transform(nodes[[5, 2]])
    expected = nodes.links.features
    np.testing.assert_allclose(z, ((expected - expected.mean(0)) / expected.std(0))[[5, 2]], atol=1e-5)


def test_propagated_features_equal_the_dense_product(nodes) -> None:
    kind = Graph.learn(nodes)
    (module,) = kind.own_baselines().values()
    adjacency = np.eye(34)
    adjacency[tuple(nodes.links.edge_index)] = 1
    scale = np.diag(adjacency.sum(1) ** -0.5)
    x = kind.preprocess()(torch.tensor(nodes)).features.numpy()
    spread = scale @ adjacency @ scale
    np.testing.assert_allclose(module(torch.tensor(nodes)), spread @ spread @ x, atol=1e-5)
