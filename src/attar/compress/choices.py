"""Arguments that are one of a few words."""

from __future__ import annotations

from collections.abc import Sequence

from attar.errors import CompressionError


def check_choice(name: str, value: object, words: Sequence[str]) -> None:
    """Hold an argument to the words that it may be.

    Raises:
        CompressionError: it is none of them.
    """
    if value not in words:
        raise CompressionError(f"{name}={value!r} is unknown: take one of {', '.join(words)}")
