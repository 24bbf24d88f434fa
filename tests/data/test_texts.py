import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from attar.data.arrays import from_arrays
from attar.data.asked import Asked
from attar.data.columns import from_table
from attar.data.dataset import Form
from attar.data.files import read_file
from attar.data.sources import read, read_for_prediction
from attar.data.texts import text_column, tokenize, without_names
from attar.data.tokens import Tokenizer
from attar.errors import DataError

TEXTS = [
    "a bee flies, and flies",
    'she said "hello"\nand left again',
    "the quick brown fox is gone",
    "a bee flies, and flies",
    "ein grüner Käfer 🪲 kam vorbei",
    "never again, said the fox",
]
LABELS = ["x", "y", "x", "y", "x", "y"]


def texts_of(dataset):
    return Tokenizer(dataset.columns[0].tokenizer).decode(dataset.x)


def write(path, table):
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix in (".csv", ".tsv"):
        table.to_pandas().to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".json":
        path.write_text(json.dumps(table.to_pylist()))
    else:
        path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in table.to_pylist()))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".tsv", ".json", ".jsonl"])
def test_every_form_of_table_gives_the_same_texts(tmp_path, suffix):
    path = write(tmp_path / f"a{suffix}", pa.table({"text": TEXTS, "label": LABELS}))
    dataset = read(str(path))
    assert dataset.kind == "text"
    assert texts_of(dataset) == TEXTS
    assert dataset.classes == ("x", "y")
    assert dataset.columns[0].name == "text"
    assert "1 of 6 samples is an exact copy of another one" in dataset.notes


def test_a_folder_of_texts_with_sub_folders_as_labels(tmp_path):
    for i, (text, label) in enumerate(zip(TEXTS, LABELS)):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / f"{i}.txt").write_text(text)
    dataset = read(str(tmp_path))
    assert dataset.kind == "text"
    assert dict(zip(dataset.ids, texts_of(dataset))) == {
        f"{v}/{i}.txt": t for i, (t, v) in enumerate(zip(TEXTS, LABELS))
    }
    assert [dataset.classes[c] for c in dataset.y] == [i[0] for i in dataset.ids]


def test_files_in_other_encodings_are_read_as_tables_in_them_are(tmp_path):
    (tmp_path / "a.txt").write_bytes("café noir\r\n".encode("cp1252"))
    for name, encoding in (("b", "utf-8"), ("c", "utf-8-sig"), ("d", "utf-16")):
        (tmp_path / f"{name}.txt").write_bytes("thé €".encode(encoding))
    dataset = read(str(tmp_path))
    assert texts_of(dataset) == ["café noir", *["thé €"] * 3]
    assert "1 of 4 files is not UTF-8 (a.txt): read as Windows-1252" in dataset.notes
    assert read(str(tmp_path / "a.txt")).notes[0].startswith("1 of 1 files is not UTF-8")
    for source in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(DataError, match=r"a\.txt: neither UTF-8 nor UTF-16; save it as UTF-8"):
            read(str(source), strict=True)
    (tmp_path / "a.txt").unlink()
    assert texts_of(read(str(tmp_path), strict=True)) == ["thé €"] * 3


def test_files_of_random_bytes_are_said(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        content = rng.bytes(200) if i % 2 == 0 else f"a bee flies, number {i}".encode()
        (tmp_path / "ab"[i % 2] / f"{i}.txt").write_bytes(content)
    assert "3 of 6 files are not UTF-8 (a/0.txt, a/2.txt, a/4.txt): read as Windows-1252" in read(str(tmp_path)).notes


@pytest.mark.parametrize(
    "x",
    [
        *(TEXTS, tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, dtype=object), pd.Series(TEXTS)),
        *(pd.DataFrame({"a": TEXTS}), np.array(TEXTS)[:, None], [[text] for text in TEXTS]),
        *(pd.array(TEXTS), pd.Categorical(TEXTS), pa.array(TEXTS), pa.chunked_array([TEXTS[:2], TEXTS[2:]])),
    ],
    ids=[
        *("list", "tuple", "array", "objects", "series", "frame", "column", "lists"),
        *("pandas array", "categorical", "arrow array", "arrow column"),
    ],
)
def test_what_python_holds(x):
    dataset = from_arrays(x, LABELS)
    assert dataset.kind == "text"
    assert texts_of(dataset) == TEXTS


