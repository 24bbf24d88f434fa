"""Every axis on every kind of data; that advice keeps what it promises; what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from attar import kinds, sweeps
from attar.data.arrays import from_arrays
from attar.data.dataset import UNLABELLED, Dataset
from attar.data.sources import read
from attar.errors import DataError, LabelError
from attar.preparation import Options, prepared
from attar.risk import Curve
from attar.risk.columns import PENALTIES, noise_curve, penalty_curve
from attar.sweeps import AXES, Axis, Labelled, axis_of, cross_validated, least_training, sizes_around, sweep
from attar.training.progress import Silent
from attar.trials.base import apply
from tests.test_graph_job import karate
from tests.test_text import letters

NETWORKS = ("width", "epochs")


def few(dataset: Dataset, per_class: int, seed: int = 0) -> Labelled:
    """So many labels of each class; what is not labelled stays."""
    rng = np.random.default_rng(seed)
    codes = np.unique(dataset.y[dataset.y != UNLABELLED])
    chosen = np.sort(np.concatenate([rng.permutation(np.flatnonzero(dataset.y == c))[:per_class] for c in codes]))
    learnt = kinds.of(dataset.kind).learn(dataset.x, dataset.columns)
    return Labelled(learnt, dataset.x, chosen, dataset.y[chosen], seed)


def of_kind(kind: str) -> Labelled:
    if kind == "table":
        return few(read("wine"), 6)
    if kind == "image":
        x, y = load_digits(n_class=3, return_X_y=True)
        return few(from_arrays(x[:60].reshape(-1, 8, 8), y[:60]), 6)
    if kind == "series":
        return few(read("italy-power-demand"), 6)
    if kind == "text":
        return few(from_arrays(*letters(60)), 6)
    return few(from_arrays(*karate()), 6)


@pytest.mark.usefixtures("quick_sweeps")
@pytest.mark.parametrize("kind", ["table", "image", "series", "text", "graph"])
def test_every_axis_of_every_kind(kind: str) -> None:
    data = of_kind(kind)
    assert data.kind.name == kind
    n = least_training(data.codes)
    for over in AXES:
        found = sweep(data, over, Silent())
        curve, advice = found.curve, found.advice
        assert curve.over == advice.over == over
        assert axis_of(over, data, n).default in curve.axis
        assert advice.default == axis_of(over, data, n).default
        assert curve.draws == 3
        assert np.isfinite(curve.test_risk).all()
        assert curve.zero_one is not None
        assert ((curve.zero_one.test_risk >= 0) & (curve.zero_one.test_risk <= 1)).all()
        assert curve.loss == ("cross-entropy" if over in NETWORKS else "squared error")
        assert advice.keep or over == "samples" or advice.setting in curve.axis
        assert found.looked_at is None
        assert advice.sentence.endswith(".")


@pytest.mark.usefixtures("quick_sweeps")
def test_a_seed_decides_everything() -> None:
    data = of_kind("table")
    for over in ("features", "trees", "width"):
        first, again, other = (sweep(d, over, Silent()) for d in (data, of_kind("table"), replace(data, seed=1)))
        assert first.curve.to_json() == again.curve.to_json()
        assert first.advice == again.advice
        assert first.curve.to_json() != other.curve.to_json()


@pytest.mark.usefixtures("quick_sweeps")
def test_labelled_samples_are_seen_once_for_all_axes(monkeypatch) -> None:
    data, given = of_kind("image"), []

    def counted(module, x, *rest):
        given.append(len(x))
        return apply(module, x, *rest)

    monkeypatch.setattr(sweeps, "apply", counted)
    for over in ("features", "leaves", "λ", "trees", "samples", "label noise"):
        sweep(data, over, Silent())
    # As features and as inputs.
    assert given == [len(data.labelled)] * 2


@pytest.mark.usefixtures("quick_sweeps")
def test_the_test_part_is_looked_at_where_the_model_stands_and_where_it_should() -> None:
    data = of_kind("table")
    wine = read("wine")
    test = wine.x[:40], wine.y[:40]
    found = sweep(data, "λ", Silent(), test)
    assert found.looked_at is not None
    alone = penalty_curve(data.seen("features"), data.codes, data.seen("features", test[0]), test[1])
    for looked, place in zip(found.looked_at, (found.advice.default, found.advice.setting)):
        i = int(np.flatnonzero(alone.axis == place)[0])
        assert looked.axis.tolist() == [place]
        assert looked.test_risk[0] == alone.test_risk[i]
        assert looked.zero_one is not None
        assert alone.zero_one is not None
        assert looked.zero_one.test_risk[0] == alone.zero_one.test_risk[i]
    # What is chosen does not depend on it.
    assert sweep(data, "λ", Silent()).advice == found.advice
    # A class that no label has is one that nobody gets right.
    strange = sweep(data, "λ", Silent(), (test[0], np.full(40, 7)))
    assert strange.looked_at is not None
    assert strange.looked_at[0].zero_one is not None
    assert strange.looked_at[0].zero_one.test_risk[0] == 1


@pytest.mark.usefixtures("quick_sweeps")
def test_more_labels_are_advised_as_twice_those_there_are() -> None:
    data = of_kind("series")
    advice = sweep(data, "samples", Silent()).advice
    assert advice.setting == 2 * advice.default
    assert not advice.keep


def test_a_risk_that_falls_as_a_power_of_the_labels_is_foretold() -> None:
    """R(n) = n^(-1/2) and 160 labels to train on: twice as many take off R (1 − 2^(-1/2))."""
    z, codes = np.zeros((200, 1)), np.arange(200) % 2
    sizes = np.array([20, 40, 80, 160])

    def measure(*_: Any) -> Any:
        risk = sizes**-0.5
        return Curve(sizes, risk, risk, over="samples")

    advice = cross_validated(Axis("", 160, measure), "samples", z, codes, 0, Silent()).advice
    expected = 160**-0.5 * (1 - 2**-0.5)
    assert advice.gain.mean == pytest.approx(expected)
    assert advice.gain.interval == pytest.approx((expected, expected))


def test_groups_are_left_out_whole() -> None:
    """Of unequal ones, every fold leaves as many samples to train on as was counted on."""
    rng = np.random.default_rng(0)
    together = np.repeat(np.arange(9), rng.integers(2, 12, 9))
    codes, least = rng.integers(0, 2, len(together)), []

    def measure(x: Any, y: Any, t: Any, *_: Any) -> Any:
        assert not set(x[:, 0]) & set(t[:, 0])
        least.append(len(x))
        return Curve([1, 2], [0, 0], [1.0, 1.2], over="samples")

    for seed in range(3):
        least.clear()
        cross_validated(Axis("", 2, measure), "samples", together[:, None], codes, seed, Silent(), together)
        assert len(least) == 30
        assert min(least) == least_training(codes, seed, together)


def test_a_risk_that_does_not_fall_promises_nothing_of_more_labels() -> None:
    def measure(*_: Any) -> Any:
        return Curve([5, 10], [0, 0], [1.0, 1.2], over="samples")

    advice = cross_validated(Axis("", 10, measure), "samples", np.zeros((12, 1)), np.arange(12) % 2, 0, Silent()).advice
    assert advice.keep
    assert advice.sentence.startswith("More labels promise nothing")


def simulated(n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """One of 60 columns tells two classes apart, not always."""
    z = rng.standard_normal((n, 60))
    return z, (3 * z[:, 0] + rng.standard_normal(n) > 0).astype(np.int64)


def test_the_advised_ridge_is_as_good_as_the_best_and_gains_what_was_promised() -> None:
    """Against 10 000 fresh samples, by all the labels there are."""
    fresh, u = simulated(10_000, np.random.default_rng(99))
    tried, held = PENALTIES[::3], []

    def measure(x: Any, y: Any, t: Any, u: Any, _: int = 0) -> Any:
        return penalty_curve(x, y, t, u, tried)

    for seed in range(10):
        z, y = simulated(60, np.random.default_rng(seed))
        advice = cross_validated(Axis("", float(tried[0]), measure), "λ", z, y, seed, Silent()).advice
        truth = measure(z, y, fresh, u)
        found = int(np.flatnonzero(truth.axis == advice.setting)[0])
        assert not advice.keep
        assert truth.test_risk[found] <= 1.05 * truth.test_risk.min()
        # Of a fold's model, with a fifth fewer labels: that of all of them gains a little less, or more.
        parts = [np.setdiff1d(np.arange(60), np.arange(k, 60, 5)) for k in range(5)]
        curves = [measure(z[part], y[part], fresh, u).test_risk for part in parts]
        gain = np.mean([risk[0] - risk[found] for risk in curves])
        held.append(advice.gain.interval[0] <= gain <= advice.gain.interval[1])
    assert sum(held) >= 8


def test_what_noise_costs_is_foretold_as_a_loss() -> None:
    z, y = simulated(60, np.random.default_rng(0))
    axis = Axis("", 0.0, lambda x, y, t, u, seed: noise_curve(x[:, :5], y, t[:, :5], u, [0, 0.05], random_state=seed))
    advice = cross_validated(axis, "label noise", z, y, 0, Silent()).advice
    assert (advice.default, advice.setting) == (0.0, 0.05)
    assert advice.gain.mean < 0


def test_sizes_lie_close_where_there_are_as_many_features_as_samples() -> None:
    sizes = sizes_around(40, 1000)
    assert sizes == sorted(set(sizes))
    assert (sizes[0], sizes[-1]) == (4, 1000)
    assert {38, 40, 42} <= set(sizes)
    for n, p in ((2, 1), (40, 3), (1, 1), (1000, 10)):
        sizes = sizes_around(n, p)
        assert sizes == sorted(set(sizes))
        assert min(sizes) >= 1
        assert sizes[-1] == p


@pytest.mark.parametrize(
    ("codes", "message"),
    [([0, 0, 0], "one class"), ([], "one class"), ([0, 1], "2 labels are too few"), ([0, 1, 2], "too few")],
)
def test_labels_that_leave_nothing_to_judge_by_are_refused(codes: list[int], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        least_training(np.array(codes, dtype=np.int64))
    data = few(read("wine"), 2)
    with pytest.raises(LabelError, match=message):
        sweep(replace(data, labelled=data.labelled[: len(codes)], codes=np.array(codes, int)), "λ", Silent())


def test_an_axis_that_there_is_not_is_named() -> None:
    data = of_kind("table")
    with pytest.raises(DataError, match="over is 'depth': give one of features, λ"):
        sweep(data, "depth", Silent())


@pytest.mark.usefixtures("quick_sweeps")
@pytest.mark.parametrize("case", ["three labels", "a single label of a class", "more classes than folds", "constant"])
def test_little_to_learn_from_is_enough(case: str) -> None:
    wine = read("wine")
    data = few(wine, 2)
    if case == "three labels":
        data = replace(data, labelled=data.labelled[[0, 1, 2]], codes=np.array([0, 0, 1]))
    elif case == "a single label of a class":
        data = replace(data, labelled=data.labelled[:5], codes=np.array([0, 0, 1, 1, 2]))
    elif case == "more classes than folds":
        data = replace(data, labelled=np.arange(40), codes=np.arange(40) // 2)
    else:
        x = np.ones_like(wine.x)
        data = replace(data, kind=kinds.of("table").learn(x, wine.columns), x=x)
    for over in AXES:
        found = sweep(data, over, Silent())
        assert np.isfinite(found.curve.test_risk).all()
        assert np.isfinite([found.advice.gain.mean, *found.advice.gain.interval]).all()


def test_gaps_in_a_table_are_filled_before_it_is_measured() -> None:
    wine = read("wine")
    x = wine.x.copy()
    x[::7, 0] = np.nan
    x[:, 1] = np.nan
    data = few(replace(wine, x=x), 5)
    for view in ("features", "inputs"):
        assert np.isfinite(data.seen(view)).all()


def test_options_draw_the_same_labels_for_a_seed() -> None:
    first, again = (prepared(read("iris"), Options(labels_per_class=5, seed=3)) for _ in range(2))
    assert np.array_equal(first.y, again.y)
    assert np.array_equal(np.asarray(first.test), np.asarray(again.test))
