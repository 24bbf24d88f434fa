from __future__ import annotations

import math

import pytest
import torch

from attar.compress import grids
from attar.compress.grids import CLIPPINGS, Grid, fitted
from attar.errors import CompressionError

CASES = [(clipping, symmetric) for clipping in CLIPPINGS for symmetric in (True, False)]


@pytest.fixture
def rows():
    torch.manual_seed(0)
    return torch.cat([torch.randn(3, 200), torch.randn(2, 200).exp(), -torch.rand(2, 200)])


@pytest.mark.parametrize(("clipping", "symmetric"), CASES)
@pytest.mark.parametrize("bits", [2, 3, 8])
def test_within_the_range_the_error_is_half_a_step(rows, clipping, symmetric, bits) -> None:
    grid = Grid(bits, symmetric)
    steps = fitted(rows, grid, clipping)
    codes = steps.codes(rows, grid)
    assert torch.equal(codes, codes.round())
    assert codes.min() >= grid.low
    assert codes.max() <= grid.high
    ends = [steps.decoded(torch.full_like(rows, float(code))) for code in (grid.low, grid.high)]
    inside = (ends[0] <= rows) & (rows <= ends[1])
    error = (steps.decoded(codes) - rows).abs() / steps.scale[:, None]
    assert error[inside].max() <= 0.5 + 1e-4
    assert torch.equal(steps.decoded(codes)[rows > ends[1]], ends[1][rows > ends[1]])


@pytest.mark.parametrize(("clipping", "symmetric"), CASES)
def test_each_row_is_fitted_as_if_it_were_alone(rows, clipping, symmetric) -> None:
    together = fitted(rows, Grid(4, symmetric), clipping)
    for i, row in enumerate(rows):
        alone = fitted(row[None], Grid(4, symmetric), clipping)
        assert alone.scale[0] == together.scale[i]
        assert together.zero is None or alone.zero[0] == together.zero[i]


@pytest.mark.parametrize("symmetric", [True, False])
def test_what_is_rounded_in_parts_is_fitted_as_the_whole(rows, symmetric, monkeypatch) -> None:
    whole = fitted(rows, Grid(4, symmetric))
    monkeypatch.setattr(grids, "_AT_ONCE", 500)
    parts = fitted(rows, Grid(4, symmetric))
    assert torch.equal(parts.scale, whole.scale)
    assert symmetric or torch.equal(parts.zero, whole.zero)


@pytest.mark.parametrize(("clipping", "symmetric"), CASES)
def test_zero_stays_zero(rows, clipping, symmetric) -> None:
    grid = Grid(3, symmetric)
    steps = fitted(rows + 5, grid, clipping)
    assert not steps.decoded(steps.codes(torch.zeros_like(rows), grid)).any()


@pytest.mark.parametrize(("clipping", "symmetric"), CASES)
@pytest.mark.parametrize("sign", [-1, 1])
def test_what_lies_far_from_zero_is_in_range(clipping, symmetric, sign) -> None:
    w = sign * torch.stack([torch.linspace(9, 11, 2000), torch.linspace(-11, 11, 2000)])
    grid = Grid(4, symmetric)
    steps = fitted(w, grid, clipping)
    assert (steps.decoded(steps.codes(w, grid)) - w).abs().median(1).values.max() <= steps.scale.max() / 2


@pytest.mark.parametrize(("clipping", "symmetric"), CASES)
@pytest.mark.parametrize("numbers", [[0.0], [3.0], [-2.0, -2.0], [0.0, 0.0, 0.0], [1e-30, 0.0], [1e30, -1.0]])
def test_few_equal_or_extreme_numbers(clipping, symmetric, numbers) -> None:
    w, grid = torch.tensor([numbers]), Grid(8, symmetric)
    steps = fitted(w, grid, clipping)
    back = steps.decoded(steps.codes(w, grid))
    assert back.isfinite().all()
    assert (back - w).abs().max() <= 0.6 * steps.scale.max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_of_numbers(rows, dtype) -> None:
    for clipping, symmetric in CASES:
        steps = fitted(rows.to(dtype), Grid(4, symmetric), clipping)
        assert steps.scale.dtype == dtype
        assert steps.codes(rows.to(dtype), Grid(4, symmetric)).isfinite().all()


