from __future__ import annotations

import contextlib
import zipfile

import numpy as np
import pytest

from attar.data.archives import read_npy, read_npz
from attar.data.arrays import build
from attar.errors import DataError, LabelError

rng = np.random.default_rng(0)
x, y = rng.normal(size=(6, 3)), np.array([0, 1, 0, 1, -1, 0])


def test_a_split_of_its_own(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[:2], y_test=y[:2], class_names=["cat", "dog"], other=x)
    raw = read_npz(path)
    assert raw.x.shape == (8, 3)
    assert raw.test.tolist() == [6, 7]
    assert raw.y == ["cat", "dog", "cat", "dog", None, "cat", "cat", "dog"]
    assert raw.exact
    assert "other" in raw.notes[0]


def test_parts_called_in_other_ways(tmp_path):
    path = tmp_path / "a.npz"
    medical = {f"{part}_images": x for part in ("test", "train", "val")} | {
        f"{part}_labels": y[:, None] for part in ("test", "train", "val")
    }
    np.savez(path, **medical)
    raw = read_npz(path)
    assert raw.ids[6] == "val/0"
    assert raw.test.tolist() == list(range(12, 18))
    assert list(raw.y) == y.tolist() * 3
    assert raw.notes == ("6 samples are joined to the training part, those of val",)
    for part in ("train", "val", "test"):
        np.savez(path, **{key: array for key, array in medical.items() if key != f"{part}_labels"})
        assert build(read_npz(path), where="a").y.tolist() == [
            code for other in ("train", "val", "test") for code in ([-1] * 6 if other == part else y.tolist())
        ]
    np.savez(path, **medical | {"test_images": x[:0], "test_labels": y[:0]})
    raw = read_npz(path)
    assert raw.test.tolist() == list(range(6, 12))  # what is left for a test
    np.savez(path, **{key: array for key, array in medical.items() if "test" in key})
    raw = read_npz(path)
    assert raw.test is None
    assert raw.y.tolist() == y.tolist()
    np.savez(path, X=x, y=y, X_test=x + 1, Y_test=y)
    raw = read_npz(path)
    assert raw.test.tolist() == list(range(6, 12))
    assert list(raw.y) == y.tolist() * 2
    np.savez(path, X_train=x, X_valid=x + 1, y_valid=y)
    raw = read_npz(path)
    assert raw.test.tolist() == list(range(6, 12))
    assert raw.y == [None] * 6 + y.tolist()
    assert raw.notes == ("there is no test part: val is taken for it",)


@pytest.mark.parametrize(
    ("arrays", "labels"),
    [
        ({"x": x, "y": y}, y.tolist()),
        ({"X": x, "y": y}, y.tolist()),
        ({"data": x}, None),
        ({"x": x, "classes": ["a"]}, None),
        ({"x": x, "y": y, "classes": [1.0, 2.0]}, ["1", "2", "1", "2", None, "1"]),
        ({"x": x, "y": y, "classes": [b"cat", b"dog"]}, ["cat", "dog", "cat", "dog", None, "cat"]),
        ({"x": x, "y": y, "classes": ["-1", "1"]}, ["-1", "1", "-1", "1", None, "-1"]),
        ({"x": x, "y": y + 5, "classes": ["a", "b"]}, (y + 5).tolist()),
        ({"x": x, "y": [1.0] * 6, "classes": ["a", "b"]}, [1.0] * 6),
        ({"x_train": x, "y_train": y}, y.tolist()),
        ({"Images": x, "Labels": y, "x_mean": x[0]}, y.tolist()),
        ({"data": x, "target": y + 1}, (y + 1).tolist()),
        ({"data": y, "x": x, "target": y, "Y": y + 1}, (y + 1).tolist()),
    ],
)
def test_names_of_arrays(tmp_path, arrays, labels):
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    raw = read_npz(tmp_path / "a.npz")
    assert np.array_equal(raw.x, x)
    assert (None if raw.y is None else list(raw.y)) == labels
    assert raw.test is None


@pytest.mark.parametrize("names", [["a"], ["a", "a"], [["a", "b"]], "a"])
def test_names_that_do_not_fit_the_labels_are_noted(tmp_path, names):
    np.savez(tmp_path / "a.npz", x=x, y=y, class_names=names)
    raw = read_npz(tmp_path / "a.npz")
    assert list(raw.y) == y.tolist()
    assert raw.notes == ("arrays of a.npz that are not used: class_names",)


def test_arrays_that_do_not_fit(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=x, b=x)
    with pytest.raises(DataError, match=r"no array x, X or x_train \(it holds a, b\)"):
        read_npz(path)
    np.savez(path, x_train=x, y_train=y[:3], x_test=x, y_test=y)
    with pytest.raises(LabelError, match="6 samples in x_train but 3 labels"):
        read_npz(path)
    np.savez(path, x=x, y=3)
    with pytest.raises(DataError, match="'y' is a single number"):
        read_npz(path)
    np.savez(path, x_train=1.0, x_test=x)
    with pytest.raises(DataError, match="'x_train' is a single number"):
        read_npz(path)
    np.savez(path, x_train=x, x_test=x[:, :2])
    with pytest.raises(DataError, match=r"x_train is \(6, 3\), x_test \(6, 2\)"):
        read_npz(path)


def test_python_objects_are_never_loaded(tmp_path):
    objects = np.array([{}, 1], dtype=object)
    np.savez(tmp_path / "a.npz", x=objects)
    np.save(tmp_path / "a.npy", objects)
    for read, path in [(read_npz, tmp_path / "a.npz"), (read_npy, tmp_path / "a.npy")]:
        with pytest.raises(DataError, match="pickled Python objects") as caught:
            read(path)
        assert str(path) in str(caught.value)


def test_every_truncation_is_an_error_of_one_line(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=x, y=y)
    np.save(tmp_path / "a.npy", x)
    for name, read in [("a.npz", read_npz), ("a.npy", read_npy)]:
        whole = (tmp_path / name).read_bytes()
        cut = tmp_path / f"cut-{name}"
        for size in [*range(1, 130, 8), len(whole) // 2, len(whole) - 1]:
            cut.write_bytes(whole[:size])
            with pytest.raises(DataError, match="cut-a") as caught:
                read(cut)
            assert "\n" not in str(caught.value)


def test_every_flipped_byte_is_read_or_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=x[:2], y=y[:2])
    whole = (tmp_path / "a.npz").read_bytes()
    path = tmp_path / "flipped.npz"
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with contextlib.suppress(DataError):
            read_npz(path)


def test_archives_of_something_else(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "hello")
    with pytest.raises(DataError, match="'x' is not an array"):
        read_npz(path)
    path.write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(DataError, match="not an NPZ file"):
        read_npz(path)
    path.write_bytes(b"PK\x03\x04trunc")
    with pytest.raises(DataError, match="truncated or corrupt NPZ"):
        read_npz(path)
    (tmp_path / "a.npy").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(DataError, match="not an NPY file"):
        read_npy(tmp_path / "a.npy")


def test_edges_by_another_name_are_told_what_they_are_called(tmp_path):
    np.savez(tmp_path / "g.npz", x=np.eye(6), edges=np.array([[0, 1], [1, 2]]))
    (note,) = read_npz(tmp_path / "g.npz").notes
    assert note.endswith("not used: edges; if 'edges' holds the edges of a graph, call it edge_index, (2, edges)")
