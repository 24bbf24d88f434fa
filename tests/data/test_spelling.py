from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attar.data.arrays import as_raw
from attar.data.dataset import Form
from attar.data.sources import read, read_for_prediction
from attar.data.spelling import recode, spelling
from attar.deploy import feed


def test_categories_are_spelt_as_a_prediction_spells_them() -> None:
    frame = pd.DataFrame(
        {
            "cut": pd.cut(pd.Series([1.0, 2.0, 3.0]), [0, 1.5, 4]),
            "day": pd.Categorical(pd.to_datetime(["2020-01-01", None, "2021-01-01"])),
            "half": pd.Categorical([0.5, 1.0, 0.5]),
        }
    )
    raw = as_raw(frame)
    assert [column.categories for column in raw.columns] == [
        ("(0.0, 1.5]", "(1.5, 4.0]"),
        ("2020-01-01 00:00:00", "2021-01-01 00:00:00"),
        ("0.5", "1"),
    ]
    assert isinstance(frame["cut"].cat.categories[0], pd.Interval)


@pytest.mark.parametrize(
    ("cells", "rows"),
    [
        (["true", "false", "maybe"], [[0, 1], [2]]),
        (["1.0", "3.50", "x"], [[0, 1], [0, 2]]),
        (["01067", "10115", "K5"], [[0, 1], [1]]),
        ([" a", "b ", "c"], [[0, 1], [2]]),
    ],
)
def test_categories_of_a_few_rows_are_those_of_training(
    tmp_path: Path, cells: list[str], rows: list[list[int]]
) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": cells * 4, "b": range(12)}).to_csv(path, index=False)
    columns = read(str(path), kind="table").columns
    for some in rows:
        pd.DataFrame({"a": cells, "b": 1}).iloc[some].to_csv(path, index=False)
        frame = pd.read_csv(path)
        expected = [cells[row].strip() for row in some]
        assert feed.table(frame, columns, 2)["categories"][:, 0].tolist() == expected
        found = read_for_prediction(str(path), Form("table", (2,), columns=columns))
        assert [columns[0].categories[int(code)] for code in found.x[:, 0]] == expected


def test_of_categories_that_are_the_same_number_none_is_guessed() -> None:
    spelt_as = spelling(["1.0", "01", " ", "x_1"])
    assert [spelt_as(cell) for cell in (1, 1.0, "1", "", "y", 2)] == ["1", "1", "1", "", "y", "2"]


def test_recode_of_numbers_by_their_text():
    codes, unseen = recode(np.array([3.0, 1.5, np.nan, 9.0]), (), ("1.5", "3"))
    assert np.array_equal(codes, [1, 0, np.nan, np.nan], equal_nan=True)
    assert unseen == 1
    codes, unseen = recode(np.array([np.inf, 3.0]), (), ("3",))
    assert np.array_equal(codes, [np.nan, 0], equal_nan=True)
    assert unseen == 1
    codes, unseen = recode(np.array([0.0, 1.0]), ("red", " blue"), ("blue", "red "))
    assert codes.tolist() == [1, 0]
    assert unseen == 0
    codes, unseen = recode(np.array([np.nan]), ("a",), ())
    assert np.isnan(codes).all()
    assert unseen == 0
