import numpy as np
import pytest
import torch

from attar.represent._rates import Resampled


def tone(hertz, rate):
    return torch.cos(2 * torch.pi * hertz * torch.arange(rate, dtype=torch.float64) / rate).float()


@pytest.mark.parametrize(("old", "new"), [(800, 1600), (4410, 1600), (2205, 1600), (1600, 800), (50, 1600)])
def test_a_tone_is_that_which_another_rate_would_have_seen(old, new):
    found = Resampled(old, new)(tone(0.2 * min(old, new), old)[None, None])[0, 0]
    assert len(found) == new
    inner = slice(new // 5, new // 2)
    np.testing.assert_allclose(found[inner], tone(0.2 * min(old, new), new)[inner], atol=1e-3)


def test_a_rate_may_be_a_fraction():
    x = torch.randn(2, 1, 50)
    torch.testing.assert_close(Resampled(12.5, 25.0)(x), Resampled(25, 50)(x))


def test_what_the_lower_rate_cannot_show_is_silent():
    found = Resampled(1600, 800)(tone(0.6 * 800, 1600)[None, None])[0, 0]
    assert found[200:400].abs().max() < 0.01


def test_channels_and_samples_do_not_mix():
    x = torch.randn(3, 2, 40)
    module = Resampled(50, 80)
    one_by_one = torch.stack([torch.cat([module(c[None, None])[0] for c in sample]) for sample in x])
    torch.testing.assert_close(module(x), one_by_one)
