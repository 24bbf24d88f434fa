import re
from itertools import pairwise

import numpy as np
import pytest
import torch

from attar.data.tokens import Tokenizer, padded
from attar.nets.words import Words

PRIME = 2**31 - 1
TEXTS = ["What's a BEE, ‘Bee’?  bee_1", "", "x", "été in Köln — 3.5 €", "!?", "a a a a", "w" * 70 + "b", "\0nul\tbee\n"]
UNBROKEN = ["我在东京 bee。", "一", "東", "カタカナと漢字a仮名", "ä東ö"]


def by_hand(text: str) -> list[int]:
    """The same codes from the bytes of a text, one word after another."""
    data = text.encode().lower()
    words = re.findall(rb"[a-z0-9_\x80-\xff]+", data)
    of_word = [sum(b * pow(263, min(i, 64), PRIME) for i, b in enumerate(word)) % PRIME for word in words]
    # U+3000 to U+9FFF, one and two in a row.
    runs = [
        run for n in (1, 2) for i in range(len(text)) if re.fullmatch(f"[\u3000-\u9fff]{{{n}}}", run := text[i : i + n])
    ]
    alone = [sum(b * pow(263, i, PRIME) for i, b in enumerate(run.encode())) % PRIME for run in runs]
    pairs = [(a * 7368787 + b * 15485863) % PRIME + PRIME for a, b in pairwise(of_word)]
    rows = []
    for word in words:
        symbols = [1, *word, 1]
        parts = [bytes(symbols[i : i + n]) for n in (3, 4) for i in range(len(symbols) - n + 1)]
        rows += [int.from_bytes(part, "big") + 2 * PRIME for part in parts]
    return sorted(of_word + alone + pairs + rows)


def found(module: Words, ids: np.ndarray) -> list[list[int]]:
    return [sorted(row[row > 0].tolist()) for row in module(torch.tensor(np.nan_to_num(ids)))]


@pytest.mark.parametrize("learnt_from", [TEXTS, ["bee bee bee in in WHAT what"] * 9, ["q"]])
def test_codes_are_those_of_the_bytes_however_a_text_is_cut_into_tokens(learnt_from):
    tokenizer = Tokenizer.learn(learnt_from)
    assert found(Words(tokenizer.spelled()), tokenizer.encode(TEXTS)) == [by_hand(text) for text in TEXTS]


@pytest.mark.parametrize("learnt_from", [UNBROKEN, ["q"]])
def test_where_words_have_no_breaks_one_character_and_two_in_a_row_are_words(learnt_from):
    tokenizer = Tokenizer.learn(learnt_from)
    codes = found(Words(tokenizer.spelled()), tokenizer.encode(UNBROKEN))
    assert codes == [by_hand(text) for text in UNBROKEN]


def test_padding_between_and_after_tokens_changes_nothing():
    tokenizer = Tokenizer.learn(TEXTS)
    module, ids = Words(tokenizer.spelled()), tokenizer.ids(TEXTS)
    longest = max(map(len, ids))
    spread = [np.stack([one, np.zeros_like(one)], axis=1).ravel() for one in ids]
    expected = found(module, padded(ids, longest))
    assert found(module, padded(ids, longest + 3)) == expected
    assert found(module, padded(spread, 2 * longest)) == expected


def test_a_text_that_fills_all_places_has_its_last_word():
    module = Words([b"", b"bee"])
    assert found(module, np.array([[1, 0]])) == found(module, np.array([[1]])) == [by_hand("bee")]


def test_a_token_without_end_takes_no_room_from_all_others():
    module = Words([b"", b"=" * 5000 + b"bee", b"bee"])
    assert module(torch.tensor([[1.0, 2.0]])).shape[1] < 1000
    assert found(module, np.array([[1, 2]])) == [by_hand("bee")]
