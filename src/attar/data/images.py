"""Images of any format to arrays of one size."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from attar.data.dataset import Array
from attar.errors import DataError, first_line, inflected, listed

if TYPE_CHECKING:
    from PIL import Image as PillowImage

_COMMON = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
# Greatest value of 16 bits over that of 8.
_DEPTHS = 257
# Parts of red, green and blue in grey, of ITU-R BT.601, as in Pillow.
LUMA = (0.299, 0.587, 0.114)


@lru_cache(maxsize=256)
def is_image(suffix: str) -> bool:
    """Whether Pillow reads files of this extension.

    >>> is_image(".png"), is_image(".csv")
    (True, False)
    """
    if suffix in _COMMON:
        return True
    if not suffix:
        return False
    from PIL import Image

    Image.init()
    return Image.registered_extensions().get(suffix) in Image.OPEN


def read_images(
    sources: Sequence[str | bytes], names: Sequence[str], *, strict: bool
) -> tuple[list[Array], list[int], list[str]]:
    """Decode images.

    Arguments:
        sources: paths or contents.
        names: of each, for messages.
        strict: refuse an unreadable image, by its path where it has one, rather than skip it.

    Returns:
        Images `(h, w)` or `(h, w, 3)`, from 0 to 255 but for those of floats, the positions in `sources` of those that
        could be read, and notes.

    Raises:
        DataError: no image can be read, or one cannot and `strict` is set.
    """
    from PIL import Image

    images: list[Array] = []
    kept: list[int] = []
    broken: list[str] = []
    with warnings.catch_warnings():
        # An image of more than 90 million pixels is a mistake or an attack, and Pillow only warns.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for i, source in enumerate(sources):
            try:
                content = source if isinstance(source, bytes) else _content(source)
                with Image.open(io.BytesIO(content)) as image:
                    images.append(_array(image))
                kept.append(i)
            except Exception as error:  # Pillow's plugins raise whatever a corrupt file leads them to
                if strict:
                    where = names[i] if isinstance(source, bytes) else source
                    raise DataError(f"{where}: unreadable image ({_first(error)}); mend or remove it") from None
                broken.append(names[i])
    if not images:
        raise DataError(f"none of {len(sources)} images can be read ({', '.join(broken[:3])}); mend or remove them")
    images, notes = _in_bytes(images)
    if not broken:
        return images, kept, notes
    are = inflected(len(broken), "is", "are")
    skipped = f"{len(broken)} of {len(sources)} images cannot be read and {are} skipped ({listed(broken)})"
    return images, kept, [skipped, *notes]


def _in_bytes(images: list[Array]) -> tuple[list[Array], list[str]]:
    """Images of 16 bits in the units of 8, so that a file is the same whichever lie beside it; and a note."""
    deep = [image.dtype.kind in "iu" and image.dtype.itemsize > 1 for image in images]
    if not any(deep):
        return images, []
    scaled = [image.astype(np.float32) / _DEPTHS if more else image for image, more in zip(images, deep)]
    have = inflected(sum(deep), "has", "have")
    return scaled, [f"{sum(deep)} of {len(images)} images {have} 16 bits a value: brought to the units of 8, 0 to 255"]


def _content(path: str) -> bytes:
    # Of many small files, an unbuffered read of the whole takes less time than Pillow's reading in parts.
    with io.FileIO(path) as file:
        return file.readall()


def _array(image: PillowImage.Image) -> Array:
    mode = image.mode
    if mode in ("L", "RGB", "I", "F") or mode.startswith("I;"):
        return np.array(image)
    if mode in ("1", "LA", "La"):
        return np.array(image.convert("L"))
    if mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))


def stack(images: Sequence[Array], shape: tuple[int, ...] | None = None) -> tuple[Array, list[str]]:
    """Bring images to one size and one number of colours.

    Arguments:
        images: each `(h, w)` or `(h, w, c)`.
        shape: to bring them to, `(h, w)` or `(h, w, c)`; where None the median height and width,
            and colour if any has it.

    Returns:
        Images `(n, h, w)` or `(n, h, w, c)` and notes.

    >>> x, notes = stack([np.zeros((2, 2), np.uint8), np.ones((4, 4), np.uint8), np.ones((2, 2), np.uint8)])
    >>> x.shape, notes
    ((3, 2, 2), ['1 of 3 images is resized to 2 × 2 pixels'])
    """
    notes = []
    colour = {image.shape[2:] for image in images}
    if shape is None:
        height, width = (int(np.median([image.shape[axis] for image in images])) for axis in (0, 1))
        depth = max(colour)
    else:
        height, width, depth = shape[0], shape[1], tuple(shape[2:])
    if colour != {depth}:
        odd = sum(image.shape[2:] != depth for image in images)
        are, wanted = inflected(odd, "is", "are"), "colour" if depth in ((3,), (4,)) else "grey"
        notes.append(f"{odd} of {len(images)} images {are} turned to {wanted}")
        images = [_recolour(image, depth) for image in images]
    other = sum(image.shape[:2] != (height, width) for image in images)
    if other:
        are = inflected(other, "is", "are")
        notes.append(f"{other} of {len(images)} images {are} resized to {height} × {width} pixels")
        images = [resize(image, height, width) for image in images]
    return np.stack(images), notes


def _recolour(image: Array, depth: tuple[int, ...]) -> Array:
    if image.shape[2:] == depth:
        return image
    grey = image
    if image.ndim == 3:
        grey = image[:, :, 0] if image.shape[2] < 3 else image[:, :, :3] @ np.array(LUMA, dtype=np.float32)
    if not depth:
        return grey
    if depth[0] == 3 and image.shape[2:] == (4,):
        return image[:, :, :3]
    wide = np.repeat(grey[:, :, None], depth[0], axis=2)
    if depth[0] == 4:
        wide[:, :, 3] = 255
        wide[:, :, :3] = image[:, :, :3] if image.shape[2:] == (3,) else wide[:, :, :3]
    return wide


def resize(image: Array, height: int, width: int) -> Array:
    """Resize an image `(h, w[, c])` bilinearly, averaging where it shrinks.

    >>> resize(np.array([[0.0, 4.0]]), 1, 1)
    array([[2.]], dtype=float32)
    """
    from PIL import Image

    if image.shape[:2] == (height, width):
        return image
    size, how = (width, height), Image.Resampling.BILINEAR
    if image.dtype == np.uint8 and image.shape[2:] in ((), (3,), (4,)):
        return np.array(Image.fromarray(image).resize(size, how))
    layers = image[:, :, None] if image.ndim == 2 else image
    parts = [
        np.array(Image.fromarray(layers[:, :, c].astype(np.float32)).resize(size, how)) for c in range(layers.shape[2])
    ]
    return parts[0] if image.ndim == 2 else np.stack(parts, axis=2)


def _first(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):  # Pillow names the buffer that the content is in
        return "in no format that Pillow reads"
    return first_line(error)
