from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from attar.compress.activations import RoundedInput, round_inputs, settled
from attar.compress.grids import CLIPPINGS
from attar.compress.quantization import quantize
from attar.compress.saved import as_program
from attar.errors import CompressionError


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)).eval()


def of_all(model, bits):
    return dict.fromkeys(model.modules(), bits)


@pytest.mark.parametrize("clipping", CLIPPINGS)
def test_layers_see_a_few_unsigned_integers(clipping) -> None:
    model, x = net(), torch.randn(40, 2, 6, 6)
    rounded = settled(round_inputs(model, x, of_all(model, 4), clipping))
    seen = []
    for layer in rounded.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    rounded(torch.randn(50, 2, 6, 6) * 2)
    steps = [layer for layer in rounded.modules() if isinstance(layer, RoundedInput)]
    assert len(steps) == len(seen) == 2
    for one, numbers in zip(steps, seen):
        codes = numbers / one.step
        torch.testing.assert_close(codes, codes.round())
        found = set(codes.round().int().flatten().tolist())
        assert (one.high - one.low, min(found), max(found)) == (15, one.low, one.high)
    assert steps[0].low < 0
    assert steps[1].low == 0


def test_what_is_settled_answers_as_what_was_trained() -> None:
    model, x = net(), torch.randn(40, 2, 6, 6)
    trained = round_inputs(model, x, of_all(model, 3))
    assert sum(name.endswith("step") for name, _ in trained.named_parameters()) == 2
    fixed = settled(copy.deepcopy(trained))
    assert not any(name.endswith("step") for name, _ in fixed.named_parameters())
    torch.testing.assert_close(fixed(x), trained(x))


def test_the_error_is_half_a_step_with_all_in_range() -> None:
    x = torch.randn(100, 5) * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    layer = nn.Linear(5, 2)
    rounded = settled(round_inputs(layer, x, of_all(layer, 8), "minmax"))
    before, kept = rounded
    assert kept is layer
    assert (before(x) - x).abs().max() <= 0.51 * before.step
    assert before(torch.zeros(1)) == 0


def test_samples_are_drawn_from_all_and_the_same_by_one_seed() -> None:
    x = torch.cat([torch.zeros(600, 4), torch.ones(600, 4)])
    layer = nn.Linear(4, 2)
    one, other = copy.deepcopy(layer), copy.deepcopy(layer)
    found = [round_inputs(one, x, of_all(one, 4), seed=3)[0], round_inputs(other, x, of_all(other, 4), seed=3)[0]]
    assert torch.equal(found[0].step, found[1].step)
    assert found[0].step.item() == pytest.approx(1 / 15)


class Foreign(nn.Module):
    """A layer used twice, one never used, one called with two arguments, and attention."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.never = nn.Linear(8, 8), nn.Linear(8, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(torch.relu(self.twice(x)))
        x, _ = self.attention(x, x, x)
        y: Tensor = self.head(self.encoder(x)[:, 0])
        return y


def test_only_what_is_called_is_rounded() -> None:
    torch.manual_seed(0)
    model, x = Foreign().eval(), torch.randn(12, 5, 8)
    with torch.no_grad():
        before = model(x)
        rounded = settled(round_inputs(model, x, of_all(model, 8)))
        torch.testing.assert_close(rounded(x), before, atol=0.1, rtol=0)
        assert not torch.equal(rounded(x), before)
    names = {name for name, layer in rounded.named_modules() if isinstance(layer, RoundedInput)}
    assert names == {"twice.0", "head.0", "encoder.layers.0.linear1.0", "encoder.layers.0.linear2.0"}
    assert not any(layer._forward_pre_hooks for layer in rounded.modules())


def test_the_fused_transformer_does_not_pass_by_the_rounding() -> None:
    torch.manual_seed(0)
    model, x = Foreign().eval(), torch.randn(12, 5, 8)
    rounded = settled(round_inputs(model, x, of_all(model, 3)))
    with_gradient = rounded(x)
    with torch.no_grad():
        torch.testing.assert_close(rounded(x), with_gradient)


@pytest.mark.parametrize("x", [torch.zeros(5, 4), -torch.ones(5, 4), torch.full((5, 4), 3.0)])
def test_constant_inputs(x) -> None:
    layer = nn.Linear(4, 2)
    rounded = round_inputs(layer, x, of_all(layer, 4))
    assert rounded[0].high >= 1
    torch.testing.assert_close(settled(rounded)(x), layer(x), atol=0.2, rtol=0)


def test_hostile_inputs() -> None:
    layer = nn.Linear(4, 2)
    with pytest.raises(CompressionError, match="not finite"):
        round_inputs(layer, torch.full((5, 4), torch.nan), of_all(layer, 4))
    with pytest.raises(CompressionError, match="no linear layer"):
        round_inputs(nn.ReLU(), torch.zeros(5, 4), {})


class Asking(nn.Module):
    """As encoders of others do, to compute in the precision of a layer."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(4, 3)

    def forward(self, x):
        return self.line(x.to(self.line.weight.dtype))[:, : self.line.out_features]


def test_a_layer_is_asked_for_its_weight_as_before() -> None:
    model, x = Asking(), torch.randn(50, 4)
    expected = model(x)
    rounded = copy.deepcopy(settled(round_inputs(model, x, of_all(model, 8), "minmax")))
    torch.testing.assert_close(rounded(x), expected, atol=0.05, rtol=0)
    small = quantize(model, x, bits=8, activations=8)
    assert isinstance(small.line[0], RoundedInput)
    torch.testing.assert_close(copy.deepcopy(small)(x), expected, atol=0.1, rtol=0)
    with pytest.raises(AttributeError, match="nothing"):
        _ = rounded.line.nothing


def test_what_goes_into_a_layer_of_two_names_is_rounded_by_both() -> None:
    layer = nn.Linear(6, 6)
    small = quantize(nn.Sequential(layer, nn.ReLU(), layer), torch.randn(40, 6), activations=4)
    assert small[0] is small[2]
    assert isinstance(small[2][0], RoundedInput)


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_program_is_rounded_as_the_network_that_it_was_made_of(epochs) -> None:
    model, x = net(), torch.randn(40, 2, 6, 6)
    program = as_program(model, x[:1])
    ways = {"activations": 6, "epochs": epochs, "batch_size": 40}
    of_program, of_model = (quantize(one, x, **ways) for one in (program, model))
    assert sum(isinstance(layer, RoundedInput) for layer in of_program.modules()) == 2
    torch.testing.assert_close(of_program(x), of_model(x), rtol=1e-4, atol=1e-4)
    assert torch.equal(program(x), as_program(model, x[:1])(x))
