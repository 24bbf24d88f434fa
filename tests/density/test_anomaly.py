"""The outlier contract, what a p-value means, and hostile input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from attar.density import AnomalyDetector, _scores
from attar.density._ensemble import Ensemble, Narrowing
from attar.density.anomaly import FOLDS
from attar.errors import DataError


def clusters(n: int = 60, d: int = 3, seed: int = 0) -> np.ndarray[Any, Any]:
    """Two clusters with columns of unequal scale."""
    rng = np.random.default_rng(seed)
    return np.asarray((rng.standard_normal((n, d)) + 6 * (rng.random((n, 1)) < 0.3)) * 10.0 ** np.arange(d))


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    """Most of the time of a fit on few samples is that of growing trees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_scores, "TREES", 8)
        yield


@pytest.fixture(scope="module")
def fitted() -> AnomalyDetector:
    return AnomalyDetector(random_state=0).fit(clusters(100))


FEW = pytest.mark.filterwarnings("ignore:nothing is an anomaly")


@FEW
@parametrize_with_checks([AnomalyDetector(random_state=0)])
def test_scikit_learn_checks(estimator: AnomalyDetector, check: Callable[[AnomalyDetector], None]) -> None:
    check(estimator)


class TestPValues:
    def test_are_the_share_of_samples_as_odd_to_ensembles_that_have_seen_neither(self, fitted) -> None:
        x, new = clusters(100), clusters(40, seed=1)
        generator = np.random.RandomState(0)
        seed, order = generator.randint(2**31 - 1), generator.permutation(100)
        counts = np.zeros(40)
        for fold in range(5):
            unseen = order[fold::5]
            oddness = Ensemble.learn(x[[i for i in order if i not in unseen]], seed)
            counts += (oddness(x[unseen])[:, None] >= oddness(new) - 1e-8).sum(axis=0)
        np.testing.assert_allclose(fitted.p_values(new), (1 + counts) / 101, rtol=1e-12)

    def test_equal_samples_have_equal_ones(self) -> None:
        x = clusters(60)
        x[::3] = x[0]
        detector = AnomalyDetector(random_state=0).fit(x)
        p = detector.p_values(x)
        assert len(set(p[::3])) == 1
        # As many as they are lie at least as far out.
        assert p[0] >= 20 / 61

    def test_follow_the_order_of_the_scores(self, fitted) -> None:
        x = np.concatenate([clusters(100, seed=1), [[8.0, -30, 300], [12.0, -50, 500]]])
        scores = fitted.score_samples(x)
        order = np.argsort(scores)
        assert (np.diff(fitted.p_values(x)[order]) >= 0).all()
        assert order[0] == 101
        assert scores[101] < scores[100]

    def test_a_sample_is_odder_to_an_ensemble_that_has_not_seen_it(self) -> None:
        x = clusters(50)
        x[7] = 1e4
        detector = AnomalyDetector(random_state=0).fit(x)
        assert detector.n_calibration_ == len(x)
        lowest = sorted((fold.unseen[0], -fold.ensemble(x[7:8])[0]) for fold in detector.folds_)
        # Of five ensembles one has not seen it.
        unseen, alike = lowest[0]
        assert unseen == pytest.approx(alike)
        assert alike < min(seen for _, seen in lowest[1:])

    @pytest.mark.parametrize("alpha", [0.01, 0.05, 0.29, 0.5, 0.99])
    def test_predict_calls_those_with_a_p_value_up_to_alpha(self, alpha, fitted) -> None:
        detector = clone(fitted).set_params(alpha=alpha).fit(clusters(100))
        x = np.concatenate([clusters(100, seed=1), [[50.0, 0, 0]]])
        np.testing.assert_array_equal(detector.predict(x) == -1, detector.p_values(x) <= alpha)

    def test_below_the_smallest_p_value_nothing_is_an_anomaly(self) -> None:
        detector = AnomalyDetector(alpha=0.01, random_state=0).fit(clusters(30))
        assert detector.offset_ == -np.inf
        with pytest.warns(UserWarning, match=r"alpha=0.01: of 30 samples .* no p-value is below 0.032; raise"):
            assert detector.predict([[1e9, 0, 0]]) == 1

    @pytest.mark.slow
    def test_are_uniform_on_samples_of_the_same_distribution(self) -> None:
        # The p-values of one detector share their calibration scores: those of many detectors are independent.
        p = [
            AnomalyDetector(random_state=seed).fit(x[:60]).p_values(x[60:61])[0]
            for seed in range(40)
            for x in [clusters(61, seed=seed)]
        ]
        assert kstest(p, "uniform").pvalue > 0.01

    def test_anomalies_among_the_samples_make_them_larger(self, fitted) -> None:
        odd = np.concatenate([clusters(100), np.random.default_rng(2).uniform(-3000, 3000, (15, 3))])
        probe = np.array([[5.0, 30.0, 300.0]])
        assert AnomalyDetector(random_state=0).fit(odd).p_values(probe * 3) >= fitted.p_values(probe * 3)


