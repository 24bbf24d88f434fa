import re

from attar.report.leaderboard import leaderboard
from tests.report.conftest import row


def _names(fragment: str) -> list[str]:
    return re.findall(r'class="name" role="cell"><bdi>(.*?)</bdi>', fragment)


def test_rows_are_sorted_by_accuracy_and_skipped_ones_come_last_with_their_reason(digits):
    drawn = leaderboard(digits)
    expected = sorted((r for r in digits.leaderboard if r.accuracy is not None), key=lambda r: -r.accuracy)
    assert _names(drawn) == [r.name for r in expected] + ["gradient boosting"]
    assert "Skipped: needs a table, this is image" in drawn


def test_each_dot_lies_within_its_whisker(digits):
    drawn = leaderboard(digits)
    whiskers = re.findall(r'class="whisker" x1="([\d.]+)%" x2="([\d.]+)%"', drawn)
    dots = re.findall(r'class="dot" cx="([\d.]+)%"', drawn)
    assert len(dots) == 8
    assert all(float(a) < float(x) < float(b) for (a, b), x in zip(whiskers, dots))


def test_baselines_and_the_choice_are_said_in_words_not_in_colour_alone(digits):
    drawn = leaderboard(digits)
    assert drawn.count('<span class="tag">baseline</span>') == sum(r.baseline for r in digits.leaderboard)
    assert drawn.count(">chosen</span>") == 1


def test_a_choice_that_is_not_the_best_is_explained(wide, digits):
    assert "within one standard error" in leaderboard(wide)
    assert "within one standard error" not in leaderboard(digits)


def test_without_candidates_it_says_so(digits):
    assert "No candidate" in leaderboard(digits.model_copy(update={"leaderboard": ()}))


def test_only_skipped_candidates_and_missing_numbers_are_drawn(digits):
    rows = (row("a", None), row("b", 1.0), row("c", 0.0))
    drawn = leaderboard(digits.model_copy(update={"leaderboard": rows}))
    assert _names(drawn) == ["b", "c", "a"]
    assert "no reason was recorded" in drawn
    assert leaderboard(digits.model_copy(update={"leaderboard": rows[:1]})).count('role="row"') == 2
