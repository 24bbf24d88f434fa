"""Parts of a risk where each is known, and what hostile input does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from attar.errors import DataError
from attar.risk import Decomposition, decompose, decomposition_curve

Array = np.ndarray[Any, np.dtype[np.float64]]
Draw = Callable[[np.random.Generator], tuple[Array, Array]]
SEEDS, N, SIGMA = 24, 15, 0.7


class Voter(BaseEstimator):  # type: ignore[misc]
    """A model that says 1 with a probability that is the sample's second column, by a coin thrown when it is fitted."""

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: Array, y: Array) -> Voter:
        self.seed_ = self.random_state
        return self

    def predict(self, X: Array) -> Array:
        return (np.random.default_rng(self.seed_).random(len(X)) < X[:, 1]).astype(int)


def line(rng: np.random.Generator, n: int = N) -> tuple[Array, Array]:
    x = rng.standard_normal((n, 3))
    return x, x[:, 0] + SIGMA * rng.standard_normal(n)


def added_up(found: list[Decomposition]) -> float:
    """How often the interval of the risk holds the sum of its parts."""
    sums = [one.bias2 + one.variance + (one.noise or 0) for one in found]
    return float(np.mean([one.intervals["risk"][0] <= s <= one.intervals["risk"][1] for one, s in zip(found, sums)]))


def covered(found: list[Decomposition], known: dict[str, float]) -> dict[str, float]:
    """How often the interval of each part holds what is known."""
    return {
        name: float(np.mean([one.intervals[name][0] <= value <= one.intervals[name][1] for one in found]))
        for name, value in known.items()
    }


@pytest.mark.parametrize(
    ("model", "bias2", "variance"),
    [
        # Of the mean of N targets: f varies by 1 over samples.
        (DummyRegressor(), 1.0, (1 + SIGMA**2) / N),
        # Of least squares on p Gaussian columns: σ² p / (N − p − 1).
        (LinearRegression(fit_intercept=False), 0.0, SIGMA**2 * 3 / (N - 3 - 1)),
    ],
)
def test_parts_of_squared_error_that_are_known(model: Any, bias2: float, variance: float) -> None:
    found = []
    for seed in range(SEEDS):
        t, expected = line(np.random.default_rng([seed, 1]), 150)
        found.append(decompose(model, line, None, t, expected, f_test=t[:, 0], random_state=seed))
    known = {"bias2": bias2, "variance": variance, "noise": SIGMA**2, "risk": bias2 + variance + SIGMA**2}
    # Of 24 intervals that hold it 9 times in 10, fewer than 17 do so once in 1000 times.
    assert added_up(found) >= 0.7
    assert min(covered(found, known).values()) >= 0.7
    for name, value in known.items():
        values = [getattr(one, name) for one in found]
        assert abs(np.mean(values) - value) < 4 * np.std(values) / SEEDS**0.5


def test_two_draws_are_enough_for_an_unbiased_answer() -> None:
    def draw(rng: np.random.Generator) -> tuple[Array, Array]:
        return np.zeros((N, 1)), rng.standard_normal(N)

    t, nothing = np.zeros((5, 1)), np.zeros(5)
    found = [decompose(DummyRegressor(), draw, None, t, nothing, draws=2, random_state=seed) for seed in range(100)]
    for name, value in {"bias2": 0.0, "variance": 1 / N}.items():
        values = [getattr(one, name) for one in found]
        error = 4 * np.std(values) / 100**0.5
        assert abs(np.mean(values) - value) < error
        # The average of two draws leaves half of the variance, which must not stay in the bias.
        assert name == "variance" or error < 0.5 / N


def test_noise_is_estimated_from_several_targets() -> None:
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, 1])
        t, _ = line(rng, 200)
        expected = t[:, :1] + SIGMA * rng.standard_normal((200, 3))
        found.append(decompose(DummyRegressor(), line, None, t, expected, random_state=seed))
        assert found[-1].noise is not None
        assert found[-1].bias2 + found[-1].variance + found[-1].noise == pytest.approx(found[-1].risk)
    assert min(covered(found, {"noise": SIGMA**2, "bias2": 1.0}).values()) >= 0.7


