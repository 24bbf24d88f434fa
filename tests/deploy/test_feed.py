from __future__ import annotations

import numpy as np
import pytest

from attar.data.dataset import Column
from attar.data.tokens import Tokenizer
from attar.deploy.feed import images, numbers, table, texts
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


def test_whole_numbers_that_no_float_holds_are_refused() -> None:
    cells = np.array([[1, "u"], [10**400, "v"]], dtype=object)
    with pytest.raises(ModelError, match="column 'a', row 1: a value is infinite, or too large"):
        table(cells, (Column("a"), Column("b", ("u", "v"))), 2)
    with pytest.raises(ModelError, match="too large for float32"):
        numbers([[1, 10**400]], (2,))


def test_an_image_of_another_size_whose_values_float32_does_not_hold_is_refused() -> None:
    with pytest.raises(ModelError, match="sample 0: a value is infinite, or too large"):
        images([np.full((9, 9), 1e300)], (8, 8))


def test_rows_as_json_has_them_are_told_by_their_names() -> None:
    columns = [Column("age"), Column("city", ("Bonn", "Rome"))]
    rows = [{"city": "Rome", "age": 41, "more": 1}, {"age": None, "city": "Bonn"}, {"city": None, "age": "5.5"}]
    feed = table(rows, columns, 2)
    np.testing.assert_array_equal(feed["x"], np.float32([[41], [np.nan], [5.5]]))
    assert feed["categories"].tolist() == [["Rome"], ["Bonn"], [""]]
    with pytest.raises(ModelError, match="no column 'city'"):
        table([{"age": 41}], columns, 2)
    tokenizer = Tokenizer.learn(["one fly", "two flies"])
    np.testing.assert_array_equal(
        texts([{"text": "one fly"}], tokenizer, 8)["input_ids"], texts(["one fly"], tokenizer, 8)["input_ids"]
    )
