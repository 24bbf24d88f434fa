from __future__ import annotations

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
import torch.nn.utils.prune as torch_prune
from torch import nn
from torch.nn.utils import parametrize

from attar.compress.factorization import factorize
from attar.compress.parametrizations import Codebook, Coded, Masked, Rounded, codes_of, frozen, store
from attar.compress.places import places
from attar.compress.pruning import prune
from attar.compress.quantization import quantize
from attar.compress.saved import load, save
from attar.compress.squeezing import squeeze


def tied():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Linear(4, 3))
    net[2].weight = net[0].weight
    return net


def named(net):
    return {place.name: place for place in places(net)}


def test_every_parameter_has_one_place_with_all_its_owners() -> None:
    net = tied()
    found = named(net)
    assert set(found) == {name for name, _ in net.named_parameters()}
    assert [name for name, place in found.items() if len(place.owners) == 2] == ["0.weight"]


@pytest.mark.parametrize("rows", [1, 4, 8])
def test_codes_are_scaled_row_by_row(rows) -> None:
    codes = torch.arange(-8, 8).reshape(4, 4)
    scale, zero = torch.rand(rows) + 0.1, torch.arange(rows) - 1
    got = Coded(scale, zero)(codes)
    for i, value in enumerate(got.flatten()):
        row = i * rows // 16
        assert value == (codes.flatten()[i].float() - zero[row]) * scale[row]


def test_a_stored_weight_stays_shared_through_copies_and_has_no_gradient() -> None:
    net = tied()
    store(named(net)["0.weight"], torch.randint(-3, 4, (4, 4)), Coded(torch.tensor([0.5])))
    for one in (net, copy.deepcopy(net)):
        place = named(one)["0.weight"]
        assert len(place.owners) == 2
        assert codes_of(place).dtype == torch.int8
        assert torch.equal(one[0].weight, one[2].weight)
        assert "0.weight" not in dict(one.named_parameters())


@pytest.mark.parametrize(("most", "kind"), [(127, torch.int8), (128, torch.int16), (40_000, torch.int32)])
def test_codes_take_the_smallest_type_that_holds_them(most, kind) -> None:
    net = nn.Linear(2, 2)
    store(named(net)["weight"], torch.tensor([[0, most], [-most, 1]]), Coded(torch.ones(1)))
    assert codes_of(named(net)["weight"]).dtype == kind
    assert net.weight[0, 1] == most


def test_a_codebook_is_looked_up() -> None:
    net = nn.Linear(2, 2)
    store(named(net)["weight"], torch.tensor([[0, 1], [2, 0]]), Codebook(torch.tensor([0.0, -0.3, 0.7])))
    assert torch.equal(net.weight, torch.tensor([[0.0, -0.3], [0.7, 0.0]]))


def test_a_masked_weight_stays_zero_in_training_and_after() -> None:
    net = tied()
    mask = torch.eye(4).bool()
    named(net)["0.weight"].wrap(Masked(mask))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.randn(8, 4)).square().mean().backward()
        optimizer.step()
        assert not net[0].weight[~mask].any()
        assert torch.equal(net[0].weight, net[2].weight)
    fixed = frozen(net)
    assert not parametrize.is_parametrized(fixed[0])
    assert fixed[0].weight is fixed[2].weight
    assert torch.equal(fixed[0].weight, net[0].weight)


@pytest.mark.parametrize("zero", [None, [0.0, 1.0, -0.5]])
def test_rounding_is_learned_step_size_quantisation(zero) -> None:
    """Forward and both gradients are equations 1 to 5 of Esser et al., written out in float64."""
    torch.manual_seed(1)
    w = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    z = None if zero is None else torch.tensor(zero, dtype=torch.float64)
    rounded = Rounded(torch.tensor([0.3, 0.7, 1.1], dtype=torch.float64), -2, 1, z)
    out = rounded(w)
    up = torch.randn(3, 5, dtype=torch.float64)
    (out * up).sum().backward()
    for i in range(3):
        s, total, of_zero = rounded.step[i].item(), 0.0, 0.0 if zero is None else zero[i]
        for j in range(5):
            v = w[i, j].item() / s + of_zero
            clamped = min(max(v, -2), 1)
            assert out[i, j].item() == pytest.approx((round(clamped) - of_zero) * s, abs=1e-12)
            assert w.grad[i, j].item() == pytest.approx(up[i, j].item() if -2 < v < 1 else 0.0, abs=1e-12)
            slope = -2 - of_zero if v <= -2 else 1 - of_zero if v >= 1 else round(v) - v
            total += slope * up[i, j].item()
        assert rounded.step.grad[i].item() == pytest.approx(total / (5 * 1) ** 0.5, abs=1e-12)


@pytest.mark.parametrize("rows", [1, 4, 8])
def test_rounding_keeps_the_order_in_memory_and_the_codes(rows) -> None:
    w = torch.randn(4, 2, 3, 3).contiguous(memory_format=torch.channels_last)
    rounded = Rounded(torch.rand(rows) + 0.1, -4, 3, torch.arange(rows) / 8)
    out = rounded(w)
    assert torch.equal(out, rounded(w.contiguous()))
    assert rows == 8 or out.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(Coded(rounded.steps(), rounded.zero)(rounded.codes(w)), out)


