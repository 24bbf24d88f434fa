"""Texts to token ids and back: a byte-level BPE learnt from the texts themselves, or the tokenizer of a backbone."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from attar.data.dataset import Floats
from attar.errors import DataError, MissingExtraError, first_line

# Ids that are no token: what follows the end of a text, and what takes the place of a hidden token.
PAD, MASK = 0, 1
_SPECIAL = 2
_BYTES = 256
# Tokens beside the bytes: one for so many words, and at most so many in all. A token that is rarer teaches nothing.
_WORDS_PER_TOKEN = 12
_LARGEST = 8192
_RAREST = 2
# Bytes of a token. A line of dashes would else become one, and room for as many bytes be kept for every other token. Of
# 99,000 messages, questions, reviews and news in English no token has more than 20.
_WIDEST = 24
_CHUNK = 4096


@dataclass(frozen=True)
class Tokenizer:
    """A map between texts and token ids that is written down as a short text.

    Of its own kind it is a byte-level BPE: every text has ids, and every text but for lone surrogates comes back as it
    was. Ids from 2 on are tokens, 0 is padding and 1 is a mask; the first 256 tokens are single bytes, each further one
    joins two earlier ones, up to 24 bytes.

    References:
        Sennrich, Haddow, Birch, Neural Machine Translation of Rare Words with Subword Units, 2016,
        https://arxiv.org/abs/1508.07909
        Radford et al., Language Models are Unsupervised Multitask Learners, 2019, section 2.2 (on bytes),
        https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf

    Arguments:
        state: as `learn` or `of_file` made it; the text by which it is stored.

    Example:
        >>> tokenizer = Tokenizer.learn(["to be or not to be", "to be"])
        >>> ids = tokenizer.encode(["not 🐝"], length=12)
        >>> ids.shape, tokenizer.decode(ids)
        ((1, 12), ['not 🐝'])
    """

    state: str

    @classmethod
    def learn(cls, texts: Sequence[str]) -> Tokenizer:
        """Learn the merges from texts; the same texts give the same ones."""
        tokenizers = _package()
        words = sum(len(text.split()) for text in texts)
        fast = _byte_level(tokenizers.models.BPE())
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=_BYTES + min(_LARGEST, words // _WORDS_PER_TOKEN),
            min_frequency=_RAREST,
            max_token_length=_WIDEST,
            initial_alphabet=_alphabet(),
            show_progress=False,
        )
        fast.train_from_iterator((_sound(text) for text in texts), trainer)
        model = json.loads(fast.to_str())["model"]
        place = model["vocab"]
        pairs = np.array([[place[a], place[b]] for a, b in model["merges"]], dtype="<u2")
        return cls(json.dumps({"form": "bpe", "merges": _packed(pairs.tobytes())}))

    @classmethod
    def of_file(cls, path: Path, pad: int) -> Tokenizer:
        """The tokenizer of a pretrained model.

        Arguments:
            path: its `tokenizer.json`.
            pad: id of its padding.

        Raises:
            DataError: the file is none.
        """
        try:
            fast = _package().Tokenizer.from_file(str(path))
        except Exception as error:  # the package raises plain Exception
            raise DataError(
                f"{path.name}: not a tokenizer ({first_line(error)}); save the model with its fast tokenizer"
            ) from None
        fast.no_padding()
        fast.no_truncation()
        return cls(json.dumps({"form": "tokenizers", "pad": pad, "json": _packed(fast.to_str().encode())}))

    @property
    def pad(self) -> int:
        """The id that stands after the end of a text."""
        pad: int = self._said.get("pad", PAD)
        return pad

    @property
    def marked(self) -> bool:
        """Whether the end of a text may carry a mark, which a cut through its ids would lose."""
        return bool(self._said["form"] == "tokenizers")

    @property
    def size(self) -> int:
        """Number of ids, padding and mask included."""
        return int(self._fast.get_vocab_size()) + self._shift

    def encode(self, texts: Sequence[str], length: int | None = None) -> Floats:
        """Token ids of texts.

        Arguments:
            texts: any; what follows the last id that has room is cut off.
            length: of the result; None: of the longest text.

        Returns:
            float32 `(n, length)`, NaN after the end of a text.
        """
        found = self.ids(texts, length)
        return padded(found, max(map(len, found), default=0) if length is None else length)

    def ids(self, texts: Sequence[str], length: int | None = None) -> list[Floats]:
        """Token ids of each text `(its length,)`, at most so many where a length is given."""
        fast = self._fast
        if length is not None and self.marked:
            fast.enable_truncation(length)
        try:
            return [
                np.array(one.ids[:length], dtype=np.float32) + self._shift
                for start in range(0, len(texts), _CHUNK)
                for one in fast.encode_batch_fast([_sound(text) for text in texts[start : start + _CHUNK]])
            ]
        finally:
            fast.no_truncation()

    def decode(self, x: Floats) -> list[str]:
        """Texts of ids `(n, length)`; padding, masks and the like are left out."""
        rows = [
            (row[np.isfinite(row) & (row >= self._shift)].astype(np.int64) - self._shift).tolist()
            for row in np.asarray(x)
        ]
        texts: list[str] = self._fast.decode_batch(rows)
        return texts

    def spelled(self) -> list[bytes]:
        """The bytes of each id, none for padding and mask; of a tokenizer that `learn` made.

        >>> b"a" in Tokenizer.learn(["a bee"]).spelled()
        True
        """
        byte = _bytes()
        names = sorted(self._fast.get_vocab().items(), key=lambda item: int(item[1]))
        return [b""] * _SPECIAL + [bytes(byte[letter] for letter in name) for name, _ in names]

    @cached_property
    def _said(self) -> dict[str, Any]:
        try:
            said: dict[str, Any] = json.loads(self.state)
            if said["form"] not in ("bpe", "tokenizers") or not isinstance(said.get("pad", PAD), int):
                raise ValueError(said["form"])
        except (ValueError, KeyError, TypeError):
            raise _foreign() from None
        return said

    @property
    def _shift(self) -> int:
        return _SPECIAL if self._said["form"] == "bpe" else 0

    @cached_property
    def _fast(self) -> Any:
        tokenizers = _package()
        try:
            if self._said["form"] == "tokenizers":
                return tokenizers.Tokenizer.from_str(_unpacked(self._said["json"]).decode())
            names, merges = _alphabet(), []
            for a, b in np.frombuffer(_unpacked(self._said["merges"]), dtype="<u2").reshape(-1, 2).tolist():
                merges.append((names[a], names[b]))
                names.append(names[a] + names[b])
            vocabulary = {name: i for i, name in enumerate(names)}
            return _byte_level(tokenizers.models.BPE(vocab=vocabulary, merges=merges))
        except Exception:  # the package raises plain Exception
            raise _foreign() from None


def padded(ids: Sequence[Floats], length: int) -> Floats:
    """Ids of each text to one array `(n, length)`, cut, or NaN after the end.

    >>> padded([np.array([5.0, 6.0])], 3)
    array([[ 5.,  6., nan]], dtype=float32)
    """
    x = np.full((len(ids), length), np.nan, dtype=np.float32)
    for row, one in zip(x, ids):
        row[: len(one)] = one[:length]
    return x


def _foreign() -> DataError:
    return DataError("the tokenizer is not one that attar wrote; export the model again")


def _byte_level(model: Any) -> Any:
    tokenizers = _package()
    fast = tokenizers.Tokenizer(model)
    fast.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.decoder = tokenizers.decoders.ByteLevel()
    return fast


def _alphabet() -> list[str]:
    """The 256 characters that stand for bytes, in the order of their ids."""
    return sorted(_package().pre_tokenizers.ByteLevel.alphabet())


def _bytes() -> dict[str, int]:
    """The byte of each character of the alphabet: that of its own number, the others in their order."""
    alphabet = _alphabet()
    own = {letter: ord(letter) for letter in alphabet if ord(letter) < _BYTES}
    rest = sorted(set(range(_BYTES)) - set(own.values()))
    return own | dict(zip(sorted(set(alphabet) - set(own)), rest, strict=True))


def _sound(text: str) -> str:
    # A lone surrogate has no UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))


def _package() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError:
        raise MissingExtraError("texts need the package tokenizers; pip install 'attar[text]'") from None
    return tokenizers
