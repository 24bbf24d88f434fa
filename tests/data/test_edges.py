from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from attar.data.dataset import Form
from attar.data.sources import read, read_for_prediction
from attar.errors import DataError


def fill(folder: Path, edges: str = "from,to\nb,a\nb,c\n") -> str:
    (folder / "nodes.csv").write_text("id,age,size,label\na,1,0.5,x\nb,2,1,y\nc,3,2,\n")
    (folder / "edges.csv").write_text(edges)
    return str(folder)


@pytest.mark.parametrize(
    ("nodes", "edges"),
    [
        ("age,paper\n5,p\n6,q\n7,r\n", "from,to\np,r\n"),
        (",age,paper\n0,5,p\n1,6,q\n2,7,r\n", "from,to\np,r\n"),
        ("paper,age\n07,5\n08,6\n09,7\n", "from,to\n07,09\n"),
        ("paper,age\np,5\nq,6\nr,7\n", "p,r\nr,q\n"),
    ],
)
def test_ids_are_found_by_what_edges_call_the_nodes(tmp_path, nodes, edges) -> None:
    (tmp_path / "nodes.csv").write_text(nodes)
    (tmp_path / "edges.csv").write_text(edges)
    dataset = read(str(tmp_path))
    assert [column.name for column in dataset.columns] == ["age"]
    assert [0, 2] in dataset.x.links.edge_index.T.tolist()
    assert "column 'paper' names the rows, and is no feature" in dataset.notes
    same = read_for_prediction(str(tmp_path), Form("graph", (1,), columns=dataset.columns))
    assert same.ids.tolist() == dataset.ids.tolist()


@pytest.mark.parametrize(
    ("nodes", "edges"),
    [
        ("age, id\n5, p\n6, q\n7, r\n", "source, target\np, r\n"),
        ("age,id\n5,p \n6,q\n7, r\n", "source,target\n p,r\n"),
        ("age, paper\n5, p\n6, q\n7, r\n", "p, r\nr, q\n"),
        ("age\n5\n6\n7\n", "source, target\n0, 2\n"),
    ],
)
def test_blanks_around_a_name_are_none_of_it(tmp_path, nodes, edges) -> None:
    (tmp_path / "nodes.csv").write_text(nodes)
    (tmp_path / "edges.csv").write_text(edges)
    dataset = read(str(tmp_path))
    assert [0, 2] in dataset.x.links.edge_index.T.tolist()
    assert all(name == name.strip() for name in dataset.ids.tolist())


def test_a_blank_end_is_empty(tmp_path) -> None:
    with pytest.raises(DataError, match="row 1 has an empty end"):
        read(fill(tmp_path, "from,to\nb,a\nb, \n"))


def test_ends_that_are_floats_are_those_that_ids_are(tmp_path) -> None:
    parquet.write_table(pa.table({"age": [5.0, 6.0], "id": [7.0, 8.0]}), tmp_path / "nodes.parquet")
    parquet.write_table(pa.table({"source": [7.0], "target": [8.0]}), tmp_path / "edges.parquet")
    assert read(str(tmp_path)).x.links.edge_index.T.tolist() == [[1, 0], [0, 1]]


def test_ids_in_parquet_are_found_too(tmp_path) -> None:
    parquet.write_table(pa.table({"age": [5.0, 6.0], "paper": [70, 80]}), tmp_path / "nodes.parquet")
    parquet.write_table(pa.table({"from": [70], "to": [80]}), tmp_path / "edges.parquet")
    assert read(str(tmp_path)).ids.tolist() == ["70", "80"]


@pytest.mark.parametrize(
    "nodes", ["paper,age\n1,5\n2,6\n2,7\n", "one,two\n0,1\n1,2\n2,0\n", "score,age\n5,0\n9,1\n2,1\n"]
)
def test_ends_that_are_row_numbers_are_taken_for_these(tmp_path, nodes) -> None:
    (tmp_path / "nodes.csv").write_text(nodes)
    (tmp_path / "edges.csv").write_text("from,to\n2,0\n2,1\n")
    assert len(read(str(tmp_path)).columns) == 2


def test_two_columns_that_may_name_the_nodes(tmp_path) -> None:
    (tmp_path / "nodes.csv").write_text("one,two\n7,8\n8,9\n9,7\n")
    (tmp_path / "edges.csv").write_text("from,to\n7,8\n8,9\n")
    with pytest.raises(DataError, match="row 0 leads to node '7'"):
        read(str(tmp_path))


