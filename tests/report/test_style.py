import xml.etree.ElementTree as ET
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from attar.report.style import COLOURS, SHAPES, axis_of_shares, symbol


@given(st.lists(st.floats(0, 1), max_size=8))
def test_an_axis_holds_all_shares_on_round_ticks_within_0_and_1(shares):
    axis = axis_of_shares(shares)
    assert 0 <= axis.low < axis.high <= 1
    assert 2 <= len(axis.ticks) <= 7
    assert (axis.ticks[0], axis.ticks[-1]) == (axis.low, axis.high)
    assert all(axis.low - 1e-9 <= share <= axis.high + 1e-9 for share in shares)
    steps = {round(b - a, 6) for a, b in pairwise(axis.ticks)}
    assert len(steps) == 1


def test_values_that_are_not_finite_do_not_stretch_the_axis():
    assert axis_of_shares([0.9, float("nan"), float("inf")]) == axis_of_shares([0.9])


def test_values_outside_are_drawn_on_the_edge():
    axis = axis_of_shares([0.6, 0.9])
    assert axis.at(-3.0) == 0.0
    assert axis.at(7.0) == 100.0


def test_56_classes_have_different_symbols_and_neighbours_differ_in_colour_and_shape():
    drawn = [(i % COLOURS, i % len(SHAPES)) for i in range(57)]
    assert len(set(drawn[:56])) == 56
    assert all(a != c and b != d for (a, b), (c, d) in pairwise(drawn))
    assert len({symbol(i) for i in range(56)}) == 56
    ET.fromstring(symbol(3))
