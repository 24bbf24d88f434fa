from __future__ import annotations

import functools
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from attar.compress.parametrizations import Coded, codes_of
from attar.compress.places import places
from attar.compress.saved import load, save
from attar.compress.sensitivity import sensitivities
from attar.compress.squeezing import squeeze
from attar.errors import CompressionError, RunError
from attar.training.loop import train


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(4, 12, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.recurrent(x)[0][:, -1])


def tied():
    net = nn.Sequential(nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 12), nn.Linear(12, 3))
    net[2].weight = net[0].weight
    return net


def dense():
    return nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 3))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=2),
        nn.Flatten(),
        nn.Linear(32, 3),
    )


NETS = {
    "dense": (dense, (12,), 500),
    "convolutional": (convolutional, (2, 4, 4), 1500),
    "tied": (tied, (12,), 500),
    "recurrent": (Recurrent, (5, 4), 1500),
}


def made(name, n=96):
    build, shape, budget = NETS[name]
    torch.manual_seed(0)
    return build().eval(), torch.randn(n, *shape), budget


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("bits", [2, 4])
def test_the_file_meets_the_budget_and_holds_small_integers(name, bits, tmp_path) -> None:
    net, x, budget = made(name)
    before = state(net)
    small = squeeze(net, x, bytes=budget, bits=bits, epochs=3, batch_size=32)
    assert equal(state(net), before)
    assert not small.training
    save(small, tmp_path / "small.attar", x[:1])
    assert (tmp_path / "small.attar").stat().st_size <= budget
    torch.testing.assert_close(load(tmp_path / "small.attar")(x), small(x))
    for place in places(small):
        codes = codes_of(place)
        assert codes is not None
        assert codes.dtype == torch.int8
        if codes.ndim > 1:
            assert int(codes.abs().max()) < 2 ** (bits - 1)
    changed = [
        place.name for place in places(small) if not torch.equal(place.value, dict(net.named_parameters())[place.name])
    ]
    assert len(changed) == len(places(net))


def test_a_tight_budget_is_used_and_met(tmp_path) -> None:
    net, x, _ = made("dense")
    sizes = []
    for budget in (350, 450, 550):
        save(squeeze(net, x, bytes=budget, bits=4, epochs=3, batch_size=32), tmp_path / "small.attar", x[:1])
        sizes.append((tmp_path / "small.attar").stat().st_size)
        assert 0.8 * budget < sizes[-1] <= budget
    assert sizes == sorted(sizes)


def test_numbers_by_themselves_and_tensors_of_none() -> None:
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.scale, self.none = dense(), nn.Parameter(torch.tensor(2.0)), nn.Parameter(torch.zeros(0, 3))

        def forward(self, x):
            return self.scale * self.net(x) + self.none.sum()

    x = torch.randn(64, 12, generator=torch.Generator().manual_seed(0))
    small = squeeze(Scaled(), x, bytes=np.int64(700), epochs=3)
    assert small.scale.shape == ()
    assert small.scale > 0
    assert small(x).shape == (64, 3)
    assert "none" not in sensitivities(Scaled(), x)


def test_what_is_shared_stays_shared() -> None:
    net, x, budget = made("tied")
    small = squeeze(net, x, bytes=budget, epochs=2, batch_size=32)
    assert torch.equal(small[0].weight, small[2].weight)
    assert len(next(place for place in places(small) if place.name == "0.weight").owners) == 2


def test_recurrent_layers_compute_with_the_codes() -> None:
    net, x, budget = made("recurrent")
    small = squeeze(net, x, bytes=budget, epochs=2, batch_size=32)
    plain = Recurrent().eval()
    plain.load_state_dict({place.name: place.value for place in places(small)})
    torch.testing.assert_close(small(x), plain(x))


def test_integers_that_a_network_keeps_already_stay() -> None:
    net, x, budget = made("dense")
    once = squeeze(net, x, bytes=budget, epochs=2, batch_size=32)
    once[2] = nn.Linear(40, 3)
    twice = squeeze(once, x, bytes=budget, epochs=2, batch_size=32)
    assert torch.equal(once[0].weight, twice[0].weight)
    assert isinstance(next(place for place in places(twice) if place.name == "2.weight").chain()[-1], Coded)


