from __future__ import annotations

import csv
import shutil
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_iris
from typer.testing import CliRunner

import attar
from attar.cli.main import app
from attar.data.cut import Cut
from attar.data.sources import read
from attar.drawing import draw
from attar.errors import DataError, LabelError


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("images")
    for i, image in enumerate(load_digits().images[:60]):
        Image.fromarray((16 * image).clip(0, 255).astype(np.uint8)).save(path / f"{i:02}.png")
    return path


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_what_is_drawn_is_filled_in_and_learnt_from(folder, tmp_path) -> None:
    labels = draw(folder, 12).write(tmp_path / "labels.csv")
    lines = lines_of(labels)
    assert len(lines) == len({line["id"] for line in lines}) == 12
    assert {line["label"] for line in lines} == {""}
    assert {line["id"] for line in lines} <= {path.name for path in folder.iterdir()}
    with labels.open("w", newline="") as file:
        filled = csv.writer(file)
        filled.writerow(["id", "label"])
        filled.writerows((line["id"], "even" if i % 2 else "odd") for i, line in enumerate(lines))
    dataset = read(str(folder), labels=labels)
    assert (dataset.y >= 0).sum() == 12
    # More of them beside these: none twice, and no label lost.
    more = draw(folder, 5, labels=labels).write(tmp_path / "more.csv")
    found = {line["id"]: line["label"] for line in lines_of(more)}
    assert len(found) == 17
    assert sorted(found.values()) == [""] * 5 + ["even"] * 6 + ["odd"] * 6


def test_the_command_says_what_to_do_next_and_overwrites_nothing(folder, tmp_path) -> None:
    out = tmp_path / "to label.csv"
    result = CliRunner().invoke(app, ["draw", str(folder), "-n", "7", "-o", str(out)])
    assert result.exit_code == 0
    assert "7 of 60 samples to label" in result.stdout
    assert f"attar fit {folder} --labels '{out}'" in result.stdout
    before = out.read_bytes()
    again = CliRunner().invoke(app, ["draw", str(folder), "-n", "7", "-o", str(out)])
    assert isinstance(again.exception, DataError)
    assert f"--labels {out} to draw beside what it holds" in str(again.exception)
    assert out.read_bytes() == before


def test_the_command_that_is_told_keeps_what_was_asked(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.random(30), "outcome": ["x", "y", None] * 10})
    frame.to_csv("t.csv", index=False)
    result = CliRunner().invoke(app, ["draw", "t.csv", "-n", "5", "--label-column", "outcome", "--kind", "table"])
    assert result.stdout.endswith("attar fit t.csv --labels labels.csv --label-column outcome --kind table\n")
    marked = ["--ignore", "b c", "--category", "a", "--label-column", "outcome", "-o", "more.csv"]
    frame.assign(**{"b c": 1}).to_csv("u.csv", index=False)
    result = CliRunner().invoke(app, ["draw", "u.csv", "-n", "5", *marked])
    assert result.stdout.endswith("--labels more.csv --label-column outcome --ignore 'b c' --category a\n")
    dataset = read("t.csv", labels=Path("labels.csv"), label_column="outcome", kind="table")
    assert [column.name for column in dataset.columns] == ["a"]
    assert (dataset.y >= 0).sum() == 20


def test_windows_are_drawn_labelled_and_learnt_from(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    steps = np.random.default_rng(0).random((400, 2))
    pd.DataFrame(steps, columns=["a", "b"]).assign(who=["p"] * 200 + ["q"] * 200).to_csv("log.csv", index=False)
    asked = ["--group-column", "who", "--window", "20", "--stride", "15"]
    result = CliRunner().invoke(app, ["draw", "log.csv", "-n", "6", *asked])
    assert "6 of 26 samples to label" in result.stdout
    assert result.stdout.endswith(f"attar fit log.csv --labels labels.csv {' '.join(asked)}\n")
    names = [line["id"] for line in lines_of(Path("labels.csv"))]
    assert {name.partition("@")[0] for name in names} <= {"p", "q"}
    Path("labels.csv").write_text("id,label\n" + "".join(f"{name},c{i % 2}\n" for i, name in enumerate(names)))
    dataset = read("log.csv", labels=Path("labels.csv"), group_column="who", cut=Cut.of(20, 15))
    assert dataset.ids[dataset.labelled].tolist() == names
    more = draw("log.csv", 3, labels="labels.csv", group_column="who", window=20, stride=15)
    assert not {*more.ids} & {*names}
    steps[:40] = np.nan
    pd.DataFrame(steps, columns=["a", "b"]).to_csv("gap.csv", index=False)
    all_but_empty = draw("gap.csv", 18, window=20, stride=20).ids
    assert not {"gap@0", "gap@20"} & {*all_but_empty}


@pytest.mark.parametrize(
    ("asked", "of"),
    [
        ({"side": 4}, "a side and windows are"),
        ({"window": 4}, "a side and"),
        ({"group_column": "who"}, "labels and groups"),
    ],
)
def test_what_is_read_of_files_alone_is_refused_beside_an_array(asked, of) -> None:
    with pytest.raises(DataError, match=f"x: {of}"):
        draw(np.zeros((9, 8, 8)), 3, **asked)


def test_what_is_left_out_spreads_nothing() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.random(40), "b": 1e3 * rng.random(40), "month": np.arange(40) % 12})
    drawn = draw(frame, 8, ignore=["b"], category="month")
    assert [(column.name, len(column.categories)) for column in drawn.dataset.columns] == [("a", 0), ("month", 12)]
    np.testing.assert_array_equal(drawn.rows, draw(frame.assign(b="x"), 8, ignore="b", category="month").rows)


