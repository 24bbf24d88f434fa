import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_wine
from torch import nn

from attar.errors import CollapseWarning, TrainingError
from attar.represent._watch import Watch, effective_rank, spike
from attar.represent.autoencoder import Autoencoder
from attar.represent.byol import BYOL
from attar.represent.moco import MoCo
from attar.represent.simclr import SimCLR
from tests.represent.test_pretext import Centre

IMAGES = load_digits().images.astype(np.float32)[:320]
WINE = load_wine().data.astype(np.float32)


def test_the_effective_rank_equals_the_definition_and_closed_forms():
    torch.manual_seed(0)
    z = torch.randn(50, 7)
    sigma = np.linalg.svd(z.double().numpy() - z.double().numpy().mean(0), compute_uv=False)
    p = sigma / sigma.sum()
    assert effective_rank(z) == pytest.approx(math.exp(-(p * np.log(p)).sum()), rel=1e-9)
    # Neither place, scale nor rotation matters.
    rotation = torch.linalg.qr(torch.randn(7, 7).double()).Q
    assert effective_rank(100 * z.double() @ rotation + 5) == pytest.approx(effective_rank(z), rel=1e-6)
    assert effective_rank(torch.randn(50, 1) * torch.ones(7)) == pytest.approx(1.0, abs=1e-3)
    assert effective_rank(torch.ones(50, 7)) == 0
    assert effective_rank(torch.ones(1, 7)) == 0


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda z: z * 0 + 1, "collapsed after 0 % of training"),
        (lambda z: z * 1e-3 + 1, "by 0.1 % of the length of their mean"),
        (lambda z: z[:, :1] * torch.ones(6), "spread over 1.0 directions"),
        (lambda z: z * math.nan, "not finite after training"),
        (lambda z: z * 3e4, "exploded: its vectors are 3e+04 times as long"),
        (lambda z: z * 1e3, ""),
        (lambda z: z, ""),
    ],
)
def test_what_collapses_is_told_by_its_output(spoil, said):
    torch.manual_seed(0)
    x = torch.randn(60, 6) + 1
    watch, encoder = Watch(x, 100), nn.Identity()
    for step in range(100):
        if step == 1:
            encoder.register_forward_hook(lambda _, __, z: spoil(z))
        watch.before_step(encoder)
    assert said in watch.verdict(encoder, [])
    assert bool(said) == bool(watch.verdict(encoder, []))


@pytest.mark.parametrize("steps", [20, 21, 31, 100, 101, 199])
def test_when_it_collapsed_is_told_by_the_steps_taken(steps):
    watch, encoder, collapsing = Watch(torch.randn(60, 6) + 1, steps), nn.Identity(), int(0.95 * steps)
    for step in range(steps):
        if step == collapsing:
            encoder.register_forward_hook(lambda _, __, z: z * 0 + 1)
        watch.before_step(encoder)
    said = int(watch.verdict(encoder, []).split(" % of training")[0].split()[-1])
    # The last look before.
    assert 100 * (collapsing - 1 - watch.every) // steps <= said <= 95


def test_samples_that_were_alike_before_training_are_not_its_fault():
    x = torch.ones(30, 4)
    watch = Watch(x, 100)
    for _ in range(100):
        watch.before_step(nn.Identity())
    assert watch.verdict(nn.Identity(), []) == ""


def test_a_loss_that_breaks_away_is_found_and_a_noisy_one_is_not():
    rng = np.random.default_rng(0)
    falling = list(1 / (1 + np.arange(40)) + 0.1 * rng.random(40))
    assert spike(falling) == 0
    assert spike([*falling, *([7.0] * 5)]) == 40
    assert spike([*falling, 7.0, *falling[10:]]) == 0, "it came back"
    assert spike([1.0, 9.0]) == 0
    # In time proportional to the epochs: with their square this would take minutes.
    assert spike([1 / (1 + e) for e in range(100_000)]) == 0
    watch = Watch(torch.randn(30, 4), 100)
    watch.before_step(nn.Identity())
    assert "rose from" in watch.verdict(nn.Identity(), [*falling, *([7.0] * 5)])


def test_a_collapsing_pretext_warns_and_says_so():
    with pytest.warns(CollapseWarning, match=r"Centre: the representation collapsed after \d+ % of training: 160 "):
        centre = Centre(epochs=120, batch_size=64, lr=3e-2).fit(IMAGES)
    assert centre.collapsed_


@pytest.mark.parametrize("pretext", [SimCLR, MoCo, BYOL])
@pytest.mark.parametrize("x", [IMAGES, WINE], ids=["digits", "wine"])
def test_healthy_pretexts_raise_no_alarm(pretext, x):
    # Warnings are errors here.
    assert pretext(16, width=4, epochs=8, batch_size=64, random_state=0).fit(x).collapsed_ == ""


def test_batches_of_one_row_have_no_spread_to_normalise_by():
    with pytest.warns(CollapseWarning, match="Autoencoder: the representation exploded"):
        Autoencoder(8, width=8, epochs=3, batch_size=1, random_state=0).fit(WINE[::3])


def test_the_watch_survives_a_checkpoint_and_leaves_training_as_it_was():
    x = torch.randn(20, 3)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).train()
    before = {name: t.clone() for name, t in network.state_dict().items()}
    one, other = Watch(x, 50), Watch(x, 50)
    for _ in range(20):
        one.before_step(network)
    assert network.training
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())
    other.load_state_dict(one.state_dict())
    for watch in (one, other):
        for _ in range(30):
            watch.before_step(network)
    assert torch.equal(one.seen[:10], other.seen[:10])
    assert torch.isfinite(one.seen[:10]).all()


class Exploding(Centre):
    def _loss(self, networks, kind, x, generator):
        return super()._loss(networks, kind, x, generator) * math.inf


def test_a_loss_that_is_not_finite_stops_training():
    with pytest.raises(TrainingError, match="the loss became"):
        Exploding(epochs=1).fit(WINE)


@pytest.mark.parametrize("pretext", [Centre, Exploding])
def test_the_main_job_leaves_it_out_and_says_why(pretext, tmp_path, monkeypatch):
    from attar.candidates import Ahead, _on_trained
    from attar.kinds.image import Image
    from attar.run import Run

    job = SimpleNamespace(kind=Image.learn(IMAGES), x=IMAGES, progress=None)
    spoilt = pretext(epochs=120, batch_size=64, lr=3e-2)
    with Run(tmp_path / "run", {}, {}) as run:
        monkeypatch.setattr("attar.candidates.probed", lambda job, module: np.ones(3))
        offered = lambda *_: pytest.fail("a candidate was offered")  # noqa: E731
        result = _on_trained(job, run, Ahead(), "centre", spoilt, offered, tmp_path)
    (note,) = result.facts["left_out"]
    assert note.startswith("centre is left out: the ")
    assert not result.facts["candidates"]
