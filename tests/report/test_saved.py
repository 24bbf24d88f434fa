"""What is kept of a run on disk, and read again."""

import json

import pytest

from attar.errors import RunError
from attar.report.facts import Facts
from attar.report.saved import FACTS, render_run, write_report


def test_facts_are_read_as_they_were_written(digits, tmp_path):
    (tmp_path / "run.json").touch()
    page = write_report(tmp_path, digits)
    assert Facts.model_validate_json((tmp_path / FACTS).read_bytes()) == digits
    again = render_run(tmp_path, tmp_path / "again.html")
    assert again.read_bytes() == page.read_bytes()


def test_names_of_files_that_are_no_utf8_do_not_cost_a_run_its_report(digits, tmp_path):
    # Which is how Python holds a byte that no text has.
    odd = digits.latent[0].model_copy(update={"id": "caf\udce9.png"})
    facts = digits.model_copy(update={"latent": (odd, *digits.latent[1:]), "notes": ("caf\udce9.png was left out",)})
    (tmp_path / "run.json").touch()
    write_report(tmp_path, facts)
    assert "caf?.png was left out" in render_run(tmp_path).read_text(encoding="utf-8")


def test_facts_that_are_cut_off_are_told(digits, tmp_path):
    (tmp_path / "run.json").touch()
    write_report(tmp_path, digits)
    (tmp_path / FACTS).write_bytes((tmp_path / FACTS).read_bytes()[:-9])
    with pytest.raises(RunError, match="is corrupt at"):
        render_run(tmp_path)


@pytest.mark.parametrize("command", ["fit", "explore", "compress", "risk"])
def test_a_run_that_is_not_finished_is_told_its_own_command(command, tmp_path):
    settings = {"seed": 0} if command == "fit" else {command: True, "seed": 0}
    (tmp_path / "run.json").write_text(json.dumps({"asked": {"settings": settings}}))
    with pytest.raises(RunError, match=f"start its `attar {command}` again"):
        render_run(tmp_path)
