from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from attar.data.asked import Asked
from attar.data.conform import conform
from attar.data.dataset import Form
from attar.data.folders import read_folder
from attar.data.sources import read
from attar.errors import DataError

rng = np.random.default_rng(0)


def picture(path, shape=(6, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def recording(path, rows=5):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a,b\n" + "1,2\n" * rows)


def test_images_in_order_of_their_names(tmp_path):
    pixels = [picture(tmp_path / f"{i}.png") for i in (3, 1, 2)]
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / ".hidden").mkdir()
    picture(tmp_path / ".hidden" / "x.png")
    (tmp_path / "README.txt").write_text("x")
    (tmp_path / "csv").write_text("a,b")
    raw = read_folder(tmp_path)
    assert raw.ids == ["1.png", "2.png", "3.png"]
    assert np.array_equal(raw.x, np.stack([pixels[1], pixels[2], pixels[0]]))
    assert raw.kind == "image"
    assert raw.y is None
    assert raw.notes == ("2 other files are ignored (README.txt, csv)",)


def test_sub_folders_are_labels(tmp_path):
    for name in ("cat/a.png", "dog/a.PNG", "dog/old/b.png", "Unlabelled/c.png", "-1/d.png"):
        picture(tmp_path / name)
    raw = read_folder(tmp_path)
    assert raw.ids == ["-1/d.png", "Unlabelled/c.png", "cat/a.png", "dog/a.PNG", "dog/old/b.png"]
    assert raw.y == ["-1", None, "cat", "dog", "dog"]
    assert raw.exact


def test_files_beside_sub_folders_undo_the_labels(tmp_path):
    picture(tmp_path / "cat/a.png")
    picture(tmp_path / "b.png")
    raw = read_folder(tmp_path)
    assert raw.y is None
    assert "1 file lies beside" in raw.notes[0]


def test_only_unlabelled(tmp_path):
    picture(tmp_path / "unlabeled/a.png")
    assert read_folder(tmp_path).y is None


def test_a_split_of_its_own(tmp_path):
    for name in ("train/cat/a.png", "train/dog/b.png", "test/cat/c.png"):
        picture(tmp_path / name)
    raw = read_folder(tmp_path)
    assert raw.test.tolist() == [0]
    assert raw.y == ["cat", "cat", "dog"]


def test_a_validation_part_is_trained_on_where_there_is_a_test_part_too(tmp_path):
    for name in ("Train/cat/a", "Train/dog/b", "test/cat/c", "validation/dog/d", "validation/cat/e"):
        picture(tmp_path / f"{name}.png")
    raw = read_folder(tmp_path)
    assert [raw.ids[i] for i in raw.test] == ["test/cat/c.png"]
    assert raw.y == ["cat", "dog", "cat", "cat", "dog"]
    assert raw.notes == ("2 samples are joined to the training part, those of validation",)


def test_a_validation_part_is_the_test_part_where_there_is_none(tmp_path):
    for name in ("train/cat/a.png", "train/dog/b.png", "val/cat/c.png"):
        picture(tmp_path / name)
    raw = read_folder(tmp_path)
    assert raw.test.tolist() == [2]
    assert raw.y == ["cat", "dog", "cat"]
    assert raw.notes == ("there is no test part: val is taken for it",)


def test_sub_folders_of_other_names_are_labels_though_one_is_called_train(tmp_path):
    for name in ("train/a.png", "bus/b.png", "test/c.png"):
        picture(tmp_path / name)
    raw = read_folder(tmp_path)
    assert raw.test is None
    assert raw.y == ["bus", "test", "train"]


def test_broken_images(tmp_path):
    picture(tmp_path / "x/a.png")
    (tmp_path / "y").mkdir()
    (tmp_path / "y/b.png").write_bytes(b"no image")
    picture(tmp_path / "z/c.png")
    raw = read_folder(tmp_path)
    assert raw.y == ["x", "z"]
    assert raw.ids == ["x/a.png", "z/c.png"]
    assert "y/b.png" in raw.notes[0]
    with pytest.raises(DataError, match=r"y/b.png: unreadable") as caught:
        read_folder(tmp_path, Asked(strict=True))
    assert str(caught.value).startswith(f"{tmp_path}{os.sep}y/b.png: unreadable image (in no format that Pillow reads)")


def test_recordings_of_any_form(tmp_path):
    recording(tmp_path / "u/a.csv")
    np.save(tmp_path / "u" / "b.npy", np.zeros((2, 9)))
    recording(tmp_path / "v/c.tsv", rows=3)
    raw = read_folder(tmp_path)
    assert [item.shape for item in raw.x] == [(2, 5), (2, 9), (2, 3)]
    assert raw.y == ["u", "u", "v"]
    assert raw.kind == "series"


def test_images_and_recordings_do_not_mix(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "walk.csv").write_text("1,2\n3,4\n")
    with pytest.raises(DataError, match=r"1 images and 1 recordings \(walk.csv\)"):
        read_folder(tmp_path)
    assert len(read_folder(tmp_path, Asked(leave_out=[tmp_path / "walk.csv"])).x) == 1


@pytest.mark.parametrize("header", ["file,class\n", ""])
@pytest.mark.parametrize("suffix", ["png", "txt", "wav"])
def test_lists_of_labels_and_predictions_are_no_samples(tmp_path, suffix, header):
    write = {
        "png": picture,
        "txt": lambda path: path.write_text("some words"),
        "wav": lambda path: wavfile.write(path, 8000, rng.integers(-99, 99, 50).astype(np.int16)),
    }[suffix]
    write(tmp_path / f"a.{suffix}")
    write(tmp_path / f"b.{suffix}")
    (tmp_path / "labels.csv").write_text(f"{header}a,cat\nb,3\n")
    (tmp_path / "predictions.csv").write_text("id,label,probability\na.png,cat,0.9\n")
    raw = read_folder(tmp_path, Asked(strict=True))
    assert raw.ids == [f"a.{suffix}", f"b.{suffix}"]
    assert "labels.csv lists labels, and is no sample: give it as the labels to have them" in raw.notes
    assert "predictions.csv lists labels, and is no sample: give it as the labels to have them" in raw.notes


def test_folders_without_samples(tmp_path):
    with pytest.raises(DataError, match="it is empty"):
        read_folder(tmp_path)
    (tmp_path / "a.pdf").write_text("x")
    with pytest.raises(DataError, match=r"1 other file, like a.pdf"):
        read_folder(tmp_path)


def test_links_in_circles_end(tmp_path):
    picture(tmp_path / "a/1.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    assert read_folder(tmp_path).ids == ["a/1.png"]


def test_images_of_a_wanted_shape(tmp_path):
    picture(tmp_path / "a.png", (12, 16, 3))
    assert read_folder(tmp_path, Asked(shape=(6, 8))).x.shape == (1, 6, 8)


def test_arrays_of_one_size_are_images_where_that_is_the_kind(tmp_path):
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", rng.integers(0, 256, (20, 30)).astype(np.int32))
    said = "files of 20 × 30 numbers are taken for recordings of 20 channels; if images, give the kind"
    assert said in read(str(tmp_path)).notes
    images = read(str(tmp_path), kind="image")
    assert (images.kind, images.x.shape) == ("image", (3, 20, 30))
    raw = read_folder(tmp_path)
    assert conform(raw, Form("image", (20, 30), columns=()), where="x").x.shape == (3, 20, 30)
    np.save(tmp_path / "3.npy", np.zeros((20, 31)))
    with pytest.raises(DataError, match="different sizes make no image"):
        read(str(tmp_path), kind="image")


def test_names_that_are_no_utf8_can_be_written_and_stay_apart(tmp_path):
    for name in (b"caf\xe8/1.png", b"caf\xe9/1.png", b"caf\xe9/\xff.png", b"caf\xe9/\xfe.png"):
        try:
            picture(tmp_path / os.fsdecode(name))
        except OSError:
            pytest.skip("the file system has none")
    dataset = read(str(tmp_path))
    assert len({one.encode() for one in dataset.ids.tolist()}) == 4
    assert [one.encode() for one in dataset.classes] == [rb"caf\udce8", rb"caf\udce9"]
    assert dataset.y.tolist() == [0, 1, 1, 1]
