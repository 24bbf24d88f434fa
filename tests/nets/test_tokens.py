import pytest
import torch

from attar.nets.tokens import HiddenTokens, TokenBag, TokenConvNet, TokenDecoder, Tokens

X = torch.tensor([[3, 4, 5, 6, 7, 0, 0], [2, 0, 0, 0, 0, 0, 0], [0] * 7, [9, 8, 7, 6, 5, 4, 3]], dtype=torch.float32)


@pytest.fixture(params=["conv", "bag"])
def network(request):
    torch.manual_seed(0)
    return (TokenConvNet(10, 6, 4) if request.param == "conv" else TokenBag(10, 6)).eval()


def test_more_padding_changes_nothing(network):
    longer = torch.nn.functional.pad(X, (0, 9))
    torch.testing.assert_close(network(longer), network(X))
    # Not even where the vector of padding is no longer zero.
    with torch.no_grad():
        network.tokens.table.weight[0] = 7.0
    torch.testing.assert_close(network(longer), network(X))


def test_a_text_does_not_depend_on_its_batch(network):
    torch.testing.assert_close(torch.cat([network(x[None]) for x in X]), network(X))


def test_every_parameter_receives_a_gradient(network):
    network(X).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_a_bag_has_no_order_and_a_convolution_has():
    torch.manual_seed(0)
    bag, conv = TokenBag(10, 6), TokenConvNet(10, 6, 4)
    turned = X[3:].flip(1)
    torch.testing.assert_close(bag(turned), bag(X[3:]))
    assert not torch.allclose(conv(turned), conv(X[3:]))


def test_a_bag_is_the_mean_of_its_vectors():
    torch.manual_seed(0)
    bag = TokenBag(10, 6)
    vectors, present = Tokens.forward(bag.tokens, X)
    assert present[0].tolist() == [True] * 5 + [False] * 2
    torch.testing.assert_close(bag(X)[0], vectors[0, :5].mean(dim=0) + bag.bias)
    torch.testing.assert_close(bag(X)[2], bag.bias)


def test_decoders_score_every_token():
    assert TokenDecoder(10, 7, 6, 4)(torch.zeros(3, 6)).shape == (3, 7, 10)
    hidden = torch.zeros(3, 7, dtype=torch.bool)
    assert HiddenTokens(10, 6, 4)(torch.zeros(3, 7, 6), hidden).shape == (0, 10)
    torch.manual_seed(0)
    z, decoder = torch.randn(3, 7, 6), HiddenTokens(10, 6, 4)
    hidden[0, 2] = hidden[2, 5] = hidden[2, 6] = True
    torch.testing.assert_close(decoder(z, hidden), decoder.scores(torch.stack([z[0, 2], z[2, 5], z[2, 6]])))
