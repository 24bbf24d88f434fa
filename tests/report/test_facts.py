import pytest
from pydantic import ValidationError

from attar.report.facts import Facts


def test_facts_survive_json(digits):
    assert Facts.model_validate_json(digits.model_dump_json()) == digits


def test_facts_of_earlier_versions_whose_rows_have_a_note_are_read(digits):
    old = digits.model_dump(mode="json")
    for row in old["leaderboard"]:
        row["note"] = ""
    assert Facts.model_validate(old) == digits


def test_unknown_facts_are_refused(digits):
    with pytest.raises(ValidationError, match="extra"):
        Facts.model_validate(digits.model_dump() | {"mood": "good"})


@pytest.mark.parametrize("name", ["leaderboard", "compression", "latent"])
def test_there_is_a_candidate_a_file_and_a_map_in_every_run(digits, name):
    with pytest.raises(ValidationError, match=r"at least 1 item|must be the one that was chosen"):
        Facts.model_validate(digits.model_dump() | {name: ()})


@pytest.mark.parametrize(
    ("name", "value"),
    [("confusion", ((1, 2), (3, 4))), ("confusion", ((1,) * 9,) * 10), ("labels_per_class", (5,) * 9)],
)
def test_counts_must_fit_the_classes(digits, name, value):
    with pytest.raises(ValidationError, match=r"one for each of|one column for each"):
        Facts.model_validate(digits.model_dump() | {name: value})
