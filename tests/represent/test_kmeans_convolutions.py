from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier

from attar.represent import kmeans_convolutions as room
from attar.represent.kmeans_convolutions import KMeansConvolutions
from attar.represent.random_convolutions import RandomConvolutions
from tests.represent.test_random_convolutions import samples


def learnt(x, dilation=1, difference=False, seed=0):
    return room._Learnt(torch.tensor(x), 16, 1, dilation, difference, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("shape", "dilation"), [((3, 30), 1), ((3, 30), 2), ((2, 7, 6), 1), ((2, 7, 6), 2)])
def test_pieces_equal_a_naive_loop(shape, dilation) -> None:
    x = samples(shape, n=3)
    filters = learnt(x, dilation)
    sums = filters._sums(torch.tensor(x))[:, 1]
    if len(shape) == 2:
        last = shape[1] - 8 * dilation
        by_hand = [s[p : p + 8 * dilation + 1 : dilation] for s in sums for p in range(last)]
    else:
        reach = 2 * dilation
        by_hand = [
            s[r : r + reach + 1 : dilation, c : c + reach + 1 : dilation].flatten()
            for s in sums
            for r in range(shape[1] - reach)
            for c in range(shape[2] - reach)
        ]
    torch.testing.assert_close(filters._pieces(sums).flatten(0, len(shape) - 1).flatten(1), torch.stack(by_hand))


def test_whitening_is_the_inverse_root_of_the_covariance() -> None:
    pieces = torch.tensor(samples((9,), 500)) * torch.linspace(0.2, 2, 9)
    w = room._whitening(pieces).double()
    covariance = (pieces.T @ pieces / len(pieces)).double()
    raised = covariance + room._WHITEN * torch.linalg.eigvalsh(covariance)[-1] * torch.eye(9, dtype=torch.float64)
    torch.testing.assert_close(w @ raised @ w, torch.eye(9, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(w, w.T)


def test_centres_are_the_directions_of_well_separated_clusters() -> None:
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.standard_normal((9, 9)))[0][:8]
    # Clusters of any length and size, and one centre in each to begin with.
    pieces = np.repeat(directions, 100, axis=0) * rng.uniform(0.5, 5, (800, 1)) + 0.02 * rng.standard_normal((800, 9))
    for seed in range(100):
        first = torch.randperm(800, generator=torch.Generator().manual_seed(seed))[:8]
        if len(set((first // 100).tolist())) == 8:
            break
    centres = room._centres(torch.tensor(pieces, dtype=torch.float32), torch.Generator().manual_seed(seed))
    cosines = centres.numpy() @ directions.T
    np.testing.assert_allclose(np.sort(cosines.max(1)), 1, atol=1e-3)
    assert sorted(cosines.argmax(1)) == list(range(8))


def test_no_pass_makes_the_pieces_fit_their_centres_worse() -> None:
    pieces = torch.nn.functional.normalize(torch.tensor(samples((9,), 400)), dim=1)

    def fit(passes, monkeypatch):
        monkeypatch.setattr(room, "_PASSES", passes)
        centres = room._centres(pieces, torch.Generator().manual_seed(0))
        return float((pieces @ centres.T).amax(1).sum())

    with pytest.MonkeyPatch.context() as patch:
        fits = [fit(passes, patch) for passes in range(6)]
    assert all(b >= a - 1e-3 for a, b in pairwise(fits))
    assert fits[-1] > fits[0]


def test_filters() -> None:
    x = samples((5, 64))
    for f in KMeansConvolutions(20, random_state=0).fit(x).module_[-1].filters:
        assert f.weight.shape == (24, 1, 9)
        np.testing.assert_array_equal(f.weight.sum(2), 0)
        steps = 128 * f.weight
        assert (steps == steps.round()).all()  # eight bits hold a weight
        assert steps.abs().max() <= 127


def test_scale_and_offset_of_the_samples_change_nothing() -> None:
    x = samples((2, 40))
    one, other = (KMeansConvolutions(16, random_state=0).fit(data) for data in (x, 100 * x + 7))
    np.testing.assert_allclose(one.transform(x), other.transform(100 * x + 7), atol=0.1)
    for a, b in zip(one.module_[-1].filters, other.module_[-1].filters):
        torch.testing.assert_close(a.weight, b.weight, atol=1 / 64, rtol=0)


@pytest.mark.parametrize("many", [room._MANY, 0])
def test_it_learns_the_wave_that_is_there(many, monkeypatch) -> None:
    monkeypatch.setattr(room, "_MANY", many)
    rng = np.random.default_rng(0)
    time, phase = np.arange(60), rng.uniform(0, 2 * np.pi, (40, 1))
    x = (np.sin(2 * np.pi * time / 9 + phase) + 0.05 * rng.standard_normal((40, 60)))[:, None].astype(np.float32)
    spectrum = np.abs(np.fft.rfft(learnt(x).weight[:, 0].numpy())) ** 2
    # One period in nine steps: nearly all of each filter's power is there.
    assert (spectrum[:, 1] / spectrum.sum(1)).min() > 0.95


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 5), (2, 2), (3, 1), (1, 9)])
def test_tiny_samples(shape) -> None:
    assert np.isfinite(KMeansConvolutions(8, random_state=0).fit_transform(samples(shape))).all()


def test_constant_and_missing() -> None:
    x = np.ones((10, 2, 20), dtype=np.float32)
    x[:, 1] = np.nan
    assert np.isfinite(KMeansConvolutions(8, random_state=0).fit_transform(x)).all()


def test_it_tells_rhythms_apart() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    time, phase = np.arange(60), rng.uniform(0, 2 * np.pi, (80, 1))
    x = np.sin(time * np.where(y, 0.5, 0.7)[:, None] + phase) + 0.5 * rng.standard_normal((80, 60))
    z = KMeansConvolutions(32, random_state=0).fit_transform(x[:, None].astype(np.float32))
    assert RidgeClassifier(10.0).fit(z[:40], y[:40]).score(z[40:], y[40:]) > 0.9


def test_of_samples_shorter_than_a_filter_nothing_is_learnt() -> None:
    for steps, same in ((8, True), (9, False)):
        x = samples((2, steps))
        a, b = (one(16, random_state=0).fit_transform(x) for one in (KMeansConvolutions, RandomConvolutions))
        assert np.array_equal(a, b) == same
