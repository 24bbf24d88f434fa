from __future__ import annotations

import numpy as np
import pytest

from attar.data.tokens import Tokenizer
from attar.deploy.feed import texts
from attar.errors import ModelError


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.learn(["to be or not to be", "to be"])


def test_ids_are_taken_for_the_texts_that_they_are_of(tokenizer: Tokenizer) -> None:
    given = ["not to be", "or"]
    ids = texts(tokenizer.encode(given, 12), tokenizer, 12)["input_ids"]
    np.testing.assert_array_equal(ids, texts(given, tokenizer, 12)["input_ids"])


@pytest.mark.parametrize("wrong", [3.7, -1.0])
def test_what_is_no_id_is_refused_and_not_cut(tokenizer: Tokenizer, wrong: float) -> None:
    with pytest.raises(ModelError, match=rf"sample 1: {wrong:g} is no token id"):
        texts(np.array([[3, 5, np.nan], [4, wrong, np.nan]]), tokenizer, 3)
