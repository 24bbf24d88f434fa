from __future__ import annotations

import copy
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from torch import nn

import attar
from attar.data.arrays import from_arrays
from attar.data.labels import encode_labels
from attar.deploy.session import loads
from attar.errors import BudgetError, DataError, LabelError, RunError
from attar.learner import Learner, _as_given


@pytest.fixture(autouse=True)
def small(monkeypatch, plan):
    monkeypatch.setattr("attar.fit._plan", lambda *_: plan.model_dump())


def rhythms():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = np.sin(np.arange(30) * np.where(y, 0.5, 0.9)[:, None] + rng.uniform(0, 6, (60, 1)))
    return (x + 0.2 * rng.standard_normal(x.shape)).astype(np.float32)[:, None], y


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, hidden, plan):
    x, y = rhythms()
    folder = tmp_path_factory.mktemp("learner") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("attar.fit._plan", lambda *_: plan.model_dump())
        return Learner(budget="60KB", run=folder).fit(x, hidden(y, 5)), folder


def test_what_is_learnt(fitted) -> None:
    learner, _ = fitted
    x, y = rhythms()
    p = learner.predict_proba(x)
    assert p.shape == (60, 2)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-4)
    np.testing.assert_array_equal(learner.classes_[p.argmax(1)], learner.predict(x))
    assert (learner.predict(x).astype(int) == y).mean() > 0.8
    low, high = learner.accuracy_interval_
    assert 0 <= low <= learner.accuracy_ <= high <= 1
    assert {"raw + linear", "pca + linear"} <= {row.name for row in learner.leaderboard_}
    assert learner.n_features_in_ == 30
    assert learner.facts_.model_bytes <= 60 * 1024


def test_the_accuracy_is_that_on_new_groups() -> None:
    # Persons differ more than their labels do: who has seen one knows its label, and of a new one nothing.
    rng = np.random.default_rng(0)
    person, label = np.repeat(np.arange(12), 8), rng.permutation(np.arange(12) % 2)
    X = 3 * rng.normal(size=(12, 8))[person] + 0.2 * rng.normal(size=(96, 8))
    known, new = (Learner().fit(X, label[person], groups=groups) for groups in (None, pd.Series(person)))
    assert known.accuracy_ > 0.95
    assert new.accuracy_ < 0.8
    low, high = new.accuracy_interval_
    assert high - low > 0.4 > 2 * np.subtract(*reversed(known.accuracy_interval_))
    assert "the samples are of 12 groups: those of one are judged together" in new.facts_.notes


def test_labels_come_back_in_the_type_that_they_were_given_in(fitted) -> None:
    learner, _ = fitted
    x, y = rhythms()
    assert learner.score(x, y) > 0.8


@pytest.mark.parametrize("gap", [-1, None, np.nan, pd.NA])
def test_samples_without_a_label_do_not_count(fitted, gap) -> None:
    learner, _ = fitted
    x, y = rhythms()
    known, weights = np.arange(60) < 20, np.arange(60) % 3
    some = [int(label) if is_known else gap for label, is_known in zip(y, known)]
    assert learner.score(x, some) == learner.score(x[known], y[known])
    assert learner.score(x, some, weights.astype(object)) == learner.score(x[known], y[known], weights[known])
    with pytest.raises(LabelError, match=r"^no sample is labelled"):
        learner.score(x, [gap] * 60)
    with pytest.raises(LabelError, match=r"^60 samples but 59 labels; give one for each"):
        learner.score(x, some[:-1])
    with pytest.raises(LabelError, match=r"^60 labels but weights of shape \(59,\); give one for each"):
        learner.score(x, some, weights[:-1])
    for none in (0.0 * weights, -weights, np.where(known, 1, np.nan)[::-1], np.where(known, 0, 1)):
        with pytest.raises(LabelError, match=r"^weights of labelled samples must be finite, from 0 on, and not all 0$"):
            learner.score(x, some, none)


@pytest.mark.parametrize(
    ("classes", "others"),
    [
        (["a", "b"], [["a ", "b"], [" a", "b\n"]]),
        ([0, 1], [[0.0, 1.0], ["0", "1"], ["0.0", "1.0"], [False, True]]),
        (["0", "1"], [[0, 1]]),
        ([0.5, 1.5], [["0.5", "1.5"]]),
    ],
)
def test_labels_that_fit_takes_for_the_same_are_the_same_to_score(classes, others) -> None:
    second = np.arange(40) % 2
    X, learner = np.eye(2)[np.where(np.arange(40) < 8, 1 - second, second)], Learner()
    learner.classes_ = np.array(classes)
    # A model that says what X is.
    meta = SimpleNamespace(classes=encode_labels(classes)[1])
    learner.model_ = SimpleNamespace(meta=meta, predict_proba=lambda x: x)
    assert [learner.score(X, np.array(labels)[second]) for labels in (classes, *others)] == [0.8] * (1 + len(others))
    assert learner.score(X, np.full(40, "another")) == 0