class Stopping:
    """Ends a training in the middle of the task of a name."""

    def __init__(self, name, after):
        self.name, self.left = name, after

    @contextmanager
    def task(self, name, total):
        self.here = name == self.name
        yield self

    def advance(self, steps=1):
        if self.here:
            self.left -= steps
            if self.left < 0:
                raise KeyboardInterrupt

    def say(self, line):
        pass


def noisy(x, generator):
    return x + 0.1 * torch.randn(x.shape, generator=generator)


@pytest.mark.parametrize(("name", "after"), [("mask", 7), ("round", 2)])
def test_a_resumed_run_equals_an_uninterrupted_one(name, after, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("attar.compress.squeezing.train", functools.partial(train, interval=0.0))
    net, x, budget = made("dense")
    y = torch.arange(len(x)) % 4 - 1

    def run(checkpoint=None, progress=None):
        return squeeze(
            net,
            x,
            y,
            bytes=budget,
            epochs=4,
            batch_size=16,
            view=noisy,
            seed=3,
            checkpoint=checkpoint,
            progress=progress,
        )

    whole = state(run())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Stopping(name, after))
    assert list(tmp_path.iterdir())
    torch.manual_seed(99)
    assert equal(state(run(tmp_path)), whole)
    # And that of a finished run, of a folder by its name.
    assert equal(state(run(str(tmp_path))), whole)


@pytest.mark.parametrize("other", ["bytes", "bits", "temperature", "x", "y", "model", "teacher", "logits"])
def test_a_checkpoint_of_other_arguments_is_refused(other, tmp_path) -> None:
    net, x, budget = made("dense")
    different = made("dense")[0]
    with torch.no_grad():
        different.get_parameter(next(iter(different.state_dict()))).neg_()
    given = {"model": net, "x": x, "bytes": budget, "epochs": 2, "batch_size": 16, "checkpoint": tmp_path}
    squeeze(**given)
    changed = {
        "bytes": budget + 100,
        "bits": 4,
        "temperature": 3.0,
        "x": -x,
        "y": torch.zeros(len(x), dtype=torch.long),
        "model": different,
        "teacher": different,
        "logits": -net(x).detach(),
    }
    name = "teacher" if other == "logits" else other
    with pytest.raises(RunError, match=r"masks.safetensors belongs to a training with other settings or samples"):
        squeeze(**{**given, name: changed[other]})


def test_seeds_differ_and_repeat() -> None:
    net, x, budget = made("dense")
    first, again, other = (
        state(squeeze(net, x, bytes=budget, epochs=2, batch_size=16, seed=seed)) for seed in (0, 0, 1)
    )
    assert equal(first, again)
    assert not equal(first, other)


def test_answers_that_are_no_logits_are_learnt_as_well(tmp_path) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 6), nn.Unflatten(1, (2, 3))), torch.randn(64, 12)
    save(squeeze(net, x, bytes=500, epochs=2, batch_size=16), tmp_path / "small.attar", x[:1])
    assert (tmp_path / "small.attar").stat().st_size <= 500


def test_a_budget_below_a_file_without_weights_is_refused() -> None:
    net, x, _ = made("dense")
    with pytest.raises(CompressionError, match="bytes without any weight: allow more than 50"):
        squeeze(net, x, bytes=50)


def test_hostile_arguments() -> None:
    net, x, budget = made("dense")
    with pytest.raises(CompressionError, match="no parameter"):
        squeeze(nn.Flatten(), x, bytes=budget)
    with pytest.raises(CompressionError, match="no samples"):
        squeeze(net, x[:0], bytes=budget)
    with pytest.raises(CompressionError, match="labels for 96 samples"):
        squeeze(net, x, torch.zeros(3), bytes=budget)
    with pytest.raises(CompressionError, match="epochs='3': it must be a whole number"):
        squeeze(net, x, bytes=4000, epochs="3")
    with pytest.raises(CompressionError, match="1 bits"):
        squeeze(net, x, bytes=budget, bits=1)
    with pytest.raises(CompressionError, match="at least 2"):
        squeeze(net, x, bytes=budget, epochs=1)
