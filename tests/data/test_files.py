from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from attar.data.asked import Asked
from attar.data.dataset import Column, Form
from attar.data.files import read_file
from attar.data.sources import read, read_for_prediction
from attar.errors import DataError, LabelError


def csv(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("head", "column", "label"),
    [
        ("a,label,y", None, "label"),
        ("a,y,target", None, "target"),
        ("a,b,Class", None, "Class"),
        ("a,b,y", None, "y"),
        ("x,b,y", None, None),
        ("a,b,c", None, None),
        ("a,label,c", "c", "c"),
        ("a,label,c", "", None),
    ],
)
def test_which_column_is_the_label(tmp_path, head, column, label):
    for path in (csv(tmp_path / "t.csv", f"{head}\n1,2,3\n4,5,6\n"), tmp_path / "t.parquet"):
        if path.suffix == ".parquet":
            parquet.write_table(pa.table({name: [i, i + 3] for i, name in enumerate(head.split(","), 1)}), path)
        raw = read_file(path, Asked(label_column=column))
        names = [c.name for c in raw.columns]
        assert names == [name for name in head.split(",") if name != label]
        assert (raw.y is None) == (label is None)
        assert any("taken for the labels" in note for note in raw.notes) == (label is not None and not column)


def test_other_columns_that_are_called_like_labels_are_said(tmp_path):
    path = csv(tmp_path / "t.csv", "x,y,Class,target,label\n1,2,u,v,w\n")
    note = "columns called like labels stay features (target, Class): leave out what tells the label, as by"
    note += " --ignore target,Class"
    assert note in read_file(path).notes
    assert read_file(path, Asked(label_column="label")).notes == ()


def test_labels_and_ids_are_read_as_written(tmp_path):
    raw = read_file(csv(tmp_path / "spaced.csv", "id , a, label\n007,1,01\n008,2,\n"))
    assert (raw.ids, raw.y) == (["007", "008"], ["01", None])
    raw = read_file(csv(tmp_path / "blanks.csv", "id, a\n 007,1\n008 ,2\n ,3\n"))
    assert raw.ids == ["007", "008", "2"]
    table = pa.table({"id": [" a", " ", None], "v": [1, 2, 3]})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert read_file(tmp_path / "t.parquet").ids == ["a", "1", "2"]
    raw = read_file(csv(tmp_path / "t.csv", "id,a,label\n007,1,01\n008,2,\n"))
    assert raw.ids == ["007", "008"]
    assert raw.y == ["01", None]
    assert "no feature" in raw.notes[1]


def test_a_row_without_a_name_does_not_take_that_of_another_one(tmp_path):
    csv(tmp_path / "labels.csv", "id,label\n1,a\n2,b\n")
    whole = csv(tmp_path / "t.csv", "id,v\n1,0.5\n2,1\n,3\n,4\n")
    # Whole numbers beside a gap are floats there.
    table = pa.table({"id": pa.array([1.0, 2.0, None, None]), "v": [0.5, 1, 3, 4]})
    parquet.write_table(table, tmp_path / "t.parquet")
    for path in (whole, tmp_path / "t.parquet"):
        found = read(str(path), labels=tmp_path / "labels.csv")
        assert found.ids.tolist() == ["1", "2", "row 2", "3"]
        assert found.y.tolist() == [0, 1, -1, -1]


def test_row_names_of_pandas_are_no_feature(tmp_path):
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2], "k": pd.Categorical(["u", "v"])}, index=["r", "s"])
    frame.to_csv(tmp_path / "t.csv")
    frame.to_parquet(tmp_path / "t.parquet")
    raw = read_file(tmp_path / "t.csv")
    assert raw.ids == ["r", "s"]
    assert [c.name for c in raw.columns] == ["a", "k"]
    assert [c.name for c in read_file(tmp_path / "t.parquet").columns] == ["a", "k"]


