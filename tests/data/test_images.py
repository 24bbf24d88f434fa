from __future__ import annotations

import io
import struct
import time

import numpy as np
import pytest
from PIL import Image

from attar.data.images import is_image, read_images, resize, stack
from attar.errors import DataError

rng = np.random.default_rng(0)
grey = rng.integers(0, 256, (6, 8), dtype=np.uint8)
colour = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)


def encode(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def decode(content: bytes) -> np.ndarray:
    return read_images([content], ["a"], strict=True)[0][0]


def test_every_mode_becomes_grey_or_colour():
    assert np.array_equal(decode(encode(Image.fromarray(grey))), grey)
    assert np.array_equal(decode(encode(Image.fromarray(colour))), colour)
    assert np.array_equal(decode(encode(Image.fromarray(grey).convert("LA"))), grey)
    assert np.array_equal(decode(encode(Image.fromarray(colour).convert("RGBA"))), colour)
    assert set(np.unique(decode(encode(Image.fromarray(grey > 99))))) == {0, 255}
    palette = Image.fromarray(colour).quantize(16)
    assert np.array_equal(decode(encode(palette)), np.array(palette.convert("RGB")))
    assert decode(encode(palette, transparency=b"\0\1\2")).shape == (6, 8, 3)
    assert decode(encode(Image.fromarray(colour).convert("CMYK"), "JPEG")).shape == (6, 8, 3)
    deep = (grey.astype(np.uint16) * 200).astype(np.uint16)
    assert np.array_equal(decode(encode(Image.fromarray(deep))), deep.astype(np.float32) / 257)
    real = rng.normal(size=(4, 5)).astype(np.float32)
    assert np.array_equal(decode(encode(Image.fromarray(real), "TIFF")), real)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_shape_on_transparent_ground_of_its_own_colour_is_seen_on_white(mode):
    alpha = np.zeros((6, 8), dtype=np.uint8)
    alpha[2:4], alpha[4] = 255, 51
    black = Image.new(mode[:-1], (8, 6))
    black.putalpha(Image.fromarray(alpha))
    x, _, notes = read_images([encode(black), encode(black.convert(mode[:-1]))], ["a", "b"], strict=True)
    assert np.array_equal(x[0] if mode == "LA" else x[0, :, :, 0], 255 - alpha)
    assert not x[1].any()
    assert notes == ["1 of 2 images is transparent in places: laid over white"]


def test_a_colour_that_stands_for_transparent_is_white():
    for image, clear in (
        (Image.fromarray(grey), int(grey[0, 0])),
        (Image.fromarray(colour), tuple(colour[0, 0].tolist())),
        (Image.fromarray(colour).quantize(16), 3),
    ):
        x = decode(encode(image, transparency=clear))
        same = np.array(image) == clear if image.mode == "P" else (np.array(image) == clear).reshape(6, 8, -1).all(2)
        assert (x[same] == 255).all()
        assert np.array_equal(x[~same], np.array(image.convert("RGB") if image.mode == "P" else image)[~same])


def test_what_is_as_transparent_everywhere_stays_as_it_is():
    for alpha in (0, 128, 255):
        whole = Image.fromarray(colour)
        whole.putalpha(alpha)
        x, _, notes = read_images([encode(whole)], ["a"], strict=True)
        assert np.array_equal(x[0], colour)
        assert not notes


@pytest.mark.parametrize("form", ["PNG", "BMP", "GIF", "TIFF", "PPM", "WEBP"])
def test_formats(form):
    options = {"lossless": True} if form == "WEBP" else {}
    pixels = decode(encode(Image.fromarray(grey), form, **options))
    assert np.array_equal(pixels if pixels.ndim == 2 else pixels[:, :, 0], grey)
    assert is_image(f".{form.lower()}")


def test_broken_images_are_skipped_and_named():
    good = encode(Image.fromarray(grey))
    contents = [good, good[:40], b"", b"GIF89a" + b"\xff" * 50, good[:-40], good]
    images, kept, notes = read_images(contents, list("abcdef"), strict=False)
    assert kept == [0, 5]
    assert len(images) == 2
    assert notes == [
        "4 of 6 images cannot be read and are skipped (b, c, d, e); the first: in no format that Pillow reads"
    ]
    with pytest.raises(DataError, match="b: unreadable image"):
        read_images(contents, list("abcdef"), strict=True)
    with pytest.raises(DataError, match=r"none of 2 images can be read \(b, c\)"):
        read_images(contents[1:3], ["b", "c"], strict=False)


def test_of_several_pages_the_first_is_taken_which_is_said():
    pages = [Image.fromarray(np.full((6, 8), i, np.uint8)) for i in range(3)]
    stack_of = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    images, _, notes = read_images([stack_of, encode(pages[2])], ["a", "b"], strict=True)
    assert images[:, 0, 0].tolist() == [0, 2]
    assert notes == ["1 of 2 images has several pages: the first is taken"]


def test_fractions_and_whole_numbers_do_not_mix():
    fractions = encode(Image.fromarray(grey.astype(np.float32) / 255), "TIFF")
    assert read_images([fractions, fractions], ["a", "b"], strict=False)[0].max() <= 1
    with pytest.raises(DataError, match=r"1 of 2 images are of fractions \(a\), and the others from 0 to 255"):
        read_images([fractions, encode(Image.fromarray(grey))], ["a", "b"], strict=False)


def test_an_image_that_would_fill_the_memory_is_unreadable(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    with pytest.raises(DataError, match="its 48 pixels are too many"):
        read_images([encode(Image.fromarray(grey))], ["a"], strict=True)


def test_mixed_images_become_colour_of_the_median_size():
    x, notes = stack([grey, colour, rng.integers(0, 9, (12, 10), dtype=np.uint8)])
    assert x.shape == (3, 6, 8, 3)
    assert (x[0] == grey[:, :, None]).all()
    assert np.array_equal(x[1], colour)
    assert notes == ["2 of 3 images are turned to colour", "1 of 3 images is resized to 6 × 8 pixels"]


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1), (6, 8, 3), (6, 8, 4), (3, 4), (12, 16, 3)])
@pytest.mark.parametrize(
    "image", [grey, colour, colour[:, :, :1], colour.astype(np.float32), np.dstack([colour, grey])]
)
def test_any_image_to_any_shape(image, shape):
    x, _ = stack([image, image], shape)
    assert x.shape == (2, *shape)
    assert 0 <= x.min() <= x.max() <= 255


