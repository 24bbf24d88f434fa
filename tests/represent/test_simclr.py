from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from attar.kinds.series import Series
from attar.represent.simclr import SimCLR

RNG = np.random.default_rng(0)
DIGITS = load_digits()
IMAGES = DIGITS.images.astype(np.float32)
SERIES = RNG.normal(size=(40, 2, 30)).astype(np.float32)


@parametrize_with_checks([SimCLR(dim=6, width=2, epochs=2, batch_size=64, random_state=0)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def _small(**options):
    return SimCLR(**({"dim": 8, "width": 4, "epochs": 2, "batch_size": 32, "random_state": 0} | options))


def test_missing_values_are_accepted():
    x = SERIES.copy()
    x[3, :, 20:] = np.nan
    assert np.isfinite(_small().fit(x).transform(x)).all()


def test_the_seed_decides_and_global_state_is_untouched():
    state = torch.get_rng_state()
    one, same = (_small().fit_transform(SERIES) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, _small(random_state=1).fit_transform(SERIES))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_killed_fit_goes_on_bit_for_bit(tmp_path, monkeypatch):
    whole = _small(epochs=4).fit(SERIES)
    original, calls = SimCLR._loss, []

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(SimCLR, "_loss", killed)
    # An hour passes between any two steps: a checkpoint after each.
    monkeypatch.setattr("attar.training.loop.time", SimpleNamespace(monotonic=count(0, 3600).__next__))
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        _small(epochs=4)._fit(SERIES, checkpoint=path)
    assert path.exists()
    resumed = clone(whole)
    resumed._fit(SERIES, Series.learn(SERIES), path)
    assert resumed.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(resumed.transform(SERIES), whole.transform(SERIES))


def test_the_projection_head_is_thrown_away():
    simclr = _small(projection=16).fit(SERIES)
    names = [name for name, _ in simclr.module_.named_parameters()]
    assert names
    assert not any("projector" in name for name in names)


def test_training_beats_the_same_encoder_untrained_on_digits():
    untrained, trained = (
        SimCLR(32, width=8, epochs=e, lr=lr, batch_size=128, random_state=0).fit(IMAGES[:800])
        for e, lr in ((1, 1e-9), (10, 4e-3))
    )
    scores = np.zeros(2)
    for draw in range(3):
        rng = np.random.default_rng(draw)
        labelled = np.concatenate([rng.choice(np.flatnonzero(DIGITS.target == c), 5, replace=False) for c in range(10)])
        rest = np.setdiff1d(np.arange(len(IMAGES)), labelled)
        for i, simclr in enumerate((untrained, trained)):
            z = simclr.transform(IMAGES)
            z = (z - z.mean(axis=0)) / (z.std(axis=0) + 1e-6)
            head = LogisticRegression(max_iter=500).fit(z[labelled], DIGITS.target[labelled])
            scores[i] += head.score(z[rest], DIGITS.target[rest]) / 3
    assert scores[1] > scores[0] + 0.05


def test_one_sample_and_a_batch_of_two_are_no_trouble():
    assert _small().fit(SERIES[:1]).transform(SERIES[:1]).shape == (1, 8)
    assert _small(batch_size=2).fit(SERIES[:3]).transform(SERIES).shape == (40, 8)
