from __future__ import annotations

import pytest
import torch
from torch import nn

from attar.compress.codebooks import clustered, share, trainable
from attar.compress.parametrizations import codes_of
from attar.compress.places import places


def lloyd(numbers, levels):
    """Each number to the nearest mean, each mean in the middle of its numbers, until nothing changes."""
    low, high = min(numbers), max(numbers)
    means = [low + (high - low) * k / (levels - 1) for k in range(levels)]
    while True:
        nearest = [min(range(levels), key=lambda k: abs(x - means[k])) for x in numbers]
        new = []
        for k in range(levels):
            own = [x for x, place in zip(numbers, nearest) if place == k]
            new.append(sum(own) / len(own) if own else means[k])
        if new == means:
            return means, nearest
        means = new


@pytest.mark.parametrize("levels", [2, 3, 8])
def test_clusters_are_those_of_a_naive_loop(levels) -> None:
    w = torch.randn(60, dtype=torch.float64, generator=torch.Generator().manual_seed(levels))
    values, codes = clustered(w, levels)
    means, nearest = lloyd(w.tolist(), levels)
    torch.testing.assert_close(values[codes], torch.tensor(means, dtype=torch.float64)[nearest])


def test_zeros_stay_zero_and_have_a_value_to_themselves() -> None:
    torch.manual_seed(0)
    w = torch.randn(20, 20) / 100 * (torch.rand(20, 20) < 0.3)
    values, codes = clustered(w, 4)
    assert len(values) == 4
    assert torch.equal(values[codes] == 0, w == 0)
    assert torch.equal(values, values.sort().values)


@pytest.mark.parametrize("numbers", [[0.0], [0.0, 0.0], [2.5], [1.0, 1.0, -1.0], [0.0, 1.0]])
def test_few_numbers_are_kept_exactly(numbers) -> None:
    values, codes = clustered(torch.tensor(numbers), 4)
    assert values[codes].tolist() == numbers


def test_shared_values_receive_summed_gradients_but_for_zero() -> None:
    torch.manual_seed(0)
    net = nn.Linear(6, 5)
    with torch.no_grad():
        net.weight[:, ::2] = 0
    (place,) = (place for place in places(net) if place.name == "weight")
    share(place, 4)
    before = net.weight.clone()
    with trainable(net):
        assert {name.split(".")[-1] for name, _ in net.named_parameters()} == {"bias", "values"}
        up = torch.randn(5, 6)
        (net.weight * up).sum().backward()
        values = net.parametrizations.weight[0].values
        codes = codes_of(place)
        for k, value in enumerate(values.tolist()):
            expected = 0.0 if value == 0 else up[codes == k].sum().item()
            assert values.grad[k].item() == pytest.approx(expected, abs=1e-6)
    assert {name for name, _ in net.named_parameters()} == {"bias"}
    assert torch.equal(net.weight, before)
