from __future__ import annotations

import copy
import functools

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from attar.compress import distillation
from attar.compress.activations import RoundedInput
from attar.compress.parametrizations import Codebook, Coded, Masked, codes_of, frozen
from attar.compress.places import places
from attar.compress.quantization import quantize
from attar.errors import CompressionError, RunError


class Conv(nn.Module):
    """Grouped and depthwise convolutions, batch norms outside a sequence, a branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv1d(4, 8, 3, padding=1, bias=False), nn.BatchNorm1d(8)
        self.grouped, self.deep = nn.Conv1d(8, 8, 3, padding=1, groups=4), nn.Conv1d(8, 8, 3, padding=1, groups=8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.stem(x)))
        y: Tensor = self.head((h + self.deep(torch.relu(self.grouped(h)))).mean(2))
        return y


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells, self.head = nn.LSTM(4, 6, batch_first=True, num_layers=2), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.cells(x.transpose(1, 2))[0][:, -1])
        return y


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.b.weight = self.a.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.b(torch.relu(self.a(x.mean(2)))))
        return y


class Attentive(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(1, 6, 4) / 10)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.encoder(x.transpose(1, 2) + self.place)[:, 0])
        return y


MODELS = (Conv, Recurrent, Tied, Attentive)
X = torch.randn(48, 4, 6, generator=torch.Generator().manual_seed(5))


def built(kind):
    torch.manual_seed(0)
    net = kind()
    for _ in range(40):
        net(X)
    return net.eval()


def relative_error(net, other):
    with torch.no_grad():
        return float((net(X) - other(X)).norm() / net(X).norm())


@pytest.mark.parametrize("kind", MODELS)
def test_any_network_becomes_integers_and_the_input_is_not_changed(kind) -> None:
    net = built(kind)
    before = copy.deepcopy(net.state_dict())
    small = quantize(net)
    assert relative_error(net, small) < 0.02
    assert all(codes_of(place) is not None for place in places(small) if place.value.ndim > 1)
    assert not small.training
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    "how",
    [
        {"symmetric": False},
        {"granularity": "tensor"},
        {"granularity": 2},
        {"clipping": "aciq", "correct_bias": True},
        {"codebook": True},
        {"activations": 8, "x": X},
        {"activations": 8, "x": X, "epochs": 2, "batch_size": 16, "lr": 1e-4},
        {"symmetric": False, "granularity": 3, "x": X, "epochs": 2, "batch_size": 16, "lr": 1e-4},
    ],
)
def test_seven_bits_say_nearly_the_same_however_they_are_chosen(kind, how) -> None:
    net = built(kind)
    small = quantize(net, bits=7, **how)
    assert relative_error(net, small) < 0.1
    assert torch.equal(copy.deepcopy(small)(X), small(X))


@pytest.mark.parametrize("how", [{}, {"codebook": True}, {"epochs": 1, "x": X}])
def test_shared_weights_stay_shared(how) -> None:
    small = quantize(built(Tied), bits=4, **how)
    shared = [place for place in places(small) if len(place.owners) == 2]
    assert [codes_of(place) is not None for place in shared] == [True]
    assert torch.equal(small.a.weight, small.b.weight)


@pytest.mark.parametrize(
    ("granularity", "rows"), [("channel", 8), ("tensor", 1), (np.int64(6), 16), (5, 24), (12, 8), (99, 8)]
)
def test_steps_are_those_of_a_loop_over_rows(granularity, rows) -> None:
    net = built(Conv)
    small = quantize(net, bits={"stem.weight": 3}, granularity=granularity, clipping="minmax")
    (coded,) = small.stem.parametrizations.weight
    codes = small.stem.parametrizations.weight.original.reshape(rows, -1)
    weight = net.stem.weight.detach().reshape(rows, -1)
    for i in range(rows):
        step = weight[i].abs().max() / 3
        assert codes[i].tolist() == (weight[i] / step).round().tolist()
    # The batch norm has given each channel its factor, and is gone.
    assert len(coded.scale) == max(rows, 8)
    assert isinstance(small.norm, nn.Identity)
    assert [name for name, _ in small.named_parameters() if name.endswith("weight")] == [
        "grouped.weight",
        "deep.weight",
        "head.weight",
    ]


def test_mean_and_norm_of_each_channel_are_corrected() -> None:
    net = built(Tied)
    small = quantize(net, bits=2, clipping="aciq", correct_bias=True)
    for layer in ("a", "head"):
        w, v = getattr(net, layer).weight, getattr(small, layer).weight
        torch.testing.assert_close(v.mean(1), w.mean(1))
        torch.testing.assert_close(v.norm(dim=1), w.norm(dim=1))


def test_sums_of_large_codes_fit_into_half_precision() -> None:
    torch.manual_seed(0)
    net = nn.Linear(2000, 4).half()
    small = quantize(net, bits=16, correct_bias=True)
    assert small.weight.dtype == torch.float16
    torch.testing.assert_close(small.weight, net.weight, rtol=0.05, atol=1e-4)


def test_the_first_and_the_last_weight_may_have_more_bits() -> None:
    small = quantize(built(Conv), X, bits=2, ends=8, activations=3)
    most = {place.name: int(codes_of(place).abs().max()) for place in places(small) if place.value.ndim > 1}
    assert most["stem.1.weight"] > 64
    assert most["head.1.weight"] > 64
    assert most["grouped.1.weight"] == most["deep.1.weight"] == 1
    levels = {name: one.high - one.low for name, one in small.named_modules() if isinstance(one, RoundedInput)}
    assert levels == {"stem.0": 255, "grouped.0": 7, "deep.0": 7, "head.0": 255}


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"correct_bias": True},
        {"correct_bias": True, "symmetric": False},
        {"symmetric": False},
        {"codebook": True},
        {"epochs": 2},
    ],
)
@pytest.mark.parametrize("fixed", [True, False])
def test_what_has_been_pruned_stays_zero(how, fixed) -> None:
    net = built(Conv)
    mask = torch.rand(net.head.weight.shape) < 0.5
    next(place for place in places(net) if place.name == "head.weight").wrap(Masked(mask))
    small = quantize(frozen(net) if fixed else net, X, bits=3, **how)
    assert not small.head.weight[~mask].any()
    assert (small.head.weight - net.head.weight).norm() < 0.4 * net.head.weight.norm()


@pytest.mark.parametrize("how", [{"activations": 4}, {"codebook": True}])
def test_training_that_was_killed_goes_on_bit_for_bit(how, tmp_path, monkeypatch) -> None:
    def trained(**more):
        return quantize(built(Conv), X, bits=2, epochs=4, batch_size=16, seed=1, **how, **more)

    whole = trained()
    with monkeypatch.context() as patched:
        patched.setattr(distillation, "train", functools.partial(distillation.train, until=5))
        part = trained(checkpoint=tmp_path / "checkpoint.safetensors")
    resumed = trained(checkpoint=tmp_path / "checkpoint.safetensors")
    assert whole.state_dict().keys() == resumed.state_dict().keys()
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in whole.state_dict().items())
    assert relative_error(whole, part) > 0


@pytest.mark.parametrize("other", [{"bits": 3}, {"activations": 6}])
def test_a_checkpoint_of_other_codes_is_refused(other, tmp_path) -> None:
    given = {"bits": 2, "activations": 4, "epochs": 1, "batch_size": 16, "checkpoint": tmp_path / "c"}
    quantize(built(Conv), X, **given)
    with pytest.raises(RunError, match="other settings or samples"):
        quantize(built(Conv), X, **{**given, **other})


def test_quantising_again_leaves_integers_as_they_are() -> None:
    net = built(Conv)
    once = quantize(net, bits={"stem.weight": 4})
    twice = quantize(once, bits=8)
    assert torch.equal(once.stem.parametrizations.weight.original, twice.stem.parametrizations.weight.original)
    assert torch.equal(once.stem.weight, twice.stem.weight)
    assert isinstance(twice.head.parametrizations.weight[0], Coded)
    with pytest.raises(CompressionError, match="no weight"):
        quantize(twice)


def test_a_codebook_has_so_many_values() -> None:
    small = quantize(built(Tied), bits=3, codebook=True)
    (book,) = small.head.parametrizations.weight
    assert isinstance(book, Codebook)
    assert len(book.values) <= 8


@pytest.mark.parametrize("value", [0.0, 0.3, -1e-20])
@pytest.mark.parametrize("how", [{}, {"symmetric": False}, {"clipping": "aciq", "correct_bias": True}])
def test_constant_weights(value, how) -> None:
    net = nn.Sequential(nn.Linear(5, 3), nn.ReLU(), nn.Linear(3, 1), nn.Linear(1, 1))
    for p in net.parameters():
        nn.init.constant_(p, value)
    x = torch.randn(4, 5)
    torch.testing.assert_close(quantize(net, bits=4, **how)(x), net(x), atol=0.02, rtol=0.05)


def test_hostile_arguments() -> None:
    net = built(Conv)
    for how, match in (
        ({"bits": 1}, "2 to 16"),
        ({"bits": "8"}, "'8' bits: a number takes 2 to 16"),
        ({"bits": {"stem.weight": "8"}}, "2 to 16"),
        ({"ends": "8"}, "2 to 16"),
        ({"bits": {"nothing.weight": 4}}, "nothing.weight"),
        ({"clipping": "best"}, "minmax, percentile"),
        ({"granularity": 0}, "granularity"),
        ({"activations": 8}, "give `x`"),
        ({"epochs": 3}, "give `x`"),
        ({"epochs": 3, "x": X[:0]}, "no samples"),
        ({"activations": 99, "x": X}, "2 to 16"),
    ):
        with pytest.raises(CompressionError, match=match):
            quantize(net, **how)
    with pytest.raises(CompressionError, match="no weight"):
        quantize(nn.Sequential(nn.ReLU(), nn.BatchNorm1d(4)))
    with torch.no_grad():
        net.grouped.weight[1, 0, 0] = torch.nan
    with pytest.raises(CompressionError, match=r"grouped\.weight: some weights are not finite"):
        quantize(net)


def test_samples_are_no_number_of_bits() -> None:
    with pytest.raises(CompressionError, match="x is of type int: give all samples"):
        quantize(nn.Linear(8, 8), 4)


def test_outputs_of_a_transposed_convolution_that_differ_in_scale_want_a_step_for_each_filter() -> None:
    torch.manual_seed(0)
    net, x = nn.ConvTranspose2d(8, 6, 3, bias=False), torch.randn(20, 8, 5, 5)
    with torch.no_grad():
        net.weight *= torch.logspace(0, -3, 6)[:, None, None]
    said = net(x)
    lost = [
        ((quantize(net, bits=4, granularity=one)(x) - said).square().mean((0, 2, 3)) / said.var((0, 2, 3))).max()
        for one in ("channel", 9)
    ]
    assert lost[0] > 0.9
    assert lost[1] < 0.01
