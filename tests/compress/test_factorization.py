from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from attar.compress.answers import answers
from attar.compress.costs import macs
from attar.compress.factorization import factorize
from attar.compress.quantization import quantize
from attar.errors import CompressionError
from tests.compress.zoo import SHAPES, zoo

SCHEMES = ("channel", "tucker", "spatial", "canonical")


class Said:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.parametrize("name", SHAPES)
def test_every_network_answers_in_the_same_shape_with_less_work(name) -> None:
    net, x = zoo(name)
    before, state, said = net(x), copy.deepcopy(net.state_dict()), Said()
    less = factorize(net, x, energy=0.7, progress=said)
    assert macs(less, x) < macs(net, x)
    assert less(x).shape == before.shape
    assert torch.equal(net(x), before)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    copy.deepcopy(less).train()(x).square().mean().backward()
    left = {
        "branches": ["grouped", "depthwise"],
        "tied": ["b", "c"],
        "functional": ["b", "c", "d"],
        "encoder": [f"encoder.layers.{i}.self_attn.out_proj" for i in range(2)],
    }
    assert {line.partition(":")[0] for line in said.lines} >= set(left.get(name, []))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 8, 3, padding=1),
        nn.Conv2d(6, 8, (3, 5), stride=(2, 1), padding=(0, 2), bias=False),
        nn.Conv2d(6, 8, 3, padding="same", dilation=2),
        nn.Conv2d(6, 8, 3, padding=2, padding_mode="circular"),
        nn.Conv1d(6, 8, 5, stride=2, padding=1),
        nn.Conv1d(6, 8, 3, padding=1, padding_mode="reflect"),
        nn.Linear(10, 8),
    ],
)
def test_at_full_rank_nothing_changes(layer, scheme, weighted) -> None:
    torch.manual_seed(0)
    shape = {nn.Linear: (40, 10), nn.Conv1d: (40, 6, 12)}.get(type(layer), (40, 6, 12, 10))
    x, net = torch.randn(shape), nn.Sequential(layer)
    out, n_in = layer.weight.shape[:2]
    full = {"channel": out, "tucker": (out, n_in), "spatial": 40, "canonical": 60}[scheme]
    if isinstance(layer, nn.Linear) and scheme != "channel":
        return
    split = factorize(net, x, ranks={"0": full}, schemes=(scheme,), weighted=weighted)
    assert isinstance(split[0], nn.Sequential)
    torch.testing.assert_close(split(x), net(x), rtol=1e-3, atol=1e-3)


def test_answers_err_least_where_the_data_lie() -> None:
    """Inputs within four dimensions: weighted by them, a layer is exact at rank four, with the mean in its bias."""
    torch.manual_seed(0)
    x = torch.randn(300, 4) @ torch.randn(4, 20) + torch.randn(20)
    net = nn.Sequential(nn.Linear(20, 15), nn.Tanh(), nn.Linear(15, 3))
    split = factorize(net, x, ranks={"0": 4})
    torch.testing.assert_close(split(x), net(x), rtol=1e-4, atol=1e-4)
    plain = factorize(net, x, ranks={"0": 4}, weighted=False)
    assert (plain(x) - net(x)).abs().max() > 0.1


def test_weighted_by_data_errs_less_on_other_data_at_equal_size() -> None:
    torch.manual_seed(0)
    mix = torch.randn(24, 24) * torch.logspace(0, -1.5, 24)
    x, new = torch.randn(500, 24) @ mix.T, torch.randn(500, 24) @ mix.T
    net = nn.Sequential(nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 5))
    for rank in (2, 4, 8):
        errors = [
            (answers(factorize(net, x, ranks={"0": rank}, weighted=weighted), new) - answers(net, new)).square().mean()
            for weighted in (True, False)
        ]
        assert errors[0] < errors[1]


@pytest.mark.parametrize("of", ["macs", "weights"])
def test_a_share_is_kept_to(of) -> None:
    net, x = zoo("mnist")

    def cost(one):
        return macs(one, x) if of == "macs" else sum(p.numel() for p in one.parameters() if p.ndim > 1)

    for share in (0.8, 0.6):
        assert cost(factorize(net, x, share=share, of=of)) <= share * cost(net) + 200
    with pytest.raises(CompressionError, match="too little"):
        factorize(net, x, share=0.01, of=of)


@pytest.mark.parametrize("layer", [nn.Linear(12, 16), nn.Conv1d(12, 16, 1), nn.Conv2d(12, 16, 1)])
def test_what_has_one_way_to_be_split_is_split_whatever_is_asked_of_filters(layer) -> None:
    torch.manual_seed(0)
    x = torch.randn(50, 12, *(6,) * (layer.weight.ndim - 2))
    split = factorize(nn.Sequential(layer), x, share=0.5, schemes=("spatial",))
    torch.testing.assert_close(split(x), factorize(nn.Sequential(layer), x, share=0.5, schemes=("channel",))(x))
    channel = factorize(nn.Sequential(layer), x, ranks={"0": 5})
    for scheme, ranks in (("canonical", 5), ("tucker", 5), ("tucker", (5, 6)), ("spatial", 5)):
        split = factorize(nn.Sequential(layer), x, ranks={"0": ranks}, schemes=(scheme,))
        torch.testing.assert_close(split(x), channel(x))
        assert len(split[0]) == 2


