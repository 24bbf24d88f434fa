"""Range coding: symbols and their probabilities become as many bits as information theory asks for."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from constriction import stream

from attar.errors import CompressionError

Ints = npt.NDArray[np.int64]
AnyInts = npt.NDArray[np.integer[Any]]

_WORD = 4
# Bits of a number that is written by itself.
_AT_ONCE = 16


class Coder(Protocol):
    """What a model of symbols talks to: the same model writes, reads, or only counts.

    Each method is told the symbols where they are written or counted, and answers with them.
    """

    def symbols(self, weights: Ints, n: int, given: AnyInts | None) -> AnyInts:
        """So many symbols of one distribution: whole weights in proportion to the probabilities, in sum below 2²⁴."""

    def uniform(self, size: int, n: int, given: Ints | None) -> Ints:
        """So many numbers, all below a size of at most 2¹⁶, and equally probable."""


class Writer:
    """Writes symbols.

    References:
        Martin, Range encoding: an algorithm for removing redundancy from a digitised message, 1979
        Bamler, Understanding Entropy Coding With Asymmetric Numeral Systems, 2022, https://arxiv.org/abs/2201.01741

    Example:
        >>> writer = Writer()
        >>> _ = writer.symbols(np.array([3, 1]), 5, np.array([0, 1, 0, 0, 0]))
        >>> Reader(writer.data()).symbols(np.array([3, 1]), 5)
        array([0, 1, 0, 0, 0])
    """

    def __init__(self) -> None:
        self._encoder = stream.queue.RangeEncoder()

    def symbols(self, weights: Ints, n: int, given: AnyInts | None) -> AnyInts:
        """Write symbols of one distribution."""
        assert given is not None
        if len(weights) > 1 and n:
            self._encoder.encode(given.astype(np.int32), _categorical(weights))
        return given

    def uniform(self, size: int, n: int, given: Ints | None) -> Ints:
        """Write equally probable numbers."""
        assert given is not None
        if size > 1 and n:
            self._encoder.encode(given.astype(np.int32), stream.model.Uniform(size))
        return given

    def data(self) -> bytes:
        """All that was written; zeros at the end of the last word are left out."""
        words: bytes = self._encoder.get_compressed().astype("<u4").tobytes()
        return words[:-_WORD] + words[-_WORD:].rstrip(b"\0")


class Reader:
    """Reads what `Writer` wrote; of data that nobody wrote so, something or a `CompressionError`."""

    def __init__(self, data: bytes) -> None:
        self._decoder = stream.queue.RangeDecoder(
            np.frombuffer(data + b"\0" * (-len(data) % _WORD), "<u4").astype(np.uint32)
        )

    def symbols(self, weights: Ints, n: int, given: AnyInts | None = None) -> Ints:  # noqa: ARG002
        """Read symbols of one distribution."""
        if len(weights) < 2 or not n:
            return np.zeros(n, np.int64)
        return self._read(_categorical(weights), n)

    def uniform(self, size: int, n: int, given: Ints | None = None) -> Ints:  # noqa: ARG002
        """Read equally probable numbers."""
        if size < 2 or not n:
            return np.zeros(n, np.int64)
        return self._read(stream.model.Uniform(size), n)

    def _read(self, model: stream.model.Model, n: int) -> Ints:
        try:
            return np.asarray(self._decoder.decode(model, n), np.int64)
        except AssertionError:
            raise CompressionError("the coded numbers are damaged") from None

    def finished(self) -> bool:
        """Whether nothing is left, as far as can be told."""
        return bool(self._decoder.maybe_exhausted())


class Counter:
    """Counts bits, without writing them."""

    def __init__(self) -> None:
        self.bits = 0.0

    def symbols(self, weights: Ints, n: int, given: AnyInts | None) -> AnyInts:
        """−Σ log₂ p of symbols of one distribution."""
        assert given is not None
        if n:
            self.bits += float(n * np.log2(weights.sum()) - np.log2(weights)[given].sum())
        return given

    def uniform(self, size: int, n: int, given: Ints | None) -> Ints:
        """log₂ of the size, for each."""
        assert given is not None
        self.bits += n * float(np.log2(size))
        return given


def number(coder: Coder, most: int, given: int | None) -> int:
    """One whole number between 0 and `most`, which takes log₂ of that many bits."""
    if most >> _AT_ONCE:
        high = number(coder, most >> _AT_ONCE, None if given is None else given >> _AT_ONCE)
        return high << _AT_ONCE | number(coder, (1 << _AT_ONCE) - 1, None if given is None else given & 0xFFFF)
    return int(coder.uniform(most + 1, 1, None if given is None else np.array([given]))[0])


def _categorical(weights: Ints) -> stream.model.Categorical:
    return stream.model.Categorical(weights.astype(np.float32), perfect=False)
