from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attar.adapt.choice import choose
from attar.adapt.intervals import binomial_interval
from attar.adapt.validate import correctness
from attar.candidates import candidates
from attar.deploy.session import load
from attar.findings import (
    _by_group,
    _confusion,
    _cross_validated,
    _plane,
    _tested,
    line_of,
    line_of_step,
)
from attar.report.facts import Facts, Step
from attar.sentences import percent, without_looking


@pytest.fixture(params=["images", "series", "table"])
def finished(request):
    return request.getfixturevalue(request.param)


def test_facts_come_back_as_they_were(finished) -> None:
    facts = finished.outcome.facts
    assert Facts.model_validate_json(facts.model_dump_json()) == facts


def test_accuracies_are_those_of_cross_validation(finished) -> None:
    job, run = finished.reopen()
    with run:
        found = list(candidates(job, run))
    facts = finished.outcome.facts
    right = np.stack([correctness(c.held_out, job.codes) for c in found])
    rows = {row.name: row for row in facts.leaderboard}
    assert rows.keys() == {c.name for c in found}
    for c, r in zip(found, right):
        known = r[~np.isnan(r)]
        assert rows[c.name].accuracy == pytest.approx(known.mean())
        assert rows[c.name].interval == pytest.approx(binomial_interval(known.mean(), len(known)))
        assert rows[c.name].bytes == c.bytes
        assert c.name in line_of(c, job)
    accuracies = [row.accuracy for row in facts.leaderboard]
    assert accuracies == sorted(accuracies, reverse=True)
    (chosen,) = [row for row in facts.leaderboard if row.chosen]
    choice = choose(right, [c.rank for c in found], 0)
    assert found[choice.index].name == chosen.name
    assert facts.accuracy == pytest.approx(choice.accuracy)
    assert facts.interval == pytest.approx(choice.interval)
    assert chosen.name in facts.why
    assert percent(facts.accuracy) in facts.verdict


def test_the_test_part_is_that_of_the_shipped_file(finished) -> None:
    facts, data = finished.outcome.facts, finished.dataset
    if data.test is None:
        assert facts.test_accuracy is None
        assert facts.test_interval is None
        assert facts.n_test == 0
        assert facts.confusion_of == "cross-validation on the labelled samples"
        return
    answers = load(finished.outcome.model).predict(data.x[data.test]).astype(str)
    truth = np.array(data.classes)[data.y[data.test]]
    assert facts.test_accuracy == pytest.approx((answers == truth).mean())
    assert facts.test_interval == pytest.approx(binomial_interval(facts.test_accuracy, facts.n_test))
    assert facts.n_test == len(data.test) == sum(map(sum, facts.confusion))
    assert sum(facts.confusion[i][i] for i in range(len(facts.classes))) == (answers == truth).sum()
    assert facts.compression[-1].accuracy == pytest.approx(facts.test_accuracy)
    assert percent(facts.test_accuracy) in facts.verdict


def test_a_file_shipped_as_it_is_is_asked_once() -> None:
    step = Step(name="original", bytes=1, latency_ms=1.0, agreement=None, accuracy=None)
    assert _tested((step,), lambda: 1 / 0, 0.75) == (step.model_copy(update={"accuracy": 0.75}),)


def test_counts_and_curve(finished) -> None:
    facts = finished.outcome.facts
    assert facts.n == len(finished.dataset)
    assert facts.n_labelled == sum(facts.labels_per_class)
    labels = [point.labels for point in facts.curve]
    assert labels == sorted(set(labels))
    assert labels[-1] == facts.n_labelled


def test_the_map_shows_trained_samples_under_their_own_names(finished) -> None:
    facts, data = finished.outcome.facts, finished.dataset
    held_out = set() if data.test is None else set(data.ids[data.test].tolist())
    names = [point.id for point in facts.latent]
    assert len(set(names)) == len(names)
    assert not held_out & set(names)
    label = dict(zip(data.ids.tolist(), data.y.tolist()))
    for point in facts.latent:
        assert point.label == (None if label[point.id] < 0 else data.classes[label[point.id]])
        assert np.isfinite([point.x, point.y]).all()
        assert 0 <= point.probability <= 1
    assert sum(point.label is not None for point in facts.latent) == facts.n_labelled


