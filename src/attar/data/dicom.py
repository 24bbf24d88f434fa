"""DICOM files, which medical devices write: their image as a viewer shows it, and whose it is."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from attar.data.dataset import Array
from attar.errors import DataError, MissingExtraError

SUFFIXES = frozenset({".dcm", ".dicom"})
# What stands before the data, and what that ends with.
_PREAMBLE, _MARK = 132, b"DICM"
_WHITE = 255


def is_dicom(source: bytes | str | Path) -> bool:
    """Whether a file, or its content, begins as DICOM does; archives often call their files by numbers alone."""
    if isinstance(source, bytes):
        return source[:_PREAMBLE].endswith(_MARK) and len(source) > _PREAMBLE
    try:
        with Path(source).open("rb") as file:
            return is_dicom(file.read(_PREAMBLE + 1))
    except OSError:
        return False


def size(content: bytes) -> tuple[int, int]:
    """Height and width of the image in a file's content."""
    header = _header(io.BytesIO(content))
    return int(header.Rows), int(header.Columns)


def pixels(content: bytes) -> Array:
    """The image in a file's content, with the window that the file asks for, or from its darkest to its lightest value.

    Returns:
        `(h, w)` or `(h, w, 3)`: of colours what the file holds, of shades of grey 0 to 255, which white is.

    Raises:
        DataError: there is no image, or more than one, or it is compressed in a way that takes another package.
        MissingExtraError: pydicom is not installed.
    """
    data = _pydicom().dcmread(io.BytesIO(content))
    if "PixelData" not in data:
        raise DataError("no image in it")
    if int(data.get("NumberOfFrames") or 1) > 1:
        raise DataError(f"{data.NumberOfFrames} images in one; write each to a file of its own")
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

    stored = _stored(data)
    if data.PhotometricInterpretation == "PALETTE COLOR":
        return np.asarray(apply_color_lut(stored, data))
    if stored.ndim > 2:
        return stored
    windowed = bool(data.get("VOILUTSequence")) or _has_window(data)
    if stored.dtype == np.uint8 and not windowed:
        grey: Array = stored
    else:
        values = np.asarray(apply_modality_lut(stored, data))
        if windowed:
            # What lies far below the window is black, and what lies far above it white.
            limits = np.finfo(np.float32) if values.dtype.kind == "f" else np.iinfo(values.dtype.name)
            ends = np.array([limits.min, limits.max], dtype=values.dtype)
            shown = np.asarray(apply_voi_lut(np.append(values, ends), data), dtype=np.float64)
            values, (low, high) = shown[:-2].reshape(values.shape), shown[-2:]
        else:
            low, high = float(values.min()), float(values.max())
        grey = ((values - low) * _WHITE / ((high - low) or 1)).astype(np.float32)
    return _WHITE - grey if data.PhotometricInterpretation == "MONOCHROME1" else grey


def _stored(data: Any) -> Array:
    """The values as the device stored them."""
    from pydicom.pixels import get_decoder

    syntax = data.file_meta.TransferSyntaxUID
    if syntax.is_compressed:
        # Pillow, which reads some JPEG, is no help with more than eight bits.
        helpless = {"pillow"} if data.BitsStored > 8 and "JPEG Extended" in syntax.name else set()
        if not {*get_decoder(syntax).available_plugins} - helpless:
            more = "pylibjpeg-openjpeg" if "2000" in syntax.name else "pylibjpeg-libjpeg"
            raise DataError(f"compressed as {syntax.name}: pip install pylibjpeg {more}")
    stored: Array = data.pixel_array
    return stored


def _has_window(data: Any) -> bool:
    """Whether a file asks for a window; some devices write a width of zero where they know of none."""
    width = data.get("WindowWidth")
    first = next(iter(width), None) if isinstance(width, Sequence) else width
    # The standard's formula has no meaning below 1.
    return first is not None and float(first) >= 1 and data.get("WindowCenter") is not None


def patients(paths: Sequence[str]) -> list[str | None] | None:
    """Whose images these are, as their files say; None where they say it of none, or the same of all."""
    found: list[str | None] = []
    for path in paths:
        said = str(_header(path).get("PatientID") or "").strip() if is_dicom(path) else ""
        found.append(said or None)
    return found if len(set(found) - {None}) > 1 else None


def _header(source: str | io.BytesIO) -> Any:
    with warnings.catch_warnings():
        # What a file has besides its image may be against the standard.
        warnings.simplefilter("ignore")
        return _pydicom().dcmread(source, stop_before_pixels=True)


def _pydicom() -> Any:
    try:
        import pydicom
    except ImportError:
        raise MissingExtraError("DICOM files need the package pydicom; pip install 'attar[dicom]'") from None
    return pydicom
