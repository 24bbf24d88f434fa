from __future__ import annotations

import pytest
import torch
from torch import nn

from attar.compress.program import listed
from attar.compress.pruning import prune
from attar.compress.saved import as_program, load, save
from attar.compress.tracing import traced
from attar.errors import CompressionError


class Made(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.register_buffer("seen", torch.zeros(4))
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


def counting(net, x):
    net.seen.add_(1)
    return net.linear(x) + net.seen


@pytest.mark.parametrize(
    ("forward", "what"),
    [
        (lambda net, x: net.linear(x) if x.sum() > 0 else x, "cannot be traced"),
        (lambda net, x: net.linear(x) - x.shape[0] * torch.randn(4), "not hold|chance"),
        (lambda net, x: net.linear(x).reshape(3, 4) * 1, "cannot be traced|batch"),
        (lambda net, x: net.linear(x).relu().reshape(len(x), -1), r"size of the batch is x.shape\[0\], and len\(x\)"),
        (counting, "its own buffers"),
        (lambda net, x: torch.fft.rfft(net.linear(x)).abs(), "which an .attar file does not hold"),
        (lambda net, x: net.linear(x).to(torch.complex64).abs(), "computes with torch.complex64, which an .attar file"),
        (
            lambda net, x: {"y": net.linear(x)},
            "one tensor or a tuple of tensors: give a module whose forward picks them",
        ),
        (lambda net, x: net.linear.weight, "computed from its input"),
    ],
)
def test_what_a_file_cannot_hold_is_said(forward, what) -> None:
    with pytest.raises(CompressionError, match=what):
        traced(Made(forward), torch.randn(1, 4))


def test_changes_in_place_become_results() -> None:
    def forward(net, x):
        h = net.linear(x)
        kept = h.clone()
        h.relu_()
        h += kept
        return h * kept

    net = Made(forward)
    program, x = traced(net, torch.randn(1, 4)), torch.randn(6, 4)
    assert torch.equal(program(x), net(x))
    assert not any(step.operation.partition(".")[0].endswith("_") for step in listed(program).steps)


def assigned(net, x):
    y = net.linear(x)
    y[:, 1] = 0
    return y


def masked(net, x):
    y = net.linear(x)
    y[:, net.seen == 0] = 0
    return y


def halved(net, x):
    y = 2 * x
    y.chunk(2, 1)[0].relu_()
    return y


def transposed(net, x):
    y = net.linear(x)
    y.t().add_(1)
    return y


def raised(net, x):
    return net.linear(x).pow_(2).zero_() + net.linear(x).pow_(net.seen)


@pytest.mark.parametrize("forward", [assigned, masked, halved, transposed, raised])
def test_what_is_changed_through_a_view_is_changed(forward) -> None:
    net, x = Made(forward), torch.randn(6, 4)
    assert torch.equal(traced(net, x[:1])(x), net(x))


def first(net, x):
    return net.linear(x.relu_()) + x


def widened(net, x):
    y = net.linear(x)
    y += net.seen.double()
    return net.linear(y.mul_(net.seen.double() / 3))


@pytest.mark.parametrize("forward", [first, widened])
def test_what_is_changed_in_place_may_be_the_input_and_keeps_its_precision(forward) -> None:
    net, x = Made(forward), torch.randn(6, 4)
    given = x.clone()
    program = traced(net, x)
    assert torch.equal(x, given)
    said = program(x)
    assert torch.equal(x, given)
    expected = net(x)
    assert said.dtype == expected.dtype
    assert torch.equal(said, expected)


def remembering(net, x):
    net.calls = getattr(net, "calls", 0) + 1
    return net.linear(x) + net.calls


def test_the_size_of_the_batch_is_not_blamed_for_what_a_network_remembers() -> None:
    with pytest.raises(CompressionError, match="answers the same samples in another way when it is called again"):
        traced(Made(remembering), torch.randn(1, 4))


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: net.linear(x) * (x > 0).to(x),
        lambda net, x: (x > 0).to(x.device, torch.float32),
        lambda net, x: x.to(device="cpu", dtype=torch.float64),
        lambda net, x: x + torch.arange(4, device=x.device),
    ],
)
def test_where_a_network_is_is_not_kept(forward) -> None:
    net, x = Made(forward), torch.randn(6, 4)
    program = traced(net, x[:1])
    assert torch.equal(program(x), net(x))
    assert "device" not in str(listed(program).steps)


