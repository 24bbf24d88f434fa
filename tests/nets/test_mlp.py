import pytest
import torch

from attar.nets.mlp import MLP


def test_two_sizes_are_one_linear_map():
    network = MLP(4, 3)
    x = torch.randn(5, 4)
    torch.testing.assert_close(network(x), x @ network[0].weight.T + network[0].bias)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 8, 3), (4, 8, 8, 3)])
def test_shapes_and_gradients(sizes):
    network = MLP(*sizes)
    y = network(torch.randn(6, 4))
    assert y.shape == (6, 3)
    (y * torch.randn(6, 3)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_it_equals_its_formula():
    network = MLP(4, 8, 3).eval()
    x = torch.randn(6, 4)
    with torch.no_grad():
        network[1].running_mean.normal_()
        network[1].running_var.uniform_(0.5, 2)
        h = (x @ network[0].weight.T - network[1].running_mean) / (network[1].running_var + network[1].eps).sqrt()
        expected = h.clamp(min=0) @ network[3].weight.T + network[3].bias
        torch.testing.assert_close(network(x), expected)