def test_names_in_a_column_that_is_not_called_id_and_lacks_one(tmp_path) -> None:
    (tmp_path / "edges.csv").write_text("from,to\np,r\n")
    papers = [f"p{i}" for i in range(30)]
    (tmp_path / "nodes.csv").write_text("paper,age\n" + "".join(f"{name},5\n" for name in papers))
    with pytest.raises(DataError, match=r"row 0 leads to node 'p', .* numbers from 0 to 29; call the column"):
        read(str(tmp_path))
    (tmp_path / "nodes.csv").write_text("paper,age\np,5\nq,6\n")
    with pytest.raises(DataError, match=r"column 'paper' holds texts; .* or call it 'id' where"):
        read(str(tmp_path))


def test_row_names_of_pandas_are_no_ends(tmp_path) -> None:
    dataset = read(fill(tmp_path, ",from,to\n0,b,a\n1,b,c\n"))
    plain = read(fill(tmp_path, "from,to\nb,a\nb,c\n"))
    assert dataset.x.links.edge_index.tolist() == plain.x.links.edge_index.tolist()
    assert not any("edges.csv" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("edges", "names"),
    [("from,to,weight,kind\nb,a,1,2\n", "weight, kind"), ("b,a,0.5\nb,c,1\n", "x2")],
)
def test_further_columns_of_edges_are_named(tmp_path, edges, names) -> None:
    assert f"columns of edges.csv that are not used: {names}" in read(fill(tmp_path, edges)).notes
    assert not any("edges.csv" in note for note in read(fill(tmp_path)).notes)


@pytest.mark.parametrize(
    "edges",
    [
        "weight,source,target\n1,b,a\n2,b,c\n",
        "year,Source_ID,kind,Target_ID\n1,b,a,a\n2,b,a,c\n",
        ",u,year,v\n0,b,1,a\n1,b,2,c\n",
        "id,node1,node2\n0,b,a\n1,b,c\n",
        "to,weight,from\nb,1,a\nb,2,c\n",
    ],
)
def test_ends_are_found_by_name(tmp_path, edges) -> None:
    plain = read(fill(tmp_path)).x.links.edge_index.tolist()
    assert read(fill(tmp_path, edges)).x.links.edge_index.tolist() == plain


def test_a_weight_is_no_end_where_nodes_are_numbers(tmp_path) -> None:
    (tmp_path / "nodes.csv").write_text("id,age\n0,1\n1,2\n2,3\n")
    (tmp_path / "edges.csv").write_text("weight,source,target\n1,0,2\n")
    dataset = read(str(tmp_path))
    assert dataset.x.links.edge_index.tolist() == [[2, 0], [0, 2]]
    assert "columns of edges.csv that are not used: weight" in dataset.notes


def test_one_end_by_name_alone(tmp_path) -> None:
    with pytest.raises(DataError, match="column 'source' is one end of each edge, and no column is called like"):
        read(fill(tmp_path, "year,source,goal\n1,b,a\n"))
    plain = read(fill(tmp_path)).x.links.edge_index.tolist()
    assert read(fill(tmp_path, "source,goal\nb,a\nb,c\n")).x.links.edge_index.tolist() == plain


@pytest.mark.parametrize(
    ("edges", "n", "said"),
    [("from,to\n", 0, "3 of 3 nodes have no edge"), ("b,a\n", 2, "1 of 3 nodes has no edge")],
)
def test_no_edge_and_one_without_header(tmp_path, edges, n, said) -> None:
    dataset = read(fill(tmp_path, edges))
    assert dataset.x.links.edge_index.shape == (2, n)
    assert said in dataset.notes


def test_no_edge_in_parquet(tmp_path) -> None:
    fill(tmp_path)
    (tmp_path / "edges.csv").unlink()
    parquet.write_table(
        pa.table({"from": pa.array([], pa.string()), "to": pa.array([], pa.string())}), tmp_path / "edges.parquet"
    )
    assert read(str(tmp_path)).x.links.edge_index.shape == (2, 0)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ("", "give two nodes a line"),
        ("from,to\na,b\na,z\n", "row 1 leads to node 'z'"),
        ("from\na\n", "two, the ends"),
        ("from,to\na,b\na,\n", "row 1 has an empty end"),
    ],
    ids=["empty", "dangling", "one column", "an empty end"],
)
def test_edges_that_cannot_be_used_are_named(tmp_path, edges, message) -> None:
    with pytest.raises(DataError, match=message):
        read(fill(tmp_path, edges))
