from __future__ import annotations

import itertools

import pytest
import torch

from attar.compress import fitting
from attar.compress.keeping import bits, chosen, likelihood, price


def uneven(rows=60, columns=90, seed=0):
    """A mask with rows and columns of very different density."""
    generator = torch.Generator().manual_seed(seed)
    p = torch.rand(rows, 1, generator=generator) ** 4 * torch.rand(1, columns, generator=generator) ** 2
    return torch.rand(rows, columns, generator=generator) < p


def by_hand(mask):
    n, m = mask.shape
    total = mask.sum().item()
    share = (total + 0.5) / (n * m + 1)
    p = torch.zeros(n, m, dtype=torch.float64)
    for i, j in itertools.product(range(n), range(m)):
        row = (mask[i].sum().item() + 0.5) / (m * share + 0.5)
        column = (mask[:, j].sum().item() + 0.5) / (n * share + 0.5)
        p[i, j] = min(max(share * row * column, 1e-5), 0.97)
    return p


def test_likelihood_equals_the_formula() -> None:
    mask = uneven(12, 17)
    torch.testing.assert_close(likelihood(mask).double(), by_hand(mask), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", [(1,), (9,), (1, 9), (9, 1), (4, 3, 2, 2)])
def test_prices_have_the_shape_of_the_mask(shape) -> None:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.4
    assert price(mask, 2.0).shape == shape
    assert (price(mask, 2.0) >= 2.0).all()


def test_a_vector_has_one_price_for_all() -> None:
    assert len(price(torch.tensor([True, False, False]), 2.0).unique()) == 1


def test_it_does_not_matter_in_what_order_rows_and_columns_stand() -> None:
    mask = uneven()
    rows, columns = torch.randperm(60), torch.randperm(90)
    assert bits(mask[rows][:, columns], 2.0) == pytest.approx(bits(mask, 2.0), rel=1e-6)
    assert bits(mask.T, 2.0) == pytest.approx(bits(mask, 2.0), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_estimate_is_close_to_what_the_codec_counts(seed) -> None:
    mask = uneven(200, 300, seed)
    signs = torch.where(torch.rand(mask.shape, generator=torch.Generator().manual_seed(seed)) < 0.5, -1, 1)
    assert bits(mask, 1.0) == pytest.approx(fitting.bits((mask * signs).int().numpy()), rel=0.08)


def test_more_of_the_same_ranking_never_takes_fewer_bits() -> None:
    worth = torch.rand(50, 80, generator=torch.Generator().manual_seed(0)) * uneven(50, 80).float().add(0.1)
    order = worth.flatten().argsort(descending=True)
    taken = []
    for n in range(0, 2000, 50):
        mask = torch.zeros(4000, dtype=torch.bool)
        mask[order[:n]] = True
        taken.append(bits(mask.reshape(50, 80), 2.0))
    assert taken == sorted(taken)


@pytest.mark.parametrize("allowed", [0.0, 300.0, 2000.0, 1e9])
def test_what_is_chosen_fits_and_nothing_more_would(allowed) -> None:
    generator = torch.Generator().manual_seed(0)
    worths = [torch.rand(30, 40, generator=generator), 5 * torch.rand(30, generator=generator)]
    masks = [torch.rand(30, 40, generator=generator) < 0.3, torch.rand(30, generator=generator) < 0.5]
    kept = chosen(worths, masks, allowed, 2.0)
    assert sum(bits(mask, 2.0) for mask in kept) <= max(allowed, sum(bits(torch.zeros_like(m), 2.0) for m in kept))
    ratios = [worth / price(mask, 2.0) for worth, mask in zip(worths, masks)]
    inside = torch.cat([ratio[mask] for ratio, mask in zip(ratios, kept)])
    outside = torch.cat([ratio[~mask] for ratio, mask in zip(ratios, kept)])
    if len(inside) and len(outside):
        assert inside.min() > outside.max()
    if len(outside):
        more = [ratio >= outside.max() for ratio in ratios]
        assert sum(bits(mask, 2.0) for mask in more) > allowed


def test_what_matters_nothing_is_not_kept() -> None:
    worth = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert torch.equal(chosen([worth], [worth > 0], 1e9, 2.0)[0], worth > 0)


def test_of_equal_worth_the_fuller_row_and_column_are_kept() -> None:
    mask = torch.zeros(20, 20, dtype=torch.bool)
    mask[:5, :5] = True
    (kept,) = chosen([torch.ones(20, 20)], [mask], 200.0, 2.0)
    assert torch.equal(kept, mask)
