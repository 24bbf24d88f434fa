from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from attar.adapt import LabelPropagation, SelfTrainedProbe, calibration
from attar.adapt import probe as room
from attar.adapt.probe import LinearProbe
from attar.errors import LabelError


def blobs(n=30, d=8, k=3, seed=0, apart=2.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return rng.standard_normal((n, d)) + apart * rng.standard_normal((k, d))[y], y


def centred(n, d, k=3):
    z, y = blobs(n, d, k)
    return z - z.mean(0), y


def refit(z, targets, penalty):
    """Ridge regression with a free intercept, from its normal equations."""
    mean, centre = targets.mean(0), z.mean(0)
    zc = z - centre
    w = np.linalg.solve(zc.T @ zc + penalty * np.eye(z.shape[1]), zc.T @ (targets - mean))
    return w, mean - centre @ w


@parametrize_with_checks([LinearProbe(), LinearProbe(loss="squared"), LinearProbe(loss="logistic")])
def test_scikit_learn_checks(estimator, check) -> None:
    check(estimator)


@pytest.mark.parametrize("head", [LinearProbe(), SelfTrainedProbe(), LabelPropagation()])
def test_what_is_masked_is_missing_and_tensors_with_gradients_are_samples(head) -> None:
    z, y = blobs()
    expected = head.fit(z, y).predict_proba(z)
    given = torch.tensor(z, requires_grad=True)
    np.testing.assert_array_equal(head.fit(given, torch.tensor(y)).predict_proba(given), expected)
    masked = np.ma.masked_equal(z, z[3, 2])
    for refused in (lambda: head.predict_proba(masked), lambda: head.fit(masked, y)):
        with pytest.raises(ValueError, match="NaN"):
            refused()


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("power", [-1000, -600, 600, 1000])
def test_units_whose_squares_are_no_numbers_change_nothing(loss, power) -> None:
    z, y = blobs()
    expected = LinearProbe(loss).fit(z, y).predict_proba(z)
    z = np.ldexp(z, power)
    np.testing.assert_array_equal(LinearProbe(loss).fit(z, y).predict_proba(z), expected)


@pytest.mark.parametrize(("n", "d"), [(12, 40), (12, 12), (40, 6), (3, 1)])
def test_ridge_leave_one_out_equals_refitting(n, d) -> None:
    z, y = centred(n, d)
    penalty, w, b, held_out = room._ridge(z, y, 3)
    targets = np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    absolute = penalty * (z * z).sum() / n
    for i in range(n):
        rest = np.arange(n) != i
        wi, bi = refit(z[rest], targets[rest], absolute)
        np.testing.assert_allclose(held_out[i], z[i] @ wi + bi, rtol=1e-5, atol=1e-6)
    whole = refit(z, targets, absolute)
    np.testing.assert_allclose(w, whole[0].T, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(b, whole[1], atol=1e-9)


def scaled_error(scores, targets) -> float:
    """At the best scale that is not negative."""
    scale = max((scores * targets).sum() / (scores * scores).sum(), 0.0)
    return float(np.mean((scale * scores - targets) ** 2))


@pytest.mark.parametrize(("n", "d"), [(12, 40), (40, 6)])
def test_ridge_takes_the_penalty_of_least_error_at_the_best_scale(n, d) -> None:
    z, y = centred(n, d)
    penalty, _, _, held_out = room._ridge(z, y, 3)
    targets = np.where(y[:, None] == np.arange(3), 1.0, -1.0)
    errors = []
    for candidate in room._PENALTIES:
        left = []
        for i in range(n):
            rest = np.arange(n) != i
            w, b = refit(z[rest], targets[rest], candidate * (z * z).sum() / n)
            left.append(z[i] @ w + b)
        errors.append(scaled_error(np.array(left), targets))
    assert scaled_error(held_out, targets) == pytest.approx(min(errors), rel=1e-5)
    assert penalty >= room._PENALTIES[int(np.argmin(errors))]


@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("inverse", [1e-3, 1.0, 1e3])
def test_logistic_regression_is_at_the_minimum(k, inverse) -> None:
    z, y = blobs(40, 5, k, apart=1.0)
    ones = np.eye(k)[y]
    w, b = room._fit_logistic(z, ones, inverse, np.zeros((k, 5)), np.zeros(k))

    def loss(w, b):
        return -(ones * log_softmax(z @ w.T + b, axis=1)).sum() + (w * w).sum() / (2 * inverse)

    least = loss(w, b)
    rng = np.random.default_rng(0)
    for _ in range(20):
        size = 10.0 ** rng.uniform(-3, 0)
        moved = loss(w + size * rng.standard_normal(w.shape), b + size * rng.standard_normal(k))
        assert moved > least - 1e-4 * max(1, abs(least))


@pytest.mark.parametrize("inverse", [1e-2, 1.0, 10.0])
def test_logistic_regression_agrees_with_scikit_learn(inverse) -> None:
    z, y = blobs(60, 5, 3, apart=1.0)
    ours, _ = room._fit_logistic(z, np.eye(3)[y], inverse, np.zeros((3, 5)), np.zeros(3))
    theirs = LogisticRegression(C=inverse, tol=1e-8, max_iter=2000).fit(z, y)
    np.testing.assert_allclose(ours, theirs.coef_, atol=2e-3)


def test_where_it_starts_changes_nothing() -> None:
    z, y = blobs(40, 5, apart=0.5)
    rng = np.random.default_rng(0)
    ones = np.eye(3)[y]
    cold = room._fit_logistic(z, ones, 1.0, np.zeros((3, 5)), np.zeros(3))
    warm = room._fit_logistic(z, ones, 1.0, rng.standard_normal((3, 5)), np.zeros(3))
    np.testing.assert_allclose(cold[0], warm[0], atol=2e-3)


def test_logistic_regression_is_searched_for_where_the_samples_lie(monkeypatch) -> None:
    z, y = blobs(60, 5)
    z -= z.mean(0)
    spread = np.linalg.qr(np.random.default_rng(1).standard_normal((90, 5)))[0].T
    folds = [np.arange(0, 60, 2), np.arange(1, 60, 2)]
    penalty, w, b, held_out, codes = room._logistic(z, y, 3, folds)
    np.testing.assert_array_equal(codes, np.r_[y[::2], y[1::2]])
    sizes, search = set(), room._fit_logistic
    monkeypatch.setattr(room, "_fit_logistic", lambda z, *rest: sizes.add(z.shape[1]) or search(z, *rest))
    wide = room._logistic(z @ spread, y, 3, folds)
    assert sizes == {5}
    assert wide[0] == penalty
    for found, expected in zip(wide[1:], (w @ spread, b, held_out)):
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_of_many_labels_one_fold_chooses_the_penalty(monkeypatch) -> None:
    z, y = blobs(300, 4, apart=0.7)
    every = LinearProbe("logistic").fit(z, y)
    searches, search = [], room._fit_logistic
    monkeypatch.setattr(room, "_fit_logistic", lambda *a: searches.append(len(a[0])) or search(*a))
    monkeypatch.setattr(room, "_MANY", 299)
    one = LinearProbe("logistic").fit(z, y)
    # A search for each penalty on all but a fold, and one on all.
    assert set(searches[:-1]) == {240}
    assert searches[-1] == 300
    assert len(searches) <= 1 + len(room._INVERSE)
    assert (one.predict(z) == every.predict(z)).mean() > 0.97


@pytest.mark.parametrize(("d", "loss"), [(4, "logistic"), (120, "logistic"), (121, "squared"), (200, "squared")])
def test_loss_by_the_number_of_labels(d, loss) -> None:
    assert LinearProbe().fit(*blobs(30, d)).loss_ == loss


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_module_is_the_same_map(loss, k) -> None:
    z, y = blobs(40, 6, k)
    probe = LinearProbe(loss).fit(z, y)
    with torch.no_grad():
        p = torch.softmax(probe.to_module()(torch.tensor(z, dtype=torch.float32)), dim=1)
    np.testing.assert_allclose(p.numpy(), probe.predict_proba(z), atol=1e-5)
    state = torch.get_rng_state()
    assert not probe.to_module().training
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("d", [5, 60])
def test_squared_loss_knows_no_axes_and_no_origin(d) -> None:
    z, y = blobs(30, d)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((d, d)))[0]
    probe = LinearProbe("squared").fit(z, y)
    turned = LinearProbe("squared").fit(z @ rotation + 7.0, y)
    np.testing.assert_allclose(turned.predict_proba(z @ rotation + 7.0), probe.predict_proba(z), atol=1e-6)
    scaled = LinearProbe("squared").fit(1000 * z, y)
    np.testing.assert_allclose(scaled.predict_proba(1000 * z), probe.predict_proba(z), atol=1e-6)


def test_logistic_loss_knows_no_axes_no_origin_and_no_unit() -> None:
    z, y = blobs(60, 5)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((5, 5)))[0]
    p = LinearProbe("logistic").fit(z, y).predict_proba(z)
    moved = 1000 * z @ rotation + 7.0
    np.testing.assert_allclose(LinearProbe("logistic").fit(moved, y).predict_proba(moved), p, atol=5e-3)