def test_copies_are_compressed_on_their_own() -> None:
    net = tied()
    named(net)["3.weight"].wrap(Masked(torch.ones(3, 4)))
    other = copy.deepcopy(net)
    named(other)["3.bias"].wrap(Masked(torch.zeros(3)))
    fixed = frozen(net)
    assert net[3].bias.any()
    assert not other[3].bias.any()
    assert net[3].weight.any()
    assert fixed[3].weight.any()


def test_frozen_gives_the_same_answers_from_integers() -> None:
    net = tied()
    place = named(net)["0.weight"]
    place.wrap(Masked(torch.rand(4, 4) > 0.5))
    place.wrap(Rounded(torch.full((4,), 0.05), -7, 7))
    x = torch.randn(6, 4)
    fixed = frozen(net)
    assert torch.equal(fixed(x), net.eval()(x))
    assert codes_of(named(fixed)["0.weight"]).dtype == torch.int8
    assert torch.equal(frozen(fixed)(x), fixed(x))


def test_what_others_compute_weights_from_is_settled() -> None:
    net = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)))
    x = torch.randn(4, 3)
    fixed = frozen(net)
    assert torch.equal(fixed(x), net(x))
    assert set(named(fixed)) == {"0.weight", "0.bias"}


class Dropped(nn.Module):
    """Weights that are drawn anew for each call in training."""

    def forward(self, weight):
        return F.dropout(weight, 0.5, self.training)


def test_what_is_drawn_in_training_is_settled_as_in_evaluation() -> None:
    net = nn.Sequential(nn.Linear(9, 9))
    parametrize.register_parametrization(net[0], "weight", Dropped())
    weight = net[0].parametrizations.weight.original
    assert net.training
    assert torch.equal(prune(net, 0.0)[0].weight, weight)


class Twice(nn.Module):
    """One weight by two names of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.randn(8, 8))
        self.other = self.one

    def forward(self, x):
        return (x @ self.one).relu() @ self.other.T


def test_a_weight_that_has_two_names_in_a_layer_is_compressed_by_both() -> None:
    net = Twice()
    assert [(place.name, len(place.owners)) for place in places(net)] == [("one", 2)]
    thin = prune(net, 0.5)
    assert int((thin.one == 0).sum()) == 32
    assert torch.equal(thin.one, thin.other)
    small = quantize(net, torch.randn(64, 8), bits=2, granularity="tensor", epochs=1)
    assert len(small.one.unique()) <= 3
    assert torch.equal(small.one, small.other)


def test_an_lstm_computes_with_what_is_stored() -> None:
    torch.manual_seed(0)
    net = nn.LSTM(3, 4, batch_first=True)
    other = copy.deepcopy(net)
    for name, place in named(net).items():
        codes = (place.value / 0.05).round()
        getattr(other, name).data = codes * 0.05
        store(place, codes, Coded(torch.tensor([0.05])))
    x = torch.randn(2, 5, 3)
    assert torch.allclose(net(x)[0], other(x)[0], atol=1e-7)
    assert F.mse_loss(net(x)[0], other(x)[0]) < 1e-12


def test_weights_that_hooks_of_torch_compute_are_taken_as_what_they_are(tmp_path) -> None:
    x = torch.randn(40, 6)
    net = nn.Sequential(nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 3))
    torch_prune.l1_unstructured(net[0], "weight", 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nn.utils.weight_norm(net[1])
    nn.utils.spectral_norm(net[2])
    net.eval()
    said = net(x)  # the layers keep what they computed, which torch does not copy
    before = {name: value.clone() for name, value in net.state_dict().items()}
    save(net, tmp_path / "net.attar", x[:1])
    read = load(tmp_path / "net.attar")
    assert [name for name, _ in read.named_parameters()] == [f"{i}.{of}" for i in range(4) for of in ("weight", "bias")]
    assert torch.allclose(read(x), said, atol=1e-5)
    trained = quantize(net, x, epochs=2, bits=4)
    assert bool((trained[0].weight[net[0].weight == 0] == 0).all())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert len(net[0]._forward_pre_hooks) == 1


def test_a_weight_that_is_shared_is_pruned_by_torch_where_it_was() -> None:
    net = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    net[1].weight = net[0].weight
    torch_prune.l1_unstructured(net[0], "weight", 0.5)
    x = torch.randn(9, 6)
    assert torch.equal(frozen(net)(x), net(x))


@pytest.mark.parametrize(
    "compressed",
    [
        lambda net, x: squeeze(net, x, bytes=900, epochs=2),
        lambda net, x: prune(net, 0.5, x=x, epochs=1),
        lambda net, x: prune(net, 0.3, x=x, structure="channels", epochs=1),
        lambda net, x: factorize(net, x, ranks={"2": 4}, epochs=1),
        lambda net, x: quantize(net, x, bits=3, epochs=1),
    ],
    ids=["squeeze", "prune", "channels", "factorize", "quantize"],
)
def test_frozen_layers_are_compressed_as_others_are(compressed) -> None:
    torch.manual_seed(0)
    net, x = (
        nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)),
        torch.randn(64, 8),
    )
    still = copy.deepcopy(net).requires_grad_(False)
    assert torch.equal(compressed(still, x)(x), compressed(net, x)(x))
    assert not any(p.requires_grad for p in still.parameters())