def test_columns_of_the_wrong_name(tmp_path):
    path = csv(tmp_path / "t.csv", "a,species\n1,2\n")
    with pytest.raises(LabelError, match="no column is called 'specie'; it has 'species'"):
        read_file(path, Asked(label_column="specie"))
    with pytest.raises(DataError, match="no column of features"):
        read_file(csv(tmp_path / "t.csv", "id,label\n1,2\n"))
    np.save(tmp_path / "a.npy", np.eye(3))
    with pytest.raises(LabelError, match="leave it away"):
        read_file(tmp_path / "a.npy", Asked(label_column="a"))


def test_the_label_column_of_a_file_without_a_header_line(tmp_path):
    path = csv(tmp_path / "iris.data.csv", "5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n")
    raw = read_file(path, Asked(label_column="x2"))
    assert raw.y == ["Iris-setosa", "Iris-setosa"]
    assert [column.name for column in raw.columns] == ["x0", "x1"]
    assert raw.notes[0] == "iris.data.csv has no header line: its columns are called x0, x1, …"
    with pytest.raises(LabelError, match="no column is called 'species'; it has 'x0', 'x1', 'x2'"):
        read_file(path, Asked(label_column="species"))


@pytest.mark.parametrize("names", [["a", "label", "label"], ["id", "a", "id"], ["", "a", ""]])
def test_a_column_of_labels_or_ids_that_is_there_twice(tmp_path, names):
    parquet.write_table(pa.table([pa.array([1, 2])] * 3, names=names), tmp_path / "t.parquet")
    for path in (csv(tmp_path / "t.csv", ",".join(names) + "\n1,2,3\n4,5,6\n"), tmp_path / "t.parquet"):
        with pytest.raises(DataError, match=f"{path.name}: two columns are called '{names[2]}'; rename one"):
            read_file(path)


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "rownames", "row.names"])
def test_row_names_as_pandas_and_r_write_them_are_no_feature(tmp_path, name):
    raw = read_file(csv(tmp_path / "t.csv", f"{name},a,label\n7,1,u\n3,2,v\n"))
    assert ([column.name for column in raw.columns], raw.ids) == (["a"], ["7", "3"])
    called = f"column '{name}'" if name else "the column without a name"
    assert f"{called} names the rows, and is no feature" in raw.notes


def test_text_columns(tmp_path):
    raw = read_file(csv(tmp_path / "t.csv", "a,b\n01,1\n1,2\n"), Asked(text=["a"]))
    assert raw.columns[0].categories == ("01", "1")
    parquet.write_table(pa.table({"a": [1, 2]}), tmp_path / "t.parquet")
    assert read_file(tmp_path / "t.parquet", Asked(text=["a"])).columns[0].categories == ("1", "2")
    parquet.write_table(pa.table({"a": [True, None, False], "b": [1, 2, 3]}), tmp_path / "t.parquet")
    raw = read_file(tmp_path / "t.parquet", Asked(text=["a"]))
    assert raw.columns[0].categories == ("False", "True")
    np.testing.assert_array_equal(raw.x[:, 0], [1, np.nan, 0])


def test_a_single_image(tmp_path):
    Image.fromarray(np.eye(5, dtype=np.uint8)).save(tmp_path / "a.png")
    raw = read_file(tmp_path / "a.png")
    assert raw.x.shape == (1, 5, 5)
    assert raw.ids == ("a.png",)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".npz", ".npy", ".ts", ".wav", ".png", ".xyz", ""])
@pytest.mark.parametrize("content", [b"", b"\x00\x01\xfe\xff" * 64, b"PAR1" + b"\0" * 32 + b"PAR1"])
def test_garbage_is_refused_in_one_line_that_names_the_file(tmp_path, suffix, content):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="bad") as caught:
        read_file(path)
    assert "\n" not in str(caught.value)


def test_the_wrong_extension(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(3))
    for suffix in (".npz", ".csv", ".parquet", ".wav", ".png", ".ts"):
        path = (tmp_path / "a.npy").rename(tmp_path / f"a{suffix}")
        with pytest.raises(DataError, match=f"a{suffix}"):
            read_file(path)
        path.rename(tmp_path / "a.npy")


