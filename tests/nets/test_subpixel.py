import pytest
import torch
import torch.nn.functional as F

from attar.nets.subpixel import double, halve


@pytest.mark.parametrize("size", [(8, 6), (7, 5), (1, 1), (9,), (2,), (1,)])
def test_doubling_undoes_halving(size):
    x = torch.randn(3, 2, *size)
    small = halve(x)
    assert small.shape == (3, 2 << len(size), *(-(-side // 2) for side in size))
    assert torch.equal(double(small, size), x)


@pytest.mark.parametrize("size", [(8, 6), (10,)])
def test_the_mean_of_the_new_channels_is_that_of_the_block(size):
    x = torch.randn(3, 2, *size)
    pool = F.avg_pool2d if len(size) == 2 else F.avg_pool1d
    means = halve(x).unflatten(1, (2, -1)).mean(dim=2)
    torch.testing.assert_close(means, pool(x, 2))
