from __future__ import annotations

from datetime import datetime
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from attar.data.arrays import as_raw, from_arrays
from attar.data.copies import copies
from attar.data.quality import suspects
from attar.errors import DataError, LabelError

rng = np.random.default_rng(0)


def noted(dataset, text):
    return any(text in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("x", "kind", "shape"),
    [
        (np.zeros((3, 4)), "table", (3, 4)),
        (np.zeros((3, 9, 128)), "series", (3, 9, 128)),
        (np.zeros((3, 1, 8)), "series", (3, 1, 8)),
        (np.zeros((3, 4, 4)), "series", (3, 4, 4)),
        (np.zeros((3, 5, 5)), "image", (3, 5, 5)),
        (np.zeros((3, 8, 9), np.uint8), "image", (3, 8, 9)),
        (np.zeros((3, 8, 9, 3)), "image", (3, 8, 9, 3)),
        ([np.zeros(3), np.zeros(5)], "series", (2, 1, 5)),
        ([np.zeros((2, 3)), np.zeros((2, 5))], "series", (2, 2, 5)),
        ([[1, 2], [3, 4], [5, 6]], "table", (3, 2)),
        (np.ones((2, 3), bool), "table", (2, 3)),
    ],
)
def test_kind_is_guessed(x, kind, shape):
    dataset = from_arrays(x)
    assert dataset.kind == kind
    assert dataset.x.shape == shape
    assert dataset.x.dtype == np.float32
    assert dataset.x.flags.c_contiguous
    assert dataset.classes == ()
    assert (dataset.y == -1).all()


def test_kind_can_be_said():
    assert from_arrays(np.zeros((3, 7)), kind="series").x.shape == (3, 1, 7)
    assert from_arrays(np.zeros((3, 8, 8)), kind="series").kind == "series"
    assert from_arrays(np.zeros((3, 4, 4)), kind="image").kind == "image"
    for kind, x in [("table", np.zeros((3, 2, 2))), ("image", np.zeros((3, 2))), ("series", np.zeros((3, 2, 2, 3)))]:
        with pytest.raises(DataError, match=f"is no {kind}"):
            from_arrays(x, kind=kind)
    with pytest.raises(DataError, match="one of image, series, table"):
        from_arrays(np.zeros((3, 2)), kind="video")


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.array([["1", "2"], ["3", "x"]]), r"row 1, column 'x1' is 'x' where a number"),
        (np.array([[1, 2], [None, "x"]], dtype=object), r"row 1, column 'x1' is 'x'"),
        (np.array([[1, {}]], dtype=object), r"row 0, column 'x1' is of type dict"),
        (np.zeros((2, 2), complex), "complex"),
        (np.zeros((2, 2), "datetime64[s]"), "datetime64"),
        (np.zeros((0, 2)), "empty"),
        (np.zeros((2, 0)), "empty"),
        (np.zeros(4), r"one feature alone as \(n, 1\)"),
        (np.float64(3), "shape"),
        ([], "shape"),
        (np.array([[0.0, 1.0], [2.0, np.inf]]), r"row 1, column 'x1' is infinite"),
        (np.array([[0.0, 1.0], [-np.inf, 1.0]]), r"row 1, column 'x0' is infinite"),
        (np.array([[0.0, 1.0], [2.0, -1e39]]), r"row 1, column 'x1' is -1e\+39, beyond float32"),
        (np.float32([[0, 3e38], [2, -3e38]]), r"x: column 'x1' spans from -3e\+38 to 3e\+38, more than float32 does"),
        (np.float32([[[0, 3e38]], [[0, -3e38]]]), r"x: channel 0 spans from -3e\+38 to 3e\+38, more than float32 does"),
        (np.full((2, 8, 8, 3), [[[[3e38]]], [[[-3e38]]]], np.float32), r"x: a pixel spans from -3e\+38 to 3e\+38"),
        (np.array([[0, 1], [2, np.inf]], np.float16), r"row 1, column 'x1' is infinite"),
        (np.array([[0, 1], [10**400, 1]], dtype=object), r"row 1, column 'x0' is infinite"),
        (np.array([[0, 1], [np.finfo(np.longdouble).max, 1]], np.longdouble), r"row 1, column 'x0' is (infinite|1.8e)"),
        (np.append(np.linspace(-1, 1, 30), [-1.7, -1.7, -1.7])[:, None] * 1e308, r"row 0, column 'x0' is -1e\+308"),
        (np.array([[0.0, np.nan], [2.0, np.nan]]), r"column 'x1' has no value in any sample"),
        (np.full((2, 2), np.nan), r"column 'x0', column 'x1' have no value"),
        (np.stack([np.zeros((2, 3)), np.full((2, 3), np.nan)], 1), "channel 1 has no value"),
        (np.zeros((2, 3, 8, 8)), r"transpose\(0, 2, 3, 1\)"),
        (np.zeros((2, 3, 8, 8, 2)), "5 axes"),
        ([np.zeros((2, 3)), np.zeros((1, 5))], "recording 1 has 1 channels where 0 has 2"),
        ([np.zeros((28, 28)), np.zeros((56, 56))], "same channels; images, in one size and with the kind image"),
        ([np.zeros((2, 3, 1)), np.zeros((2, 4, 1))], "recording 0 has shape"),
        ([np.zeros(0), np.zeros((1, 0))], "empty"),
        ([[[1, 2], [3, 4]], [[1, 2], [3]]], "sample 1 has channels or rows of several lengths"),
        ([np.zeros(2), np.array([1, "a", 2])], "recording 1, channel 0, step 1 is 'a'"),
    ],
)
def test_hostile_input_is_refused_with_its_place(x, message):
    for centre in (False, True):
        with pytest.raises(DataError, match=message) as caught:
            from_arrays(x, centre=centre)
        assert "\n" not in str(caught.value)


