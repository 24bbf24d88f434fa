import re

from attar.report.compression import compression, sentence
from attar.report.facts import Step


def _step(n_bytes, latency):
    return Step(name="a", bytes=n_bytes, latency_ms=latency, agreement=None, accuracy=None)


def test_bars_are_in_proportion(digits):
    widths = [float(w) for w in re.findall(r'<i style="width:([\d.]+)%', compression(digits))]
    assert widths[:2] == [100.0, 100.0]
    assert widths[4] == round(100 * 47_912 / 1_460_000, 1)


def test_numbers_in_notes_are_written_as_all_others(digits):
    noted = _step(100, 1.0).model_copy(update={"note": "width-16, 35,674 parameters"})
    assert "width-16, 35\u202f674 parameters" in compression(digits.model_copy(update={"compression": (noted,)}))


def test_slower_is_called_not_faster(wide):
    assert "14× smaller" in sentence(wide.compression)
    assert "not faster" in compression(wide)
    assert "not smaller" in sentence((_step(100, 1.0), _step(100, 0.1)))


def test_the_check_after_the_export_is_said(digits):
    assert "largest difference in probability between the shipped model and its file is 0.0041" in compression(digits)


def test_accuracy_is_that_on_the_test_part_or_unknown(digits, wide):
    assert "Accuracy: share of the 539\u00a0test samples that is answered rightly." in compression(digits)
    assert "Accuracy: unknown, for there is no test part." in compression(wide)


def test_where_each_class_counts_the_same_agreement_is_a_mean_over_them(digits):
    same = "the same class as before compression"
    assert f"{same}.</p>" in compression(digits)
    assert f"{same}, in the mean over the classes.</p>" in compression(digits.model_copy(update={"balanced": True}))


def test_one_step_and_zeros_are_drawn(digits):
    assert "nothing needed" in compression(digits.model_copy(update={"compression": (_step(100, 1.0),)}))
    assert "nan" not in compression(digits.model_copy(update={"compression": (_step(0, 0.0), _step(0, 0.0))}))