def test_the_column_split_is_the_test_part(tmp_path):
    table = pa.table({"text": TEXTS, "label": LABELS, "split": ["train"] * 4 + ["test"] * 2})
    dataset = read(str(write(tmp_path / "a.parquet", table)))
    assert dataset.test.tolist() == [4, 5]
    parts = pa.table({"text": TEXTS, "split": ["train", "train", "val", "val", "test", "test"]})
    said = "2 samples are joined to the training part, those of val"
    for known in ((), ("text",)):
        asked = Asked(known=dict.fromkeys(known, ()))
        assert (said in from_table(parts, None, asked, where="t").notes) is not bool(known)
    no_test = pa.table({"text": TEXTS, "split": ["all"] * 6})
    assert read(str(write(tmp_path / "b.parquet", no_test))).test is None


def test_nothing_is_learnt_from_the_test_part(tmp_path):
    train = read(str(write(tmp_path / "a.parquet", pa.table({"text": TEXTS[:4]}))))
    table = pa.table({"text": TEXTS, "split": ["train"] * 4 + ["test"] * 2})
    both = read(str(write(tmp_path / "b.parquet", table)))
    assert both.columns == train.columns
    np.testing.assert_array_equal(both.x[:4], train.x)


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"text": ["good", "bad"] * 3}, "table"),  # repeated: categories
        ({"colour": ["red", "green", "blue", "grey", "pink", "teal"]}, "table"),  # short, and not called text
        ({"text": ["red", "green", "blue", "grey", "pink", "teal"]}, "text"),
        ({"comment": TEXTS}, "text"),
        ({"comment": TEXTS, "age": [1, 2, 3, 4, 5, 6]}, "table"),  # a table with free text, as before
        ({"comment": TEXTS, "split": ["red", "blue"] * 3}, "table"),  # no split
        ({"text": ["1.5", "2", "3", "4", "5", "6"]}, "table"),
        ({"text": TEXTS[:2] * 9}, "text"),  # whatever the share of copies
        ({"comment": TEXTS[:2] * 9}, "text"),
        ({"title": TEXTS[:2] * 9, "comment": TEXTS * 3}, "table"),  # categories of several words
        ({"title": ["red", "blue"] * 3, "comment": TEXTS}, "table"),
    ],
)
def test_texts_are_told_from_categories(tmp_path, columns, kind):
    assert read(str(write(tmp_path / "a.parquet", pa.table(columns)))).kind == kind


def test_short_texts_that_repeat_themselves_are_said_to_be_categories(tmp_path):
    note = "column 'text' is taken for categories: if it holds texts, give the kind text"
    table = pa.table({"text": ["so good", "too bad"] * 9})
    path = str(write(tmp_path / "a.csv", table))
    assert note in read(path).notes
    assert note not in read(path, kind="table").notes
    assert note in from_arrays(table.to_pandas()).notes
    assert not any("categories" in note for note in from_arrays(pd.DataFrame({"age": [1, 2, 3]})).notes)


