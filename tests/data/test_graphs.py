from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from attar.data import graphs
from attar.data.arrays import from_arrays
from attar.data.asked import Asked
from attar.data.dataset import Form
from attar.data.nodes import Nodes
from attar.data.sources import read, read_for_prediction
from attar.errors import DataError, LabelError

X = np.arange(12.0).reshape(4, 3)
EDGES = np.array([[0, 1, 2], [1, 2, 3]])


def write(path: Path, **arrays) -> str:
    np.savez(path, **{"x": X, "edge_index": EDGES} | arrays)
    return str(path)


class TestNpz:
    def test_nodes_labels_and_split(self, tmp_path) -> None:
        source = write(tmp_path / "g.npz", y=np.array([0, 1, 0, 1]), train_idx=np.array([0, 1]), test_idx=np.array([3]))
        dataset = read(source)
        assert dataset.kind == "graph"
        assert isinstance(dataset.x, Nodes)
        np.testing.assert_array_equal(dataset.x.links.features, X)
        assert dataset.y.tolist() == [0, 1, -1, 1]
        assert dataset.test.tolist() == [3]
        assert "the label of 1 node outside the training and the test part is set aside" in dataset.notes
        assert "3 edges are given in one direction only: taken for both" in dataset.notes

    def test_masks_are_numbers_of_nodes(self, tmp_path) -> None:
        mask = np.array([False, False, False, True])
        dataset = read(write(tmp_path / "g.npz", y=np.array([0, 1, 0, 1]), train_mask=~mask, test_mask=mask))
        assert dataset.test.tolist() == [3]
        assert (dataset.y >= 0).all()

    @pytest.mark.parametrize(
        "test", [{"test_idx": []}, {"test_idx": np.zeros(0, int)}, {"test_mask": np.zeros(4, bool)}]
    )
    def test_a_test_part_of_no_node_is_none(self, tmp_path, test) -> None:
        dataset = read(write(tmp_path / "g.npz", y=np.array([0, 1, 0, 1]), train_idx=np.arange(4), **test))
        assert dataset.test is None
        assert dataset.y.tolist() == [0, 1, 0, 1]

    def test_sparse_features(self, tmp_path) -> None:
        sparse = csr_array(X)
        path = tmp_path / "g.npz"
        arrays = {
            "x_data": sparse.data,
            "x_indices": sparse.indices,
            "x_indptr": sparse.indptr,
            "x_shape": sparse.shape,
        }
        np.savez(path, edge_index=EDGES, **arrays)
        np.testing.assert_array_equal(read(str(path)).x.links.features, X)

    @pytest.mark.parametrize(
        ("arrays", "error", "message"),
        [
            ({"edge_index": np.array([[0], [4]])}, DataError, "edge 0 .0 to 4. leads to no node"),
            ({"x": np.full((4, 1), np.inf)}, DataError, "infinite"),
            ({"x": np.array(["a"])}, DataError, "numbers"),
            ({"y": np.array([0, 1])}, LabelError, "4 nodes but 2 labels"),
            ({"y": np.zeros(4, int), "test_idx": np.array([4])}, LabelError, "test_idx"),
            ({"y": np.zeros(4, int), "test_mask": np.array([1, 0])}, LabelError, "test_mask"),
        ],
    )
    def test_hostile(self, tmp_path, arrays, error, message) -> None:
        with pytest.raises(error, match=message):
            read(write(tmp_path / "g.npz", **arrays))

    def test_no_features(self, tmp_path) -> None:
        np.savez(tmp_path / "g.npz", edge_index=EDGES)
        with pytest.raises(DataError, match="no features"):
            read(str(tmp_path / "g.npz"))

    def test_corrupt_sparse_matrix(self, tmp_path) -> None:
        wrong = {"x_data": [1.0], "x_indices": [9], "x_indptr": [0, 1, 1], "x_shape": [2, 3]}
        np.savez(tmp_path / "g.npz", edge_index=EDGES, **wrong)
        with pytest.raises(DataError, match="no sparse matrix"):
            read(str(tmp_path / "g.npz"))


