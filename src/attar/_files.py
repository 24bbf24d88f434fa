"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from contextlib import suppress
from pathlib import Path

# What a safetensors file says of itself so that its checksum has a place in it.
SEAL = {"checksum": "00000000"}
_BEFORE, _PLACE = b'"checksum":"', b"00000000"


def at_home(name: str) -> Path:
    """A path whose ~ is a person's folder; as it stands where nobody is called so.

    >>> at_home("~nobody-of-this-name/x").as_posix()
    '~nobody-of-this-name/x'
    """
    with suppress(RuntimeError):
        return Path(name).expanduser()
    return Path(name)


def write_whole(path: Path, data: bytes | str) -> None:
    """Write beside `path` and rename, so that a file of that name is always whole; text as UTF-8.

    The file that a symbolic link names is written, and not the link; one that is there keeps its mode. What is there
    and is no file, such as a pipe, is written to as it is.

    Raises:
        OSError: it cannot be written; what was there before is still there, and nothing is left beside it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_whole(Path(folder, "new", "note.txt"), "petals")
        ...     Path(folder, "new", "note.txt").read_text()
        'petals'
    """
    content = data.encode() if isinstance(data, str) else data
    mode = _mode(path)
    if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        path.write_bytes(content)
        return
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    try:
        # One that a killed process left may have a mode that forbids to write.
        partial.unlink(missing_ok=True)
        with partial.open("wb") as file:
            if mode is not None:
                partial.chmod(stat.S_IMODE(mode))
            file.write(content)
            file.flush()
            # Otherwise a power cut could leave the name of the new file with the content of none.
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            error.filename = str(path)  # a person knows it by that name
        raise


def sealed(data: bytes) -> bytes:
    """A safetensors file with `SEAL` among what it says of itself, and in that place the CRC-32 of all of it.

    >>> from safetensors.numpy import load, save
    >>> file = sealed(save({}, SEAL))
    >>> is_whole(file), is_whole(file.replace(b"checksum", b"chocksum")), is_whole(file + b"x"), load(file)
    (True, True, False, {})
    """
    place = data.index(_BEFORE + _PLACE) + len(_BEFORE)
    return b"%b%08x%b" % (data[:place], zlib.crc32(data), data[place + len(_PLACE) :])


def is_whole(data: bytes) -> bool:
    """Whether a safetensors file is as it was `sealed`; what was not, as files of earlier versions, may be anything."""
    # In what comes before the numbers, whose first eight bytes say how long it is.
    place = data.find(_BEFORE, 0, 8 + int.from_bytes(data[:8], "little"))
    if place < 0:
        return True
    start, end = place + len(_BEFORE), place + len(_BEFORE) + len(_PLACE)
    found = zlib.crc32(memoryview(data)[end:], zlib.crc32(data[:start] + _PLACE))
    return data[start:end] == b"%08x" % found


def _mode(path: Path) -> int | None:
    """What a path leads to, and who may read and write it; None where nothing is there."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def beside(path: Path) -> Path:
    """Where a file is while it is being written; what a killed process left there is overwritten by the next.

    Raises:
        IsADirectoryError: it is a folder by its name.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(f".{path.name}.part")