def test_energy_is_the_part_of_the_variance_that_each_layer_keeps() -> None:
    torch.manual_seed(0)
    x = torch.randn(400, 16) * torch.logspace(0, -1, 16)
    net = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))
    for energy in (0.8, 0.95):
        split = factorize(net, x, energy=energy)
        a, b = net[0](x).detach(), split[0](x).detach()
        assert float((a - b).square().sum() / (a - a.mean(0)).square().sum()) <= 1 - energy + 1e-4


def test_vbmf_finds_the_rank_of_layers_without_being_told() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(60, 50), nn.ReLU(), nn.Linear(50, 40))
    net[0].weight.data = torch.randn(50, 5) @ torch.randn(5, 60) + 0.2 * torch.randn(50, 60)
    split = factorize(net, ranks="vbmf", weighted=False)
    assert split[0][0].out_features == 5


def test_of_the_schemes_the_one_that_errs_least_is_taken() -> None:
    """Filters that are each a column times a row, of which there are two, fill more than two channels."""
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(6, 16, 3, padding=1)), torch.randn(40, 6, 8, 8)
    columns, rows = torch.randn(2, 6, 3), torch.randn(2, 16, 3)
    net[0].weight.data = torch.einsum("rih,row->oihw", columns, rows)
    split = factorize(net, x, ranks={"0": 2})
    assert [layer.kernel_size for layer in split[0]] == [(3, 1), (1, 3)]
    torch.testing.assert_close(split(x), net(x), rtol=1e-3, atol=1e-3)
    by_channel = factorize(net, x, ranks={"0": 2}, schemes=("channel",))
    assert [layer.kernel_size for layer in by_channel[0]] == [(3, 3), (1, 1)]
    # Of the matrix of columns and rows there are two ranks too, and of that of filters six.
    assert factorize(net, x, ranks="vbmf", schemes=("spatial",))[0][0].out_channels == 2
    assert factorize(net, x, ranks="vbmf", schemes=("channel",))[0][0].out_channels == 6


def test_two_ranks_are_for_inputs_and_outputs() -> None:
    net, x = nn.Sequential(nn.Conv2d(6, 8, 3)), torch.randn(20, 6, 8, 8)
    assert [layer.out_channels for layer in factorize(net, x, ranks={"0": (4, 3)})[0]] == [3, 4, 8]


def test_recovery_and_the_same_seed() -> None:
    net, x = zoo("mnist", 300)
    one, other = (factorize(net, x, share=0.5, epochs=2, seed=1) for _ in range(2))
    assert torch.equal(one(x), other(x))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"energy": 1.5},
        {"share": 0.0},
        {"energy": "0.5"},
        {"energy": 0.5, "share": 0.5},
        {"share": 0.5},
        {"ranks": {"nowhere": 2}},
        {"ranks": {"0": 0}},
        {"ranks": {"0": 2}, "epochs": 1},
        {"energy": 1 - 1e-12},
        {"energy": 0.5, "of": "xx"},
        {"ranks": {"0": 2}, "schemes": ("xx",)},
    ],
)
def test_wrong_arguments_are_refused(wrong) -> None:
    torch.manual_seed(0)
    with pytest.raises(CompressionError) as error:
        factorize(nn.Sequential(nn.Linear(4, 4)), **wrong)
    assert "\n" not in str(error.value)


def test_global_random_state_is_left_alone() -> None:
    net, x = nn.Sequential(nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 3)), torch.randn(50, 20)
    state = torch.get_rng_state()
    factorize(net, x, share=0.7)
    assert torch.equal(state, torch.get_rng_state())


def test_a_layer_that_is_the_whole_network_is_split() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(30, 20), torch.randn(60, 30)
    for split in (factorize(layer, ranks={"": 20}), factorize(layer, x, ranks={"": 20})):
        assert [tuple(one.weight.shape) for one in split] == [(20, 30), (20, 20)]
        assert torch.allclose(split(x), layer(x), atol=1e-4)
    assert layer(x).shape == (60, 20)


def test_what_cannot_be_split_so_is_said() -> None:
    net, x = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), torch.randn(20, 6)
    for settings, why in (
        ({"ranks": {"1": 2}}, "layer '1' cannot be split; of all layers '0', '2' can"),
        ({"ranks": {"0": (2, 2)}, "schemes": ("channel", "spatial")}, "give one rank"),
        ({"ranks": {"0": 1.5}}, "no whole number"),
        ({"ranks": "vb"}, "ranks='vb'"),
        ({"share": 0.5, "schemes": "spatial"}, "schemes="),
        ({"share": 0.5, "schemes": ()}, "schemes="),
        (
            {"share": 0.1},
            r"share=0.1 of the macs is too little, since 25 of 72 remain at the least: give at least 0.348",
        ),
    ):
        with pytest.raises(CompressionError, match=why):
            factorize(net, x, **settings)
    with pytest.raises(CompressionError, match="no layer that becomes cheaper"):
        factorize(nn.Conv2d(4, 4, 3, groups=4), torch.randn(9, 4, 5, 5), share=0.5)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_by_one_sample_a_layer_is_split_as_without_data(scheme) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    x = torch.randn(20, 3, 8, 8)
    told, untold = (
        factorize(net, x[:1], ranks={"0": 2, "2": 3}, schemes=(scheme,), weighted=weighted)
        for weighted in (True, False)
    )
    torch.testing.assert_close(told(x), untold(x), rtol=1e-3, atol=1e-4)


