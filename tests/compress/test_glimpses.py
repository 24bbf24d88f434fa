from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attar.compress import fitting, glimpses
from attar.compress.codec import decode, passed
from attar.compress.coder import Counter, Reader, Writer
from attar.compress.contexts import LOG, SIGN_UNIT, UNIT
from attar.compress.fitting import encode
from attar.compress.glimpses import Glimpse
from attar.compress.layout import Layout, matrix
from attar.compress.symbols import LARGEST, MIDDLES, symbol_of
from attar.compress.tensors import ODDS, Model, mean_of


def numbers(shape, share=1.0, largest=7, seed=0):
    """Rows and columns of different size, and neighbours that are alike, of which a share is kept."""
    rng = np.random.default_rng(seed)
    rows = np.exp(rng.normal(size=(shape[0], 1)) * 0.5 + rng.normal(size=int(np.prod(shape[1:]))) * 0.3)
    w = rows.reshape(shape) * rng.normal(size=shape)
    w = w + 0.5 * np.roll(w, 1, -1)
    w = np.where(np.abs(w) >= np.quantile(np.abs(w), 1 - share), w, 0)
    return np.rint(w / np.abs(w).max() * largest).astype(np.int64)


def model_of(codes, layout=None):
    sizes = MIDDLES[symbol_of(np.abs(codes))]
    odds = 2 * np.log2(max((codes == 0).sum(), 0.5) / (codes != 0).sum()) + ODDS // 2
    return Model(
        layout or matrix(codes.shape),
        0,
        int(symbol_of(np.abs(codes)).max()) + 1,
        bool((codes < 0).any()),
        mean_of(float(sizes.mean())),
        int(np.clip(round(odds), 0, ODDS - 1)),
    )


def passing(model, values):
    """What a pass over all elements expects of each, and of the signs of those that are not 0."""
    n = model.layout.divisions
    found = [np.zeros((values.size, n)) for _ in range(2)]

    def watch(i):
        def told(elements, features, _):
            found[i][elements] = np.stack(features, axis=1) / 2**LOG

        return told

    every = replace(model, weights=(1 << UNIT,) * n, sign_weights=(1 << SIGN_UNIT,) * n * model.signed)
    passed(Counter(), every, values, watch(0), watch(1))
    return found


@pytest.mark.parametrize("at_once", [1 << 12, 1 << 20])
@pytest.mark.parametrize(
    ("shape", "picture", "share"),
    [
        ((300, 400), None, 1.0),
        ((300, 400), None, 0.05),
        ((300, 400), (5, 4), 1.0),
        ((300, 400), (10, 20), 0.3),
        ((110, 120, 3, 3), None, 1.0),
        ((280, 90, 5), None, 0.1),
        ((60_000, 2), None, 0.9),
    ],
)
def test_what_is_expected_is_about_what_a_pass_over_all_expects(shape, picture, share, at_once, monkeypatch) -> None:
    monkeypatch.setattr(glimpses, "_AT_ONCE", at_once)
    codes = numbers(shape, share)
    plain = model_of(codes)
    layout = plain.layout if picture is None else Layout(plain.layout.rows, plain.layout.columns, *picture)
    values = codes.reshape(-1)
    glimpse = Glimpse(plain, values, 2000)
    found, whole = glimpse.known(layout), passing(replace(plain, layout=layout), values)
    some = glimpse._some
    np.testing.assert_array_equal(found.magnitudes, MIDDLES[symbol_of(np.abs(values[some]))])
    np.testing.assert_array_equal(found.positive, values[some][values[some] != 0] > 0)
    # Elements of one place are taken to be in one set, so that some of them may be of the next.
    for told, true in ((found.expected, whole[0][some]), (found.expected_signs, whole[1][some][values[some] != 0])):
        assert np.median(np.abs(told - true), axis=0).max() <= 2 / 2**LOG
        assert np.abs(told - true).mean() < 0.1 * np.abs(true).mean()


def test_a_part_knows_what_the_whole_knows_of_its_elements() -> None:
    codes = numbers((150, 200))
    glimpse, layout = Glimpse(model_of(codes), codes.reshape(-1), 3000), Layout(150, 200, 4, 5)
    every, part = glimpse.known(layout), glimpse.part(4).known(layout)
    np.testing.assert_array_equal(part.expected, every.expected[::4])
    np.testing.assert_array_equal(part.magnitudes, every.magnitudes[::4])


def test_its_bits_are_about_those_of_the_pass() -> None:
    codes = numbers((300, 400))
    model = replace(model_of(codes), weights=(6, 5), sign_weights=(0, 0))
    counter = Counter()
    passed(counter, model, codes.reshape(-1))
    assert Glimpse(model, codes.reshape(-1), 1 << 15).bits(model) == pytest.approx(counter.bits, rel=0.02)


def pictures():
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(180, 28, 28))
    for axis in (1, 2):
        smooth = smooth + np.roll(smooth, 1, axis) + np.roll(smooth, -1, axis)
    return np.rint(smooth * 2).astype(np.int64).reshape(180, 784)


LARGE = {
    "8 bits": lambda: numbers((360, 370), largest=127),
    "4 bits": lambda: numbers((370, 360)),
    "pruned": lambda: numbers((300, 450), 0.04),
    "filters": lambda: numbers((128, 120, 3, 3), largest=100),
    "pruned filters": lambda: numbers((128, 120, 3, 3), 0.1),
    "pictures": pictures,
    "pruned pictures": lambda: np.where(np.abs(pictures()) > 14, pictures(), 0),
    "no order": lambda: np.random.default_rng(0).integers(-90, 90, (70, 2000)),
    "an offset": lambda: np.random.default_rng(0).poisson(3, (400, 350)) + 1000,
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_model_by_some_elements_takes_hardly_more_than_one_by_all(kind, monkeypatch) -> None:
    codes = LARGE[kind]()
    assert codes.size > fitting._LARGE
    sizes = []
    for large in (fitting._LARGE, 1 << 30):
        monkeypatch.setattr(fitting, "_LARGE", large)
        fitting._SEEN.clear()
        writer = Writer()
        encode(writer, codes)
        np.testing.assert_array_equal(decode(Reader(writer.data()), codes.shape), codes)
        sizes.append(len(writer.data()))
    # A word of the range code is four bytes.
    assert sizes[0] <= 1.001 * sizes[1] + 8


def test_no_pass_over_a_large_tensor_is_made_to_choose(monkeypatch) -> None:
    def refused(*_):
        raise AssertionError

    monkeypatch.setattr(fitting, "passed", refused)
    assert fitting.fitted(LARGE["pictures"]()).layout.width == 28


@pytest.mark.parametrize("shape", [(70_000, 2), (3, 50_000), (64, 2100), (140_000,), (66, 5, 21, 20)])
def test_large_numbers_in_shapes_of_any_kind(shape) -> None:
    codes = np.random.default_rng(0).integers(-LARGEST, LARGEST, shape, endpoint=True)
    codes.reshape(-1)[:2] = LARGEST, -LARGEST
    writer = Writer()
    encode(writer, codes)
    np.testing.assert_array_equal(decode(Reader(writer.data()), codes.shape), codes)