class TestFolder:
    def fill(self, folder: Path, edges: str = "from,to\nb,a\nb,c\n") -> str:
        (folder / "nodes.csv").write_text("id,age,size,label\na,1,0.5,x\nb,2,1,y\nc,3,2,\n")
        (folder / "edges.csv").write_text(edges)
        return str(folder)

    def test_edges_name_nodes_by_id(self, tmp_path) -> None:
        dataset = read(self.fill(tmp_path))
        assert dataset.ids.tolist() == ["a", "b", "c"]
        np.testing.assert_array_equal(dataset.x.links.features, [[1, 0.5], [2, 1], [3, 2]])
        assert dataset.x.links.edge_index.tolist() == [[1, 0, 2, 1], [0, 1, 1, 2]]
        assert dataset.classes == ("x", "y")
        assert dataset.y.tolist() == [0, 1, -1]

    def test_rows_without_ids_and_edges_without_header(self, tmp_path) -> None:
        (tmp_path / "nodes.csv").write_text("age,size\n1,2\n3,4\n")
        (tmp_path / "edges.csv").write_text("0,1\n1,1\n")
        dataset = read(str(tmp_path))
        assert dataset.x.links.edge_index.tolist() == [[1, 0], [0, 1]]
        assert "1 edge leads from a node to itself: left out" in dataset.notes
        assert "edges name nodes by row number, counted from 0: nodes.csv has no column 'id'" in dataset.notes

    @pytest.mark.parametrize("name", ["node_id", "nodeID", "Node"])
    def test_ids_by_other_names(self, tmp_path, name) -> None:
        # Beside the row names of pandas, which are not what edges name nodes by.
        (tmp_path / "nodes.csv").write_text(f",{name},age\n0,2,5\n1,0,6\n2,1,7\n")
        (tmp_path / "edges.csv").write_text("from,to\n2,0\n")
        dataset = read(str(tmp_path))
        assert dataset.ids.tolist() == ["2", "0", "1"]
        assert [column.name for column in dataset.columns] == ["age"]
        assert dataset.x.links.edge_index.tolist() == [[1, 0], [0, 1]]
        assert f"column '{name}' names the rows, and is no feature" in dataset.notes
        same = read_for_prediction(str(tmp_path), Form("graph", (1,), columns=dataset.columns))
        assert same.ids.tolist() == dataset.ids.tolist()
        assert same.x.links.edge_index.tolist() == dataset.x.links.edge_index.tolist()

    @pytest.mark.parametrize(
        ("nodes", "message"),
        [
            ("id,age,colour\na,1,red\nb,2,blue\nc,3,red\n", "column 'colour' holds texts"),
            ("id,text\na,some words of text\nb,other words\nc,and others\n", "column 'text' holds texts"),
            ("id,age\na,inf\nb,2\nc,3\n", "infinite"),
            ("id,age,size\na,1,\nb,2,\nc,3,\n", "no value"),
        ],
    )
    def test_features_that_are_no_numbers(self, tmp_path, nodes, message) -> None:
        self.fill(tmp_path)
        (tmp_path / "nodes.csv").write_text(nodes)
        with pytest.raises(DataError, match=message):
            read(str(tmp_path))

    def test_to_predict_labels_are_left_out(self, tmp_path) -> None:
        raw = graphs.read_pair(Path(self.fill(tmp_path), "nodes.csv"), tmp_path / "edges.csv", Asked(label_column=""))
        np.testing.assert_array_equal(raw.x.links.features, [[1, 0.5], [2, 1], [3, 2]])
        assert raw.y is None

    def test_a_graph_is_of_no_other_kind(self, tmp_path) -> None:
        with pytest.raises(DataError, match="a graph, and not of kind table"):
            read(self.fill(tmp_path), kind="table")

    def test_two_nodes_of_one_name(self, tmp_path) -> None:
        self.fill(tmp_path)
        (tmp_path / "nodes.csv").write_text("id,age\na,1\na,2\n")
        with pytest.raises(DataError, match="two nodes are called 'a'"):
            read(str(tmp_path))


