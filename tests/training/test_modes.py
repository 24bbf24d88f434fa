import pytest
import torch
from torch import nn

from attar.training.modes import evaluating, usual_defaults


def test_each_module_is_in_its_own_mode_afterwards_whatever_happened():
    one = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)), nn.Dropout())
    one[1].eval()
    one[1][0].train()
    one[2].eval()
    other = nn.Dropout()
    before = [module.training for module in one.modules()]
    with evaluating(one, other):
        assert not any(module.training for module in (*one.modules(), other))
    with pytest.raises(ZeroDivisionError), evaluating(one, other):
        _ = 1 / 0
    assert [module.training for module in one.modules()] == before
    assert other.training


def test_defaults_are_the_usual_ones_and_then_those_of_before():
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            with usual_defaults():
                weight = torch.ones(1, requires_grad=True)
                assert weight.dtype == torch.float32
                (2 * weight).sum().backward()
                assert weight.grad.item() == 2
            with pytest.raises(ZeroDivisionError), usual_defaults():
                _ = 1 / 0
            assert torch.get_default_dtype() == torch.float64
            assert torch.is_inference_mode_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
