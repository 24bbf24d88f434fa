from __future__ import annotations

import copy
import re
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

from attar.compress import Budget, compress, load, save, search, shapes
from attar.compress.budget import readable
from attar.compress.squeezing import squeeze
from attar.errors import BudgetError, CompressionError, TrainingError
from attar.training.loop import train
from attar.training.progress import Silent


def network(outputs=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 24), nn.ReLU(), nn.Linear(24, outputs)).eval()


def samples(n=120, seed=1):
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module", autouse=True)
def few():
    """Only a few ways are tried: what they are does not matter here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_SHARES", (0.19,))
        patch.setattr(shapes, "_CHANNELS", (0.5,))
        patch.setattr(search, "_FEW", (3,))
        patch.setattr(search, "_MANY", (3,))
        yield


@pytest.fixture(scope="module")
def task():
    """A network that has learnt classes, its samples, and the classes."""
    x = samples(400)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0.3).long()
    net = network()

    def loss(batch, _):
        return nn.functional.cross_entropy(net(x[batch]), y[batch])

    train(net, loss, len(x), epochs=12, batch_size=32, lr=1e-2)
    return net, x, y


@pytest.fixture(scope="module")
def trained(task, tmp_path_factory):
    """A search whose budget is not met without training, and its folder."""
    net, x, y = task
    folder = tmp_path_factory.mktemp("search")
    return compress(net, Budget(bytes=460), x, y, epochs=4, folder=folder), folder


def on_disk(model, folder):
    save(model, folder / "model.attar")
    return (folder / "model.attar").stat().st_size


def test_the_file_fits_and_says_what_the_model_says(task, trained, tmp_path) -> None:
    net, x, _ = task
    found, _ = trained
    assert found.chosen.bytes == on_disk(found.model, tmp_path) <= 460
    assert torch.equal(load(tmp_path / "model.attar")(x), found.model(x))
    assert found.dense.bytes > 3.2 * sum(p.numel() for p in net.parameters())
    assert any("first look" in one.name for one in found.attempts)
    # What is chosen is the best of all that fits.
    assert found.chosen.quality == max(one.quality for one in found.attempts if one.bytes <= 460)


def test_a_notebook_shows_the_figures_in_a_line(trained) -> None:
    found, *_ = trained
    assert re.fullmatch(
        rf"Compressed\({re.escape(found.chosen.name)}: [\d.]+ KB → {readable(found.chosen.bytes)}, [\d.]+ ms a sample, "
        rf"[\d.]+ % {found.judged} on {found.n_judged} samples, {len(found.attempts)} tried\)",
        repr(found),
    )


def test_nothing_beats_what_is_on_the_front(trained) -> None:
    found, _ = trained
    model, front = found
    assert (model, front) == (found.model, found.front)
    assert [one.bytes for one in front] == sorted({one.bytes for one in front})
    for one in found.attempts:
        assert any(best.bytes <= one.bytes and best.quality >= one.quality for best in front)
    for a, b in pairwise(front):
        assert a.quality < b.quality


def test_a_finished_search_is_read_back_without_training(task, trained, monkeypatch) -> None:
    net, x, y = task
    found, folder = trained

    def never(*_, **__):
        raise AssertionError("it is trained already")

    monkeypatch.setattr(search, "squeeze", never)
    monkeypatch.setattr(search, "distill", never)
    again = compress(net, Budget(bytes=460), x, y, epochs=4, folder=folder)
    assert (again.chosen, again.attempts) == (found.chosen, found.attempts)
    assert torch.equal(again.model(x), found.model(x))


@pytest.mark.parametrize("other", ["network", "samples", "labels", "epochs", "seed"])
def test_a_folder_of_another_search_is_refused_and_left_as_it_is(task, trained, other) -> None:
    net, x, y = task
    _, folder = trained
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    settings = {"epochs": 6 if other == "epochs" else 4, "seed": int(other == "seed")}
    if other == "network":
        net = copy.deepcopy(net)
        with torch.no_grad():
            net[0].weight[0, 0] += 1
    x = x + 1e-3 if other == "samples" else x
    y = y.flip(0) if other == "labels" else y
    with pytest.raises(CompressionError, match="name another folder"):
        compress(net, Budget(bytes=460), x, y, folder=folder, **settings)
    assert before == {file.name: file.read_bytes() for file in folder.iterdir()}


def test_budgets_that_read_alike_are_not_the_same_attempt(task, tmp_path) -> None:
    net, x, y = task
    found = [compress(net, Budget(bytes=size), x, y, epochs=2, folder=tmp_path) for size in (3590, 3595)]
    assert readable(3590) == readable(3595)
    names = [{one.name for one in each.attempts} for each in found]
    assert "rounded to 3,590 B" in names[0]
    assert "rounded to 3,595 B" in names[1]
    assert "rounded to 3,590 B" not in names[1]


def test_a_folder_of_a_search_for_another_time_is_refused(task, trained) -> None:
    net, x, y = task
    with pytest.raises(CompressionError, match="name another folder"):
        compress(net, Budget(bytes=460, latency_ms=5.0), x, y, epochs=4, folder=trained[1])


def test_views_are_told_apart_by_what_they_are_made_with() -> None:
    def view(x, _, strength=1.0):
        return x * strength

    class Views:
        def __call__(self, x, _):
            return x

    told = [
        search._named(one) for one in (None, view, partial(view, strength=0.5), partial(view, strength=2.0), Views())
    ]
    assert len(set(told)) == 5
    assert search._named(partial(view, strength=0.5)) == told[2]
    assert "0x" not in "".join(told)


@pytest.mark.slow
def test_a_search_that_was_stopped_comes_to_the_same_end(task, trained, monkeypatch, tmp_path) -> None:
    net, x, y = task
    found, _ = trained
    calls = 0

    def stops(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return squeeze(*args, **kwargs)

    monkeypatch.setattr(search, "squeeze", stops)
    with pytest.raises(KeyboardInterrupt):
        compress(net, Budget(bytes=460), x, y, epochs=4, folder=tmp_path)
    again = compress(net, Budget(bytes=460), x, y, epochs=4, folder=tmp_path)
    assert again.chosen.model_dump(exclude={"latency_ms"}) == found.chosen.model_dump(exclude={"latency_ms"})
    assert torch.equal(again.model(x), found.model(x))


def test_the_network_before_is_not_changed(task) -> None:
    net, x, _ = task
    before = copy.deepcopy(net.state_dict())
    compress(net, Budget(bytes=2500), x, epochs=2)
    assert list(net.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_without_training_where_that_loses_nothing(task, monkeypatch) -> None:
    net, x, y = task
    monkeypatch.setattr(search, "squeeze", None)
    found = compress(net, Budget(bytes=3000, accuracy_drop=0.05), x, y)
    assert found.chosen.bytes <= 3000
    assert found.chosen.quality >= found.dense.quality - 0.05


def test_inside_inference_mode_it_is_the_same(task) -> None:
    net, x, _ = task
    expected = compress(net, Budget(bytes=600), x[:60], epochs=2)
    with torch.inference_mode():
        found = compress(net, Budget(bytes=600), x[:60].clone(), epochs=2)
    assert [(one.name, one.bytes, one.quality) for one in found.attempts] == [
        (one.name, one.bytes, one.quality) for one in expected.attempts
    ]


@pytest.mark.parametrize("name", ["X", "x"])
def test_samples_by_name(task, name) -> None:
    net, x, _ = task
    found = compress(net, budget=Budget(bytes=3000), **{name: x[:60]})
    assert found.chosen.bytes == compress(net, Budget(bytes=3000), x[:60]).chosen.bytes


def test_a_list_of_samples_is_asked_for_as_a_tensor(task) -> None:
    net, x, _ = task
    with pytest.raises(CompressionError, match=r"all samples as one tensor .* Dataset or DataLoader"):
        compress(net, Budget(bytes=800), list(x))


def test_more_bytes_give_no_worse_network() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 1))
    x = torch.randn(200, 1, 8, 8)
    for size in (260, 280, 300, 320):
        found = compress(net, Budget(bytes=size), x, epochs=2).chosen
        assert found.name == f"rounded to {size} B"
        assert 0.9 * size < found.bytes <= size
        assert found.quality > 0.998


@pytest.mark.slow
def test_a_drop_alone_gives_the_smallest_file_that_loses_no_more(task) -> None:
    net, x, y = task
    found = compress(net, Budget(accuracy_drop=0.1), x, y, epochs=2)
    held = [one for one in found.attempts if one.quality >= found.dense.quality - 0.1]
    assert found.chosen.bytes == min(one.bytes for one in held)
    # It went on until a size lost more, or nothing smaller could be made.
    assert found.chosen.bytes < 0.3 * found.dense.bytes


@pytest.mark.parametrize("labels", ["all", "few", "none"])
def test_what_decides_are_labels_where_there_are_enough(task, labels) -> None:
    net, x, y = task
    y = {"all": y, "few": torch.where(torch.arange(len(y)) < 60, y, -1), "none": None}[labels]
    found = compress(net, Budget(bytes=3000, accuracy_drop=0.2), x, y, epochs=2)
    assert found.judged == ("accuracy" if labels == "all" else "agreement")
    assert found.n_judged == 80
    assert (found.dense.quality == 1) == (labels != "all")


@pytest.mark.parametrize("shape", [(1,), (2, 2)])
def test_answers_that_are_no_logits(shape) -> None:
    net = nn.Sequential(network(torch.Size(shape).numel()), nn.Unflatten(1, shape)).eval()
    found = compress(net, Budget(bytes=3000, accuracy_drop=0.2), samples(), epochs=2)
    assert found.dense.quality == 1
    assert found.model(samples(5)).shape == (5, *shape)
    assert found.chosen.bytes <= 3000


@pytest.mark.parametrize(
    ("budget", "n", "labels", "error", "says"),
    [
        (Budget(), 40, None, BudgetError, "allows everything"),
        (Budget(bytes=900), 1, None, CompressionError, "at least two"),
        (Budget(bytes=900), 40, 39, CompressionError, "39 labels for 40 samples"),
        (Budget(bytes=90), 40, None, BudgetError, "allow more"),
    ],
)
def test_what_cannot_be_is_said(budget, n, labels, error, says) -> None:
    y = None if labels is None else torch.zeros(labels)
    with pytest.raises(error, match=says):
        compress(network(), budget, samples(n), y, epochs=2)


def test_a_time_that_is_met_is_kept_to(task) -> None:
    net, x, _ = task
    found = compress(net, Budget(bytes=3000, latency_ms=1000.0), x, epochs=2)
    assert found.chosen.latency_ms is not None
    assert found.chosen.bytes <= 3000


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_floats_are_refused(dtype) -> None:
    with pytest.raises(CompressionError, match=str(dtype)):
        compress(nn.Linear(8, 3).to(dtype), Budget(bytes=600), torch.zeros(10, 8, dtype=dtype))


def test_a_buffer_may_be_in_half_precision() -> None:
    class Scaled(nn.Linear):
        def forward(self, x):
            return super().forward(x * self.scale.float())

    torch.manual_seed(0)
    net = Scaled(16, 4)
    net.register_buffer("scale", torch.ones(16, dtype=torch.bfloat16))
    assert compress(net, "50KB", torch.randn(50, 16), epochs=2).chosen.quality == 1


def test_answers_that_are_not_finite_are_refused(task) -> None:
    model, x, y = task
    gap = x.clone()
    gap[3, 0] = torch.nan
    with pytest.raises(CompressionError, match="NaN or infinity"):
        compress(model, Budget(bytes=2000), gap, y, epochs=2)


def test_what_fits_is_kept_where_nothing_smaller_can_be_made(task, monkeypatch) -> None:
    model, x, y = task
    monkeypatch.setattr("attar.compress.search._Search._trained", lambda *_: None)
    found = compress(model, Budget(accuracy_drop=0.05), x, y, epochs=2)
    assert found.chosen.quality >= found.dense.quality - 0.05
    assert found.chosen.bytes < found.dense.bytes


def test_a_training_that_breaks_off_costs_its_attempt_alone(task, monkeypatch) -> None:
    net, x, y = task

    def breaks(*_, **__):
        raise TrainingError("the loss became nan")

    monkeypatch.setattr(search, "squeeze", breaks)
    found = compress(net, Budget(bytes=1200), x, y, epochs=2)
    assert found.chosen.bytes <= 1200
    assert not any("first look" in one.name for one in found.attempts)


def test_a_time_that_nothing_meets_is_said(task) -> None:
    model, x, y = task
    with pytest.raises(BudgetError, match=r"the fastest takes [\d.e-]+ ms: allow more"):
        compress(model, Budget(latency_ms=1e-9), x, y, epochs=2)


def test_what_was_compressed_before_is_said_to_stay(task, trained, monkeypatch) -> None:
    (found, _), (_, x, y) = trained, task
    said: list[str] = []
    progress = Silent()
    monkeypatch.setattr(progress, "say", said.append)
    with pytest.raises(BudgetError, match="integers already stay as they are: give the network from before"):
        compress(found.model, Budget(bytes=200), x, y, epochs=2, progress=progress)
    assert "rounded to 200 B: left out, since what stays as it is takes more than 200 B" in said


def test_channels_are_chosen_by_samples_of_all_however_they_are_sorted(monkeypatch) -> None:
    monkeypatch.setattr(search, "shapes", lambda _, x, *__, **___: x)
    asked = object.__new__(search._Search)
    asked.model, asked.x, asked.seed, asked.progress = None, torch.arange(2000.0)[:, None], 0, None
    assert len(asked._shapes) == 512
    assert float(asked._shapes.mean()) == pytest.approx(1000, rel=0.1)


class Fraction(nn.Module):
    """An operation that has no ONNX form."""

    def forward(self, x):
        return torch.frac(x)


def test_a_time_that_cannot_be_measured_is_not_met(task) -> None:
    net = nn.Sequential(network(), Fraction()).eval()
    with pytest.raises(BudgetError, match="no ONNX form whose time"):
        compress(net, Budget(latency_ms=1000.0), samples(), epochs=2)


@pytest.mark.parametrize(
    "call",
    [
        lambda net, x: compress(net, x, budget="1KB"),
        lambda net, x: compress(net, x, "1KB"),
        lambda net, x: compress(net, x.numpy(), Budget(bytes=9)),
    ],
)
def test_a_budget_in_another_place_is_told_its_own(call) -> None:
    with pytest.raises(BudgetError, match=r"second argument.*compress\(model, '50KB,1%', X\)"):
        call(network(), samples())


def test_of_few_weights_beside_a_long_description_larger_files_are_tried_too(monkeypatch) -> None:
    monkeypatch.setattr(search._Search, "_trained", lambda *_: None)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(10, 16), nn.SELU(), nn.Linear(16, 16), nn.SELU(), nn.Linear(16, 4)).eval()
    found = compress(net, "1%", torch.randn(200, 10, generator=torch.Generator().manual_seed(0)))
    assert found.chosen.bytes < 0.75 * found.dense.bytes
