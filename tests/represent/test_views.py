"""What holds for every pretext that contrasts views, on each kind that it works on."""

import os
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.utils.estimator_checks import parametrize_with_checks

from attar.adapt.probe import LinearProbe
from attar.represent import BYOL, TSTCC, MoCo, SimCLR

RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(40, 2, 30)).astype(np.float32)
PRETEXTS = [SimCLR, MoCo, BYOL, TSTCC]


def _small(pretext, **options):
    more = {"context": 8} if pretext is TSTCC else {"projection": 8}
    return pretext(**({"dim": 8, "width": 4, "epochs": 4, "batch_size": 16, "random_state": 0} | more | options))


@parametrize_with_checks(
    [
        MoCo(dim=6, width=2, epochs=2, batch_size=64, random_state=0),
        BYOL(dim=6, width=2, epochs=2, batch_size=64, random_state=0),
    ]
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_a_killed_fit_goes_on_bit_for_bit(pretext, tmp_path, monkeypatch):
    whole = _small(pretext).fit(SERIES)
    original, calls = pretext._loss, []

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(pretext, "_loss", killed)
    # An hour passes between any two steps: a checkpoint after each.
    monkeypatch.setattr("attar.training.loop.time", SimpleNamespace(monotonic=count(0, 3600).__next__))
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        _small(pretext)._fit(SERIES, checkpoint=path)
    assert path.exists()
    resumed = clone(whole)
    resumed._fit(SERIES, checkpoint=path)
    assert resumed.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(resumed.transform(SERIES), whole.transform(SERIES))


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_the_seed_decides_and_global_state_is_untouched(pretext):
    state = torch.get_rng_state()
    one, same = (_small(pretext).fit_transform(SERIES) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, _small(pretext, random_state=1).fit_transform(SERIES))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_hostile_samples_are_no_trouble(pretext):
    x = SERIES.copy()
    x[3, :, 20:] = np.nan
    assert np.isfinite(_small(pretext).fit(x).transform(x)).all()
    assert _small(pretext).fit(x[:1]).transform(x[:1]).shape == (1, 8)
    assert _small(pretext, batch_size=2, epochs=1).fit(x[:3]).transform(x).shape == (40, 8)
    assert np.isfinite(_small(pretext).fit_transform(np.full_like(x, 3.0))).all()


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_what_served_training_alone_is_thrown_away(pretext):
    fitted = _small(pretext, epochs=1).fit(SERIES)
    encoder = fitted.kind_.encoder(8, 4)
    assert set(fitted.encoder_.state_dict()) == set(encoder.state_dict())


def _digits():
    x, y = load_digits(return_X_y=True)
    return x[:800].reshape(-1, 8, 8).astype(np.float32), y[:800]


def _wine():
    x, y = load_wine(return_X_y=True)
    return x.astype(np.float32), y


def _synthetic_control():
    path = (
        Path(os.environ.get("ATTAR_DATA", Path(__file__).parents[3] / "shared" / "data")) / "ucr/SyntheticControl.npz"
    )
    if not path.exists():
        pytest.skip(f"{path} is not there; set ATTAR_DATA")
    with np.load(path) as file:
        return np.concatenate([file["x_train"], file["x_test"]]), np.concatenate([file["y_train"], file["y_test"]])


def _mean_accuracy(pretext, x, y):
    """Of a linear head with 5 labels per class, three draws."""
    z = pretext.transform(x)
    z = (z - z.mean(axis=0)) / (z.std(axis=0) + 1e-6)
    scores = []
    for draw in range(3):
        rng = np.random.default_rng(draw)
        known = np.concatenate([rng.choice(np.flatnonzero(y == c), 5, replace=False) for c in np.unique(y)])
        rest = np.setdiff1d(np.arange(len(x)), known)
        scores.append(LinearProbe("squared").fit(z[known], y[known]).score(z[rest], y[rest]))
    return np.mean(scores)


@pytest.mark.parametrize(
    ("pretext", "read"),
    [
        *((pretext, _wine) for pretext in (SimCLR, MoCo, BYOL)),
        *((pretext, _synthetic_control) for pretext in (SimCLR, MoCo, BYOL)),
        pytest.param(TSTCC, _synthetic_control, marks=pytest.mark.slow),
        *(pytest.param(pretext, _digits, marks=pytest.mark.slow) for pretext in (SimCLR, MoCo, BYOL)),
    ],
)
def test_training_beats_the_same_encoder_untrained(pretext, read):
    x, y = read()
    settings = {"dim": 32, "width": 8, "batch_size": 64, "random_state": 0}
    untrained = pretext(epochs=1, lr=1e-9, **settings).fit(x)
    trained = pretext(epochs=10, lr=4e-3, **settings).fit(x)
    assert _mean_accuracy(trained, x, y) > _mean_accuracy(untrained, x, y)
