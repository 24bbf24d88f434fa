from __future__ import annotations

import struct
import wave

import numpy as np
import pytest
from scipy.io import wavfile

from attar.data.wav import read_wav
from attar.errors import DataError

rng = np.random.default_rng(0)
sound = rng.uniform(-0.9, 0.9, (2, 50))


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_integers_of_every_depth(tmp_path, width):
    scale = 2.0 ** (8 * width - 1)
    levels = np.round(sound * scale).astype(np.int64)
    stored = (levels + 128 if width == 1 else levels).T.ravel()
    body = b"".join(int(v).to_bytes(width, "little", signed=width > 1) for v in stored)
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(body)
    x, rate = read_wav(path, "a")
    assert rate == 8000
    assert x.dtype == np.float32
    assert np.array_equal(x, (levels / scale).astype(np.float32))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.int32])
def test_what_scipy_writes(tmp_path, kind):
    path = tmp_path / "a.wav"
    scale = 1 if np.dtype(kind).kind == "f" else np.iinfo(kind).max
    wavfile.write(path, 100, (sound.T * scale).astype(kind))
    x, rate = read_wav(path.read_bytes(), "a")
    assert rate == 100
    assert np.allclose(x, sound, atol=1e-4)


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


PCM = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))


def test_extensible_and_unknown_chunks():
    form = struct.pack("<HHIIHHHHIH14s", 0xFFFE, 1, 8000, 16000, 2, 16, 22, 16, 0, 1, b"\0" * 14)
    x, _ = read_wav(
        riff(chunk(b"LIST", b"odd"), chunk(b"fmt ", form), chunk(b"data", struct.pack("<hh", 0, -32768))), "a"
    )
    assert x.tolist() == [[0, -1]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a WAV"),
        (b"x" * 100, "not a WAV"),
        (b"RIFX" + riff(PCM)[4:], "big-endian"),
        (riff(PCM), "without sound"),
        (riff(chunk(b"data", b"1234")), "without sound"),
        (riff(PCM, chunk(b"data", b"")), "without sound"),
        (riff(PCM, chunk(b"data", b"1" * 100))[:-50], "cut short, 50 of 100"),
        (riff(chunk(b"fmt ", struct.pack("<HHIIHH", 2, 1, 8000, 0, 2, 4)), chunk(b"data", b"1" * 9)), "without sound"),
        (riff(chunk(b"fmt ", struct.pack("<HHIIHH", 6, 1, 8000, 0, 2, 8)), chunk(b"data", b"1" * 9)), "format 6"),
    ],
)
def test_broken_files(content, message):
    with pytest.raises(DataError, match=f"f: .*{message}"):
        read_wav(content, "f")