def test_logistic_loss_does_not_blow_up_the_narrow_axes_of_a_representation() -> None:
    z, y = blobs(40, 3)
    noise = 1e-2 * np.random.default_rng(0).standard_normal((2, 40, 30))
    alone = LinearProbe("logistic").fit(z, y).score(z, y)
    assert LinearProbe("logistic").fit(np.c_[z, noise[0]], y).score(np.c_[z, noise[1]], y) >= alone - 0.05


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_constant_columns_have_no_weight(loss) -> None:
    z, y = blobs(40, 4)
    z[:, 1] = 7.0
    # What float32 leaves of a constant.
    noisy = z.copy()
    noisy[:, 1] += 1e-9 * np.random.default_rng(0).standard_normal(len(z))
    for x in (z, noisy):
        probe = LinearProbe(loss).fit(x, y)
        assert np.abs(probe.coef_[:, 1]).max() < 1e-3
        assert probe.score(x, y) > 0.9


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize(("dtype", "constant"), [(np.float64, 1e12), (np.float32, 1e7)])
def test_a_column_is_constant_by_itself_and_by_the_precision_given(loss, dtype, constant) -> None:
    z, y = blobs(40, 4)
    beside = np.full((40, 1), constant, dtype)
    # What the next number up differs by is rounding.
    beside[::2] = np.nextafter(beside[::2], dtype(np.inf))
    z = z.astype(dtype)
    alone, both = LinearProbe(loss).fit(z, y), LinearProbe(loss).fit(np.c_[z, beside], y)
    np.testing.assert_allclose(both.coef_, np.c_[alone.coef_, np.zeros(3)], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(both.intercept_, alone.intercept_, rtol=1e-6)
    with torch.no_grad():
        p = torch.softmax(both.to_module()(torch.tensor(np.c_[z, beside], dtype=torch.float32)), dim=1)
    np.testing.assert_allclose(p.numpy(), alone.predict_proba(z), atol=1e-5)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_far_from_zero_the_probe_is_the_same(loss) -> None:
    z, y = blobs(40, 4)
    z = z.round(6)
    p = LinearProbe(loss).fit(z, y).predict_proba(z)
    np.testing.assert_allclose(LinearProbe(loss).fit(z + 1e8, y).predict_proba(z + 1e8), p, atol=1e-5)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_rounding_noise_of_a_projection_is_no_signal(loss) -> None:
    z, y = blobs(20, 9)
    z[:, 8] = 1e-8 * np.random.default_rng(0).standard_normal(20)  # mean and spread both rounding
    probe = LinearProbe(loss).fit(z, y)
    other = z.copy()
    other[:, 8] = 1e-7
    np.testing.assert_allclose(probe.predict_proba(other), probe.predict_proba(z), atol=1e-3)


@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("d", [1, 3, 50])
def test_all_samples_the_same(loss, d) -> None:
    y = np.array([0, 0, 1, 1, 1])
    probe = LinearProbe(loss).fit(np.full((5, d), 3.0), y)
    p = probe.predict_proba(np.random.default_rng(0).standard_normal((4, d)))
    assert np.isfinite(p).all()
    assert np.ptp(p, axis=0).max() < 1e-9


@pytest.mark.parametrize("y", [[0, 1], [0, 0, 1], [0, 0, 1, 1], [0, 1, 2, 2]])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
@pytest.mark.parametrize("d", [1, 2, 30])
def test_a_handful_of_labels(y, loss, d) -> None:
    z = np.random.default_rng(0).standard_normal((len(y), d))
    p = LinearProbe(loss).fit(z, y).predict_proba(z)
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p.sum(1), 1.0)


