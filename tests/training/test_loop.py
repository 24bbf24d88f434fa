import logging
import math
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from attar.errors import AttarError, RunError
from attar.nets.convnet import ConvNet
from attar.training.checkpoint import Plan
from attar.training.loop import _batches, _fabric, _rate, train

X = torch.randn(70, 1, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("attar._files.os.fsync", lambda _: None)


class _Killed(Exception):
    pass


class _Queue(nn.Module):
    """A buffer that the loss itself changes, as a momentum encoder's queue."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("queue", torch.zeros(4))


def _network() -> nn.ModuleDict:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        encoder = nn.Sequential(ConvNet(1, (8, 8), 8, 4), nn.Dropout(0.3), nn.Linear(8, 4))
        return nn.ModuleDict({"encoder": encoder, "queue": _Queue()})


def _run(checkpoint=None, kill_at=None, **options):
    network, calls = _network(), []

    def loss(batch, generator):
        calls.append(batch)
        if len(calls) == kill_at:
            raise _Killed
        x = X[batch]
        y = network["encoder"](x + 0.1 * torch.randn(x.shape, generator=generator))
        queue = network["queue"]
        queue.queue = 0.9 * queue.queue + 0.1 * y.detach().mean(dim=0)
        return (y - queue.queue - 1).square().mean()

    options = {"epochs": 3, "batch_size": 16, "seed": 5, "checkpoint": checkpoint, "interval": 0.0} | options
    history = train(network, loss, len(X), **options)
    return network.state_dict(), history, len(calls)


def _equal(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("kills", [(1,), (2,), (5,), (7,), (12,), (3, 2, 4)])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(kills, tmp_path):
    weights, history, _ = _run()
    path = tmp_path / "checkpoint"
    for kill_at in kills:
        with pytest.raises(_Killed):
            _run(path, kill_at)
    resumed, resumed_history, calls = _run(path)
    assert _equal(weights, resumed)
    assert resumed_history == history
    assert calls == 12 - sum(k - 1 for k in kills)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("until", [1, 4, 7, 12, 99])
def test_one_that_stopped_for_now_goes_on_as_if_it_had_not(until, tmp_path):
    weights, history, _ = _run()
    for again in (False, True):  # stopped there, it stays there
        _, stopped, calls = _run(tmp_path / "checkpoint", until=until)
        assert stopped.steps == min(until, 12)
        assert calls == (0 if again else stopped.steps)
    on, on_history, _ = _run(tmp_path / "checkpoint")
    assert _equal(weights, on)
    assert on_history == history


def test_a_finished_run_is_not_run_again(tmp_path):
    weights, history, _ = _run(tmp_path / "checkpoint")
    again, again_history, calls = _run(tmp_path / "checkpoint")
    assert calls == 0
    assert _equal(weights, again)
    assert again_history == history


def test_how_often_a_checkpoint_is_written_changes_nothing(tmp_path):
    often, _, _ = _run(tmp_path / "often", interval=0.0)
    seldom, _, _ = _run(tmp_path / "seldom", interval=1e9)
    assert _equal(often, seldom)


def test_the_seed_decides():
    assert _equal(_run()[0], _run()[0])
    assert not _equal(_run()[0], _run(seed=6)[0])


def test_global_random_state_and_mode_are_left_as_they_were():
    state = torch.get_rng_state()
    _run()
    assert torch.equal(torch.get_rng_state(), state)


def test_an_epoch_shows_each_sample_at_most_once_and_drops_only_the_remainder():
    plan = Plan(n=70, steps=8, batch_size=16, lr=1, weight_decay=0, seed=0)
    batches = list(_batches(plan, 0))
    for epoch in (batches[:4], batches[4:]):
        seen = torch.cat(epoch)
        assert len(seen) == 64 == len(seen.unique())
    assert not torch.equal(batches[0], batches[4])
    for start in range(8):
        assert all(torch.equal(a, b) for a, b in zip(batches[start:], _batches(plan, start), strict=True))


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17])
def test_few_samples(n):
    network = _network()
    seen = []

    def loss(batch, generator):
        seen.append(batch)
        return network["encoder"](X[batch]).square().mean()

    history = train(network, loss, n, epochs=3, batch_size=16)
    assert history.steps == 3
    assert all(len(b) == min(16, max(n, 2)) for b in seen)


def test_a_number_of_steps_instead_of_epochs():
    _, history, calls = _run(steps=6)
    assert (calls, history.steps, len(history.losses)) == (6, 6, 2)


def test_the_rate_warms_up_and_falls_to_almost_nothing():
    for steps in (1, 2, 3, 10, 1000):
        rates = [_rate(t, steps) for t in range(steps)]
        assert max(rates) == 1.0
        assert min(rates) > 0
        peak = int(np.argmax(rates))
        assert (np.diff(rates[: peak + 1]) > 0).all()
        assert (np.diff(rates[peak:]) < 0).all()
    assert rates[99] == 1.0
    assert rates[-1] < 1e-5


def test_a_loss_that_is_not_a_number_names_the_epoch():
    network = nn.Linear(1, 1)
    count = iter(range(100))

    def loss(batch, generator):
        return network(torch.ones(1, 1)).sum() * (math.nan if next(count) == 5 else 1)

    with pytest.raises(AttarError, match=r"became nan in epoch 2; use a learning rate below 0\.002"):
        train(network, loss, 64, epochs=4, batch_size=16)


def test_a_training_that_fails_leaves_evaluation_mode_and_the_usual_layout():
    network = nn.Conv2d(2, 3, 3)
    with pytest.raises(AttarError, match="became nan"):
        train(network, lambda *_: network(torch.full((1, 2, 3, 3), math.nan)).sum(), 4, epochs=1, batch_size=4)
    assert not network.training
    assert network.weight.is_contiguous()


def test_frozen_parameters_stay_and_small_ones_do_not_decay():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    # Without a gradient only the decay moves a weight.
    train(network, lambda b, g: sum(p.sum() for p in network[1].parameters()) * 0, 8, epochs=2, weight_decay=0.5)
    after = network.state_dict()
    assert torch.equal(before["0.weight"], after["0.weight"])
    assert torch.equal(before["1.bias"], after["1.bias"])
    assert (after["1.weight"].abs() < before["1.weight"].abs()).all()


def test_progress_counts_every_step_also_the_resumed_ones(tmp_path):
    class Counter:
        def __init__(self):
            self.total, self.done = 0, 0

        @contextmanager
        def task(self, name, total):
            self.total = total
            yield self

        def advance(self, steps=1):
            self.done += steps

    with pytest.raises(_Killed):
        _run(tmp_path / "c", 6)
    counter = Counter()
    _run(tmp_path / "c", progress=counter)
    assert counter.done == counter.total == 12


def test_products_in_bfloat16_where_asked():
    line, seen = nn.Linear(8, 8), []

    def loss(batch, generator):
        y = line(torch.ones(len(batch), 8))
        seen.append(y.dtype)
        return y.float().square().mean()

    train(line, loss, 16, epochs=1, batch_size=8, precision="bf16-mixed")
    assert seen == [torch.bfloat16] * 2
    assert line.weight.dtype == torch.float32
    train(line, loss, 16, epochs=1, batch_size=8)
    assert seen[2:] == [torch.float32] * 2


@pytest.mark.parametrize("channels", [1, 3])
def test_convolutions_answer_with_the_channels_of_a_pixel_side_by_side(channels):
    convolution, seen = nn.Conv2d(channels, 4, 3), []
    x = torch.randn(8, channels, 6, 6, generator=torch.Generator().manual_seed(0))

    def loss(batch, generator):
        y = convolution(x[batch])
        seen.append(y.is_contiguous(memory_format=torch.channels_last))
        return y.square().mean()

    train(convolution, loss, 8, epochs=2, batch_size=8)
    assert seen == [True, True]
    assert convolution.weight.is_contiguous()
    assert convolution(x).is_contiguous()


def test_a_checkpoint_of_another_precision_is_refused(tmp_path):
    _run(tmp_path / "checkpoint", until=3)
    with pytest.raises(RunError, match="other settings"):
        _run(tmp_path / "checkpoint", precision="bf16-mixed")


def test_the_terminal_is_left_to_progress(monkeypatch):
    said = []
    monkeypatch.setattr(logging.Logger, "callHandlers", lambda _, record: said.append(record.getMessage()))
    level = logging.getLogger("lightning_fabric").level
    _fabric("bf16-mixed", torch.device("cpu"))
    assert said == []
    assert logging.getLogger("lightning_fabric").level == level
