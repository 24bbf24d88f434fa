"""Arguments that are one of a few words, and seeds."""

from __future__ import annotations

from collections.abc import Sequence

from attar._settings import is_count
from attar.errors import CompressionError


def check_choice(name: str, value: object, words: Sequence[str]) -> None:
    """Hold an argument to the words that it may be.

    Raises:
        CompressionError: it is none of them.
    """
    if value not in words:
        raise CompressionError(f"{name}={value!r} is unknown: take one of {', '.join(words)}")


def as_seed(seed: int) -> int:
    """A seed as torch takes it, which takes no numbers of numpy.

    Raises:
        CompressionError: it is none.
    """
    if not (is_count(seed, 0) and seed < 1 << 32):
        raise CompressionError(f"seed={seed!r}: it must be a whole number from 0, below 2**32")
    return int(seed)
