from __future__ import annotations

from functools import partial
from itertools import count

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from attar import kinds
from attar.data.nodes import links
from attar.kinds import graph
from attar.kinds.graph import Graph
from attar.plan import (
    Plan,
    _convolving_seconds,
    _seconds_per_sample,
    default_plan,
    on_threads,
    plan_for_time,
    seconds_of,
    versions,
)

PLAN = {"simclr_epochs": 1, "autoencoder_epochs": 1, "tune_steps": 1, "student_epochs": 1}


def rows(n, d=4):
    return np.zeros((n, d), dtype=np.float32)


@pytest.mark.parametrize("n", [2, 10, 255, 256, 1257, 60_000, 2_000_000])
@pytest.mark.parametrize("factor", [0.02, 0.1, 1.0, 3.0])
def test_every_schedule_can_be_run(n, factor) -> None:
    plan = default_plan(np.broadcast_to(np.float32(0), (n, 4)), min(n, 50), factor)
    assert plan.student_epochs >= 1
    assert plan.simclr_epochs <= 600
    steps = plan.student_epochs * max(1, n // 128)
    assert steps <= max(1500 * max(factor, 0.3) * 1.5, n // 128 + 1)


def test_more_time_means_more_training() -> None:
    plans = [default_plan(rows(1257), 50, factor) for factor in (0.02, 0.1, 0.3, 1.0, 3.0)]
    for name in ("simclr_epochs", "autoencoder_epochs", "tune_steps", "student_epochs"):
        values = [getattr(plan, name) for plan in plans]
        assert values == sorted(values)
    assert plans[0].simclr_epochs == plans[0].autoencoder_epochs == plans[0].tune_steps == 0


def test_many_labels_are_validated_less_often() -> None:
    few, many = default_plan(rows(5000), 100), default_plan(rows(5000), 5000)
    assert few.folds * few.repeats > many.folds * many.repeats


def test_plan_for_time() -> None:
    x = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    kind = kinds.of("table").learn(x)
    little, much = plan_for_time(1e-6, kind, x, 20), plan_for_time(1e6, kind, x, 20)
    assert little == default_plan(x, 20, 0.02)
    assert much == default_plan(x, 20, 3.0)


def test_what_a_job_took_so_far_is_taken_off_its_time(monkeypatch) -> None:
    x = rows(300)
    kind = kinds.of("table").learn(x)
    monkeypatch.setattr("attar.plan._seconds_per_sample", lambda *_: 1e-5)
    monkeypatch.setattr("attar.plan.time.perf_counter", lambda: 100.0)
    at_once = plan_for_time(20.0, kind, x, 20)
    assert plan_for_time(20.0, kind, x, 20, began=100.0) == at_once == plan_for_time(25.0, kind, x, 20, began=95.0)
    assert plan_for_time(20.0, kind, x, 20, began=95.0).student_epochs < at_once.student_epochs


def test_a_plan_for_a_time_takes_that_time(monkeypatch) -> None:
    x = rows(3000)
    kind = kinds.of("table").learn(x)
    monkeypatch.setattr("attar.plan._seconds_per_sample", lambda *_: 1e-4)
    monkeypatch.setattr("attar.plan.time.perf_counter", lambda: 100.0)
    for seconds in (40.0, 80.0):
        assert seconds_of(plan_for_time(seconds, kind, x, 20), kind, x) == pytest.approx(seconds, rel=0.2)


def test_steps_are_measured_on_the_threads_of_the_job(monkeypatch) -> None:
    seen = []
    monkeypatch.setattr("attar.plan._seconds_per_sample", lambda *_: seen.append(torch.get_num_threads()) or 1e-4)
    x, kind = rows(300), kinds.of("table").learn(rows(300))
    with on_threads(2):
        seconds_of(default_plan(x, 20), kind, x)
        plan_for_time(60.0, kind, x, 20)
    assert seen == [1, 1]


def test_what_a_step_on_nodes_costs_is_shared_by_those_that_are_asked_about(monkeypatch) -> None:
    monkeypatch.setattr(graph, "_BATCH", 8)
    monkeypatch.setattr("attar.plan.time.perf_counter", partial(next, count()))
    nodes = links(rows(40), np.zeros((2, 0))).all()
    assert _seconds_per_sample(Graph.learn(nodes), nodes, "cpu") == 1 / 8


def test_a_step_on_few_nodes_takes_as_long_as_on_all(monkeypatch) -> None:
    plans = {}
    for batch in (64, 1000):
        monkeypatch.setattr(graph, "_BATCH", batch)
        monkeypatch.setattr("attar.plan._seconds_per_sample", lambda *_: 1e-4)
        nodes = links(rows(1000), np.zeros((2, 0))).all()
        plans[batch] = plan_for_time(60.0, Graph.learn(nodes), nodes, 20)
    assert plans[1000].tune_steps < plans[64].tune_steps


def test_random_numbers_are_those_of_before() -> None:
    x = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    before = torch.get_rng_state()
    plan_for_time(1.0, kinds.of("table").learn(x), x, 20)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_plan_is_frozen_and_comes_back() -> None:
    plan = default_plan(rows(100), 10)
    assert Plan.model_validate(plan.model_dump()) == plan
    with pytest.raises(ValidationError):
        plan.folds = 3
    with pytest.raises(ValidationError):
        Plan.model_validate({**plan.model_dump(), "epochs": 3})
    with pytest.raises(ValidationError):
        Plan.model_validate({**plan.model_dump(), "student_epochs": 0})


def test_versions() -> None:
    found = versions()
    assert found["torch"] == torch.__version__.split("+")[0] or found["torch"] == torch.__version__
    assert {"attar", "python", "numpy", "onnxruntime"} <= found.keys()


def test_threads_are_given_back() -> None:
    before = torch.get_num_threads()
    with on_threads(1):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with pytest.raises(KeyError), on_threads(2):
        raise KeyError
    assert torch.get_num_threads() == before


def test_large_data_get_fewer_filters() -> None:
    small, large = (np.broadcast_to(np.float32(0), (n, 28, 28)) for n in (1000, 60_000))
    assert default_plan(small, 100).kernels == Plan.model_fields["kernels"].default
    assert default_plan(large, 100).kernels == default_plan(small, 100).kernels // 2


def test_filters_are_as_many_as_the_time_allows(monkeypatch) -> None:
    x = np.random.default_rng(0).standard_normal((30, 1, 100)).astype(np.float32)
    kind = kinds.of("series").learn(x)
    monkeypatch.setattr("attar.plan._convolving_seconds", lambda *_: 100.0)
    assert [plan_for_time(s, kind, x, 20).kernels for s in (1.0, 200.0, 1e4)] == [32, 128, default_plan(x, 20).kernels]


def test_time_of_filters_grows_with_filters_and_samples(monkeypatch) -> None:
    monkeypatch.setattr("attar.plan.time.perf_counter", partial(next, count()))
    x = np.random.default_rng(0).standard_normal((400, 1, 1024)).astype(np.float32)
    x = (x - x.mean(2, keepdims=True)) / x.std(2, keepdims=True)
    kind = kinds.of("series").learn(x)
    before = torch.get_rng_state()
    seconds = _convolving_seconds(Plan(**PLAN, kernels=64), kind, x)
    # A second for five times eight samples and half of the filters.
    assert seconds == 2 / 40 * (2.5 * 400 + 150)
    assert _convolving_seconds(Plan(**PLAN, kernels=128), kind, x) == 2 * seconds
    # Series that differ in reach are once more convolved standardised each by itself.
    reach = x * np.arange(1, 401, dtype=np.float32)[:, None, None]
    both = _convolving_seconds(Plan(**PLAN, kernels=64), kinds.of("series").learn(reach), reach)
    assert both == 2 / 40 * (3.5 * 400 + 150)
    assert _convolving_seconds(Plan(**PLAN), kinds.of("table").learn(x[:, 0]), x[:, 0]) == 0
    assert torch.equal(torch.get_rng_state(), before)