def test_groups_of_a_file_of_labels_are_kept(tmp_path) -> None:
    x = tmp_path / "x.csv"
    x.write_text("id,size\n" + "".join(f"s{i},{i % 7}\n" for i in range(20)))
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label,patient\n" + "".join(f"s{i},{'ab'[i % 2]},p{i // 4}\n" for i in range(12)))
    more = draw(x, 3, labels=labels).write(tmp_path / "more.csv")
    assert [line["group"] for line in lines_of(more)] == [f"p{i // 4}" for i in range(12)] + [""] * 3
    before, after = (read(str(x), labels=path).groups[:12].tolist() for path in (labels, more))
    assert before == after


def test_a_file_that_would_not_read_back_is_not_written(folder, tmp_path) -> None:
    for name in ("None", "cat", "unlabelled"):
        (tmp_path / "cls" / name).mkdir(parents=True)
        for i, path in enumerate(sorted(folder.iterdir())[:4]):
            shutil.copy(path, tmp_path / "cls" / name / f"{i}.png")
    with pytest.raises(DataError, match="the class 'None' would read as no label there; call it otherwise"):
        draw(tmp_path / "cls", 2).write(tmp_path / "labels.csv")
    twice = tmp_path / "twice.csv"
    twice.write_text("id,a\np0,1\np0,2\np1,3\n")
    with pytest.raises(DataError, match="2 samples are called 'p0', and a label would be of all of them"):
        draw(twice, 1)


def test_texts_stand_beside_their_ids(tmp_path) -> None:
    texts = [f'{word} number {i},\nwith "quotes"' for i in range(20) for word in ("one", "another")]
    drawn = draw(texts, 4)
    lines = lines_of(drawn.write(tmp_path / "labels.csv"))
    assert [line["text"] for line in lines] == [" ".join(texts[row].split()) for row in drawn.rows]


def test_arrays_tables_series_and_graphs_are_drawn_from() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.random(30), "b": rng.choice(["x", "y", None], 30)})
    edges = rng.integers(0, 30, (2, 60))
    graph = types.SimpleNamespace(x=rng.random((30, 4)), edge_index=edges)
    for source in (rng.random((30, 8, 8)), frame, rng.random((30, 2, 50)), graph, rng.random((30, 1))):
        drawn = draw(source, 5)
        assert len(drawn.rows) == len(set(drawn.rows)) == 5
        assert np.array_equal(drawn.rows, draw(source, 5).rows)
        assert len(draw(source, 30).rows) == 30
    assert len(draw(rng.random((1, 3)), 1).rows) == 1


def test_classes_that_lie_apart_are_all_met() -> None:
    x, y = load_iris(return_X_y=True)
    rows = [attar.draw(x, 9, seed=seed).rows for seed in range(10)]
    assert all(len(np.unique(y[drawn])) == 3 for drawn in rows)


def test_a_test_part_and_what_has_a_label_are_left_alone(tmp_path) -> None:
    x = load_digits().images[:50]
    file = tmp_path / "digits.npz"
    np.savez(file, x_train=x[:30], y_train=np.where(np.arange(30) < 10, 1, -1), x_test=x[30:], y_test=np.zeros(20))
    assert sorted(draw(file, 20).rows) == list(range(10, 30))


def test_what_cannot_be_drawn_is_refused(folder, tmp_path) -> None:
    with pytest.raises(DataError, match=f"{folder}: 61 samples to draw, and 60 without a label; ask for fewer"):
        draw(folder, 61)
    with pytest.raises(DataError, match="digits: 5 samples to draw, and 0 without a label"):
        draw("digits", 5)
    with pytest.raises(DataError, match="n is 0"):
        draw(folder, 0)
    with pytest.raises(LabelError, match="x: labels and groups are read for a file or a folder"):
        draw(np.zeros((4, 3)), 1, labels=tmp_path / "labels.csv")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError):
        draw(empty, 1)
    shutil.rmtree(empty)