def test_logarithms_of_probabilities(fitted) -> None:
    learner, _ = fitted
    x, _ = rhythms()
    np.testing.assert_array_equal(np.exp(learner.predict_log_proba(x)), np.exp(np.log(learner.predict_proba(x))))


def test_the_exported_file_is_the_learner(fitted, tmp_path) -> None:
    learner, folder = fitted
    x, _ = rhythms()
    path = learner.export(tmp_path / "m.onnx")
    assert path.read_bytes() == (folder / "model.onnx").read_bytes()
    np.testing.assert_array_equal(attar.load(path).predict_proba(x), learner.predict_proba(x))
    page = learner.report(tmp_path / "r.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")


def test_a_learner_that_was_killed_goes_on_and_other_data_is_refused(fitted, hidden, monkeypatch) -> None:
    learner, folder = fitted
    x, y = rhythms()
    monkeypatch.setattr("attar.trials.base.cross_validate", lambda *_, **__: pytest.fail("computed again"))
    again = Learner(budget="60KB", run=folder, device="cpu:0").fit(x, hidden(y, 5))
    np.testing.assert_array_equal(again.predict_proba(x), learner.predict_proba(x))
    with pytest.raises(RunError, match="another command"):
        Learner(budget="60KB", run=folder).fit(x, np.where(hidden(y, 5) < 0, "", np.array(["a", "b"])[y]))


def test_bad_input_leaves_nothing_behind(tmp_path, hidden) -> None:
    x, y = rhythms()
    known = hidden(y, 3)
    cases = [
        (BudgetError, Learner(budget="10B", run=tmp_path / "r"), x, known),
        (BudgetError, Learner(budget="small", run=tmp_path / "r"), x, known),
        (LabelError, Learner(run=tmp_path / "r"), x, np.full(60, -1)),
        (LabelError, Learner(run=tmp_path / "r"), x, np.where(known == 0, 0, -1)),
        (DataError, Learner(run=tmp_path / "r"), np.array([["a", "b"]] * 60), known),
    ]
    for error, learner, samples, labels in cases:
        if error is DataError:
            samples = np.full((60, 2), np.inf)
        with pytest.raises(error):
            learner.fit(samples, labels)
    assert not list(tmp_path.iterdir())


def test_an_estimator_of_scikit_learn() -> None:
    learner = Learner(budget="5KB", random_state=3)
    twin = clone(learner)
    assert twin.get_params() == learner.get_params()
    assert "budget='5KB'" in repr(learner)
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(learner, method)(np.zeros((2, 3)))
    with pytest.raises(NotFittedError):
        learner.export("m.onnx")


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array([True, False] * 9), np.array([False, True])),
        ([True, None, False] * 6, np.array([False, True])),
        (pd.array([True, None, False] * 6, dtype="boolean"), np.array([False, True])),
        (np.array([0.5, 0, np.nan] * 6), np.array([0, 0.5])),
        ([0.5, None, 1.0] * 6, np.array([0.5, 1.0])),
        (["2", "", "10"] * 6, np.array(["2", "10"])),
        (pd.Series(["1.0", "2.0"] * 9), np.array(["1.0", "2.0"])),
        (pd.Categorical([" a ", "b"] * 9), np.array([" a ", "b"])),
        (np.array([1, -1, 2] * 6, dtype=np.int8), np.array([1, 2], dtype=np.int8)),
        (np.ma.array([0, 1, 9] * 6, mask=[0, 0, 1] * 6, dtype=np.uint8), np.array([0, 1], dtype=np.uint8)),
        (pd.array([1, None, 2] * 6, dtype="Int8"), np.array([1, 2])),
        (pd.Series([1, None, 2] * 6, dtype=pd.CategoricalDtype([1, 2])), np.array([1, 2])),
        (np.array([[10**18 + 1], [10**18 + 2], [-1]] * 6), np.array([10**18 + 1, 10**18 + 2])),
    ],
)
def test_labels_are_those_that_were_given(y, classes) -> None:
    dataset = from_arrays(np.zeros((18, 2)), y)
    found = _as_given(dataset.classes, dataset, y)
    np.testing.assert_array_equal(found, classes)
    assert found.dtype == classes.dtype or found.dtype.kind == classes.dtype.kind == "U"


