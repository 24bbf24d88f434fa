from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from attar.compress.parametrizations import codes_of
from attar.compress.places import places
from attar.compress.sensitivity import Way, divergence, entropy, mix, sensitivities, written
from attar.errors import CompressionError


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 3)).eval()


def samples(n=40, seed=1):
    return torch.randn(n, 6, generator=torch.Generator().manual_seed(seed))


def tensors(seed, n=4, ways=5):
    rng = np.random.default_rng(seed)
    return {
        str(i): tuple(Way(8, 0.0, float(rng.integers(1, 40)), float(rng.random())) for _ in range(ways))
        for i in range(n)
    }


def total(chosen):
    return sum(way.size for way in chosen), math.fsum(way.loss for way in chosen)


@pytest.mark.parametrize("seed", range(12))
def test_a_mix_fits_and_no_price_for_a_bit_gives_a_better_one(seed) -> None:
    ways = tensors(seed)
    every = [total(choice) for choice in itertools.product(*ways.values())]
    least = min(size for size, _ in every)
    of_a_price = [
        total([min(some, key=lambda way: (way.loss + price * way.size, way.size)) for some in ways.values()])
        for price in np.logspace(-4, 1, 60)
    ]
    for allowed in np.linspace(least, 4 * 40, 25):
        size, loss = total(mix(ways, allowed).values())
        assert size <= allowed
        assert loss >= min(one for s, one in every if s <= allowed) - 1e-12
        assert all(loss <= one + 1e-12 for s, one in of_a_price if s <= allowed)


@pytest.mark.parametrize("seed", range(6))
def test_where_losses_are_convex_a_price_gives_the_best_mix_of_its_size(seed) -> None:
    rng = np.random.default_rng(seed)
    # Losses fall by ever less for each of the same number of bits.
    ways = {
        str(i): tuple(
            Way(8, 0.0, 8.0 * (k + 1), loss) for k, loss in enumerate(np.cumsum(np.sort(rng.random(4)))[::-1])
        )
        for i in range(4)
    }
    every = [total(choice) for choice in itertools.product(*ways.values())]
    for allowed in range(32, 129, 8):
        assert total(mix(ways, allowed).values())[1] == pytest.approx(min(one for s, one in every if s <= allowed))


def test_a_mix_that_cannot_fit_says_so_and_infinite_losses_are_left() -> None:
    ways = {"a": (Way(8, 0.0, 80, 0.0), Way(2, 0.0, 20, math.inf), Way(4, 0.0, 40, 0.1))}
    assert [mix(ways, size)["a"].bits for size in (20, 39, 40, 79, 80)] == [2, 2, 4, 4, 8]
    with pytest.raises(CompressionError, match="less than these tensors take"):
        mix(ways, 19)


@pytest.mark.parametrize("k", [1, 2, 5, 16])
def test_entropy_of_equal_frequencies(k) -> None:
    codes = torch.arange(k).repeat(12)
    assert entropy(codes) == pytest.approx(12 * k * math.log2(k), abs=1e-9)
    assert entropy(codes[torch.randperm(len(codes))].reshape(k, 12)) == pytest.approx(entropy(codes))


@pytest.mark.parametrize("zeros", [0, 1, 37, 99])
def test_entropy_of_two_values(zeros) -> None:
    codes = (torch.arange(100) >= zeros).int()
    shares = [p for p in (zeros / 100, 1 - zeros / 100) if p]
    assert entropy(codes) == pytest.approx(-100 * sum(p * math.log2(p) for p in shares), abs=1e-9)


def test_losses_are_the_divergence_of_the_written_network_and_it_is_not_changed() -> None:
    net, x = network(), samples()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    ways = sensitivities(net, x)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(
        some[0] == Way(32, 0.0, 32.0 * dict(net.named_parameters())[name].numel(), 0.0) for name, some in ways.items()
    )
    with torch.no_grad():
        p = torch.log_softmax(net(x).double(), 1)
        for name, some in ways.items():
            for way in some[1::5]:
                small = written(net, {name: way})
                q = torch.log_softmax(small(x).double(), 1)
                by_hand = float((p.exp() * (p - q)).sum(1).mean())
                assert way.loss == pytest.approx(by_hand, rel=1e-3, abs=1e-6)


def test_what_is_written_is_as_was_said_and_all_else_is_as_it_was() -> None:
    net = network()
    small = written(net, {"0.weight": Way(4, 0.5, 0.0, 0.0), "2.weight": Way(32, 0.0, 0.0, 0.0)})
    found = {place.name: place for place in places(small)}
    codes = found["0.weight"].original()
    assert not codes.is_floating_point()
    assert int(codes.abs().max()) <= 7
    assert float((codes == 0).double().mean()) >= 0.5
    assert codes_of(found["2.weight"]) is None
    for name in ("0.bias", "2.weight", "2.bias"):
        assert torch.equal(found[name].value, dict(net.named_parameters())[name])


def test_losses_are_of_samples_of_all_kinds_however_they_are_sorted() -> None:
    net = nn.Linear(2, 3).eval()
    x = torch.zeros(500, 2)
    x[300:, 1] = 1
    assert sensitivities(net, x)["weight"][-1].loss > 0


@pytest.mark.parametrize("last", [nn.Unflatten(1, (3, 1)), nn.Linear(3, 1)])
def test_answers_that_are_no_logits_are_compared_in_units_of_their_variance(last) -> None:
    net, x = nn.Sequential(network(), last).eval(), samples()
    ways = sensitivities(net, x)
    way = ways["0.0.weight"][-1]
    assert way.loss > 0
    with torch.no_grad():
        told, said = net(x).double(), written(net, {"0.0.weight": way})(x).double()
    assert way.loss == pytest.approx(float((told - said).square().mean() / told.var()), rel=1e-4)
    # Larger answers by a factor lose the same.
    with torch.no_grad():
        layer = last if isinstance(last, nn.Linear) else net[0][2]
        layer.weight *= 8
        layer.bias *= 8
    assert sensitivities(net, x)["0.0.weight"][-1].loss == pytest.approx(way.loss, rel=1e-4)


@pytest.mark.parametrize("classes", [1, 3])
def test_a_loss_that_is_no_number_is_not_none(classes) -> None:
    nan, none = torch.full((2, classes), torch.nan), torch.zeros(2, classes)
    assert [divergence(*pair) for pair in ((nan, none), (none, nan), (none, none / 0))] == [math.inf] * 3
    # Beyond single precision, as differences of logits.
    far = torch.tensor([[3e38, -3e38]])
    assert divergence(far, -far) == math.inf


@pytest.mark.parametrize(("x", "says"), [(samples(0), "no samples"), (samples() / 0, "NaN or infinity")])
def test_losses_need_samples_that_are_answered(x, says) -> None:
    with pytest.raises(CompressionError, match=says):
        sensitivities(network(), x)
