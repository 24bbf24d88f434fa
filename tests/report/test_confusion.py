import re
import xml.etree.ElementTree as ET

import numpy as np

from attar.report.confusion import confusion
from attar.report.facts import LatentPoint
from tests.report.conftest import large


def _with(counts, classes):
    point = LatentPoint(id="0", x=0.0, y=0.0, predicted=classes[0], probability=1.0, label=None, thumbnail="")
    return large(classes, np.asarray(counts), (point,))


def test_every_count_is_drawn_at_its_cell(digits):
    drawn = confusion(digits)
    svg = ET.fromstring(re.search(r"<svg.*</svg>", drawn)[0])
    cells = [(rect.get("class"), rect.get("x"), rect.get("y")) for rect in svg.iter("rect")]
    counts = np.array(digits.confusion)
    assert len(cells) == np.count_nonzero(counts)
    assert [kind for kind, *_ in cells].count("right") == np.count_nonzero(np.diag(counts))
    assert len({x for _, x, _ in cells}) == len({y for _, _, y in cells}) == 10


def test_colour_is_the_share_of_the_true_class():
    drawn = confusion(_with([[1, 0], [500, 500]], ("a", "b")))
    opacity = [float(o) for o in re.findall(r'fill-opacity="([\d.]+)"', drawn)]
    assert opacity[0] > opacity[1] == opacity[2]
    assert "true b, predicted a: 500 of 1\u202f000 (50.0\u00a0%)" in drawn


def test_most_frequent_confusions_come_first():
    drawn = confusion(_with([[5, 1, 7], [2, 5, 0], [0, 0, 0]], ("a", "b", "c")))
    assert re.findall(r'<span class="number">(\d) of (\d+)', drawn) == [("7", "13"), ("2", "7"), ("1", "13")]
    assert "–</text>" in drawn, "a class without samples has no recall"


def test_more_classes_than_can_be_read_become_a_list():
    n = 200
    drawn = confusion(_with(np.ones((n, n), dtype=int), tuple(map(str, range(n)))))
    assert "<svg" not in drawn
    assert drawn.count("<li>") == 20


def test_the_share_of_right_answers_is_the_accuracy_where_the_test_part_has_other_classes(digits):
    drawn = confusion(digits.model_copy(update={"n_test": 2 * digits.n_test}))
    right = np.trace(digits.confusion)
    assert f"{100 * right / (2 * digits.n_test):.1f}\u00a0% of 1\u202f078\u00a0predictions are right" in drawn
    assert "without 539\u00a0samples of classes that no model can learn" in drawn
    assert "without" not in confusion(digits)


def test_nothing_confused_and_nothing_at_all_are_said():
    assert "None: all are right" in confusion(_with(np.eye(3, dtype=int), ("a", "b", "c")))
    assert "No sample" in confusion(_with(np.zeros((3, 3), dtype=int), ("a", "b", "c")))
    assert "No sample" in confusion(_with(np.zeros((0, 0), dtype=int), ("a", "b", "c")))
