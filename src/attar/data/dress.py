"""How the numbers of a column were written in training, which a model keeps for new cells."""

from __future__ import annotations

from typing import Any

from attar.data.dataset import Column

NAMES = {".": "a point", ",": "a comma"}
# Under which a field of Arrow has it.
_SIGNS, _UNIT = b"attar.signs", b"attar.unit"


def keeping(field: Any, column: Column) -> Any:
    """A field of an Arrow table that brings along how its cells were written, for `kept`."""
    return field.with_metadata({_SIGNS: column.signs, _UNIT: column.unit})


def kept(field: Any) -> tuple[str, str]:
    """The `signs` and the `unit` of a column that was read from a text."""
    said = field.metadata or {}
    return said.get(_SIGNS, b"").decode(), said.get(_UNIT, b"").decode()


def is_dressed(column: Column) -> bool:
    """Whether no cell of a model's column of numbers can be read but by how these were written in training."""
    return len(column.signs) > 1 or bool(column.signs and column.unit)


def written_otherwise(found: Column, column: Column) -> str | None:
    """What is wrong with a column that was read as numbers by its own file, and otherwise than a model's in training.

    >>> written_otherwise(Column("a", unit="g"), Column("a", unit="kg"))
    "is in 'g' where training had 'kg'; write it in that, or without"
    """
    if found.unit and column.unit not in ("", found.unit):
        return f"is in '{found.unit}' where training had '{column.unit}'; write it in that, or without"
    if found.signs and column.signs[:1] not in ("", found.signs[0]):
        one, other = NAMES[found.signs[0]], NAMES[column.signs[0]]
        return f"has {one} before fractions where training had {other}; write it so"
    return None
