"""The main job on the nodes of a graph, from arrays to a file that answers for other graphs."""

from __future__ import annotations

import csv
from dataclasses import replace
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pytest

from attar.data.arrays import from_arrays
from attar.deploy.predictions import write_predictions
from attar.deploy.session import load
from attar.fit import fingerprint_of, summary
from attar.training.progress import Silent


def karate():
    known = nx.karate_club_graph()
    y = np.array([known.nodes[i]["club"] for i in known])
    edges = np.array(known.edges).T
    return SimpleNamespace(x=np.eye(34, 40), edge_index=np.concatenate([edges, edges[::-1]], axis=1)), y


@pytest.fixture(scope="module")
def dataset():
    graph, y = karate()
    labels = np.where(np.isin(np.arange(34), [0, 1, 2, 3, 30, 31, 32, 33, 10, 20]), y, "")
    return replace(from_arrays(graph, labels), test=np.array([10, 20]))


@pytest.fixture(scope="module")
def finished(finish, dataset, tmp_path_factory):
    return finish(tmp_path_factory.mktemp("graph") / "run", dataset)


def test_what_is_tried(finished) -> None:
    stages = {row.name.split(" + ")[0].split(",")[0] for row in finished.outcome.facts.leaderboard}
    assert {"raw", "pca", "propagated features", "from scratch", "simclr"} <= stages
    assert "cca-ssg beside propagated features" in stages
    baselines = {row.name for row in finished.outcome.facts.leaderboard if row.baseline}
    assert "propagated features + linear" in baselines
    assert not any(name.startswith("cca-ssg") for name in baselines)
    assert finished.outcome.facts.shape == (40,)
    assert finished.outcome.facts.n_test == 2


@pytest.mark.parametrize("of", ["the chosen", "cca-ssg"])
def test_the_file_answers_for_another_graph(finished, of) -> None:
    edges = np.array(nx.erdos_renyi_graph(50, 0.1, seed=1).edges).T
    chosen = finished.outcome.model
    file = chosen if of == "the chosen" else next((chosen.parent / "stages" / of).glob("*.onnx"))
    said = load(file).predict_proba(SimpleNamespace(x=np.eye(50, 40), edge_index=edges))
    assert said.shape == (50, 2)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)


def test_predictions_of_a_file(finished, tmp_path) -> None:
    graph, _ = karate()
    np.savez(tmp_path / "g.npz", x=graph.x, edge_index=graph.edge_index)
    n, _ = write_predictions(
        finished.outcome.model, str(tmp_path / "g.npz"), tmp_path / "p.csv", strict=False, progress=Silent()
    )
    with (tmp_path / "p.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert n == len(rows) == 34
    model = load(finished.outcome.model)
    assert [row["label"] for row in rows] == model.predict(graph).tolist()


def test_a_student_under_a_budget(finish, dataset, tmp_path) -> None:
    run = finish(tmp_path / "run", dataset, "2KB")
    facts = run.outcome.facts
    assert facts.model_bytes <= 2048
    assert load(run.outcome.model).predict(karate()[0]).shape == (34,)


def test_what_is_said_of_it(dataset) -> None:
    assert summary(dataset).startswith("graph · 34 nodes, 40 features, 78 edges · 8 labelled, 2 classes, 2 set aside")


def test_other_edges_are_other_data(dataset) -> None:
    graph, _ = karate()
    other = replace(dataset, x=from_arrays(SimpleNamespace(x=graph.x, edge_index=graph.edge_index[:, 2:])).x)
    same = replace(dataset, x=from_arrays(graph).x)
    assert fingerprint_of(other) == fingerprint_of(dataset)  # the other direction of these two edges is still there
    fewer = replace(dataset, x=from_arrays(SimpleNamespace(x=graph.x, edge_index=graph.edge_index[:, :70])).x)
    assert fingerprint_of(fewer) != fingerprint_of(dataset)
    assert fingerprint_of(same) == fingerprint_of(dataset)
