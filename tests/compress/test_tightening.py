from __future__ import annotations

import pytest
import torch
from torch import nn

from attar.compress.gates import gated_places
from attar.compress.grids import Grid
from attar.compress.keeping import bits
from attar.compress.tightening import Tightening, rounded, value_bits
from attar.compress.trimming import counted

STEPS = 100
LAST = 70


def tightening(allowed=3000.0):
    torch.manual_seed(0)
    student = nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 10))
    gated = gated_places(student)
    return Tightening(student, gated, allowed, Grid(3), STEPS), gated


def taken(gated):
    return sum(bits(gate.mask, value_bits(3)) for _, gate in gated)


def stepped(one, gated):
    """One step, with the gradients of some samples."""
    one.advance()
    one.train()
    one.student(torch.randn(8, 30)).square().sum().backward()
    for place, _ in gated:
        place.original().grad = None


def test_bits_fall_along_the_cubic_and_stay() -> None:
    one, gated = tightening()
    whole = value_bits(3) * sum(gate.mask.numel() for _, gate in gated)
    for step in range(STEPS):
        stepped(one, gated)
        target = 1.01 * 3000 * float(one.correction)
        # Up to nine tenths nothing is corrected yet: after it, the correction is that of the masks as they are.
        if 0 < step < 0.9 * LAST:
            expected = target + (whole - target) * (1 - step / LAST) ** 3
            # The densest masks take fewer bits than all values, for nothing must be said of their places.
            assert 0.75 * expected < taken(gated) <= expected
        if step == LAST:
            masks = [gate.mask.clone() for _, gate in gated]
    assert all(torch.equal(mask, gate.mask) for mask, (_, gate) in zip(masks, gated))
    weights = [place.original().detach() * gate.mask for place, gate in gated]
    found = counted([rounded(weight, Grid(3)).codes(weight) for weight in weights])
    assert found == pytest.approx(3000, rel=0.1)


def test_gates_are_open_until_masks_are_decided() -> None:
    one, gated = tightening()
    for step in range(STEPS):
        stepped(one, gated)
        assert all(bool(gate.open) == (step < LAST) for _, gate in gated)


def test_a_copy_made_of_the_state_goes_on_alike() -> None:
    one, gated = tightening()
    other, others = tightening()
    for _ in range(40):
        stepped(one, gated)
    other.load_state_dict(one.state_dict())
    for _ in range(40):
        torch.manual_seed(1)
        stepped(one, gated)
        torch.manual_seed(1)
        stepped(other, others)
    for (_, gate), (_, same) in zip(gated, others):
        assert torch.equal(gate.mask, same.mask)
        assert torch.equal(gate.curvature, same.curvature)


def test_a_budget_beyond_all_weights_masks_nothing_that_matters() -> None:
    one, gated = tightening(allowed=1e9)
    for _ in range(STEPS):
        stepped(one, gated)
    assert all((gate.mask | (gate.worth(place.original()) == 0)).all() for place, gate in gated)


def test_the_bits_of_a_value_grow_with_those_of_a_code() -> None:
    assert [round(value_bits(n), 2) for n in (2, 3, 4, 8)] == [0.9, 2.33, 3.43, 7.19]


@pytest.mark.parametrize("weight", [torch.zeros(3, 4), torch.zeros(5)])
def test_what_is_zero_is_rounded_to_zero(weight) -> None:
    assert torch.equal(rounded(weight, Grid(3))(weight), weight)


def test_codes_of_vectors_are_finer() -> None:
    weight = torch.randn(50, generator=torch.Generator().manual_seed(0))
    assert int(rounded(weight[None], Grid(3)).codes(weight[None]).abs().max()) == 3
    assert int(rounded(weight, Grid(3)).codes(weight).abs().max()) > 15
    assert int(rounded(weight, Grid(8)).codes(weight).abs().max()) > 63
