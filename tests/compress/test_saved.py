from __future__ import annotations

import copy
import random
import warnings

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from attar.compress import container, saved
from attar.compress.factorization import factorize
from attar.compress.parametrizations import Codebook, Coded, Masked, Rounded, codes_of, store
from attar.compress.places import places
from attar.compress.pruning import prune
from attar.compress.quantization import quantize
from attar.compress.saved import load, opened, save
from attar.errors import CompressionError
from tests.compress.networks import NETWORKS, Transformer


def coded(net, bits=4, decoder="tensor"):
    most = 2 ** (bits - 1) - 1
    for place in places(net):
        w = place.value.detach()
        if w.ndim < 2:
            continue
        if decoder == "codebook":
            values, codes = torch.unique((w / w.abs().max() * most).round(), return_inverse=True)
            store(place, codes, Codebook(values * w.abs().max() / most))
        elif decoder == "zero":
            step = (w.amax() - w.amin()) / (2**bits - 1)
            zero = (-w.amin() / step).round()
            store(place, (w / step + zero).round(), Coded(step.reshape(1), zero.reshape(1)))
        else:
            step = w.flatten(1).abs().amax(1) / most if decoder == "row" else (w.abs().max() / most).reshape(1)
            store(place, (w.flatten(1) / step.reshape(-1, 1)).round().reshape(w.shape), Coded(step))
    return net


@pytest.fixture(params=NETWORKS, ids=lambda make: make.__name__)
def made(request):
    torch.manual_seed(0)
    net, x = request.param()
    return net.eval(), x


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda make: make.__name__)
def kept(request, tmp_path_factory):
    """A network whose weights are integers, samples, and its file."""
    torch.manual_seed(0)
    net, x = request.param()
    file = tmp_path_factory.mktemp("kept") / "a.attar"
    save(coded(net.eval()), file, x[:1])
    return net, x, file


def same(net, other, x):
    with torch.no_grad():
        return max(float((net(x[:n]) - other(x[:n])).abs().max()) for n in (1, 2, 5))


def tolerance(net):
    # In evaluation mode torch takes a shortcut through transformers that rounds otherwise.
    return 1e-6 if isinstance(net, Transformer) else 0


def test_a_loaded_network_says_the_same(made, tmp_path) -> None:
    net, x = made
    save(net, tmp_path / "a.attar", x[:1])
    again = load(tmp_path / "a.attar")
    assert same(net, again, x) <= tolerance(net)
    save(again, tmp_path / "b.attar")
    assert (tmp_path / "a.attar").read_bytes() == (tmp_path / "b.attar").read_bytes()


def test_a_coded_network_stays_coded(kept) -> None:
    net, x, file = kept
    again = load(file)
    assert same(net, again, x) <= tolerance(net)
    saved = [codes_of(place) for place in places(net)]
    loaded = [codes_of(place) for place in places(again)]
    assert sum(one is not None for one in saved) == sum(one is not None for one in loaded) > 0
    # float32 numbers are written at most whole, codes of four bits in about half a byte.
    floats = sum(place.value.numel() for place, codes in zip(places(net), saved) if codes is None)
    floats += sum(buffer.numel() for name, buffer in net.named_buffers() if buffer.is_floating_point())
    codes = sum(one.numel() for one in saved if one is not None)
    assert file.stat().st_size < 4 * floats + 0.55 * codes + 700


def test_a_loaded_network_is_a_network(kept, tmp_path) -> None:
    net, x, file = kept
    again = copy.deepcopy(load(file))
    assert same(net, again, x) <= tolerance(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            again,
            (x[:2],),
            tmp_path / "a.onnx",
            input_names=["x"],
            dynamic_axes={"x": {0: "n"}},
            opset_version=17,
            dynamo=False,
        )
    session = ort.InferenceSession(tmp_path / "a.onnx")
    for n in (1, 5):
        np.testing.assert_allclose(session.run(None, {"x": x[:n].numpy()})[0], net(x[:n]).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("decoder", ["tensor", "row", "zero", "codebook"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_all_ways_to_keep_integers(decoder, bits, tmp_path) -> None:
    torch.manual_seed(0)
    net, x = coded(nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 4)), bits, decoder), torch.randn(5, 40)
    save(net, tmp_path / "a.attar", x[:1])
    again = load(tmp_path / "a.attar")
    assert same(net, again, x) == 0
    for one, other in zip(places(net), places(again)):
        assert type(one.chain()[-1] if one.chain() else None) is type(other.chain()[-1] if other.chain() else None)
        assert torch.equal(one.original(), other.original())


def test_what_was_trained_on_a_grid_or_behind_a_mask_is_kept_as_it_is(tmp_path) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 4)), torch.randn(5, 40)
    first = places(net)[0]
    first.wrap(Masked(torch.rand(30, 40) < 0.1))
    first.wrap(Rounded(torch.tensor([0.05]), -7, 7))
    weight_norm(net[2])
    save(net, tmp_path / "a.attar", x[:1])
    again = load(tmp_path / "a.attar")
    assert same(net.eval(), again, x) < 1e-6
    codes = codes_of(next(place for place in places(again) if place.name == "0.weight"))
    assert codes is not None
    assert int(codes.abs().max()) <= 7
    assert len(net[0].parametrizations.weight) == 2  # left as it was


