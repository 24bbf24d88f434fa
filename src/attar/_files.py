"""Files that are whole or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def write_whole(path: Path, data: bytes | str) -> None:
    """Write beside `path` and rename, so that a file of that name is always whole; text as UTF-8.

    Raises:
        OSError: it cannot be written; what was there before is still there, and nothing is left beside it.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_whole(Path(folder, "new", "note.txt"), "petals")
        ...     Path(folder, "new", "note.txt").read_text()
        'petals'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = beside(path)
    try:
        with partial.open("wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            # Otherwise a power cut could leave the name of the new file with the content of none.
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def beside(path: Path) -> Path:
    """Where a file is while it is being written; what a killed process left there is overwritten by the next.

    Raises:
        IsADirectoryError: it is a folder by its name.
    """
    if not path.name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.with_name(f".{path.name}.part")