def test_grey_is_luma():
    x, _ = stack([colour], (6, 8))
    assert np.allclose(x[0], np.array(Image.fromarray(colour).convert("L")), atol=0.51)


def test_a_fourth_channel_does_not_change_the_others():
    image = rng.integers(0, 256, (8, 6, 4), dtype=np.uint8)
    image[:, :, 3] //= 30
    assert np.allclose(resize(image, 4, 3), resize(image.astype(float), 4, 3), atol=0.51)


def test_resizing_keeps_constants_and_averages():
    for image in (np.full((9, 7), 3, np.uint8), np.full((9, 7, 2), 3.5), np.full((9, 7, 3), 200, np.uint8)):
        assert np.allclose(resize(image, 4, 5), image.flat[0])
    assert np.isclose(
        resize(grey.astype(float), 1, 1)[0, 0], np.array(Image.fromarray(grey).resize((1, 1), 2))[0, 0], atol=1
    )


def photograph(height: int, width: int) -> np.ndarray:
    down, across = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    return (255 * np.stack([down, across, 0.5 * down + 0.5 * across], axis=2)).astype(np.uint8)


def test_large_images_are_shrunk_in_proportion_while_they_are_read(monkeypatch):
    contents = [encode(Image.fromarray(photograph(*size)), "JPEG") for size in ((300, 200), (300, 200), (150, 80))]
    x, _, notes = read_images(contents, list("abc"), strict=True, side=60)
    assert x.shape == (3, 60, 40, 3)
    assert notes == ["images of 300 × 200 pixels are shrunk to 60 × 40: a longer side keeps more, and takes longer"]
    # What is lost between the two ways of averaging, and by JPEG, is little.
    assert np.abs(x.astype(float) - photograph(60, 40)).max() < 8
    assert read_images(contents, list("abc"), strict=True, side=300)[0].shape == (3, 300, 200, 3)
    # The same file is the same sample, whichever lie beside it.
    alone, _, _ = read_images(contents[2:], ["c"], strict=True, shape=(60, 40, 3))
    assert np.array_equal(alone[0], x[2])

    decoded = []
    monkeypatch.setattr(
        "attar.data.pixels._array", lambda image: decoded.append(image.size) or (np.array(image), False)
    )
    read_images(contents, list("abc"), strict=True, side=60)
    assert decoded == [(100, 150), (100, 150), (80, 150)]


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda x: x),
        (2, np.fliplr),
        (3, lambda x: np.rot90(x, 2)),
        (4, np.flipud),
        (5, lambda x: x.transpose(1, 0, 2)),
        (6, lambda x: np.rot90(x, -1)),
        (7, lambda x: np.rot90(x, 2).transpose(1, 0, 2)),
        (8, np.rot90),
    ],
)
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_what_a_camera_took_lying_is_turned_upright(form, orientation, turn):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}.get(form, {})
    content = encode(Image.fromarray(photograph(48, 32)), form, exif=exif, **options)
    x, _, notes = read_images([content], ["a"], strict=True)
    assert not notes
    upright = turn(photograph(48, 32))
    assert x[0].shape == upright.shape
    assert np.abs(x[0].astype(int) - upright).max() < 6


def test_what_a_camera_noted_and_nobody_understands_is_no_reason_to_skip_an_image():
    for exif in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0nonsense"):
        x, _, notes = read_images([encode(Image.fromarray(colour), "JPEG", exif=exif)], ["a"], strict=True)
        assert x.shape == (1, 6, 8, 3)
        assert not notes


def test_the_size_is_that_of_images_that_can_be_opened():
    good = encode(Image.fromarray(grey))
    x, kept, _ = read_images([b"", b"no image", good], list("abc"), strict=False)
    assert x.shape == (1, 6, 8)
    assert kept == [2]


