import pytest
import torch

from attar.nets.patches import cut, grid, join, spread


@pytest.mark.parametrize(
    ("size", "patch"), [((8,), (2,)), ((7,), (3,)), ((2,), (5,)), ((8, 8), (2, 2)), ((7, 10), (3, 4)), ((1, 9), (2, 2))]
)
def test_patches_come_together_again(size, patch):
    x = torch.randn(3, 2, *size)
    patches = cut(x, size, patch)
    assert patches.shape[1] == torch.tensor(grid(size, patch)).prod()
    assert torch.equal(join(patches, 2, size, patch), x)


def test_a_patch_holds_its_own_area():
    x = torch.arange(2 * 6 * 6).reshape(1, 2, 6, 6).float()
    patches = cut(x, (6, 6), (3, 2))
    # The third of the first row of three, then the first of the second row.
    for place, rows, columns in ((2, slice(0, 3), slice(4, 6)), (3, slice(3, 6), slice(0, 2))):
        assert torch.equal(patches[0, place].reshape(2, 3, 2), x[0, :, rows, columns])


def test_a_value_is_spread_over_its_patch():
    values = torch.arange(6.0).reshape(1, 6)
    expected = values.reshape(2, 3).repeat_interleave(2, 0).repeat_interleave(4, 1)[:3, :10]
    assert torch.equal(spread(values, (3, 10), (2, 4))[0, 0], expected)
