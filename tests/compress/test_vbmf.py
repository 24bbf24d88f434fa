from __future__ import annotations

import pytest
import torch

from attar.compress.vbmf import vbmf_rank


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("rank", [0, 1, 3, 8])
@pytest.mark.parametrize("shape", [(40, 40), (40, 100), (120, 50)])
@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_the_rank_below_noise_is_found(rank, shape, noise) -> None:
    m, n = shape
    signal = normal(m, rank, seed=1) @ normal(rank, n, seed=2)
    matrix = signal + noise * normal(m, n, seed=3)
    assert vbmf_rank(matrix) == rank
    assert vbmf_rank(matrix.T) == vbmf_rank(matrix * 1e3) == rank


def test_what_is_below_the_noise_is_not_signal() -> None:
    weak = normal(60, 1, seed=1) @ normal(1, 60, seed=2)
    assert vbmf_rank(weak * 0.01 + normal(60, 60, seed=3)) == 0


def test_without_noise_it_is_the_rank() -> None:
    assert vbmf_rank(normal(20, 4) @ normal(4, 30, seed=1)) == 4
    assert vbmf_rank(torch.zeros(5, 6)) == 0
    assert vbmf_rank(normal(60, 59) @ normal(59, 90, seed=1)) == 59


@pytest.mark.parametrize("rank", [0, 3])
def test_rows_without_noise_of_their_own_change_nothing(rank) -> None:
    m = normal(60, rank, seed=1) @ normal(rank, 90, seed=2) + 0.5 * normal(60, 90, seed=3)
    zero, equal = torch.zeros(5, 90, dtype=m.dtype), m[:5]
    for more in (torch.cat([m, zero]), torch.cat([m, equal]), torch.cat([m, m]), torch.cat([zero, m, equal])):
        assert vbmf_rank(more) == vbmf_rank(more.T) == rank
    # As many zeros as one likes are no samples of the noise.
    around = torch.zeros(200, 300, dtype=m.dtype)
    around[50:110, 100:190] = m
    assert vbmf_rank(around) == rank
    # Noiseless still, in few rows that repeat.
    low = normal(20, 4) @ normal(4, 30, seed=1)
    assert vbmf_rank(torch.cat([low, low[:3], torch.zeros(2, 30, dtype=low.dtype)])) == 4
