"""Advice promises what it keeps: nothing from noise, and what is really there where something is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from attar.errors import DataError
from attar.risk import Curve
from attar.risk.advice import Advice, Gain, _by_others, advise, best_of, mean_of
from attar.risk.labels import more_labels

AXIS = np.array([1.0, 2.0, 4.0, 8.0])


def rounds(risk: Any, noise: float, rng: np.random.Generator, repeats: int = 4, folds: int = 5) -> list[list[Curve]]:
    """Curves whose test risks are as given, with noise of each place's own."""

    def one() -> Curve:
        drawn = np.asarray(risk) + noise * rng.standard_normal(4)
        return Curve(AXIS, AXIS, drawn, zero_one=Curve(AXIS, AXIS, drawn / 10))

    return [[one() for _ in range(folds)] for _ in range(repeats)]


def test_a_gain_that_is_there_is_promised_as_it_is() -> None:
    promised, held = [], 0
    rng = np.random.default_rng(0)
    for _ in range(200):
        advice = advise(rounds([3, 2, 1, 2], 0.2, rng), default=1.0, share=0.0)
        assert advice.setting == 4
        promised.append(advice.gain.mean)
        held += advice.gain.interval[0] < 2 < advice.gain.interval[1]
        assert advice.errors is not None
        assert advice.errors.mean == pytest.approx(advice.gain.mean / 10)
    assert np.mean(promised) == pytest.approx(2.0, abs=0.02)
    # 90 % of 200, give or take three standard deviations.
    assert 167 <= held <= 193


def test_of_noise_alone_nothing_is_promised_on_the_whole() -> None:
    rng = np.random.default_rng(1)
    found = [advise(rounds([2, 2, 2, 2], 0.5, rng), default=1.0, share=0.25) for _ in range(200)]
    # Choosing the lowest of four means would promise about 0.1 each time.
    assert np.mean([advice.gain.mean for advice in found]) < 0.02
    assert np.mean([advice.keep for advice in found]) > 0.9
    assert all(advice.gain.mean == 0 for advice in found if advice.keep)


@pytest.mark.parametrize(
    ("wrong", "stays"),
    [([0.1, 0.2, 0.2, 0.2], True), ([0.1, 0.1, 0.1, 0.1], True), ([0.1, 0.05, 0.05, 0.05], False)],
)
def test_a_loss_that_falls_while_no_fewer_are_answered_wrongly_advises_nothing(wrong: list[float], stays: bool) -> None:
    curve = Curve(AXIS, AXIS, [9, 1, 1, 1], zero_one=Curve(AXIS, AXIS, wrong))
    assert advise([[curve] * 5], default=1.0, share=0.25).keep == stays


def test_a_default_that_a_few_folds_blow_up_does_not_stay_for_that() -> None:
    rng = np.random.default_rng(4)

    def one() -> Curve:
        blown = np.array([10.0 ** rng.uniform(-1, 8), 1, 0.2, 0.3]) * rng.uniform(0.8, 1.2, 4)
        return Curve(AXIS, AXIS, blown, zero_one=Curve(AXIS, AXIS, [0.3, 0.25, 0.2, 0.2]))

    advice = advise([[one() for _ in range(5)] for _ in range(6)], default=1.0, share=0.25)
    assert advice.setting == 4
    assert advice.gain.interval[0] < 0 < 0.85 < advice.gain.chance


@pytest.mark.parametrize("huge", [1e20, np.inf])
def test_a_fold_is_left_out_of_what_chooses_for_it_however_large_its_own_risk(huge: float) -> None:
    risk = np.array([[9.0, huge, 1.0], [9.0, 5.0, 1.0], [9.0, 5.0, 1.0]])
    assert _by_others(risk).tolist() == [2, 2, 2]


def test_the_best_of_several_is_that_of_fewest_wrong() -> None:
    def of(over: str, loss: float, wrong: float | None, setting: float = 2.0) -> Advice:
        gain, errors = (None if value is None else Gain(value, (0.0, 1.0), 0.9) for value in (loss, wrong))
        assert gain is not None
        return Advice(over, 1.0, setting, gain, errors)

    large, small = of("features", 0.1, 0.3), of("epochs", 5.0, 0.1)
    assert best_of([small, large]) == 1
    assert best_of([of("λ", 0.2, None), of("leaves", 0.4, None)]) == 1
    # What stays, what cannot be set, and what makes it worse.
    assert best_of([of("λ", 1.0, 1.0, setting=1.0), of("samples", 1.0, 1.0), of("label noise", 1.0, 1.0)]) is None
    assert best_of([of("λ", 1.0, -0.1)]) is None
    assert best_of([]) is None


def test_more_labels_are_asked_for_where_they_surely_help() -> None:
    def said(chance: float) -> str:
        return Advice("samples", 50, 100, Gain(0.1, (-0.1, 0.3), chance)).sentence

    assert said(0.9).startswith("Get twice as many labels: the loss would fall by 0.1")
    assert said(0.8).startswith("Twice as many labels may help, or not: the loss would fall by 0.1")


def test_labels_that_take_off_loss_and_no_wrong_answers_may_help_or_not() -> None:
    loss, wrong = np.array([2.0, 1.5, 1.0]), np.array([0.25, 0.25, 0.25])
    curve = Curve([10, 20, 40], loss, loss, over="samples", zero_one=Curve([10, 20, 40], wrong, wrong, over="samples"))
    advice = more_labels([[curve] * 5], 40, share=0.25)
    assert advice.sentence.startswith(
        "Twice as many labels may help, or not: of new samples no fewer would be answered wrongly, and the loss"
    )


def test_the_best_default_stays() -> None:
    advice = advise(rounds([1, 2, 3, 4], 0.1, np.random.default_rng(2)), default=1.0, share=0.25)
    assert advice.keep
    assert advice.gain.interval == (0.0, 0.0)


def test_the_mean_of_curves() -> None:
    curves = rounds([1, 2, 3, 4], 0.1, np.random.default_rng(3))
    mean = mean_of(curves)
    assert mean.draws == 20
    assert np.allclose(mean.test_risk, np.mean([c.test_risk for folds in curves for c in folds], axis=0))
    assert mean.zero_one is not None
    assert np.allclose(mean.zero_one.test_risk, mean.test_risk / 10)


@pytest.mark.parametrize(
    ("curves", "default", "message"),
    [
        ([], 1.0, "two folds"),
        ([[Curve([1], [0], [0])]], 1.0, "two folds"),
        ([[Curve([1], [0], [0]), Curve([2], [0], [0])]], 1.0, "different axes"),
        ([[Curve([1], [0], [0])] * 2], 2.0, "default of 2 is not"),
    ],
)
def test_bad_input_is_named(curves: list[list[Curve]], default: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        advise(curves, default, share=0.25)
