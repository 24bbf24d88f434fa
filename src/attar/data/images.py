"""Images of any format to arrays of one size."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from attar.data import dicom
from attar.data.dataset import Array
from attar.data.pixels import Decoded, decode, median_size, too_many_pixels, unreadable
from attar.errors import DataError, MissingExtraError, inflected, listed

_COMMON = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
# Greatest value of 16 bits over that of 8.
_DEPTHS = 257
_WHITE = 255
# Channels of an image at most: colours and a transparency.
CHANNELS = 4
# Parts of red, green and blue in grey, of ITU-R BT.601, as in Pillow.
LUMA = (0.299, 0.587, 0.114)
# Longer side of images to learn from, unless a person asks for another.
SIDE = 64


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

    with warnings.catch_warnings():
        # Of what Pillow warns, only an image of more than 90 million pixels, a mistake or an attack, is not to be had.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        median = median_size(sources) if shape is None else shape[:2]
        read = _Images(len(sources), shrunk_size(median, side))
        for i, source in enumerate(sources):
            try:
                decoded = decode(source, read.size)
            except MissingExtraError:
                raise
            except Exception as error:  # Pillow's plugins raise whatever a corrupt file leads them to
                if strict:
                    where = names[i] if isinstance(source, bytes) else source
                    mend = "" if too_many_pixels(error) else "; mend or remove it"
                    raise DataError(f"{where}: unreadable image ({unreadable(error)}){mend}") from None
                read.broken[names[i]] = unreadable(error)
            else:
                read.add(i, names[i], decoded)
    read.refuse_unusable()
    x, recoloured = stack(read.images, shape)
    resized = shrunk_note(median, read.size) or _resized(read.resized, len(x), read.size)
    return x, read.kept, [*read.notes(), *recoloured, *resized]


@dataclass
class _Range:
    """The names of images, and the least and the greatest of their values."""

    names: list[str] = field(default_factory=list)
    low: float = math.inf
    high: float = -math.inf

    def add(self, image: Array, name: str) -> None:
        self.names.append(name)
        self.low, self.high = min(self.low, float(image.min())), max(self.high, float(image.max()))

    def __str__(self) -> str:
        return f"from {self.low:.4g} to {self.high:.4g}"


@dataclass
class _Images:
    """Images that could be read, brought to one size, and what is odd about their files.

    Arguments:
        n: number of all.
        size: that they are brought to.
        images: each `(h, w)` or `(h, w, c)`.
        kept: their positions among all.
        broken: why others cannot be read, by their names.
        fractions: names of those of floats.
        deep: those of 16 bits, in the units of 8.
        wide: those of more bits, or with a sign.
        several: how many have several pages.
        clear: how many are transparent in places.
        resized: how many had another size.
    """

    n: int
    size: tuple[int, int]
    images: list[Array] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    fractions: list[str] = field(default_factory=list)
    deep: _Range = field(default_factory=_Range)
    wide: _Range = field(default_factory=_Range)
    several: int = 0
    clear: int = 0
    resized: int = 0

    def add(self, i: int, name: str, decoded: Decoded) -> None:
        image = decoded.pixels
        if image.dtype.kind == "f" and decoded.pages:
            self.fractions.append(name)
        if image.dtype == np.uint16:
            # In the units of 8 bits, so that a file is the same whichever lie beside it.
            image = image.astype(np.float32) / _DEPTHS
            self.deep.add(image, name)
        elif image.dtype.kind in "iu" and image.dtype.itemsize > 1:
            self.wide.add(image, name)
            image = image.astype(np.float32)
        self.images.append(resize(image, *self.size))
        self.kept.append(i)
        self.several += decoded.pages > 1
        self.clear += decoded.laid
        self.resized += decoded.size != self.size

    def refuse_unusable(self) -> None:
        """Refuse that there is none, and that some are in another unit than others."""
        n, wide = len(self.images), self.wide
        if not n:
            raise DataError(
                f"none of {self.n} images can be read ({', '.join([*self.broken][:3])}); mend or remove them; the"
                f" first: {self._first_error}"
            )
        if 0 < len(self.fractions) < n:
            raise DataError(
                f"{len(self.fractions)} of {n} images are of fractions ({listed(self.fractions)}), and the others from"
                " 0 to 255; write all in one of the two forms"
            )
        if 0 < len(wide.names) < n and not 0 <= wide.low <= wide.high <= _WHITE:
            raise DataError(
                f"{len(wide.names)} of {n} images hold whole numbers {wide} ({listed(wide.names)}), and the others"
                " from 0 to 255; write all in one of the two forms"
            )

    def notes(self) -> list[str]:
        """What is odd about them, one sentence each."""
        n, notes = len(self.images), []
        if self.broken:
            are = inflected(len(self.broken), "is", "are")
            notes.append(
                f"{len(self.broken)} of {self.n} images cannot be read and {are} skipped ({listed([*self.broken])});"
                f" the first: {self._first_error}"
            )
        scale = f"divided by {_DEPTHS} as 255 is white, they are now {self.deep}"
        odd = (
            (self.several, "has", "have", "several pages: the first is taken"),
            (self.clear, "is", "are", "transparent in places: laid over white"),
            (len(self.deep.names), "has", "have", f"16 bits a value: {scale}"),
            (len(self.wide.names), "has", "have", f"32 bits a value, or a sign: taken as they are, {self.wide}"),
        )
        return notes + [f"{k} of {n} images {inflected(k, one, more)} {what}" for k, one, more, what in odd if k]

    @property
    def _first_error(self) -> str:
        return next(iter(self.broken.values()), "")


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
        wide[:, :, 3] = _WHITE
        if image.shape[2:] == (3,):
            wide[:, :, :3] = image
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
