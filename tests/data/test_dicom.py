"""Images of DICOM files: as a viewer shows them, by the standard's formula, and grouped by patient."""

from __future__ import annotations

import builtins
import io
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from attar.data.asked import Asked
from attar.data.dicom import is_dicom, patients, pixels, size
from attar.data.files import read_file
from attar.data.folders import read_folder
from attar.data.sources import read
from attar.errors import DataError, MissingExtraError

RNG = np.random.default_rng(0)
TWELVE = RNG.integers(0, 4096, (6, 8)).astype(np.uint16)


def dicom(values: np.ndarray, **tags: object) -> bytes:
    """A file of these stored values."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["a"])
    data.Rows, data.Columns = values.shape[-2:] if values.ndim < 4 and "NumberOfFrames" in tags else values.shape[:2]
    data.SamplesPerPixel = 3 if values.ndim == 3 and "NumberOfFrames" not in tags else 1
    data.PhotometricInterpretation = "RGB" if data.SamplesPerPixel == 3 else "MONOCHROME2"
    data.PlanarConfiguration = 0
    data.BitsAllocated = 8 * values.dtype.itemsize
    data.BitsStored = 8 if values.dtype.itemsize == 1 else 12
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in tags.items():
        setattr(data, name, value)
    data.PixelData = values.tobytes()
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


def test_a_window_is_that_of_the_standard() -> None:
    """PS3.3 C.11.2.1.2.1: y = ((x − (c − ½)) / (w − 1) + ½) · 255, within 0 and 255, on rescaled values."""
    tags = {"WindowCenter": 40, "WindowWidth": 400, "RescaleSlope": 1, "RescaleIntercept": -1024}
    shown = pixels(dicom(TWELVE // 2, **tags))
    x = (TWELVE // 2).astype(np.float64) - 1024
    expected = np.clip(((x - 39.5) / 399 + 0.5) * 255, 0, 255)
    assert expected.min() == 0
    assert ((expected > 1) & (expected < 254)).any()
    np.testing.assert_allclose(shown, expected, atol=1e-3)
    assert shown.dtype == np.float32


@pytest.mark.parametrize(
    ("values", "tags", "expected"),
    [
        pytest.param(TWELVE, {}, (TWELVE - TWELVE.min()) / np.ptp(TWELVE) * 255, id="no window"),
        pytest.param(
            TWELVE,
            {"PhotometricInterpretation": "MONOCHROME1"},
            255 - (TWELVE - TWELVE.min()) / np.ptp(TWELVE) * 255,
            id="white is zero",
        ),
        pytest.param(np.full((6, 8), 7, np.uint16), {}, np.zeros((6, 8)), id="constant"),
        pytest.param(
            (TWELVE.astype(np.int16) - 2048),
            {"WindowCenter": 0, "WindowWidth": 4096},
            np.clip((TWELVE - 2047.5) / 4095 + 0.5, 0, 1) * 255,
            id="signed",
        ),
        pytest.param((TWELVE % 256).astype(np.uint8), {}, TWELVE % 256, id="eight bits as they are"),
    ],
)
def test_shades_of_grey_lie_between_black_and_white(values: np.ndarray, tags: dict, expected: np.ndarray) -> None:
    shown = pixels(dicom(values, **tags))
    np.testing.assert_allclose(shown, expected, atol=0.1)
    assert size(dicom(values, **tags)) == (6, 8)


@pytest.mark.parametrize(
    "tags",
    [
        {"WindowCenter": 0, "WindowWidth": 0},
        {"WindowCenter": 40, "WindowWidth": -400},
        {"WindowCenter": [0, 40], "WindowWidth": [0, 400]},
        {"WindowCenter": 40},
        {"WindowWidth": 400},
        {"WindowCenter": None, "WindowWidth": None},
        {"VOILUTSequence": []},
    ],
)
def test_what_is_no_window_is_none(tags: dict) -> None:
    assert np.array_equal(pixels(dicom(TWELVE, **tags)), pixels(dicom(TWELVE)))


def test_of_several_windows_the_first_counts() -> None:
    one, several = ({"WindowCenter": c, "WindowWidth": w} for c, w in ((900, 400), ([900, 0], [400, 0])))
    assert np.array_equal(pixels(dicom(TWELVE, **several)), pixels(dicom(TWELVE, **one)))


def test_colours_are_those_of_the_file() -> None:
    colours = RNG.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    assert np.array_equal(pixels(dicom(colours)), colours)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "SC_rgb_rle.dcm", "JPEG2000.dcm"])
def test_files_of_devices(name: str) -> None:
    raw = read_file(Path(str(get_testdata_file(name, download=False))))
    assert raw.kind == "image"
    assert 0 <= raw.x.min() < raw.x.max() <= 255


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("MR_small_jpeg_ls_lossless.dcm", "JPEG-LS Lossless Image Compression"),
        ("SC_rgb_jpeg_gdcm.dcm", "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14"),
        ("JPEG-lossy.dcm", "JPEG Extended (Process 2 and 4)"),
    ],
)
def test_of_other_compressions_it_is_said_what_to_install(name: str, how: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"compressed as {how}")) as caught:
        pixels(Path(str(get_testdata_file(name, download=False))).read_bytes())
    assert str(caught.value).endswith(": pip install pylibjpeg pylibjpeg-libjpeg")
    assert len(str(caught.value)) < 160
    assert "\n" not in str(caught.value)


def test_what_holds_no_image_or_many_is_skipped_and_said(tmp_path) -> None:
    (tmp_path / "many.dcm").write_bytes(dicom(np.zeros((3, 6, 8), np.uint8), NumberOfFrames=3))
    with pytest.raises(DataError, match=r"many\.dcm.*3 images in one"):
        read_folder(tmp_path, Asked(strict=True))
    (tmp_path / "one.dcm").write_bytes(dicom(TWELVE))
    report = pydicom.dcmread(io.BytesIO(dicom(TWELVE)))
    del report.PixelData
    report.save_as(tmp_path / "report.dcm")
    raw = read_folder(tmp_path)
    assert raw.ids == ["one.dcm"]
    assert raw.skipped == ("many.dcm", "report.dcm")


def test_patients_are_groups_also_of_files_without_an_extension(tmp_path) -> None:
    for i in range(6):
        name = f"IM{i}" if i % 2 else f"1.2.840.{i}.dcm"
        (tmp_path / name).write_bytes(dicom(RNG.integers(0, 4096, (6, 8)).astype(np.uint16), PatientID=f"P{i // 2}"))
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"x")
    (tmp_path / "notes.txt").write_text("none of them")
    dataset = read(str(tmp_path))
    assert len(dataset) == 6
    assert dataset.group_names == ("P0", "P1", "P2")
    assert sorted(dataset.groups.tolist()) == [0, 0, 1, 1, 2, 2]
    (tmp_path / "groups.csv").write_text("".join(f"{name},all\n" for name in dataset.ids))
    given = read(str(tmp_path), groups=tmp_path / "groups.csv")
    assert given.group_names == ("all",)


def test_images_that_name_no_patient_or_the_same_one_are_in_no_group(tmp_path) -> None:
    names = []
    for i, patient in enumerate(["ANON", "ANON", ""]):
        (tmp_path / f"{i}.dcm").write_bytes(dicom(TWELVE + i, PatientID=patient))
        names.append(str(tmp_path / f"{i}.dcm"))
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(tmp_path / "3.png")
    assert patients([*names, str(tmp_path / "3.png")]) is None
    assert len(read_folder(tmp_path).x) == 4


@pytest.mark.parametrize("content", [b"", b"DICM", b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICOM" + b"x", b"x" * 200])
def test_other_files_are_none(content: bytes, tmp_path) -> None:
    (tmp_path / "x").write_bytes(content)
    assert not is_dicom(content)
    assert not is_dicom(tmp_path / "x")
    assert not is_dicom(tmp_path / "missing")


def test_without_pydicom_it_is_said_what_to_install(tmp_path, monkeypatch) -> None:
    (tmp_path / "a.dcm").write_bytes(dicom(TWELVE))
    real = builtins.__import__

    def blocked(name, *rest, **more):
        if name == "pydicom":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", blocked)
    with pytest.raises(MissingExtraError, match=r"pip install 'attar\[dicom\]'"):
        read_folder(tmp_path)