def test_all_numbers_are_in_range_of_minmax(rows) -> None:
    assert torch.equal(fitted(rows, Grid(4), "minmax").scale, rows.abs().amax(1) / 7)
    steps = fitted(rows, Grid(4, symmetric=False), "minmax")
    low, high = rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)
    torch.testing.assert_close(steps.scale, (high - low) / 15)
    assert ((steps.decoded(torch.full((7, 1), 7.0))[:, 0] - high).abs() <= 0.51 * steps.scale).all()


def test_percentile_leaves_out_one_of_a_thousand() -> None:
    w = torch.arange(1.0, 10_001)[None]
    assert fitted(w, Grid(8), "percentile").scale.item() == pytest.approx(9990 / 127)
    both = torch.cat([-w, w], 1)
    steps = fitted(both, Grid(8, symmetric=False), "percentile")
    assert steps.scale.item() == pytest.approx(2 * 9990 / 255, rel=1e-4)


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_least_squared_error_is_that_of_a_loop(rows, symmetric) -> None:
    grid = Grid(3, symmetric)
    steps = fitted(rows.double(), grid, "mse")
    for i, row in enumerate(rows.double().tolist()):
        below, above, least = min(*row, 0.0), max(*row, 0.0), math.inf
        for share in (k / 64 for k in range(1, 65)):
            if symmetric:
                scale, zero = max(-below, above) * share / grid.high, 0
            else:
                scale = (above - below) * share / (grid.high - grid.low)
                zero = min(max(round(grid.low - below * share / scale), grid.low), grid.high)
            codes = [min(max(round(w / scale) + zero, grid.low), grid.high) for w in row]
            least = min(least, sum((w - scale * (q - zero)) ** 2 for w, q in zip(row, codes)))
        found = steps.decoded(steps.codes(rows.double(), grid))[i] - rows[i]
        assert found.square().sum().item() == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize(("symmetric", "levels"), [(True, 7), (False, 8)])
def test_aciq_comes_near_the_least_error_of_the_distribution(symmetric, levels) -> None:
    torch.manual_seed(1)
    grid = Grid(3, symmetric)
    normal = torch.randn(1, 100_000)
    laplace = torch.distributions.Laplace(0.0, 1.0).sample((1, 100_000))
    # Of all uniform grids with so many codes (Max, Quantizing for Minimum Distortion, 1960, table II).
    best = {7: 0.0468, 8: 0.0374}[levels]
    for numbers, expected in ((normal, best), (laplace, None)):
        errors = []
        for clipping in ("aciq", "mse", "minmax"):
            steps = fitted(numbers, grid, clipping)
            errors.append(float((steps.decoded(steps.codes(numbers, grid)) - numbers).square().mean()))
        assert errors[0] <= 1.15 * errors[1] <= 0.7 * errors[2]
        assert expected is None or errors[0] == pytest.approx(expected, rel=0.2)


def test_what_a_relu_leaves_has_all_codes_on_one_side() -> None:
    torch.manual_seed(2)
    x = torch.randn(1, 50_000).relu()
    grid = Grid(4, symmetric=False)
    for clipping in CLIPPINGS:
        steps = fitted(x, grid, clipping)
        assert steps.zero.item() == grid.low
        assert fitted(-x, grid, clipping).zero.item() == grid.high
    # Half of a distribution on 16 codes is the whole of it on 31.
    half = fitted(x, grid, "aciq")
    assert half.scale.item() == pytest.approx(fitted(torch.randn(1, 50_000), Grid(5), "aciq").scale.item(), rel=0.02)


@pytest.mark.parametrize("bits", [-1, 0, 1, 17, 3.5, "8", None, [4]])
def test_bits_that_there_are_not(bits) -> None:
    with pytest.raises(CompressionError, match="2 to 16"):
        Grid(bits)
