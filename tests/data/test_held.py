from __future__ import annotations

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy import sparse
from torch.utils.data import ConcatDataset, DataLoader, Subset, TensorDataset

from attar.data.arrays import from_arrays
from attar.data.held import cells, framed, names, plain
from attar.errors import DataError
from attar.learner import Learner
from attar.represent.pca import PCA
from attar.represent.random_features import RandomFeatures


class Streamed:
    """A table as that of polars, which gives itself to Arrow."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.columns = table.column_names

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)


def test_what_is_masked_is_missing() -> None:
    for kind, wanted in ((np.uint8, np.float64), (np.float32, np.float32)):
        x = plain(np.ma.array([1, 2, 3], mask=[0, 1, 0], dtype=kind))
        assert type(x) is np.ndarray
        assert x.dtype == wanted
        np.testing.assert_array_equal(x, [1, np.nan, 3])
    assert plain(np.ma.array(["a", "b"], mask=[0, 1])).tolist() == ["a", None]
    (one,) = plain([np.ma.array([1.0, 2.0], mask=[1, 0])])
    np.testing.assert_array_equal(one, [np.nan, 2])


def test_the_mask_counts_in_samples_labels_and_representations() -> None:
    x = np.ma.array(np.arange(12.0).reshape(6, 2), mask=False)
    x[1, 0] = np.ma.masked
    dataset = from_arrays(x, np.ma.array([0, 1, 0, 1, 0, 1], mask=[0, 0, 0, 0, 0, 1]))
    np.testing.assert_array_equal(np.argwhere(np.isnan(dataset.x)), [[1, 0]])
    assert dataset.y.tolist() == [0, 1, 0, 1, 0, -1]
    with pytest.raises(ValueError, match="X contains NaN"):
        PCA(1).fit(x)


def test_tensors_with_gradients_are_taken() -> None:
    tensor = torch.ones(2, 3, requires_grad=True)
    for x in (tensor, [tensor[0], tensor[1]]):
        np.testing.assert_array_equal(np.asarray(plain(x)), np.ones((2, 3)))
    assert from_arrays(tensor * torch.arange(3)).x.shape == (2, 3)


def test_a_sparse_matrix_is_refused() -> None:
    with pytest.raises(DataError, match=r"^x: a sparse matrix; give x.toarray\(\)$"):
        plain(sparse.eye(3))


def test_tables_whose_columns_have_names() -> None:
    frame = pd.DataFrame({"a": [1, 2], 5: ["u", None]})
    table = pa.table({"a": [1, 2], "5": ["u", None]})
    for one, wanted in ((frame, ["a", 5]), (table, ["a", "5"]), (Streamed(table), ["a", "5"])):
        found = framed(one)
        assert names(found) == wanted
        assert cells(found, 0, category=False).tolist() == [1, 2]
        assert [cell if isinstance(cell, str) else None for cell in cells(found, 1, category=True)] == ["u", None]
    for other in (frame["a"], pa.chunked_array([["u"]]), [[1, 2]], np.zeros((2, 2)), None):
        assert framed(other) is None


def test_cells_of_arrow_are_numbers_where_they_can() -> None:
    day = datetime.date(1970, 1, 2)
    table = pa.table({"a": [True, None], "b": [Decimal("1.5"), None], "c": [day, None], "d": ["2", None]})
    for j, value in enumerate((1, 1.5, 86400)):
        np.testing.assert_array_equal(cells(table, j, category=False), [value, np.nan])
    assert cells(table, 3, category=False).tolist() == ["2", None]
    assert cells(table.slice(0, 1), 0, category=True).tolist() == [True]
    with pytest.raises(DataError, match="column 'e' holds list"):
        cells(pa.table({"e": [[1], [2]]}), 0, category=False)


def test_what_hands_out_samples_one_by_one_is_refused_by_its_type() -> None:
    x = torch.randn(12, 3)
    pairs = TensorDataset(x, torch.arange(12) % 2)
    held = (TensorDataset(x), pairs, Subset(pairs, [0, 1]), DataLoader(pairs), ConcatDataset([pairs, pairs]))
    for given in held:
        for learn in (from_arrays, plain, RandomFeatures(2).fit, lambda given: Learner().fit(given, np.arange(12) % 2)):
            with pytest.raises(
                DataError, match=rf"x: a {type(given).__name__} of torch; give all samples as one tensor"
            ):
                learn(given)
    assert torch.equal(torch.stack([x for x, *_ in pairs]), x)
    assert torch.equal(torch.cat([x for x, *_ in DataLoader(pairs)]), x)
