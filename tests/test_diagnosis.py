"""From a source to a page of risk curves: what is kept, going on, and that the test part decides nothing."""

from __future__ import annotations

import inspect
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_wine

from attar import diagnosis
from attar.cli.risk import risk
from attar.diagnosis import SUMMARY, Diagnosis, diagnose, summary_of
from attar.errors import AttarError, DataError, LabelError, RunError
from attar.preparation import Options
from attar.report.saved import RISKS, render_run
from attar.risk import Curve

pytestmark = pytest.mark.usefixtures("quick_sweeps")
WINE = load_wine(return_X_y=True)


def source(folder: Path, name: str = "wine", **changed: Any) -> str:
    """Ten labels of each of three wines, and a test part of 60."""
    x, y = WINE
    order = np.random.default_rng(0).permutation(len(x))
    test, train = order[:60], order[60:]
    chosen = np.concatenate([train[y[train] == c][:10] for c in range(3)])
    arrays = {"x_train": x[chosen], "y_train": y[chosen], "x_test": x[test], "y_test": y[test]}
    np.savez(folder / f"{name}.npz", **(arrays | changed))
    return str(folder / f"{name}.npz")


def ran(folder: Path, given: str, over: tuple[str, ...] = ("features",), **options: Any) -> Diagnosis:
    return diagnose(given, Options(out=folder, **options), over=over, command="attar risk")


def test_all_that_the_command_asks_for_tells_one_run_from_another() -> None:
    given = {one.name for one in fields(Options)} & {*inspect.signature(risk).parameters} - {"out"}
    assert given == {*diagnosis._OPTIONS}


def test_the_folder_holds_page_advice_and_curves(tmp_path: Path) -> None:
    done = ran(tmp_path / "run", source(tmp_path), ("features", "samples", "label-noise"))
    assert done.page == tmp_path / "run" / RISKS
    names = ["features", "ridge", "samples", "label-noise"]
    files = {path.name for path in (tmp_path / "run" / "curves").iterdir()}
    assert files == {f"{name}.{ending}" for name in names for ending in ("json", "arrow", "svg")}
    assert not list((tmp_path / "run").rglob("*.part"))
    facts = done.facts
    assert (facts.n, facts.n_labelled, facts.n_test, facts.kind) == (90, 30, 60, "table")
    for one, name in zip(facts.sweeps, names):
        for ending in ("json", "arrow"):
            assert Curve.load(tmp_path / "run" / "curves" / f"{name}.{ending}").to_json() == one.curve.to_json()
    held = json.loads((tmp_path / "run" / SUMMARY).read_text())
    assert held == json.loads(json.dumps(summary_of(facts)))
    assert [one["over"] for one in held["sweeps"]] == ["features", "λ", "samples", "label noise"]
    assert held["verdict"] == facts.verdict
    assert (held["best"] is None) == (facts.best is None)
    with pytest.raises(RunError, match="risk curves"):
        render_run(tmp_path / "run")


def test_a_second_call_computes_nothing_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = source(tmp_path)
    first = ran(tmp_path / "run", given)
    page = first.page.read_text()
    monkeypatch.setattr(diagnosis, "sweep", lambda *_: pytest.fail("computed again"))
    again = ran(tmp_path / "run", given)
    assert summary_of(again.facts) == summary_of(first.facts)
    assert again.page.read_text().split("the run took")[0] == page.split("the run took")[0]


def test_what_was_cut_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given, whole = source(tmp_path), diagnosis.sweep

    def cut(data: Any, over: str, *others: Any) -> Any:
        if over == "λ":
            raise KeyboardInterrupt
        return whole(data, over, *others)

    monkeypatch.setattr(diagnosis, "sweep", cut)
    with pytest.raises(KeyboardInterrupt):
        ran(tmp_path / "run", given)
    assert not (tmp_path / "run" / RISKS).exists()
    asked: list[str] = []
    monkeypatch.setattr(diagnosis, "sweep", lambda *a: (asked.append(a[1]), whole(*a))[1])
    found = summary_of(ran(tmp_path / "run", given).facts)
    assert asked == ["λ"]
    assert found == summary_of(ran(tmp_path / "other" / "run", given).facts)


def test_another_command_is_refused(tmp_path: Path) -> None:
    given = source(tmp_path)
    ran(tmp_path / "run", given, ("samples",))
    for over, seed in ((("features",), 0), (("samples",), 1)):
        with pytest.raises(RunError, match="belongs to another command"):
            ran(tmp_path / "run", given, over, seed=seed)


