"""WAV recordings, without a library: integers of 8 to 32 bits and floats, full scale as 1."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from attar.data.dataset import Floats
from attar.errors import DataError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


def read_wav(source: Path | bytes, where: str) -> tuple[Floats, int]:
    """Read a recording.

    The sample of `b` bits `v` becomes `v / 2^(b-1)`, between -1 and 1, so that files of different depth
    compare; floats stay.

    References:
        Multimedia Programming Interface and Data Specifications 1.0 (IBM and Microsoft, 1991).

    Arguments:
        source: the file or its bytes.
        where: what an error names.

    Returns:
        Samples `(channels, steps)` and the rate in Hz.

    Raises:
        DataError: not a WAV file, cut short, compressed, or without samples.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    if len(content) < 12 or content[:4] not in (b"RIFF", b"RIFX") or content[8:12] != b"WAVE":
        raise DataError(f"{where}: not a WAV file; save the recording as uncompressed WAV")
    if content[:4] == b"RIFX":
        raise DataError(f"{where}: a WAV file in big-endian order; save it as ordinary (RIFF) WAV")
    layout: tuple[int, int, int, int] | None = None
    at = 12
    while at + 8 <= len(content):
        name, size = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        body = content[at + 8 : at + 8 + size]
        if name == b"fmt " and len(body) >= 16:
            form, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if form == _EXTENSIBLE and len(body) >= 26:
                form = struct.unpack_from("<H", body, 24)[0]
            layout = form, channels, rate, bits
        elif name == b"data":
            if layout is None:
                break
            if len(body) < size and size < 0xFFFFFFFF:
                raise DataError(f"{where}: cut short, {len(body)} of {size} bytes of sound; record or copy it again")
            return _samples(body, layout, where), layout[2]
        at += 8 + size + size % 2  # chunks begin at even places
    raise DataError(f"{where}: a WAV file without sound; record or copy it again")


def _samples(body: bytes, layout: tuple[int, int, int, int], where: str) -> Floats:
    form, channels, _, bits = layout
    width = bits // 8
    if channels == 0 or width == 0 or len(body) < channels * width:
        raise DataError(f"{where}: a WAV file without sound; record or copy it again")
    body = body[: len(body) // (channels * width) * channels * width]
    if form == _FLOAT and bits in (32, 64):
        flat = np.frombuffer(body, f"<f{width}").astype(np.float64)
    elif form == _PCM and bits == 8:
        flat = (np.frombuffer(body, np.uint8).astype(np.float64) - 128) / 128
    elif form == _PCM and bits in (16, 32):
        flat = np.frombuffer(body, f"<i{width}").astype(np.float64) / 2 ** (bits - 1)
    elif form == _PCM and bits == 24:
        # Three bytes become the upper ones of four, which keeps the sign.
        wide = np.zeros((len(body) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        flat = wide.view("<i4")[:, 0].astype(np.float64) / 2**31
    else:
        raise DataError(f"{where}: WAV of format {form} with {bits} bits; save it as uncompressed 16-bit WAV")
    return np.ascontiguousarray(flat.reshape(-1, channels).T, dtype=np.float32)
