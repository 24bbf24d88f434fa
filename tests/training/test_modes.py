import numpy as np
import pytest
import torch
from torch import nn

from attar.adapt.finetune import train_from_scratch
from attar.adapt.probe import LinearProbe
from attar.adapt.propagate import LabelPropagation
from attar.compress import distill
from attar.density import Flow, Restorer
from attar.kinds.image import Image
from attar.represent import (
    PCA,
    Autoencoder,
    KMeansConvolutions,
    Masked,
    RandomConvolutions,
    RandomFeatures,
    Raw,
    SimCLR,
)
from attar.risk.stacked import plain_network
from attar.training.modes import evaluating, seeded, usual_defaults

SMALL = {"dim": 4, "width": 2, "epochs": 1, "random_state": 0}
X = np.random.default_rng(0).random((20, 8, 8), dtype=np.float32)
Y = np.arange(20) % 2


def test_each_module_is_in_its_own_mode_afterwards_whatever_happened():
    one = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(), nn.BatchNorm1d(2)), nn.Dropout())
    one[1].eval()
    one[1][0].train()
    one[2].eval()
    other = nn.Dropout()
    before = [module.training for module in one.modules()]
    with evaluating(one, other):
        assert not any(module.training for module in (*one.modules(), other))
    with pytest.raises(ZeroDivisionError), evaluating(one, other):
        _ = 1 / 0
    assert [module.training for module in one.modules()] == before
    assert other.training


def test_defaults_are_the_usual_ones_and_then_those_of_before():
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            with usual_defaults():
                weight = torch.ones(1, requires_grad=True)
                assert weight.dtype == torch.float32
                (2 * weight).sum().backward()
                assert weight.grad.item() == 2
            with pytest.raises(ZeroDivisionError), usual_defaults():
                _ = 1 / 0
            assert torch.get_default_dtype() == torch.float64
            assert torch.is_inference_mode_enabled()
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_same_seed_draws_the_same_and_what_is_drawn_afterwards_is_as_it_would_have_been():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(7)
    of_seven = torch.rand(3)
    torch.manual_seed(5)
    with seeded(7):
        assert torch.equal(torch.rand(3), of_seven)
    with pytest.raises(ZeroDivisionError), seeded(7):
        _ = 1 / 0
    assert torch.equal(torch.rand(3), expected)


def test_fits_leave_the_generators_of_whoever_calls_alone(monkeypatch):
    seeds = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    before = torch.get_rng_state()
    SimCLR(4, width=2, epochs=1, random_state=0).fit(X)
    Restorer(width=2, epochs=1, random_state=0).fit(X)
    flow = Flow(transforms=1, width=4, steps=2, random_state=0).fit(X[:, 0])
    flow.sample(2, random_state=0)
    train_from_scratch(Image.learn(X), 2, X, Y, dim=4, width=2, steps=2)
    network = plain_network("mlp", (64,), 2, width=3, depth=1, seed=0)
    student = plain_network("mlp", (64,), 2, width=2, depth=1, seed=0)
    distill(student, network, torch.tensor(X), epochs=1, features={"2": "2"})
    assert not seeds
    assert torch.equal(torch.get_rng_state(), before)


def represented(representation):
    z = representation.fit(X).transform(X)
    back = [representation.inverse_transform(z)] if hasattr(representation, "inverse_transform") else []
    return [z, *back, *representation.module_.state_dict().values()]


def masked():
    return Masked(**SMALL).fit(X).reconstruct(X, random_state=0)


def flow():
    fitted = Flow(transforms=1, width=4, steps=2, random_state=0).fit(X[:, 0])
    return [fitted.score_samples(X[:, 0]), fitted.sample(3, random_state=0)]


def from_scratch():
    return train_from_scratch(Image.learn(X), 2, X, Y, dim=4, width=2, steps=2).state_dict().values()


USES = {
    "simclr": lambda: represented(SimCLR(**SMALL)),
    "autoencoder": lambda: represented(Autoencoder(**SMALL)),
    "masked": masked,
    "random-convolutions": lambda: represented(RandomConvolutions(8, random_state=0)),
    "kmeans-convolutions": lambda: represented(KMeansConvolutions(8, random_state=0)),
    "random-features": lambda: represented(RandomFeatures(8, random_state=0)),
    "raw": lambda: represented(Raw()),
    "pca": lambda: represented(PCA(3)),
    "flow": flow,
    "from-scratch": from_scratch,
    "probe": lambda: LinearProbe().fit(X[:, 0], Y).to_module().state_dict().values(),
    "propagation": lambda: LabelPropagation().fit(X[:, 0], Y).to_module().state_dict().values(),
}


@pytest.mark.parametrize("use", USES)
def test_what_whoever_calls_has_set_changes_nothing(use):
    expected = [torch.as_tensor(found) for found in USES[use]()]
    for set_default, other, usual in (
        (torch.set_default_dtype, torch.float64, torch.float32),
        (torch.set_default_device, "meta", None),
    ):
        set_default(other)
        try:
            found = [torch.from_numpy(a) if isinstance(a, np.ndarray) else a for a in USES[use]()]
        finally:
            set_default(usual)
        for one, same in zip(found, expected, strict=True):
            assert one.dtype == same.dtype
            assert torch.equal(one, same)
