"""Flows: the change of variables, what is kept of training, and the missing package."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from torch import nn

from attar.density import Flow, Gaussian
from attar.density.gaussian import whitened
from attar.errors import MissingExtraError
from tests.density.test_base import samples


@pytest.fixture(scope="module")
def flow() -> Flow:
    return Flow(transforms=2, width=16, steps=150, batch_size=128, random_state=0).fit(samples(600) * [1, 10, 100])


def test_change_of_variables(flow: Flow) -> None:
    x = samples(5, seed=1) * [1, 10, 100]

    def noise(row: torch.Tensor) -> torch.Tensor:
        u = (row - torch.from_numpy(flow.center_)) / torch.from_numpy(flow.scale_)
        white = torch.linalg.solve_triangular(torch.from_numpy(flow._factor), u[:, None], upper=False)[:, 0]
        return flow.flow_().transform(white)

    for row, log_p in zip(torch.from_numpy(x), flow.score_samples(x)):
        determinant = torch.linalg.slogdet(torch.autograd.functional.jacobian(noise, row))[1]
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(noise(row)).sum()
        assert float(normal + determinant) == pytest.approx(log_p, abs=1e-6)


def test_an_answer_does_not_depend_on_its_neighbours(flow: Flow) -> None:
    x = samples(300) * [1, 10, 100]
    alone = np.concatenate([flow.score_samples(x[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(flow.score_samples(x)[:20], alone, rtol=1e-10)


def test_it_is_likelier_than_the_normal_density_on_two_clusters(flow: Flow) -> None:
    train, test = samples(600) * [1, 10, 100], samples(600, seed=5) * [1, 10, 100]
    assert flow.score(test) > Gaussian().fit(train).score(test) + 0.05


def test_the_likeliest_weights_are_kept(flow: Flow) -> None:
    wild = Flow(transforms=1, width=8, steps=40, lr=0.5, random_state=0).fit(samples())
    for p, x in ((flow, samples(600) * [1, 10, 100]), (wild, samples())):
        order = np.random.RandomState(0)
        order.randint(2**31 - 1)
        held_out = x[order.permutation(len(x))[: len(x) // 10]]
        white = whitened(p._standardised(held_out), p._factor)
        value = float(p.flow_().log_prob(torch.from_numpy(white)).mean())
        # Up to the noise that they are looked at with.
        assert value == pytest.approx(max(p.held_out_curve_), abs=0.05)
        assert len(p.held_out_curve_) > 20


def test_of_normal_samples_it_is_the_normal_density() -> None:
    x = np.random.default_rng(0).standard_normal((4000, 2)) @ [[2.0, 0], [3, 1]]
    test = np.random.default_rng(1).standard_normal((2000, 2)) @ [[2.0, 0], [3, 1]]
    p = Flow(transforms=1, width=16, steps=200, random_state=0).fit(x)
    assert p.score(test) == pytest.approx(Gaussian(None).fit(x).score(test), abs=0.03)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_before_training_it_is_the_normal_density(d: int) -> None:
    x = np.random.default_rng(0).exponential(size=(300, d))
    flow = Flow(transforms=3, width=8, steps=1, lr=1e-12, random_state=0).fit(x)
    np.testing.assert_allclose(flow.score_samples(x), Gaussian(None).fit(x).score_samples(x), atol=1e-5)


@pytest.mark.parametrize("d", [1, 2])
def test_what_is_kept_is_not_worse_than_where_it_began(d: int) -> None:
    x = samples(300, d)
    for lr in (1e-3, 1.0):
        flow = Flow(transforms=1, width=8, steps=30, lr=lr, random_state=0).fit(x)
        order = np.random.RandomState(0)
        order.randint(2**31 - 1)
        held_out = x[order.permutation(len(x))[: len(x) // 10]]
        assert flow.score(held_out) >= Gaussian(None).fit(x).score(held_out) - 0.02


def test_one_column_is_as_likely_as_under_the_density_it_has() -> None:
    x, test = (np.random.default_rng(seed).standard_normal((800, 1)) * 3 + 5 for seed in (0, 1))
    flow = Flow(steps=100, random_state=0).fit(x)
    assert flow.score(test) == pytest.approx(Gaussian(None).fit(x).score(test), abs=0.02)


def test_many_are_drawn_few_at_a_time(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = flow.sample(50, random_state=0)
    monkeypatch.setattr("attar.density.flow._DRAWN", 7)
    most = 0

    def note(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        nonlocal most
        most = max(most, len(given[0]))

    with flow.flow_.transform.transforms[0].hyper.register_forward_pre_hook(note):
        np.testing.assert_allclose(flow.sample(50, random_state=0), whole, rtol=1e-12)
    assert most == 7


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zuko.flows", None)
    with pytest.raises(MissingExtraError, match=r"attar\[density\]"):
        Flow(steps=1).fit(samples())


def test_what_the_caller_has_set_in_torch_changes_nothing(unusual_torch) -> None:
    x = samples(100)
    flow = Flow(transforms=1, width=8, steps=5, random_state=0)
    expected = flow.fit(x).score_samples(x)
    with unusual_torch():
        found = flow.fit(x).score_samples(x)
    np.testing.assert_array_equal(found, expected)