def test_places_in_series_and_images():
    x = np.zeros((3, 2, 9))
    x[1, 1, 4] = np.inf
    with pytest.raises(DataError, match="recording 1, channel 1, step 4 is infinite"):
        from_arrays(x)
    x = np.zeros((3, 6, 6))
    x[2, 5, 1] = -np.inf
    with pytest.raises(DataError, match=r"image 2 \(c\), pixel \(5, 1\) is infinite"):
        from_arrays(x, ids=["a", "b", "c"])


def test_numbers_written_as_text_or_objects_are_taken():
    assert from_arrays(np.array([["1", " 2 "], ["3", ""]])).x[0].tolist() == [1, 2]
    x = from_arrays(np.array([[1, 2.5], [None, True]], dtype=object)).x
    assert np.array_equal(x, np.array([[1, 2.5], [np.nan, 1]], np.float32), equal_nan=True)


@pytest.mark.parametrize("kind", ["bool", "int8", "uint64", "float16", "float64", "longdouble", "object", "str", ">f4"])
def test_numbers_of_any_type_are_the_same(kind):
    x = np.arange(24).reshape(8, 3) % (2 if kind == "bool" else 7)
    given = x.astype(kind)
    given.flags.writeable = False
    assert np.array_equal(from_arrays(given, kind="table").x, x)
    ragged = [given[:5].T, given.T]
    assert np.array_equal(from_arrays(ragged).x[1], x.T)


def test_missing_constant_and_repeated_are_said():
    x = rng.normal(size=(10, 3))
    x[:, 1] = 7
    x[3] = x[4]
    x[0, 2] = np.nan
    dataset = from_arrays(x)
    assert noted(dataset, "1 of 30 values is missing")
    assert noted(dataset, "1 of 3 columns never changes (column 'x1')")
    assert noted(dataset, "1 of 10 samples is an exact copy")
    assert np.isnan(dataset.x[0, 2])
    assert np.isnan(dataset.x).sum() == 1


def test_masked_arrays_become_missing_and_sparse_ones_are_refused():
    from scipy.sparse import csr_array

    x = np.ma.masked_array(np.arange(6.0).reshape(3, 2), mask=np.arange(6).reshape(3, 2) == 3)
    assert np.isnan(from_arrays(x).x).tolist() == [[False, False], [False, True], [False, False]]
    with pytest.raises(DataError, match="toarray"):
        from_arrays(csr_array(np.eye(3)))


def test_an_offset_too_large_for_float32_is_said():
    dataset = from_arrays(np.column_stack([1e9 + np.arange(50.0), np.arange(50.0), 1e9 * rng.normal(size=50)]))
    assert [note for note in dataset.notes if "float32" in note] == [
        "column 'x0' changes by 49 at 1e+09, where float32 has steps of 64 and blurs it: subtract its mean, or write"
        " dates as the time since the first"
    ]


def test_what_only_float32_makes_equal_is_no_copy():
    y = np.arange(50) % 2
    for x in (1e9 + np.arange(50.0)[:, None], np.column_stack([1e9 + np.arange(50.0), np.arange(50) % 3])):
        dataset = from_arrays(x, y)
        assert not noted(dataset, "exact cop")
        assert not any(finding.name == "Contradicting labels" for finding in suspects(dataset, copies(dataset.x)))
        assert noted(from_arrays(np.concatenate([x, x[:1]]), [*y, 1]), "1 of 51 samples is an exact copy")


