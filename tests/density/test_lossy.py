"""What is decoded is as near as was asked for, in as few bits as the theory allows, and no other bytes are believed."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from attar.density import LossyCoder, lossy
from attar.errors import DataError
from attar.represent import PCA, RandomFeatures


@pytest.fixture(scope="module")
def digits():
    x = load_digits().data
    return x[:1200], x[1200:]


@pytest.mark.parametrize("error", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("latent", [False, True])
def test_the_error_is_kept_also_by_samples_unlike_those_learnt_from(digits, error, latent):
    train, test = digits
    coder = LossyCoder(PCA(8).fit(train) if latent else None).fit(train)
    odd = 50 * np.random.default_rng(0).standard_normal((20, 64))
    for x in (test, 16 - test, odd, 500 * error * odd):
        assert np.sqrt(np.mean((coder.decode(coder.encode(x, error)) - x) ** 2)) <= error * (1 + 1e-9)


def test_values_halfway_between_two_steps_keep_the_error_too():
    """A constant column has no spread to learn, and all samples may lie at the worst place of it."""
    coder = LossyCoder().fit(np.random.default_rng(0).standard_normal((50, 2)) * [1, 0])
    for error in (0.1, 1.0):
        x = np.tile([0.0, np.sqrt(3) * error], (20, 1))
        assert np.sqrt(np.mean((coder.decode(coder.encode(x, error)) - x) ** 2)) <= error * (1 + 1e-9)


def test_bits_are_near_the_rate_of_a_laplace_source():
    """At a high rate a value of entropy h nats costs h − ln Δ: for a Laplace distribution h = 1 + ln 2b."""
    rng = np.random.default_rng(0)
    scales = np.array([1.0, 4.0, 20.0])
    x = rng.laplace(size=(20_000, 3)) * scales
    coded = LossyCoder().fit(x).encode(x, error=0.05)
    expected = np.sum(1 + np.log(2 * scales) - np.log(np.sqrt(12) * 0.05)) / np.log(2)
    assert 8 * len(coded) / len(x) == pytest.approx(expected, rel=0.01)


def test_fewer_bits_than_coding_each_value_alone(digits):
    train, test = digits
    coded = LossyCoder().fit(train).encode(test, error=1.0)
    steps = np.rint(test / np.sqrt(12)).astype(int)
    shares = np.unique(steps, return_counts=True)[1] / steps.size
    assert 8 * len(coded) < -test.size * float((shares * np.log2(shares)).sum())


@pytest.mark.parametrize("latent", [False, True])
def test_shapes_and_no_samples_come_back(digits, latent):
    images = digits[0].reshape(-1, 8, 8)
    coder = LossyCoder(PCA(8).fit(images) if latent else None).fit(images)
    assert coder.decode(coder.encode(images[:3], 1.0)).shape == (3, 8, 8)
    assert coder.decode(coder.encode(images[:0], 1.0)).shape == (0, 8, 8)


def test_constant_values_and_fewer_samples_than_values(digits):
    x = np.full((4, 70), 3.0)
    x[:, 0] = [1, 2, 3, 4]
    coder = LossyCoder().fit(x)
    assert np.abs(coder.decode(coder.encode(x, 0.01)) - x).max() < 0.05


@pytest.mark.parametrize("scale", [1e-60, 1e40, 1e138])
def test_bits_do_not_depend_on_the_unit(digits, scale):
    coders = [LossyCoder().fit(scale * digits[0]) for scale in (1, scale)]
    coded = [coder.encode(scale * digits[1], 0.5 * scale) for coder, scale in zip(coders, (1, scale))]
    assert len(coded[1]) == pytest.approx(len(coded[0]), rel=0.01)
    np.testing.assert_allclose(coders[1].decode(coded[1]) / scale, digits[1], atol=5)


def test_damaged_forged_and_foreign_bytes_are_refused(digits):
    train, test = digits
    coder, other = LossyCoder().fit(train), LossyCoder().fit(train[:600])
    coded = coder.encode(test[:5], 1.0)
    rng = np.random.default_rng(0)
    for _ in range(200):
        broken = bytearray(coded)
        broken[rng.integers(len(coded))] ^= 1 << int(rng.integers(8))
        with pytest.raises(DataError):
            coder.decode(bytes(broken))
    for bad in (b"", coded[:20], b"x" * 100, coded + b"1234", coded[:-4]):
        with pytest.raises(DataError):
            coder.decode(bad)
    assert np.array_equal(coder.decode(memoryview(coded)), coder.decode(coded))
    with pytest.raises(DataError, match="another coder"):
        other.decode(coded)
    with pytest.raises(DataError, match="max_values"):
        coder.decode(coded, max_values=100)


@pytest.mark.parametrize(
    ("step", "payload"),
    [(1.0, b"abc"), (np.nan, b""), (0.0, b""), (-1.0, b""), (np.inf, b""), (1.0, b"\xff" * 400)],
)
def test_forged_bytes_with_the_right_checksum_are_refused_too(digits, step, payload):
    coder = LossyCoder().fit(digits[0])
    header = lossy._HEADER.pack(lossy._MAGIC, coder._fingerprint(), 30, 64, 0, step)
    with pytest.raises(DataError, match="not bytes that"):
        coder.decode(header + lossy._CHECKSUM.pack(zlib.crc32(header + payload)) + payload)


def test_a_representation_that_cannot_be_undone_is_refused(digits):
    train, _ = digits
    with pytest.raises(DataError, match="RandomFeatures cannot be undone"):
        LossyCoder(RandomFeatures(8, random_state=0).fit(train)).fit(train)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((1, 3)), "two samples"),
        (np.ones(3), "two samples"),
        (np.ones((2, 5000)), "4096"),
        ([[1, np.nan], [1, 2]], "sample 0"),
        ([[1, 1e160], [1, 2]], "1e\\+160 is too large to square: divide the samples by a constant"),
    ],
)
def test_bad_samples_are_named(x, message):
    with pytest.raises(DataError, match=message):
        LossyCoder().fit(x)


def test_complex_samples_do_not_lose_half_of_what_they_are(digits):
    for refuses in (LossyCoder().fit, lambda x: LossyCoder().fit(digits[0]).encode(x, 1.0)):
        with pytest.raises(ValueError, match="Complex data not supported"):
            refuses(digits[1] * 1j)


def test_a_fit_that_fails_changes_nothing(digits):
    train, test = digits
    coder = LossyCoder().fit(train)
    coded = coder.encode(test, 1.0)
    with pytest.raises(DataError, match="sample 0"):
        coder.fit([[1, np.nan], [1, 2]])
    assert coder.encode(test, 1.0) == coded


@pytest.mark.parametrize(("error", "message"), [(0, "above zero"), (np.nan, "above zero"), (1e-9, "too small")])
def test_bad_errors_are_named(digits, error, message):
    with pytest.raises(DataError, match=message):
        LossyCoder().fit(digits[0]).encode(digits[1], error)
