"""The laws of parts, on every kind that has them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from attar import kinds
from attar.data.dataset import Column
from attar.errors import DataError
from attar.kinds.base import Kind
from attar.kinds.image import Image
from attar.kinds.parts import Parts
from attar.kinds.series import Series
from attar.kinds.table import Table
from attar.nets.patches import cut

RNG = np.random.default_rng(0)


def _series() -> np.ndarray:
    x = RNG.normal(size=(20, 2, 70)).astype(np.float32)
    x[4, :, 30:] = np.nan
    return x


def _table() -> tuple[np.ndarray, tuple[Column, ...]]:
    x = RNG.normal(size=(20, 5)).astype(np.float32)
    x[:, 1] = RNG.integers(0, 3, 20)
    x[::4, 0] = np.nan
    x[1::5, 1] = np.nan
    return x, (Column("a"), Column("b", ("r", "g", "b")), Column("c"), Column("d"), Column("e"))


CASES: dict[str, tuple[np.ndarray, tuple[Column, ...]]] = {
    "image": (RNG.random((20, 8, 8), dtype=np.float32), ()),
    "image-colour": (RNG.random((20, 9, 19, 3), dtype=np.float32), ()),
    "series": (_series(), ()),
    "table": _table(),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Kind, torch.Tensor]:
    x, columns = CASES[request.param]
    kind = kinds.of(request.param.partition("-")[0]).learn(x, columns)
    return kind, kind.preprocess()(torch.from_numpy(x))


def _hidden(kind: Kind, x: torch.Tensor) -> torch.Tensor:
    """Every other of the parts that are present."""
    present = kind.present(x)
    return present & (torch.arange(present.shape[1]) % 2 == 1)


def _seen(kind: Kind, x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    return kind.hide(x, hidden, torch.Generator().manual_seed(0))


def test_shapes_go_together(case):
    kind, x = case
    hidden = _hidden(kind, x)
    encoder, decoder = kind.part_encoder(6, 16), kind.part_decoder(6, 16)
    z = encoder.parts(_seen(kind, x, hidden), hidden)
    assert z.shape == (*hidden.shape, 6)
    x_hat = decoder(z, hidden, _seen(kind, x, hidden))
    assert kind.masked_loss(x_hat, x, hidden).shape == ()
    assert kind.fill(x_hat, x, hidden).shape == x.shape
    assert encoder(x).shape == (len(x), 6)


def test_whole_samples_are_the_mean_of_what_is_present(case):
    kind, x = case
    encoder = kind.part_encoder(6, 16)
    z = encoder.parts(x)
    if kind.name == "series":
        share = kind.present(x).float()[:, :, None]
        expected = (z * share).sum(1) / share.sum(1)
    else:
        expected = z.mean(1)
    torch.testing.assert_close(encoder(x), expected)


def test_every_parameter_receives_a_gradient(case):
    kind, x = case
    hidden = _hidden(kind, x)
    networks = torch.nn.ModuleDict({"encoder": kind.part_encoder(6, 16), "decoder": kind.part_decoder(6, 16)})
    z = networks["encoder"].parts(_seen(kind, x, hidden), hidden)
    kind.masked_loss(networks["decoder"](z, hidden, x), x, hidden).backward()
    for name, parameter in networks.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_what_is_hidden_has_no_influence_on_the_prediction(case):
    kind, x = case
    hidden = _hidden(kind, x)
    encoder, decoder = kind.part_encoder(6, 16), kind.part_decoder(6, 16)
    whole = x[kind.present(x).all(dim=1)]
    changed = torch.where(_area(kind, x, hidden), whole[:1], x)
    assert not torch.equal(changed, x)
    with torch.no_grad():
        first, second = (decoder(encoder.parts(one, hidden), hidden, one) for one in (x, changed))
    assert torch.equal(first, second)


def test_the_loss_looks_at_hidden_parts_alone(case):
    kind, x = case
    hidden = _hidden(kind, x)
    x_hat = kind.part_decoder(6, 16)(torch.randn(*hidden.shape, 6), hidden, x).detach().requires_grad_()
    loss = kind.masked_loss(x_hat, x, hidden)
    area = _area(kind, x, hidden)
    elsewhere = torch.where(area, x, torch.randn_like(x))
    assert torch.equal(kind.masked_loss(x_hat, elsewhere, hidden), loss)
    loss.backward()
    predicted = area[:, list(kind.predicted)] if isinstance(kind, Table) else area
    assert (x_hat.grad[~predicted] == 0).all()
    assert (x_hat.grad[predicted] != 0).float().mean() > 0.5


def test_without_hidden_parts_the_loss_is_zero(case):
    kind, x = case
    nothing = torch.zeros_like(_hidden(kind, x))
    x_hat = kind.part_decoder(6, 16)(torch.randn(*nothing.shape, 6), nothing, x)
    loss = kind.masked_loss(x_hat, x, nothing)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(kind.fill(x_hat, x, nothing), x)


def test_filling_with_the_truth_changes_nothing(case):
    kind, x = case
    hidden = _hidden(kind, x)
    truth = x[:, list(kind.predicted)] if isinstance(kind, Table) else x
    assert torch.equal(kind.fill(truth, x, hidden), x)


def _area(kind: Kind, x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """The values that belong to the hidden parts, found by filling."""
    if isinstance(kind, Table):
        area = hidden[:, list(kind.owner)]
        # That a cell is there is said beside it, and remains so.
        start = len(kind.numeric)
        area[:, start : start + len(kind.indicated)] = False
        return area
    return kind.fill(torch.full_like(x, torch.nan), x, hidden).isnan()


@pytest.mark.parametrize("name", ["image", "image-colour", "series"])
def test_squared_error_equals_a_loop_over_hidden_patches(name):
    x, _ = CASES[name]
    kind = kinds.of(name.partition("-")[0]).learn(x)
    x = kind.preprocess()(torch.from_numpy(x))
    hidden, x_hat = _hidden(kind, x), torch.randn_like(x)
    _, size, patch = kind.layout
    inside = cut(torch.ones_like(x), size, patch).double()
    squares = (cut(x_hat, size, patch).double() - cut(x, size, patch).double()) ** 2
    total = count = 0.0
    for i in range(hidden.shape[0]):
        for part in range(hidden.shape[1]):
            if hidden[i, part]:
                total, count = total + squares[i, part].sum(), count + inside[i, part].sum()
    torch.testing.assert_close(kind.masked_loss(x_hat.double(), x.double(), hidden), total / count)


def test_error_and_cross_entropy_of_cells_equal_a_loop():
    x, columns = CASES["table"]
    kind = Table.learn(x, columns)
    normalised = kind.preprocess()(torch.from_numpy(x)).double()
    hidden = _hidden(kind, normalised) | (kind.present(normalised) & (torch.arange(5) == 2))
    # Four numbers, and the scores of three categories.
    x_hat = torch.randn(len(x), 7, dtype=torch.float64)
    total = 0.0
    for i, column in hidden.nonzero().tolist():
        if column == 1:
            total += F.cross_entropy(x_hat[i, 4:], torch.tensor(int(x[i, 1])))
        else:
            j = kind.numeric.index(column)
            total += (x_hat[i, j] - normalised[i, j]) ** 2
    torch.testing.assert_close(kind.masked_loss(x_hat, normalised, hidden), total / hidden.sum())


def test_padding_and_missing_cells_are_not_present():
    series, _ = CASES["series"]
    kind = Series.learn(series)
    present = kind.present(kind.preprocess()(torch.from_numpy(series)))
    assert present.shape == (20, 24)
    assert present[4].tolist() == [True] * 10 + [False] * 14
    assert present[torch.arange(20) != 4].all()
    x, columns = CASES["table"]
    kind = Table.learn(x, columns)
    present = kind.present(kind.preprocess()(torch.from_numpy(x)))
    np.testing.assert_array_equal(present.numpy(), ~np.isnan(x))


def test_padding_has_no_influence_on_the_encoder():
    short = RNG.normal(size=(6, 2, 30)).astype(np.float32)
    padded = np.concatenate([short, np.full((6, 2, 40), np.nan, np.float32)], axis=2)
    long = Series((2, 70), (0.0, 0.0), (1.0, 1.0))
    encoder = long.part_encoder(6, 16)
    x = long.preprocess()(torch.from_numpy(padded))
    whole = encoder(x)
    # The same network on series that have the ten segments alone.
    encoder.embed.size = (30,)
    with torch.no_grad():
        encoder.positions.data = encoder.positions.data[:10]
    torch.testing.assert_close(encoder(x[:, :, :30]), whole)


def test_a_series_of_nothing_is_still_finite():
    kind = Series((2, 70), (0.0, 0.0), (1.0, 1.0))
    x = torch.zeros(3, 2, 70)
    hidden = torch.zeros(3, 24, dtype=torch.bool)
    encoder = kind.part_encoder(6, 16)
    assert (encoder(x) == 0).all()
    assert torch.isfinite(encoder.parts(x, hidden)).all()


@pytest.mark.parametrize(("side", "patch", "parts"), [(1, 2, 1), (8, 2, 16), (28, 4, 49), (32, 4, 64), (224, 32, 49)])
def test_patches_grow_with_the_image(side, patch, parts):
    kind = Image((side, side), (0.0,), (1.0,), (0.0,))
    assert kind.layout == (1, (side, side), (patch, patch))
    assert kind.present(torch.zeros(1, 1, side, side)).shape == (1, parts)


def test_a_kind_without_parts_says_so():
    class Smell(Parts):
        name = "smell"

    with pytest.raises(DataError, match="kind 'smell' does not say what the parts of a sample are; use another"):
        Smell().part_encoder(8)