def test_series_of_different_lengths_are_padded_at_their_end():
    dataset = from_arrays([np.ones(3), np.ones(5), np.array([1, np.nan])])
    assert np.isnan(dataset.x[0, 0]).tolist() == [False] * 3 + [True] * 2
    assert noted(dataset, "recordings are 1 to 5 steps long")
    inside = np.ones((2, 1, 6))
    inside[0, 0, 2] = np.nan
    inside[1, 0, 4:] = np.nan
    dataset = from_arrays(inside)
    assert noted(dataset, "1 of 10 values is missing (10 %)")
    assert noted(dataset, "recordings are 4 to 6 steps")


def test_labels_and_ids():
    dataset = from_arrays(np.eye(4), np.array([1.0, 10.0, np.nan, 2.0]), ids=["a", "b", "c", 7])
    assert dataset.classes == ("1", "2", "10")
    assert dataset.y.tolist() == [0, 2, -1, 1]
    assert dataset.ids.tolist() == ["a", "b", "c", "7"]
    assert dataset.labelled.tolist() == [0, 1, 3]
    assert from_arrays(np.eye(4), pd.Series(["a", None, "b", "a"])).y.tolist() == [0, -1, 1, 0]
    with pytest.raises(LabelError, match="4 samples but 3 labels"):
        from_arrays(np.eye(4), [0, 1, 0])
    with pytest.raises(DataError, match="4 samples but 2 ids"):
        from_arrays(np.eye(4), ids=["a", "b"])
    with pytest.raises(DataError, match="0 samples but 1 ids"):
        from_arrays(np.float64(3), ids=["a"])
    for x in (np.eye(3), ["one", "two", "three"]):
        assert noted(from_arrays(x, ids=["a", "a", "b"]), "more than one sample")


@pytest.mark.parametrize(
    "given", [3, np.array(3), "abcd", {1, 2, 3, 4}, {"a": 0, "b": 1, "c": 0, "d": 1}, iter("abab")]
)
@pytest.mark.parametrize("what", ["y", "ids", "groups"])
def test_labels_ids_and_groups_are_several_in_an_order(what, given):
    with pytest.raises(LabelError if what == "y" else DataError, match=f"{what}: of type .*; give a list or an array"):
        from_arrays(np.eye(4), **{what: given})


def test_frames():
    frame = pd.DataFrame(
        {
            "size": [1.5, None, 3],
            "old": [True, False, True],
            "colour": ["red", "blue", None],
            "grade": pd.Categorical(["low", "high", "low"], categories=["low", "high"], ordered=True),
            "when": [datetime(1970, 1, 2), datetime(1970, 1, 1), None],
            4: [1, 2, 3],
        },
        index=[5, 6, 7],
    )
    dataset = from_arrays(frame, ["a", "b", "a"])
    assert dataset.kind == "table"
    assert [(c.name, c.categories) for c in dataset.columns] == [
        ("size", ()),
        ("old", ()),
        ("colour", ("blue", "red")),
        ("grade", ("low", "high")),
        ("when", ()),
        ("4", ()),
    ]
    nan = np.nan
    expected = [[1.5, 1, 1, 0, 86400, 1], [nan, 0, 0, 1, 0, 2], [3, 1, nan, 0, nan, 3]]
    assert np.array_equal(dataset.x, np.array(expected, np.float32), equal_nan=True)
    assert noted(dataset, "column 'when' holds dates")


ROWS = pa.schema({"a": pa.float64(), "b": pa.string(), "c": pa.bool_()})


@pytest.mark.parametrize("name", ["Unnamed: 0", "rownames"])
def test_row_names_that_came_into_a_frame_are_no_feature(name):
    raw = as_raw(pd.DataFrame({name: [3, 1, 2], "a": [1.5, 2.5, 0.5]}))
    assert [column.name for column in raw.columns] == ["a"]
    assert raw.notes == (f"column '{name}' names the rows, and is no feature",)
    # What is alone is what there is to learn from.
    assert [column.name for column in as_raw(pd.DataFrame({name: [3, 1, 2]})).columns] == [name]


