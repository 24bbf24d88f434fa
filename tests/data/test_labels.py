from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from attar.data.labels import encode_labels, match_labels, read_labels, validate_labels
from attar.errors import LabelError


@pytest.mark.parametrize(
    ("labels", "y", "classes"),
    [
        (np.array([3, -1, 10]), [0, -1, 1], ("3", "10")),
        (np.array([1.0, np.nan, 0.0, -1.0]), [1, -1, 0, -1], ("0", "1")),
        (np.array([True, False]), [1, 0], ("False", "True")),
        (np.array(["cat", -1, "dog"]), [0, -1, 1], ("cat", "dog")),
        (np.array(["cat", np.nan]), [0, -1], ("cat",)),
        (["b", None, "", " a ", float("nan"), pd.NA, pd.NaT], [1, -1, -1, 0, -1, -1, -1], ("a", "b")),
        (["1.0", "2", "-1.0"], [0, 1, -1], ("1", "2")),
        (["1.0", "1.5"], [0, 1], ("1.0", "1.5")),
        (["1.0", "cat"], [0, 1], ("1.0", "cat")),
        (["01", "1"], [0, 1], ("01", "1")),
        (np.array([[1], [0]]), [1, 0], ("0", "1")),
        ([b"x", np.int8(3)], [1, 0], ("3", "x")),
        ([], [], ()),
    ],
)
def test_labels_are_coded(labels, y, classes):
    codes, names = encode_labels(labels)
    assert codes.tolist() == y
    assert codes.dtype == np.int64
    assert names == classes


def test_exact_names_are_classes_whatever_they_say():
    y, classes = encode_labels(["-1", "nan", None, "1"], exact=True)
    assert y.tolist() == [classes.index("-1"), classes.index("nan"), -1, classes.index("1")]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3), "argmax"),
        (np.linspace(0.1, 9, 40), "continuous target"),
        ([1.0, float("inf")], "infinite"),
        ([{}], "type dict"),
    ],
)
def test_labels_that_name_no_class(labels, message):
    with pytest.raises(LabelError, match=message):
        encode_labels(labels)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,1\nb,2\n", {"a": "1", "b": "2"}),
        ("id,label\na,cat\nb,\n", {"a": "cat", "b": None}),
        ("\ufefffilename;class\nx y.png;cat\n", {"x y.png": "cat"}),
        ("a\tcat\n\nb\tdog\n", {"a": "cat", "b": "dog"}),
        ("when,label,id\n3,cat,a\n", {"a": "cat"}),
        ('"a,1.png",cat\r\na,cat\r\na,cat\r\n', {"a,1.png": "cat", "a": "cat"}),
    ],
)
def test_labels_files(tmp_path, text, expected):
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    assert read_labels(path) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"id,label\n", "no label"),
        (b"a\nb\n", "line 1: 1 cells"),
        (b"a,1\nb,2,3\n", "line 2: 3 cells"),
        (b"a,1\na,2\n", "line 2: 'a' is labelled '1' and '2'"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_bad_labels_files(tmp_path, content, message):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(LabelError, match=message) as caught:
        read_labels(path)
    assert str(path) in str(caught.value)


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
    with pytest.raises(LabelError, match=r"'x/a.png' is labelled '1' and '2'"):
        match_labels({"a": "1", "a.png": "2"}, ids, tmp_path)
    assert match_labels({"p": "1"}, ["p", "p", "q"], tmp_path) == ["1", "1", None]


def test_what_suffices_to_learn_from():
    assert validate_labels(np.array([0, 0, 1, 1, -1]), ["a", "b"]) == ()
    notes = validate_labels(np.array([0, 0, 1, 2]), ["a", "b", "c"])
    assert notes == ("2 classes have a single label ('b', 'c'): they are used, but their accuracy cannot be estimated",)
    for y, message in [
        ([-1, -1], "no sample is labelled"),
        ([0, 0, -1], "one class only: all 2 labels are 'a'"),
        ([0, 1, -1], "each of the 2 classes has a single label"),
    ]:
        with pytest.raises(LabelError, match=message):
            validate_labels(np.array(y), ["a", "b"])