@pytest.mark.parametrize("zeros", [0.0, 0.1, 0.4, 0.9, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_zeros_of_pruned_weights_cost_little(zeros, dtype, tmp_path) -> None:
    torch.manual_seed(0)
    net = nn.Linear(64, 64, bias=False).to(dtype)
    with torch.no_grad():
        net.weight *= torch.rand(64, 64) >= zeros  # of negative ones the zero is negative
    save(net, tmp_path / "a.attar", torch.ones(1, 64, dtype=dtype))
    read = load(tmp_path / "a.attar")
    assert torch.equal(read.weight, net.weight)
    assert isinstance(read.weight, nn.Parameter)
    save(read, tmp_path / "b.attar")
    assert (tmp_path / "a.attar").read_bytes() == (tmp_path / "b.attar").read_bytes()
    # What float32 takes at most, a place, and the sign of a zero where it is kept.
    bits = 8 * (tmp_path / "a.attar").stat().st_size - 1000
    assert bits < 4096 * ((1 - zeros) * 34 + (0.7 if zeros > 0.5 else 1 + zeros))
    if zeros <= 0.5:
        assert torch.equal(read.weight.signbit(), net.weight.signbit())


def test_files_of_pruned_networks_are_the_smaller_the_more_zeros_there_are(tmp_path) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)), torch.randn(1, 64)
    sizes = []
    for i, how in enumerate((0.0, 0.1, 0.3, 0.5, (2, 4), 0.55, 0.7, (1, 4))):
        given = {"structure": how} if isinstance(how, tuple) else {"amount": how}
        save(prune(net, **given), tmp_path / f"{i}.attar", x)
        sizes.append((tmp_path / f"{i}.attar").stat().st_size)
    dense, *_ = sizes
    for size, share in zip(sizes, (1, 0.9, 0.7, 0.5, 0.5, 0.45, 0.3, 0.25)):
        assert size < dense * (share + 0.06)


def test_a_file_from_before_zeros_had_signs_is_read(tmp_path) -> None:
    torch.manual_seed(0)
    net = nn.Linear(64, 64, bias=False)
    with torch.no_grad():
        net.weight *= torch.rand(64, 64) >= 0.4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved, "_SPARSE", 1.0)
        save(net, tmp_path / "a.attar", torch.ones(1, 64))
        assert '"s' in container.read(tmp_path / "a.attar")[0]
    assert torch.equal(load(tmp_path / "a.attar").weight, net.weight)


def test_tensors_of_all_types(tmp_path) -> None:
    class Types(nn.Module):
        def __init__(self):
            super().__init__()
            self.half_ = nn.Parameter(torch.randn(5).half())
            self.register_buffer("brain", torch.randn(5).bfloat16())
            self.register_buffer("double_", torch.randn(5, dtype=torch.float64))
            self.register_buffer("long_", torch.tensor([2**62, -(2**63), 0, -1, 7]))
            self.register_buffer("least", torch.tensor([-(2**31), 0, 5, 2**31 - 1, -1], dtype=torch.int32))
            self.register_buffer("small", torch.arange(-2, 3, dtype=torch.int8))
            self.register_buffer("mask", torch.tensor([True, False, True, True, False]))
            self.register_buffer("odd", torch.tensor([float("nan"), float("inf"), -0.0, 1e-45, -3e38]))

        def forward(self, x):
            kept = x + self.half_ + self.brain + self.double_ + self.small + self.long_ % 7 + self.least % 7
            return torch.where(self.mask, kept, x), self.odd + 0 * x.sum()

    net, x = Types(), torch.randn(4, 5)
    save(net, tmp_path / "a.attar", x[:1])
    again = load(tmp_path / "a.attar")
    for name, tensor in net.state_dict().items():
        loaded = again.state_dict()[name]
        assert loaded.dtype == tensor.dtype
        assert torch.equal(loaded.contiguous().view(torch.uint8), tensor.contiguous().view(torch.uint8)), name


def test_the_description_of_lenet_is_short(tmp_path) -> None:
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)
    )
    for place in places(net):
        store(place, torch.zeros(place.value.shape), Coded(torch.ones(1)))
    save(net, tmp_path / "a.attar", torch.rand(1, 1, 28, 28))
    assert (tmp_path / "a.attar").stat().st_size < 150


def test_a_network_may_bring_its_example(tmp_path) -> None:
    net = nn.Linear(3, 2)
    with pytest.raises(CompressionError, match=r"save\(module, path, example=x\[:1\]\)"):
        save(net, tmp_path / "a.attar")
    net.example = torch.zeros(1, 3)
    save(net, tmp_path / "a.attar")
    assert same(net, load(tmp_path / "a.attar"), torch.randn(5, 3)) == 0
    with pytest.raises(CompressionError, match="there are no samples"):
        save(net, tmp_path / "a.attar", torch.zeros(0, 3))