def test_confusion() -> None:
    table = _confusion(np.array([0, 0, 1, -1]), np.array([0, 1, 1, 0]), 2)
    assert table == ((1, 1), (0, 1))


def test_a_name_does_not_touch_its_figure(table) -> None:
    job, run = table.reopen()
    with run:
        one = next(candidates(job, run))
    right = replace(one, name="n" * 60, held_out=np.eye(len(job.meta.classes))[job.codes][None])
    assert line_of(right, job).startswith("n" * 60 + " 100.0 %")


def test_the_confusions_of_all_repeats_are_right_as_often_as_the_leaderboard_says() -> None:
    rng = np.random.default_rng(0)
    codes, held_out = np.arange(20) % 3, rng.dirichlet(np.ones(3), (4, 20))
    held_out[:, 7] = np.nan
    table, of = _cross_validated(held_out, codes, 3)
    assert np.trace(table) / np.sum(table) == pytest.approx(np.nanmean(correctness(held_out, codes)))
    assert of == "cross-validation on the labelled samples, each answered 4 times"
    assert _cross_validated(held_out[:1], codes, 3)[1] == "cross-validation on the labelled samples"


@pytest.mark.parametrize("points", [np.ones((20, 5)), np.ones((3, 5)), np.arange(20.0)[:, None], np.eye(12)])
def test_any_points_have_a_place_in_the_plane(points) -> None:
    plane = _plane(points.astype(np.float32), 0)
    assert plane.shape == (len(points), 2)
    assert np.isfinite(plane).all()


def test_neighbours_stay_neighbours() -> None:
    rng = np.random.default_rng(0)
    group = np.arange(60) % 3
    plane = _plane((rng.standard_normal((60, 10)) + 20 * np.eye(3, 10)[group]).astype(np.float32), 0)
    distance = np.linalg.norm(plane[:, None] - plane[None], axis=2) + 1e9 * np.eye(60)
    assert (group[distance.argmin(1)] == group).all()


def test_what_the_most_frequent_class_would_give_is_said_where_the_model_may_be_no_better(finished) -> None:
    facts, data = finished.outcome.facts, finished.dataset
    y = data.y[data.test] if data.test is not None else data.y[data.labelled]
    share = np.bincount(y).max() / len(y)
    low, _ = facts.test_interval or facts.interval
    assert ("Always saying" in facts.verdict) == (low <= share)
    # Of a class that training has not seen, every answer is wrong.
    said = without_looking((0.5, 0.9), np.array([0, 0, 1, -1]), ("a", "b"), balanced=False)
    assert "“a” would be right on 50.0 %;" in said


@pytest.mark.parametrize(
    ("name", "line"),
    [("int8", "int8        45.0 KB, 1.23 ms per sample"), ("int8 weights", "int8 weights 45.0 KB, 1.23 ms per sample")],
)
def test_the_name_of_a_step_and_its_bytes_are_apart(name, line) -> None:
    assert line_of_step(Step(name=name, bytes=46080, latency_ms=1.234, agreement=None, accuracy=None)) == line


def test_groups_are_judged_by_what_was_held_out_of_them() -> None:
    right = np.array([1.0, 0.5, np.nan, 0, 1, 1, np.nan])
    found = _by_group(right, np.array([0, 0, 0, 2, 1, 1, 3]), ("ann", "", "bob", "cid"), None)
    assert [(group.name, group.n, group.accuracy) for group in found] == [("bob", 1, 0.0), ("ann", 2, 0.75)]
    balanced = _by_group(np.array([1.0, 1, 1, 0]), np.zeros(4, int), ("ann",), np.array([0, 0, 0, 1]))
    assert balanced[0].accuracy == 0.5
