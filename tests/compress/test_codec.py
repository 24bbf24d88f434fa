from __future__ import annotations

import base64
import hashlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.compress import fitting
from attar.compress.codec import decode
from attar.compress.coder import Reader, Writer
from attar.compress.contexts import CAP, LOG, Signs
from attar.compress.fitting import _pictures, _Seen, bits, encode, fitted
from attar.compress.layout import Layout
from attar.compress.symbols import FIRSTS, LARGEST, SYMBOLS, symbol_of
from attar.compress.tensors import WIDEST
from attar.errors import CompressionError


def written(codes):
    writer = Writer()
    encode(writer, codes)
    return writer.data()


def entropy(codes):
    """Bytes of the best code that knows nothing but how frequent each number is."""
    often = np.unique(codes, return_counts=True)[1]
    return float(-(often * np.log2(often / often.sum())).sum() / 8)


def pruned(rows=120, columns=200, share=0.04, seed=0):
    rng = np.random.default_rng(seed)
    kept = rng.random((rows, columns)) < share
    return np.where(kept, rng.integers(1, 4, (rows, columns)) * rng.choice([-1, 1], (rows, columns)), 0)


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(0, 12), min_size=0, max_size=5),
    largest=st.sampled_from([0, 1, 2, 7, 127, 40_000, LARGEST]),
    zeros=st.floats(0, 1),
    shift=st.sampled_from([0, 0, 3, -200]),
    seed=st.integers(0, 99),
)
def test_what_was_written_is_read(shape, largest, zeros, shift, seed) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(-largest, largest, shape, endpoint=True)
    codes = np.where(rng.random(shape) < zeros, 0, codes)
    codes = codes + (shift if largest < LARGEST else 0)
    read = decode(Reader(written(codes)), tuple(shape))
    assert read.shape == codes.shape
    np.testing.assert_array_equal(read, codes)


def test_most_numbers_at_one_end_of_all_that_there_are() -> None:
    codes = np.array([LARGEST] * 6 + [-2] * 4)
    np.testing.assert_array_equal(decode(Reader(written(codes)), codes.shape), codes)


def test_many_tensors_share_one_stream() -> None:
    tensors = [pruned(seed=0), np.arange(-4, 5), np.zeros((3, 4), int), pruned(7, 30, 0.9).reshape(7, 5, 2, 3)]
    writer = Writer()
    for one in tensors:
        encode(writer, one)
    reader = Reader(writer.data())
    for one in tensors:
        np.testing.assert_array_equal(decode(reader, one.shape), one)
    assert reader.finished()


def test_a_tensor_is_written_as_ever() -> None:
    assert written(golden()) == base64.b64decode(GOLDEN)


# Of what was written before large tensors were looked at in part.
@pytest.mark.parametrize(
    ("codes", "known"),
    [
        (pruned(), "96c9dbd89ce17fc6"),
        (pruned(300, 400, 0.6), "f9561676df0f4c1a"),
        (pruned(72, 30, 0.9).reshape(24, 3, 5, 6) + 1000, "0410e62f95dfe8de"),
    ],
)
def test_tensors_that_are_not_large_are_written_as_ever(codes, known) -> None:
    assert codes.size <= fitting._LARGE
    assert hashlib.sha256(written(codes)).hexdigest()[:16] == known


@pytest.mark.parametrize(
    "values", [[3], [5, -2], [0, 0, 0, 7, 7, 9], [-4, -3, 8_000_000, 8_000_001], [-(2**31) + 1, 5]]
)
def test_median_and_deviation_by_frequencies(values) -> None:
    values = np.array(values, np.int32)
    numbers, often = fitting._frequencies(values, int(values.min()), int(values.max()))
    assert fitting._median(numbers, often) == int(np.median(values))
    assert fitting._deviation(numbers, often) == pytest.approx(values.std())


def test_bytes_written_earlier_are_still_read() -> None:
    data = base64.b64decode(GOLDEN)
    np.testing.assert_array_equal(decode(Reader(data), (24, 4, 3, 3)), golden())


def golden():
    place = np.arange(24 * 36).reshape(24, 4, 3, 3)
    return np.where(place * place % 11 < 4, place * 7919 % 23 - 11, 0) + np.where(place % 97 == 0, 5000, 0)


GOLDEN = (
    "RbuhNXl0+kV9hfTshP///z/IdSv9HjmXjfC//P2OyfaL0awRnhx0qw52besBzfHjPlqciKKBxvK9uDdDBQk1XxmaGu8LvMSyViLU"
    "DS4wi42+jB0bHaGlTX3dDokqQd65JWS52c9d+cJ5Hi5ngAXNvSC7SzxmoySPL13i2wUTRy45gNm9R6iFAtpczYFis2dqTVL2cUqZ"
    "EX9Ff9JejzZB+pg5ySeEXFv5rG4KnFOUN3QfoqQqK4R4y/0QQaRUB2WIfY8e4ZzKHZdnIzdaOioz3Jx9g8U5gsLzYoczKzKT8tSw"
    "cHXTYdPkmMSec6xH+KvRDgKFQhHYNwILGLswYhZQ+P2imKW2ofIO8dgPD03vkCu/GrrPlhxUmNuEzxjTgZouzz8nrlgycxOvBJWa"
    "ClcoBTcFRB/C1T12kFeu3ofs4jtSupgt9IhUhnLnOI6ijM9ZODDLicxpa12JewR/TYEQ2lcbCA/DZ//Qcg/rNktZMr+7Qj9GeAGH"
    "tSVAmG61vyMQ"
)


