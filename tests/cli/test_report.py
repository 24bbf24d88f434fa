import shutil

import pytest

from tests.cli.conftest import call


def test_the_page_is_made_anew(finished, empty):
    shutil.copytree(finished.folder, empty / "run")
    page = empty / "run" / "report.html"
    before = page.read_bytes()
    page.unlink()
    called = call("report", "run")
    assert (called.code, called.out) == (0, "run/report.html\n")
    assert page.read_bytes() == before


def test_elsewhere(finished, empty):
    assert call("report", finished.folder, "-o", "page.html").out == "page.html\n"
    assert (empty / "page.html").read_bytes() == (finished.folder / "report.html").read_bytes()


def missing(_):
    return "attar: run: no such run folder; "


def empty_folder(at):
    (at / "run").mkdir()
    return "attar: run: not a run folder "


def unfinished(at):
    (at / "run").mkdir()
    (at / "run" / "run.json").write_text("{}")
    return "attar: run: the run is not finished; "


def corrupt(at):
    unfinished(at)
    (at / "run" / "facts.json").write_text('{"run": 1}')
    return "attar: run/facts.json: is corrupt at "


def torn(at):
    unfinished(at)
    (at / "run" / "facts.json").write_text('{"run": "a')
    return "attar: run/facts.json: is corrupt at "


@pytest.mark.parametrize("bad", [missing, empty_folder, unfinished, corrupt, torn], ids=lambda bad: bad.__name__)
def test_bad_input_is_one_line_and_leaves_nothing(empty, bad):
    said = bad(empty)
    before = sorted(empty.rglob("*"))
    called = call("report", "run")
    assert called.code == 2
    assert called.complaint.startswith(said)
    assert sorted(empty.rglob("*")) == before
