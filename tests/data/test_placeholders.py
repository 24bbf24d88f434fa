from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from attar.data.arrays import from_arrays
from attar.data.dataset import Column
from attar.data.placeholders import placeholders

RNG = np.random.default_rng(0)
MEASURED = RNG.normal(80, 10, 400)


def noted(column):
    return placeholders(np.asarray(column, dtype=float)[:, None], [Column("a")])


@pytest.mark.parametrize("value", [-999, 9999, -1, 999.9])
@pytest.mark.parametrize("rows", [8, 100])
def test_a_number_far_from_all_others_is_said(value, rows):
    column = np.where(np.arange(400) < rows, value, MEASURED)
    share = 100 * rows // 400
    assert noted(column) == [
        f"column 'a' holds {value} in {share} % of the rows, far from all others: if it stands for missing, leave the"
        " cells empty"
    ]


@pytest.mark.parametrize(
    "column",
    [
        MEASURED,
        np.where(np.arange(400) < 2, -999, MEASURED),  # twice
        np.where(np.arange(400) < 7, -999, MEASURED),  # in less than one of fifty rows
        np.where(np.arange(400) < 100, 0, MEASURED),  # nothing
        np.where(np.arange(400) < 100, 0, RNG.lognormal(3, 2, 400)),
        np.clip(RNG.standard_cauchy(400), -20, 20),  # as far as it measures
        np.minimum(RNG.lognormal(0, 2, 400), 30),
        RNG.poisson(0.1, 400),
        RNG.integers(0, 2, 400) * 1000,
        RNG.geometric(0.5, 400),
        np.round(RNG.standard_t(2, 400)),
        np.where(np.arange(400) < 100, -1, RNG.integers(0, 30, 400)),
        [*range(5), 1000, 1000, 1000],
        [np.nan] * 5,
    ],
)
def test_ordinary_columns_are_not(column):
    assert noted(column) == []


def test_tables_that_lack_nothing():
    for load in (load_iris, load_wine, load_breast_cancer, load_diabetes):
        x = load().data
        assert placeholders(x, [Column(str(j)) for j in range(x.shape[1])]) == []


def test_codes_of_categories_are_no_numbers_and_tables_are_looked_at():
    column = np.where(np.arange(400) < 100, -999, MEASURED)
    assert placeholders(column[:, None], [Column("a", ("u",))]) == []
    assert any("column 'x1' holds -999 in 25 %" in note for note in from_arrays(np.c_[MEASURED, column]).notes)
    assert not any("holds -999" in note for note in from_arrays(np.c_[MEASURED, column][:, None], kind="series").notes)