@pytest.mark.parametrize("codes", [pruned(), pruned(share=0.6), np.random.default_rng(0).integers(-60, 60, (90, 90))])
def test_bits_are_those_of_the_file(codes) -> None:
    assert len(written(codes)) - 5 <= bits(codes) / 8 <= len(written(codes)) + 1


def test_numbers_without_any_order_take_their_entropy() -> None:
    codes = pruned(300, 300)
    assert entropy(codes) < len(written(codes)) < 1.01 * entropy(codes) + 20


def test_rows_and_columns_of_different_density_take_less() -> None:
    rng = np.random.default_rng(0)
    density = np.exp(rng.normal(size=(200, 1)) + rng.normal(size=300)) * 0.02
    codes = (rng.random((200, 300)) < density).astype(int)
    # What one who knew all densities would need.
    p = np.clip(density, 0, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ideal = -np.where(codes, np.log2(p), np.log2(1 - p))[(p > 0) & (p < 1)].sum() / 8
    assert len(written(codes)) < 0.9 * entropy(codes)
    assert len(written(codes)) < 1.12 * ideal


def test_alike_neighbours_take_less() -> None:
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(64, 28, 28))
    for axis in (1, 2):
        smooth = smooth + np.roll(smooth, 1, axis) + np.roll(smooth, -1, axis)
    codes = np.rint(smooth).astype(int).reshape(64, 784)
    assert fitted(codes).layout.width == 28  # found, not told
    assert len(written(codes)) < 0.9 * entropy(codes)


def test_a_constant_takes_no_room() -> None:
    assert len(written(np.full((1000, 1000), -3))) <= 4


def test_signs_of_long_rows_of_large_numbers() -> None:
    layout, elements = Layout(2, 1 << 17), np.arange(1 << 18)
    signs = Signs(layout, 1, [0])
    groups = layout.groups(elements, [0])
    signs.learn(groups, elements, np.where(elements % 4 > 0, CAP, -CAP))
    (told,) = signs.features(groups, elements)
    np.testing.assert_allclose(told, 0.5 * 2**LOG, atol=2)


def test_pictures_are_no_taller_than_can_be_told() -> None:
    # Twice a prime number.
    layout = Layout(2, 2 * 131_101)
    assert _pictures(Layout(2, 24), np.tile([1, -1], 24))
    assert all(one.height <= WIDEST for one in _pictures(layout, np.tile([1, -1], layout.columns)))


def test_a_look_for_pictures_takes_no_more_than_the_numbers_do() -> None:
    codes = np.random.default_rng(0).integers(-3, 4, 1 << 18)
    tracemalloc.start()
    _pictures(Layout(1 << 9, 1 << 9), codes)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1.5 * codes.nbytes


@pytest.mark.parametrize("total", [90, 100, 101, 1000])
def test_of_what_is_expected_every_so_many_is_kept_however_it_comes(total, monkeypatch) -> None:
    monkeypatch.setattr(fitting, "_ENOUGH", 100)
    every, seen = np.random.default_rng(0).integers(0, 99, (3, total)), _Seen(total)
    for part in np.array_split(every, [1, 1, 7, total // 2], axis=1):
        seen(part[0], [part[1], part[2]], part[0])
    some = slice(None, None, -(-total // 100))
    np.testing.assert_array_equal(seen.elements, every[0, some])
    np.testing.assert_array_equal(seen.x * 2**LOG, every[1:, some].T)


def test_symbols_tell_magnitudes_in_order() -> None:
    magnitudes = np.unique(np.concatenate([np.arange(5000), FIRSTS, FIRSTS - 1, [LARGEST]]).clip(0))
    symbols = symbol_of(magnitudes)
    assert (np.diff(symbols) >= 0).all()
    assert symbols.max() < SYMBOLS
    assert (FIRSTS[symbols] <= magnitudes).all()
    np.testing.assert_array_equal(symbol_of(FIRSTS), np.arange(SYMBOLS))


@pytest.mark.parametrize(
    "codes",
    [np.array([2**31]), np.array([-(2**40), 0, 1]), np.array([-(2**63), 1, 2]), np.array([-(2**31)] + [-9] * 4)],
)
def test_too_large_numbers(codes) -> None:
    with pytest.raises(CompressionError, match="too large"):
        written(codes)


@settings(max_examples=80, deadline=None)
@given(data=st.binary(max_size=80), shape=st.sampled_from([(0,), (5,), (40, 50), (8, 3, 5, 5), (1, 300), (300, 1)]))
def test_whatever_is_read_gives_numbers_or_is_refused(data, shape) -> None:
    try:
        read = decode(Reader(data), shape)
    except CompressionError:
        return
    assert read.shape == shape
