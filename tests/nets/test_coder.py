import pytest
import torch

from attar.nets.coder import CodeDecoder, CodeEncoder


@pytest.mark.parametrize("size", [(28, 28), (8, 8), (1, 1), (33, 7), (128,), (5,), (1,)])
def test_any_size_comes_back(size):
    x = torch.randn(4, 3, *size)
    z = CodeEncoder(3, size, dim=6, width=2)(x)
    assert z.shape == (4, 6)
    assert CodeDecoder(3, size, dim=6, width=2)(z).shape == x.shape


def test_a_code_keeps_where_things_are():
    """A pooled encoder gives a pattern in the middle the same code wherever it is."""
    torch.manual_seed(0)
    x = torch.zeros(2, 1, 28, 28)
    x[0, 0, 8:10, 8:10], x[1, 0, 16:18, 16:18] = 1.0, 1.0
    one, other = CodeEncoder(1, (28, 28), dim=6, width=2).eval()(x)
    assert not torch.allclose(one, other, atol=1e-4)
