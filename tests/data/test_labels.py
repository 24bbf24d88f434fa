from __future__ import annotations

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from attar.data.labels import encode_labels, sort_names, validate_labels, words_for_none, written_in_several_ways
from attar.errors import LabelError


@pytest.mark.parametrize(
    ("labels", "y", "classes"),
    [
        (np.array([3, -1, 10]), [0, -1, 1], ("3", "10")),
        (np.array([1.0, np.nan, 0.0, -1.0]), [1, -1, 0, -1], ("0", "1")),
        (np.append(np.arange(25.0), np.nan), [*range(25), -1], tuple(map(str, range(25)))),
        (np.array([0.5, 0.1, np.nan], np.float32), [1, 0, -1], ("0.1", "0.5")),
        (np.array([0.5, 0.1], np.float16), [1, 0], ("0.1", "0.5")),
        (np.array([True, False]), [1, 0], ("False", "True")),
        (np.array(["cat", -1, "dog"]), [0, -1, 1], ("cat", "dog")),
        (np.array(["cat", np.nan]), [0, -1], ("cat",)),
        (["b", None, "", " a ", float("nan"), pd.NA, pd.NaT], [1, -1, -1, 0, -1, -1, -1], ("a", "b")),
        (["1.0", "2", "-1.0"], [0, 1, -1], ("1", "2")),
        (["1.0", "1.5"], [0, 1], ("1", "1.5")),
        (np.array([1.0, 1.5]), [0, 1], ("1", "1.5")),
        (["1.0", "1e-3", "-1.0"], [1, 0, -1], ("1e-3", "1")),
        (["1.0", "inf"], [0, 1], ("1.0", "inf")),
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


def test_the_order_of_classes_does_not_depend_on_that_of_their_labels():
    for names in (["1", "2", "nan"], ["10", "9", "-1"], ["10", "9", "b"]):
        assert len({sort_names(order) for order in permutations(names)}) == 1


def test_numbers_of_versions_beside_a_word_are_classes():
    names = [f"{i / 10}" for i in range(1, 41)]
    assert len(encode_labels([*names, "beta"])[1]) == 41


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3), "argmax"),
        (np.linspace(0.1, 9, 40), "continuous target"),
        (np.linspace(0.1, 9, 40, dtype=np.float32), "continuous target"),
        ([str(v) for v in np.linspace(0.1, 9, 40)], "continuous target"),
        ([1.0, float("inf")], "infinite"),
        ([{}], "type dict"),
    ],
)
def test_labels_that_name_no_class(labels, message):
    with pytest.raises(LabelError, match=message):
        encode_labels(labels)


def test_many_numbers_may_be_a_quantity():
    names = [str(i) for i in range(30)]
    with pytest.raises(LabelError, match="if they are a quantity, bin them first"):
        validate_labels(np.arange(30), names)
    assert "bin them first" in validate_labels(np.array([0, 0, *range(1, 30)]), names)[0]
    with pytest.raises(LabelError, match=r"at least two samples per class$"):
        validate_labels(np.arange(30), [f"class {i}" for i in range(30)])
    assert encode_labels([f"v{i}.5" for i in range(30)])[0].max() == 29


def test_labels_that_may_be_meant_for_a_class_are_said():
    assert words_for_none([-1, 0, None, 1, -1.0]) == [
        "2 labels are '-1': taken as unlabelled; if it is a class, call it otherwise"
    ]
    assert words_for_none(["-1.0", "cat"]) == words_for_none(["", None, "1"]) == []
    assert words_for_none(["-1.0", "0.5"]) == words_for_none([-1.0, 0.5]) == words_for_none([-1.0, np.nan]) != []
    assert [note.split(":")[0] for note in words_for_none(["NA", "", "-1.0", "NA"], ("", "NA"))] == [
        "2 labels are 'NA'",
        "1 label is '-1'",
    ]


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


@pytest.mark.parametrize(
    ("classes", "n"),
    [
        (["ok", "OK", "Ok", "ok.", "fail"], 1),
        (["type a", "type-a", "Type_A"], 1),
        (["ok", "OK", "fail", "FAIL"], 2),
        (["1", "-1", "+1", "1.5", "15", "1 5"], 0),
        (["C", "C++", "C#"], 0),
        (["v1.5", "v15", "v1"], 0),
        (["0-10", "010", "a+", "a-"], 0),
        (["?!", "..", "."], 0),
    ],
)
def test_classes_that_may_be_one_are_said(classes, n):
    assert len(written_in_several_ways(classes)) == n
    y = np.repeat(np.arange(len(classes)), 2)
    assert validate_labels(y, classes) == tuple(written_in_several_ways(classes))
