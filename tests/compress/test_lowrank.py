from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from attar.compress.lowrank import Chain, Task, canonical, channel, spatial, tucker


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def task(out=6, n_in=5, high=3, wide=3, weighted=True):
    width = n_in * high * wide
    root = normal(width, width, seed=1) * torch.logspace(0, -2, width)
    return Task(normal(out, n_in, high, wide), root @ root.T if weighted else None)


def composed(chain: Chain, scheme: str) -> torch.Tensor:
    """What the layers amount to, by the response of the convolutions to unit patches."""
    n_in, high, wide = (5, 3, 3)
    x = torch.eye(n_in * high * wide, dtype=torch.float64).reshape(-1, n_in, high, wide)
    for weight in chain.weights:
        groups = x.shape[1] if scheme == "canonical" and weight.shape[2:] == (3, 3) else 1
        x = torch.nn.functional.conv2d(x, weight, groups=groups)
    return x[:, :, 0, 0].T


SCHEMES = {
    "channel": lambda t: channel(t, 3),
    "tucker": lambda t: tucker(t, 4, 3),
    "spatial": lambda t: spatial(t, 4),
    "canonical": lambda t: canonical(t, 7),
}


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_layers_amount_to_the_weight_and_the_error_is_that_of_the_answers(scheme, weighted) -> None:
    given = task(weighted=weighted)
    chain = SCHEMES[scheme](given)
    torch.testing.assert_close(composed(chain, scheme), chain.composed, rtol=1e-9, atol=1e-9)
    patches = torch.linalg.cholesky(given.covariance) if weighted else torch.eye(45, dtype=torch.float64)
    lost = ((given.weight.flatten(1) - chain.composed) @ patches).square().sum()
    assert given.error(chain.composed) == pytest.approx(
        float(lost / (given.weight.flatten(1) @ patches).square().sum())
    )


def test_eckart_young() -> None:
    """The error is the tail of the singular values, and no other matrix of that rank errs less."""
    w = normal(8, 12)
    given = Task(w[:, :, None, None])
    values = torch.linalg.svdvals(w)
    for rank in range(1, 8):
        best = channel(given, rank).composed
        assert torch.linalg.matrix_rank(best) == rank
        tail = float(values[rank:].square().sum() / values.square().sum())
        assert given.error(best) == pytest.approx(tail, rel=1e-9)
        for seed in range(5):  # alternating least squares from random starts: each step is optimal
            u = normal(8, rank, seed=seed)
            for _ in range(200):
                v = torch.linalg.lstsq(u, w).solution
                u = torch.linalg.lstsq(v.T, w.T).solution.T
            assert given.error(u @ v) >= tail * (1 - 1e-9)
        for seed in range(20):
            near = normal(8, rank, seed=seed) @ normal(rank, 12, seed=seed + 50)
            assert given.error(best + 1e-3 * near @ best.T @ best) > tail or rank == 8


def test_of_all_ranks_r_the_answers_are_nearest_weighted_by_data() -> None:
    given = task(8, 12, 1, 1)
    root = torch.linalg.cholesky(given.covariance)
    w = given.weight.flatten(1)
    values = torch.linalg.svdvals(w @ root)
    for rank in (1, 3, 6):
        best = channel(given, rank).composed
        assert given.error(best) == pytest.approx(float(values[rank:].square().sum() / values.square().sum()), rel=1e-8)
        assert given.error(best) < given.error(channel(Task(given.weight), rank).composed)


@pytest.mark.parametrize("weighted", [True, False])
def test_full_rank_is_exact(weighted) -> None:
    given = task(weighted=weighted)
    for chain in (channel(given, 6), tucker(given, 6, 5), spatial(given, 15), canonical(given, 45)):
        assert given.error(chain.composed) < 1e-9


@pytest.mark.parametrize("weighted", [True, False])
def test_a_filter_of_low_rank_is_recovered(weighted) -> None:
    covariance = task().covariance if weighted else None
    core, outs, ins = normal(2, 3, 3, 3), normal(6, 2, seed=3), normal(5, 3, seed=4)
    two = Task(torch.einsum("rshw,or,is->oihw", core, outs, ins), covariance)
    assert two.error(tucker(two, 2, 3).composed) < 1e-12
    assert two.error(channel(two, 2).composed) < 1e-12
    split = Task(torch.einsum("orw,rih->oihw", normal(6, 2, 3), normal(2, 5, 3, seed=2)), covariance)
    assert split.error(spatial(split, 2).composed) < 1e-12
    sums = torch.einsum("or,ir,kr->oik", normal(6, 2, seed=5), normal(5, 2, seed=6), normal(9, 2, seed=7))
    cp = Task(sums.reshape(6, 5, 3, 3), covariance)
    assert cp.error(canonical(cp, 2).composed) < 1e-6


def test_more_ranks_err_less_and_zeros_do_no_harm() -> None:
    given = task()
    for ways in (
        [channel(given, r) for r in range(1, 7)],
        [spatial(given, r) for r in range(1, 16, 2)],
        [tucker(given, 6, r) for r in range(1, 6)],
    ):
        errors = [given.error(chain.composed) for chain in ways]
        assert all(b <= a + 1e-9 for a, b in pairwise(errors))
    dead = Task(torch.zeros(6, 5, 3, 3, dtype=torch.float64), torch.zeros(45, 45, dtype=torch.float64))
    for build in SCHEMES.values():
        assert torch.isfinite(build(dead).composed).all()


def test_the_error_is_a_share_however_small_the_answers_are() -> None:
    one = task(weighted=False)
    tiny = Task(one.weight, torch.eye(45, dtype=torch.float64) * 1e-26)
    assert channel(tiny, 2).composed.shape == (6, 45)
    assert tiny.error(channel(one, 2).composed) == pytest.approx(one.error(channel(one, 2).composed))
