"""A picture is well-formed, shows what the curve holds, and stays within its box."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from attar.risk import Curve
from attar.risk._scale import Scale
from attar.risk.picture import Line, draw

SVG = "{http://www.w3.org/2000/svg}"


def drawn(curve: Curve) -> ElementTree.Element:
    return ElementTree.fromstring(curve.svg(600, 300))


def lines(root: ElementTree.Element) -> dict[str, list[tuple[float, float]]]:
    """The points of each line, of the legend's the last."""
    found = {}
    for line in reversed([*root.iter(f"{SVG}polyline")]):
        found[line.get("class", "")] = [
            (float(a), float(b)) for a, b in (pair.split(",") for pair in line.get("points", "").split())
        ]
    return found


def test_all_that_is_known_is_drawn_and_named() -> None:
    ones = np.ones(3)
    curve = Curve(
        [1, 2, 3],
        [2, 1, 0],
        [2, 3, 1],
        over="a & b",
        bias2=ones,
        variance=ones,
        theory=ones,
        test_interval=np.ones((3, 2)),
    )
    root = drawn(curve)
    assert set(lines(root)) == {"test", "train", "bias2", "variance", "theory"}
    said = " ".join("".join(text.itertext()) for text in root.iter(f"{SVG}text"))
    for word in ("test risk", "training risk", "bias²", "variance", "theory", "interpolation threshold 3", "a & b"):
        assert word in said
    assert curve.verdict() in root.get("aria-label", "")
    assert len([*root.iter(f"{SVG}polygon")]) == 1


def test_higher_risks_stand_higher_and_larger_models_further_right() -> None:
    points = lines(drawn(Curve([1, 2, 3, 4], np.zeros(4), [2, 8, 4, 1])))["test"]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    assert np.argsort([-y for _, y in points]).tolist() == [3, 0, 2, 1]


@pytest.mark.parametrize(
    ("axis", "risk"),
    [
        ([1], [0.0]),
        ([0, 1], [1.0, 1.0]),
        ([1, 10, 10_000], [1.0, np.inf, 1e-12]),
        ([-3, 4], [np.nan, 0.5]),
        ([1, 2, 3], [1e300, 1.0, 1e-300]),
        ([1e-12, 1e12], [-1.0, 5.0]),
    ],
)
def test_odd_curves_stay_within_the_box(axis: list[float], risk: list[float]) -> None:
    for places in lines(drawn(Curve(axis, risk, risk))).values():
        for x, y in places:
            assert 0 <= x <= 600
            assert 0 <= y <= 300


@pytest.mark.parametrize("unit", [1e-30, 1e-14, 1.0, 1e30])
def test_an_axis_has_its_round_values_in_any_unit(unit: float) -> None:
    ticks = Scale(0.0, 4 * unit, False, 0, 1).ticks()
    np.testing.assert_allclose(ticks, unit * np.arange(5), rtol=1e-9)


def test_numbers_are_written_as_a_person_would() -> None:
    root = drawn(Curve(np.geomspace(1, 1e5, 6), np.ones(6), np.geomspace(1e-5, 1e3, 6)))
    for text in root.iter(f"{SVG}text"):
        assert not re.search(r"0000000|e-0|e\+|\d{5}", text.text or "")


def test_over_epochs_t_min_and_t_int_are_marked() -> None:
    curve = Curve(np.arange(1.0, 8), [4, 2, 1, 0.5, 0, 0, 0], [5, 3, 4, 6, 9, 5, 4], over="epochs")
    assert (curve.t_min, curve.t_int) == (2, 5)
    places = {
        (text.text or "").split()[0]: float(text.get("x", ""))
        for text in drawn(curve).iter(f"{SVG}text")
        if (text.text or "").startswith("t_")
    }
    marks = sorted(float(line.get("x1", "")) for line in drawn(curve).iter(f"{SVG}line") if line.get("class") == "t")
    assert places["t_min"] < marks[0] < marks[1] < places["t_int"]


@pytest.mark.parametrize(("t_min", "t_int"), [(7, 7), (6, 7), (1, 1), (1, 2), (3, 5)])
def test_names_of_marks_stand_in_the_picture_and_on_nothing_else(t_min: int, t_int: int) -> None:
    marks = (("t_min", float(t_min)), ("t_int", float(t_int)))
    root = ElementTree.fromstring(
        draw(np.arange(1.0, 8), [Line("a", np.arange(7.0), "test")], "epochs", "loss", marks, width=600)
    )
    boxes = []
    for one in root.iter(f"{SVG}text"):
        if (said := one.text or "").startswith("t_"):
            x, y, room = float(one.get("x", "")), float(one.get("y", "")), 7 * len(said)
            left = x - room if one.get("text-anchor") == "end" else x
            assert 0 <= left <= left + room <= 600
            assert all(y != other or left >= b or left + room <= a for a, b, other in boxes)
            boxes.append((left, left + room, y))
    assert len(boxes) == (1 if t_min == t_int else 2)


def test_a_legend_takes_as_many_rows_as_it_needs_and_the_rest_moves_down() -> None:
    names = ["a line with a name", "another", "a third one, longer still", ""]
    lines = [Line(name, np.arange(3.0), "test") for name in names]
    for width, rows in ((900, 1), (240, 3)):
        root = ElementTree.fromstring(draw(np.arange(3.0), lines, "x", "y", width=width))
        legend = {text.text: float(text.get("y", "")) for text in root.iter(f"{SVG}text") if text.text in names}
        assert len(legend) == 3
        assert len(set(legend.values())) == rows
        assert all(float(text.get("x", "")) > 0 for text in root.iter(f"{SVG}text"))
        (measure,) = (text for text in root.iter(f"{SVG}text") if text.text == "y")
        assert float(measure.get("y", "")) > max(legend.values())


def test_dots_are_where_the_values_are_and_missing_ones_are_nowhere() -> None:
    svg = draw(np.arange(4.0), [Line("dots", np.array([1, np.nan, 3, np.nan]), "dots")], "x", "y", best="lowest")
    root = ElementTree.fromstring(svg)
    drawn_dots = [path.get("d", "").count("M") for path in root.iter(f"{SVG}path")]
    assert drawn_dots == [2, 2]  # those of the legend too
    assert "<title>lowest: 1 at x = 0</title>" in svg


def test_what_goes_below_zero_is_never_logarithmic() -> None:
    root = ElementTree.fromstring(draw(np.arange(3.0), [Line("", np.array([-0.01, 5.0, 1000.0]), "test")], "x", "y"))
    said = [text.text for text in root.iter(f"{SVG}text")]
    assert {"0", "200", "400", "600", "800", "1 000"} <= set(said)