def test_rows_as_json_has_them_are_a_frame():
    rows = [{"a": 1, "b": "u"}, {"b": "v", "a": 2.5}, {"a": None, "b": "u", "c": True}]
    of_rows, of_frame = from_arrays(rows, [0, 1, 0]), from_arrays(pa.Table.from_pylist(rows, ROWS), [0, 1, 0])
    np.testing.assert_array_equal(of_rows.x, of_frame.x)
    assert of_rows.columns == of_frame.columns
    with pytest.raises(DataError, match="column 'a' holds values of several types"):
        from_arrays([{"a": 1}, {"a": "x"}])
    with pytest.raises(DataError, match="give samples along the first axis"):
        from_arrays([{}])


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are called 'a'"),
        (pd.DataFrame({"a": [1, 2, "x"]}), "row 2, column 'a' is 'x' among numbers"),
        (pd.DataFrame({"b": ["u", np.nan, "v"], "a": [np.nan, 2, "x"]}), "row 2, column 'a' is 'x' among numbers"),
        (pd.DataFrame({"a": [1, 10**25]}), "row 1, column 'a' is a whole number of more than 64 bits; make it a float"),
        (pd.DataFrame({"a": [[1], [2]]}), "column 'a' holds list"),
        (pd.DataFrame({"a": [1.0, np.inf]}), "row 1, column 'a' is infinite"),
        (pd.DataFrame({"a": [None, None], "b": [np.nan, np.nan]}), "column 'a', column 'b' have no value"),
        (pd.DataFrame({"a": []}), "empty"),
        (pd.Series([1, 2]), "one column only"),
        (pd.array([1, 2]), "one column only"),
        (pa.chunked_array([[1, 2]]), "one column only"),
    ],
)
def test_hostile_frames(frame, message):
    with pytest.raises(DataError, match=message):
        from_arrays(frame)


def test_a_named_column_without_a_value_is_no_feature():
    frame = pd.DataFrame({"a": [None, None], "b": [1, 2], "c": [np.nan, np.nan], "d": ["x", "y"]})
    found = from_arrays(frame)
    assert found.x.tolist() == [[1, 0], [2, 1]]
    assert [column.name for column in found.columns] == ["b", "d"]
    assert "columns 'a', 'c' without a value in any sample are no features" in found.notes
    assert "column 'a' without a value in any sample is no feature" in from_arrays(frame.drop(columns="c")).notes


def test_texts_make_no_series():
    with pytest.raises(DataError, match="column 'b' holds texts, which make no series"):
        from_arrays(pd.DataFrame({"a": [1, 2], "b": ["u", "v"]}), kind="series")


def test_a_guess_by_shape_alone_is_said():
    assert noted(from_arrays(rng.normal(size=(3, 6, 6))), "taken for images")
    assert not noted(from_arrays(rng.normal(size=(3, 6, 6)), kind="image"), "taken for images")
    assert not noted(from_arrays(np.zeros((3, 6, 6), np.uint8)), "taken for images")
    assert from_arrays(np.zeros((3, 20, 30), np.uint16)).kind == "image"
    assert from_arrays(np.zeros((3, 20, 30), ">u2")).kind == "image"


def test_columns_that_float32_would_blur_are_brought_near_zero_where_asked():
    rng = np.random.default_rng(0)
    x = np.column_stack(
        [1.7e9 + np.arange(40), rng.standard_normal(40), np.full(40, 3e9), 1e9 + rng.standard_normal(40)]
    )
    x[3, 3] = np.nan
    plain, near = from_arrays(x), from_arrays(x, centre=True)
    assert len(np.unique(plain.x[:, 0])) < 5
    said = "column 'x0', column 'x3' lie far from zero: their means are taken off, for float32 would blur them"
    assert said in near.notes
    assert not any("blurs" in note or "tells only" in note or "copies" in note for note in near.notes)
    np.testing.assert_allclose(near.x[:, 0], np.arange(40) - 20, atol=0.5)
    np.testing.assert_array_equal(np.diff(near.x[:, 0]), 1)
    np.testing.assert_allclose(near.x[:, 3], x[:, 3] - 1e9, atol=1e-3)
    np.testing.assert_array_equal(near.x[:, [1, 2]], plain.x[:, [1, 2]])
    images = np.full((4, 8, 8), 1e9) + rng.standard_normal((4, 8, 8))
    np.testing.assert_array_equal(from_arrays(images, centre=True).x, from_arrays(images).x)


def test_numbers_on_several_axes_are_not_listed_one_by_one_to_see_whether_they_are_texts() -> None:
    class Unlisted(np.ndarray):
        def tolist(self) -> NoReturn:
            raise AssertionError("each value as an object of Python")

    for shape in ((4, 8, 8), (4, 2, 30), (4, 3)):
        assert as_raw(np.zeros(shape).view(Unlisted)).x.shape == shape