def test_ten_thousand_small_images_in_well_under_a_second(tmp_path):
    content = encode(Image.fromarray(grey))
    path = tmp_path / "a.png"
    path.write_bytes(content)
    start = time.process_time()
    read_images([str(path)] * 2_000, ["a"] * 2_000, strict=False)
    assert time.process_time() - start < 1  # five times what it takes


def test_images_of_sixteen_bits_are_brought_to_the_units_of_eight():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    pictures = [Image.fromarray(grey), Image.fromarray(grey.astype(np.uint16) * 257)]
    contents = []
    for picture in pictures:
        file = io.BytesIO()
        picture.save(file, "png")
        contents.append(file.getvalue())
    images, _, notes = read_images(contents, ["a", "b"], strict=True)
    np.testing.assert_array_equal(images[0], images[1])
    assert notes == ["1 of 2 images has 16 bits a value: divided by 257 as 255 is white, they are now from 0 to 252"]
    alone, _, notes = read_images(contents[1:], ["b"], strict=True)
    np.testing.assert_array_equal(alone[0], images[1])
    assert alone[0].dtype == np.float32
    assert notes == ["1 of 1 images has 16 bits a value: divided by 257 as 255 is white, they are now from 0 to 252"]


def tiff(x: np.ndarray, *, zero_is_white: bool = False, order: str = "<") -> bytes:
    """A grey TIFF as scanners write it: Pillow itself writes no uint32, no zero as white, no greater byte first."""
    content = x.astype(x.dtype.newbyteorder(order)).tobytes()
    form = {"u": 1, "i": 2}[x.dtype.kind]
    tags = {256: x.shape[1], 257: x.shape[0], 258: 8 * x.itemsize, 259: 1, 262: int(not zero_is_white), 273: 0, 277: 1}
    tags |= {278: x.shape[0], 279: len(content), 339: form}
    tags[273] = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags.items())
    begin = {"<": b"II*\0", ">": b"MM\0*"}[order]
    return begin + struct.pack(f"{order}IH", 8, len(tags)) + entries + bytes(4) + content


def test_whole_numbers_of_other_than_sixteen_bits_are_taken_as_they_are():
    for kind in ("u4", "i4", "i2"):
        images, _, notes = read_images([tiff(grey.astype(kind))] * 2, ["a", "b"], strict=True)
        np.testing.assert_array_equal(images[0], grey)
        said = f"from {grey.min()} to {grey.max()}"
        assert notes == [f"2 of 2 images have 32 bits a value, or a sign: taken as they are, {said}"]
    assert decode(tiff(np.array([[2**32 - 1, 0]], np.uint32))).tolist() == [[2**32, 0]]  # as float32 has it
    signed = grey.astype(np.int16) - 100
    np.testing.assert_array_equal(decode(tiff(signed)), signed)
    pgm = b"P5 8 6 65535\n" + (grey.astype(">u2") * 257).tobytes()
    np.testing.assert_array_equal(decode(pgm), grey)


def test_whole_numbers_beyond_those_of_the_other_images_are_refused():
    other = encode(Image.fromarray(grey))
    images, *_ = read_images([tiff(grey.astype(np.int32)), other], ["a", "b"], strict=True)
    np.testing.assert_array_equal(images[0], images[1])
    for wide in (grey.astype(np.int32) - 100, grey.astype(np.uint32) * 257):
        with pytest.raises(DataError, match=r"1 of 2 images hold whole numbers from .* \(a\), and the others from 0"):
            read_images([tiff(wide), other], ["a", "b"], strict=True)


def test_zero_as_white_is_turned_whatever_the_depth():
    np.testing.assert_array_equal(decode(tiff(grey, zero_is_white=True)), 255 - grey)
    deep = tiff(grey.astype(np.uint16) * 257, zero_is_white=True)
    np.testing.assert_allclose(decode(deep), 255 - grey.astype(float), atol=1e-4)


def test_sixteen_bits_are_the_same_in_either_order_of_their_bytes():
    deep = grey.astype(np.uint16) * 257
    for order in "<>":
        contents = [tiff(deep, order=order), encode(Image.fromarray(grey))]
        images, _, notes = read_images(contents, ["a", "b"], strict=True)
        np.testing.assert_array_equal(images[0], images[1])
        assert notes[0].startswith("1 of 2 images has 16 bits a value: divided by 257")


def test_what_twelve_bits_become_is_said():
    scan = np.array([[0, 4095]], dtype=np.uint16)
    notes = read_images([encode(Image.fromarray(scan))], ["a"], strict=True)[2]
    assert notes == ["1 of 1 images has 16 bits a value: divided by 257 as 255 is white, they are now from 0 to 15.93"]


def test_an_image_of_too_many_pixels_needs_a_smaller_copy(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    for strict in (True, False):
        with pytest.raises(DataError, match=r"its 48 pixels are too many to be read: give a smaller copy\)?$"):
            read_images([encode(Image.fromarray(grey))], ["a"], strict=strict)