def test_the_network_is_left_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout()).train()
    net[1].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    program = traced(net, torch.randn(1, 4))
    assert [layer.training for layer in net] == [True, False, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert program(torch.randn(3, 4)).shape == (3, 4)


def test_what_no_output_needs_is_not_kept() -> None:
    def forward(net, x):
        net.linear(x).sum()
        return x * 2

    program = traced(Made(forward), torch.randn(1, 4))
    assert [step.operation for step in listed(program).steps] == ["mul.Tensor"]
    assert not dict(program.named_parameters())


def test_a_program_learns_as_its_network_does() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), torch.randn(8, 4)
    program = traced(net, x[:1])
    for one in (net, program):
        one(x).square().sum().backward()
    for name, p in program.named_parameters():
        assert torch.equal(p.grad, net.get_parameter(name).grad)


class Cells(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell, self.head = nn.LSTMCell(3, 4), nn.Linear(4, 2)

    def forward(self, x):
        h = c = torch.zeros(x.shape[0], 4)
        for step in x.unbind(1):
            h, c = self.cell(step, (h, c))
        return self.head(h)


class Assigned(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 8)

    def forward(self, x):
        y = self.linear(x)
        y[:, 0] = 0
        return y.relu_()


class Bagged(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.head = nn.EmbeddingBag(20, 4, mode="sum", padding_idx=0), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.words(x))


@pytest.mark.parametrize(
    ("net", "x"),
    [
        (Cells(), torch.randn(5, 6, 3)),
        (Assigned(), torch.randn(5, 6)),
        (Bagged(), torch.randint(0, 20, (5, 7))),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.ChannelShuffle(2)), torch.randn(5, 3, 2, 2)),
    ],
    ids=["cells", "assigned", "bagged", "shuffled"],
)
def test_networks_as_tutorials_have_them(net, x, tmp_path) -> None:
    net.eval()
    save(net, tmp_path / "net.attar", x[:1])
    assert torch.allclose(load(tmp_path / "net.attar")(x), net(x), atol=1e-6)


def test_a_batch_that_is_counted_as_a_number_is_said() -> None:
    with pytest.raises(CompressionError, match=r"is x.shape\[0\], and len\(x\) is a number"):
        traced(Made(lambda net, x: net.linear(x) + torch.zeros(len(x), 4).cumsum(0)), torch.randn(1, 4))


class Passing(nn.Module):
    def __init__(self, inside):
        super().__init__()
        self.inside = inside

    def forward(self, *args, **kwargs):
        return self.inside(*args, **kwargs)


def compiled(net):
    return torch.compile(net, backend="eager")


@pytest.mark.parametrize("wrap", [Passing, lambda net: Passing(Passing(net)), nn.DataParallel, compiled])
def test_a_network_that_is_wrapped_is_kept(wrap) -> None:
    net, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), torch.randn(6, 4)
    assert torch.equal(as_program(wrap(net), x[:1])(x), net(x))


@pytest.mark.parametrize("wrap", [nn.DataParallel, compiled, lambda net: nn.DataParallel(compiled(net))])
def test_what_wraps_for_devices_or_by_the_compiler_is_taken_off(wrap) -> None:
    net, x = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3)), torch.randn(6, 4)
    program = as_program(wrap(net), x[:1])
    assert [name for name, _ in program.named_parameters()] == [name for name, _ in net.named_parameters()]
    assert prune(wrap(net), 0.5, x=x, structure="channels")[0].out_features < 32


class Positive(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        return 2 * y if y.sum() > 0 else y


class Often(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        for _ in range(int(y.abs().max())):
            y = y + 1
        return y


@pytest.mark.parametrize("kind", [Positive, Often])
def test_a_branch_on_values_is_said_in_one_line_and_nothing_is_printed(kind, capfd) -> None:
    with pytest.raises(CompressionError, match=rf"^{kind.__name__} branches on the values of a tensor, .* torch.where"):
        traced(kind(3, 2), torch.ones(1, 3))
    assert capfd.readouterr() == ("", "")


class Causal(nn.Module):
    def __init__(self, told):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder, self.told = nn.TransformerEncoder(layer, 1), {"is_causal": True} if told else {}
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(5))

    def forward(self, x):
        return self.encoder(x, mask=self.mask, **self.told)


def test_a_transformer_with_a_mask_is_told_how_it_is_traced() -> None:
    x = torch.randn(2, 5, 8)
    with pytest.raises(CompressionError, match=r"or leave the branch outside; .* with a mask branch unless is_causal"):
        traced(Causal(told=False).eval(), x)
    net = Causal(told=True).eval()
    torch.testing.assert_close(traced(net, x)(x), net(x))