@pytest.mark.parametrize("loss", ["squared", "cross-entropy"])
def test_parts_of_class_probabilities_that_are_known(loss: str) -> None:
    share, n = 0.3, 60

    def draw(rng: np.random.Generator, count: int = n) -> tuple[Array, Array]:
        return np.zeros((count, 1)), (rng.random(count) < share).astype(int)

    truth = np.tile([1 - share, share], (150, 1))
    found = []
    for seed in range(SEEDS):
        t, expected = draw(np.random.default_rng([seed, 1]), 150)
        found.append(decompose(DummyClassifier(), draw, None, t, expected, loss=loss, f_test=truth, random_state=seed))
    assert added_up(found) >= 0.7
    # To first order in 1 / n, cross-entropy varies by 1 / 2n.
    known = {
        "squared": {"noise": 2 * share * (1 - share), "variance": 2 * share * (1 - share) / n},
        "cross-entropy": {"noise": -(share * np.log(share) + (1 - share) * np.log(1 - share)), "variance": 0.5 / n},
    }[loss]
    for name, value in known.items():
        values = [getattr(one, name) for one in found]
        assert abs(np.mean(values) - value) < 4 * np.std(values) / SEEDS**0.5 + 0.05 * value
    # There is none, but what d draws leave of the variance.
    values = [one.bias2 for one in found]
    assert abs(np.mean(values)) < 4 * np.std(values) / SEEDS**0.5 + 0.05 * known["variance"]


def test_parts_of_zero_one_loss_that_are_known() -> None:
    found = []
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, 1])
        votes, ones = rng.choice([0.1, 0.8], 150), rng.choice([0.2, 0.9], 150)
        t = np.stack([ones, votes], axis=1)
        expected = (rng.random(150) < ones).astype(int)
        truth = np.stack([1 - ones, ones], axis=1)
        x, y = t[:20], np.arange(20) % 2
        found.append(decompose(Voter(), x, y, t, expected, loss="zero-one", f_test=truth, draws=60, random_state=seed))
    assert added_up(found) >= 0.7
    # Half of the samples are biased; c₁ N + B + c₂ V with P(main) of 0.9 or 0.8.
    known = {
        "bias2": 0.5,
        "unbiased_variance": (0.1 + 0.2) / 4,
        "biased_variance": (0.1 + 0.2) / 4,
        "noise": (0.8 * 0.2 - 0.8 * 0.1 - 0.6 * 0.2 + 0.6 * 0.1) / 4,
    }
    assert min(covered(found, known).values()) >= 0.7


def test_unknown_noise_stays_in_the_bias() -> None:
    t, expected = line(np.random.default_rng(1), 100)
    one = decompose(DummyRegressor(), line, None, t, expected)
    two = decompose(DummyRegressor(), line, None, t, expected, noise=0.25)
    assert one.noise is None
    assert "noise" not in one.intervals
    assert one.bias2 + one.variance == pytest.approx(one.risk)
    assert two.bias2 == pytest.approx(one.bias2 - 0.25)
    assert two.risk == one.risk


def test_training_sets_are_drawn_as_asked() -> None:
    x, y = line(np.random.default_rng(0), 40)
    seen: list[Array] = []

    class Seen(DummyRegressor):  # type: ignore[misc]
        def fit(self, X: Array, y: Array) -> Any:
            seen.append(X)
            return super().fit(X, y)

    decompose(Seen(), x, y, x, y, draws=4, sampling="disjoint")
    assert sorted(np.concatenate(seen)[:, 0]) == sorted(x[:, 0])
    seen.clear()
    decompose(Seen(), x, y, x, y, draws=4)
    assert [len(part) for part in seen] == [40] * 4
    assert all(len(np.unique(part[:, 0])) < 40 for part in seen)


def test_it_repeats_and_a_model_without_a_seed_is_given_one() -> None:
    x, y = line(np.random.default_rng(0), 40)
    tree = DecisionTreeClassifier(splitter="random")
    for model in (tree, make_pipeline(StandardScaler(), tree)):
        one, two = (decompose(model, x, y > 0, x, y > 0, loss="zero-one", draws=5) for _ in range(2))
        assert one == two
    assert tree.random_state is None


def test_a_curve_of_models() -> None:
    rng = np.random.default_rng(0)
    t, expected = line(rng, 80)
    models = {1 / k: KNeighborsRegressor(k) for k in (1, 3, 15)}
    curve = decomposition_curve(models, line, None, t, expected, over="1 / k", noise=SIGMA**2, draws=8)
    one = decompose(KNeighborsRegressor(3), line, None, t, expected, noise=SIGMA**2, draws=8)
    assert curve.axis.tolist() == [1 / 15, 1 / 3, 1]
    assert curve.bias2 is not None
    assert curve.variance is not None
    assert (curve.test_risk[1], curve.bias2[1], curve.variance[1]) == (one.risk, one.bias2, one.variance)
    assert curve.train_risk[2] == 0
    assert curve.threshold == 1
    assert curve.noise == pytest.approx(SIGMA**2)
    np.testing.assert_allclose(curve.bias2 + curve.variance + curve.noise, curve.test_risk)
    with pytest.raises(DataError, match="no model"):
        decomposition_curve({}, line, None, t, expected)


