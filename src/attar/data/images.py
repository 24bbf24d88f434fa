"""Images of any format to arrays of one size."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from attar.data import dicom
from attar.data.dataset import Array
from attar.errors import DataError, MissingExtraError, first_line, inflected, listed

if TYPE_CHECKING:
    from PIL import Image as PillowImage

_COMMON = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
# Greatest value of 16 bits over that of 8.
_DEPTHS = 257
_WHITE = 255
# Channels of an image at most: colours and a transparency.
CHANNELS = 4
# Parts of red, green and blue in grey, of ITU-R BT.601, as in Pillow.
LUMA = (0.299, 0.587, 0.114)
# Of TIFF: the tags that say whether zero is white, and whether numbers have a sign.
_PHOTOMETRIC, _SAMPLE_FORMAT = 262, 339
# Of Exif: the tag that says how a camera was held, and what it says of images that lie on their side.
_ORIENTATION, _LYING = 0x0112, (5, 6, 7, 8)
# Longer side of images to learn from, unless a person asks for another.
SIDE = 64
# Images whose size is asked for first, and how many times as large as needed a JPEG is decoded at least.
_ASKED, _SPARE = 1000, 2


@lru_cache(maxsize=256)
def is_image(suffix: str) -> bool:
    """Whether files of this extension hold an image that can be read.

    >>> is_image(".png"), is_image(".csv")
    (True, False)
    """
    if suffix in _COMMON or suffix in dicom.SUFFIXES:
        return True
    if not suffix:
        return False
    from PIL import Image

    Image.init()
    return Image.registered_extensions().get(suffix) in Image.OPEN


def read_images(
    sources: Sequence[str | bytes],
    names: Sequence[str],
    *,
    strict: bool,
    shape: tuple[int, ...] | None = None,
    side: int | None = None,
) -> tuple[Array, list[int], list[str]]:
    """Decode images, and bring each to the size and the colours of all: they are never all held as large as they are.

    Arguments:
        sources: paths or contents. An image that a camera took lying on its side is turned upright, and one that is
            transparent in places lies on white.
        names: of each, for messages.
        strict: refuse an unreadable image, by its path where it has one, rather than skip it.
        shape: to bring them to, `(h, w)` or `(h, w, c)`; where None the median height and width, and colour if any
            has it.
        side: where the longer side of the median is longer than so many pixels, it is shrunk to that.

    Returns:
        Images `(n, h, w)` or `(n, h, w, c)`, from 0 to 255 but for those of floats, of 32 bits or with a sign, which
        stay as they are, the positions in `sources` of those that could be read, and notes.

    Raises:
        DataError: no image can be read, or one cannot and `strict` is set; or some are in another unit than others.
    """
    from PIL import Image

    images: list[Array] = []
    kept: list[int] = []
    broken: list[str] = []
    notes: list[str] = []
    fractions: list[str] = []
    deep, wide = _Range(), _Range()
    first_error = ""
    other = several = clear = 0
    with warnings.catch_warnings():
        # Of what Pillow warns, only an image of more than 90 million pixels, a mistake or an attack, is not to be had.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        median = _median_size(sources) if shape is None else shape[:2]
        size = shrunk_size(median, side)
        for i, source in enumerate(sources):
            try:
                image, own, pages, laid = _decoded(source, size)
            except MissingExtraError:
                raise
            except Exception as error:  # Pillow's plugins raise whatever a corrupt file leads them to
                if strict:
                    where = names[i] if isinstance(source, bytes) else source
                    mend = "" if _pixels(error) else "; mend or remove it"
                    raise DataError(f"{where}: unreadable image ({_first(error)}){mend}") from None
                first_error = first_error or _first(error)
                broken.append(names[i])
                continue
            if image.dtype.kind == "f" and pages:
                fractions.append(names[i])
            several += pages > 1
            clear += laid
            if image.dtype == np.uint16:
                # In the units of 8 bits, so that a file is the same whichever lie beside it.
                image = image.astype(np.float32) / _DEPTHS
                deep.add(image, names[i])
            elif image.dtype.kind in "iu" and image.dtype.itemsize > 1:
                wide.add(image, names[i])
                image = image.astype(np.float32)
            images.append(resize(image, *size))
            kept.append(i)
            other += own != size
    if not images:
        raise DataError(
            f"none of {len(sources)} images can be read ({', '.join(broken[:3])}); mend or remove them; the first: "
            f"{first_error}"
        )
    if 0 < len(fractions) < len(images):
        raise DataError(
            f"{len(fractions)} of {len(images)} images are of fractions ({listed(fractions)}), and the others from 0 to"
            " 255; write all in one of the two forms"
        )
    if 0 < len(wide.names) < len(images) and not 0 <= wide.low <= wide.high <= _WHITE:
        raise DataError(
            f"{len(wide.names)} of {len(images)} images hold whole numbers {wide.said} ({listed(wide.names)}), and the"
            " others from 0 to 255; write all in one of the two forms"
        )
    if broken:
        are = inflected(len(broken), "is", "are")
        notes.append(
            f"{len(broken)} of {len(sources)} images cannot be read and {are} skipped ({listed(broken)}); the first: "
            f"{first_error}"
        )
    if several:
        have = inflected(several, "has", "have")
        notes.append(f"{several} of {len(images)} images {have} several pages: the first is taken")
    if clear:
        are = inflected(clear, "is", "are")
        notes.append(f"{clear} of {len(images)} images {are} transparent in places: laid over white")
    if deep.names:
        have = inflected(len(deep.names), "has", "have")
        notes.append(
            f"{len(deep.names)} of {len(images)} images {have} 16 bits a value: divided by {_DEPTHS} as 255 is white,"
            f" they are now {deep.said}"
        )
    if wide.names:
        have = inflected(len(wide.names), "has", "have")
        notes.append(
            f"{len(wide.names)} of {len(images)} images {have} 32 bits a value, or a sign: taken as they are,"
            f" {wide.said}"
        )
    x, recoloured = stack(images, shape)
    return x, kept, [*notes, *recoloured, *(shrunk_note(median, size) or _resized(other, len(images), size))]


@dataclass
class _Range:
    """The names of images, and the least and the greatest of their values."""

    names: list[str] = field(default_factory=list)
    low: float = math.inf
    high: float = -math.inf

    def add(self, image: Array, name: str) -> None:
        self.names.append(name)
        self.low, self.high = min(self.low, float(image.min())), max(self.high, float(image.max()))

    @property
    def said(self) -> str:
        return f"from {self.low:.4g} to {self.high:.4g}"


def shrunk_size(size: tuple[int, ...], side: int | None) -> tuple[int, int]:
    """Height and width, and where the longer is longer than `side`, both in proportion to that.

    >>> shrunk_size((300, 400), 96)
    (72, 96)
    """
    share = 1.0 if side is None else min(1.0, side / max(size))
    return max(1, round(share * size[0])), max(1, round(share * size[1]))


def shrunk_note(given: tuple[int, ...], size: tuple[int, int]) -> list[str]:
    """What a person should know about images that were shrunk, if they were."""
    if size == given:
        return []
    before, after = (f"{height} × {width}" for height, width in (given, size))
    return [f"images of {before} pixels are shrunk to {after}: a longer side keeps more, and takes longer"]


def _median_size(sources: Sequence[str | bytes]) -> tuple[int, int]:
    """Of the images that can be opened, or of a thousand among them, by what their files begin with."""
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


def _decoded(source: str | bytes, size: tuple[int, ...]) -> tuple[Array, tuple[int, int], int, bool]:
    """Pixels, of a large JPEG fewer than it has but enough for the size that is asked for; its size, its pages, and
    whether it was laid over white.

    An image of DICOM has none, and shades of grey from 0 to 255.
    """
    from PIL import Image, ImageOps

    content = _content(source)
    if dicom.is_dicom(content):
        shown = dicom.pixels(content)
        return shown, (shown.shape[0], shown.shape[1]), 0, False
    with Image.open(io.BytesIO(content)) as image:
        own = _upright_size(image)
        # Decoded at a half, a quarter or an eighth, a photograph takes a fraction of the time.
        across, down = size if own == image.size else size[::-1]
        image.draft(None, (_SPARE * across, _SPARE * down))
        pages = int(getattr(image, "n_frames", 1))
        pixels, laid = _array(image if _orientation(image) == 1 else ImageOps.exif_transpose(image))
        return _unsigned(pixels, image), own, pages, laid


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
    both = image.convert(f"{plain}A")
    alpha = both.getchannel("A")
    least, most = alpha.getextrema()
    shown, laid = both.convert(plain), least != most
    if laid:
        # As browsers show it. Without a clear and a solid part there is no shape to be seen.
        shape, shown = shown, Image.new(plain, both.size, "white")
        shown.paste(shape, mask=alpha)
    return np.array(shown), laid


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
        # A single channel is grey with an axis of its own, and without.
        odd = sum((image.shape[2:] or (1,)) != (depth or (1,)) for image in images)
        are, wanted = inflected(odd, "is", "are"), "colour" if depth in ((3,), (4,)) else "grey"
        notes += [f"{odd} of {len(images)} images {are} turned to {wanted}"] * bool(odd)
        images = [_recolour(image, depth) for image in images]
    other = sum(image.shape[:2] != (height, width) for image in images)
    notes += _resized(other, len(images), (height, width))
    return np.stack([resize(image, height, width) for image in images]), notes


def _resized(other: int, n: int, size: tuple[int, ...]) -> list[str]:
    are = inflected(other, "is", "are")
    return [f"{other} of {n} images {are} resized to {size[0]} × {size[1]} pixels"] if other else []


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
    # Of four channels Pillow would weigh three by the last, which need not be a transparency.
    if image.dtype == np.uint8 and image.shape[2:] in ((), (3,)):
        return np.array(Image.fromarray(image).resize(size, how))
    layers = image[:, :, None] if image.ndim == 2 else image
    parts = [
        np.array(Image.fromarray(layers[:, :, c].astype(np.float32)).resize(size, how)) for c in range(layers.shape[2])
    ]
    return parts[0] if image.ndim == 2 else np.stack(parts, axis=2)


def _pixels(error: Exception) -> int:
    """How many an image has that Pillow refuses for their number, which it takes for an attack; 0 of other errors."""
    from PIL import Image

    if not isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
        return 0
    found = re.search(r"\d+", str(error))
    return int(found[0]) if found else 0


def _first(error: Exception) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):  # Pillow names the buffer that the content is in
        return "in no format that Pillow reads"
    pixels = _pixels(error)
    if pixels:
        return f"its {pixels:,} pixels are too many to be read: give a smaller copy"
    return first_line(error)
