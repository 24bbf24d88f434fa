from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from attar import kinds
from attar.data.nodes import links
from attar.errors import DataError
from attar.kinds.series import Series
from attar.represent import BYOL, CCASSG, TSTCC, Autoencoder, MoCo, RandomFeatures, Raw, SimCLR
from attar.represent.pretext import Pretext

RNG = np.random.default_rng(0)
SERIES = RNG.normal(size=(40, 2, 30)).astype(np.float32)
OF_A_KIND = {
    "series": SERIES,
    "image": RNG.random((40, 8, 8), dtype=np.float32),
    "table": RNG.random((40, 5), dtype=np.float32),
    "text": RNG.integers(3, 20, (40, 6)).astype(np.float32),
    "graph": links(RNG.random((40, 3), dtype=np.float32), RNG.integers(0, 40, (2, 90))).all(),
}
# What the number of axes does not tell.
NAMED = ("text", "graph")


class Centre(Pretext):
    """The shortest pretext there is: bring a sample's views together, and do not care that all collapses."""

    def __init__(self, dim=8, width=4, epochs=3, batch_size=16, lr=1e-2, kind=None, random_state=0):
        self.dim = dim
        self.width = width
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.kind = kind
        self.random_state = random_state

    def _networks(self, kind):
        return nn.ModuleDict({"encoder": kind.encoder(self.dim, self.width)})

    def _loss(self, networks, kind, x, generator):
        one, other = (networks["encoder"](kind.view(x, generator)) for _ in range(2))
        return (one - other).square().mean()


def test_the_samples_cover_every_kind():
    assert set(OF_A_KIND) == set(kinds.KINDS)


@pytest.mark.parametrize("name", OF_A_KIND)
def test_a_pretext_of_two_short_methods_works_on_every_kind(name):
    x = OF_A_KIND[name]
    pretext = Centre(kind=kinds.of(name).learn(x) if name in NAMED else None).fit(x)
    assert pretext.kind_.name == name
    assert len(pretext.loss_curve_) == 3
    z = pretext.transform(x)
    assert z.shape == (40, 8)
    with torch.inference_mode():
        np.testing.assert_allclose(pretext.module_(torch.from_numpy(x)), z, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        *[(partial(make, temperature=t), f"temperature={t}") for make in (SimCLR, MoCo, TSTCC) for t in (0.0, -1.0)],
        *[(partial(make, momentum=m), f"momentum is {m!r}") for make in (MoCo, BYOL) for m in (-0.1, 1.5, "0.9")],
        (partial(MoCo, queue=-1), "MoCo needs queue"),
        (partial(TSTCC, context=6), "context is 6; give a multiple of 4"),
        (partial(TSTCC, context=0), "context is 0; give a multiple of 4"),
        (partial(TSTCC, context=8.0), "context is 8.0; give a multiple of 4"),
        *[(partial(SimCLR, precision=p), f"precision is '{p}': give one of 32-true") for p in ("64-true", "bf16-true")],
        *[
            (partial(make, **{name: value}), f"needs {name} to be a whole number from {least}; got {name}={value}")
            for make in (SimCLR, MoCo, BYOL, TSTCC, CCASSG)
            # With itself alone a sample cannot be compared.
            for name, least, value in (("dim", 1, 0), ("width", 1, 2.5), ("batch_size", 2, 1))
        ],
        *[
            (partial(make, **{name: value}), f"needs {name} to be a finite number from 0; got {name}={value}")
            for make, names in (
                (Autoencoder, ("lr", "noise", "sparsity")),
                (SimCLR, ("lr", "strength")),
                (MoCo, ("strength",)),
                (BYOL, ("strength",)),
                (TSTCC, ("temporal", "contextual", "weak", "strength")),
                (CCASSG, ("decorrelation", "strength")),
            )
            for name in names
            for value in (-1.0, np.nan, np.inf)
        ],
        (partial(SimCLR, projection=0), "SimCLR needs projection"),
        (partial(BYOL, hidden=0), "BYOL needs hidden"),
    ],
)
def test_arguments_that_mean_nothing_are_refused_by_name(make, complaint):
    with pytest.raises(DataError, match=complaint):
        make(epochs=1).fit(SERIES)


@pytest.mark.parametrize("epochs", [-1, 1.5])
def test_epochs_that_cannot_be_are_refused_by_name(epochs):
    with pytest.raises(DataError, match=f"needs epochs to be a whole number from 0; got epochs={epochs}"):
        Centre(epochs=epochs).fit(SERIES)


def test_numbers_of_numpy_are_numbers(tmp_path):
    """As searches over settings give them; a checkpoint holds them as JSON."""
    settings = {"epochs": (2, np.int64), "batch_size": (16, np.int64), "lr": (0.25, np.float32)}
    plain, numpys = (
        Centre(**{k: v for k, (v, _) in settings.items()}),
        Centre(**{k: t(v) for k, (v, t) in settings.items()}),
    )
    for pretext in (plain, numpys):
        pretext._fit(SERIES, checkpoint=tmp_path / "checkpoint")
    np.testing.assert_array_equal(plain.transform(SERIES), numpys.fit(SERIES).transform(SERIES))


def test_no_epochs_are_an_encoder_that_learnt_nothing():
    assert Centre(epochs=0).fit(SERIES).loss_curve_ == []


