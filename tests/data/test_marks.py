"""What a person says of columns: the same wherever they stand, and what a model learnt without is not looked at."""

import json
import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from attar.data.arrays import from_arrays
from attar.data.cut import Cut
from attar.data.dataset import Column, Form
from attar.data.marks import Marks, unknown
from attar.data.sources import read, read_for_evaluation, read_for_prediction
from attar.deploy import feed
from attar.errors import DataError

# Postal codes with and without zeros and gaps, a column that nothing can be made of, and one of dates.
ROWS = [
    {"size": i / 7, "zip": zip_code, "note": note, "when": f"2024-01-0{1 + i % 3}", "label": "ab"[i % 2]}
    for i, (zip_code, note) in enumerate(
        [("01067", "1"), ("80331", "2"), ("01067", "3"), ("1067", "x4"), ("80331.0", "5"), ("", "6")] * 4
    )
]
MARKS = Marks(ignore=("note",), category=("zip", "when"))
CODES, DAYS = ("01067", "80331"), ("2024-01-01", "2024-01-02", "2024-01-03")


def csv(path):
    path.write_text("size,zip,note,when,label\n" + "".join(",".join(map(str, row.values())) + "\n" for row in ROWS))
    return str(path)


def jsonl(path):
    path.write_text("".join(json.dumps(row | {"note": [i, "a", {}][i % 3]}) + "\n" for i, row in enumerate(ROWS)))
    return str(path)


def columns_of(path):
    frame = pd.DataFrame(ROWS)
    codes = [float(code) if code else None for code in frame["zip"]]
    days = pa.array(pd.to_datetime(frame["when"]), pa.timestamp("ns"))
    table = pa.table({"size": frame["size"], "zip": codes, "note": [[1]] * 24, "when": days, "label": frame["label"]})
    parquet.write_table(table, path)
    return str(path)


@pytest.mark.parametrize(
    ("name", "write", "codes"),
    [("t.csv", csv, CODES), ("t.jsonl", jsonl, CODES), ("t.parquet", columns_of, ("1067", "80331"))],
)
def test_files_hold_the_same_columns_whatever_they_are(tmp_path, name, write, codes) -> None:
    path = write(tmp_path / name)
    dataset = read(path, marks=MARKS)
    assert {column.name: column.categories for column in dataset.columns} == {"size": (), "zip": codes, "when": DAYS}
    assert dataset.x[:6, 1].tolist() == pytest.approx([0, 1, 0, 0, 1, np.nan], nan_ok=True)
    assert dataset.ignored == ("note",)
    assert "'note' is left out, as asked" in dataset.notes
    assert "column 'when' is taken as 3 categories, as asked" in dataset.notes
    model = Form("table", (3,), columns=dataset.columns, ignored=dataset.ignored)
    again = read_for_prediction(path, model)
    np.testing.assert_array_equal(again.x, dataset.x)
    assert not any("note" in note or "new to the model" in note for note in again.notes)
    judged = read_for_evaluation(path, model, label_column="label")
    np.testing.assert_array_equal(judged.x, dataset.x)
    # As a label, what was ignored is looked at.
    for file in (csv(tmp_path / "u.csv"), str(tmp_path / "u.jsonl")):
        (tmp_path / "u.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        assert len(read_for_evaluation(file, model, label_column="note").classes) == 6


def test_one_model_takes_the_files_of_all_programs(tmp_path) -> None:
    learnt = read(csv(tmp_path / "t.csv"), marks=MARKS)
    model = Form("table", (3,), columns=learnt.columns)
    # Excel eats zeros, pandas writes 1067.0 beside a gap, and Parquet has numbers and moments.
    plain = pd.DataFrame(ROWS).assign(zip=[float(row["zip"] or "nan") for row in ROWS]).drop(columns="note")
    plain.to_csv(tmp_path / "u.csv", index=False)
    for path in (tmp_path / "u.csv", columns_of(tmp_path / "u.parquet")):
        np.testing.assert_array_equal(read_for_prediction(str(path), replace(model, ignored=("note",))).x, learnt.x)


@pytest.mark.parametrize("make", [pd.DataFrame, lambda rows: pa.table(pd.DataFrame(rows)), list])
def test_what_python_holds_is_marked_alike(make) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "label"} for row in ROWS]
    dataset = from_arrays(make(rows), [row["label"] for row in ROWS], marks=MARKS)
    assert {column.name: column.categories for column in dataset.columns} == {"size": (), "zip": CODES, "when": DAYS}


