"""A curve as a file of Arrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attar.errors import DataError

KEY = "attar.curve"
"""Of the metadata of a table: the curve as JSON."""


def as_arrow(table: Any) -> bytes:
    """A table as an Arrow file."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def json_of(path: Path) -> str:
    """The JSON in a file of it, or in an Arrow file's metadata.

    Raises:
        DataError: it is neither.
    """
    import pyarrow as pa

    try:
        if path.suffix != ".arrow":
            return path.read_text("utf-8")
        with pa.ipc.open_file(path) as reader:
            text: str = (reader.schema.metadata or {})[KEY.encode()].decode()
            return text
    except (UnicodeDecodeError, pa.ArrowInvalid, KeyError) as error:
        raise DataError(f"not a file of one: {error}") from None