@pytest.mark.parametrize("loss", ["squared", "cross-entropy", "zero-one"])
def test_hostile_samples_have_an_answer(loss: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 2)), np.array(list("bcdefg"))
    t, expected = rng.standard_normal((4, 2)), np.array(list("abcd"))
    for train, labels in ((x, y), (x[:1], y[:1]), (x, np.full(6, "c")), (np.ones_like(x), y)):
        one = decompose(LogisticRegression(), train, labels, t, expected, loss=loss, draws=3)
        assert one.bias2 + one.variance == pytest.approx(one.risk)
        assert np.isfinite(one.train_risk)


def test_targets_in_an_array_of_objects_are_what_they_are() -> None:
    """As a column of a table that holds names in others."""
    rng = np.random.default_rng(0)
    x, classes, numbers = rng.standard_normal((20, 2)), np.arange(20) % 3, rng.standard_normal(20)
    model: Any
    for model, y in ((LogisticRegression(), classes), (LinearRegression(), numbers)):
        one, other = (decompose(model, x, a, x, a, draws=3) for a in (y, y.astype(object)))
        assert one == other


def test_a_column_of_targets_is_as_good_as_a_row_of_them() -> None:
    x, y = line(np.random.default_rng(0), 20)
    model = RandomForestRegressor(2, random_state=0)
    assert decompose(model, x, y[:, None], x, y[:, None], draws=2) == decompose(model, x, y, x, y, draws=2)


def test_answers_may_be_a_column() -> None:
    class Column(LogisticRegression):  # type: ignore[misc]
        def predict(self, X: Any) -> Any:
            return super().predict(X)[:, None]

    x, y = line(np.random.default_rng(0), 20)
    one, other = (
        decompose(model, x, y > 0, x, y > 0, loss="zero-one", draws=3) for model in (LogisticRegression(), Column())
    )
    assert one == other


def test_bad_input_is_named() -> None:
    x, y = line(np.random.default_rng(0), 10)
    classes = (y > 0).astype(int)
    model: Any
    for model, targets, change, words in (
        (DummyRegressor(), y, {"loss": "hinge"}, "give one of 'squared'"),
        (DummyRegressor(), y, {"draws": 1}, "draws is 1: give a whole number from 2"),
        (DummyRegressor(), y, {"random_state": -1}, "random_state is -1: give a whole number from 0"),
        (DummyRegressor(), y, {"random_state": "a"}, "random_state is 'a': give a whole number from 0"),
        (DummyRegressor(), y, {"loss": "zero-one"}, "for classes"),
        (DummyRegressor(), y, {"noise": -1.0}, "at least 0"),
        (DummyRegressor(), y, {"noise": np.nan}, "at least 0"),
        (DummyRegressor(), y, {"noise": "0.1"}, "at least 0"),
        (DummyRegressor(), y, {"sampling": "jackknife"}, "'bootstrap' or 'disjoint'"),
        (DummyRegressor(), y, {"sampling": "disjoint"}, "too few for 20"),
        (DummyRegressor(), y, {"f_test": y[:4]}, r"f_test has shape \(4, 1\)"),
        (DummyRegressor(), y, {"f_test": np.full(10, np.nan)}, "finite"),
        (DummyRegressor(), None, {}, "y is missing"),
        (DummyClassifier(), classes, {"f_test": np.ones((10, 2))}, "add up to 1"),
        (DummyClassifier(), classes, {"loss": "zero-one", "noise": 0.1}, "none for zero-one"),
        (DummyClassifier(), classes, {"loss": "zero-one", "y_test": np.stack([classes] * 2, axis=1)}, "several"),
        (DummyRegressor(), classes, {}, "no predict_proba"),
        (DummyRegressor(), y, {"y_test": np.empty((10, 0))}, "no column"),
        (StandardScaler(), y, {}, "StandardScaler has no predict: give another model"),
        (StandardScaler(), classes, {"loss": "zero-one"}, "StandardScaler has no predict: give another model"),
        (LinearRegression, y, {}, "model is the class LinearRegression: give an estimator"),
        (len, y, {}, "model is a builtin_function_or_method: give an estimator"),
        (DummyRegressor(), y[:9], {}, "one target for each"),
    ):
        settings = {"y_test": y if targets is None or targets.dtype == float else classes} | change
        with pytest.raises(DataError, match=words):
            decompose(model, x, targets, x, **settings)
    models: Any = [DummyRegressor()]
    with pytest.raises(DataError, match="models is a list: give a dict"):
        decomposition_curve(models, x, y, x, y)
    models = {"small": DummyRegressor()}
    with pytest.raises(DataError, match="the key 'small': give numbers"):
        decomposition_curve(models, x, y, x, y)
    x[1, 0] = np.inf
    with pytest.raises(DataError, match="row 1"):
        decompose(DummyRegressor(), x, y, x, y)
