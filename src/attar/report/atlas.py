"""Pictures of many samples in few image files, so that a page of all of them stays small."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]

# Pictures along each side of a sheet, how well they are kept, and bytes of all sheets together.
SIDE = 32
_QUALITY = 25
_MOST = 7_500_000


def sheets(pictures: Callable[[npt.NDArray[np.int64]], Pixels], order: npt.NDArray[np.int64]) -> Iterator[bytes]:
    """Image files of 32 × 32 pictures each, row by row.

    Where all of them would become too large, the pictures are made smaller until they are not.

    Arguments:
        pictures: from indices of samples to pixels `(n, h, w, 3)`.
        order: indices of the samples in the order in which they are wanted.
    """
    each, shrink = SIDE * SIDE, 1
    if len(order) > each:
        # A sheet of samples from everywhere says how large all of them will be.
        some = pictures(order[:: max(1, len(order) // each)][:each])
        while len(_sheet(some, shrink)) * len(order) / len(some) > _MOST and min(some.shape[1:3]) // (shrink + 1) >= 8:
            shrink += 1
    for start in range(0, len(order), each):
        yield _sheet(pictures(order[start : start + each]), shrink)


def size(sheet: bytes) -> tuple[int, int]:
    """Width and height of one picture of a full or partial sheet, in pixels."""
    from PIL import Image

    with Image.open(io.BytesIO(sheet)) as opened:
        return opened.width // SIDE, opened.height // SIDE


def _sheet(pictures: Pixels, shrink: int) -> bytes:
    from PIL import Image, features

    n, height, width = pictures.shape[:3]
    if shrink > 1:
        height, width = height // shrink, width // shrink
        cut = pictures[:, : height * shrink, : width * shrink]
        pictures = cut.reshape(n, height, shrink, width, shrink, 3).mean(axis=(2, 4)).astype(np.uint8)
    whole = np.full((SIDE * SIDE, height, width, 3), 255, dtype=np.uint8)
    whole[:n] = pictures
    pixels = whole.reshape(SIDE, SIDE, height, width, 3).transpose(0, 2, 1, 3, 4)
    data = io.BytesIO()
    kind = "WEBP" if features.check("webp") else "JPEG"
    Image.fromarray(pixels.reshape(SIDE * height, SIDE * width, 3)).save(data, kind, quality=_QUALITY)
    return data.getvalue()