@pytest.mark.parametrize("make", [Raw, partial(RandomFeatures, 8, random_state=0), partial(Centre, epochs=1)])
def test_two_axes_are_series_of_one_channel_where_they_are_said_to_be(make):
    x = SERIES[:, 0]
    for kind in ("series", Series.learn(SERIES[:, :1])):
        flat, series = make(kind=kind).fit(x), make(kind=kind).fit(x[:, None])
        assert flat.shape_ == (1, 30)
        np.testing.assert_array_equal(flat.transform(x), series.transform(x[:, None]))


def own(outputs=6):
    """A network that attar did not write, for series of two channels."""
    return nn.Sequential(
        nn.Conv1d(2, outputs, 5), nn.BatchNorm1d(outputs), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten()
    )


CONTRASTS = [partial(make, epochs=2, batch_size=16, random_state=0) for make in (SimCLR, MoCo, BYOL, CCASSG)]


@pytest.mark.parametrize("make", CONTRASTS)
def test_a_network_of_ones_own_is_trained_in_place_of_attars_and_stays_as_it_was(make):
    network = own()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    pretext = clone(make(encoder=network)).fit(SERIES)
    assert pretext.transform(SERIES).shape == (40, 6)
    assert pretext.get_feature_names_out()[-1].endswith("5")
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    trained = pretext.encoder_.state_dict()
    assert any((trained[name] != before[name]).any() for name in before)


@pytest.mark.parametrize("make", CONTRASTS)
def test_weights_that_wait_for_samples_are_drawn_and_trained(make):
    network = nn.Sequential(nn.Flatten(), nn.LazyLinear(6))
    one, other = (make(encoder=network).fit(SERIES) for _ in range(2))
    np.testing.assert_array_equal(one.transform(SERIES), other.transform(SERIES))
    fresh = make(encoder=network).set_params(epochs=0).fit(SERIES)
    assert (one.transform(SERIES) != fresh.transform(SERIES)).any()


@pytest.mark.parametrize("make", CONTRASTS)
def test_a_network_of_ones_own_is_trained_from_its_weights(make):
    network = own().eval()
    pretext = make(encoder=network).set_params(epochs=0).fit(SERIES)
    with torch.inference_mode():
        wanted = network(pretext.kind_.preprocess()(torch.from_numpy(SERIES)))
    np.testing.assert_allclose(pretext.transform(SERIES), wanted, rtol=1e-5, atol=1e-6)


class Also(nn.Module):
    """A network whose output is made something else of."""

    def __init__(self, made):
        super().__init__()
        self.network, self.made = own(), made

    def forward(self, x):
        return self.made(self, self.network(x))


class Uncopied(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.scaled = 2 * self.weight


@pytest.mark.parametrize(
    ("encoder", "complaint"),
    [
        ("resnet18", "encoder is 'resnet18'; give a torch.nn.Module"),
        (
            nn.Conv1d(2, 4, 3),
            r"encoder makes torch.float32 \(2, 4, 28\) of samples \(2, 2, 30\); it must return float32 \(n, d\)",
        ),
        (nn.LSTM(30, 4), r"encoder makes tuple of samples \(2, 2, 30\)"),
        (nn.Conv1d(3, 4, 3), r"encoder cannot take float32 samples \(2, 2, 30\): .*channels"),
        (own().double(), r"encoder cannot take float32 samples"),
        (Also(lambda _, z: z.double()), r"encoder makes torch.float64 \(2, 6\)"),
        (Also(lambda _, z: z.squeeze()), r"encoder makes torch.float32 \(6,\) of samples \(1, 2, 30\)"),
        (Also(lambda net, z: (z, z) if net.training else z), r"encoder in training mode makes tuple of samples"),
        (Also(lambda _, z: z.detach()), "encoder has nothing to train"),
        (own().requires_grad_(False), "encoder has nothing to train"),
        (Uncopied(), "encoder cannot be copied: Only Tensors created explicitly"),
        (SimCLR(), "encoder is a SimCLR; give its module_, once it is fitted"),
    ],
)
def test_a_network_that_cannot_be_an_encoder_is_refused(encoder, complaint):
    with pytest.raises(DataError, match=complaint):
        SimCLR(encoder=encoder, epochs=1).fit(SERIES)


def test_samples_of_three_axes_are_images():
    assert Centre(epochs=1).fit(RNG.random((20, 6, 7, 3), dtype=np.float32)).kind_.name == "image"


def test_the_kind_may_be_named_or_fitted():
    square = SERIES[:, :, :2]
    assert Centre().fit(square).kind_.name == "image"
    assert Centre(kind="series").fit(square).kind_.name == "series"
    kind = Series.learn(square * 2)
    assert Centre(kind=kind).fit(square).kind_ is kind
    with pytest.raises(DataError, match=r"kind is 5; give the name of one, image, .*or one that has learnt"):
        Centre(kind=5).fit(SERIES)
    with pytest.raises(DataError, match="unknown kind 'smell'"):
        Centre(kind="smell").fit(square)


def test_weights_do_not_depend_on_global_random_state():
    codes = []
    for seed in (1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            codes.append(Centre().fit_transform(SERIES))
    np.testing.assert_array_equal(*codes)


@pytest.mark.parametrize("make", [Autoencoder, SimCLR, MoCo, BYOL, TSTCC, CCASSG])
def test_what_the_caller_has_set_in_torch_changes_nothing(make, unusual_torch):
    made = make(dim=4, width=4, epochs=1, random_state=0)
    expected = made.fit(SERIES).transform(SERIES)
    with unusual_torch():
        found = made.fit(SERIES).transform(SERIES)
    np.testing.assert_array_equal(found, expected)


def test_the_samples_are_left_as_they_were():
    before = SERIES.copy()
    Centre().fit(SERIES)
    np.testing.assert_array_equal(SERIES, before)