def test_temperature_is_the_likeliest_of_those_tried() -> None:
    scores, y = np.random.default_rng(0).standard_normal((200, 3)), np.arange(200) % 3
    scores[np.arange(200), y] += 1.0

    def unlikely(t):
        return -log_softmax(t * scores, axis=1)[np.arange(200), y].mean()

    t = calibration.temperature(scores, y)
    best = min(calibration._TEMPERATURES, key=unlikely)
    assert unlikely(t) <= unlikely(best) + 1e-3
    assert calibration.temperature(np.zeros((5, 3)), y[:5]) == 1.0
    # Perfect scores stay finite.
    assert calibration.temperature(np.eye(3)[y] * 100, y) < 32


def test_held_out_probabilities_are_calibrated() -> None:
    z, y = blobs(200, 300, 2, apart=0.15)
    probe = LinearProbe().fit(z[:100], y[:100])
    confidence = probe.predict_proba(z[100:]).max(1).mean()
    assert abs(confidence - probe.score(z[100:], y[100:])) < 0.15


def test_decision_function_ranks_as_the_probabilities() -> None:
    for k in (2, 3):
        z, y = blobs(40, 6, k)
        probe = LinearProbe().fit(z, y)
        scores, p = probe.decision_function(z), probe.predict_proba(z)
        if k == 2:
            np.testing.assert_allclose(1 / (1 + np.exp(-scores)), p[:, 1], atol=1e-12)
        else:
            np.testing.assert_array_equal(scores.argmax(1), p.argmax(1))


