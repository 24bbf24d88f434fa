import re

import pytest

from attar.report.curve import curve, sentence
from attar.report.facts import CurvePoint


def _line(*points, half=0.02):
    return [CurvePoint(labels=n, accuracy=a, low=a - half, high=a + half) for n, a in points]


@pytest.mark.parametrize(
    ("points", "half", "begins"),
    [
        (((25, 0.80), (50, 0.90)), 0.02, "More labels would probably help"),
        (((25, 0.80), (50, 0.83)), 0.06, "More labels may help"),
        (((25, 0.90), (50, 0.902)), 0.02, "More labels would probably change little"),
        (((25, 0.90), (50, 0.80)), 0.02, "More labels would probably change little"),
        (((25, 0.90), (50, 1.0)), 0.02, "More labels would probably change little"),
        (((25, 1.0), (50, 1.0)), 0.02, "More labels would probably change little"),
        (((62, 1.0), (63, 0.2)), 0.02, "More labels would probably change little"),
        (((50, 0.9),), 0.02, "Too few labels"),
        ((), 0.02, "Too few labels"),
    ],
)
def test_what_more_labels_would_do(points, half, begins):
    assert sentence(_line(*points, half=half)).startswith(begins)


def test_the_expected_gain_is_that_of_a_power_law():
    # error = labels^-1/2: from 100 to 400 labels it falls from 10 to 5 %, at 800 it would be 3.54 %
    said = sentence(_line((100, 0.90), (400, 0.95)))
    assert "about +1.5\u00a0points more" in said


def test_points_are_drawn_left_to_right_whatever_their_order(digits):
    turned = digits.model_copy(update={"curve": digits.curve[::-1]})
    assert curve(turned) == curve(digits)
    across = [float(x) for x in re.findall(r'class="dot" cx="([\d.]+)%"', curve(digits))]
    assert across == sorted(across)
    assert len(across) == 5


def test_both_ends_are_named_and_crowded_ticks_are_not(wide):
    named = re.findall(r'dy="1.6em" text-anchor="middle">(\d+)<', curve(wide))
    assert named[0] == "50"
    assert named[-1] == "612"
    assert "55" not in named


def test_the_last_but_one_does_not_run_into_the_last(digits):
    """On 320 pixels, 120 and 150 of 9 to 150 labels were read as 120150."""
    line = _line((9, 0.5), (15, 0.5), (28, 0.6), (59, 0.7), (120, 0.8), (150, 0.8))
    drawn = curve(digits.model_copy(update={"curve": tuple(line)}))
    assert re.findall(r'dy="1.6em" text-anchor="middle">(\d+)<', drawn) == ["9", "15", "28", "59", "150"]


@pytest.mark.parametrize("points", [(), ((5, 0.5),), ((5, 0.5), (5, 0.6)), ((0, 0.1), (1, 1.0))])
def test_short_and_odd_curves_are_drawn(digits, points):
    drawn = curve(digits.model_copy(update={"curve": tuple(_line(*points))}))
    assert drawn.count("<circle") == (len(points) if len(points) > 1 else 0)
    assert ("Too few labels" in drawn) == ("<svg" not in drawn)
    assert "nan" not in drawn


def test_two_bands_are_not_called_one(digits):
    assert "The band holds 90\u00a0% of the draws of so many labels; of all, it is the interval" in curve(digits)
