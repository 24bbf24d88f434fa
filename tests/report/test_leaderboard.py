import re

from attar.report.leaderboard import leaderboard
from tests.report.conftest import row


def _names(fragment: str) -> list[str]:
    return re.findall(r'class="name" role="cell"><bdi>(.*?)</bdi>', fragment)


def test_rows_stand_in_the_order_of_the_facts(digits):
    assert _names(leaderboard(digits)) == [r.name for r in digits.leaderboard]


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


def test_candidates_at_both_ends_are_drawn(digits):
    rows = (row("a", 1.0), row("b", 0.0, chosen=True))
    drawn = leaderboard(digits.model_copy(update={"leaderboard": rows}))
    assert _names(drawn) == ["a", "b"]
    assert drawn.count('role="row"') == 3
