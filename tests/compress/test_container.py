from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from attar.compress import container
from attar.errors import CompressionError, ExportError


@pytest.mark.parametrize("text", ["", "[]", '[["linear","%","#","#"]]', "é" * 40_000])
@pytest.mark.parametrize("payload", [b"", b"\0\1" * 500])
def test_what_was_written_is_read(tmp_path, text, payload) -> None:
    container.write(tmp_path / "a.attar", text, payload)
    assert container.read(tmp_path / "a.attar") == (text, payload)


@pytest.mark.parametrize("name", ["folder", "file/a.attar", "/proc/a.attar", ""])
def test_a_file_that_cannot_be_written_is_said(name, tmp_path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    path = tmp_path / name if name else Path()
    with pytest.raises(ExportError, match=rf"^{re.escape(str(path))}: cannot be written \(.*\); choose another file"):
        container.write(path, "[]", b"")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder"]


def test_every_changed_byte_is_noticed() -> None:
    data = container.packed("[1]", b"payload")
    for i in range(len(data)):
        for bit in (1, 128):
            changed = data[:i] + bytes([data[i] ^ bit]) + data[i + 1 :]
            with pytest.raises(CompressionError, match=r"a\.attar: "):
                container.opened(changed, "a.attar")
        with pytest.raises(CompressionError):
            container.opened(data[:i], "a.attar")


def framed(body: bytes) -> bytes:
    return b"ATR\1" + zlib.crc32(body).to_bytes(4, "little") + body


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "ends too soon"),
        (b"\xff\xff\xff\xff\xff\xff", "ends too soon"),
        (b"\x7fabc", "ends too soon"),
        (b"\x03\xff\xff\xff", "cannot be read"),
        (bytes([len(deflated(b"\xff\xfe"))]) + deflated(b"\xff\xfe"), "cannot be read"),
        (bytes([len(deflated(b"[1]")) - 1]) + deflated(b"[1]"), "cut off"),
    ],
)
def test_what_nobody_wrote_is_refused(body, what) -> None:
    with pytest.raises(CompressionError, match=what):
        container.opened(framed(body), "a.attar")


def test_a_description_is_not_unpacked_beyond_its_limit() -> None:
    bomb = deflated(b" " * (1 << 26))
    length = bytes([len(bomb) & 127 | 128, len(bomb) >> 7 & 127 | 128, len(bomb) >> 14])
    with pytest.raises(CompressionError, match="longer than"):
        container.opened(framed(length + bomb), "a.attar")


def test_other_files_and_none(tmp_path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"\x08\x0a\x12\x00" * 10)
    with pytest.raises(CompressionError, match=r"a\.onnx: is not an \.attar file"):
        container.read(tmp_path / "a.onnx")
    with pytest.raises(CompressionError, match="cannot be read"):
        container.read(tmp_path / "none.attar")
    data = container.packed("[]", b"")
    with pytest.raises(CompressionError, match="version 9"):
        container.opened(data[:3] + b"\x09" + data[4:], "a.attar")


@pytest.mark.parametrize(("numbers", "size"), [(10**7, 100), (2**28 + 1, 2**30)])
def test_numbers_are_limited_by_the_size_of_the_file(numbers, size) -> None:
    container.allow(10**6, size, "a.attar")
    with pytest.raises(CompressionError, match=rf"{numbers} numbers"):
        container.allow(numbers, size, "a.attar")
