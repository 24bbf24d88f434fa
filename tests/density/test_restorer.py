"""Restoration against closed forms of the posterior mean, what each kind answers about damage, and hostile input."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from attar.data.dataset import Column
from attar.density.restorer import Restorer
from attar.errors import DataError
from attar.kinds import kind_of
from attar.kinds.table import Table

RNG = np.random.default_rng(0)
SHAPES = {"table": (5,), "series": (2, 30), "image": (8, 8), "colour": (9, 7, 3)}
SAMPLES = {name: RNG.random((40, *shape), dtype=np.float32) for name, shape in SHAPES.items()}
# A normal distribution in which each column tells much about the others.
MEAN = np.array([3.0, -1.0, 0.0])
COVARIANCE = np.array([[4.0, 1.8, 0.5], [1.8, 1.0, 0.2], [0.5, 0.2, 0.25]])


def small(**options):
    return Restorer(**({"width": 4, "epochs": 2, "batch_size": 20, "random_state": 0} | options))


@pytest.mark.parametrize("name", list(SAMPLES))
def test_what_the_caller_has_set_in_torch_changes_nothing(name, unusual_torch):
    x = SAMPLES[name]
    restorer = small(damages=("noise", "holes"))
    expected = restorer.fit(x).denoise(x, 0.1)
    with unusual_torch():
        found = restorer.fit(x).denoise(x, 0.1)
    np.testing.assert_array_equal(found, expected)


@parametrize_with_checks([Restorer(width=2, epochs=1, batch_size=64, random_state=0)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def normal():
    x = np.random.default_rng(1).multivariate_normal(MEAN, COVARIANCE, 4000).astype(np.float32)
    return Restorer(width=16, epochs=30, noise=1.0, lr=1e-2, random_state=0).fit(x)


def test_denoising_a_normal_distribution_is_its_wiener_filter(normal):
    rng = np.random.default_rng(2)
    x = rng.multivariate_normal(MEAN, COVARIANCE, 2000)
    sigma = 0.3
    y = x + sigma * rng.standard_normal(x.shape)
    gain = COVARIANCE @ np.linalg.inv(COVARIANCE + sigma**2 * np.eye(3))
    exact = MEAN + (y - MEAN) @ gain.T
    found = normal.denoise(y, sigma)

    assert np.square(found - exact).mean() < 0.2 * np.square(y - exact).mean()
    assert np.square(found - x).mean() < 1.05 * np.square(exact - x).mean()


def test_what_is_not_damaged_stays_and_few_samples_are_repaired_as_well_as_linearly():
    images = load_digits().images
    x, test = images[:150], images[1400:]
    restorer = Restorer(width=8, epochs=20, batch_size=16, random_state=0).fit(x)
    np.testing.assert_allclose(restorer.denoise(test, 0.0), test, atol=1e-4)

    rng, mean = np.random.default_rng(0), x.mean(axis=0)
    flat, gap = (x - mean).reshape(len(x), -1), np.zeros((8, 8), dtype=bool)
    gap[2:5, 2:5] = True
    covariance = LedoitWolf(assume_centered=True).fit(flat).covariance_
    for sigma in (0.3, 2.0):
        noisy = test + sigma * rng.standard_normal(test.shape)
        apart = (noisy - mean).reshape(len(test), -1)
        linear = apart @ np.linalg.solve(covariance + sigma**2 * np.eye(64), covariance)
        expected = np.square(linear - (test - mean).reshape(len(test), -1)).mean()
        assert np.square(restorer.denoise(noisy, sigma) - test).mean() < 1.03 * expected
    hole, rest = gap.ravel(), ~gap.ravel()
    slope = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[np.ix_(rest, hole)])
    filled = (test - mean).reshape(len(test), -1)[:, rest] @ slope
    expected = np.square(filled - (test - mean)[:, gap]).mean()
    assert np.square(restorer.inpaint(test, gap) - test)[:, gap].mean() < 1.03 * expected


def test_of_few_samples_there_are_more_passes():
    x = RNG.random((90, 3))
    # A tenth is set aside, and 81 are 2 batches of 32.
    assert len(Restorer(width=1, batch_size=32).fit(x).loss_curve_) == 500
    assert len(small(epochs=3).fit(x).loss_curve_) == 3


@pytest.mark.parametrize("kind", ["table", "series", "image"])
def test_a_constant_column_or_channel_has_no_say_in_how_noisy_samples_are(kind):
    rng = np.random.default_rng(4)
    x = 1000 * rng.standard_normal({"table": (200, 3), "series": (40, 2, 30), "image": (40, 9, 7, 3)}[kind])
    constant = {"table": np.s_[:, 1], "series": np.s_[:, 1], "image": np.s_[..., 1]}[kind]
    x[constant] = 5
    restorer = small().fit(x)
    y = x[:3].copy()
    clean = restorer.denoise(y, 100.0)
    y[constant] += 100 * rng.standard_normal(y[constant].shape)
    np.testing.assert_array_equal(restorer.denoise(y, 100.0), clean)
    # What it was is known, and no matter of how well the network has learnt.
    np.testing.assert_array_equal(clean[constant], 5)
    y[constant] = np.nan
    np.testing.assert_array_equal(restorer.inpaint(y)[constant], 5)
    with pytest.raises(DataError, match="standard deviations of the samples"):
        restorer.denoise(y, 2000.0)


def test_a_deviation_of_one_is_no_constant():
    x = np.tile([[-1.0, 0.0], [1.0, 0.0]], (20, 1))
    restorer = small().fit(x)
    assert restorer.varies_.tolist() == [[1, 0]]
    with pytest.raises(DataError, match="sigma=2 is 2 standard deviations"):
        restorer.denoise(x, 2.0)


def test_inpainting_a_normal_distribution_is_its_regression(normal):
    x = np.random.default_rng(3).multivariate_normal(MEAN, COVARIANCE, 2000)
    slope = np.linalg.solve(COVARIANCE[1:, 1:], COVARIANCE[1:, 0])
    exact = MEAN[0] + (x[:, 1:] - MEAN[1:]) @ slope
    found = normal.inpaint(x, np.array([True, False, False]))
    assert np.square(found[:, 0] - exact).mean() < 0.05 * np.square(exact - MEAN[0]).mean()
    np.testing.assert_array_equal(found[:, 1:], x[:, 1:].astype(np.float32))
    nothing = normal.inpaint(np.full((1, 3), np.nan))
    np.testing.assert_allclose(nothing[0], MEAN, atol=0.3)


@pytest.mark.parametrize("name", SHAPES)
def test_every_kind_is_denoised_and_filled(name):
    x = SAMPLES[name]
    restorer = small().fit(x)
    gaps = np.where(RNG.random(x.shape) < 0.3, np.nan, x)
    for restored in (restorer.denoise(gaps, 0.1), restorer.inpaint(gaps)):
        assert restored.shape == x.shape
        assert restored.dtype == np.float32
        assert np.isfinite(restored).all()
    known = ~np.isnan(gaps)
    np.testing.assert_array_equal(restorer.inpaint(gaps)[known], x[known])
    np.testing.assert_array_equal(restorer.inpaint(x, ~known), restorer.inpaint(gaps))
    np.testing.assert_array_equal(restorer.inpaint(x), x)


@pytest.mark.parametrize(("name", "half"), [("series", (2, 15)), ("image", (4, 4)), ("colour", (5, 4, 3))])
def test_resolution_is_doubled_and_gaps_do_no_harm(name, half):
    restorer = small().fit(SAMPLES[name])
    coarse = RNG.random((6, *half), dtype=np.float32)
    whole = restorer.upscale(coarse)
    assert whole.shape == (6, *SHAPES[name])
    coarse[0] = np.nan
    again = restorer.upscale(coarse)
    assert np.isfinite(again).all()
    np.testing.assert_allclose(again[1:], whole[1:], atol=1e-5)
    with pytest.raises(DataError, match=r"upscale to .* needs "):
        restorer.upscale(SAMPLES[name])


@pytest.mark.parametrize("name", ["series", "image", "colour"])
def test_blocks_are_means_of_raw_values(name):
    x = torch.from_numpy(SAMPLES[name])
    kind = kind_of(None, SAMPLES[name])
    normalised = kind.preprocess()(x)
    raw = kind.restore(kind.spread(kind.halved(normalised)))
    first = (slice(None), *(slice(None, 2),) * 2) if name != "series" else (slice(None), slice(None), slice(None, 2))
    axes = (1, 2) if name != "series" else 2
    torch.testing.assert_close(raw[first].mean(dim=axes), x[first].mean(dim=axes), rtol=1e-4, atol=1e-5)
    assert raw[first].std(dim=axes).max() < 1e-5


@pytest.mark.parametrize("name", SHAPES)
def test_the_noise_level_is_what_noise_becomes(name):
    x = SAMPLES[name]
    kind = kind_of(None, x)
    noise = np.random.default_rng(1).normal(0, 0.2, x.shape).astype(np.float32)
    change = kind.preprocess()(torch.from_numpy(x + noise)) - kind.preprocess()(torch.from_numpy(x))
    expected = kind.noise_level(0.2).expand_as(change)
    torch.testing.assert_close((change / expected).std(), torch.tensor(1.0), rtol=0.15, atol=0)


def test_categories_are_filled_with_a_code_and_get_no_noise():
    rng = np.random.default_rng(0)
    code = rng.integers(0, 3, 600)
    x = np.stack([code, code + 0.1 * rng.standard_normal(600)], axis=1).astype(np.float32)
    kind = Table.learn(x, (Column("c", ("r", "g", "b")), Column("a")))
    assert kind.noise_level(1.0)[0, 1:].tolist() == [0, 0, 0]
    restorer = Restorer(width=16, epochs=30, lr=1e-2, batch_size=60, kind=kind, random_state=0).fit(x)
    filled = restorer.inpaint(np.where([True, False], np.nan, x))
    assert (filled[:, 0] == code).mean() > 0.95
    assert (restorer.denoise(x, 0.01)[:, 0] == code).mean() > 0.95


@pytest.mark.parametrize("name", ["image", "table"])
def test_what_is_missing_in_training_has_no_influence(name):
    x = SAMPLES["image"].copy()
    x[:, 2, 3] = np.nan
    kind = kind_of("image", x)
    if name == "table":
        x = np.array([[0, 1.5], [np.nan, 2], [2, np.nan], [1, 3]], dtype=np.float32)
        kind = Table.learn(x, (Column("c", ("r", "g", "b")), Column("a")))
    normalised, known = kind.preprocess()(torch.from_numpy(x)), kind.observed(torch.from_numpy(x))
    other = torch.where(known, normalised, 100.0)
    x_hat = torch.randn_like(normalised)
    assert kind.restoration_loss(x_hat, normalised, known) == kind.restoration_loss(x_hat, other, known)


def test_a_killed_fit_goes_on_bit_for_bit(tmp_path, monkeypatch):
    x = SAMPLES["image"]
    whole = small(epochs=4).fit(x)
    calls = []
    original = type(whole.kind_).restoration_loss

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *arguments)

    # An hour passes between any two steps: a checkpoint after each.
    monkeypatch.setattr("attar.training.loop.time", SimpleNamespace(monotonic=count(0, 3600).__next__))
    path = tmp_path / "checkpoint"
    with monkeypatch.context() as patch:
        patch.setattr(type(whole.kind_), "restoration_loss", killed)
        with pytest.raises(KeyboardInterrupt):
            small(epochs=4)._fit(x, checkpoint=path)
    resumed = clone(whole)
    resumed._fit(resumed._checked(x, reset=True), checkpoint=path)
    assert resumed.loss_curve_ == whole.loss_curve_
    np.testing.assert_array_equal(resumed.denoise(x, 0.1), whole.denoise(x, 0.1))


class TestHostileInput:
    def test_parameters(self):
        x = SAMPLES["table"]
        for options in ({"damages": ("blocks",)}, {"damages": ()}, {"damages": ("rain",)}, {"noise": 0}):
            with pytest.raises(DataError, match=r"damages=|noise="):
                small(**options).fit(x)
        with pytest.raises(DataError, match="does not say how samples are restored"):
            small(kind="text").fit(np.full((8, 4), 3.0))

    def test_what_was_not_learnt(self):
        restorer = small(damages=("noise",)).fit(SAMPLES["image"])
        with pytest.raises(DataError, match="only noise was learnt"):
            restorer.inpaint(SAMPLES["image"])
        with pytest.raises(DataError, match="only noise was learnt"):
            restorer.upscale(SAMPLES["image"][:, :4, :4])
        with pytest.raises(DataError, match="standard deviations of the samples"):
            restorer.denoise(SAMPLES["image"], 10.0)

    def test_a_fit_that_fails_changes_nothing(self):
        x = SAMPLES["table"]
        restorer = small(damages=("noise",)).fit(x)
        before = restorer.denoise(x, 0.1)
        with pytest.raises(DataError, match="damages="):
            restorer.set_params(damages=("rain",)).fit(100 * x[:, :2] + 5)
        np.testing.assert_array_equal(restorer.denoise(x, 0.1), before)

    @pytest.mark.parametrize(("name", "value"), [("width", 0), ("batch_size", 0), ("epochs", 1.5)])
    def test_sizes_that_cannot_be(self, name, value):
        with pytest.raises(DataError, match=f"Restorer needs {name} to be a whole number"):
            small(**{name: value}).fit(SAMPLES["table"])

    @pytest.mark.parametrize("lr", [-1.0, np.inf, None])
    def test_a_rate_that_cannot_be(self, lr):
        with pytest.raises(DataError, match="Restorer needs lr to be a finite number from 0"):
            small(lr=lr).fit(SAMPLES["table"])

    @pytest.mark.parametrize("sigma", [-1.0, np.nan, np.inf, True, "much"])
    def test_sigma(self, sigma):
        with pytest.raises(DataError, match="sigma to be a finite number from 0"):
            small(damages=("noise",)).fit(SAMPLES["table"]).denoise(SAMPLES["table"], sigma)

    def test_samples(self):
        restorer = small().fit(SAMPLES["image"])
        for bad in (np.full((2, 8, 8), np.inf), np.full((2, 8, 8), 1e300)):
            with pytest.raises(ValueError, match="infinity"):
                restorer.denoise(bad, 0.1)
        with pytest.raises(ValueError, match="X has 56 features, but Restorer is expecting 64"):
            restorer.denoise(np.zeros((2, 8, 7)), 0.1)
        with pytest.raises(
            DataError, match=r"samples of shape \(4, 16\), but Restorer is expecting samples of shape \(8, 8\)"
        ):
            restorer.denoise(np.zeros((2, 4, 16)), 0.1)
        for ask, shape in ((lambda x: restorer.denoise(x, 0.1), (8, 8)), (restorer.upscale, (4, 4))):
            with pytest.raises(DataError, match=r"of a sample: one sample alone has n = 1, give X\[None\]"):
                ask(np.zeros(shape))
        with pytest.raises(DataError, match="mask"):
            restorer.inpaint(SAMPLES["image"], np.zeros((8, 8)))
        for shape in [(3, 8), (2, 40, 8, 8)]:
            with pytest.raises(DataError, match="inpaint needs mask to be bool and to suit X"):
                restorer.inpaint(SAMPLES["image"], np.zeros(shape, dtype=bool))
        with pytest.raises(ValueError, match="minimum of 1"):
            restorer.denoise(np.zeros((0, 8, 8)), 0.1)

    @pytest.mark.parametrize("x", [np.ones((1, 3)), np.ones((9, 1)), np.full((9, 4, 4), 7.0), np.full((9, 3), np.nan)])
    def test_one_sample_one_feature_constants_and_nothing_known(self, x):
        x = x.astype(np.float32)
        x.flags.writeable = False
        restorer = small().fit(x)
        assert np.isfinite(restorer.denoise(x, 0.1)).all()
        assert np.isfinite(restorer.inpaint(x)).all()