class TestScores:
    def test_contamination_is_the_share_of_the_samples_called_anomalies(self) -> None:
        x = clusters(100)
        assert np.sum(AnomalyDetector(contamination=0.13, random_state=0).fit_predict(x) == -1) == 13

    def test_shift_and_scale_change_nothing(self) -> None:
        x, new = clusters(80), clusters(30, seed=1)
        detector = AnomalyDetector(random_state=0).fit(x)
        moved = AnomalyDetector(random_state=0).fit(x * 1024 - 4096)
        np.testing.assert_allclose(moved.score_samples(new * 1024 - 4096), detector.score_samples(new), atol=1e-6)

    def test_copies_of_an_anomaly_do_not_hide_it(self, monkeypatch) -> None:
        monkeypatch.setattr(_scores, "TREES", 20)
        x = np.concatenate([clusters(100), np.full((9, 3), [20.0, -100.0, 900.0])])
        scores = AnomalyDetector(random_state=0).fit(x).score_samples(x)
        assert scores[100:].max() < scores[:100].min()

    def test_the_same_seed_gives_the_same_scores(self, fitted) -> None:
        x = clusters(10, seed=1)
        np.testing.assert_array_equal(clone(fitted).fit(clusters(100)).score_samples(x), fitted.score_samples(x))

    def test_another_digit_among_images_of_one(self) -> None:
        images, digits = load_digits(return_X_y=True)
        images = images.reshape(-1, 8, 8)
        x = np.concatenate([images[digits == 1][:150], images[digits == 6][:10]])
        detector = AnomalyDetector(random_state=0).fit(x)
        assert detector.shape_ == (8, 8)
        assert detector.n_features_in_ == 64
        assert roc_auc_score(np.arange(160) < 150, detector.score_samples(x)) > 0.85

    def test_through_a_representation(self) -> None:
        x = clusters(50, d=6)
        representation = PCA(2).fit(x)
        frozen = AnomalyDetector(representation=FrozenEstimator(representation), random_state=0).fit(x)
        by_hand = AnomalyDetector(random_state=0).fit(representation.transform(x))
        np.testing.assert_array_equal(by_hand.score_samples(representation.transform(x)), frozen.score_samples(x))

    def test_what_is_compared_with_has_not_taught_the_representation(self) -> None:
        rng = np.random.default_rng(0)
        # As many axes as features, scaled to one: those learnt from lie where no others do.
        detector = AnomalyDetector(0.1, representation=PCA(40, whiten=True), random_state=0)
        alarms = [
            (detector.fit(rng.standard_normal((100, 40))).predict(rng.standard_normal((200, 40))) < 0).mean()
            for _ in range(3)
        ]
        # One fitted on all of them called 58 % anomalies.
        assert 0.01 < np.mean(alarms) < 0.15

    def test_a_representation_of_samples_in_a_list_and_of_labels(self) -> None:
        texts = [f"{'ab' if i % 2 else 'cd'} {i % 7}" for i in range(40)]
        words = make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0))
        assert AnomalyDetector(representation=words, random_state=0).fit(texts).p_values(texts[:3]).shape == (3,)
        x, y = clusters(40, d=6), np.arange(40) % 2
        by_labels = AnomalyDetector(representation=LinearDiscriminantAnalysis(), random_state=0).fit(x, y)
        assert np.isfinite(by_labels.score_samples(x)).all()


class TestMoreColumnsThanSamples:
    def test_what_lies_beyond_the_leading_directions_is_told_from_what_does_not(self) -> None:
        rng = np.random.default_rng(0)
        basis = rng.standard_normal((10, 200))

        def drawn(n: int, noise: float) -> np.ndarray[Any, Any]:
            return np.asarray(rng.standard_normal((n, 10)) @ basis + noise * rng.standard_normal((n, 200)))

        detector = AnomalyDetector(random_state=0).fit(drawn(60, 1.0))
        usual, odd = (detector.score_samples(drawn(60, noise)) for noise in (1.0, 1.4))
        # By as many directions as samples, none of which leaves anything of those learnt from, it was 0.7.
        assert roc_auc_score(np.arange(120) < 60, np.concatenate([usual, odd])) > 0.9

    def test_directions_are_found_without_a_matrix_of_columns_by_columns(self, monkeypatch) -> None:
        monkeypatch.setattr("attar.density._ensemble.principal", lambda x: pytest.fail("of all columns"))
        x = np.random.default_rng(0).standard_normal((20, 500))
        narrow = Narrowing.learn(x)
        np.testing.assert_allclose(narrow.directions.T @ narrow.directions, np.eye(10), atol=1e-12)
        total = np.square(narrow(x)).sum(axis=1)
        np.testing.assert_allclose(total, np.square(x - x.mean(axis=0)).sum(axis=1))


