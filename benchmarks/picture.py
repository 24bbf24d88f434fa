"""Rows of images as one picture, for the documentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

_GAP = 2


def picture(blocks: Sequence[npt.NDArray[np.float32]], times: int = 3) -> Image.Image:
    """All rows below each other, on white.

    Arguments:
        blocks: rows of images `(rows, shown, h, w)`, from 0 to 255.
        times: size of a pixel.
    """
    lines = np.concatenate(blocks)
    n, shown, height, width = lines.shape
    h, w = height + _GAP, width + _GAP
    page = np.full((n * h + _GAP, shown * w + _GAP), 255, dtype=np.uint8)
    for i, line in enumerate(lines):
        for j, image in enumerate(line):
            page[_GAP + i * h : (i + 1) * h, _GAP + j * w : (j + 1) * w] = np.rint(image)
    whole = Image.fromarray(page)
    return whole.resize((whole.width * times, whole.height * times), Image.Resampling.NEAREST)
