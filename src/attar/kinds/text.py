"""Texts: sequences of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from itertools import accumulate, takewhile
from pathlib import Path
from typing import Any, ClassVar, Self
from unicodedata import east_asian_width

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.data.dataset import Column, Floats
from attar.data.texts import LONGEST, tokenize
from attar.data.tokens import MASK, PAD, Tokenizer
from attar.errors import DataError
from attar.kinds.base import Kind, Student, svg, uniform
from attar.nets.tokens import HiddenTokens, TokenBag, TokenConvNet, TokenDecoder, Tokens
from attar.nets.transformer import TransformerEncoder
from attar.nets.words import Words
from attar.training.processes import mean_of

_FIRST = MASK + 1  # the first id that is a token
_MOST = 2**24  # float32 holds every whole number up to here
_DROPPED = 0.15  # of the tokens
_SPAN = 0.25  # of the text, at most
# BERT's shares of hidden tokens: a mask, another token, and the rest as it is.
_MASKED, _REPLACED = 0.8, 0.1
_DEPTH = 3
# A drawing: size in pixels, and characters and lines that it has room for.
_DRAWN = (192, 48)
_LINE, _LINES = 30, 3
_FONT = 10
# Not printable by themselves: what Persian words, letters of India and emoji are made of.
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Text(Kind):
    """Texts as token ids `(length,)`, a shorter one padded with NaN at its end.

    A normalised text holds its ids as float32, and 0 for padding.

    Arguments:
        shape: of one raw text.
        vocabulary: number of ids, padding and mask included.
        tokenizer: `Tokenizer.state` of what made the ids; empty where it is not known.
    """

    name: ClassVar[str] = "text"
    layouts: ClassVar[Mapping[int, str]] = {2: "(n, length)"}
    baselines: ClassVar[tuple[str, ...]] = ("tf-idf", "tf-idf-svd")
    pretexts: ClassVar[tuple[str, ...]] = ("simclr",)
    # Of 20 sets with 5 to 20 labels a class: 71 % with naive Bayes, where a linear head on all terms has 63 %.
    usual: ClassVar[tuple[str, ...]] = ("tf-idf-svd",)
    quantities: ClassVar[bool] = False
    masking_ratio: ClassVar[float] = 0.15

    vocabulary: int
    tokenizer: str = ""

    @classmethod
    def learn(cls, x: Floats, columns: Sequence[Column] = ()) -> Self:
        """Take the vocabulary of the tokenizer in `columns`; without one, that of raw texts `(n, length)`."""
        tokenizer = columns[0].tokenizer if columns else ""
        largest = int(np.nanmax(x, initial=MASK)) + 1
        return cls(tuple(x.shape[1:]), Tokenizer(tokenizer).size if tokenizer else max(largest, _FIRST + 1), tokenizer)

    @classmethod
    def hold_values(cls, x: npt.NDArray[np.floating[Any]]) -> None:
        """Ids are whole numbers from 0 that float32 tells apart, or NaN; they may be beyond the vocabulary."""
        with np.errstate(invalid="ignore"):
            wrong = (x < 0) | (x >= _MOST) | (x != np.rint(x)) & ~np.isnan(x)
        if wrong.any():
            raise DataError(
                f"X: text {int(np.argwhere(wrong)[0, 0])} has {x[wrong][0]:g}, which is no id of a token: give whole "
                f"numbers from 0 to {_MOST - 1}, and NaN for padding, as attar.data.arrays.from_arrays makes of texts"
            )

    def preprocess(self) -> nn.Module:
        """Raw texts to normalised ones; an id beyond the vocabulary counts as padding."""
        return _Known(self.vocabulary, self.pad)

    @cached_property
    def pad(self) -> int:
        """The id of padding; 0, but for texts in the ids of a pretrained model."""
        return Tokenizer(self.tokenizer).pad if self.tokenizer else PAD

    @property
    def _of_own_padding(self) -> int:
        """The vocabulary, for what takes the id 0 for padding."""
        if self.pad != PAD:
            raise DataError(
                f"these are the ids of a pretrained model, whose padding is {self.pad}: they suit Pretrained alone; "
                "for another representation give the texts as attar.data.arrays.from_arrays makes ids of them"
            )
        return self.vocabulary

    def restore(self, x: Tensor) -> Tensor:
        """Normalised texts, or a decoder's scores `(n, length, vocabulary)`, to raw ids."""
        if x.ndim == 3:
            ids = x.argmax(dim=2)
            # What a decoder says after the end of a text is of no account.
            x = torch.where((ids == self.pad).cumsum(dim=1) > 0, self.pad, ids).to(x.dtype)
        return torch.where(x == self.pad, torch.nan, x)

    def encoder(self, dim: int, width: int = 32) -> nn.Module:
        """A convolution over token vectors."""
        return TokenConvNet(self._of_own_padding, dim, width)

    def decoder(self, dim: int, width: int = 32) -> nn.Module:
        """From a representation to the scores of each token at each place."""
        return TokenDecoder(self._of_own_padding, self.shape[0], dim, width)

    def view(self, x: Tensor, generator: torch.Generator, strength: float = 1.0) -> Tensor:
        """Random tokens and one span deleted; what follows moves up. At least one token remains.

        References:
            Wei and Zou, EDA: Easy Data Augmentation Techniques for Boosting Performance on Text Classification Tasks,
            2019, https://arxiv.org/abs/1901.11196 (random deletion)
            Wu et al., CLEAR: Contrastive Learning for Sentence Representation, 2020,
            https://arxiv.org/abs/2012.15466 (span deletion)
        """
        present = x != self.pad
        count = present.sum(dim=1, keepdim=True)
        dropped = uniform(generator, x.shape, 0, 1, x) < _DROPPED * strength
        place = torch.arange(x.shape[1], device=x.device)
        span = uniform(generator, (len(x), 1), 0, _SPAN * strength, x) * count
        start = uniform(generator, (len(x), 1), 0, 1, x) * (count - span)
        kept = present & ~dropped & ~((place >= start.round()) & (place < (start + span).round()))
        kept |= present & ~kept.any(dim=1, keepdim=True)
        order = torch.argsort((~kept).to(torch.uint8), dim=1, stable=True)
        return torch.where(kept.gather(1, order), x.gather(1, order), float(self.pad))

    def terms(self) -> nn.Module:
        """Words, pairs and parts of them where the tokens are known to the letter, else the tokens."""
        tokenizer = Tokenizer(self.tokenizer) if self._of_own_padding and self.tokenizer else None
        return nn.Identity() if tokenizer is None or tokenizer.marked else Words(tokenizer.spelled())

    def words(self, codes: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
        """Those of words, or of tokens."""
        return np.asarray(codes < Words.limit)

    def noisy(self, x: Tensor, generator: torch.Generator, std: float) -> Tensor:
        """Not for texts: an id with noise is another token or none."""
        del x, generator
        raise DataError(f"noise is {std}, which suits no token ids; leave it 0")

    def reconstruction_loss(self, x_hat: Tensor, x: Tensor) -> Tensor:
        """Cross-entropy over the vocabulary, the mean over all tokens and the padding that ends each text."""
        counted = F.pad(x[:, :-1] != self.pad, (1, 0), value=True)
        return mean_of(F.cross_entropy(x_hat[counted], x[counted].long(), reduction="sum"), counted.sum())

    def draw(self, sample: Floats) -> str:
        """The first words."""
        lines = _lines(" ".join(self._texts(sample[None])[0].split()))
        rows = "".join(
            f'<text x="4" y="{(i + 1) * (_FONT + 4)}">{escape(_printable(line))}</text>' for i, line in enumerate(lines)
        )
        return svg(*_DRAWN, rows, f' font-family="sans-serif" font-size="{_FONT}" fill="#333"')

    def given(self, x: Floats) -> object:
        """The texts themselves, where the tokenizer is known."""
        return self._texts(x) if self.tokenizer else x

    def translated(
        self,
        x: Floats,
        columns: tuple[Column, ...],
        tokenizer: Path | None,
        pad: int,
        vocabulary: int | None,
        places: int | None,
    ) -> tuple[Floats, tuple[Column, ...]]:
        """The same texts in the ids of a pretrained model."""
        if tokenizer is None or not self.tokenizer:
            raise DataError("no tokenizer.json; save the model with its fast tokenizer")
        cutter = Tokenizer.of_file(tokenizer, pad)
        if vocabulary is not None and cutter.size > vocabulary:
            raise DataError(
                f"its tokenizer has {cutter.size} tokens and its weights are for {vocabulary}; save both from one model"
            )
        column = replace(columns[0], tokenizer=cutter.state)
        most = LONGEST if places is None else min(LONGEST, places)
        ids, column, _ = tokenize(self._texts(x), [column], None, "the texts", most=most)
        return ids, (column,)

    def backbone_inputs(self, x: Tensor, channels: int, size: tuple[int, int]) -> dict[str, Tensor]:
        """Token ids, and where there are any."""
        del channels, size
        return {"input_ids": x.long(), "attention_mask": (x != self.pad).long()}

    def students(self, n_classes: int) -> tuple[Student, ...]:
        """Convolutional encoders from large to tiny, and a bag of tokens as the tiniest."""
        narrow = min(2, n_classes)
        bag = Student.of("bag", lambda: nn.Sequential(TokenBag(self.vocabulary, narrow), nn.Linear(narrow, n_classes)))
        return (*super().students(n_classes), bag)

    def part_encoder(self, dim: int, width: int = 64) -> nn.Module:
        """A transformer over tokens; [MASK] stands where one is hidden."""
        embed = Tokens(self._of_own_padding, width)
        return TransformerEncoder(embed, self.shape[0], dim, width, skips=False, depth=_DEPTH)

    def part_decoder(self, dim: int, width: int = 64) -> nn.Module:
        """Scores of each token at hidden places."""
        return HiddenTokens(self.vocabulary, dim, width)

    def present(self, x: Tensor) -> Tensor:
        """Which places hold a token: bool `(n, length)`."""
        return x != self.pad

    def hide(self, x: Tensor, hidden: Tensor, generator: torch.Generator) -> Tensor:
        """Of the hidden tokens, 80 % become [MASK], 10 % another token, 10 % stay as they are.

        References:
            Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, 2019,
            section 3.1, https://arxiv.org/abs/1810.04805
        """
        lot = uniform(generator, x.shape, 0, 1, x)
        others = torch.randint(_FIRST, self.vocabulary, x.shape, generator=generator, device=generator.device).to(x)
        x = torch.where(hidden & (lot < _MASKED), float(MASK), x)
        return torch.where(hidden & (lot >= _MASKED) & (lot < _MASKED + _REPLACED), others, x)

    def masked_loss(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """Cross-entropy over the vocabulary in nats, the mean over hidden tokens."""
        return mean_of(F.cross_entropy(x_hat, x[hidden].long(), reduction="sum"), hidden.sum())

    def fill(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """The likeliest token at each hidden place."""
        filled = x.clone()
        filled[hidden] = (x_hat[:, _FIRST:].argmax(dim=1) + _FIRST).to(x)
        return filled

    def _classifier(self, n_classes: int, dim: int, width: int) -> nn.Module:
        return nn.Sequential(self.encoder(dim, width), nn.ReLU(), nn.Linear(dim, n_classes))

    def _texts(self, x: Floats) -> list[str]:
        if self.tokenizer:
            return Tokenizer(self.tokenizer).decode(x)
        return [" ".join(f"{int(token)}" for token in row[np.isfinite(row)]) for row in x]


class _Known(nn.Module):
    def __init__(self, vocabulary: int, pad: int) -> None:
        super().__init__()
        self.vocabulary, self.pad = vocabulary, pad

    def forward(self, x: Tensor) -> Tensor:
        # A comparison with NaN is false.
        return torch.where((x >= 0) & (x < self.vocabulary), x, float(self.pad))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() or letter in _JOINERS else "·" for letter in text)


def _lines(text: str) -> list[str]:
    """The first lines of a text, broken between words where there are any; a wide letter, as of Chinese, takes two."""
    lines: list[str] = []
    while text and len(lines) < _LINES:
        ends = accumulate(1 + (east_asian_width(letter) in "WF") for letter in text)
        fit = sum(1 for _ in takewhile(lambda end: end <= _LINE, ends))
        if fit < len(text) and (space := text.rfind(" ", 0, fit + 1)) > 0:
            fit = space
        lines.append(text[:fit])
        text = text[fit:].lstrip()
    return [*lines[:-1], lines[-1] + "…"] if text else lines
