from __future__ import annotations

import multiprocessing
import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attar.compress.budget import Budget
from attar.data.arrays import from_arrays
from attar.deploy.session import load
from attar.errors import AttarError, BudgetError, DataError, LabelError, RunError
from attar.fit import fingerprint_of, fit_source, summary
from attar.plan import default_plan
from attar.preparation import Options, prepared
from attar.run import read_run
from tests.conftest import Lines


@pytest.fixture
def small(monkeypatch, plan):
    monkeypatch.setattr("attar.fit._plan", lambda *_: plan.model_dump())


def rows(n=40, k=2):
    rng = np.random.default_rng(0)
    y = np.arange(n) % k
    return (rng.standard_normal((n, 3)) + 3 * np.eye(k, 3)[y]).astype(np.float32), y


def test_what_came_before_the_plan_counts_in_the_time_allowed(tmp_path, monkeypatch) -> None:
    x, y = rows()
    np.savez(tmp_path / "people.npz", x=x, y=y)
    monkeypatch.setattr("attar.job.run_job", lambda *_, **__: None)
    told, searched = [], []

    def planned(*_, began, device):
        assert device == "cpu"
        told.append(began)
        return default_plan(x, 8)

    monkeypatch.setattr("attar.fit.plan_for_time", planned)
    monkeypatch.setattr("attar.fit._refuse_hopeless", lambda *_: searched.append(time.perf_counter()))
    fit_source(str(tmp_path / "people.npz"), Options(labels_per_class=4, seconds=30, out=tmp_path / "run"))
    assert told[0] <= searched[0]


def test_from_a_file_to_a_model_and_again(tmp_path, monkeypatch, small) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = rows()
    lines = ["a,b,c,class", *(f"{r[0]},{r[1]},{r[2]},{'yes' if c else 'no'}" for r, c in zip(x, y))]
    Path("people.csv").write_text("\n".join(lines))
    options = Options(label_column="class", labels_per_class=4, budget="50KB")
    outcome = fit_source("people.csv", options, command="attar fit people.csv")
    assert outcome.model == Path("runs/people/model.onnx")
    assert outcome.facts.n_labelled == 8
    assert outcome.facts.n_test == 12  # 30 % by default, where labels are drawn
    assert outcome.facts.model_bytes <= 50 * 1024
    assert outcome.facts.command == "attar fit people.csv"
    assert load(outcome.model).classes.tolist() == ["no", "yes"]
    assert outcome.facts.test_accuracy > 0.8
    # The same command reads it back, without training or measuring; another takes the next folder.
    for work in (
        "attar.job.smallest_models",
        "attar.training.loop.train",
        "attar.ship.measure",
        "attar.trials.base.measure",
    ):
        monkeypatch.setattr(work, lambda *_, **__: pytest.fail("did work again"))
    assert fit_source("people.csv", options, command="attar fit people.csv") == outcome
    with pytest.raises(RunError, match="another command"):
        fit_source("people.csv", replace(options, budget="60KB", out=Path("runs/people")))
    Path("runs/people-2").mkdir()
    Path("runs/people-2/notes.txt").write_text("mine")
    monkeypatch.setattr("attar.job.run_job", lambda *a, **k: a[3].folder)
    assert fit_source("people.csv", Options(label_column="class")) == Path("runs/people-3")
    assert read_run(Path("runs/people"))["asked"]["settings"]["labels_per_class"] == 4
    with pytest.raises(RunError, match="another command"):
        fit_source("people.csv", Options(label_column="class", out=Path("runs/people")))


