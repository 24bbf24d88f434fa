"""Words and parts of words in rows of token ids: the same for every way to cut a text into tokens."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of a polynomial hash over the bytes of a word, and of the hash of two words: a Mersenne prime, so that products of two
# remainders fit into 64 bits.
_PRIME = 2**31 - 1
_BASE, _LEFT, _RIGHT = 263, 7_368_787, 15_485_863
# Bytes that are told apart by their place in a word; later ones count as if all stood at the next.
_PLACES = 64
_BREAK = 1
# Symbols in a row that are terms of their own.
_ROWS = (3, 4)
# First bytes of what Chinese and Japanese are written in, U+3000 to U+9FFF, of three bytes each: a run of these has no
# breaks between its words, so one character and two in a row count as words.
_UNBROKEN, _WIDE = (0xE3, 0xE9), 3


class Words(nn.Module):
    """Codes of the words of a text, of the pairs of neighbouring words, and of three and four letters in a row; else 0.

    Codes below `limit` are words.

    h(w) = Σᵢ bᵢ 263ⁱ mod 2³¹ − 1,  h(v w) = 7368787 h(v) + 15485863 h(w) mod 2³¹ − 1

    A word is a run of letters, digits and underscores; bytes beyond ASCII count as letters. Upper case is lower case in
    ASCII. Two words share a code with probability 2⁻³¹. Letters in a row are of one word; the first or the last may be
    the break beside it. In Chinese and Japanese, which have no breaks between words, each character and each two in a
    row are words too.

    References:
        Karp and Rabin, Efficient randomized pattern-matching algorithms, 1987, https://doi.org/10.1147/rd.312.0249

    Arguments:
        spelled: the bytes of each token id, of which the first 64 count; none for what is no token, such as padding.

    Example:
        >>> one, other = Words([b"", b"A", b" bee", b"a b", b"ee"])(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        >>> sorted(one[one > 0].tolist()) == sorted(other[other > 0].tolist())
        True
    """

    limit = _PRIME

    symbols: Tensor
    powers: Tensor

    def __init__(self, spelled: Sequence[bytes]) -> None:
        super().__init__()
        # There is room for as many bytes of every token: of one without end, the first are looked at.
        longest = min(max(map(len, spelled), default=0), _PLACES)
        rows = [[_symbol(byte) for byte in token[:longest]] + [0] * (longest - len(token)) for token in spelled]
        self.register_buffer("symbols", torch.tensor(rows, dtype=torch.uint8))
        self.register_buffer("powers", torch.tensor([pow(_BASE, i, _PRIME) for i in range(_PLACES + 1)]))

    def forward(self, x: Tensor) -> Tensor:
        """Map ids `(n, length)`, of any type, to int64 `(n, codes)`."""
        symbols = self.symbols[x.long()].flatten(1).long()
        length = symbols.shape[1]
        # The symbols side by side between breaks; what is none goes to a place behind, which is cut off.
        there = symbols != 0
        place = torch.where(there, there.long().cumsum(dim=1), length + 2)
        packed = F.pad(torch.full_like(symbols, _BREAK), (1, 2), value=_BREAK).scatter(1, place, symbols)[:, :-1]
        letter = packed != _BREAK
        first = letter & ~F.pad(letter[:, :-1], (1, 0))
        # Words count from 1; a break belongs to none.
        word = torch.where(letter, first.long().cumsum(dim=1), 0)
        seen = letter.long().cumsum(dim=1)
        none = torch.zeros_like(packed)
        start = none.scatter_add(1, word, torch.where(first, seen, 0)).gather(1, word)
        inside = (seen - start).clamp(0, _PLACES)
        sums = none.scatter_add(1, word, torch.where(letter, packed * self.powers[inside], 0))
        # Between two words is a break, so there are half as many as symbols.
        words = sums[:, 1 : (length + 1) // 2 + 1] % _PRIME
        left, right = words[:, :-1], words[:, 1:]
        pairs = torch.where(right != 0, (left * _LEFT + right * _RIGHT) % _PRIME, 0)
        pairs = torch.where(pairs != 0, pairs + _PRIME, 0)
        alone = [_characters(packed, self.powers, n) for n in (1, 2)]
        return torch.cat([words, *alone, pairs, *(_in_a_row(packed, letter, n) for n in _ROWS)], dim=1)


def _in_a_row(packed: Tensor, letter: Tensor, n: int) -> Tensor:
    """A code for each n symbols side by side of which the inner ones are letters."""
    width = packed.shape[1] - n + 1
    code, inside = torch.zeros_like(packed[:, :width]), torch.ones_like(letter[:, :width])
    for i in range(n):
        code = 256 * code + packed[:, i : i + width]
        inside = inside & letter[:, i : i + width] if 0 < i < n - 1 else inside
    return torch.where(inside, code + 2 * _PRIME, 0)


def _characters(packed: Tensor, powers: Tensor, n: int) -> Tensor:
    """The code of a word for each n characters side by side of a script without breaks."""
    width = packed.shape[1] - n * _WIDE + 1
    if width < 1:
        return packed[:, :0]
    code, there = torch.zeros_like(packed[:, :width]), torch.ones_like(packed[:, :width], dtype=torch.bool)
    for i in range(n * _WIDE):
        byte = packed[:, i : i + width]
        code = code + byte * powers[i]
        least, most = (0x80, 0xBF) if i % _WIDE else _UNBROKEN
        there = there & (byte >= least) & (byte <= most)
    return torch.where(there, code % _PRIME, 0)


def _symbol(byte: int) -> int:
    """A byte as it counts: lower case, or a break between words.

    >>> [_symbol(byte) for byte in b"aA-"] == [97, 97, 1]
    True
    """
    letter = bytes([byte]).lower()
    return letter[0] if byte > 127 or letter.isalnum() or letter == b"_" else _BREAK