@pytest.mark.parametrize(
    "way",
    [
        lambda net, x: prune(net, 0.5, x=x),
        lambda net, x: prune(net, 0.5, x=x, structure="channels"),
        lambda net, x: quantize(net, x, bits=4),
        lambda net, x: quantize(net, x, bits=4, codebook=True),
        lambda net, x: factorize(net, x, share=0.5),
    ],
    ids=["zeros", "channels", "bits", "codebook", "ranks"],
)
def test_what_was_made_with_samples_is_saved_without_an_example(way, tmp_path) -> None:
    net, x = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3)), torch.randn(40, 16)
    smaller = way(net, x)
    save(smaller, tmp_path / "a.attar")
    assert same(smaller, load(tmp_path / "a.attar"), x) == 0
    assert not hasattr(net, "example")


def test_damaged_files_give_a_network_or_an_error(tmp_path) -> None:
    net, x = coded(nn.Sequential(nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 2))), torch.rand(1, 20)
    save(net, tmp_path / "a.attar", x)
    text, payload = container.read(tmp_path / "a.attar")
    chance = random.Random(0)
    for _ in range(300):
        kind = chance.randrange(3)
        at = chance.randrange(len(payload))
        other = payload[:at] + chance.randbytes(kind) + payload[at + chance.randrange(3) :]
        at = chance.randrange(len(text))
        told = text if kind else text[:at] + chance.choice('0123456789[]",%#') + text[at + 1 :]
        try:
            opened(*container.opened(container.packed(told, other), "a.attar"), "a.attar")
        except CompressionError:
            continue


class Named(nn.Module):
    def __init__(self, name, buffer):
        super().__init__()
        self.layers = nn.ModuleDict({name: nn.Linear(3, 3)})
        self.register_buffer("offset", buffer)

    def forward(self, x):
        return next(iter(self.layers.values()))(x) + self.offset.float()


@pytest.mark.parametrize(
    ("name", "dtype", "why"),
    [("conv-1", torch.float32, "layers.conv-1"), ("a" * 101, torch.float32, "name"), ("a", torch.uint16, "offset")],
)
def test_what_would_not_be_loaded_is_not_saved(name, dtype, why, tmp_path) -> None:
    with pytest.raises(CompressionError, match=why):
        save(Named(name, torch.ones(3, dtype=dtype)), tmp_path / "a.attar", torch.zeros(1, 3))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["parametrizations", "a.parametrizations", "__deepcopy__"])
@pytest.mark.parametrize("form", ["c", "k"])
def test_names_that_codes_cannot_have(name, form) -> None:
    description = f'[[["add.Tensor","%","#"]],[["{name}",[1],"{form}"]],["float32",[1]]]'
    with pytest.raises(CompressionError, match="can be called"):
        opened(description, bytes(20), "a.attar")


def test_an_integer_outside_its_codebook(tmp_path) -> None:
    net = nn.Linear(3, 2)
    store(places(net)[0], torch.tensor([[0, 1, 2], [2, 1, 5]]), Codebook(torch.arange(6.0)))
    save(net, tmp_path / "a.attar", torch.zeros(1, 3))
    text, payload = container.read(tmp_path / "a.attar")
    with pytest.raises(CompressionError):
        opened(text.replace('"k6"', '"k5"'), payload, "a.attar")


def test_codes_of_other_floats_are_refused(tmp_path) -> None:
    net = quantize(nn.Linear(8, 8).double(), bits=4)
    with pytest.raises(CompressionError, match="float64, and a file to"):
        save(net, tmp_path / "net.attar", torch.zeros(1, 8, dtype=torch.float64))
    assert not list(tmp_path.iterdir())


def test_an_example_is_as_samples_are_elsewhere(tmp_path) -> None:
    net, x = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), torch.randn(5, 6)
    save(net, tmp_path / "a.attar", x[:1])
    for i, example in enumerate((x, x.double(), x.numpy(), x.numpy().astype(np.float64))):
        save(net, tmp_path / f"{i}.attar", example)
        assert (tmp_path / f"{i}.attar").read_bytes() == (tmp_path / "a.attar").read_bytes()
    for example, why in ((x[0], "does not take x"), (x[:, :4], "does not take x"), ([1.0], "x is of type list")):
        with pytest.raises(CompressionError, match=why):
            save(net, tmp_path / "b.attar", example)
    assert not (tmp_path / "b.attar").exists()


def test_an_example_that_is_not_finite_is_for_networks_that_take_it(tmp_path) -> None:
    class Filled(nn.Linear):
        def forward(self, x):
            return super().forward(torch.nan_to_num(x))

    x = torch.tensor([[1.0, torch.nan, torch.inf]])
    with pytest.raises(CompressionError, match="NaN or infinity: give samples without missing"):
        save(nn.Linear(3, 2), tmp_path / "a.attar", x)
    assert not list(tmp_path.iterdir())
    net = Filled(3, 2)
    save(net, tmp_path / "a.attar", x)
    assert same(net, load(tmp_path / "a.attar"), torch.randn(5, 3)) == 0
