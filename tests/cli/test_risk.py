"""`attar risk`: a page, a sentence, JSON where asked, and one line where something is wrong."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import call, write_digits


@pytest.fixture(autouse=True)
def _quick(quick_sweeps) -> None:
    pass


def test_a_page_and_its_verdict(empty):
    write_digits(empty / "three.npz")
    called = call("risk", "three.npz", "--labels-per-class", 5, "--over", "samples, label-noise")
    assert called.code == 0
    verdict, page = called.out.strip().split("\n\n")
    assert page == "runs/three-risk/risk.html"
    assert (empty / page).is_file()
    assert verdict in (empty / "runs/three-risk/advice.json").read_text()
    assert "label noise Check the labels" in called.err
    assert 'attar risk three.npz <span class="option">--labels-per-class</span> 5' in (empty / page).read_text()
    again = call("risk", "three.npz", "--labels-per-class", 5, "--over", "samples, label-noise", "--quiet")
    assert (again.code, again.out, again.err) == (0, "", "")
    other = call("report", "runs/three-risk")
    assert other.code == 2
    assert other.complaint.startswith("attar: runs/three-risk: risk curves; ")


def test_json_is_all_there_is_where_it_is_asked_for(empty):
    write_digits(empty / "three.npz")
    called = call("risk", "three.npz", "--labels-per-class", 5, "--out", "here", "--json", "--quiet")
    assert (called.code, called.err) == (0, "")
    assert called.out.count("\n") == 1
    found = json.loads(called.out)
    assert list(found) == ["run", "verdict", "best", "sweeps"]
    # Without --over what is usual is varied.
    assert [one["over"] for one in found["sweeps"]] == [
        "features",
        "λ",
        "leaves",
        "trees",
        "epochs",
        "width",
        "samples",
    ]
    assert found == json.loads((empty / "here" / "advice.json").read_text())
    for one in found["sweeps"]:
        assert len(one["gain"]["interval"]) == 2
        assert len(one["test"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("three.npz", "--over", "depth"), "cannot vary depth: give some of features, leaves, width, epochs, samples"),
        (("three.npz", "--over", ","), "cannot vary nothing"),
        (("three.npz", "--labels-per-class", 1), "single label"),
        (("nowhere.npz",), "no such file"),
        (("wine", "--ignore", "ash,colour"), "wine: no column is called 'colour'; it has"),
        (("wine", "--category", "proline", "--ignore", "proline"), "column 'proline' is to be ignored and to be"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(empty, arguments, said):
    write_digits(empty / "three.npz")
    called = call("risk", *arguments)
    assert called.code == 2
    assert called.complaint.startswith("attar: ")
    assert said in called.complaint
    assert [path.name for path in empty.iterdir()] == ["three.npz"]


def test_help():
    called = call("risk", "--help")
    assert called.code == 0
    for option in ("--over", "--labels", "--label-column", "--labels-per-class", "--holdout", "--seed", "--out"):
        assert f"{option} " in called.out
    assert "by risk curves" in call("--help").out
    assert call("risk").code == 2