def test_strings_for_labels_and_the_accuracy_on_wine() -> None:
    x, y = load_wine(return_X_y=True)
    names = np.array(["red", "white", "rose"])[y]
    probe = LinearProbe().fit(x[::2], names[::2])
    assert list(probe.classes_) == ["red", "rose", "white"]
    assert probe.score(x[1::2], names[1::2]) > 0.9


@pytest.mark.parametrize("loss", ["squared", "hinge"])
def test_a_fit_that_fails_leaves_the_probe_as_it_was(loss) -> None:
    z, y = blobs()
    probe = LinearProbe("squared").fit(z, y)
    before, p = dict(vars(probe)), probe.predict_proba(z)
    with pytest.raises(LabelError):
        probe.set_params(loss=loss).fit(z[:, :3], np.zeros(len(z)) if loss == "squared" else y)
    assert vars(probe) == before | {"loss": loss}
    np.testing.assert_array_equal(probe.predict_proba(z), p)


def test_bad_input() -> None:
    z, y = blobs()
    with pytest.raises(LabelError, match="one class only"):
        LinearProbe().fit(z, np.zeros(len(z)))
    with pytest.raises(LabelError, match="'hinge'"):
        LinearProbe("hinge").fit(z, y)
    z[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        LinearProbe().fit(z, y)
