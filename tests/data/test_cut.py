"""Windows: every step is in one, labels, groups and parts stay with them, and prediction cuts as training did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from attar.data.arrays import build, from_arrays, with_groups
from attar.data.cut import Cut, of_recordings, rows_as_recordings, windows_of
from attar.data.dataset import Column, Form, unjudged
from attar.data.raw import Raw
from attar.data.sources import read, read_for_evaluation, read_for_prediction
from attar.deploy.predictions import write_predictions
from attar.deploy.session import load
from attar.errors import DataError, LabelError
from attar.evaluation import evaluate
from attar.fit import fit_source
from attar.preparation import Options
from attar.training.progress import Silent

RNG = np.random.default_rng(0)
CHANNELS = (Column("a"), Column("b"))


@pytest.mark.parametrize("steps", [1, 4, 7])
@pytest.mark.parametrize("stride", [1, 3, 4])
@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 9, 40])
def test_every_step_is_in_a_window_and_no_window_leaves_the_recording(steps: int, stride: int, length: int) -> None:
    if stride > steps:
        with pytest.raises(DataError, match="no longer stride than a window"):
            Cut(steps, stride)
        return
    starts = Cut(steps, stride).starts(length)
    assert starts == sorted(set(starts))
    covered = {step for start in starts for step in range(start, start + steps)}
    assert covered >= set(range(length))
    assert max(covered) < max(length, steps)
    assert all(start % stride == 0 for start in starts[:-1])


def test_windows_are_those_of_a_loop() -> None:
    lengths, labels = [11, 4, 2, 8], [0, 1, -1, 0]
    recordings = [RNG.standard_normal((2, n)).astype(np.float32) for n in lengths]
    dataset = with_groups(from_arrays(recordings, labels), ["p", "p", "q", "q"], "g")
    dataset = replace(dataset, test=np.array([3]))
    found = windows_of(dataset, Cut(4, 3))
    expected = [(i, s) for i, n in enumerate(lengths) for s in sorted({*range(0, max(n - 4, 0), 3), max(n - 4, 0)})]
    assert found.ids.tolist() == [f"{i}@{s}" for i, s in expected]
    for x, (i, s) in zip(found.x, expected, strict=True):
        part = recordings[i][:, s : s + 4]
        assert np.array_equal(x[:, : part.shape[1]], part)
        assert np.isnan(x[:, part.shape[1] :]).all()
    of = np.array([i for i, _ in expected])
    assert found.y.tolist() == [labels[i] for i in of]
    assert found.groups.tolist() == [[0, 0, 1, 1][i] for i in of]
    assert found.windows.recordings.tolist() == of.tolist()
    assert found.test.tolist() == np.flatnonzero(of == 3).tolist()
    assert found.stride == 3
    assert found.notes[-1].endswith("4 steps, one every 3: those of one recording are judged together")
    assert not any("judged" in note for note in unjudged(found.notes))
    one = windows_of(from_arrays(recordings[2:3]), Cut(2, 1))
    assert unjudged(one.notes)[-1] == "1 recording is cut into 1 window of 2 steps, one every 1"
    assert not any("padded" in note for note in found.notes)


def test_rows_of_a_table_are_steps_with_labels_of_their_own() -> None:
    rows = 20
    raw = Raw(
        np.column_stack([np.arange(rows), np.sin(np.arange(rows)), np.cos(np.arange(rows))]),
        ["a"] * 6 + [None] * 2 + ["b"] * 12,
        columns=tuple(map(Column, "tuv")),
        kind="table",
        groups=["p"] * 12 + ["q"] * 8,
    )
    recordings, steps = rows_as_recordings(raw, 4, "log")
    assert [one.shape for one in recordings.x] == [(2, 12), (2, 8)]
    assert recordings.groups == ["p", "q"]
    assert "'t': of the time: no channel" in recordings.notes
    x = [one.astype(np.float32) for one in recordings.x]
    found = windows_of(from_arrays(x), Cut(4, 4), steps)
    assert found.classes == ("a", "b")
    assert not any("alone" in note for note in found.notes)
    # Rows 0–3, 4–7 and 8–11 of p, and 0–3 and 4–7 of q: an unlabelled step takes nothing away.
    assert found.y.tolist() == [0, 0, 1, 1, 1]
    crossing = windows_of(from_arrays(x), Cut(12, 12), steps)
    assert (crossing.y.tolist(), crossing.classes) == ([-1, 0], ("b",))
    assert any("1 of 2 windows holds" in note for note in crossing.notes)


def test_rows_of_groups_that_take_turns_are_put_together() -> None:
    x = np.column_stack([np.arange(12), np.tile([0, 1], 6)]).astype(float)
    raw = Raw(x, list("ab" * 6), columns=tuple(map(Column, "uv")), kind="table", groups=["p", "q"] * 6)
    recordings, steps = rows_as_recordings(raw, 4, "log", [Column("u")])
    assert [one.tolist() for one in recordings.x] == [[[0, 2, 4, 6, 8, 10]], [[1, 3, 5, 7, 9, 11]]]
    assert [codes.tolist() for codes in steps.codes] == [[0] * 6, [1] * 6]
    assert recordings.groups == ["p", "q"]
    assert len(rows_as_recordings(raw, 1, "log", [Column("u")])[0].x) == 12


def activity(path: Path, seed: int, rows: int = 600) -> Path:
    """Two activities in turn, by two persons after each other."""
    rng = np.random.default_rng(seed)
    t = np.arange(rows)
    run = t // 100 % 2
    frame = pd.DataFrame(
        {
            "time": pd.Timestamp("2024-01-01") + pd.to_timedelta(t, unit="s"),
            "who": np.where(t < rows // 2, f"p{seed}", f"q{seed}"),
            "a": np.sin(t * np.where(run, 1.5, 0.3)) + 0.1 * rng.standard_normal(rows),
            "b": np.cos(t * np.where(run, 1.5, 0.3)) + 0.1 * rng.standard_normal(rows),
            "did": np.where(run, "run", "walk"),
        }
    )
    frame.to_csv(path, index=False)
    return path


def test_the_test_part_of_a_table_is_a_recording_of_its_own() -> None:
    x, test = np.random.default_rng(0).normal(size=(20, 1)), np.arange(12, 20)
    raw = Raw(x, ["a"] * 20, columns=(Column("u"),), kind="table", test=test)
    for groups, names in ((None, ["log", "test/log"]), (["p"] * 20, ["p", "test/p"])):
        recordings, steps = rows_as_recordings(replace(raw, groups=groups), 4, "log")
        assert recordings.ids == names
        assert [one.shape[1] for one in recordings.x] == [len(one) for one in steps.codes] == [12, 8]
        found = windows_of(build(recordings, where="log"), Cut(4, 4), steps)
        assert found.test is not None
        assert [found.ids[i] for i in found.test] == [f"{names[1]}@0", f"{names[1]}@4"]


def test_a_model_of_windows_cuts_what_it_is_asked_about(tmp_path) -> None:
    learnt, new = activity(tmp_path / "old.csv", 0), activity(tmp_path / "new.csv", 1)
    options = Options(label_column="did", group_column="who", window=20, seconds=1.0, pretexts=(), out=tmp_path / "run")
    model = fit_source(str(learnt), options).model
    found = evaluate(model, str(new), label_column="did", group_column="who")
    assert found.accuracy > 0.9
    assert found.n > 30
    with pytest.raises(LabelError, match="every recording holds more than one label; leave --per-recording away"):
        evaluate(model, str(new), label_column="did", per_recording=True)
    pd.read_csv(new).assign(did=["u", "v"] * 300).to_csv(tmp_path / "fast.csv", index=False)
    with pytest.raises(
        LabelError, match="every window of 20 steps holds more than one label; teach a model on shorter"
    ):
        evaluate(model, str(tmp_path / "fast.csv"), label_column="did")
    assert not any("since 1970" in note for note in found.notes)
    said = read_for_prediction(str(new), Form("series", (2, 20), columns=CHANNELS, stride=10))
    assert said.ids[:3].tolist() == ["new@0", "new@10", "new@20"]
    assert said.x.shape[1:] == (2, 20)
    folder = tmp_path / "recordings"
    folder.mkdir()
    pd.read_csv(new)[["b", "a"]].to_csv(folder / "r.csv", index=False)
    beside = read_for_prediction(str(folder), Form("series", (2, 20), columns=CHANNELS, stride=10))
    assert np.allclose(beside.x, said.x)


@pytest.mark.parametrize("column", ["who", "id"])
def test_a_table_to_predict_is_cut_by_the_column_that_told_recordings_apart(tmp_path, column: str) -> None:
    learnt, new = activity(tmp_path / "old.csv", 0), activity(tmp_path / "new.csv", 1)
    for path in (learnt, new):
        pd.read_csv(path).rename(columns={"who": column}).to_csv(path, index=False)
    options = Options(
        label_column="did", group_column=column, window=20, seconds=1.0, pretexts=(), out=tmp_path / "run"
    )
    model = load(fit_source(str(learnt), options).model)
    assert model.by == column
    said = read_for_prediction(str(new), model.form)
    assert {name.partition("@")[0] for name in said.ids} == {"p1", "q1"}
    assert not any("judged" in note for note in said.notes)
    judged = read_for_evaluation(str(new), model.form, label_column="did")
    assert judged.ids.tolist() == said.ids.tolist()
    asked = read_for_evaluation(str(new), model.form, label_column="did", group_column=column)
    assert np.array_equal(asked.groups, judged.groups)
    pd.read_csv(new).drop(columns=column).to_csv(new, index=False)
    alone = read_for_prediction(str(new), model.form)
    assert f"no column '{column}', which told recordings apart: the table is taken for one recording" in alone.notes
    assert alone.ids[0] == "new@0"


def test_labels_of_recordings_are_those_of_their_windows(tmp_path) -> None:
    for name, n in (("r", 30), ("s", 12)):
        pd.DataFrame({"a": RNG.standard_normal(n), "b": RNG.standard_normal(n)}).to_csv(
            tmp_path / f"{name}.csv", index=False
        )
    (tmp_path / "labels.txt").write_text("r.csv,x\ns.csv,y\n")
    labels = (tmp_path / "labels.txt").rename(tmp_path.parent / f"{tmp_path.name}.csv")
    dataset = read(str(tmp_path), labels=labels, cut=Cut.of(10, 5))
    assert dataset.y.tolist() == [0] * 5 + [1] * 2
    again = read_for_evaluation(str(tmp_path), Form("series", (2, 10), columns=CHANNELS, stride=5), labels=labels)
    assert again.y.tolist() == dataset.y.tolist()
    assert np.array_equal(again.x, dataset.x)


def test_a_file_of_labels_may_name_windows(tmp_path) -> None:
    folder, labels = tmp_path / "all", tmp_path / "labels.csv"
    folder.mkdir()
    for name in ("r", "s@5"):  # the second is a recording by its name
        pd.DataFrame({"a": RNG.standard_normal(30), "b": RNG.standard_normal(30)}).to_csv(
            folder / f"{name}.csv", index=False
        )
    whole, form = Cut.of(10, 5), Form("series", (2, 10), columns=CHANNELS, stride=5)
    # The source, a window of it, a group of all its windows.
    for source, name in ((str(folder), "r.csv"), (str(folder / "r.csv"), "r")):
        labels.write_text(f"{name}@5,x\n{name}@20,y\n")
        for dataset in (read(source, labels=labels, cut=whole), read_for_evaluation(source, form, labels=labels)):
            assert dataset.classes == ("x", "y")
            assert [dataset.ids[i] for i in dataset.labelled] == [f"{name}@5", f"{name}@20"]
    (tmp_path / "groups.csv").write_text("r.csv,p\ns@5.csv,q\n")
    labels.write_text("r.csv@5,x\ns@5.csv@10,y\n")
    grouped = read(str(folder), labels=labels, groups=tmp_path / "groups.csv", cut=whole)
    assert (len(grouped.labelled), len(np.unique(grouped.groups))) == (2, 2)
    labels.write_text("r,x\ns@5,y\n")
    assert (read(str(folder), labels=labels, cut=whole).y >= 0).all()
    labels.write_text("r.csv@7,x\nr.csv@20,y\n")
    with pytest.raises(LabelError, match=r"1 of 2 ids names no sample \('r.csv@7'\); samples are called 'r.csv@0', …"):
        read(str(folder), labels=labels, cut=whole)


def test_what_cannot_be_cut_is_said(tmp_path) -> None:
    with pytest.raises(DataError, match="a stride and no window"):
        Cut.of(None, 3)
    with pytest.raises(DataError, match="of kind image"):
        read("digits", cut=Cut(4, 2))
    path = activity(tmp_path / "a.csv", 0)
    notes = read(str(path), label_column="did", cut=Cut(4, 2)).notes
    assert {"'who': texts: no channel", "'time': of the time: no channel"} <= set(notes)
    pd.DataFrame({"time": np.arange(20), "label": ["u", "v"] * 10}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="no column of numbers that is a channel"):
        read(str(tmp_path / "t.csv"), cut=Cut(4, 2))


def test_a_recording_has_the_mean_of_the_answers_to_its_windows(tmp_path) -> None:
    learnt = activity(tmp_path / "old.csv", 0)
    options = Options(label_column="did", group_column="who", window=20, seconds=1.0, pretexts=(), out=tmp_path / "run")
    model = fit_source(str(learnt), options).model
    folder = tmp_path / "new"
    folder.mkdir()
    t = np.arange(130)
    for name, speed in (("slow", 0.3), ("fast", 1.5)):
        pd.DataFrame({"a": np.sin(t * speed), "b": np.cos(t * speed)}).to_csv(folder / f"{name}.csv", index=False)
    (tmp_path / "labels.csv").write_text("slow.csv,walk\nfast.csv,run\n")
    outcome = evaluate(model, str(folder), labels=tmp_path / "labels.csv", per_recording=True)
    assert (outcome.n, outcome.accuracy) == (2, 1.0)
    windows = evaluate(model, str(folder), labels=tmp_path / "labels.csv")
    assert windows.n == 2 * len(Cut(20, 10).starts(130))
    for per_recording in (False, True):
        write_predictions(
            model, str(folder), tmp_path / f"{per_recording}.csv", strict=True, progress=Silent(),
            probabilities=True, per_recording=per_recording,
        )  # fmt: skip
    each, whole = (pd.read_csv(tmp_path / f"{answer}.csv") for answer in (False, True))
    assert whole.id.tolist() == ["fast.csv", "slow.csv"]
    again = read_for_evaluation(str(folder), load(model).form, labels=tmp_path / "True.csv")
    assert (again.y >= 0).all()
    for name in whole.id:
        mean = each[each.id.str.startswith(f"{name}@")].filter(like="probability of").mean()
        found = whole[whole.id == name].filter(like="probability of").iloc[0]
        np.testing.assert_allclose(mean, found, atol=2e-6)
    with pytest.raises(DataError, match="one answer for each recording already"):
        of_recordings(from_arrays(RNG.standard_normal((4, 1, 9))), np.zeros((4, 2), np.float32))


def test_a_folder_and_a_table_have_the_same_channels(tmp_path) -> None:
    frame = pd.DataFrame({"time_s": np.arange(60) / 50 + 7, "a": RNG.standard_normal(60), "steps": np.arange(60) ** 2})
    (tmp_path / "all").mkdir()
    frame.to_csv(tmp_path / "all" / "r.csv", index=False)
    file = str(tmp_path / "all" / "r.csv")
    folder, table = read(str(tmp_path / "all"), cut=Cut(8, 4)), read(file, cut=Cut(8, 4))
    assert folder.channels == table.channels == ("a", "steps")
    assert np.array_equal(folder.x, table.x)
    assert "'steps': a channel; if it is the time, --ignore steps leaves it out" in table.notes
    one = read_for_prediction(file, Form("series", (1, 60), columns=(Column("a"),)))
    assert np.array_equal(one.x[0, 0], frame.a.astype(np.float32))


def test_rows_are_brought_to_the_rate_of_the_model_with_their_labels(tmp_path) -> None:
    def log(rate: int) -> str:
        t = np.arange(8 * rate) / rate
        at = pd.Timestamp("2024-01-01") + pd.to_timedelta(t, unit="s")
        frame = pd.DataFrame({"at": at, "a": np.sin(t), "b": np.cos(t), "did": np.where(t < 4, "u", "v")})
        frame.loc[frame.index[rate], "a"] = np.nan
        frame.to_csv(tmp_path / f"{rate}.csv", index=False)
        return str(tmp_path / f"{rate}.csv")

    learnt = read(log(10), label_column="did", cut=Cut(20, 10))
    assert learnt.rate == 10
    for rate in (20, 5):
        new = read_for_evaluation(
            log(rate), Form("series", (2, 20), columns=CHANNELS, rate=10, stride=10), label_column="did"
        )
        assert new.y.tolist() == learnt.y.tolist()
        np.testing.assert_allclose(new.x[1:-1, 1], learnt.x[1:-1, 1], atol=0.1)
        assert np.isnan(new.x[0, 0, 10])
        assert np.isnan(new.x[0, 0]).sum() < 3
        assert f"1 recording is sampled at {rate} Hz, and brought to 10 Hz, at which steps are counted" in new.notes


def test_rows_are_put_in_the_order_of_time_and_parted_at_pauses(tmp_path) -> None:
    t, who = np.arange(200), np.repeat(["p", "q"], 100)
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.where(t < 60, t, t + 3600), unit="s")
    frame = pd.DataFrame({"at": at, "who": who, "a": np.sin(t), "b": t % 7, "did": np.where(t < 60, "u", "v")})
    source = str(tmp_path / "log.csv")
    frame.to_csv(source, index=False)
    tidy = read(source, label_column="did", group_column="who", cut=Cut(20, 10))
    # Those of p before its pause at row 60, and after it.
    assert tidy.ids[:9].tolist() == [f"p@{row}" for row in (0, 10, 20, 30, 40, 60, 70, 80)] + ["q@0"]
    assert tidy.windows.recordings.tolist() == [0] * 8 + [1] * 9
    assert "time pauses or starts anew within 1 recording" in tidy.notes
    assert "no window lies across a pause or a new beginning" in tidy.notes
    assert not (tidy.y == -1).any()
    assert tidy.group_names == ("p", "q")
    (tmp_path / "labels.csv").write_text("p,x\nq,y\n")
    of_file = read(source, labels=tmp_path / "labels.csv", group_column="who", cut=Cut(20, 10))
    assert [of_file.classes[one] for one in of_file.y] == ["y" if name[0] == "q" else "x" for name in of_file.ids]
    form = Form("series", (2, 20), columns=CHANNELS, stride=10, by="who")
    for untidy in (frame[::-1], frame.sample(frac=1, random_state=0)):
        untidy.to_csv(source, index=False)
        said = read_for_evaluation(source, form, label_column="did")
        assert "2 recordings are not in the order of time, and put in it" in said.notes
        assert {one.tobytes() for one in said.x} == {one.tobytes() for one in tidy.x}
    # A file of groups says what is judged together, and the column still what is a recording.
    (tmp_path / "groups.csv").write_text("id,group\np,1\nq,1\n")
    together = read_for_evaluation(source, form, label_column="did", groups=tmp_path / "groups.csv")
    assert {name.partition("@")[0] for name in together.ids} == {"p", "q"}
    assert together.group_names == ("1",)
    assert not any("2 groups" in note for note in together.notes)


@pytest.mark.parametrize("steps", [3, 8, 20])
def test_windows_lie_within_stretches_unless_most_of_these_are_shorter(steps: int) -> None:
    recordings = [RNG.standard_normal((2, n)).astype(np.float32) for n in (40, 30)]
    breaks = [np.array([10, 22]), np.empty(0, dtype=np.int64)]
    found = windows_of(from_arrays(recordings), Cut(steps, 2), breaks=breaks)
    stretches = [(0, 0, 40), (1, 0, 30)] if steps == 20 else [(0, 0, 10), (0, 10, 22), (0, 22, 40), (1, 0, 30)]
    expected = [(i, begin + at, end) for i, begin, end in stretches for at in Cut(steps, 2).starts(end - begin)]
    assert found.ids.tolist() == [f"{i}@{at}" for i, at, _ in expected]
    assert found.windows.recordings.tolist() == [i for i, _, _ in expected]
    for x, (i, at, end) in zip(found.x, expected, strict=True):
        assert np.array_equal(x[:, : end - at], recordings[i][:, at : min(at + steps, end)])
    short = "most stretches between pauses are shorter than a window: windows lie across these"
    assert (short in found.notes) == (steps == 20)


def test_stretches_are_brought_to_the_rate_of_the_model_each_by_itself(tmp_path) -> None:
    def log(rate: int) -> str:
        t = np.arange(4 * rate) / rate
        frame = pd.DataFrame({"a": np.sin(t), "b": np.cos(t), "did": np.where(t < 2, "u", "v")})
        both = pd.concat([frame.assign(time_s=t), frame.assign(time_s=t + 900, a=frame.a + 100)])
        both.to_csv(tmp_path / "log.csv", index=False)
        return str(tmp_path / "log.csv")

    form = Form("series", (2, 20), columns=CHANNELS, rate=10, stride=10)
    learnt = read_for_evaluation(log(10), form, label_column="did")
    new = read_for_evaluation(log(25), form, label_column="did")
    assert new.ids.tolist() == learnt.ids.tolist() == ["log@0", "log@10", "log@20", "log@40", "log@50", "log@60"]
    assert new.y.tolist() == learnt.y.tolist() == [0, -1, 1] * 2
    np.testing.assert_allclose(new.x, learnt.x, atol=0.15)
    pd.read_csv(log(10)).drop(columns="time_s").to_csv(tmp_path / "log.csv", index=False)
    blind = read_for_prediction(str(tmp_path / "log.csv"), form)
    note = "the model's recordings are sampled at 10 Hz, and these do not tell their rate: taken as they are"
    assert blind.notes.count(note) == 1


@pytest.mark.parametrize("column", ["battery", "position_s"])
def test_what_goes_evenly_and_is_not_called_like_the_time_orders_and_tells_nothing(tmp_path, column: str) -> None:
    t = np.arange(100)
    frame = pd.DataFrame({"a": RNG.standard_normal(100), "b": RNG.standard_normal(100)})
    form = Form("series", (2, 20), columns=CHANNELS, rate=50, stride=10)
    frame.to_csv(tmp_path / "log.csv", index=False)
    plain = read_for_prediction(str(tmp_path / "log.csv"), form)
    frame.assign(**{column: 4.2 - 0.1 * t if column == "battery" else 0.1 * t}).to_csv(
        tmp_path / "log.csv", index=False
    )
    beside = read_for_prediction(str(tmp_path / "log.csv"), form)
    assert np.array_equal(beside.x, plain.x)
    assert beside.ids.tolist() == plain.ids.tolist()
    learnt = read(str(tmp_path / "log.csv"), cut=Cut(20, 10))
    assert learnt.rate is None
    assert (column in learnt.channels) == (column == "battery")


def test_cycles_of_a_machine_are_one_recording_of_many_stretches(tmp_path) -> None:
    cycles = [
        pd.DataFrame(
            {"time_s": np.arange(16) / 10, "force": RNG.standard_normal(16), "label": "ok" if i % 2 else "bad"}
        )
        for i in range(30)
    ]
    pd.concat(cycles).to_csv(tmp_path / "cycles.csv", index=False)
    dataset = read(str(tmp_path / "cycles.csv"), cut=Cut(16, 8))
    assert dataset.channels == ("force",)
    assert dataset.ids.tolist() == [f"cycles@{16 * i}" for i in range(30)]
    assert dataset.y.tolist() == [0, 1] * 15
    assert set(dataset.windows.recordings.tolist()) == {0}
    for window, cycle in zip(dataset.x, cycles, strict=True):
        assert np.array_equal(window[0], cycle.force.astype(np.float32))


@pytest.mark.parametrize("step", [1, 10, -1])
def test_a_time_that_stands_still_or_runs_back_is_no_channel(tmp_path, step: int) -> None:
    rows = 400
    seconds = np.arange(rows)[::-1] if step < 0 else np.arange(rows) // step
    log = {"second": seconds, "at": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.tile(seconds[:200], 2), unit="s")}
    pd.DataFrame(log | {"a": RNG.standard_normal(rows), "t": RNG.standard_normal(rows)}).to_csv(
        tmp_path / "log.csv", index=False
    )
    dataset = read(str(tmp_path / "log.csv"), cut=Cut(20, 10))
    assert dataset.channels == ("a", "t")
    assert "'second', 'at': of the time: no channel" in dataset.notes
    assert "'t': a channel; if it is the time, --ignore t leaves it out" in dataset.notes
    assert not any("since 1970" in note for note in dataset.notes)


def test_a_class_that_no_window_holds_alone_is_named(tmp_path) -> None:
    did = np.array(["rest"] * 40 + ["walk"] * 40)
    did[10:13] = "fall"
    frame = pd.DataFrame({"a": RNG.standard_normal(80), "did": did})
    frame.to_csv(tmp_path / "a.csv", index=False)
    dataset = read(str(tmp_path / "a.csv"), label_column="did", cut=Cut(8, 4))
    assert dataset.classes == ("rest", "walk")
    assert set(dataset.y.tolist()) == {-1, 0, 1}
    assert "'fall': on steps, and on no window alone; take shorter windows" in dataset.notes
    frame[:40].to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(LabelError, match="labels of 2 classes, and 'fall': on steps"):
        read(str(tmp_path / "a.csv"), label_column="did", cut=Cut(8, 4))


def test_windows_of_a_table_with_a_file_of_labels_gaps_and_channels_by_name(tmp_path) -> None:
    values = RNG.standard_normal(60)
    values[16:40] = np.nan
    frame = pd.DataFrame({"AX": values, "who": ["p"] * 30 + ["q"] * 30})
    frame.to_csv(tmp_path / "log.csv", index=False)
    (tmp_path / "labels.csv").write_text("p,x\nq,y\n")
    source = str(tmp_path / "log.csv")
    dataset = read(source, labels=tmp_path / "labels.csv", group_column="who", cut=Cut(8, 8))
    assert dataset.y.tolist() == [0, 0, -1, 1, 1, 1]
    assert "1 of 6 windows holds no value, and has no label" in dataset.notes
    with pytest.raises(DataError, match="no column 'ax', which the model needs; it has AX, who"):
        read_for_prediction(source, Form("series", (1, 8), columns=(Column("ax"),), stride=8))
    np.save(tmp_path / "r.npy", RNG.standard_normal((2, 50)))
    assert read_for_prediction(str(tmp_path / "r.npy"), Form("series", (2, 20), stride=10)).x.shape == (4, 2, 20)