@pytest.mark.parametrize("n", [6, 24])  # of few rows, and of so many that texts none of which occurs twice are none
def test_of_several_columns_of_texts_the_longest_is_taken(tmp_path, n):
    titles = [f"a title of {i // 2}" for i in range(n)]
    abstracts = [f"the abstract of {i}, which is longer" for i in range(n)]
    table = pa.table({"id": list(range(n)), "title": titles, "abstract": abstracts, "label": ["x", "y"] * (n // 2)})
    path = str(write(tmp_path / "a.csv", table))
    dataset = read(path)
    assert texts_of(dataset) == abstracts
    assert "1 column beside the texts is not learnt from (title)" in dataset.notes
    same = read_for_prediction(path, Form("text", dataset.x.shape[1:], columns=dataset.columns))
    assert texts_of(same) == abstracts
    frame = from_arrays(table.to_pandas()[["title", "abstract"]])
    assert texts_of(frame) == abstracts
    assert "1 column beside the texts is not learnt from (title)" in frame.notes
    named = table.to_pandas()[["title", "abstract"]].rename(columns={"title": "text"})
    assert texts_of(from_arrays(named)) == titles


def test_the_kind_decides_where_it_is_given(tmp_path):
    path = str(write(tmp_path / "a.parquet", pa.table({"comment": TEXTS, "age": [1, 2, 3, 4, 5, 6]})))
    assert read(path, kind="text").columns[0].name == "comment"
    assert read(str(write(tmp_path / "b.parquet", pa.table({"comment": TEXTS}))), kind="table").kind == "table"
    with pytest.raises(DataError, match="no column holds texts"):
        read(str(write(tmp_path / "c.parquet", pa.table({"age": [1, 2]}))), kind="text")


def test_missing_and_empty_texts_are_kept_and_said():
    dataset = from_arrays([*TEXTS, None, "", "  \n"], [*LABELS, "", "", ""])
    assert np.isnan(dataset.x[6:]).all()
    assert "3 of 9 texts are empty or missing" in dataset.notes


def test_long_texts_are_cut_and_said():
    rng = np.random.default_rng(0)
    words = np.array(["ant", "bee", "cow", "dog", "eel", "fox", "gnu"])
    texts = [" ".join(rng.choice(words, 10)) for _ in range(150)] + [" ".join(rng.choice(words, 3000))]
    dataset = from_arrays(texts)
    assert dataset.x.shape[1] < 100
    assert f"1 of 151 texts is cut after {dataset.x.shape[1]} tokens" in dataset.notes
    assert from_arrays(texts[-1:] * 3).x.shape[1] == 256
    assert tokenize(["a b", "a"], [], np.array([0]), "x")[2][-1] == "1 of 2 texts is cut after 1 token"


@pytest.mark.parametrize(
    ("x", "kind", "says"),
    [
        (["", " ", None], "text", "all 3 texts are empty"),
        ([1.0, 2.0], "text", "text 0 is of type float"),
        (["a", b"b"], "text", "text 1 is of type bytes"),
        ([b"a bee", b"a fox"], None, "text 0 is of type bytes; give texts as strings"),
        (np.array([b"a bee", b"a fox"]), None, "text 0 is of type bytes; give texts as strings"),
        ([[str(i)] for i in range(20)] + [["2O"]], None, "column 'x0' is '2O' where a number is expected"),
        (np.zeros((3, 2)), "text", "no list of texts"),
        ([], "text", "no list of texts"),
        ([np.zeros((2, 3)), np.zeros((2, 5))], "text", "of different lengths is no list of texts"),
        (["1.5", "2"], None, "give samples along the first axis"),
        (["a", 2.0], None, "give samples along the first axis"),
    ],
)
def test_what_is_no_text_is_refused(x, kind, says):
    with pytest.raises(DataError, match=says):
        from_arrays(x, kind=kind)


@pytest.mark.parametrize("length", [None, 3])
def test_every_text_is_encoded_once(monkeypatch, length):
    seen, whole = [], Tokenizer.ids
    monkeypatch.setattr(Tokenizer, "ids", lambda self, texts, to=None: seen.extend(texts) or whole(self, texts, to))
    x, column, _ = tokenize(TEXTS, [], None, "x", length)
    assert seen == TEXTS
    np.testing.assert_array_equal(x, Tokenizer(column.tokenizer).encode(TEXTS, x.shape[1]))


def test_one_text_is_a_dataset():
    assert texts_of(from_arrays(["a bee"])) == ["a bee"]


@pytest.mark.parametrize("content", ['{"text": "a"', "[1, 2]", '{"text": "a"}\n5', "[]", "\n\n"])
def test_broken_json_is_refused(tmp_path, content):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json"):
        read(str(tmp_path / "a.json"))


@pytest.mark.parametrize("form", ["list", "lines"])
def test_a_json_key_that_the_first_row_lacks_is_a_column_all_the_same(tmp_path, form):
    rows = [{"a": 1}, {"b": 2.5, "a": 3}, {"label": "x", "a": None}]
    text = json.dumps(rows) if form == "list" else "\n".join(map(json.dumps, rows))
    (tmp_path / "a.json").write_text(text)
    raw = read_file(tmp_path / "a.json")
    assert [column.name for column in raw.columns] == ["a", "b"]
    np.testing.assert_array_equal(raw.x, [[1, np.nan], [3, 2.5], [np.nan, np.nan]])
    assert raw.y == [None, None, "x"]


@pytest.mark.parametrize("form", ["list", "lines"])
def test_nan_and_null_in_json_are_missing(tmp_path, form):
    rows = [{"text": text, "label": label} for text, label in zip([*TEXTS, np.nan], [*LABELS[:4], np.nan, None, "x"])]
    text = json.dumps(rows) if form == "list" else "\n".join(map(json.dumps, rows))
    assert "NaN" in text
    (tmp_path / "a.json").write_text(text)
    dataset = read(str(tmp_path / "a.json"))
    assert dataset.y.tolist() == [0, 1, 0, 1, -1, -1, 0]
    assert "1 of 7 texts is empty or missing" in dataset.notes
    (tmp_path / "a.json").write_text('[{"a": NaN, "b": 1}, {"a": 2.5, "b": null}]')
    np.testing.assert_array_equal(read_file(tmp_path / "a.json").x, [[np.nan, 1], [2.5, np.nan]])


def test_numbers_and_texts_in_one_column_of_json_are_refused(tmp_path):
    (tmp_path / "a.json").write_text('[{"a": 1, "label": "x"}, {"a": 2, "label": 3}]')
    with pytest.raises(
        DataError, match=r"a\.json: column 'label' holds values of several types \(.*; write all of them"
    ):
        read_file(tmp_path / "a.json")


@pytest.mark.parametrize("value", [10**30, -(10**30), [10**30], {"b": 10**30}])
def test_a_whole_number_in_json_that_no_column_can_hold_is_refused(tmp_path, value):
    (tmp_path / "a.json").write_text(json.dumps([{"n": 1}, {"n": None}]).replace("1", json.dumps(value)))
    with pytest.raises(DataError, match=r"a\.json: column 'n' holds a whole number of more than 64 bits; write it"):
        read_file(tmp_path / "a.json")


def test_texts_among_recordings_are_refused(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.txt").write_text("a bee")
    (tmp_path / "a.csv").write_text("left,right\n0,1\n")
    with pytest.raises(DataError, match="keep them in folders apart"):
        read(str(tmp_path))


def test_prediction_uses_the_tokenizer_and_the_length_of_the_model(tmp_path):
    model = from_arrays(TEXTS)
    path = write(
        tmp_path / "a.parquet", pa.table({"words": ["unseen words here, at length " * 40, "a bee"], "n": [1, 2]})
    )
    read_in = read_for_prediction(str(path), Form("text", model.x.shape[1:], columns=model.columns))
    assert read_in.x.shape == (2, model.x.shape[1])
    assert texts_of(read_in)[1] == "a bee"
    assert any("cut after" in note for note in read_in.notes)
    np.savez(tmp_path / "b.npz", x=np.zeros((3, 4, 4)))
    with pytest.raises(DataError, match="no list of texts"):
        read_for_prediction(str(tmp_path / "b.npz"), Form("text", model.x.shape[1:], columns=model.columns))


CUSTOMERS = [f"K{i}" for i in range(20)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_texts_of_which_no_two_are_alike_are_no_feature(kind):
    table = pa.table({"customer": pa.array(CUSTOMERS).cast(kind), "plan": ["a", "b"] * 10})
    left, notes = without_names(table, None, ())
    assert left.column_names == ["plan"]
    assert notes == [
        "column 'customer' is another text in every row, and no feature: call it 'id' if it names the rows"
    ]
    remarks = [f"called on the day {i}" for i in CUSTOMERS]
    left, notes = without_names(table.append_column("remark", [remarks]), None, ())
    assert left.column_names == ["plan"]
    assert notes[1] == (
        "column 'remark' is another text in every row, and no feature: if it is the sample, give the kind text"
    )


@pytest.mark.parametrize(
    "column",
    [
        [*CUSTOMERS[:19], "K1"],
        [*(str(i) for i in range(19)), "1o"],
        [f"{i + 1}.03.2024" if i > 8 else f"0{i + 1}.03.2024" for i in range(20)],
        list(range(20)),
    ],
)
def test_other_columns_stay(column):
    table = pa.table({"a": column, "b": [1] * 20})
    assert without_names(table, None, ())[0].column_names == ["a", "b"]


def test_what_a_model_has_what_is_alone_and_what_is_few_stays():
    table = pa.table({"a": CUSTOMERS, "b": [1] * 20})
    assert without_names(table, None, ["a"])[0].column_names == ["a", "b"]
    assert without_names(table.slice(0, 19), None, ())[0].column_names == ["a", "b"]
    assert without_names(table.select(["a"]), None, ())[0].column_names == ["a"]


def test_texts_beside_a_number_of_each_are_texts():
    table = pa.table({"ticket": CUSTOMERS, "body": [f"the screen of {i} is dark" for i in CUSTOMERS]})
    left, _ = without_names(table, None, ())
    assert left.column_names == ["body"]
    assert text_column(left, None, (), "t") == "body"
    assert without_names(table, "text", ())[0].column_names == ["ticket", "body"]


@pytest.mark.parametrize(
    "names",
    [
        ["a/1.png", "a/2.JPG", None],
        np.array(["1.wav", "2.mp3"]),
        np.array([["1.tif"], ["2.dcm"]], dtype=object),
        pd.Series(["1.png", "2.png"]),
        [Path("1.png"), Path("2.webp")],
        [__file__, __file__],
    ],
)
def test_names_of_files_are_refused_and_learnt_from_only_where_they_are_said_to_be_the_texts(names):
    with pytest.raises(DataError, match=r"x: names of files, like '.*'; give their folder to `attar fit`, or"):
        from_arrays(names)
    if isinstance(names, list) and isinstance(names[0], str):
        assert from_arrays(names, kind="text").kind == "text"


@pytest.mark.parametrize(
    "texts",
    [["a picture", "b.png"], ["Hello.", "See you."], ["x" * 999, "a\0b"], ["v1.2", "v1.3"], ["node.js", "vue.js"]],
)
def test_texts_with_points_are_no_names_of_files(texts):
    assert from_arrays(texts).kind == "text"
