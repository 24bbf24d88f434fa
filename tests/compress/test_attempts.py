from __future__ import annotations

import pytest
import torch
from torch import nn

from attar.compress.attempts import Attempts, Judge
from attar.compress.saved import save, size
from attar.errors import CompressionError
from attar.training.progress import Silent


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 3)).eval()


X = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))


def judge(net, labels=None):
    with torch.no_grad():
        return Judge(X, net(X), torch.full((len(X),), -1) if labels is None else labels)


def attempts(folder, net=None):
    return Attempts(folder, judge(net or network()), X[:1], Silent())


def test_where_all_classes_are_known_they_are_what_counts() -> None:
    net, other = network(), network(5)
    labels = torch.arange(50) % 3
    with torch.no_grad():
        right = float((other(X).argmax(1) == labels).double().mean())
        same = float((other(X).argmax(1) == net(X).argmax(1)).double().mean())
    known, unknown, some = judge(net, labels), judge(net), judge(net, torch.where(labels == 0, -1, labels))
    assert (known.measure, unknown.measure, some.measure) == ("accuracy", "agreement", "agreement")
    assert known.quality(other) == pytest.approx(right)
    assert unknown.quality(other) == some.quality(other) == pytest.approx(same)
    assert unknown.quality(net) == 1


@pytest.mark.parametrize("shape", [(1,), (2, 3)])
def test_other_answers_are_judged_by_the_variance_that_they_share(shape) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, torch.Size(shape).numel()), nn.Unflatten(1, shape)).eval()
    one = judge(net)
    assert one.quality(net) == 1
    assert one.measure == "R²"
    # The mean in place of each answer has none of it, and what is far worse has none either.
    shifted, told = nn.Sequential(net, Plus(3.0 * float(one.before.std()))), one.before
    assert one.quality(shifted) == 0
    half = nn.Sequential(net, Plus(0.5 * float(told.std())))
    assert one.quality(half) == pytest.approx(0.75, abs=1e-4)


@pytest.mark.parametrize("shape", [(1,), ()], ids=str)
@pytest.mark.parametrize("shares", [False, True])
def test_one_number_tells_two_known_classes_apart(shape, shares) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(6, 1), nn.Sigmoid() if shares else nn.Identity(), nn.Flatten(0) if shape == () else nn.Identity()
    )
    net = net.eval()
    with torch.no_grad():
        right = (net(X).reshape(-1) > (0.5 if shares else 0)).long()
    labels = torch.where(torch.arange(50) < 10, 1 - right, right)
    assert (judge(net, labels).measure, judge(net, labels).quality(net)) == ("accuracy", pytest.approx(0.8))
    assert judge(net, torch.where(labels == 0, -1, labels)).measure == "R²"


def test_one_number_is_judged_by_its_difference() -> None:
    net = nn.Linear(6, 1).eval()
    x = torch.zeros(1, 6)
    one = Judge(x, net(x).detach(), torch.tensor([-1]))
    assert one.quality(net) == 1
    assert one.quality(nn.Sequential(net, Plus(0.5))) == pytest.approx(0.75)


class Plus(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x):
        return x + self.by


def test_answers_of_another_shape_are_refused() -> None:
    with pytest.raises(CompressionError, match=r"\(50, 10\) instead of \(50, 3\)"):
        judge(network()).quality(network()[0])


def test_figures_are_those_of_the_file(tmp_path) -> None:
    net, tried = network(), attempts(tmp_path)
    found = tried.of("As it is, 100 %", lambda _: net)
    save(net, tmp_path / "own.attar", X[:1])
    assert found.bytes == size(net, X[:1]) == (tmp_path / "own.attar").stat().st_size
    assert (tmp_path / found.file).read_bytes() == (tmp_path / "own.attar").read_bytes()
    assert found.macs == 6 * 10 + 10 * 3
    assert found.quality == 1
    assert found.latency_ms is not None
    assert found.latency_ms > 0
    assert torch.equal(tried.program(found)(X), net(X))
    assert tried.all == (found,)


def never(_):
    raise AssertionError("it was made already")


def test_what_is_done_is_read_back_and_what_is_damaged_is_made_again(tmp_path) -> None:
    found = attempts(tmp_path).of("one", lambda _: network())
    again = attempts(tmp_path)
    assert again.of("one", never) == found
    assert again.all == (found,)
    (tmp_path / "one.json").write_text('{"name": "one"}')
    made = attempts(tmp_path).of("one", lambda _: network(3))
    assert made.bytes != found.bytes or made.quality < 1


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe"], ids=["missing", "empty", "no text"])
@pytest.mark.parametrize("name", ["one.attar", "one.json"])
def test_a_file_of_an_attempt_that_is_damaged_is_made_again(name, content, tmp_path) -> None:
    found = attempts(tmp_path).of("one", lambda _: network())
    before = (tmp_path / "one.attar").read_bytes()
    (tmp_path / name).unlink() if content is None else (tmp_path / name).write_bytes(content)
    again = attempts(tmp_path)
    assert again.of("one", lambda _: network()).quality == found.quality
    assert (tmp_path / "one.attar").read_bytes() == before
    assert torch.equal(again.program(found)(X), network()(X))


def test_a_mark_that_is_no_text_is_that_of_something_else(tmp_path) -> None:
    (tmp_path / "asked.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(CompressionError, match="name another folder"):
        attempts(tmp_path)


def test_checkpoints_of_an_attempt_that_was_killed_as_it_finished_are_taken_away(tmp_path) -> None:
    attempts(tmp_path).of("one", lambda _: network())
    (tmp_path / "one-training").mkdir()
    (tmp_path / "one-training" / "steps.safetensors").write_text("all the way")
    attempts(tmp_path).of("one", never)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["asked.txt", "one.attar", "one.json"]


def test_an_attempt_that_was_stopped_finds_its_checkpoints(tmp_path) -> None:
    def stopped(folder):
        (folder / "masks.safetensors").write_text("half way")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempts(tmp_path).of("long", stopped)
    seen = []

    def goes_on(folder):
        seen.extend(file.read_text() for file in folder.iterdir())
        return network()

    tried = attempts(tmp_path)
    tried.of("long", goes_on)
    assert seen == ["half way"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["asked.txt", "long.attar", "long.json"]