def test_an_empty_parquet_table(tmp_path):
    parquet.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="no row"):
        read_file(tmp_path / "t.parquet")


def test_labels_that_read_as_missing_are_noted(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x, label\n" + "1,NA\n2,EU\n3,US\n4,\n5,NA\n")
    raw = read_file(path)
    assert list(raw.y) == [None, "EU", "US", None, None]
    assert "2 labels are 'NA': taken as unlabelled; if it is a class, call it otherwise" in raw.notes


def test_labels_that_are_minus_one_are_noted(tmp_path):
    note = "2 labels are '-1': taken as unlabelled; if it is a class, call it otherwise"
    parquet.write_table(pa.table({"x": [1, 2, 3], "label": [-1, 1, -1]}), tmp_path / "t.parquet")
    for path in (csv(tmp_path / "t.csv", "x,label\n1,-1\n2,1\n3,-1\n"), tmp_path / "t.parquet"):
        assert note in read_file(path).notes
        assert note not in read_file(path, Asked(label_column="")).notes


def packed_by_gzip(content: bytes) -> bytes:
    """The same bytes at any time, so that tests have the same names in all processes."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize("name", ["t.csv", "t.TSV", "t.jsonl"])
def test_what_gzip_has_packed_is_read_as_what_is_in_it(tmp_path, name):
    text = "id,size,label\na,1.5,x\nb,2.5,y\nc,4,x\n"
    rows = [dict(zip(("id", "size", "label"), line.split(","))) for line in text.splitlines()[1:]]
    lines = "\n".join(json.dumps({**row, "size": float(row["size"])}) for row in rows)
    content = {".csv": text, ".tsv": text.replace(",", "\t"), ".jsonl": lines}[Path(name).suffix.lower()]
    (tmp_path / name).write_text(content)
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(packed_by_gzip(content.encode()))
    plain, found = read(str(tmp_path / name)), read(str(packed))
    np.testing.assert_array_equal(found.x, plain.x)
    assert (found.y.tolist(), found.ids.tolist(), found.notes) == (plain.y.tolist(), plain.ids.tolist(), plain.notes)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("t.csv.gz", b"", "t.csv.gz: the file is empty"),
        ("t.npy.gz", b"", "t.npy.gz: the file is empty"),
        ("t.csv.gz", packed_by_gzip(b""), "t.csv.gz: the file is empty"),
        ("t.csv.gz", b"a,b\n1,2\n", "t.csv.gz: cannot be unpacked"),
        ("t.csv.gz", packed_by_gzip(b"a,b\n1,2\n" * 99)[:-20], "t.csv.gz: cannot be unpacked"),
        ("t.csv.gz", packed_by_gzip(b"a,a\n1,2\n"), "t.csv.gz: two columns are called 'a'"),
        ("t.parquet.gz", packed_by_gzip(b"PAR1"), "t.parquet.gz: of what gzip packs, only .csv"),
        ("t.gz", packed_by_gzip(b"a"), "t.gz: of what gzip packs, only .csv"),
        ("t.csv.gz.gz", packed_by_gzip(packed_by_gzip(b"a\n1\n")), "of what gzip packs, only .csv"),
    ],
)
def test_what_gzip_has_packed_and_cannot_be_read_is_named(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(says)) as raised:
        read(str(path))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize("orient", ["columns", "index", "split", "table"])
def test_json_by_columns_is_told_how_to_be_written_by_rows(tmp_path, orient):
    frame = pd.DataFrame({"a": np.arange(99), "label": ["x"] * 99})
    frame.to_json(tmp_path / "t.json", orient=orient)
    with pytest.raises(
        DataError, match=r"its only object holds columns, not a row: with pandas, .* orient='records'"
    ) as caught:
        read_file(tmp_path / "t.json")
    assert len(str(caught.value)) < 300
    frame.to_json(tmp_path / "t.json", orient="records")
    assert read_file(tmp_path / "t.json").x.tolist() == [[i] for i in range(99)]


def test_a_category_that_is_a_word_for_missing_in_a_csv_file_is_the_model_s(tmp_path):
    frame = pd.DataFrame({"garage": ["NA", "None", "yes"] * 4, "b": range(12)})
    frame.to_parquet(tmp_path / "t.parquet")
    columns = read(str(tmp_path / "t.parquet")).columns
    assert columns[0].categories == ("NA", "None", "yes")
    (tmp_path / "t.csv").write_text("b,garage\n1,NA\nNA,yes\n2,\n3,None\n,\n")
    found = read_for_prediction(str(tmp_path / "t.csv"), Form("table", (2,), columns=columns))
    np.testing.assert_array_equal(found.x, [[0, 1], [2, np.nan], [np.nan, 2], [1, 3]])


@pytest.mark.parametrize(
    ("parts", "test", "said"),
    [
        (["train", "train", "test", "test"], [2, 3], "column 'split' names the test part, and is no feature"),
        (["train", "val", "Train", "test"], [3], "1 sample is joined to the training part, those of val"),
        (["train", "train", "train", "val"], [3], "there is no test part: val is taken for it"),
        (["left", "right", "left", "test"], None, ""),
        (["train"] * 4, None, ""),
    ],
)
def test_a_column_split_names_the_test_part(tmp_path, parts, test, said):
    rows = [f"{i},{i % 2},{part},{'ab'[i % 2]}" for i, part in enumerate(parts)]
    path = csv(tmp_path / "t.csv", "\n".join(["a,b,split,label", *rows]))
    raw = read_file(path)
    assert (None if raw.test is None else raw.test.tolist()) == test
    assert [column.name for column in raw.columns] == (["a", "b"] if test else ["a", "b", "split"])
    assert not said or said in raw.notes
    # A model that needs the column has it.
    assert "split" in [
        column.name for column in read_file(path, Asked(known={"a": (), "split": ("train", "test")})).columns
    ]


@pytest.mark.parametrize("dress", ["{}", "{} kg"])
def test_numbers_among_which_a_word_is_meant_are_categories_as_they_are_written(tmp_path, dress):
    cells = ["some", *map(dress.format, range(12))] * 4
    path = csv(tmp_path / "t.csv", "need,size\n" + "".join(f"{cell},{i / 4}\n" for i, cell in enumerate(cells)))
    learnt = read_file(path)
    assert {*learnt.columns[0].categories} == {*cells}
    again = read_for_prediction(str(path), Form("table", (2,), columns=learnt.columns))
    np.testing.assert_array_equal(again.x, learnt.x)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json", "jsonl"])
def test_blanks_around_names_of_columns_are_none_of_them(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    names, rows = [" a", "b ", " label "], [[i, i % 7 + 0.5, f"c{i % 2}"] for i in range(12)]
    table = pa.table({name: [row[j] for row in rows] for j, name in enumerate(names)})
    if suffix == "csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in (names, *rows)))
    elif suffix == "parquet":
        parquet.write_table(table, path)
    else:
        objects = [json.dumps(row) for row in table.to_pylist()]
        path.write_text("[" + ",".join(objects) + "]" if suffix == "json" else "\n".join(objects))
    dataset = read(str(path))
    assert [column.name for column in dataset.columns] == ["a", "b"]
    assert dataset.classes == ("c0", "c1")
    # A model of a table in memory, or of an earlier version, may have them.
    again = read_for_prediction(str(path), Form("table", (2,), columns=(Column("b "), Column(" a"))))
    assert np.array_equal(again.x, dataset.x[:, ::-1])


def test_names_of_columns_that_differ_by_blanks_alone_are_refused(tmp_path):
    (tmp_path / "t.json").write_text('[{"a": 1, " a": 2}]')
    parquet.write_table(pa.table({"a": [1], " a": [2]}), tmp_path / "t.parquet")
    for name in ("t.json", "t.parquet"):
        with pytest.raises(DataError, match=f"{name}: two columns are called 'a'; rename one"):
            read(str(tmp_path / name))