class TestPython:
    def test_labels_and_masks_of_the_object(self) -> None:
        mask = np.array([True, False, False, True])
        data = SimpleNamespace(x=X, edge_index=EDGES, y=np.array([0, 1, 1, 0]), train_mask=mask, test_mask=None)
        dataset = from_arrays(data)
        assert dataset.y.tolist() == [0, -1, -1, 0]

    @pytest.mark.parametrize("y", [np.array([0, 1, 1, 0]), ["a", "b", "b", "a"], ["a", None, "b", "a"]])
    def test_masks_count_for_labels_that_are_given(self, y) -> None:
        train, test = np.array([True, False, False, False]), np.array([False, False, False, True])
        data = SimpleNamespace(x=X, edge_index=EDGES, y=np.array([0, 1, 1, 0]), train_mask=train, test_mask=test)
        dataset = from_arrays(data, y)
        assert dataset.y.tolist() == [0, -1, -1, 0]
        assert dataset.test.tolist() == [3]
        assert "labels of 2 nodes outside the training and the test part are set aside" in dataset.notes

    def test_labels_that_are_given_are_taken_where_there_is_no_mask(self) -> None:
        data = SimpleNamespace(x=X, edge_index=EDGES, y=np.array([0, 1, 1, 0]))
        assert from_arrays(data, [1, 0, -1, -1]).y.tolist() == [1, 0, -1, -1]

    def test_weights_of_edges_are_said_not_to_be_used(self) -> None:
        data = SimpleNamespace(x=X, edge_index=EDGES, edge_weight=np.ones(3), edge_attr=None)
        assert "attributes of the graph that are not used: edge_weight" in from_arrays(data, [1, 0, -1, -1]).notes

    def test_data_of_torch_geometric(self) -> None:
        data = pytest.importorskip("torch_geometric.data", reason="torch-geometric is not installed")
        torch = pytest.importorskip("torch")
        graph = data.Data(torch.tensor(X), torch.tensor(EDGES), y=torch.tensor([0, 1, 1, 0]))
        dataset = from_arrays(graph)
        np.testing.assert_array_equal(dataset.x.links.features, X)
        assert dataset.y.tolist() == [0, 1, 1, 0]

    def test_tensors_of_any_precision_and_with_gradients(self) -> None:
        torch = pytest.importorskip("torch")
        x = torch.tensor(X, dtype=torch.bfloat16, requires_grad=True)
        dataset = from_arrays(SimpleNamespace(x=x, edge_index=torch.tensor(EDGES)))
        np.testing.assert_array_equal(dataset.x.links.features, x.detach().float().numpy())
        with pytest.raises(DataError, match=r"sparse tensor; give x.to_dense\(\)"):
            from_arrays(SimpleNamespace(x=torch.tensor(X).to_sparse(), edge_index=EDGES))

    def test_what_is_a_graph_elsewhere_is_told_what_makes_it_one_here(self) -> None:
        networkx = pytest.importorskip("networkx")
        one = SimpleNamespace(x=X, edge_index=EDGES)
        several_kinds = SimpleNamespace(node_types=["a", "b"], edge_types=[("a", "to", "b")])
        for graph, hint in (
            (networkx.path_graph(4), "from_networkx"),
            (several_kinds, "to_homogeneous"),
            ([one, one], "several graphs"),
            (SimpleNamespace(x=X, edge_index=None, adj_t=object()), "without the transform ToSparseTensor"),
        ):
            with pytest.raises(DataError, match=hint):
                from_arrays(graph)
        masks = SimpleNamespace(**vars(one), y=np.array([0, 1, 0, 1]), train_mask=np.ones((4, 10), dtype=bool))
        with pytest.raises(LabelError, match=r"of several splits give one, train_mask\[:, 0\]"):
            from_arrays(masks)

    def test_a_table_may_have_columns_of_such_names(self) -> None:
        frame = pd.DataFrame({"nodes": [1.0, 2, 3], "number_of_edges": [4.0, 5, 7], "node_types": [1.0, 3, 2]})
        assert from_arrays(frame).kind == "table"

    def test_features_alone_are_no_graph(self) -> None:
        for x in (X, [np.arange(3.0), np.arange(4.0)]):
            with pytest.raises(DataError, match="without edges"):
                from_arrays(x, kind="graph")
        with pytest.raises(DataError, match="without features x"):
            from_arrays(SimpleNamespace(x=None, edge_index=EDGES))


class TestPrediction:
    def test_same_features(self, tmp_path) -> None:
        source = write(tmp_path / "g.npz", y=np.array([0, 1, 0, 1]))
        dataset = read_for_prediction(source, Form("graph", (3,)))
        assert (dataset.y == -1).all()
        with pytest.raises(DataError, match="of 3 features; the model takes 5"):
            read_for_prediction(source, Form("graph", (5,)))
        with pytest.raises(DataError, match="a graph; the model takes table"):
            read_for_prediction(source, Form("table", (3,)))

    def test_features_are_found_by_name(self, tmp_path) -> None:
        (tmp_path / "edges.csv").write_text("from,to\n0,1\n")
        (tmp_path / "nodes.csv").write_text("age,size,label\n1,2,x\n3,4,y\n")
        columns = read(str(tmp_path)).columns
        assert [column.name for column in columns] == ["age", "size"]
        # In another order, and with a column of labels by a name that is not one of labels.
        (tmp_path / "nodes.csv").write_text("outcome,size,age\n0,2,1\n1,4,3\n")
        dataset = read_for_prediction(str(tmp_path), Form("graph", (2,), columns=columns))
        np.testing.assert_array_equal(dataset.x.links.features, [[1, 2], [3, 4]])
        assert any("1 column is not used (outcome)" in note for note in dataset.notes)
        (tmp_path / "nodes.csv").write_text("size,weight\n2,5\n4,6\n")
        with pytest.raises(DataError, match="no column 'age', which the model needs"):
            read_for_prediction(str(tmp_path), Form("graph", (2,), columns=columns))


@pytest.fixture(scope="module")
def cora():
    folder = Path(os.environ.get("ATTAR_DATA", Path(__file__).parents[3] / "shared" / "data"))
    path = folder / "graph" / "cora.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there; set ATTAR_DATA")
    return read(str(path))


def test_cora(cora) -> None:
    assert cora.x.links.features.shape == (2708, 1433)
    assert cora.x.links.edge_index.shape == (2, 10556)
    assert len(cora.test) == 1000
    assert np.bincount(np.delete(cora.y, cora.test) + 1).tolist() == [1568, 20, 20, 20, 20, 20, 20, 20]
    assert graphs.is_graph(cora.x)
