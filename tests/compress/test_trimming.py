from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn

from attar.compress import fitting
from attar.compress.keeping import likelihood
from attar.compress.parametrizations import Masked, Rounded
from attar.compress.places import places
from attar.compress.trimming import Rounding, Trimming, counted, roundings, trimmed


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


def student(seed=0):
    """A network with masks and steps, and curvatures of its weights."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(30, 40), nn.Linear(40, 10))
    curvatures = []
    for place in places(net):
        weight = place.value.detach()
        place.wrap(Masked(torch.rand(weight.shape) < 0.5))
        place.wrap(Rounded(torch.tensor([0.03]), -3, 3))
        curvatures.append((place, torch.rand(weight.shape)))
    return net, curvatures


def codes_of_all(curvatures):
    return [one.codes for one in roundings(curvatures)]


def test_roundings_are_what_the_network_computes_with() -> None:
    _, curvatures = student()
    for (place, _), one in zip(curvatures, roundings(curvatures)):
        torch.testing.assert_close(one.step * one.codes, place.value.detach(), rtol=1e-6, atol=1e-7)


def test_a_student_is_trimmed_when_it_is_due_and_left_alone_otherwise() -> None:
    net, curvatures = student()
    allowed = 0.6 * counted(codes_of_all(curvatures))
    one = Trimming(net, curvatures, allowed, steps=10)
    for step in range(10):
        before = codes_of_all(curvatures)
        one.advance()
        after = codes_of_all(curvatures)
        if step in (1, 3, 5, 7):
            assert counted(after) <= allowed
            assert all((a.abs() <= b.abs()).all() for a, b in zip(after, before))
            # Each is trained on: what is zero is masked for good, and nothing comes back by itself.
            for (place, _), codes in zip(curvatures, after):
                place.original().data += 0.02 * torch.randn(codes.shape)
                assert not place.value[codes == 0].any()
        else:
            assert all(torch.equal(a, b) for a, b in zip(after, before))


def test_trimming_goes_on_from_a_state() -> None:
    one, other = (Trimming(*student(), allowed=3000.0, steps=10) for _ in range(2))
    for _ in range(4):
        one.advance()
    other.load_state_dict(one.state_dict())
    for _ in range(2):
        one.advance()
        other.advance()
    for name, tensor in one.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