@pytest.mark.parametrize("source", [".", "..", "../here", "data.csv"])
def test_the_run_is_named_after_the_source(tmp_path, monkeypatch, source) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    names = []
    monkeypatch.setattr("attar.preparation.read", lambda *_, **__: from_arrays(*rows()))
    monkeypatch.setattr("attar.fit.fit_dataset", lambda *_, folder, **__: names.append(folder))
    fit_source(source, Options())
    expected = {".": "here", "..": tmp_path.name, "../here": "here", "data.csv": "data"}[source]
    assert names == [Path("runs") / Path(expected).stem]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (Options(labels_per_class=5, budget="10B"), BudgetError),
        (Options(labels_per_class=5, budget="10 apples"), BudgetError),
        (Options(labels_per_class=0), LabelError),
        (Options(label_fraction=1.5), LabelError),
        (Options(labels_per_class=1), LabelError),
        (Options(labels_per_class=5, holdout=2.0), AttarError),
        (Options(labels_per_class=5, label_fraction=0.1), LabelError),
        (Options(labels=Path("nowhere.csv")), AttarError),
    ],
)
def test_bad_input_leaves_nothing_behind(tmp_path, monkeypatch, options, error) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as raised:
        fit_source("wine", options)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_the_smallest_budget_is_named_and_works(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BudgetError, match=r"the smallest model for these samples takes \d") as raised:
        fit_source("wine", Options(labels_per_class=5, budget="10B"))
    assert "10 B" in str(raised.value)


@pytest.mark.parametrize("options", [{}, {"labels_per_class": 5}, {"label_fraction": 0.5}, {"holdout": 0.2}])
def test_prepared_says_that_no_sample_is_labelled(options) -> None:
    with pytest.raises(LabelError, match="no sample is labelled; give two labels per class"):
        prepared(from_arrays(np.zeros((20, 2))), Options(**options))


def test_a_test_part_without_labels_is_no_test() -> None:
    x, y = rows(100)
    data = replace(from_arrays(x, np.where(np.arange(100) < 80, y, -1)), test=np.arange(80, 100))
    given = prepared(data, Options())
    assert given.test is None
    assert "the test part has no label: its samples are learnt from, as others without one" in given.notes
    assert len(prepared(data, Options(holdout=0.25)).test) == 20
    labelled = prepared(replace(data, test=np.arange(60, 80)), Options(holdout=0.25))
    assert labelled.test.tolist() == list(range(60, 80))
    assert "nothing more is held out, for the source has a test part" in labelled.notes


@pytest.mark.parametrize(
    ("asked", "said"), [({"labels_per_class": 4}, True), ({"label_fraction": 0.2}, False), ({}, False)]
)
@pytest.mark.parametrize("balanced", [False, True])
def test_labels_drawn_evenly_of_uneven_classes_are_said(asked, said, balanced) -> None:
    data = from_arrays(np.random.default_rng(0).normal(size=(60, 2)), np.repeat([0, 1], [45, 15]))
    notes = prepared(data, Options(**asked, balanced=balanced)).notes
    assert any("as many labels of each class are drawn" in note for note in notes) == (said and not balanced)


def test_prepared_hides_labels_of_the_training_part_only() -> None:
    x, y = rows(100)
    data = prepared(from_arrays(x, y), Options(labels_per_class=3, seed=1))
    assert len(data.test) == 30
    np.testing.assert_array_equal(data.y[data.test], y[data.test])
    trained = np.setdiff1d(np.arange(100), data.test)
    assert np.bincount(data.y[trained] + 1).tolist() == [64, 3, 3]
    same, other = (prepared(from_arrays(x, y), Options(labels_per_class=3, seed=s)) for s in (1, 2))
    np.testing.assert_array_equal(same.y, data.y)
    assert not np.array_equal(other.test, data.test)
    # Labels that were given are all used, and nothing is set aside unasked.
    given = prepared(from_arrays(x, np.where(np.arange(100) < 9, y, -1)), Options())
    assert given.test is None
    assert len(given.labelled) == 9


def test_labels_that_are_doubtful_or_too_easy_to_tell_are_named() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 3)).astype(np.float32), np.arange(80) % 2
    told = np.column_stack([x, y + rng.normal(0, 0.1, 80), rng.permutation(80)])
    copied, contrary = np.concatenate([x, x[:5]]), np.concatenate([y, 1 - y[:5]])
    for samples, labels, expected in (
        (x, y, []),
        (
            told,
            y,
            ["'x4': another value in every row, like an id", "'x3': alone tells nearly every label."],
        ),
        (copied, contrary, ["5 exact copies have another label"]),
    ):
        notes = prepared(from_arrays(samples, labels), Options()).notes
        assert [note for note in notes if "judged together" not in note] == [
            next(note for note in notes if note.startswith(start)) for start in expected
        ]