def test_a_copy_predicts_the_same_labels() -> None:
    y = np.where(np.arange(40) % 5, None, np.arange(40) % 2 == 1)
    X = np.random.default_rng(0).standard_normal((40, 3)) + 3 * np.eye(2, 3)[np.arange(40) % 2]
    learner = Learner(random_state=np.int64(0), time=np.float32(0.1)).fit(X, y)
    known = y != None  # noqa: E711  element by element
    assert learner.predict(X).dtype == bool
    assert learner.score(X[known], y[known].astype(bool)) > 0.8
    again = pickle.loads(pickle.dumps(learner))
    np.testing.assert_array_equal(again.predict(X), learner.predict(X))
    clone(copy.deepcopy(learner))
    assert not hasattr(pickle.loads(pickle.dumps(Learner())), "model_")
    assert not hasattr(learner, "feature_names_in_")
    assert learner.fit(pd.DataFrame(X, columns=["a", "b", "c"]), y).feature_names_in_.tolist() == ["a", "b", "c"]


def test_a_table_is_asked_by_the_names_that_it_was_learnt_by() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    frame = pd.DataFrame({"a": rng.normal(size=120) + 3 * y, "b": 100 + 5 * rng.normal(size=120)})
    table = pa.Table.from_pandas(frame.assign(customer=[f"c{i}" for i in range(120)]))  # which is no feature
    learner = Learner(time=1, pretexts=()).fit(table, np.where(np.arange(120) < 20, y, -1))
    assert learner.feature_names_in_.tolist() == ["a", "b", "customer"]
    assert learner.n_features_in_ == 3
    for other in (table.select(["b", "a"]), frame[["b", "a"]], frame[["b", "a"]].to_dict("records")):
        np.testing.assert_array_equal(learner.predict_proba(other), learner.predict_proba(frame))


def test_columns_are_left_out_and_numbers_are_names_as_asked(tmp_path) -> None:
    rng = np.random.default_rng(0)
    month, noise = rng.integers(1, 13, 200), rng.normal(size=200)
    y = np.isin(month, [1, 3, 4, 6, 9, 11]).astype(int)  # no threshold tells these from the others
    frame = pd.DataFrame({"month": month, "noise": noise, "leak": y + 0.01 * noise, "odd": [{1}] * 200})
    known = np.where(np.arange(200) < 60, y, -1)
    learner = Learner(time=1, pretexts=(), ignore=["leak", "odd"], category="month").fit(frame, known)
    assert learner.n_features_in_ == 4
    assert [column.name for column in learner.model_.columns] == ["month", "noise"]
    assert learner.model_.ignored == ("leak", "odd")
    assert learner.score(frame, y) > 0.9
    without = frame[["noise", "month"]].astype({"month": float})
    np.testing.assert_array_equal(learner.predict_proba(without), learner.predict_proba(frame))
    assert "ignore=['leak', 'odd']" in learner.facts_.command
    assert learner.facts_.settings["ignore"] == "leak; odd"
    # Nothing of what the file says keeps it from being read elsewhere.
    assert loads(learner.export(tmp_path / "m.onnx").read_bytes()).form == learner.model_.form


def test_a_run_with_other_columns_is_another(tmp_path) -> None:
    frame, y = pd.DataFrame({"a": np.arange(40) % 5, "b": np.arange(40) % 7}), np.arange(40) % 2
    Learner(time=1, pretexts=(), run=tmp_path / "run", ignore="b").fit(frame, y)
    for other in ({}, {"ignore": "a"}, {"ignore": "b", "category": "a"}):
        with pytest.raises(RunError, match="belongs to another command"):
            Learner(time=1, pretexts=(), run=tmp_path / "run", **other).fit(frame, y)
    Learner(time=1, pretexts=(), run=tmp_path / "run", ignore="b").fit(frame, y)


def test_a_graph_brings_its_labels_and_masks() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    edges = np.stack([np.arange(58), np.arange(2, 60)])  # between nodes of one class
    x = rng.standard_normal((60, 4)) + 2 * y[:, None]
    train = np.arange(60) < 30
    graph = SimpleNamespace(x=x, edge_index=edges, y=y + 5, train_mask=train, test_mask=np.arange(60) >= 40)
    learner = Learner(time=1, pretexts=())
    for fitted in (clone(learner).fit(graph), learner.fit(graph, graph.y)):
        assert fitted.classes_.tolist() == [5, 6]
        assert (fitted.facts_.n_labelled, fitted.facts_.n_test) == (30, 20)
        assert fitted.score(graph, graph.y) > 0.8


