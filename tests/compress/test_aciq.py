from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from attar.compress.aciq import corrected, laplace_limit, normal_limit, spread


def expected_error(limit, density, levels):
    """What is cut off, and one twelfth of a squared step."""
    cut, _ = quad(lambda x: (x - limit) ** 2 * density(x), limit, np.inf, epsabs=1e-14)
    return 2 * cut + (2 * limit / levels) ** 2 / 12


@pytest.mark.parametrize("levels", [3, 4, 7, 8, 15, 16, 255])
def test_limits_minimise_the_expected_squared_error(levels) -> None:
    for limit, density in (
        (laplace_limit, lambda x: math.exp(-x) / 2),
        (normal_limit, lambda x: math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)),
    ):
        least = minimize_scalar(
            expected_error, bounds=(0.3, 15), args=(density, levels), method="bounded", options={"xatol": 1e-10}
        )
        assert limit(levels) == pytest.approx(least.x, abs=1e-5)


def test_limits_are_those_published() -> None:
    assert [laplace_limit(2**bits) for bits in (2, 3, 4)] == pytest.approx([2.83, 3.89, 5.03], abs=0.01)
    assert [normal_limit(2**bits) for bits in (2, 3, 4)] == pytest.approx([1.71, 2.15, 2.55], abs=0.01)


def test_the_distribution_is_told_by_its_moments() -> None:
    torch.manual_seed(0)
    normal, laplace = 2 * torch.randn(40_000), torch.distributions.Laplace(0.0, 3.0).sample((40_000,))
    got = spread(torch.stack([normal, laplace]), torch.zeros(2), 15)
    assert got.tolist() == pytest.approx([2 * normal_limit(15), 3 * laplace_limit(15)], rel=0.03)
    moved = spread(torch.stack([normal, laplace]) + 7, torch.full((2,), 7.0), 15)
    torch.testing.assert_close(moved, got, rtol=1e-4, atol=0)


def test_mean_and_norm_are_set_right() -> None:
    torch.manual_seed(1)
    w = torch.randn(5, 40, dtype=torch.float64) + torch.arange(5)[:, None] / 10
    codes = (w / 0.9).round().clamp(-1, 1)
    scale, zero = corrected(w, codes)
    back = scale[:, None] * (codes - zero[:, None])
    torch.testing.assert_close(back.mean(1), w.mean(1))
    torch.testing.assert_close((back - back.mean(1, True)).norm(dim=1), (w - w.mean(1, True)).norm(dim=1))
    scale, zero = corrected(w, codes, shift=False)
    torch.testing.assert_close((scale[:, None] * codes).norm(dim=1), w.norm(dim=1))
    assert not zero.any()


def test_correction_does_not_depend_on_the_first_step() -> None:
    w = torch.randn(3, 30, generator=torch.Generator().manual_seed(2))
    codes = (w * 2).round()
    scale, zero = corrected(w, codes)
    other = corrected(w, 0.37 * (codes - 4))
    for i in range(3):
        torch.testing.assert_close(
            scale[i] * (codes[i] - zero[i]), other[0][i] * (0.37 * (codes[i] - 4) - other[1][i]), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("numbers", [[0.0, 0.0], [2.0, 2.0], [5.0], [1.0, -1.0]])
@pytest.mark.parametrize("shift", [True, False])
def test_correction_of_equal_codes_is_finite(numbers, shift) -> None:
    w = torch.tensor([numbers])
    scale, zero = corrected(w, torch.zeros_like(w), shift)
    back = scale[:, None] * (torch.zeros_like(w) - zero[:, None])
    assert scale.item() == ((shift and abs(w.mean().item())) or 1)
    assert back.tolist() == ([[w.mean().item()] * len(numbers)] if shift else [[0.0] * len(numbers)])


@pytest.mark.parametrize("value", [0.011, -3e-7, 0.0])
def test_equal_numbers_are_stored_to_the_last_digit_by_large_codes_too(value) -> None:
    w, codes = torch.full((1, 1), value), torch.full((1, 1), 32767.0)
    scale, zero = corrected(w, codes)
    torch.testing.assert_close(scale[:, None] * (codes - zero[:, None]), w, rtol=1e-6, atol=0)