def test_a_column_that_is_called_like_groups_is_named_where_there_are_none() -> None:
    frame = pd.DataFrame({"patient": np.arange(20) // 2, "size": np.sin(np.arange(20))})
    alone = from_arrays(frame, np.arange(20) % 2)
    grouped = from_arrays(frame, np.arange(20) % 2, groups=frame.patient)
    found = [
        [note for note in prepared(data, Options()).notes if "'patient' is a feature" in note]
        for data in (alone, grouped)
    ]
    assert list(map(len, found)) == [1, 0]


def test_summary() -> None:
    x, y = rows()
    data = prepared(from_arrays(x, y), Options(labels_per_class=3))
    assert summary(data) == "table · 40 rows, 3 columns · 6 labelled, 2 classes, 12 set aside for the test"
    y = [0, 1, 0, 1]
    for kind, shape, size in (
        ("table", (1,), "4 rows, 1 column ·"),
        ("series", (1, 30), "4 recordings, 1 channel × 30 steps ·"),
        ("series", (2, 30), "4 recordings, 2 channels × 30 steps ·"),
        ("image", (9, 8), "4 images, 9 × 8 ·"),
    ):
        assert size in summary(from_arrays(np.random.default_rng(0).random((4, *shape)), y, kind=kind))


def test_the_fingerprint_sees_names_as_well_as_numbers() -> None:
    x, y = rows()
    names = np.array(["a", "b"])[y]
    data = [
        from_arrays(x, y),
        from_arrays(x, names),
        from_arrays(x, 1 - y),
        from_arrays(x + 1, y),
        from_arrays(x, y, ids=np.arange(40) + 1000),
        from_arrays(x[:, None], y, kind="series"),
        replace(from_arrays(x[:, None], y, kind="series"), channels=("pulse",)),
        *(replace(from_arrays(x[:, None], y, kind="series"), rate=rate) for rate in (0.1, 100.0)),
    ]
    assert len({fingerprint_of(d) for d in data}) == len(data)
    assert fingerprint_of(data[1]) == fingerprint_of(from_arrays(x.copy(), names))
    dressed = tuple(replace(column, signs=",.", unit="kg") for column in data[0].columns)
    assert fingerprint_of(replace(data[0], columns=dressed)) == fingerprint_of(data[0])


def test_a_pretext_that_does_not_suit_is_refused_before_anything_is_written(tmp_path) -> None:
    with pytest.raises(DataError, match="'ts-tcc' is not one for samples of kind table; choose from autoencoder"):
        fit_source("wine", Options(labels_per_class=5, pretexts=("ts-tcc",), out=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"backbone": "hf:nowhere"}, "no pretrained backbones for kind 'table'"),
        ({"backbone_epochs": 3}, "no backbone; name one"),
    ],
)
def test_a_backbone_is_judged_before_anything_is_written(tmp_path, options, complaint) -> None:
    with pytest.raises(DataError, match=complaint):
        fit_source("wine", Options(labels_per_class=5, out=tmp_path / "run", **options))
    assert not (tmp_path / "run").exists()


def test_either_of_the_smallest_models_may_fit(monkeypatch) -> None:
    from attar.fit import _refuse_hopeless

    monkeypatch.setattr("attar.job.smallest_models", lambda *_: ((900, 0.5), (1000, 0.1)))
    _refuse_hopeless(from_arrays(*rows()), Budget(latency_ms=0.2))
    _refuse_hopeless(from_arrays(*rows()), Budget(bytes=950))
    for budget, least in (
        (Budget(bytes=950, latency_ms=0.2), "that"),
        (Budget(bytes=899), "900B"),
        (Budget(latency_ms=0.01), "that"),
    ):
        with pytest.raises(BudgetError, match=f"nothing fits .* allow at least {least}$"):
            _refuse_hopeless(from_arrays(*rows()), budget)


def test_a_run_with_pretexts_of_its_own_goes_on(tmp_path) -> None:
    options = Options(labels_per_class=3, pretexts=("masked",), seconds=1, out=tmp_path / "run")
    first = fit_source("iris", options).facts
    assert fit_source("iris", options).facts == first
    assert first.settings["pretexts"] == "masked"


