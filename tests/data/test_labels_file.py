from __future__ import annotations

import pytest

from attar.data.labels_file import match_labels, read_labels
from attar.data.sources import read
from attar.errors import LabelError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,1\nb,2\n", {"a": "1", "b": "2"}),
        ("id,label\na,cat\nb,\n", {"a": "cat", "b": None}),
        ("\ufefffilename;class\nx y.png;cat\n", {"x y.png": "cat"}),
        ('a,"cat\ndog"\n', {"a": "cat\ndog"}),
        ("\na\tcat\n\nb\tdog\n", {"a": "cat", "b": "dog"}),
        ("Image_ID,PatientID,Diagnosis\na,7,cat\n", {"a": "cat"}),
        ("filename,class name\na,cat\n", {"a": "cat"}),
        ("when,label,id\n3,cat,a\n", {"a": "cat"}),
        ('"a,1.png",cat\r\na,cat\r\na,cat\r\n', {"a,1.png": "cat", "a": "cat"}),
    ],
)
def test_labels_files(tmp_path, text, expected):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    assert read_labels(path, grouped=True) == (expected, [])


def test_a_column_that_is_called_like_groups_is_said_where_there_are_none(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("filename,label,PatientID\na,cat,7\n")
    note = (
        "column 'PatientID' of labels.csv is not used: if samples of one belong together, give the same file as the"
        " groups"
    )
    assert read_labels(path)[1] == [note]
    assert read_labels(path, grouped=True)[1] == []
    assert read_labels(path, "group") == ({"a": "7"}, [])
    source = tmp_path / "x.csv"
    source.write_text("id,x,z\na,1,2\nb,2,3\n")
    assert note in read(str(source), labels=path).notes
    assert note not in read(str(source), labels=path, groups=path).notes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"id,label\n", "no label"),
        (b"a\nb\n", "line 1: 1 cells"),
        (b"a,1\nb,2,3\n", "line 2: 3 cells"),
        (
            b"file,finding,patient\na,1,2\n",
            "line 1: 3 cells where two are expected, id and label; of more columns, call one id, file, filename,"
            " image_id, name or path, and one label, class, target, diagnosis or category",
        ),
        (b"a,1\na,2\n", "line 2: 'a' has the labels '1' and '2'"),
        (b"a,\na,2\n", "line 2: 'a' has the labels '' and '2'"),
        (b"a,'\nb,2\nc\n", "line 3: 1 cells"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a,\x81\n", "UTF-8"),
    ],
)
def test_bad_labels_files(tmp_path, content, message):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(LabelError, match=message) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)


def test_encodings_of_labels_files(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("a|größe\nb|été\n", encoding="utf-16")
    assert read_labels(path) == ({"a": "größe", "b": "été"}, [])
    path.write_text("a;größe\nb;été\n", encoding="cp1252")
    labels, notes = read_labels(path)
    assert labels == {"a": "größe", "b": "été"}
    assert "labels.csv is not UTF-8: read as Windows-1252" in notes[0]


def test_a_missing_labels_file(tmp_path):
    with pytest.raises(LabelError, match="no such labels file"):
        read_labels(tmp_path / "labels.csv")
    with pytest.raises(LabelError, match="cannot be read"):
        read_labels(tmp_path)


def test_matching(tmp_path):
    ids = ["x/a.png", "x/b.png", "y/b.png", "y/c.tar.gz"]
    assert match_labels({"a": "1", "x/b": "2", "y/b.png": "3", "c.tar.gz": "4"}, ids, tmp_path) == ["1", "2", "3", "4"]
    assert match_labels({"./x\\a.png": "1"}, ids, tmp_path) == ["1", None, None, None]
    with pytest.raises(LabelError, match=r"2 of 3 ids name no sample \('d', 'zz'\)"):
        match_labels({"a": "1", "d": "2", "zz": "3"}, ids, tmp_path)
    for name in ("b.png", "B"):
        with pytest.raises(LabelError, match=f"'{name}' names 2 samples; give the whole name, as in 'x/b.png'"):
            match_labels({"a": "1", name: "2", "zz": "3"}, ids, tmp_path)
    with pytest.raises(LabelError, match=r"'x/a.png' has the labels '1' and '2'"):
        match_labels({"a": "1", "a.png": "2"}, ids, tmp_path)
    assert match_labels({"p": "1"}, ["p", "p", "q"], tmp_path) == ["1", "1", None]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["X/A.PNG", "x/b.Png"], [0, 1]),
        (["home/H/x/a.png", "home/H/y/b"], [0, 2]),
        (["H\\x\\a.png"], [0]),
        (["x/a.png", "H/x/b.png"], [0, 1]),
        (["H/x/a.png", "G/x/b.png"], None),
        (["z/a.png"], None),
        (["c.PNG"], None),
        (["C.png", "c.png"], [4, 3]),
    ],
)
def test_names_in_another_case_and_behind_the_folder_of_the_source(tmp_path, names, found):
    ids = ["x/a.png", "x/b.png", "y/b.png", "y/c.png", "z/C.png"]
    labels = {name: str(i) for i, name in enumerate(names)}
    if found is None:
        with pytest.raises(LabelError):
            match_labels(labels, ids, tmp_path)
        return
    given = match_labels(labels, ids, tmp_path)
    assert [given[i] for i in found] == list(labels.values())
    assert sum(label is not None for label in given) == len(found)


def test_words_that_are_read_as_missing_are_noted(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\na,NA\nb,EU\nc,NA\nd,-1\ne,\n")
    labels, notes = read_labels(path)
    assert labels == {"a": None, "b": "EU", "c": None, "d": None, "e": None}
    assert notes == [
        "2 labels are 'NA': taken as unlabelled; if it is a class, call it otherwise",
        "1 label is '-1': taken as unlabelled; if it is a class, call it otherwise",
    ]
