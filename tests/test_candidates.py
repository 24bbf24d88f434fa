from __future__ import annotations

import gc
import weakref
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.tree import DecisionTreeClassifier

from attar import kinds
from attar.adapt.finetune import fine_tune, train_from_scratch
from attar.adapt.intervals import estimate
from attar.adapt.prior import class_weights, weighted
from attar.adapt.propagate import spread
from attar.adapt.selftrain import SelfTrainedProbe
from attar.adapt.validate import correctness, learning_curve
from attar.candidates import Ahead, _beside_own, _pca, candidates, learning
from attar.compress.budget import Budget
from attar.data.arrays import from_arrays
from attar.deploy.session import load
from attar.errors import ExportError
from attar.job import _job, run_job
from attar.report.facts import CurvePoint
from attar.run import Run
from attar.training.progress import Silent
from attar.trials import base
from attar.trials.base import TOLERANCE, apply, writer
from attar.trials.heads import heads
from attar.trials.networks import networks
from attar.trials.trees import trees


def tried(finished):
    job, run = finished.reopen()
    with run:
        return job, list(candidates(job, run))


@pytest.fixture(params=["images", "series", "table"])
def everything(request):
    return tried(request.getfixturevalue(request.param))


def test_baselines_are_always_there_and_names_are_unique(everything) -> None:
    job, found = everything
    names = [c.name for c in found]
    assert len(set(names)) == len(names)
    assert names[0] == "raw + linear"
    assert {c.name for c in found if c.baseline} >= {"raw + linear", "pca + linear", "from scratch"}
    random = "random features" if job.kind.name == "table" else "random convolutions"
    for learnt in ("pca", "autoencoder", "simclr", random):
        assert {name.removeprefix(learnt) for name in names if name.startswith(learnt + " +")} >= {" + linear"}
    assert not any(c.baseline for c in found if "simclr" in c.name or "propagation" in c.name)
    assert ({"random forest", "gradient boosting"} <= set(names)) == (job.kind.name == "table")
    rank = {c.name: c.rank for c in found}
    assert len({rank // 4 for rank in rank.values()}) == len(
        {name.split(" + ")[0] for name in names} - {"gradient boosting"}
    )
    # What learns from all samples comes first where these are many.
    linear = ["linear", "self-trained"][:: -1 if len(job.x) >= 10 * len(job.codes) else 1]
    heads = [rank[f"pca + {head}"] for head in (*linear, "propagation")]
    assert rank["raw + linear"] < heads[0] < heads[1] < heads[2]


def test_probabilities(everything) -> None:
    job, found = everything
    k, codes = len(job.meta.classes), job.codes
    alone = np.bincount(codes)[codes] == 1
    for c in found:
        assert c.held_out.shape == (1, len(codes), k)
        assert c.everything.shape == (len(job.x), k)
        np.testing.assert_allclose(c.everything.sum(1), 1, atol=1e-4)
        np.testing.assert_array_equal(np.isnan(c.held_out).any(axis=(0, 2)), alone)
        np.testing.assert_allclose(c.held_out[:, ~alone].sum(2), 1, atol=1e-4)


def test_files_say_what_the_candidates_say(everything) -> None:
    job, found = everything
    for c in found:
        assert c.bytes == c.path.stat().st_size
        assert c.latency_ms > 0
        assert c.difference <= TOLERANCE
        p = load(c.path).predict_proba(job.x[job.labelled])
        assert np.abs(p - c.everything[job.labelled]).max() <= TOLERANCE


def test_the_map_shows_the_same_samples(everything) -> None:
    job, found = everything
    for c in found:
        assert len(c.points) == len(job.shown)
        assert np.isfinite(c.points).all()
        assert c.points_of


def test_no_candidate_predicts_a_label_that_it_was_shown(images, plan, tmp_path) -> None:
    """Labels that mean nothing cannot be predicted by cross-validation, however well they are remembered."""
    job, run = images.reopen()
    run.close()
    y = np.full(len(job.x), -1)
    chosen = np.random.default_rng(0).permutation(len(y))[:40]
    y[chosen] = np.arange(40) % 2
    meta = replace(job.meta, classes=("a", "b"))
    only = plan.model_copy(update={"simclr_epochs": 0, "autoencoder_epochs": 0, "tune_steps": 0})
    noise = replace(job, y=y, meta=meta, plan=only)
    with Run(tmp_path / "r", {}, {}) as run:
        for c in candidates(noise, run):
            seen = (c.everything[noise.labelled].argmax(1) == noise.codes).mean()
            unseen = (c.held_out[0].argmax(1) == noise.codes).mean()
            assert unseen < 0.8
            assert seen >= unseen - 0.1


def test_windows_of_a_recording_are_judged_and_taught_together(plan, tmp_path, monkeypatch) -> None:
    """What tells the recording and not the class cannot be predicted, and a label teaches its whole recording."""
    rng = np.random.default_rng(1)
    y = np.arange(24) % 2
    whole = rng.standard_normal((24, 24, 16 + 8 * 4)) + 8 * rng.standard_normal((24, 24, 1))
    x = np.stack([one[:, 8 * i : 8 * i + 16] for one in whole for i in range(5)]).astype(np.float32)
    known = np.where(np.arange(120) % 5 < 3, np.repeat(y, 5), -1)
    dataset = from_arrays(x, known)
    job, _ = _job(dataset, plan, 0, None)
    assert (job.taught(job.y) == np.repeat(y, 5)).all()
    assert (job.taught(np.where(np.arange(120) < 5, job.y, -1)) != -1).sum() == 5
    # Of a class that one recording alone has, nothing is told of what is held out by what was learnt.
    alone, _ = _job(replace(dataset, y=np.where(np.arange(120) < 5, 1, np.where(known == -1, -1, 0))), plan, 0, None)
    assert alone.together is not None
    assert len(set(alone.together[:5])) == 5
    assert (alone.taught(np.where(np.arange(120) == 0, alone.y, -1)) != -1).sum() == 1
    trained_on = []

    def fit_pool(self, pool, labels):
        trained_on.append(int((labels != -1).sum()))
        return fitted(self, pool, labels)

    fitted = SelfTrainedProbe.fit_pool
    monkeypatch.setattr(SelfTrainedProbe, "fit_pool", fit_pool)
    for together in (True, False):
        this = job if together else replace(job, windows=None)
        (tmp_path / str(together)).mkdir()
        module = torch.nn.Sequential(kinds.of("series").learn(x).preprocess(), torch.nn.Flatten())
        result = heads(this, "standardised", module, tmp_path / str(together))
        held_out = result.arrays["1.held_out"]
        right = correctness(held_out, job.codes).mean()
        assert right < 0.7 if together else right > 0.9
        assert trained_on[0] == (120 if together else 72)
        trained_on.clear()


def test_labels_are_spread_once_for_both_heads_that_ask(images, monkeypatch, tmp_path) -> None:
    job, run = images.reopen()
    run.close()
    spreads = []

    def counted(*of):
        spreads.append(of)
        return spread(*of)

    monkeypatch.setattr("attar.adapt.propagate.spread", counted)
    found = heads(job, "pca", _pca(job), tmp_path)
    assert len(found.facts["candidates"]) == 4
    # And once from all labels.
    assert len(spreads) - 1 == job.plan.repeats == 1


def test_heads_to_which_classes_are_as_frequent_already_are_not_weighted_again(plan, tmp_path) -> None:
    """Propagation gives each class the same mass: weighted once more, it said nothing but the rare one."""
    x, y = load_digits(n_class=2, return_X_y=True)
    order = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:20]])
    x, y = x[order].reshape(-1, 8, 8), y[order]
    job, _ = _job(from_arrays(x, np.where(np.arange(len(y)) % 4, -1, y)), plan, 0, None, balanced=True)
    even, plain = (heads(replace(job, balanced=b), "pca", _pca(job), tmp_path) for b in (True, False))
    one = {facts["name"].removeprefix("pca + "): i for i, facts in enumerate(even.facts["candidates"])}
    both, trained, propagated = (one[head] for head in ("self-trained and propagation", "self-trained", "propagation"))
    for of in ("held_out", "everything"):
        said = {head: even.arrays[f"{head}.{of}"] for head in (both, trained, propagated)}
        np.testing.assert_allclose(said[both], (said[trained] + said[propagated]) / 2)
    # Where classes do not count the same, the rare one has the mass of its labels.
    rare = [found.arrays[f"{propagated}.everything"].mean(0)[1] for found in (plain, even)]
    assert rare[0] < rare[1]
    said = plain.arrays[f"{trained}.everything"]
    expected = weighted(said, class_weights(said[job.labelled], job.codes))
    np.testing.assert_allclose(even.arrays[f"{trained}.everything"], expected)
    right = correctness(even.arrays[f"{propagated}.held_out"], job.codes)
    assert estimate(right, None, classes=job.codes)[0] > 0.95
    assert all(facts["difference"] < TOLERANCE for facts in even.facts["candidates"])