def test_no_budget_is_not_measured(monkeypatch) -> None:
    from attar.fit import _refuse_hopeless

    monkeypatch.setattr("attar.job.smallest_models", lambda *_: pytest.fail("measured"))
    _refuse_hopeless(from_arrays(*rows()), Budget())


def fit_digits(folder: Path) -> None:
    """Digits under a budget, small enough to be run a few times; what a kill can interrupt is all there."""
    import attar.fit
    from attar.plan import Plan
    from attar.training import loop

    loop._INTERVAL = 0.0
    plan = Plan(simclr_epochs=4, autoencoder_epochs=3, tune_steps=5, student_epochs=6, kernels=64, repeats=1)
    attar.fit._plan = lambda *_: plan.model_dump()
    loop.train.__kwdefaults__["interval"] = 0.0
    fit_source("digits", Options(labels_per_class=3, budget="12KB", out=folder), command="attar fit digits")


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # Processes that begin with all modules imported, which takes longer than to fit.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["attar.job", "lightning_fabric", "onnxruntime.quantization", "torch.onnx"])

    def start(folder):
        process = processes.Process(target=fit_digits, args=(folder,))
        process.start()
        return process

    def finished(process):
        process.join(timeout=300)
        return process.exitcode == 0

    def finished_files(folder):
        return {file: file.read_bytes() for file in sorted(folder.glob("stages/*/result.safetensors"))}

    began = time.perf_counter()
    assert finished(start(tmp_path / "whole"))
    seconds = time.perf_counter() - began
    whole = (tmp_path / "whole" / "model.onnx").read_bytes()
    assert (tmp_path / "whole" / "stages" / "student").is_dir()
    moments, folder, kept = random.Random(0), tmp_path / "killed", {}
    for _ in range(3):
        process = start(folder)
        # Counted from the first file on, so that it is the work that is killed, not the start.
        while not folder.exists() and process.is_alive():
            time.sleep(0.01)
        process.join(timeout=moments.uniform(0.05, 0.4) * seconds)
        process.kill()
        process.join()
        # What was finished before the kill before is not computed again.
        now = finished_files(folder)
        assert {file: now[file] for file in kept} == kept
        kept = now
    assert finished(start(folder))
    assert (folder / "model.onnx").read_bytes() == whole
    assert (folder / "report.html").is_file()
    assert {file: file.read_bytes() for file in kept} == kept


def test_what_may_be_lost_is_not_for_a_fit() -> None:
    with pytest.raises(BudgetError, match="attar compress"):
        Options(budget="1%").limits()


def test_that_samples_are_left_out_is_said(tmp_path, monkeypatch, plan) -> None:
    monkeypatch.setattr("attar.fit._plan", lambda *_: plan.model_copy(update={"samples": 30}).model_dump())
    x, y = rows(60)
    y[30:] = -1
    path, told = tmp_path / "a.npz", Lines()
    np.savez(path, x=x, y=y)
    fit_source(str(path), Options(out=tmp_path / "run"), told)
    assert any(line.startswith("note        30 of 60 samples are learnt from") for line in told.said)


@pytest.mark.parametrize(("per_sample", "said"), [(1e-6, False), (1e-2, True)])
def test_a_long_run_is_announced(tmp_path, monkeypatch, per_sample, said) -> None:
    x, y = rows()
    np.savez(tmp_path / "people.npz", x=x, y=y)
    monkeypatch.setattr("attar.job.run_job", lambda *_, **__: None)
    monkeypatch.setattr("attar.plan._seconds_per_sample", lambda *_: per_sample)
    told = Lines()
    options = Options(labels_per_class=4, out=tmp_path / "run")
    fit_source(str(tmp_path / "people.npz"), options, progress=told)
    assert any("--time 15m fits it to that" in line for line in told.said) == said
    again = Lines()
    fit_source(str(tmp_path / "people.npz"), replace(options, seconds=60, out=tmp_path / "short"), progress=again)
    assert not any("--time" in line for line in again.said)
