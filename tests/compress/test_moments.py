from __future__ import annotations

import pytest
import torch

from attar.compress.moments import Moments

# Rows that go together, with a mean.
ROOT = torch.randn(8, 8, generator=torch.Generator().manual_seed(9)).double() * torch.logspace(0, -2, 8).double()
MEAN = torch.linspace(-1, 1, 8).double()
SPREAD = torch.linspace(0.5, 2, 8)
WEIGHT = torch.randn(3, 8, generator=torch.Generator().manual_seed(8)).double()


def rows(n, seed=0):
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)).double() @ ROOT.T + MEAN


def moments(x, of=None):
    found = Moments(x.shape[1])
    found.take(x, torch.arange(len(x)) if of is None else of)
    return found


def test_of_many_samples_they_are_those_of_the_rows() -> None:
    x = rows(20_000)
    found = moments(x)
    torch.testing.assert_close(found.seen_mean, x.mean(0))
    torch.testing.assert_close(found.seen_covariance, torch.cov(x.T, correction=0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.mean_of(WEIGHT), WEIGHT @ found.seen_mean, rtol=1e-3, atol=0)
    torch.testing.assert_close(found.covariance, found.seen_covariance, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("patches", [1, 40])
def test_of_one_sample_they_are_what_they_are_without_data(patches) -> None:
    found = moments(rows(patches), torch.zeros(patches, dtype=torch.long))
    assert not found.mean_of(WEIGHT).any()
    one = found.covariance / found.covariance[0, 0]
    torch.testing.assert_close(one, torch.eye(8, dtype=torch.float64))


@pytest.mark.parametrize("n", [2, 4, 16])
def test_of_few_samples_they_err_less_than_those_of_the_rows(n) -> None:
    errors = torch.zeros(2, 2)
    for seed in range(100):
        found = moments(torch.randn(n, 8, generator=torch.Generator().manual_seed(seed)) * SPREAD + MEAN / 8)
        errors[0] += torch.stack(
            [(one - SPREAD.diag() ** 2).square().sum() for one in (found.covariance, found.seen_covariance)]
        )
        told = found.mean_of(WEIGHT), WEIGHT @ found.seen_mean
        errors[1] += torch.stack([(one - WEIGHT @ MEAN / 8).square().sum() for one in told])
    assert (errors[:, 0] < errors[:, 1]).all()


def test_rows_of_a_sample_that_are_alike_say_no_more_than_one() -> None:
    x, of = rows(6), torch.arange(6)
    once, often = moments(x), moments(x.repeat_interleave(50, 0), of.repeat_interleave(50))
    torch.testing.assert_close(often.covariance, once.covariance, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(often.mean_of(WEIGHT), once.mean_of(WEIGHT), rtol=1e-4, atol=1e-5)
    # Those that differ say more.
    x = rows(300)
    few, seen = once.covariance - once.seen_covariance, torch.cov(x.T, correction=0)
    apart = moments(x, torch.arange(6).repeat_interleave(50)).covariance - seen
    assert apart.norm() < 0.2 * few.norm()


def test_lots_may_come_in_any_order() -> None:
    x, of, lots = rows(12), torch.arange(12), Moments(8)
    for which in (of[8:], of[:8]):
        lots.take(x[which], which)
    torch.testing.assert_close(lots.covariance, moments(x).covariance, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(lots.mean_of(WEIGHT), moments(x).mean_of(WEIGHT), rtol=1e-5, atol=1e-6)


def test_a_lot_that_comes_again_says_nothing_new() -> None:
    x, of, again = rows(12), torch.arange(12), Moments(8)
    for _ in range(30):
        again.take(x, of)
    assert (again.rows, again.samples) == (360, 12)
    torch.testing.assert_close(again.covariance, moments(x).covariance, rtol=0.05, atol=0.05)


def test_rows_in_few_dimensions_say_that_there_are_no_others() -> None:
    x = rows(60)[:, :2] @ ROOT[:2]
    found = moments(x)
    outside = torch.linalg.svd(x - x.mean(0)).Vh[2:]
    assert (outside @ found.covariance).abs().max() < 1e-5
    # Of two rows all lie on a line, which says nothing.
    few = moments(x[:3]).covariance
    assert torch.linalg.eigvalsh(few)[0] > 0.01 * few.trace() / 8


def test_what_does_not_vary_is_no_direction() -> None:
    assert torch.equal(moments(torch.full((2, 8), 3.0)).covariance, torch.eye(8, dtype=torch.float64))
    assert moments(torch.zeros(2, 8)).mean_of(WEIGHT).tolist() == [0.0] * 3


def test_rows_of_one_number() -> None:
    assert moments(torch.tensor([[1.0], [3.0]])).covariance.tolist() == [[1.0]]