def test_representations_of_all_samples_do_not_outlive_their_stage(images, monkeypatch, tmp_path) -> None:
    """What draws a learning curve is kept of every candidate of a run, and a representation may have many columns."""
    job, run = images.reopen()
    run.close()
    represented = []

    def watched(*of, **how):
        z = apply(*of, **how)
        represented.append(weakref.ref(z))
        return z

    monkeypatch.setattr("attar.trials.heads.apply", watched)
    heads(job, "pca", _pca(job), tmp_path)
    gc.collect()
    assert len(job.curves) == 4
    assert represented
    assert not any(z() is not None for z in represented)


def test_a_learning_curve_is_drawn_of_what_is_asked_for_alone(images, tmp_path, monkeypatch) -> None:
    job, run = images.reopen()
    run.close()
    drawn = []

    def counted(*of, **how):
        drawn.append(of)
        return learning_curve(*of, **how)

    monkeypatch.setattr("attar.trials.base.learning_curve", counted)
    with Run(tmp_path / "r", {}, {}) as run:
        found = {c.name: c for c in candidates(job, run)}
        assert job.curves.keys() == found.keys()
        assert not drawn
        here = tuple(CurvePoint(**asdict(point)) for point in job.curves["simclr + linear"]())
        assert here[0].labels < len(job.codes)
        # Another process reads back what was tried, and fits it anew.
        other = replace(job, curves={})
        assert [c.name for c in candidates(other, run)] == list(found)
        assert not other.curves
        assert learning(other, run, found["simclr + linear"]) == here
        assert len(drawn) == 2
        # Read back, it is not drawn again.
        assert learning(other, run, found["simclr + linear"]) == here
        assert len(drawn) == 2
        assert [file.name for file in (run.folder / "stages" / "learning-curve").iterdir()] == ["result.safetensors"]