def test_a_frame_may_hold_what_no_table_can_where_it_is_marked() -> None:
    odd = pd.DataFrame({"a": range(9), "b": [1, "x", 2.0] * 3, "c": [object()] * 9, 7: 1.5, "d": [{"e": 1}] * 9})
    dataset = from_arrays(odd, marks=Marks(("c", "d", "7"), ("b",)))
    assert [(column.name, column.categories) for column in dataset.columns] == [("a", ()), ("b", ("1", "2", "x"))]
    with pytest.raises(DataError, match=r"x: column 'd' holds .*, which is no category; give texts or numbers"):
        from_arrays(odd[["a", "d"]], marks=Marks(category=("d",)))


def test_columns_of_a_built_in_set_are_marked_too() -> None:
    width, length = "petal width (cm)", "petal length (cm)"
    dataset = read("iris", marks=Marks((length,), (width,)))
    assert dataset.notes[:2] == (
        f"'{length}' is left out, as asked",
        f"column '{width}' is taken as 22 categories, as asked",
    )
    assert dataset.x.shape == (150, 3)
    assert dataset.columns[2].categories[:2] == ("0.1", "0.2")
    model = Form("table", (3,), columns=dataset.columns, ignored=dataset.ignored)
    np.testing.assert_array_equal(read_for_prediction("iris", model).x, dataset.x)
    with pytest.raises(DataError, match="the model takes a table of 3 columns"):
        read_for_prediction("digits", model)


@pytest.mark.parametrize(
    ("given", "names", "meant"),
    [
        (("a,b",), ["a", "b", "c"], ("a", "b")),
        (("a,b",), ["a", "b", "a,b"], ("a,b",)),
        (("a,b", "a", " b "), ["a", "b", "a,b", "c"], ("a,b", "a", "b")),
        ((" b , b,",), ["a", " b"], (" b",)),
        ((unicodedata.normalize("NFD", "Größe, cm"),), ["Größe, cm", "b"], ("Größe, cm",)),
        (("--label", "none"), ["--label", "none", "b"], ("--label", "none")),
    ],
)
def test_names_are_those_of_columns_also_with_commas_blanks_and_accents(given, names, meant) -> None:
    assert Marks(given).among(names, "t").ignore == meant


TAKEN = {"y": "holds the labels", "id": "names the rows"}


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        (Marks(("agee",)), "t: no column is called 'agee'; it has 'age'"),
        (Marks(category=("AGE",)), "t: no column is called 'AGE'; it has 'age'"),
        (Marks(("street",)), "t: no column is called 'street'; it has 'age', 'id', 'size', 'y'"),
        (Marks(("y",)), "t: column 'y' holds the labels, and is no feature; take it off --ignore"),
        (Marks(category=("age,id",)), "t: column 'id' names the rows, and is no feature; take it off --category"),
        (Marks(("age",), ("age",)), "t: column 'age' is to be ignored and to be categories; say one of the two"),
        (Marks(("age", "size")), "t: all columns of features are to be ignored; leave at least one"),
        (Marks(("",)), "t: the name of a column is expected and '' given"),
        (Marks(("age", " , ")), "t: the name of a column is expected and ' , ' given"),
    ],
)
def test_what_cannot_be_meant_is_one_line(marks, said) -> None:
    with pytest.raises(DataError, match=said):
        marks.among(["age", "id", "size", "y"], "t", TAKEN)


def test_of_many_names_the_first_are_said() -> None:
    assert unknown("q", [f"col{i}" for i in range(20)]).endswith("'col3', 'col4' and 15 more")
    assert unknown("q", []) == "no column is called 'q'; it has none"


@pytest.mark.parametrize("given", [3, [3], {"a": 1}, b"a", [None]])
def test_names_are_texts(given) -> None:
    with pytest.raises(DataError, match=r"ignore is .*: give the names of columns, as in ignore=\['zip', 'city'\]"):
        Marks.of(given)
    assert Marks.of(np.array(["a", "b"]), ()).ignore == ("a", "b")


