from __future__ import annotations

import pytest

from attar.data.labels_file import match_labels, read_labels
from attar.errors import LabelError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,1\nb,2\n", {"a": "1", "b": "2"}),
        ("id,label\na,cat\nb,\n", {"a": "cat", "b": None}),
        ("\ufefffilename;class\nx y.png;cat\n", {"x y.png": "cat"}),
        ('a,"cat\ndog"\n', {"a": "cat\ndog"}),
        ("\na\tcat\n\nb\tdog\n", {"a": "cat", "b": "dog"}),
        ("when,label,id\n3,cat,a\n", {"a": "cat"}),
        ('"a,1.png",cat\r\na,cat\r\na,cat\r\n', {"a,1.png": "cat", "a": "cat"}),
    ],
)
def test_labels_files(tmp_path, text, expected):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == (expected, [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"id,label\n", "no label"),
        (b"a\nb\n", "line 1: 1 cells"),
        (b"a,1\nb,2,3\n", "line 2: 3 cells"),
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
    with pytest.raises(LabelError, match=r"2 of 3 ids name no sample \('b', 'zz'\)"):
        match_labels({"a": "1", "b": "2", "zz": "3"}, ids, tmp_path)
    with pytest.raises(LabelError, match=r"'x/a.png' has the labels '1' and '2'"):
        match_labels({"a": "1", "a.png": "2"}, ids, tmp_path)
    assert match_labels({"p": "1"}, ["p", "p", "q"], tmp_path) == ["1", "1", None]


def test_words_that_are_read_as_missing_are_noted(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,label\na,NA\nb,EU\nc,NA\nd,-1\ne,\n")
    labels, notes = read_labels(path)
    assert labels == {"a": None, "b": "EU", "c": None, "d": None, "e": None}
    assert notes == [
        "2 labels are 'NA': taken as unlabelled; if it is a class, call it otherwise",
        "1 label is '-1': taken as unlabelled; if it is a class, call it otherwise",
    ]
