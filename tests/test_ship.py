from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attar.candidates import candidates
from attar.compress.budget import Budget
from attar.deploy.session import load
from attar.errors import BudgetError, ExportError
from attar.run import Run
from attar.ship import _agreement, as_it_is, distilled, largest_student, smallest, trial

BUDGET = Budget.parse("12KB")


@pytest.fixture(scope="module")
def work(images, tmp_path_factory):
    """The job on images, the largest of what was tried, and a run of its own to ship in."""
    job, run = images.reopen()
    with run:
        found = list(candidates(job, run))
    with Run(tmp_path_factory.mktemp("ship") / "run", {}, {}) as own:
        yield job, max(found, key=lambda c: c.bytes), own


@pytest.fixture(scope="module")
def shipped(work):
    job, chosen, run = work
    student = largest_student(job, BUDGET, run)
    return student, distilled(job, chosen, student, BUDGET, run)


def test_where_each_class_counts_the_same_so_do_its_samples_in_agreement(work) -> None:
    told = np.eye(2)[[0] * 18 + [1] * 2]
    said = np.eye(2)[[0] * 19 + [1]]
    assert _agreement(work[0], said, told) == 0.95
    assert _agreement(replace(work[0], balanced=True), said, told) == 0.75


def ladder_of(job):
    return job.kind.students(len(job.meta.classes))


def test_what_fits_is_shipped_as_it_is(work, tmp_path) -> None:
    job, chosen, _ = work
    with Run(tmp_path / "r", {}, {}) as run:
        for budget in (Budget(), Budget(bytes=chosen.bytes), Budget(latency_ms=1e6)):
            file = as_it_is(job, chosen, budget, run)
            assert file.path == chosen.path
            assert [step.name for step in file.steps] == ["original"]
            assert file.difference == chosen.difference
        assert not (run.folder / "stages").exists()


