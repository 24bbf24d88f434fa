from __future__ import annotations

import io
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from attar.data.arrays import build
from attar.data.dataset import Column, Form
from attar.data.hub import read_hub
from attar.data.marks import Marks
from attar.data.sources import read, read_for_prediction
from attar.errors import DataError, LabelError, MissingExtraError

datasets = pytest.importorskip("datasets")
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def save(folder, features=None, **splits):
    folder.mkdir()
    for name, columns in splits.items():
        datasets.Dataset.from_dict(columns, features=features).to_parquet(folder / f"{name}.parquet")
    return folder


def png():
    buffer = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (6, 8), dtype=np.uint8)).save(buffer, "png")
    return {"path": None, "bytes": buffer.getvalue()}


def test_tables(tmp_path):
    features = datasets.Features(
        size=datasets.Value("float32"), colour=datasets.Value("string"), label=datasets.ClassLabel(names=["no", "yes"])
    )
    train = {"size": [1, 2, 3], "colour": ["u", "v", None], "label": [0, 1, -1]}
    folder = save(tmp_path / "set", features, train=train, test={"size": [4], "colour": ["u"], "label": [1]})
    dataset = read(f"hf:{folder}")
    assert dataset.kind == "table"
    assert dataset.classes == ("no", "yes")
    assert dataset.y.tolist() == [0, 1, -1, 1]
    assert dataset.test.tolist() == [3]
    assert [c.name for c in dataset.columns] == ["size", "colour"]
    again = read_for_prediction(f"hf:{folder}", Form("table", (2,), columns=dataset.columns))
    assert np.array_equal(again.x, dataset.x, equal_nan=True)
    assert read(f"hf:{folder}", label_column="colour").classes == ("u", "v")
    with pytest.raises(LabelError, match="no column is called 'x'"):
        read(f"hf:{folder}", label_column="x")


@pytest.mark.parametrize(("parts", "test"), [(("train",), [1]), (("train", "test"), [2, 3])])
def test_a_column_that_names_the_test_part_counts_where_there_are_no_splits(tmp_path, parts, test):
    columns = {"v": [1.5, 2.5], "split": ["train", "test"], "label": ["a", "b"]}
    dataset = read(f"hf:{save(tmp_path / 'set', **dict.fromkeys(parts, columns))}")
    assert [column.name for column in dataset.columns] == ["v"]
    assert dataset.test.tolist() == test


def test_images_in_folders(tmp_path):
    for name in ("cat/a", "cat/b", "dog/c"):
        path = tmp_path / "set" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 8), dtype=np.uint8)).save(path)
    dataset = read(f"hf:{tmp_path / 'set'}")
    assert dataset.kind == "image"
    assert dataset.x.shape == (3, 6, 8)
    assert dataset.classes == ("cat", "dog")
    assert dataset.y.tolist() == [0, 0, 1]
    assert read_for_prediction(f"hf:{tmp_path / 'set'}", Form("image", (3, 4))).x.shape == (3, 3, 4)


def test_series(tmp_path):
    lists = save(tmp_path / "lists", train={"x": [[1.0, 2.0], [3.0]], "z": [[0.0, 1.0], [2.0]], "label": ["a", "b"]})
    dataset = read(f"hf:{lists}")
    assert dataset.kind == "series"
    assert np.array_equal(dataset.x, [[[1, 2], [0, 1]], [[3, np.nan], [2, np.nan]]], equal_nan=True)
    assert dataset.classes == ("a", "b")
    features = datasets.Features(x=datasets.Array2D((2, 3), "float32"), y=datasets.Value("int64"))
    x = rng.normal(size=(4, 2, 3)).astype(np.float32)
    dataset = read(f"hf:{save(tmp_path / 'arrays', features, train={'x': x.tolist(), 'y': [0, 1, 0, 1]})}")
    assert np.array_equal(dataset.x, x)
    assert dataset.classes == ("0", "1")


