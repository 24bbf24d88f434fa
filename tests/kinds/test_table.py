import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attar.data.dataset import Column
from attar.errors import DataError
from attar.kinds.table import Table

RNG = np.random.default_rng(0)
COLUMNS = (Column("a"), Column("c", ("r", "g", "b")), Column("b<"), Column("d", ("x", "y")))


def _rows(n: int = 200) -> np.ndarray:
    x = np.stack([RNG.normal(5, 2, n), RNG.integers(0, 3, n), RNG.normal(0, 1e-3, n), RNG.integers(0, 2, n)], axis=1)
    x[::7, 2] = np.nan
    return x.astype(np.float32)


def test_preprocess_equals_numpy():
    x = _rows()
    x[3, 1], x[4, 1], x[5, 1] = np.nan, 9, -1
    kind = Table.learn(x, COLUMNS)
    z = kind.preprocess()(torch.from_numpy(x)).numpy()
    a, b = x[:, 0].astype(np.float64), x[:, 2].astype(np.float64)
    columns = [
        (a - a.mean()) / a.std(),
        np.nan_to_num((b - np.nanmean(b)) / np.nanstd(b)),
        np.isnan(b),
        *(x[:, 1] == code for code in range(3)),
        *(x[:, 3] == code for code in range(2)),
    ]
    np.testing.assert_allclose(z, np.stack(columns, axis=1), atol=1e-5)
    assert kind.owner == (0, 2, 2, 1, 1, 1, 3, 3)
    assert (z[3:6, 3:6] == 0).all()


def test_only_columns_with_missing_values_have_an_indicator():
    x = RNG.normal(size=(10, 3)).astype(np.float32)
    assert len(Table.learn(x).owner) == 3
    x[0, 1] = np.nan
    assert Table.learn(x).indicated == (1,)


def test_a_value_missing_only_later_becomes_the_mean():
    x = RNG.normal(size=(10, 3)).astype(np.float32)
    kind = Table.learn(x)
    x[0, 1] = np.nan
    assert kind.preprocess()(torch.from_numpy(x))[0, 1] == 0


def test_every_column_must_be_described():
    with pytest.raises(DataError, match="2 columns for rows of 3 features"):
        Table.learn(np.zeros((4, 3), dtype=np.float32), (Column("a"), Column("b")))


def test_a_view_replaces_whole_columns_by_those_of_other_rows():
    x = _rows(1000)
    kind = Table.learn(x, COLUMNS)
    z = kind.preprocess()(torch.from_numpy(x))
    v = kind.view(z, torch.Generator().manual_seed(0))
    owner = torch.tensor(kind.owner)
    for column in range(4):
        part = owner == column
        changed = (v[:, part] != z[:, part]).any(dim=1)
        # Fewer than 30 %, for a replacement may happen to be equal.
        assert 0.05 < changed.float().mean() < 0.36
        # What is there was some row's in full.
        assert {tuple(r) for r in v[:, part].tolist()} <= {tuple(r) for r in z[:, part].tolist()}


def test_a_view_draws_each_column_by_itself():
    numbers = np.arange(400, dtype=np.float32)
    kind = Table.learn(np.stack([numbers, numbers], axis=1))
    z = kind.preprocess()(torch.from_numpy(np.stack([numbers, numbers], axis=1)))
    v = kind.view(z, torch.Generator().manual_seed(0))
    both = (v != z).all(dim=1)
    assert both.sum() > 10
    assert (v[both, 0] != v[both, 1]).float().mean() > 0.9


def test_the_loss_equals_its_formula_in_float64():
    x = _rows()
    x[3, 1] = np.nan
    kind = Table.learn(x, COLUMNS)
    z = kind.preprocess()(torch.from_numpy(x)).double()
    z_hat = torch.randn(z.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    total = 0.0
    for i in range(len(x)):
        total += (z_hat[i, 0] - z[i, 0]) ** 2 + (z_hat[i, 1] - z[i, 1]) ** 2
        p = torch.sigmoid(z_hat[i, 2])
        total -= torch.log(p if z[i, 2] else 1 - p)
        if not np.isnan(x[i, 1]):
            total -= torch.log(torch.softmax(z_hat[i, 3:6], 0)[int(x[i, 1])])
        total -= torch.log(torch.softmax(z_hat[i, 6:8], 0)[int(x[i, 3])])
    torch.testing.assert_close(kind.reconstruction_loss(z_hat, z), total / (len(x) * 5), rtol=1e-6, atol=0)


def test_the_loss_of_numbers_alone_is_the_mean_squared_error():
    x = RNG.normal(size=(30, 4)).astype(np.float32)
    z, z_hat = torch.from_numpy(x), torch.zeros(30, 4)
    torch.testing.assert_close(Table.learn(x).reconstruction_loss(z_hat, z), F.mse_loss(z_hat, z))


def test_a_table_of_categories_alone():
    columns = (Column("a", ("x", "y")), Column("b", ("x", "y", "z")))
    x = np.stack([RNG.integers(0, 2, 30), RNG.integers(0, 3, 30)], axis=1).astype(np.float32)
    kind = Table.learn(x, columns)
    z = kind.preprocess()(torch.from_numpy(x))
    assert z.shape == (30, 5)
    assert kind.students(3)[-1].name == "linear"
    np.testing.assert_array_equal(kind.restore(z).numpy(), x)
    # One that is missing, or unknown, is none of those that there are.
    x[3], x[4, 1] = np.nan, 7
    back = kind.restore(kind.preprocess()(torch.from_numpy(x))).numpy()
    np.testing.assert_array_equal(back, np.where(x < 3, x, np.nan))


def test_names_are_escaped_in_a_drawing():
    x = _rows()
    assert "b&lt;: " in Table.learn(x, COLUMNS).draw(x[1])
