from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attar.candidates import candidates
from attar.compress.budget import Budget
from attar.deploy.session import load
from attar.errors import BudgetError, ExportError
from attar.run import Result, Run
from attar.ship import _rung, ship, trial


@pytest.fixture(scope="module")
def work(images, tmp_path_factory):
    """The job on images, what was tried, and a run of its own to ship in."""
    job, run = images.reopen()
    with run:
        found = list(candidates(job, run))
    with Run(tmp_path_factory.mktemp("ship") / "run", {}, {}) as own:
        yield job, max(found, key=lambda c: c.bytes), own


def test_what_fits_is_shipped_as_it_is(work) -> None:
    job, chosen, run = work
    for budget in (Budget(), Budget(bytes=chosen.bytes), Budget(latency_ms=1e6)):
        path, steps, difference = ship(job, chosen, budget, run)
        assert path == chosen.path
        assert [step.name for step in steps] == ["original"]
        assert difference == chosen.difference
    assert not (run.folder / "stages").exists()


def test_a_student_fits_and_is_checked(work) -> None:
    job, chosen, run = work
    budget = Budget.parse("12KB")
    assert chosen.bytes > budget.bytes
    path, steps, difference = ship(job, chosen, budget, run)
    assert [step.name for step in steps] == ["original", "distilled", "int8"]
    assert path.stat().st_size == steps[-1].bytes <= budget.bytes
    floats = load(path.with_name("float32.onnx")).predict_proba(job.x)
    integers = load(path).predict_proba(job.x)
    assert difference == pytest.approx(np.abs(floats - integers).max(), abs=1e-7)
    for step, p in zip(steps[1:], (floats, integers)):
        assert step.agreement == (p.argmax(1) == chosen.everything.argmax(1)).mean()
    # Read back, nothing is measured or trained again.
    assert ship(job, chosen, budget, run) == (path, steps, difference)
    rungs = [rung.name for rung in job.kind.students(len(job.meta.classes))]
    assert steps[1].note.split(",")[0] in rungs


def test_an_untrained_file_is_as_large_as_a_trained_one(work) -> None:
    job, chosen, run = work
    path, steps, _ = ship(job, chosen, Budget.parse("12KB"), run)
    rung = next(r for r in job.kind.students(len(job.meta.classes)) if steps[1].note.startswith(r.name + ","))
    promised, _ = trial(job, rung, run.folder)
    assert path.stat().st_size <= promised <= 1.02 * path.stat().st_size
    assert not list(run.folder.glob("trial*"))


def test_the_largest_student_that_fits(work, tmp_path, monkeypatch) -> None:
    job, _, _ = work
    ladder = job.kind.students(len(job.meta.classes))
    costs = {rung.name: (1000 * (len(ladder) - i), 0.1 * (len(ladder) - i)) for i, rung in enumerate(ladder)}
    monkeypatch.setattr("attar.ship.trial", lambda job, rung, folder: costs[rung.name])
    for place, (size, latency) in enumerate(costs.values()):
        assert _rung(job, ladder, Budget(bytes=size), tmp_path) == place
        assert _rung(job, ladder, Budget(latency_ms=latency), tmp_path) == place
    with pytest.raises(BudgetError, match=r"nothing fits the budget of 999 B: the smallest .* takes 1000 B"):
        _rung(job, ladder, Budget(bytes=999), tmp_path)


def test_a_time_measured_again_does_not_change_the_student(work, tmp_path, monkeypatch) -> None:
    job, chosen, _ = work
    names = [rung.name for rung in job.kind.students(len(job.meta.classes))]

    def killed(*_, **__):
        raise KeyboardInterrupt

    slow, got = {"at": 3}, []
    monkeypatch.setattr(
        "attar.ship.trial", lambda job, rung, folder: (1, 2.0 if names.index(rung.name) < slow["at"] else 0.1)
    )
    budget = Budget(bytes=chosen.bytes - 1, latency_ms=1.0)
    with Run(tmp_path / "r", {}, {}) as run:
        with monkeypatch.context() as patch:
            patch.setattr("attar.ship.distill", killed)
            with pytest.raises(KeyboardInterrupt):
                ship(job, chosen, budget, run)
        slow["at"] = 1

        def student(job, chosen, rung, budget, folder):
            got.append(rung.name)
            return Result(facts={"steps": [], "file": "none", "difference": 0.0})

        monkeypatch.setattr("attar.ship._student", student)
        ship(job, chosen, budget, run)
    assert got == [names[3]]


def test_a_student_beyond_its_promise_is_not_shipped(work, tmp_path, monkeypatch) -> None:
    job, chosen, _ = work
    monkeypatch.setattr("attar.ship.trial", lambda *_: (10, 1e-6))
    with Run(tmp_path / "r", {}, {}) as run, pytest.raises(BudgetError, match="more than its untrained copy"):
        ship(job, chosen, Budget(bytes=1000), run)
    assert not (tmp_path / "r/stages/student/result.safetensors").exists()


def test_integers_that_disagree_are_not_shipped(work, tmp_path, monkeypatch) -> None:
    job, chosen, _ = work

    class Turned:
        def __init__(self, path):
            self.sign = -1 if "int8" in path.name else 1

        def predict_proba(self, x):
            return np.eye(len(job.meta.classes))[:: self.sign][np.zeros(len(x), int)]

    monkeypatch.setattr("attar.ship.load", Turned)
    with Run(tmp_path / "r", {}, {}) as run, pytest.raises(ExportError, match="another class than in floating point"):
        ship(job, replace(chosen, bytes=10**9), Budget.parse("12KB"), run)
