from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from attar.data.arrays import from_arrays
from attar.data.dataset import Column
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.job import _job, smallest_models
from attar.report.facts import Facts
from attar.run import MODEL


def outside(facts):
    """What does not depend on the time of day, the machine or the test part."""
    timed = {"seconds", "latency_ms", "model_latency_ms", "test_accuracy", "test_interval", "n_test"}
    seen = {"verdict", "confusion", "confusion_of", "compression", "run"}
    kept = {key: value for key, value in facts.model_dump().items() if key not in timed | seen}
    kept["leaderboard"] = [{k: v for k, v in row.items() if k not in timed} for row in kept["leaderboard"]]
    return kept


@pytest.mark.parametrize("name", ["images", "series", "table"])
def test_a_finished_run_is_whole(request, name) -> None:
    finished = request.getfixturevalue(name)
    folder, facts = finished.folder, finished.outcome.facts
    assert finished.outcome.model == folder / MODEL
    assert facts.model_bytes == (folder / MODEL).stat().st_size
    assert Facts.model_validate_json((folder / "facts.json").read_text()) == facts
    assert "raw + linear" in (folder / "report.html").read_text()
    assert not list(folder.rglob("*.part"))
    assert not list(folder.rglob("checkpoint*"))
    model = load(folder / MODEL)
    assert tuple(model.classes.astype(str)) == facts.classes
    assert any("corrected for having been chosen" in line for line in finished.lines)


def test_a_class_of_which_no_label_is_shown_is_not_learnt(series) -> None:
    data = series.dataset
    y = data.y.copy()
    y[:60][data.y[:60] == 1] = -1
    job, test = _job(replace(data, y=y), series_plan(), 0, None)
    assert job.meta.classes == (data.classes[0], data.classes[2])
    assert set(job.codes) == {0, 1}
    # In the test part no answer can hit it.
    np.testing.assert_array_equal(test.y == -1, data.y[data.test] == 1)
    assert set(test.y[test.y >= 0]) == {0, 1}


def series_plan():
    from attar.plan import Plan

    return Plan(simclr_epochs=0, autoencoder_epochs=0, tune_steps=0, student_epochs=1)


def test_the_names_of_channels_go_into_the_file(series, tmp_path) -> None:
    names = tuple(f"channel {i}" for i in range(series.dataset.x.shape[1]))
    for data, columns in (
        (series.dataset, ()),
        (replace(series.dataset, channels=names), tuple(map(Column, names))),
    ):
        job, _ = _job(data, series_plan(), 0, None)
        net = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(job.kind.shape)), len(job.meta.classes)))
        export(net, job.example, tmp_path / "m.onnx", job.meta)
        assert load(tmp_path / "m.onnx").columns == columns


def test_rate_and_ranges_go_into_the_file(series, tmp_path) -> None:
    for rate in (None, 50):
        job, _ = _job(replace(series.dataset, rate=rate), series_plan(), 0, None)
        net = nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(job.kind.shape)), len(job.meta.classes)))
        export(net, job.example, tmp_path / "m.onnx", job.meta)
        model = load(tmp_path / "m.onnx")
        assert model.rate == rate
        assert model.doubts(series.dataset.x) == []
        assert "is the unit another?" in model.doubts(1000 * series.dataset.x + 1e6)[0]


def test_what_has_no_label_tests_nothing(series) -> None:
    data = series.dataset
    y = data.y.copy()
    y[data.test[:10]] = -1
    _, test = _job(replace(data, y=y), series_plan(), 0, None)
    assert len(test.y) == len(test.x) == len(data.test) - 10


def test_nothing_is_learnt_from_the_test_part(series) -> None:
    data = series.dataset
    x = data.x.copy()
    x[data.test] = 1e6
    plan = series_plan()
    one, other = (_job(d, plan, 0, None)[0] for d in (data, replace(data, x=x)))
    assert one.kind == other.kind
    assert one.meta == other.meta
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.shown, other.shown)


def test_the_labels_of_the_test_part_change_no_choice_and_no_byte(series, finish, tmp_path) -> None:
    data = series.dataset
    y = data.y.copy()
    y[data.test] = np.random.default_rng(1).permutation(y[data.test])
    again = finish(tmp_path / "run", replace(data, y=y))
    assert (again.folder / MODEL).read_bytes() == (series.folder / MODEL).read_bytes()
    one, other = series.outcome.facts, again.outcome.facts
    assert outside(other) == outside(one)
    assert other.test_accuracy != one.test_accuracy


def test_a_run_that_is_finished_is_read_back(images, finish, monkeypatch) -> None:
    monkeypatch.setattr("attar.trials.base.cross_validate", lambda *_, **__: pytest.fail("computed again"))
    again = finish(images.folder, images.dataset)
    assert again.outcome == images.outcome


def test_the_map_shows_the_labelled_samples_first(monkeypatch, images) -> None:
    monkeypatch.setattr("attar.job._SHOWN", 20)
    job, _ = _job(images.dataset, series_plan(), 0, None)
    assert len(job.shown) == 20
    assert set(job.labelled) <= set(job.shown.tolist())
    monkeypatch.setattr("attar.job._SHOWN", 10)
    job, _ = _job(images.dataset, series_plan(), 0, None)
    assert len(set(job.codes[np.isin(job.labelled, job.shown)])) > 1


def test_smallest_models(images, tmp_path) -> None:
    for size, latency in smallest_models(images.dataset, tmp_path):
        assert 500 < size < 20_000
        assert 0 < latency < 50
    assert not list(tmp_path.iterdir())


def test_two_labels_per_class_categories_gaps_and_a_constant(table) -> None:
    facts = table.outcome.facts
    assert facts.labels_per_class == (2, 2)
    low, high = facts.interval
    assert high - low > 0.4  # four labels say little, and it is said
    assert facts.curve[-1].labels == 4


def test_a_class_with_a_single_label_is_used(series) -> None:
    facts = series.outcome.facts
    assert 1 in facts.labels_per_class
    single = facts.labels_per_class.index(1)
    assert np.isfinite(facts.accuracy)
    assert any(row[single] for row in facts.confusion)  # it is predicted, too


def test_what_collapses_is_not_offered_and_the_report_says_why(finish, hidden, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("attar.represent._watch.Watch.verdict", lambda *_: "the representation collapsed")
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    done = finish(tmp_path / "run", from_arrays(rng.standard_normal((60, 4)) + 2 * y[:, None], hidden(y, 4)))
    facts = done.outcome.facts
    names = [row.name for row in facts.leaderboard]
    assert "pca + linear" in names
    assert not any("autoencoder" in name or "simclr" in name for name in names)
    said = [f"{name} is left out: the representation collapsed" for name in ("autoencoder", "simclr")]
    assert [note for note in facts.notes if "left out" in note] == said
    assert [line for line in done.lines if "left out" in line] == [f"note        {note}" for note in said]
