import pytest
import torch

from attar.nets.restorer import ConvRestorer, RowRestorer


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1), (30,), (1,)])
def test_every_input_has_an_influence_and_every_weight_a_gradient(size):
    network = ConvRestorer(2, len(size), width=4)
    torch.nn.init.normal_(network.last.weight)
    given = [torch.rand(6, 2, *size, requires_grad=True) for _ in range(4)]
    x_hat = network(*given)
    assert x_hat.shape == given[0].shape
    x_hat.square().sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in given)
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("network", [RowRestorer(3, 4), ConvRestorer(3, 1, width=4)])
def test_untrained_it_passes_on_the_first_estimate_and_trained_what_is_not_damaged(network):
    y, first = torch.randn(2, 5, 3, *(8 for _ in range(isinstance(network, ConvRestorer))))
    whole, noise = torch.ones_like(y), torch.rand_like(y)
    assert torch.equal(network(y, whole, noise, first), first)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    assert not torch.equal(network(y, whole, noise, first), first)
    assert torch.equal(network(y, whole, 0 * noise, first), first)
