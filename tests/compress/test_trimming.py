from __future__ import annotations

import itertools
import math

import pytest
import torch

from attar.compress import fitting
from attar.compress.keeping import likelihood
from attar.compress.trimming import Rounding, counted, trimmed


def rounding(shape=(40, 30), step=0.25, seed=0, high=3):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(shape, generator=generator) * (torch.rand(shape, generator=generator) < 0.3)
    curvature = torch.rand(shape, generator=generator)
    return Rounding(weight, torch.tensor([step]), (weight / step).clamp(-high, high).round(), curvature)


def test_what_fits_is_left_as_it_is() -> None:
    one = rounding()
    (codes,) = trimmed([one], counted([one.codes]))
    assert torch.equal(codes, one.codes)


def test_counted_is_what_the_codec_writes() -> None:
    a, b = rounding().codes, rounding(seed=1).codes
    assert counted([a, b]) == pytest.approx(fitting.bits(a.int().numpy()) + fitting.bits(b.int().numpy()))


@pytest.mark.parametrize("share", [0.95, 0.7, 0.3])
def test_codes_fit_and_only_move_towards_zero(share) -> None:
    both = [rounding(), rounding((50,), seed=1)]
    allowed = share * counted([one.codes for one in both])
    found = trimmed(both, allowed)
    assert counted(found) <= allowed
    # λ is found closely: little is left unused.
    assert counted(found) > 0.9 * allowed
    for one, codes in zip(both, found):
        assert codes.shape == one.codes.shape
        assert torch.equal(codes, codes.round())
        assert (codes.abs() <= one.codes.abs()).all()
        assert (codes * one.codes >= 0).all()


def test_nothing_but_zeros_where_nothing_else_fits() -> None:
    assert not trimmed([rounding()], 0.0)[0].any()


def test_what_matters_more_is_kept() -> None:
    """Two tensors that are alike, but one of a hundred times the curvature: it loses nothing while the other does."""
    one = rounding()
    other = Rounding(one.weight, one.step, one.codes, 100 * one.curvature)
    less, more = trimmed([one, other], 0.9 * counted([one.codes, other.codes]))
    assert (less != one.codes).float().sum() > 10 * (more != one.codes).float().sum()


def test_a_factor_of_all_curvatures_changes_nothing() -> None:
    one = rounding()
    scaled = Rounding(one.weight, one.step, one.codes, 1024 * one.curvature)
    allowed = 0.7 * counted([one.codes])
    assert torch.equal(trimmed([one], allowed)[0], trimmed([scaled], allowed)[0])


def test_at_the_chosen_rate_no_single_change_is_better() -> None:
    """By exhaustion over the candidates of each weight, with prices written out by hand."""
    one = rounding((20, 10))
    (codes,) = trimmed([one], 0.8 * counted([one.codes]))
    kept = one.codes != 0
    p = likelihood(kept)
    magnitudes = one.codes[kept].abs()
    # Laplace's rule over the magnitudes that there are.
    frequency = {m: (int((magnitudes == m).sum()) + 1) / (len(magnitudes) + 3) for m in (1, 2, 3)}

    def rate(i, j, q):
        return -math.log2(1 - p[i, j]) if q == 0 else 1 - math.log2(p[i, j]) - math.log2(frequency[abs(q)])

    # Bounds on λ from every decision must leave an interval: one λ explains them all.
    low, high = 0.0, math.inf
    for i, j in itertools.product(range(20), range(10)):
        q, chosen = int(one.codes[i, j]), int(codes[i, j])
        h, w = float(one.curvature[i, j]), float(one.weight[i, j])

        def cost(c, h=h, w=w):
            return h * (w - 0.25 * c) ** 2

        for other in {q, q - (q > 0) + (q < 0), 0} - {chosen}:
            more = cost(other) - cost(chosen)
            fewer = rate(i, j, chosen) - rate(i, j, other)
            if fewer > 1e-4:
                high = min(high, more / fewer)
            elif fewer < -1e-4:
                low = max(low, more / fewer)
    assert low <= high * (1 + 1e-3)
