import pytest
import torch

from attar.nets.restorer import ConvRestorer, RowRestorer


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1), (30,), (1,)])
def test_every_input_has_an_influence_and_every_weight_a_gradient(size):
    network = ConvRestorer(2, len(size), width=4)
    given = [torch.rand(6, 2, *size, requires_grad=True) for _ in range(3)]
    x_hat = network(*given)
    assert x_hat.shape == given[0].shape
    x_hat.square().sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in given)
    assert all(p.grad is not None for p in network.parameters())


def test_untouched_it_passes_on_what_it_sees():
    network = RowRestorer(3, 4).eval()
    torch.nn.init.zeros_(network.layers[-1].weight)
    torch.nn.init.zeros_(network.layers[-1].bias)
    y = torch.randn(5, 3)
    assert torch.equal(network(y, torch.ones(1, 3), torch.zeros(1)), y)
