"""One sweep as a person sees it: kept whole as JSON, drawn, and said in words that are so."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from attar.errors import DataError
from attar.report.swept import Shown, regime, section, standing, title
from attar.risk import Curve
from attar.risk.advice import Advice
from tests.report.conftest import shown
from tests.report.test_page import NASTY, structure


def looked_at(one: Shown) -> Shown:
    def at(loss: float, wrong: float | None) -> Curve:
        inner = None if wrong is None else Curve([1], [0], [wrong])
        return Curve([1], [0], [loss], zero_one=inner)

    classes = one.curve.zero_one is not None
    return replace(one, test=(at(0.5, 0.25 if classes else None), at(0.25, 0.125 if classes else None)))


@pytest.mark.parametrize("one", [shown(), shown(keep=True), shown("λ", classes=False), looked_at(shown("epochs"))])
def test_json_gives_the_same_back(one: Shown) -> None:
    held = json.loads(json.dumps(one.to_json()))
    again = Shown.from_json(held)
    assert again.advice == one.advice
    assert again.to_json() == one.to_json()
    assert np.array_equal(again.curve.test_risk, one.curve.test_risk)
    assert (again.test is None) == (one.test is None)


def test_what_is_no_curve_is_refused() -> None:
    with pytest.raises(DataError, match="not a curve"):
        Shown.from_json(shown().to_json() | {"curve": "[]"})


@pytest.mark.parametrize("over", ["features", "λ", "leaves", "trees", "width", "epochs", "samples", "label noise"])
def test_each_axis_has_a_title_an_explanation_and_both_losses(over: str) -> None:
    one = shown(over)
    assert title(one).startswith("Over the ")
    html = section(one)
    structure(html)
    assert html.count("<svg") == 2
    assert '<p class="muted"></p>' not in html
    assert "15\u00a0folds" in html
    assert section(shown(over, classes=False)).count("<svg") == 1


def test_an_axis_that_nobody_has_heard_of_is_shown_as_text() -> None:
    one = shown(NASTY)
    parsed = structure(section(one) + title(shown("depth")))
    plain = structure(section(shown("depth")) + title(shown("depth")))
    assert parsed.tags == plain.tags
    assert title(shown("depth")) == "Over depth"


def test_the_look_at_the_test_part() -> None:
    assert "0.5 and 25.0\u00a0% wrong by default, a loss of 0.25 and 12.5\u00a0% wrong" in section(looked_at(shown()))
    assert "looked at once, it has a loss of 0.5 and" in section(looked_at(shown(keep=True)))
    assert "the default has a loss of 0.5 and" in section(looked_at(shown("samples")))
    assert "wrong" not in section(looked_at(shown(classes=False)))
    assert "test part" not in section(shown())


def test_where_a_model_stands() -> None:
    curve = shown().curve
    assert "before the threshold" in regime(curve, 20)
    assert "beyond the threshold" in regime(curve, 40)
    # The nearest place counts.
    assert "beyond the threshold" in regime(curve, 1000)
    assert "Nowhere on this axis" in regime(Curve([1, 2], [2, 1], [2, 1]), 1)
    for over in ("λ", "samples", "label noise"):
        assert regime(shown(over).curve, 20) == ""


def test_of_a_chosen_model_one_sentence_says_where_it_stands() -> None:
    html = standing({"regime": "It stands before the threshold.", "sweeps": [shown().to_json()], "without": ""})
    assert html.count("the threshold") == 1
    assert "Ridge regression on more and more principal components" in html
    assert "before the threshold" in section(shown())


def test_why_there_are_no_curves_is_said() -> None:
    html = standing({"regime": NASTY, "sweeps": [], "without": f"So it is. {NASTY}"})
    assert "<p>So it is. " in html
    plain = standing({"regime": "It stands.", "sweeps": [], "without": "So it is."})
    assert structure(html).tags == structure(plain).tags


def test_nothing_is_said_of_a_gain_in_words_of_another_sign() -> None:
    costs = shown("label noise")
    worse = replace(costs.advice.gain, mean=-1.0, interval=(-1.5, -0.5))
    advice: Advice = replace(costs.advice, gain=worse, errors=None)
    assert "the loss would rise by 1 (0.5 to 1.5)" in section(replace(costs, advice=advice))