def test_what_fits_in_eight_bits_is_shipped_so(images, tmp_path) -> None:
    job, run = images.reopen()
    with run:
        linear = next(c for c in candidates(job, run) if c.name == "random convolutions + linear")
    with Run(tmp_path / "r", {}, {}) as run:
        budget = Budget(bytes=3 * linear.bytes // 4)
        file = as_it_is(job, linear, budget, run)
        assert [step.name for step in file.steps] == ["original", "int8 weights"]
        assert file.path.stat().st_size == file.steps[-1].bytes <= budget.bytes
        said = load(file.path).predict_proba(job.x)
        assert file.steps[-1].agreement == (said.argmax(1) == linear.everything.argmax(1)).mean() >= 0.99
        assert file.difference == pytest.approx(np.abs(said - linear.everything).max(), abs=1e-7)
        # Read back, nothing is measured again.
        assert as_it_is(job, linear, budget, run) == file
        assert as_it_is(job, linear, Budget(bytes=file.steps[-1].bytes - 1), run) is None
        assert as_it_is(job, linear, Budget(latency_ms=1e-9), run) is None


def test_eight_bits_that_are_too_many_are_not_asked_what_they_say(images, tmp_path, monkeypatch) -> None:
    job, run = images.reopen()
    with run:
        linear = next(c for c in candidates(job, run) if c.name == "random convolutions + linear")
    monkeypatch.delattr("attar.ship.load")
    monkeypatch.delattr("attar.ship.measure")
    with Run(tmp_path / "r", {}, {}) as run:
        assert as_it_is(job, linear, Budget(bytes=linear.bytes // 5), run) is None
        assert (run.folder / "stages" / "random-convolutions-0-int8" / "int8-weights.onnx").exists()


def test_trees_have_no_weights(table, tmp_path) -> None:
    job, run = table.reopen()
    with run:
        forest = next(c for c in candidates(job, run) if c.name == "random forest")
    with Run(tmp_path / "r", {}, {}) as run:
        for _ in range(2):
            assert as_it_is(job, forest, Budget(bytes=forest.bytes - 1), run) is None


def test_eight_bits_that_answer_otherwise_are_not_shipped(work, tmp_path) -> None:
    job, chosen, _ = work
    others = replace(chosen, everything=np.roll(chosen.everything, 1, axis=1))
    with Run(tmp_path / "r", {}, {}) as run:
        assert as_it_is(job, others, Budget(bytes=chosen.bytes - 1), run) is None


def test_a_student_fits_and_is_checked(work, shipped) -> None:
    job, chosen, run = work
    student, file = shipped
    path, steps, difference = file.path, file.steps, file.difference
    assert chosen.bytes > BUDGET.bytes
    assert [step.name for step in steps] == ["original", "distilled", "int8"]
    assert path.stat().st_size == steps[-1].bytes <= BUDGET.bytes
    floats = load(path.with_name("float32.onnx")).predict_proba(job.x)
    integers = load(path).predict_proba(job.x)
    assert difference == pytest.approx(np.abs(floats - integers).max(), abs=1e-7)
    for step, p in zip(steps[1:], (floats, integers)):
        assert step.agreement == (p.argmax(1) == chosen.everything.argmax(1)).mean()
    assert steps[1].note.startswith(f"{student.name}, ")
    # Read back, nothing is measured or trained again.
    assert distilled(job, chosen, student, BUDGET, run) == file


def test_an_untrained_file_is_as_large_as_a_trained_one(work, shipped) -> None:
    job, _, run = work
    student, file = shipped
    promised, _ = trial(job, student, run.folder)
    size = file.path.stat().st_size
    assert size <= promised <= 1.02 * size
    assert not list(run.folder.rglob("trial*"))


def test_the_largest_student_that_fits(work, tmp_path, monkeypatch) -> None:
    job, _, _ = work
    ladder = ladder_of(job)
    costs = {rung.name: (1000 * (len(ladder) - i), 0.1 * (len(ladder) - i)) for i, rung in enumerate(ladder)}
    monkeypatch.setattr("attar.ship.trial", lambda job, rung, folder: costs[rung.name])

    def largest(budget):
        with Run(tmp_path / str(budget), {}, {}) as run:
            return largest_student(job, budget, run)

    for name, (size, latency) in costs.items():
        assert largest(Budget(bytes=size)).name == name
        assert largest(Budget(latency_ms=latency)).name == name
        assert largest(Budget(bytes=size, latency_ms=latency)).name == name
    assert largest(Budget(bytes=999)) is None
    assert largest(Budget(bytes=10**9, latency_ms=0.01)) is None


def test_a_time_measured_again_does_not_change_the_student(work, tmp_path, monkeypatch) -> None:
    job, _, _ = work
    names = [rung.name for rung in ladder_of(job)]
    for slow in (3, 1):
        monkeypatch.setattr(
            "attar.ship.trial", lambda job, rung, folder, n=slow: (1, 2.0 if names.index(rung.name) < n else 0.1)
        )
        with Run(tmp_path / "r", {}, {}) as run:
            assert largest_student(job, Budget(latency_ms=1.0), run).name == names[3]


def test_the_smallest_are_the_tiniest_student_and_linear_models(work, tmp_path, monkeypatch) -> None:
    job, _, _ = work
    tiniest, linear, small = smallest(job, tmp_path)
    assert tiniest[0] == trial(job, ladder_of(job)[-1], tmp_path)[0]
    assert small[0] < linear[0] < 10_000
    assert min(found[1] for found in (tiniest, linear, small)) > 0
    assert not list(tmp_path.iterdir())
    # Where raw samples are no candidate, there is no linear model of them.
    monkeypatch.setattr(type(job.kind), "baselines", ("pca",))
    assert [size for size, _ in smallest(job, tmp_path)] == [tiniest[0]]


def test_a_student_beyond_its_promise_is_not_shipped(work, tmp_path) -> None:
    job, chosen, _ = work
    with Run(tmp_path / "r", {}, {}) as run, pytest.raises(BudgetError, match="more than its untrained copy"):
        distilled(job, chosen, ladder_of(job)[-1], Budget(bytes=1000), run)
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
        distilled(job, replace(chosen, bytes=10**9), ladder_of(job)[-1], BUDGET, run)


@pytest.mark.parametrize("balanced", [False, True])
def test_where_each_class_counts_the_same_a_student_learns_from_the_teacher_alone(
    work, tmp_path, monkeypatch, balanced
) -> None:
    """Labels would pull it back to what is common among them."""
    job, chosen, _ = work
    taught = []

    def learnt(network, told, x, y, **_):
        taught.append(y)
        raise KeyboardInterrupt

    monkeypatch.setattr("attar.ship.distill", learnt)
    with Run(tmp_path / "r", {}, {}) as run, pytest.raises(KeyboardInterrupt):
        distilled(replace(job, balanced=balanced), chosen, ladder_of(job)[-1], BUDGET, run)
    assert taught[0] is (None if balanced else job.y)