def test_each_candidate_of_a_stage_takes_its_own_time_and_its_share_of_the_fitting(
    images, tmp_path, monkeypatch
) -> None:
    job, run = images.reopen()
    run.close()
    clock = [0.0]

    def later(*of, **how):
        clock[0] += 8
        return measured(*of, **how)

    measured = base.measure
    monkeypatch.setattr(base, "measure", later)
    for module in ("base", "heads"):
        monkeypatch.setattr(f"attar.trials.{module}.time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert [one["seconds"] for one in heads(job, "pca", _pca(job), tmp_path).facts["candidates"]] == [8.0] * 4
    # The last of the fitting.
    monkeypatch.setattr("attar.trials.heads.writer", lambda *_: clock.append(clock.pop() + 5) or write)
    write = writer(job, _pca(job), torch.nn.Linear(64, len(job.meta.classes)))
    monkeypatch.setattr(base, "check", lambda *_: 0.0)
    assert [one["seconds"] for one in heads(job, "pca", _pca(job), tmp_path).facts["candidates"]] == [13.0] * 4


def test_networks_see_only_their_own_part(images, monkeypatch) -> None:
    job, run = images.reopen()
    run.close()
    parts = []

    def spy(kind, n_classes, x, y, **settings):
        parts.append(len(x))
        return train_from_scratch(kind, n_classes, x, y, **settings)

    monkeypatch.setattr("attar.trials.networks.train_from_scratch", spy)
    result = networks(job, "from scratch", None, images.folder)
    n = len(job.codes)
    assert parts[0] == n
    assert all(size < n for size in parts[1:])
    assert result.facts["candidates"][0]["name"] == "from scratch"


def test_the_map_of_a_network_shows_what_its_own_encoder_makes_of_samples(images, monkeypatch) -> None:
    """And not what the pretrained one did, before it was trained on, nor answers."""
    job, run = images.reopen()
    run.close()
    trained = []
    for name, train in (("train_from_scratch", train_from_scratch), ("fine_tune", fine_tune)):

        def kept(*of, train=train, **how):
            trained.append(train(*of, **how))
            return trained[-1]

        monkeypatch.setattr(f"attar.trials.networks.{name}", kept)
    with torch.random.fork_rng(devices=[]):
        encoder = job.kind.encoder(32)
    pretrained = torch.nn.Sequential(job.kind.preprocess(), encoder).eval()
    for of in (None, pretrained):
        trained.clear()
        points = networks(job, "simclr", of, images.folder).arrays["points"]
        own = torch.nn.Sequential(job.kind.preprocess(), trained[0][0]).eval()
        np.testing.assert_allclose(points, apply(own, job.x[job.shown]), atol=1e-5)
    assert not np.allclose(points, apply(pretrained, job.x[job.shown]), atol=1e-3)


def test_on_one_axis_nothing_is_propagated_and_the_map_shows_the_samples(plan, hidden, tmp_path) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    job, _ = _job(from_arrays((rng.standard_normal(60) + 2 * y)[:, None], hidden(y, 4)), plan, 0, None)
    found = heads(job, "pca", _pca(job), tmp_path)
    facts = found.facts
    assert [one["name"] for one in facts["candidates"]] == ["pca + linear", "pca + self-trained"]
    assert len(facts["left_out"]) == 1
    assert "pca + propagation is left out: on one axis" in facts["left_out"][0]
    assert len(np.unique(found.arrays["points"])) == 60


def test_what_cannot_be_exported_is_left_out_and_nothing_left_is_an_error(plan, hidden, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("attar.trials.base.TOLERANCE", -1.0)
    dataset = from_arrays(np.random.default_rng(0).standard_normal((60, 3)), hidden(np.arange(60) % 2, 4))
    with (
        Run(tmp_path / "run", {}, {}) as run,
        pytest.raises(ExportError, match="nothing that was tried could be") as told,
    ):
        run_job(dataset, plan, Budget(), run, Silent(), seed=0, command="")
    # Of the file that lay in a folder of the run, a person knows nothing.
    assert "is left out: differs from its original by" in str(told.value)
    assert str(tmp_path) not in str(told.value)


def test_global_random_state_is_left_alone(images) -> None:
    job, run = images.reopen()
    state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    with run:
        list(candidates(job, run))
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002


def test_series_of_which_the_shape_matters_alone_are_standardised_each_by_itself(plan, hidden, tmp_path) -> None:
    """Where labels follow the shape, and height and reach are chance; not offered where nothing is gained."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    shape = np.sin(np.arange(40) * (0.2 + 0.1 * y)[:, None] + rng.uniform(0, 6, (90, 1)))
    alone = (shape - shape.mean(1, keepdims=True)) / shape.std(1, keepdims=True)
    height, reach = rng.normal(0, 5, (90, 1)), np.exp(rng.normal(0, 2, (90, 1)))
    only = plan.model_copy(update={"simclr_epochs": 0, "autoencoder_epochs": 0, "tune_steps": 0, "kernels": 64})
    by_level = np.repeat(y, 40).reshape(90, 40) + 0.1 * rng.standard_normal((90, 40))
    cases = {"shape": reach * shape + height, "level": by_level, "standardised": alone}
    found, said = {}, {}
    for name, x in cases.items():
        job, _ = _job(from_arrays(x[:, None].astype(np.float32), hidden(y, 5)), only, 0, None)
        with Run(tmp_path / name, {}, {}) as run:
            said[name] = []
            found[name] = {c.name: c for c in candidates(job, run, said[name])}
    tried = {name: "random convolutions by sample + linear" in of for name, of in found.items()}
    assert tried == {"shape": True, "level": False, "standardised": False}
    right = {name: correctness(c.held_out, job.codes).mean() for name, c in found["shape"].items()}
    assert right["random convolutions by sample + linear"] > right["random convolutions + linear"] + 0.1
    assert found["shape"]["random convolutions by sample + linear"].baseline
    reason = "random convolutions by sample is left out: a linear head on it reaches"
    assert [reason in " ".join(said[name]) for name in cases] == [False, True, False]


def test_what_cannot_catch_up() -> None:
    ahead = Ahead()
    assert ahead.beyond(np.zeros(10)) == ""  # nothing is ahead
    ahead.pass_by("simple", np.r_[np.ones(90), np.zeros(10)])
    ahead.pass_by("worse", np.r_[np.ones(80), np.zeros(20)])
    assert ahead.name == "simple"
    behind = np.r_[np.ones(60), np.zeros(40)]
    sentence = "a linear head on it reaches 60.0 % where “simple” has 90.0 %"
    assert ahead.beyond(behind, trained=0.25) == f"after 25 % of its training {sentence}"
    assert ahead.beyond(behind) == sentence
    # 30 points with a standard error of 4.6, by the closed form of a share, are more than 5.
    lead = ahead.right - behind
    assert lead.mean() - 2 * np.sqrt(0.3 * 0.7 / 99) > 0.05
    few = Ahead("simple", np.array([1.0, 1, 1, 0, np.nan]))
    assert few.beyond(np.array([1.0, 0, 0, 1, np.nan]), trained=0.25) == ""  # by chance
    assert few.beyond(np.array([1.0, 0, 0, 1, np.nan]))
    nothing_shared = Ahead("simple", np.array([1.0, 1, np.nan, np.nan]))
    assert nothing_shared.beyond(np.array([np.nan, np.nan, 0, 0])) == ""
    assert nothing_shared.beyond(np.full(4, np.nan)) == ""
    # A recording of 25 windows that one gets wrong and the other does not says as much as one sample.
    recordings = Ahead("simple", np.ones(100), together=np.repeat(np.arange(4), 25))
    assert Ahead("simple", np.ones(100)).beyond(np.repeat([0.0, 1, 1, 1], 25), trained=0.25)
    assert recordings.beyond(np.repeat([0.0, 1, 1, 1], 25), trained=0.25) == ""
    assert recordings.beyond(np.zeros(100), trained=0.25)
    close = Ahead("simple", np.ones(100_000))
    assert close.beyond(np.r_[np.ones(96_000), np.zeros(4_000)], trained=0.25) == ""  # may still gain as much
    assert close.beyond(np.r_[np.ones(94_000), np.zeros(6_000)], trained=0.25)


def test_a_pretext_that_cannot_catch_up_is_not_trained_on(images, plan, tmp_path, monkeypatch) -> None:
    job, run = images.reopen()
    run.close()
    said = []
    job = replace(job, progress=SimpleNamespace(task=job.progress.task, say=said.append))
    monkeypatch.setattr("attar.candidates.probed", lambda job, module: np.zeros(len(job.codes)))
    with Run(tmp_path / "r", {}, {}) as run:
        notes = []
        names = [c.name for c in candidates(job, run, notes)]
        assert not any("simclr" in name or "autoencoder" in name for name in names)
        assert len(notes) == 2
        assert [f"note        {note}" for note in notes] == said
        assert all("is left out: after 25 % of its training" in line for line in said)
        stages = run.folder / "stages"
        assert (stages / "simclr-first-look").exists()
        assert not any((stages / "simclr-training").iterdir())
        # Started again, it is not looked at anew.
        monkeypatch.setattr("attar.candidates.probed", None)
        again = []
        assert [c.name for c in candidates(job, run, again)] == names
        assert again == notes


@pytest.mark.parametrize(("factor", "spread_of"), [(100.0, 1.0), (0.0, 0.0)])
def test_what_stands_beside_what_is_learnt_weighs_as_much(images, factor, spread_of, monkeypatch, tmp_path) -> None:
    class Times(torch.nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.factor = factor

        def forward(self, x):
            return self.factor * x.flatten(1)

    job, run = images.reopen()
    run.close()
    monkeypatch.setattr("attar.candidates.heads", lambda job, name, module, folder: (name, module))
    learnt = Times(1.0)
    assert _beside_own(job, "one", learnt, tmp_path) == ("one", learnt)
    monkeypatch.setattr(type(job.kind), "own_baselines", lambda _: {"other": Times(factor)})
    name, both = _beside_own(job, "one", learnt, tmp_path)
    first, second = np.split(apply(both, job.x), 2, axis=1)
    assert name == "one beside other"
    assert first.var(0).sum() == pytest.approx(1, rel=1e-4)
    assert second.var(0).sum() == pytest.approx(spread_of, rel=1e-4)


@pytest.mark.parametrize("name", ["masked", "cca-ssg", "moco", "byol"])
@pytest.mark.parametrize("of", ["images", "series", "table"])
def test_every_pretext_can_be_asked_for(request, of, name, plan, tmp_path, monkeypatch) -> None:
    job, run = request.getfixturevalue(of).reopen()
    run.close()
    monkeypatch.setattr(type(job.kind), "baselines", ("raw",))
    only = plan.model_copy(update={"pretexts": (name,), "tune_steps": 0})
    with Run(tmp_path / "r", {}, {}) as run:
        notes = []
        found = {c.name: c for c in candidates(replace(job, plan=only), run, notes)}
        # Of a training of some steps it may be said that it collapsed, or that it cannot catch up.
        assert f"{name} + linear" in found or any(note.startswith(f"{name} is left out: ") for note in notes)
        assert not any(c.baseline for learnt, c in found.items() if learnt.startswith(name))
    assert not any(other in learnt for learnt in found for other in ("simclr", "autoencoder"))


def test_what_there_is_no_time_for_is_named_before_anything_is_tried(table, plan, tmp_path, monkeypatch) -> None:
    job, run = table.reopen()
    run.close()
    monkeypatch.setattr(type(job.kind), "baselines", ("raw",))
    short = {"tune_steps": 0, "simclr_epochs": 0, "autoencoder_epochs": 0}
    for pretexts, names in (("moco",), ["moco"]), (None, ["autoencoder", "simclr"]), ((), []):
        only = plan.model_copy(update={"pretexts": pretexts, **short})
        said, notes = [], []
        this = replace(job, plan=only, progress=SimpleNamespace(task=job.progress.task, say=said.append))
        with Run(tmp_path / str(pretexts), {}, {}) as run:
            tried = candidates(this, run, notes)
            assert next(tried).name == "raw + linear"
            left_out, them = ", ".join(["from scratch", *names]), "them" if names else "it"
            note = f"left out, for there is no time to train {them}: {left_out}; allow more"
            assert said == [f"note        {note}"]
            assert not list(tried)
            assert notes == [note]


def test_series_have_a_pretext_of_their_own(series, plan, tmp_path, monkeypatch) -> None:
    job, run = series.reopen()
    run.close()
    monkeypatch.setattr(type(job.kind), "baselines", ("raw",))
    job = replace(job, plan=plan.model_copy(update={"pretexts": ("ts-tcc",), "tune_steps": 0}))
    with Run(tmp_path / "r", {}, {}) as run:
        found = {c.name: c for c in candidates(job, run)}
        linear = found["ts-tcc + linear"]
        said = load(linear.path).predict_proba(job.x[job.labelled])
        assert np.abs(said - linear.everything[job.labelled]).max() <= TOLERANCE


@pytest.mark.parametrize("case", ["one of a class among many", "larger than can be summed"])
def test_trees_learn_from_any_table(case, monkeypatch) -> None:
    # Of so many, scikit-learn's boosting sets some of each class aside.
    n = 10_010 if "many" in case else 40
    x, y = np.arange(2 * n, dtype=np.float32).reshape(n, 2), np.arange(n) % 2
    if "many" in case:
        y[n // 2] = 2
    else:
        x[: n // 2, 1], x[-1, 1] = 3e38, np.nan
    monkeypatch.setattr("sklearn.ensemble.RandomForestClassifier", lambda *_, **__: DecisionTreeClassifier(max_depth=2))
    monkeypatch.setattr("attar.trials.trees.finished", lambda _job, fitted, *_, **__: fitted)
    data = from_arrays(x, y)
    kind = kinds.of("table").learn(data.x, data.columns)
    job = SimpleNamespace(kind=kind, x=data.x, labelled=np.arange(n), codes=data.y, seed=0, shown=[0], meta=None)
    for one in trees(job, None):
        assert one.everything.shape == (n, len(np.unique(y)))
        assert np.isfinite(one.everything).all()