@pytest.mark.parametrize("X", [np.zeros((4, 3)), ["a text"] * 4, SimpleNamespace(x=np.eye(2), edge_index=np.eye(2))])
def test_no_labels_at_all_are_refused_before_anything_is_learnt(X, monkeypatch) -> None:
    monkeypatch.setattr("attar.fit.fit_dataset", lambda *_, **__: pytest.fail("trained"))
    for arguments in ((X,), (X, None)):
        with pytest.raises(LabelError, match="requires y to be passed, but the target y is None: give a label"):
            Learner(time=1).fit(*arguments)


@pytest.mark.parametrize(
    "learner",
    [
        Learner(random_state=np.random.RandomState(0)),
        Learner(random_state=-1),
        Learner(time=-1.0),
        Learner(time="10s"),
        Learner(backbone_epochs=0.5),
    ],
)
def test_a_seed_a_time_and_epochs_are_numbers(learner) -> None:
    with pytest.raises(DataError, match=r"must be a number of seconds|give a whole number from 0"):
        learner.fit(*rhythms())


@pytest.mark.parametrize(
    ("learner", "y", "error", "said"),
    [
        (Learner(budget=100), [0, 1], BudgetError, "^budget 100 is no text; write it as '50KB'"),
        (
            Learner(progress="bar"),
            [0, 1],
            DataError,
            "^progress is 'bar': give True for bars on the terminal, or None$",
        ),
        (Learner(), np.array([b"a", b"b"]), LabelError, "^y holds bytes"),
        (Learner(), [b"a", None], LabelError, "^y holds bytes"),
        (Learner(), 1, LabelError, "^y is of type int: give a list or an array with a label for each sample$"),
        (Learner(), (one for one in (0, 1)), LabelError, "^y is of type generator: give a list"),
        (Learner(balanced="no"), [0, 1], DataError, "^balanced is 'no': give True or False$"),
        (Learner(pretexts={"byol"}), [0, 1], DataError, r"^pretexts must be a tuple of names; give \('simclr',\)$"),
        (Learner(device=None), [0, 1] * 9, DataError, "^device is 'None': give"),
        (Learner(ignore=3), [0, 1] * 9, DataError, r"^ignore is 3: give the names of columns, as in ignore=\['zip'"),
        (Learner(category=("a",)), [0, 1] * 9, DataError, "^x: columns have names in a DataFrame or a list of dicts"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(learner, y, error, said) -> None:
    with pytest.raises(error, match=said):
        learner.fit(np.zeros((18, 3)), y)


def test_progress_is_shown_where_it_is_asked_for(monkeypatch, capsys) -> None:
    def fit_dataset(dataset, options, budget, progress, **_):
        progress.say(f"seed {options.seed}")
        raise KeyboardInterrupt

    monkeypatch.setattr("attar.fit.fit_dataset", fit_dataset)
    told = []
    for progress, seed in ((True, 1), (True, None), (True, None), (False, 1), (None, 1)):
        with pytest.raises(KeyboardInterrupt):
            Learner(progress=progress, random_state=seed, time=1).fit(np.eye(9, 3), [0, 1, 0, 1, 0, 1, 0, 1, 0])
        told.append(capsys.readouterr().err)
    assert told[0] == "seed 1\n"
    assert told[1] != told[2]
    assert told[3:] == ["", ""]


def test_a_network_of_others_is_one_of_the_candidates_and_ships_as_a_file(tmp_path) -> None:
    X, y = rhythms()
    network = nn.Sequential(nn.Flatten(), nn.Linear(X[0].size, 6), nn.ReLU())
    learner = Learner(backbone=network, time=1, pretexts=(), run=tmp_path / "run")
    for fitted in (clone(learner).fit(X, y), learner.fit(X, y)):  # the second goes on in the run of the first
        assert {"pretrained + linear", "pretrained + self-trained"} <= {row.name for row in fitted.leaderboard_}
    other = nn.Sequential(nn.Flatten(), nn.Linear(X[0].size, 6), nn.ReLU())
    with pytest.raises(RunError, match="belongs to another command"):
        learner.set_params(backbone=other).fit(X, y)
    assert network[1].weight.requires_grad
    said = f"Learner(backbone=Sequential(…), pretexts=(), run={learner.run!r}, time=1)"
    assert " ".join(fitted.facts_.command.split()) == said
    assert fitted.facts_.settings["backbone"].startswith("Sequential ")


class _Scaled(nn.Module):
    def __init__(self, scale) -> None:
        super().__init__()
        self.scale, self.layer = scale, nn.Linear(2, 2).bfloat16()

    def forward(self, x):
        return x.flatten(1) * self.scale


def test_a_run_goes_on_with_the_network_that_began_it_alone(tmp_path, monkeypatch) -> None:
    def run_job(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("attar.job.run_job", run_job)
    network = _Scaled(1.0)
    learner = Learner(backbone=network, time=1, pretexts=(), run=tmp_path / "run")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            learner.fit(*rhythms())
    network.scale = 2.0  # neither a weight nor a part of it
    with pytest.raises(RunError, match=r"backbone was '_Scaled .*', is '_Scaled "):
        learner.fit(*rhythms())


class _NoOnnx(nn.Module):
    def forward(self, x):
        return torch.linalg.svdvals(x)


def test_a_network_without_an_onnx_form_is_left_out_and_said_to_be() -> None:
    learner = Learner(backbone=_NoOnnx(), time=1, pretexts=()).fit(*rhythms())
    assert not any(row.name.startswith("pretrained") for row in learner.leaderboard_)
    (note,) = [note for note in learner.facts_.notes if "has no ONNX form" in note]
    assert note.startswith("pretrained is left out: the network has no ONNX form: ")


@pytest.mark.parametrize(
    ("backbone", "complaint"),
    [
        (3, "backbone is 3; give a torch.nn.Module"),
        (nn.Identity(), r"backbone makes torch.float32 \(2, .*\) of samples .*; it must return float32 \(n, d\)"),
        (nn.Linear(2, 2), r"backbone cannot take float32 samples \(2, "),
    ],
)
def test_what_cannot_be_a_backbone_is_refused_before_anything_is_written(backbone, complaint, tmp_path) -> None:
    with pytest.raises(DataError, match=complaint):
        Learner(backbone=backbone, run=tmp_path / "run").fit(*rhythms())
    assert not (tmp_path / "run").exists()


def test_a_backbone_whose_answer_to_what_is_missing_is_nan_is_refused() -> None:
    X, y = rhythms()
    X = X.copy()
    X[3, :, -2:] = np.nan
    network = nn.Sequential(nn.Flatten(), nn.Linear(X[0].size, 6))
    with pytest.raises(DataError, match=r"NaN .* of samples with missing .* begin with torch.nan_to_num"):
        Learner(backbone=network).fit(X, y)


def test_a_module_is_not_trained_on() -> None:
    with pytest.raises(DataError, match="a backbone that is a module stays as it is"):
        Learner(backbone=nn.Flatten(), backbone_epochs=2).fit(*rhythms())


def test_epochs_of_a_backbone_are_passed_on() -> None:
    with pytest.raises(DataError, match="epochs of a backbone, and no backbone"):
        Learner(backbone_epochs=np.int64(2)).fit(np.zeros((4, 3)), [0, 1, 0, 1])


@pytest.mark.parametrize(("name", "instead"), [("simclr", "('simclr',)"), ("none", "()")])
def test_the_name_of_a_pretext_alone_is_no_tuple_of_names(name: str, instead: str) -> None:
    with pytest.raises(DataError, match=rf"^pretexts must be a tuple of names; give {re.escape(instead)}$"):
        Learner(pretexts=name).fit(np.zeros((2, 3)), [0, 1])


def test_where_each_class_counts_the_same_the_rare_one_is_found(tmp_path) -> None:
    """Two clouds that overlap, of which one is rare."""
    rng = np.random.default_rng(0)
    y = (rng.random(600) < 0.08).astype(int)
    X = rng.normal(size=(600, 6)) + 1.2 * y[:, None]
    known = np.where(np.arange(600) < 150, y, -1)
    X_new, y_new = X[150:], y[150:]
    by_sample = Learner(time=1).fit(X, known)
    by_class = Learner(time=1, balanced=True, run=tmp_path / "run").fit(X, known)
    recalls = [[(learner.predict(X_new)[y_new == c] == c).mean() for c in (0, 1)] for learner in (by_sample, by_class)]
    assert recalls[1][1] > recalls[0][1] + 0.1
    assert np.mean(recalls[1]) > np.mean(recalls[0])
    low, high = by_class.accuracy_interval_
    assert low < by_class.accuracy_ < high < 1
    assert abs(by_class.accuracy_ - np.mean(recalls[1])) < 0.15
    assert by_class.facts_.measure == "balanced accuracy"
    assert "a balanced accuracy (the mean over the classes) of" in by_class.facts_.verdict
    assert "Balanced accuracy, estimated" in (tmp_path / "run" / "report.html").read_text()
    assert all(row.accuracy < 0.95 for row in by_class.leaderboard_)
