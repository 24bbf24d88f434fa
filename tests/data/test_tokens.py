import base64
import json
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attar.data.dataset import Column
from attar.data.texts import tokenize
from attar.data.tokens import MASK, PAD, Tokenizer
from attar.errors import DataError

CORPUS = [f"the {colour} {animal} sat on the mat, again" for colour in ("red", "blue") for animal in ("cat", "bee")] * 9


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.learn(CORPUS)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back_as_it_was(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode([text])) == [text]


@pytest.mark.parametrize("text", ["", " ", "\0", "🐝🏽‍🌾", "[MASK] [PAD] <s>", "a\n\tb  ", "e\u0301", "ﷺ" * 50])
def test_so_do_the_odd_ones(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode([text])) == [text]


@settings(max_examples=50, deadline=None)
@given(st.binary())
def test_arbitrary_bytes_come_back(tokenizer, data):
    text = data.decode("latin-1")
    assert tokenizer.decode(tokenizer.encode([text]))[0].encode("latin-1") == data


def test_a_lone_surrogate_becomes_a_question_mark(tokenizer):
    assert tokenizer.decode(tokenizer.encode(["a\ud800b"])) == ["a?b"]


def test_no_text_has_the_id_of_padding_or_of_the_mask(tokenizer):
    ids = tokenizer.encode(["".join(map(chr, range(256))), "[MASK]"])
    assert np.nanmin(ids) > max(PAD, MASK)
    assert np.nanmax(ids) < tokenizer.size


def test_what_repeats_becomes_one_token_and_the_vocabulary_is_bounded(tokenizer):
    assert len(tokenizer.ids([" the"])[0]) == 1
    assert tokenizer.size <= 2 + 256 + sum(len(text.split()) for text in CORPUS) // 12
    assert Tokenizer.learn(["a b c d e f g"]).size == 258  # nothing occurs twice


def test_padding_and_cutting(tokenizer):
    whole = tokenizer.encode(CORPUS[:2])
    padded, cut = tokenizer.encode(CORPUS[:2], whole.shape[1] + 5), tokenizer.encode(CORPUS[:2], 3)
    np.testing.assert_array_equal(padded[:, : whole.shape[1]], whole)
    assert np.isnan(padded[:, whole.shape[1] :]).all()
    np.testing.assert_array_equal(cut, whole[:, :3])
    assert tokenizer.encode([], 4).shape == (0, 4)
    assert CORPUS[0].startswith(tokenizer.decode(cut)[0])


def test_ids_are_exact_in_float32(tokenizer):
    assert tokenizer.encode(CORPUS).dtype == np.float32
    assert tokenizer.size < 2**24


def test_the_stored_text_is_all_there_is(tokenizer):
    again = Tokenizer(tokenizer.state)
    assert again == tokenizer
    np.testing.assert_array_equal(again.encode(CORPUS), tokenizer.encode(CORPUS))


def test_the_same_texts_give_the_same_tokenizer_in_another_process(tokenizer):
    code = f"from attar.data.tokens import Tokenizer; print(Tokenizer.learn({CORPUS!r}).state)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == tokenizer.state


def packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


@pytest.mark.parametrize(
    "state",
    [
        *("", "{}", "[]", '{"form": "words"}', "not JSON", '{"form": "bpe"}', '{"form": "tokenizers", "pad": 0}'),
        json.dumps({"form": "bpe", "merges": "no base 64"}),
        json.dumps({"form": "bpe", "merges": 3}),
        json.dumps({"form": "bpe", "merges": base64.b64encode(b"not packed").decode()}),
        json.dumps({"form": "bpe", "merges": packed(b"odd")}),
        json.dumps({"form": "bpe", "merges": packed(b"\xff" * 4)}),  # joins a token that there is not
        json.dumps({"form": "tokenizers", "pad": 0, "json": packed(b"{}")}),
        json.dumps({"form": "tokenizers", "pad": "none", "json": packed(b"{}")}),
    ],
)
def test_a_foreign_text_is_refused(state):
    with pytest.raises(DataError, match="not one that attar wrote"):
        Tokenizer(state).encode(["a"])


def test_a_pretrained_tokenizer_keeps_its_marks_when_it_cuts(tmp_path):
    from tokenizers import Tokenizer as Fast
    from tokenizers import models, pre_tokenizers, processors

    fast = Fast(models.WordLevel({"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "a": 4, "b": 5}, unk_token="[UNK]"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    fast.enable_padding(length=9)
    fast.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.of_file(tmp_path / "tokenizer.json", pad=0)
    np.testing.assert_array_equal(tokenizer.encode(["a b a b"], 4), [[1, 4, 5, 2]])
    np.testing.assert_array_equal(tokenizer.encode(["a"], 4), [[1, 4, 2, np.nan]])
    x, _, notes = tokenize(["a b a b", "a"], [Column("a", tokenizer=tokenizer.state)], None, "x", length=4)
    np.testing.assert_array_equal(x, [[1, 4, 5, 2], [1, 4, 2, np.nan]])
    assert notes == ["1 of 2 texts is cut after 4 tokens"]
    assert tokenizer.size == 6
    assert tokenizer.pad == 0
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="not a tokenizer"):
        Tokenizer.of_file(tmp_path / "tokenizer.json", pad=0)


def test_each_id_is_spelled_by_the_bytes_that_it_stands_for():
    text = "".join(map(chr, range(256))) + "the bee, the bee 🐝"
    tokenizer = Tokenizer.learn([text] * 5)
    spelled = tokenizer.spelled()
    assert len(spelled) == tokenizer.size
    assert spelled[:2] == [b"", b""]
    assert sorted(spelled[2:258]) == [bytes([i]) for i in range(256)]
    assert b"".join(spelled[int(i)] for i in tokenizer.encode([text])[0]) == text.encode()


def test_a_line_of_dashes_is_no_token_of_its_own_however_long():
    text = "see\n" + "=" * 1000 + "\nregards " * 50
    tokenizer = Tokenizer.learn([text] * 20)
    longest = max(tokenizer.spelled(), key=len)
    assert 2 <= longest.count(b"=") == len(longest) <= 24
    assert tokenizer.decode(tokenizer.encode([text])) == [text]