@pytest.mark.parametrize("argument", ["ignore", "category"])
def test_roles_of_a_table_are_kept(tmp_path, argument) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,who,age,label\n" + "".join(f"r{i},p{i % 3},{i},{i % 2}\n" for i in range(12)))
    for name, said in (("label", "is taken for the labels"), ("who", "holds the groups"), ("id", "names the rows")):
        with pytest.raises(DataError, match=rf"t.csv: column '{name}' {said}.*, and is no feature; take it off"):
            read(str(path), group_column="who", marks=Marks(**{argument: (name,)}))
    with pytest.raises(DataError, match="holds the labels"):
        read(str(path), label_column="age", marks=Marks(**{argument: ("age",)}))


def test_a_name_that_two_columns_have_is_none(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("a,a,b,label\n1,2,3,u\n4,5,6,v\n")
    with pytest.raises(DataError, match="two columns are called 'a'; rename one"):
        read(str(tmp_path / "t.csv"), marks=Marks(("a",)))
    twice = pd.DataFrame([[1, 2, 3.0], [4, 5, 6.5]], columns=["a", "a", "b"])
    for marks in (Marks(("b",)), Marks(category=("a",))):
        with pytest.raises(DataError, match="two columns are called 'a'; rename one"):
            from_arrays(twice, marks=marks)


def test_the_parts_of_a_split_are_forgotten_with_its_column(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,split,label\n" + "".join(f"{i},{'train' if i % 3 else 'test'},{i % 2}\n" for i in range(12)))
    assert read(str(path)).test is not None
    whole = read(str(path), marks=Marks(("split",)))
    assert whole.test is None
    assert [column.name for column in whole.columns] == ["a"]


@pytest.mark.parametrize(
    ("name", "cells", "categories"),
    [
        ("t.csv", ["2024-01-01 00:00:00", "2024-01-02 08:30:00"], ("2024-01-01", "2024-01-02 08:30:00")),
        ("t.csv", ["-0.0", "0", "1", "0"], ("0", "1")),
        ("t.jsonl", [1, "A", True, None, 2.5], ("1", "2.5", "A", "True")),
        ("t.jsonl", [12345678901234567890, 7], ("7", "12345678901234567890")),
    ],
)
def test_a_model_knows_the_categories_of_the_file_that_it_learnt_from(tmp_path, name, cells, categories) -> None:
    frame, path = pd.DataFrame({"a": cells * 6, "b": 1.5, "label": "u"}, dtype=object), tmp_path / name
    rows = frame.to_dict("records")
    path.write_text(frame.to_csv(index=False) if name == "t.csv" else "".join(json.dumps(row) + "\n" for row in rows))
    learnt = read(str(path), marks=Marks(category=("a",)))
    assert learnt.columns[0].categories == categories
    model = Form("table", (2,), columns=learnt.columns)
    np.testing.assert_array_equal(read_for_prediction(str(path), model).x, learnt.x)


@pytest.mark.parametrize("write", ["to_csv", "to_json", "to_parquet"])
def test_what_a_frame_was_learnt_without_may_name_the_rows_of_a_file(tmp_path, write) -> None:
    frame, path = pd.DataFrame({"id": ["p", "q"], "a": [1.5, 2.5]}), str(tmp_path / f"t.{write[3:]}")
    getattr(frame, write)(path, **({"orient": "records"} if write == "to_json" else {"index": False}))
    model = Form("table", (1,), columns=[Column("a")], ignored=("id",))
    assert read_for_prediction(path, model).ids.tolist() == ["p", "q"]


def test_spans_of_time_are_no_categories() -> None:
    spans = pd.DataFrame({"a": pd.to_timedelta([1, 2, 3], unit="h")})
    for given in (spans, spans.astype(object), pa.table(spans)):
        with pytest.raises(DataError, match=r"x: column 'a' holds a \w+, which is no category"):
            from_arrays(given, marks=Marks(category=("a",)))


def test_cells_among_which_not_all_are_numbers_are_what_is_written(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,label\n" + "01,u\n1,v\n1.0,u\nA1,v\n" * 4)
    learnt = read(str(path), marks=Marks(category=("a",)))
    assert sorted(learnt.columns[0].categories) == ["01", "1", "1.0", "A1"]
    path.write_text("a\n1\n01\n001\n")
    again = read_for_prediction(str(path), Form("table", (1,), columns=learnt.columns))
    assert again.x[:2, 0].tolist() == [learnt.x[1, 0], learnt.x[0, 0]]
    assert np.isnan(again.x[2, 0])


def test_a_name_with_commas_that_a_model_ignores_is_no_list(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("price,EUR\n1,2\n3,4\n")
    model = Form("table", (2,), columns=[Column("price"), Column("EUR")], ignored=("price, EUR",))
    assert read_for_prediction(str(path), model).x.tolist() == [[1, 2], [3, 4]]


def test_long_numbers_are_told_apart_by_every_digit() -> None:
    accounts = pd.DataFrame({"a": ["12345678901234567890", "12345678901234567891", "1e400", "nan", "inf"] * 3})
    assert len(from_arrays(accounts, marks=Marks(category=("a",))).columns[0].categories) == 5


MOMENTS = ["2024-01-01", "2024-01-02 08:30:00", "2024-01-02 08:30:00.050000"]


@pytest.mark.parametrize(
    ("cells", "categories"),
    [
        (pa.array([0, 1, None] * 3, pa.time32("s")), ("00:00:00", "00:00:01")),
        (pa.array([50_000, 30_600_000_000, None] * 3, pa.time64("us")), ("00:00:00.050000", "08:30:00")),
        (pd.Series(pd.to_datetime(MOMENTS * 3, format="ISO8601")), tuple(MOMENTS)),
        (
            pd.Series(pd.to_datetime(MOMENTS * 3, format="ISO8601", utc=True)),
            ("2024-01-01 00:00:00+00:00", *[f"{at}+00:00" for at in MOMENTS[1:]]),
        ),
        (pa.array([True, False, None] * 3), ("False", "True")),
        (pa.array([1.0, 0.5, None] * 3), ("0.5", "1")),
        (pd.Series(["08:30", "09:30", ""] * 3), ("08:30", "09:30")),
        (pd.Series([2, 1, 3] * 3).astype("category"), ("1", "2", "3")),
    ],
)
def test_categories_are_spelt_alike_in_every_form_of_table(tmp_path, cells, categories) -> None:
    table = pa.table({"at": cells, "n": range(9)})
    learnt = from_arrays(table, marks=Marks(category=("at",)))
    assert learnt.columns[0].categories == categories
    parquet.write_table(table, tmp_path / "t.parquet")
    model = Form("table", (2,), columns=learnt.columns)
    np.testing.assert_array_equal(read_for_prediction(str(tmp_path / "t.parquet"), model).x, learnt.x)
    # And as `Model.predict` takes them, of pandas and of Arrow.
    known = ["" if np.isnan(code) else categories[int(code)] for code in learnt.x[:, 0]]
    for frame in (table, table.to_pandas()):
        assert list(feed.table(frame, learnt.columns, 2)["categories"][:, 0]) == known


class TestRecordings:
    def fill(self, folder, columns="walk,wind,who"):
        folder.mkdir(exist_ok=True)
        for i in range(4):
            rows = "".join(f"{np.sin(i + t):.4f},{np.cos(i * t):.4f},p{t % 2}\n" for t in range(30))
            (folder / f"{i}.csv").write_text(f"{columns}\n{rows}")
        return str(folder)

    def test_channels_that_are_left_out_need_not_be_numbers(self, tmp_path) -> None:
        source = self.fill(tmp_path / "a")
        with pytest.raises(DataError, match=r"column 'who' holds texts; .*; --ignore who leaves it out"):
            read(source)
        dataset = read(source, marks=Marks(("who,wind",)))
        assert (dataset.x.shape, dataset.channels, dataset.ignored) == ((4, 1, 30), ("walk",), ("who", "wind"))
        assert "'who', 'wind' are left out, as asked" in dataset.notes
        model = Form("series", (1, 30), columns=[Column("walk")], ignored=dataset.ignored)
        np.testing.assert_array_equal(read_for_prediction(source, model).x, dataset.x)
        one = read_for_prediction(f"{source}/1.csv", model)
        np.testing.assert_array_equal(one.x, dataset.x[1:2])

    def test_one_without_a_value_is_told_with_what_leaves_it_out(self, tmp_path) -> None:
        for i in range(3):
            (tmp_path / f"{i}.csv").write_text("walk,dead end\n" + "".join(f"{np.sin(i + t)},\n" for t in range(30)))
        with pytest.raises(DataError, match="fill in, or --ignore 'dead end' leaves it out"):
            read(str(tmp_path))
        assert read(str(tmp_path), marks=Marks(("dead end",))).channels == ("walk",)

    def test_one_of_some_recordings_alone_is_left_out_of_these(self, tmp_path) -> None:
        source = self.fill(tmp_path / "a")
        (tmp_path / "a" / "3.csv").write_text("walk,wind\n" + "1,2\n2,4\n" * 15)
        assert read(source, marks=Marks(("who",)), strict=True).x.shape == (4, 2, 30)
        with pytest.raises(DataError, match="a: no column is called 'whom'; it has 'who'"):
            read(source, marks=Marks(("whom",)))
        with pytest.raises(DataError, match="channels hold numbers; leave --category away"):
            read(source, marks=Marks(category=("who",)))

    def test_columns_of_a_table_that_is_cut(self, tmp_path) -> None:
        path = tmp_path / "log.csv"
        cells = ["1", "2", "x3", *map(str, range(4, 41))]
        path.write_text("walk,odd,did\n" + "".join(f"{np.sin(i):.4f},{c},{i // 20}\n" for i, c in enumerate(cells)))
        dataset = read(str(path), label_column="did", marks=Marks(("odd",)), cut=Cut(10, 5))
        assert (dataset.channels, dataset.ignored) == (("walk",), ("odd",))
        model = Form("series", (1, 10), stride=5, ignored=dataset.ignored)
        again = read_for_prediction(str(path), replace(model, columns=tuple(map(Column, dataset.channels))))
        np.testing.assert_array_equal(again.x, dataset.x)
        with pytest.raises(DataError, match="windows are of channels of numbers; leave --category away"):
            read(str(path), label_column="did", marks=Marks(category=("odd",)), cut=Cut(10, 5))


def test_features_of_nodes_are_left_out(tmp_path) -> None:
    (tmp_path / "nodes.csv").write_text("id,age,note,label\n" + "".join(f"n{i},{i},x{i},{i % 2}\n" for i in range(6)))
    (tmp_path / "edges.csv").write_text("source,target\n" + "".join(f"n{i},n{(i + 1) % 6}\n" for i in range(6)))
    with pytest.raises(DataError, match="; --ignore note leaves it out"):
        read(str(tmp_path))
    dataset = read(str(tmp_path), marks=Marks(("note",)))
    assert [column.name for column in dataset.columns] == ["age"]
    model = Form("graph", (1,), columns=dataset.columns, ignored=dataset.ignored)
    assert len(read_for_prediction(str(tmp_path), model)) == 6
    with pytest.raises(DataError, match="nodes have features of numbers; leave --category away"):
        read(str(tmp_path), marks=Marks(category=("age",)))


def test_texts_beside_others(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "title,body,label\n" + "".join(f"on day {i} it was,so it was on day {i} again,{i % 2}\n" for i in range(9))
    )
    assert read(str(path)).columns[0].name == "body"
    dataset = read(str(path), marks=Marks(("body",)))
    assert (dataset.kind, dataset.columns[0].name, dataset.ignored) == ("text", "title", ("body",))
    with pytest.raises(
        DataError, match="texts are learnt from, and not the columns beside them; leave --category away"
    ):
        read(str(path), kind="text", marks=Marks(category=("title",)))


@pytest.mark.parametrize("argument", ["ignore", "category"])
def test_what_has_no_columns_is_told(tmp_path, argument) -> None:
    marks = Marks(**{argument: ("a",)})
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 4)))
    np.savez(tmp_path / "a.npz", x=np.eye(3), y=[0, 1, 0])
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("some words")
    for source in ("a.npy", "a.npz", "texts"):
        with pytest.raises(DataError, match=f"{source}: .*; leave --{argument} away"):
            read(str(tmp_path / source), marks=marks)
    with pytest.raises(DataError, match=f"digits: .*; leave --{argument} away"):
        read("digits", marks=marks)
    for x in (
        np.eye(3),
        ["a b", "c d"],
        pd.Series(["a b", "c d"]),
        pa.chunked_array([["a b", "c"]]),
        np.zeros((3, 4, 4)),
    ):
        with pytest.raises(DataError, match=f"x: .*; leave --{argument} away"):
            from_arrays(x, marks=marks)
