from attar.report.ranking import Ranking


def test_each_candidate_has_a_line_in_the_order_given_with_its_columns_below_each_other(digits):
    lines = repr(Ranking(digits.leaderboard)).splitlines()
    assert lines[0].split() == ["candidate", "accuracy", "90", "%", "interval", "size", "latency"]
    assert [line.startswith(row.name) for line, row in zip(lines[1:], digits.leaderboard, strict=True)]
    place = lines[0].index("accuracy")
    for line, row in zip(lines[1:], digits.leaderboard):
        assert line[:place].rstrip() == row.name
        assert line[place:].startswith(f"{100 * row.accuracy:.1f}")
    (chosen,) = [row.name for row in digits.leaderboard if row.chosen]
    assert [line[:place].rstrip() for line in lines if "chosen" in line[place:]] == [chosen]


def test_a_baseline_that_was_chosen_is_said_to_be_both(digits):
    row = digits.leaderboard[0].model_copy(update={"chosen": True, "baseline": True})
    assert repr(Ranking([row])).endswith("chosen, baseline")


def test_it_is_a_tuple_of_rows_still(digits):
    ranking = Ranking(digits.leaderboard)
    assert ranking == digits.leaderboard
    assert ranking[0] is digits.leaderboard[0]
    assert repr(Ranking()).startswith("candidate")
