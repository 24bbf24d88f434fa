from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.linalg import cho_factor

from attar.candidates import BY_SAMPLE, candidates
from attar.compress.budget import Budget
from attar.deploy.session import load
from attar.errors import BudgetError
from attar.run import Run
from attar.ship import _fewer_filters, distilled
from attar.thinner import filters_within, thinner, write


@pytest.fixture(scope="module")
def convolved(series):
    """The job, with a plan of many filters, and the largest linear candidate on random convolutions."""
    job, run = series.reopen()
    with run:
        linear = next(c for c in candidates(job, run) if c.name == "random convolutions + linear")
    return replace(job, plan=job.plan.model_copy(update={"kernels": 64})), linear


def test_the_most_filters_that_fit(convolved, tmp_path) -> None:
    job, linear = convolved
    budget = Budget(bytes=8500)
    filters = filters_within(job, budget, tmp_path)
    assert not list(tmp_path.iterdir())
    for more, fits in ((0, True), (8, False)):
        file = tmp_path / f"{more}.onnx"
        write(job, thinner(job, linear.everything, filters + more), file)
        assert (file.stat().st_size <= budget.bytes) == fits
    assert filters_within(job, Budget(bytes=500), tmp_path) is None
    assert filters_within(job, Budget(latency_ms=1e-9), tmp_path) is None


def test_nothing_is_drawn_from_the_random_state_of_whoever_calls(convolved, tmp_path) -> None:
    job, linear = convolved
    before = torch.get_rng_state()
    thinner(job, linear.everything, filters_within(job, Budget(bytes=8800), tmp_path))
    assert torch.equal(torch.get_rng_state(), before)


def test_it_says_what_it_was_told(convolved, tmp_path) -> None:
    job, linear = convolved
    module = thinner(job, linear.everything, 32)
    with torch.no_grad():
        said = module(torch.tensor(job.x)).argmax(1).numpy()
    assert (said == linear.everything.argmax(1)).mean() > 0.9
    again = thinner(job, linear.everything, 32)
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), again.state_dict().values()))


def test_the_head_is_ridge_regression_on_the_centred_logarithms(convolved) -> None:
    job, linear = convolved
    module = thinner(job, linear.everything, 8)
    with torch.no_grad():
        z = module[0](torch.tensor(job.x)).double().numpy()
    target = np.log(np.maximum(linear.everything, 1e-3))
    target -= target.mean(1, keepdims=True)
    w, b = module[1].weight.detach().double().numpy(), module[1].bias.detach().double().numpy()
    # Stationary: the gradient of the squared error is a multiple of the weights, the same for all of them.
    gradient = (target - z @ w.T - b).T @ (z - z.mean(0))
    penalty = (gradient * w).sum() / (w * w).sum()
    assert penalty > 0
    assert gradient == pytest.approx(penalty * w, abs=0.01 * np.abs(gradient).max())


def test_the_penalty_that_was_chosen_is_the_only_one_fitted_on_all(convolved, monkeypatch) -> None:
    sizes = []

    def counted(gram):
        sizes.append(len(gram))
        return cho_factor(gram)

    monkeypatch.setattr("attar.thinner.cho_factor", counted)
    job, linear = convolved
    thinner(job, linear.everything, 8)
    assert len(sizes) == 6


def test_series_ship_fewer_filters(convolved, tmp_path) -> None:
    job, linear = convolved
    budget = Budget(bytes=8800)
    with Run(tmp_path / "r", {}, {}) as run:
        file = distilled(job, linear, None, budget, run)
        assert [step.name for step in file.steps] == ["original", "fewer filters"]
        assert file.path.stat().st_size == file.steps[-1].bytes <= budget.bytes
        said = load(file.path).predict_proba(job.x)
        assert file.steps[-1].agreement == (said.argmax(1) == linear.everything.argmax(1)).mean() >= 0.97
        assert file.difference < 0.05
        assert distilled(job, linear, None, budget, run) == file


def test_a_teacher_that_cannot_be_imitated_gets_a_network(convolved, tmp_path) -> None:
    job, linear = convolved
    # Classes by chance: nothing that is a function of the samples says the same.
    chance = np.eye(linear.everything.shape[1])[np.random.default_rng(0).integers(0, 2, len(job.x))]
    few = replace(job, plan=job.plan.model_copy(update={"kernels": 9}))
    student = job.kind.students(len(job.meta.classes))[-1]
    with Run(tmp_path / "r", {}, {}) as run:
        file = distilled(few, replace(linear, everything=chance), student, Budget(bytes=100_000), run)
        assert [step.name for step in file.steps] == ["original", "distilled", "int8"]
    with Run(tmp_path / "r2", {}, {}) as run, pytest.raises(BudgetError):
        distilled(few, replace(linear, everything=chance), student, Budget(bytes=100), run)


@pytest.mark.parametrize("by_sample", [True, False])
def test_it_is_standardised_as_its_teacher_is(by_sample, convolved, tmp_path, monkeypatch) -> None:
    job, linear = convolved
    teacher = replace(linear, points_of=BY_SAMPLE) if by_sample else linear
    written = []
    monkeypatch.setattr(
        "attar.ship.write", lambda job, module, file: written.append(module) or write(job, module, file)
    )
    _fewer_filters(job, teacher, Budget(bytes=12_000), tmp_path)
    with torch.inference_mode():
        logits, moved = (written[0](torch.tensor(x)).numpy() for x in (job.x, 4 * job.x + 2))
    assert np.allclose(logits, moved, atol=0.05 * np.abs(logits).max()) == by_sample