def test_samples_of_the_test_part_without_a_label_are_not_answered_wrongly(tmp_path: Path) -> None:
    x, y = WINE
    x, y = x[::3], y[::3]
    known = source(tmp_path, x_test=x, y_test=y)
    more = source(tmp_path, "more", x_test=np.tile(x, (2, 1)), y_test=np.append(y, np.full(len(y), -1)))
    found = [ran(tmp_path / Path(given).stem, given, ("samples",)).facts for given in (known, more)]
    assert [facts.n_test for facts in found] == [len(y)] * 2
    first, second = (facts.sweeps[0].test for facts in found)
    assert first is not None
    assert second is not None
    assert [curve.to_json() for curve in first] == [curve.to_json() for curve in second]


def test_the_test_part_decides_nothing(tmp_path: Path) -> None:
    x, y = WINE
    one = summary_of(ran(tmp_path / "a" / "run", source(tmp_path)).facts)
    other = source(tmp_path, "other", x_test=x[:50] * 2, y_test=y[:50][::-1])
    two = summary_of(ran(tmp_path / "b" / "run", other).facts)
    none = source(tmp_path, "none")
    with np.load(none) as held:
        np.savez(tmp_path / "none.npz", x=held["x_train"], y=held["y_train"])
    three = summary_of(ran(tmp_path / "c" / "run", none).facts)
    looked = [[sweep.pop("test") for sweep in found["sweeps"]] for found in (one, two, three)]
    assert one == two == three
    assert looked[0] != looked[1]
    assert looked[2] == [None, None]
    assert [len(test) for test in looked[0]] == [2, 2]


def test_networks_and_label_noise(tmp_path: Path) -> None:
    found = summary_of(ran(tmp_path / "run", source(tmp_path), ("label-noise", "epochs", "width")).facts)
    assert [one["over"] for one in found["sweeps"]] == ["label noise", "epochs", "width"]
    noise = found["sweeps"][0]
    assert (noise["default"], noise["setting"]) == (0.0, 0.05)
    # Neither is a setting that a person would choose.
    assert found["best"] != "label noise"
    assert all(one["loss"] == "cross-entropy" for one in found["sweeps"][1:])
    assert all({"setting", "loss", "errors"} <= set(looked) for one in found["sweeps"] for looked in one["test"])


def test_more_classes_than_labels_of_each_and_one_that_only_the_test_part_has(tmp_path: Path) -> None:
    x, _ = WINE
    y = np.arange(30) // 2
    given = source(tmp_path, y_train=y, x_test=x[:4], y_test=np.array([0, 1, 2, 14]))
    found = summary_of(ran(tmp_path / "run", given, ("features", "leaves", "samples")).facts)
    assert len(found["sweeps"]) == 5
    for one in found["sweeps"]:
        assert 0 <= one["test"][0]["errors"] <= 1


@pytest.mark.parametrize(
    ("case", "over", "error", "message"),
    [
        ("good", ("depth",), DataError, "cannot vary depth: give some of features, leaves"),
        ("good", (), DataError, "cannot vary nothing"),
        ("no labels", ("features",), LabelError, "no sample is labelled"),
        ("one class", ("features",), LabelError, "one class only"),
        ("one each", ("features",), LabelError, "single label"),
        ("infinite", ("features",), DataError, "infinite"),
        ("nowhere", ("features",), DataError, "no such file"),
    ],
)
def test_bad_input_is_named_before_anything_is_written(
    tmp_path: Path, case: str, over: tuple[str, ...], error: type[AttarError], message: str
) -> None:
    x = WINE[0][:6].copy()
    y = {"no labels": np.full(6, -1), "one class": np.zeros(6, int), "one each": np.arange(6)}.get(
        case, np.array([0, 0, 0, 1, 1, 1])
    )
    if case == "infinite":
        x[2, 1] = np.inf
    given = str(tmp_path / "nowhere.npz")
    if case != "nowhere":
        given = str(tmp_path / "given.npz")
        np.savez(given, x=x, y=y)
    with pytest.raises(error, match=message):
        ran(tmp_path / "run", given, over)
    assert not (tmp_path / "run").exists()


def test_a_folder_is_named_after_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source(tmp_path)
    one = diagnose("wine.npz", over=("samples",))
    other = diagnose("wine.npz", replace(Options(), seed=1), over=("samples",))
    assert one.page == Path("runs/wine-risk") / RISKS
    assert other.page == Path("runs/wine-risk-2") / RISKS
