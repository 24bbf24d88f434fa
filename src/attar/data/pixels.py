"""The pixels of one image file: upright, over white, and in the numbers that the file has."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attar.data import dicom
from attar.data.dataset import Array
from attar.errors import first_line

if TYPE_CHECKING:
    from PIL import Image as PillowImage

# Of TIFF: the tags that say whether zero is white, and whether numbers have a sign.
_PHOTOMETRIC, _SAMPLE_FORMAT = 262, 339
# Of Exif: the tag that says how a camera was held, and what it says of images that lie on their side.
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)
# Images whose size is asked for first, and how many times as large as needed a JPEG is decoded at least.
_ASKED, _SPARE = 1000, 2


class Decoded(NamedTuple):
    """One image of a file.

    Arguments:
        pixels: `(h, w)` or `(h, w, c)`, of a large JPEG fewer than it has but enough for the size that is asked for.
        size: height and width of the whole.
        pages: in the file; 0 of DICOM, whose floats are shades of grey from 0 to 255.
        laid: whether it was laid over white.
    """

    pixels: Array
    size: tuple[int, int]
    pages: int
    laid: bool


def median_size(sources: Sequence[str | bytes]) -> tuple[int, int]:
    """Median height and width of the images that can be opened, or of a thousand among them, by their headers."""
    from PIL import Image

    sizes = []
    for source in sources[:: -(-len(sources) // _ASKED)]:
        with suppress(Exception):
            if dicom.is_dicom(source):
                sizes.append(dicom.size(_content(source)))
                continue
            with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
                sizes.append(_upright_size(image))
    return (int(np.median([h for h, _ in sizes])), int(np.median([w for _, w in sizes]))) if sizes else (1, 1)


def decode(source: str | bytes, size: tuple[int, ...]) -> Decoded:
    """Decode a path or contents; `(h, w)` is the size that the image will be brought to."""
    from PIL import Image, ImageOps

    content = _content(source)
    if dicom.is_dicom(content):
        shown = dicom.pixels(content)
        return Decoded(shown, (shown.shape[0], shown.shape[1]), 0, False)
    with Image.open(io.BytesIO(content)) as image:
        own = _upright_size(image)
        # Decoded at a half, a quarter or an eighth, a photograph takes a fraction of the time.
        across, down = size if own == image.size else size[::-1]
        image.draft(None, (_SPARE * across, _SPARE * down))
        pages = int(getattr(image, "n_frames", 1))
        pixels, laid = _array(image if _orientation(image) == 1 else ImageOps.exif_transpose(image))
        return Decoded(_unsigned(pixels, image), own, pages, laid)


def _unsigned(pixels: Array, image: PillowImage.Image) -> Array:
    """Whole numbers of the type that the file has them in, and of 16 bits with zero as black; all else as it is."""
    tags = getattr(image, "tag_v2", {})
    if pixels.dtype == np.int32 and image.format in ("PPM", "PNG"):  # which Pillow holds with a sign
        return pixels.astype(np.uint16)
    if pixels.dtype == np.int32 and image.format == "TIFF" and tags.get(_SAMPLE_FORMAT, (1,))[0] == 1:
        return pixels.view(np.uint32)
    if pixels.dtype == np.uint16 and tags.get(_PHOTOMETRIC) == 0:
        # Of 8 bits Pillow turns it itself.
        return np.iinfo(np.uint16).max - pixels
    return pixels


def _upright_size(image: PillowImage.Image) -> tuple[int, int]:
    """Height and width once it is turned as the camera noted."""
    return image.size if _orientation(image) in _LYING else (image.height, image.width)


def _orientation(image: PillowImage.Image) -> int:
    """As Exif has it, from 1, which is upright, to 8; 1 where what the camera noted cannot be understood."""
    if "exif" in image.info:
        with suppress(Exception):
            return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _content(source: str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    # Of many small files, an unbuffered read of the whole takes less time than Pillow's reading in parts.
    with io.FileIO(source) as file:
        return file.readall()


def _array(image: PillowImage.Image) -> tuple[Array, bool]:
    """Pixels, and whether they were laid over white, for what is transparent has a colour that nobody sees."""
    from PIL import Image

    mode = image.mode
    clear = mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if mode[0] in "IF" or (mode in ("L", "RGB") and not clear):
        values = np.array(image)
        # Of I;16B, as ImageJ writes TIFF, numbers have their greater byte first, and are of another type to numpy.
        return values.astype(values.dtype.newbyteorder("="), copy=False), False
    plain = "L" if mode in ("1", "L", "LA", "La") else "RGB"
    if not clear:
        return np.array(image.convert(plain)), False
    with_alpha = image.convert(f"{plain}A")
    alpha = with_alpha.getchannel("A")
    least, most = alpha.getextrema()
    shown, laid = with_alpha.convert(plain), least != most
    if laid:
        # As browsers show it. Without a clear and a solid part there is no shape to be seen.
        shape, shown = shown, Image.new(plain, image.size, "white")
        shown.paste(shape, mask=alpha)
    return np.array(shown), laid


def too_many_pixels(error: Exception) -> int:
    """How many an image has that Pillow refuses for their number, which it takes for an attack; 0 of other errors."""
    from PIL import Image

    if not isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        return 0
    found = re.search(r"\d+", str(error))
    return int(found[0]) if found else 0


def unreadable(error: Exception) -> str:
    """Why an image cannot be read, in a line."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):  # Pillow names the buffer that the content is in
        return "in no format that Pillow reads"
    pixels = too_many_pixels(error)
    if pixels:
        return f"its {pixels:,} pixels are too many to be read: give a smaller copy"
    return first_line(error)
