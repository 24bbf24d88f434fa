from __future__ import annotations

import pytest
import torch

from attar.compress.gates import Gate


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def gate(open_: bool) -> Gate:
    made = Gate(random(6, 5))
    made.mask.copy_(random(6, 5, seed=1) > 0)
    made.open.fill_(open_)
    return made


@pytest.mark.parametrize("open_", [True, False])
def test_what_is_masked_is_zero_and_the_rest_as_it_is(open_) -> None:
    one, weight = gate(open_), random(6, 5)
    assert torch.equal(one(weight), torch.where(one.mask, weight, 0))


@pytest.mark.parametrize("open_", [True, False])
def test_gradients_reach_all_weights_while_open_and_those_that_are_kept_afterwards(open_) -> None:
    one, weight, towards = gate(open_), random(6, 5).requires_grad_(), random(6, 5, seed=2)
    (one(weight) * towards).sum().backward()
    assert torch.equal(weight.grad, towards if open_ else torch.where(one.mask, towards, 0))


def test_curvature_is_the_moving_mean_of_squared_gradients() -> None:
    one, weight = gate(True), random(6, 5).requires_grad_()
    expected = torch.zeros(6, 5, dtype=torch.float64)
    for step in range(20):
        g = random(6, 5, seed=10 + step)
        (one(weight) * g).sum().backward()
        expected = 0.98 * expected + 0.02 * g.double() ** 2
    torch.testing.assert_close(one.curvature, expected.float())


def test_curvature_of_a_weight_that_is_used_several_times_is_that_of_the_whole_gradient() -> None:
    one, weight = gate(True), random(6, 5).requires_grad_()
    expected = torch.zeros(6, 5, dtype=torch.float64)
    for step in range(20):
        parts = [random(6, 5, seed=10 * step + i) for i in range(3)]
        sum((one(weight) * g).sum() for g in parts).backward()
        expected = 0.98 * expected + 0.02 * sum(parts).double() ** 2
    torch.testing.assert_close(one.curvature, expected.float(), rtol=1e-4, atol=1e-6)


def test_curvature_stays_in_evaluation() -> None:
    one = gate(True).eval()
    one(random(6, 5).requires_grad_()).sum().backward()
    assert not one.curvature.any()


def test_of_a_quadratic_loss_the_worth_ranks_weights_as_their_removal_does() -> None:
    """L = ½ Σ h (w − w*)², whose gradient at noisy weights around w* has E[g²] = h² σ²: with σ² = 1 / h, of the noise
    that a likelihood has, it is h, and removal costs ½ h w*²."""
    n = 40
    h, best = torch.logspace(-2, 2, n), random(n)
    one = Gate(best)
    for step in range(2000):
        weight = (best + random(n, seed=step) / h.sqrt()).requires_grad_()
        kept = one(weight)
        (0.5 * h * (kept - best).square()).sum().backward()
    removal = 0.5 * h * best.square()
    # The part that all weights of a tensor share hides those of the smallest curvature.
    most = removal.argsort(descending=True)[:5]
    assert set(most.tolist()) <= set(one.worth(best).argsort(descending=True)[:8].tolist())


def test_gates_go_through_a_state_dict() -> None:
    one, other = gate(False), Gate(random(6, 5, seed=3))
    other.load_state_dict(one.state_dict())
    weight = random(6, 5)
    assert torch.equal(other(weight), one(weight))
    assert not other.open
