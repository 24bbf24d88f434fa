import pytest
from torch import nn

from attar.training.modes import evaluating


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
