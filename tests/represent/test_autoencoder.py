from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from attar.data.dataset import Column
from attar.errors import DataError
from attar.kinds.table import Table
from attar.kinds.text import Text
from attar.represent.autoencoder import Autoencoder

RNG = np.random.default_rng(0)
IMAGES = load_digits().images.astype(np.float32)
SERIES = RNG.normal(size=(40, 2, 30)).astype(np.float32)


@parametrize_with_checks([Autoencoder(dim=6, width=2, epochs=2, batch_size=64, random_state=0)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def _small(**options):
    return Autoencoder(**({"dim": 8, "width": 4, "epochs": 2, "batch_size": 32, "random_state": 0} | options))


@pytest.mark.parametrize("shape", [(5,), (2, 30), (8, 8), (9, 7, 3)])
def test_codes_lead_back_to_samples_of_every_kind(shape):
    x = RNG.random((40, *shape), dtype=np.float32)
    autoencoder = _small().fit(x)
    z = autoencoder.transform(x)
    assert z.shape == (40, 8)
    assert autoencoder.inverse_transform(z).shape == x.shape
    assert len(autoencoder.loss_curve_) == 2
    with torch.inference_mode():
        np.testing.assert_allclose(autoencoder.module_(torch.from_numpy(x)), z, rtol=1e-5, atol=1e-6)


def test_of_large_samples_few_are_rebuilt_at_once():
    x = RNG.random((20, 400, 400), dtype=np.float32)
    autoencoder = _small(width=1, epochs=0).fit(x)
    sizes = []
    autoencoder.decoder_.register_forward_hook(lambda _, codes, __: sizes.append(len(codes[0])))
    autoencoder.inverse_transform(np.zeros((20, 8)))
    assert max(sizes) == autoencoder.kind_.batch(512) == 13


def test_of_texts_few_are_rebuilt_at_once_for_each_place_has_a_score_of_each_token(monkeypatch):
    autoencoder = _small(width=1, epochs=0, kind=Text((32,), 1000)).fit(RNG.integers(2, 1000, (50, 32)))
    codes, sizes = RNG.standard_normal((50, 8)), []
    whole = autoencoder.inverse_transform(codes)
    monkeypatch.setattr("attar.represent.autoencoder._DECODED", 10 * 32 * 1000)
    autoencoder.decoder_.register_forward_hook(lambda _, codes, __: sizes.append(len(codes[0])))
    np.testing.assert_array_equal(autoencoder.inverse_transform(codes), whole)
    assert sizes == [1, *[10] * 5]


def test_reconstructions_are_in_raw_units_and_far_better_than_the_mean():
    x = IMAGES[:320]
    autoencoder = Autoencoder(16, width=8, epochs=20, batch_size=32, lr=5e-3, random_state=0).fit(x)
    error = np.square(autoencoder.inverse_transform(autoencoder.transform(x)) - x).mean()
    assert error < 0.45 * np.square(x - x.mean(axis=0)).mean()
    # The loss is per value of standardised images.
    assert error / x.var() == pytest.approx(autoencoder.loss_curve_[-1], rel=0.5)


def test_the_loss_is_the_mean_squared_error_of_normalised_samples():
    autoencoder = _small().fit(SERIES)
    networks = torch.nn.ModuleDict({"encoder": autoencoder.encoder_, "decoder": autoencoder.decoder_}).eval()
    x = autoencoder.kind_.preprocess()(torch.from_numpy(SERIES))
    loss = autoencoder._loss(networks, autoencoder.kind_, x, torch.Generator())
    x_hat = networks["decoder"](networks["encoder"](x)).detach().double().numpy()
    assert loss.item() == pytest.approx(np.square(x_hat - x.double().numpy()).mean(), rel=1e-5)


def test_noise_is_seen_by_the_encoder_alone():
    autoencoder = _small(noise=0.5).fit(SERIES)
    seen = []
    networks = torch.nn.ModuleDict({"encoder": torch.nn.Identity(), "decoder": torch.nn.Identity()})
    networks["encoder"].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    x = torch.zeros(40, 2, 300)
    loss = autoencoder._loss(networks, autoencoder.kind_, x, torch.Generator().manual_seed(0))
    assert seen[0].std().item() == pytest.approx(0.5, rel=0.02)
    # Passing the noise on costs its whole variance, for the target is clean.
    assert loss.item() == pytest.approx(0.25, rel=0.05)


def test_noise_on_token_ids_is_refused():
    with pytest.raises(DataError, match="suits no token ids; leave it 0"):
        _small(noise=0.1, kind="text").fit(RNG.integers(3, 20, (40, 6)).astype(np.float32))


def test_categories_come_back_as_their_codes():
    x = np.stack([RNG.integers(0, 3, 300), RNG.normal(size=300)], axis=1).astype(np.float32)
    kind = Table.learn(x, (Column("c", ("r", "g", "b")), Column("a")))
    autoencoder = Autoencoder(8, width=8, epochs=40, batch_size=64, lr=1e-2, kind=kind, random_state=0).fit(x)
    back = autoencoder.inverse_transform(autoencoder.transform(x))
    assert (back[:, 0] == x[:, 0]).mean() > 0.95


def test_a_killed_fit_goes_on_bit_for_bit(tmp_path, monkeypatch):
    whole = _small(epochs=4, noise=0.1).fit(SERIES)
    original, calls = Autoencoder._loss, []

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(Autoencoder, "_loss", killed)
    # An hour passes between any two steps: a checkpoint after each.
    monkeypatch.setattr("attar.training.loop.time", SimpleNamespace(monotonic=count(0, 3600).__next__))
    path = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        _small(epochs=4, noise=0.1)._fit(SERIES, checkpoint=path)
    assert path.exists()
    resumed = clone(whole)
    resumed._fit(SERIES, checkpoint=path)
    assert resumed.loss_curve_ == whole.loss_curve_
    z = whole.transform(SERIES)
    np.testing.assert_array_equal(resumed.transform(SERIES), z)
    np.testing.assert_array_equal(resumed.inverse_transform(z), whole.inverse_transform(z))


def test_codes_of_another_length_are_refused():
    autoencoder = _small().fit(SERIES)
    with pytest.raises(DataError, match="codes of length 3; this autoencoder decodes codes of 8"):
        autoencoder.inverse_transform(np.zeros((2, 3)))


def test_codes_beyond_float32_are_refused_without_a_warning():
    autoencoder = _small().fit(SERIES)
    with pytest.raises(ValueError, match="Z contains infinity or a value too large"):
        autoencoder.inverse_transform(np.full((2, 8), 1e39))


@pytest.mark.parametrize(
    ("shape", "network"),
    [
        ((5,), "fully-connected"),
        ((5,), "transformer"),
        ((2, 30), "convolutional"),
        ((2, 30), "fully-connected"),
        ((2, 30), "recurrent"),
        ((2, 30), "transformer"),
        ((8, 8), "convolutional"),
        ((8, 8), "fully-connected"),
        ((9, 7, 3), "transformer"),
    ],
)
def test_every_network_leads_back_to_samples(shape, network):
    x = RNG.random((40, *shape), dtype=np.float32)
    autoencoder = _small(network=network).fit(x)
    z = autoencoder.transform(x)
    assert autoencoder.inverse_transform(z).shape == x.shape
    networks = autoencoder._networks(autoencoder.kind_)
    normalised = autoencoder.kind_.preprocess()(torch.from_numpy(x))
    autoencoder._loss(networks, autoencoder.kind_, normalised, torch.Generator()).backward()
    for name, parameter in networks.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("shape", "network", "known"),
    [
        ((5,), "recurrent", "'fully-connected', 'transformer'"),
        ((8, 8), "recurrent", "'convolutional', 'fully-connected', 'transformer'"),
    ],
)
def test_a_network_that_the_kind_does_not_have_is_refused(shape, network, known):
    with pytest.raises(DataError, match=f"has no network '{network}'; use one of {known}"):
        _small(network=network).fit(RNG.random((40, *shape), dtype=np.float32))


def test_sparsity_adds_the_mean_size_of_the_code():
    plain, sparse = _small(), _small(sparsity=0.7).fit(SERIES)
    networks = torch.nn.ModuleDict({"encoder": sparse.encoder_, "decoder": sparse.decoder_}).eval()
    x = sparse.kind_.preprocess()(torch.from_numpy(SERIES))
    with torch.no_grad():
        loss, rest = (one._loss(networks, sparse.kind_, x, torch.Generator()).item() for one in (sparse, plain))
    assert loss - rest == pytest.approx(0.7 * np.abs(sparse.transform(SERIES)).mean(), rel=1e-4)


class Linear(Table):
    """Rows as they are, encoded and decoded by matrices."""

    def encoder(self, dim, width=32):
        return torch.nn.Linear(len(self.names), dim, bias=False)

    def decoder(self, dim, width=32):
        return torch.nn.Linear(dim, len(self.names), bias=False)


def test_a_linear_autoencoder_finds_the_principal_subspace():
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    x = rng.normal(size=(200, 6)) * [3, 2, 0.5, 0.4, 0.3, 0.2] @ rotation
    x = (x - x.mean(axis=0)).astype(np.float32)
    kind = Linear((6,), tuple("abcdef"), (0,) * 6, (False,) * 6, (0.0,) * 6, (1.0,) * 6)
    autoencoder = Autoencoder(2, epochs=500, batch_size=200, lr=0.05, kind=kind, random_state=0).fit(x)
    principal = np.linalg.svd(x.astype(np.float64))[2][:2].T
    found = autoencoder.decoder_.weight.detach().double().numpy()
    assert scipy.linalg.subspace_angles(found, principal).max() < 0.01