@FEW
class TestHostileInput:
    @pytest.mark.parametrize("n", [1, FOLDS - 1])
    def test_too_few_samples(self, n) -> None:
        with pytest.raises(DataError, match=f"at least 5 samples; got n_samples = {n}"):
            AnomalyDetector().fit(clusters(n))

    @pytest.mark.parametrize("name", ["infinite", "empty", "no values"])
    def test_is_refused(self, name) -> None:
        x = {"infinite": np.full((9, 2), np.inf), "empty": np.empty((0, 3)), "no values": np.empty((9, 0))}[name]
        with pytest.raises(ValueError, match=r"infinity|0 sample|0 feature"):
            AnomalyDetector().fit(x)

    @pytest.mark.parametrize(
        "x",
        [
            pytest.param(clusters(5), id="five samples"),
            pytest.param(clusters(30, d=1), id="one feature"),
            pytest.param(np.full((12, 3), 7.0), id="constant"),
            pytest.param(np.full((12, 3), np.nan), id="all missing"),
            pytest.param(np.where(np.arange(90).reshape(30, 3) % 7 == 0, np.nan, clusters(30)), id="missing"),
            pytest.param(np.random.default_rng(0).standard_normal((12, 200)), id="more features than samples"),
            pytest.param(clusters(30) * 1e300, id="huge"),
            pytest.param(clusters(30) * 1e-300, id="tiny"),
            pytest.param(np.random.default_rng(0).integers(2, size=(40, 4)), id="few distinct values"),
        ],
    )
    def test_is_answered(self, x) -> None:
        detector = AnomalyDetector(random_state=0).fit(x)
        probes = np.concatenate([x, np.full((1, x.shape[1]), 1e308), np.full((1, x.shape[1]), np.nan)])
        assert np.isfinite(detector.score_samples(probes)).all()
        assert set(detector.predict(probes)) <= {-1, 1}
        p = detector.p_values(probes)
        assert ((p > 0) & (p <= 1)).all()

    def test_tensors_with_gradients_and_masked_arrays_are_samples(self) -> None:
        x = np.random.default_rng(0).standard_normal((60, 3))
        masked = np.ma.masked_greater(x, 1.5)
        for given, same in ((torch.tensor(x, requires_grad=True), x), (masked, masked.filled(np.nan))):
            found, expected = (AnomalyDetector(random_state=0).fit(a).score_samples(a) for a in (given, same))
            np.testing.assert_array_equal(found, expected)

    def test_another_value_where_all_were_equal_is_odd(self) -> None:
        x = clusters(40)
        x[:, 1] = 3.0
        detector = AnomalyDetector(random_state=0).fit(x)
        probe = x[:1] + np.array([[0.0, 3.0, 0.0]])
        assert detector.score_samples(probe) < detector.score_samples(x[:1])

    @pytest.mark.parametrize("seed", range(3))
    def test_a_category_that_none_has_is_as_odd_as_can_be(self, seed) -> None:
        x = np.eye(5)[np.random.default_rng(seed).integers(0, 4, 400)]
        *known, unknown = AnomalyDetector(random_state=seed).fit(x).p_values(np.eye(5))
        assert unknown < 0.01 < 0.1 < min(known)

    def test_a_score_is_its_own_where_columns_depend_on_one_another(self) -> None:
        """What is left of a sample beside all directions that vary is rounding, and has no rank."""
        x = np.random.default_rng(0).standard_normal((30, 2))
        x = np.column_stack([x, x, x.sum(1)])
        detector = AnomalyDetector(random_state=0).fit(x)
        alone = np.concatenate([detector.score_samples(one[None]) for one in x])
        np.testing.assert_allclose(alone, detector.score_samples(x), rtol=0, atol=1e-6)

    def test_a_constant_column_in_another_precision_is_the_same(self) -> None:
        x = np.column_stack([clusters(100), np.full(100, 0.1)])
        detector = AnomalyDetector(random_state=0).fit(x.astype(np.float32))
        x, other = (np.column_stack([clusters(100, seed=1), np.full(100, v)]) for v in (0.1, np.float32(0.1)))
        np.testing.assert_allclose(detector.score_samples(x), detector.score_samples(other), atol=1e-3)
        assert (detector.predict(x) < 0).mean() < 0.3

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"alpha": 0.0}, "alpha between 0 and 1; got alpha=0.0"),
            ({"alpha": np.nan}, "alpha between 0 and 1"),
            ({"alpha": "x"}, "alpha between 0 and 1; got alpha='x'"),
            ({"contamination": "auto"}, "at most 0.5; got contamination='auto'"),
            ({"contamination": 0.6}, "at most 0.5; got contamination=0.6"),
        ],
    )
    def test_rates_out_of_range(self, parameters, message) -> None:
        with pytest.raises(DataError, match=message):
            AnomalyDetector(**parameters).fit(clusters())

    def test_samples_of_another_shape(self) -> None:
        detector = AnomalyDetector(random_state=0).fit(np.random.default_rng(0).random((10, 4, 3)))
        with pytest.raises(DataError, match=r"shape \(3, 4\).* expecting samples of shape \(4, 3\)"):
            detector.score_samples(np.zeros((2, 3, 4)))

    def test_a_fit_that_fails_leaves_the_detector_as_it_was(self) -> None:
        x = clusters()
        detector = AnomalyDetector(random_state=0).fit(x)
        scores = detector.score_samples(x)
        with pytest.raises(DataError, match="at least 5 samples"):
            detector.fit(x[:4, :2])
        np.testing.assert_array_equal(detector.score_samples(x), scores)
