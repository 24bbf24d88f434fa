import pytest
import torch

from attar.nets.convnet import ConvDecoder, ConvNet

SIZES = [(1,), (7,), (24,), (128,), (300,), (1000,), (1, 1), (8, 8), (13, 5), (28, 28), (32, 32), (64, 48), (128, 96)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dim", [1, 7, 16])
def test_shapes(size, dim):
    x = torch.randn(2, 3, *size)
    z = ConvNet(3, size, dim, width=4)(x)
    assert z.shape == (2, dim)
    assert ConvDecoder(3, size, dim, width=4)(z).shape == x.shape


@pytest.mark.parametrize("size", [(8, 8), (40,)])
def test_every_parameter_receives_a_gradient(size):
    network = torch.nn.Sequential(ConvNet(2, size, 6, 4), ConvDecoder(2, size, 6, 4))
    network(torch.randn(8, 2, *size)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_plan_for_digits():
    convs = [m for m in ConvNet(1, (8, 8), 128, 32).modules() if isinstance(m, torch.nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.stride[0]) for m in convs] == [
        (1, 32, 1),
        (32, 32, 1),
        (32, 64, 2),
        (64, 64, 1),
        (64, 128, 2),
    ]


def test_a_series_is_pooled_by_mean_and_maximum():
    network = ConvNet(1, (64,), 8, 4).eval()
    x = torch.randn(3, 1, 64)
    h = network.layers(x)
    torch.testing.assert_close(network(x), torch.cat([h.mean(dim=2), h.amax(dim=2)], dim=1))


def test_in_evaluation_a_sample_is_encoded_alike_alone_and_in_a_batch():
    network = ConvNet(1, (8, 8), 8, 4).eval()
    x = torch.randn(16, 1, 8, 8)
    torch.testing.assert_close(network(x[3:4]), network(x)[3:4])