@pytest.mark.parametrize("kind", ["table", "series", "text", "image"])
def test_a_column_of_groups(tmp_path, kind):
    images = [png(), {"path": None, "bytes": b"torn"}, png()]
    texts = ["a long text", "another long one", "the last of them"]
    x = {"table": [1.0, 2.0, 3.0], "series": [[1.0, 2.0]] * 2 + [[3.0, 1.0]], "text": texts, "image": images}[kind]
    features = {"x": datasets.Image()} if kind == "image" else {"x": datasets.Dataset.from_dict({"x": x}).features["x"]}
    columns = datasets.Features(**features, y=datasets.Value("string"), who=datasets.Value("string"))
    given = {"x": x, "y": ["a", "b", "a"], "who": ["ann", "bob", "bob"]}
    dataset = read(f"hf:{save(tmp_path / 'set', columns, train=given)}", group_column="who")
    assert dataset.kind == kind
    assert dataset.groups is not None
    assert dataset.groups.tolist() == ([0, 1] if kind == "image" else [0, 1, 1])
    with pytest.raises(LabelError, match="no column is called 'patient'"):
        read(f"hf:{tmp_path / 'set'}", group_column="patient")
    with pytest.raises(LabelError, match="column 'y' holds the labels; give another one for the groups"):
        read(f"hf:{tmp_path / 'set'}", group_column="y")


def test_columns_are_left_out_and_are_categories(tmp_path):
    columns = {"size": [1.5, 2.5, 3.5], "month": [1, 12, 1], "note": [[1, 2], [3], []], "label": ["u", "v", "u"]}
    columns["id"] = ["p", "q", "r"]
    folder = f"hf:{save(tmp_path / 'set', train=columns)}"
    dataset = read(folder, marks=Marks(("note",), ("month",)))
    assert (dataset.kind, dataset.ignored) == ("table", ("note",))
    assert [(column.name, column.categories) for column in dataset.columns] == [("size", ()), ("month", ("1", "12"))]
    assert [note for note in dataset.notes if "note" in note] == ["'note' is left out, as asked"]
    model = Form("table", (2,), columns=dataset.columns, ignored=dataset.ignored)
    assert np.array_equal(read_for_prediction(folder, model).x, dataset.x)
    with pytest.raises(DataError, match="its samples are no table; leave --category away"):
        read(folder, marks=Marks(category=("month",)))
    for name, said in (("label", "holds the labels"), ("id", "names the rows")):
        with pytest.raises(DataError, match=f"column '{name}' {said}, and is no feature; take it off --ignore"):
            read(folder, marks=Marks((name, "note")))
    # A frame knows no such names.
    assert read_for_prediction(folder, replace(model, ignored=("id", "note"))).ids.tolist() == ["p", "q", "r"]


def test_sets_that_cannot_be_had(tmp_path):
    with pytest.raises(DataError, match=r"hf:owner/none: cannot be loaded .* check the name and the connection"):
        read("hf:owner/none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be loaded"):
        read(f"hf:{tmp_path / 'empty'}")
    parquet_file = tmp_path / "broken" / "train.parquet"
    parquet_file.parent.mkdir()
    parquet_file.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be loaded") as caught:
        read(f"hf:{tmp_path / 'broken'}")
    assert "\n" not in str(caught.value)


def test_lists_that_are_no_series(tmp_path):
    folder = save(tmp_path / "set", train={"x": [[1.0, 2.0]], "z": [[0.0]]})
    with pytest.raises(DataError, match="row 0: lists of different lengths"):
        read(f"hf:{folder}")


def test_without_datasets(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"attar\[hub\]"):
        read_hub("owner/name")


def test_a_plain_parquet_folder(tmp_path):
    (tmp_path / "set").mkdir()
    parquet.write_table(pa.table({"a": [1, 2], "target": ["u", "v"]}), tmp_path / "set" / "data.parquet")
    dataset = build(read_hub(str(tmp_path / "set")), where="set")
    assert dataset.x.tolist() == [[1], [2]]
    assert any("'target' is taken" in note for note in dataset.notes)


def test_labels_and_features_are_those_that_a_file_has(tmp_path):
    columns = {"id": [1.5, 2.5, 3.5], "unnamed: 0": [3, 4, 5], "a": [0, 1, 2], "label": [-1, 0, 1]}
    folder = save(tmp_path / "set", train=columns)
    assert "1 label is '-1': taken as unlabelled; if it is a class, call it otherwise" in read(f"hf:{folder}").notes
    # A model that was taught in Python has what it was given.
    known = [Column("id"), Column("unnamed: 0")]
    for source in (f"hf:{folder}", str(folder / "train.parquet")):
        found = read_for_prediction(source, Form("table", (2,), columns=known))
        assert found.x.tolist() == [[1.5, 3], [2.5, 4], [3.5, 5]]