class Named(nn.Module):
    """Layers of which one has two names, and one is called several times, with its input by name."""

    def __init__(self):
        super().__init__()
        self.first = self.second = nn.Linear(32, 32)
        self.again, self.head = nn.Linear(32, 32), nn.Linear(32, 3)

    def forward(self, x):
        x = self.second(self.first(x).relu()).relu()
        for _ in range(3):
            x = self.again(input=x).relu()
        return self.head(input=x)


def test_layers_are_split_by_all_their_names_and_counted_as_often_as_they_are_called() -> None:
    torch.manual_seed(0)
    net, x = Named(), torch.randn(100, 32)
    less = factorize(net, x, ranks={"first": 8})
    assert less.first is less.second
    assert sum(p.numel() for p in less.parameters()) == sum(p.numel() for p in net.parameters()) - 1024 + 512
    assert 0.3 <= macs(factorize(net, x, share=0.4), x) / macs(net, x) <= 0.4


class Alone(nn.Module):
    """Takes one sample after the other, without an axis for them."""

    def __init__(self):
        super().__init__()
        self.conv, self.deep, self.head = nn.Conv2d(8, 32, 3), nn.Conv2d(32, 32, 3), nn.Linear(32, 3)

    def forward(self, x):
        return torch.stack([self.head(self.deep(self.conv(one).relu()).relu().mean((1, 2))) for one in x])


def test_layers_that_see_a_sample_by_itself_are_split() -> None:
    torch.manual_seed(0)
    net, x = Alone(), torch.randn(12, 8, 7, 7)
    less = factorize(net, x, share=0.5)
    assert less(x).shape == (12, 3)
    assert 0.3 <= macs(less, x) / macs(net, x) <= 0.5


class Masked(nn.Module):
    """A transformer of which the last steps are padding."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 2)

    def forward(self, x):
        padding = torch.zeros(x.shape[:2], dtype=torch.bool)
        padding[:, -2:] = True
        return self.encoder(x, src_key_padding_mask=padding)[:, :3]


def test_transformers_of_padded_samples_call_the_layers_that_were_split() -> None:
    torch.manual_seed(0)
    net, x = Masked().eval(), torch.randn(4, 6, 16)
    less = factorize(net, ranks={"encoder.layers.0.linear1": 16})
    # With gradients, torch takes no shortcut.
    expected = net(x).detach()
    with torch.no_grad():
        torch.testing.assert_close(less(x), expected, rtol=1e-4, atol=1e-5)


class Causal(nn.Module):
    """Convolutions whose dilation the network reads, to pad by."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(16, 16, 3, dilation=d) for d in (1, 2))
        self.gate, self.head = nn.Conv1d(16, 16, 1), nn.Linear(16, 3)

    def forward(self, x):
        for conv in self.convs:
            x = x + conv(nn.functional.pad(x, (2 * conv.dilation[0], 0))) * self.gate(x).sigmoid()
        return self.head(x.mean(2))


class Asserting(Causal):
    """Looks at what its layers are, too."""

    def forward(self, x):
        assert all(isinstance(conv, nn.Conv1d) for conv in self.convs)
        return super().forward(x)


@pytest.mark.parametrize("build", [Causal, Asserting])
def test_layers_that_the_network_reads_are_not_counted_as_split(build) -> None:
    torch.manual_seed(0)
    net, x, said = build(), torch.randn(40, 16, 12), Said()
    less = factorize(net, x, share=0.85, progress=said)
    assert macs(less, x) <= 0.85 * macs(net, x)
    assert {line.partition(":")[0] for line in said.lines} == {"convs.0", "convs.1"}
    with pytest.raises(CompressionError, match=r"share=0.3 .* is too little"):
        factorize(net, x, share=0.3)
    with pytest.raises(CompressionError, match=r"'convs.0' cannot be split; of all layers 'gate', 'head' can"):
        factorize(net, x, ranks={"convs.0": 4})


class Listed(nn.Module):
    """Layers that are called by a tuple."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(32, 32), nn.Linear(32, 3)
        self.steps = (self.first, torch.relu, self.head)

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        return x


def test_layers_that_a_tuple_has_too_are_exchanged_in_it() -> None:
    torch.manual_seed(0)
    net, x = Listed(), torch.randn(100, 32)
    assert macs(factorize(net, x, share=0.6), x) <= 0.6 * macs(net, x)
    rounded = quantize(net, x, activations=2, bits=16)
    assert not torch.allclose(rounded(x), net(x), atol=0.01)
    assert net.steps[0] is net.first
    assert macs(net, x) == 32 * 35
