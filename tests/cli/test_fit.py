import json
import shutil

import numpy as np
import onnx
import pytest
from PIL import Image

from attar.deploy.session import load
from tests.cli.conftest import call, write_digits


def images(folder, n=4):
    folder.mkdir()
    for i in range(n):
        pixels = np.random.default_rng(i).integers(256, size=(8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def table(file, columns, n=12):
    rows = [",".join([*(f"{i + 3 * j}" for j in range(columns)), "ab"[i % 2]]) for i in range(n)]
    file.write_text("\n".join([",".join([*(f"c{j}" for j in range(columns)), "label"]), *rows]) + "\n")
    return file


class TestSummary:
    def test_has_exactly_the_promised_keys(self, finished):
        summary = finished.summary
        assert list(summary) == [
            *("run", "kind", "n", "n_labelled", "chosen", "measure", "accuracy", "interval", "test_accuracy"),
            *("leaderboard", "model", "seconds"),
        ]
        assert list(summary["model"]) == ["path", "bytes", "latency_ms"]
        for row in summary["leaderboard"]:
            assert list(row) == ["name", "accuracy", "interval", "bytes", "latency_ms"]

    def test_is_the_only_output(self, finished):
        assert finished.called.out.count("\n") == 1
        assert not finished.called.err

    def test_says_what_is_so(self, finished):
        summary = finished.summary
        assert (summary["kind"], summary["n"], summary["n_labelled"]) == ("image", 300, 12)
        assert summary["run"] == str(finished.folder)
        assert summary["model"]["path"] == str(finished.model)
        assert summary["model"]["bytes"] == finished.model.stat().st_size <= 20_480
        assert summary["chosen"] in {row["name"] for row in summary["leaderboard"]}
        low, high = summary["interval"]
        assert 0 <= low <= summary["accuracy"] <= high <= 1
        accuracies = [row["accuracy"] for row in summary["leaderboard"]]
        assert accuracies == sorted(accuracies, reverse=True)

    def test_the_test_accuracy_is_that_of_the_shipped_file(self, finished):
        with np.load(finished.source) as arrays:
            right = load(finished.model).predict(arrays["x_test"]) == arrays["y_test"]
        assert finished.summary["test_accuracy"] == pytest.approx(right.mean())

    @pytest.mark.slow
    def test_without_a_test_part_there_is_no_test_accuracy(self, finished, empty):
        with np.load(finished.source) as arrays:
            x, y = arrays["x_train"][:60], arrays["y_train"][:60]
        np.savez("some.npz", x=x, y=np.where(np.arange(60) < 9, y, -1))
        called = call("fit", "some.npz", "--time", "0.3s", "--json")
        assert called.code == 0
        summary = json.loads(called.out.splitlines()[-1])
        assert summary["test_accuracy"] is None
        assert summary["n_labelled"] == 9
        assert summary["run"] == "runs/some"
        assert called.err.splitlines()[0].startswith("image · 60 images, 8 × 8 · 9 labelled, 3 classes")


class TestRunFolder:
    def test_holds_what_a_person_looks_for_and_nothing_half_written(self, finished):
        names = {path.name for path in finished.folder.iterdir()}
        assert names >= {"run.json", "facts.json", "model.onnx", "report.html", "stages"}
        assert not list(finished.folder.rglob("*.part"))
        assert not list(finished.folder.rglob("checkpoint*"))
        onnx.checker.check_model(onnx.load(finished.model))

    def test_the_same_command_again_gives_the_finished_run(self, finished):
        before = finished.model.read_bytes()
        again = call(*finished.command, "--json", "--quiet")
        assert again.code == 0
        assert json.loads(again.out) == finished.summary
        assert finished.model.read_bytes() == before

    def test_another_command_is_refused(self, finished):
        before = (finished.folder / "run.json").read_bytes()
        called = call(*finished.command, "--quiet", "--seed", 7)
        assert called.code == 2
        assert "belongs to another command" in called.complaint
        assert "seed was 0, is 7" in called.complaint
        assert (finished.folder / "run.json").read_bytes() == before

    @pytest.mark.parametrize("text", ["{", "[]", '{"format": 1}', '{"format": 99, "asked": {}, "versions": {}}'])
    def test_a_corrupt_one_is_refused(self, finished, empty, text):
        shutil.copytree(finished.folder, empty / "run")
        (empty / "run" / "run.json").write_text(text)
        called = call(*finished.command, "--quiet", "--out", "run")
        assert called.code == 2
        assert called.complaint.startswith("attar: run/run.json: ")

    def test_a_corrupt_stage_is_refused_by_its_name(self, finished, empty):
        shutil.copytree(finished.folder, empty / "run")
        stage = empty / "run" / "stages" / "raw" / "result.safetensors"
        stage.write_bytes(stage.read_bytes()[:-10])
        called = call(*finished.command, "--quiet", "--out", "run")
        assert called.code == 2
        assert called.complaint.startswith("attar: run/stages/raw/result.safetensors: is missing or corrupt; ")

    def test_a_folder_with_something_else_in_it_is_left_alone(self, finished, empty):
        (empty / "mine").mkdir()
        (empty / "mine" / "thesis.txt").write_text("years of work")
        called = call(*finished.command, "--quiet", "--out", "mine")
        assert called.code == 2
        assert "not a run folder" in called.complaint
        assert [path.name for path in (empty / "mine").iterdir()] == ["thesis.txt"]


def missing_folder(_):
    return "nowhere", [], "attar: nowhere: no such file or folder; "


def empty_folder(at):
    (at / "void").mkdir()
    return "void", [], "attar: void: no image, recording or text"


def unreadable_image(at):
    images(at / "pictures")
    (at / "pictures" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\ntorn")
    (at / "labels.csv").write_text("id,label\n0.png,a\n1.png,b\n2.png,a\n")
    return "pictures", ["--strict", "--labels", "labels.csv"], "torn.png"


def labels_of_unknown_ids(at):
    images(at / "pictures")
    (at / "labels.csv").write_text("id,label\n0.png,a\n1.png,b\nno-such.png,a\n")
    return "pictures", ["--labels", "labels.csv"], "no-such.png"


def missing_labels_file(_):
    return "digits", ["--labels", "labels.csv"], "attar: labels.csv: no such labels file; "


def one_class(at):
    np.savez(at / "one.npz", x=np.random.default_rng(0).random((20, 5)), y=np.zeros(20, int))
    return "one.npz", [], "one class only"


def no_labels(at):
    np.save(at / "bare.npy", np.random.default_rng(0).random((20, 5)))
    return "bare.npy", [], "label"


def column_without_values(at):
    x = np.random.default_rng(0).random((20, 3))
    x[:, 1] = np.nan
    np.savez(at / "nan.npz", x=x, y=np.arange(20) % 2)
    return "nan.npz", [], "attar: nan.npz: column 'x1' has no value in any sample; "


def texts_for_numbers(at):
    np.savez(at / "text.npz", x=np.array([["1", "2"], ["3", "blue"], ["5", "6"]]), y=[0, 1, 0])
    return "text.npz", [], "attar: text.npz: row 1, column 'x1' is 'blue' where a number is expected; "


def truncated_archive(at):
    whole = write_digits(at / "whole.npz").read_bytes()
    (at / "torn.npz").write_bytes(whole[: len(whole) // 2])
    return "torn.npz", [], "attar: torn.npz: truncated or corrupt NPZ file"


def pickled_archive(at):
    np.savez(at / "objects.npz", x=np.array([{}, 1], dtype=object))
    return "objects.npz", [], "attar: objects.npz: holds pickled Python objects, which attar never loads; "


def hopeless_budget(_):
    return "digits", ["--labels-per-class", "5", "--budget", "10B"], "attar: nothing fits the budget of 10 B: "


def unreadable_budget(_):
    return "digits", ["--budget", "banana"], "attar: budget 'banana' is not understood; "


def no_labels_drawn(_):
    return "digits", ["--labels-per-class", "0"], "attar: labels per class must be at least 1, not 0"


def impossible_holdout(_):
    return "digits", ["--holdout", "2"], "attar: the held-out fraction must be between 0 and 1, not 2.0"


def two_ways_of_drawing(_):
    return "digits", ["--labels-per-class", "3", "--label-fraction", "0.1"], "give one of the two"


def two_sources_of_groups(at):
    table(at / "t.csv", 2)
    (at / "groups.csv").write_text("id,group\n0,a\n1,b\n")
    return "t.csv", ["--groups", "groups.csv", "--group-column", "label"], "give one of the two"


def unknown_label_column(at):
    table(at / "t.csv", 2)
    return "t.csv", ["--label-column", "colour"], "colour"


def unknown_column_to_ignore(at):
    return table(at / "t.csv", 2), ["--ignore", "c0,d1"], "no column is called 'd1'; it has"


def labels_to_ignore(at):
    return table(at / "t.csv", 2), ["--ignore=label"], "column 'label' is taken for the labels (--label-column takes"


def no_column_left(at):
    return table(at / "t.csv", 2), ["--ignore", "c0", "--ignore", "c1"], "all columns of features are to be ignored"


def no_name_of_categories(at):
    return table(at / "t.csv", 2), ["--category", ""], "the name of a column is expected and '' given"


def categories_of_images(_):
    return "digits", ["--labels-per-class", "5", "--category", "x0"], "; leave --category away"


def unknown_kind(_):
    return "digits", ["--kind", "smell"], "attar: digits: kind 'smell' is unknown; it is one of image, series, table"


BAD = [
    missing_folder,
    empty_folder,
    unreadable_image,
    labels_of_unknown_ids,
    missing_labels_file,
    one_class,
    no_labels,
    column_without_values,
    texts_for_numbers,
    truncated_archive,
    pickled_archive,
    hopeless_budget,
    unreadable_budget,
    no_labels_drawn,
    impossible_holdout,
    two_ways_of_drawing,
    two_sources_of_groups,
    unknown_label_column,
    unknown_column_to_ignore,
    labels_to_ignore,
    no_column_left,
    no_name_of_categories,
    categories_of_images,
    unknown_kind,
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
@pytest.mark.parametrize("out", [[], ["--out", "given/run"]], ids=["", "with --out"])
def test_bad_input_is_one_line_and_leaves_nothing(empty, bad, out):
    source, options, said = bad(empty)
    before = sorted(empty.rglob("*"))
    called = call("fit", source, *options, *out, "--quiet", "--json")
    assert called.code == 2
    assert called.complaint.startswith("attar: ")
    assert said in called.complaint
    assert not called.out
    assert sorted(empty.rglob("*")) == before


def test_columns_are_left_out_and_are_categories_from_fit_to_prediction(empty):
    rng = np.random.default_rng(0)
    head, rows = ["--label", "price, EUR", "Größe", "zip", "label"], []
    for i in range(80):
        code = rng.choice(["01067", "20095", "45127", "80331"])
        rows.append([f"x{i % 9}", f'"{i % 3},5"', f"{rng.normal():.3f}", code, "ab"[code in ("01067", "45127")]])
    text = "\n".join(map(",".join, [[f'"{name}"' for name in head], *rows]))
    (empty / "t.csv").write_text(text, encoding="utf-8")
    marks = ["--ignore", "--label", "--ignore", "price, EUR", "--category", " zip "]
    asked = ["--labels-per-class", 12, "--time", "1s", "--pretexts", "none", "--out", "run"]
    called = call("fit", "t.csv", *marks, *asked)
    assert called.code == 0, called.err
    assert "'--label', 'price, EUR' are left out, as asked" in called.err
    assert "column 'zip' is taken as 4 categories, as asked" in called.err
    model = load(empty / "run" / "model.onnx")
    assert [(column.name, len(column.categories)) for column in model.columns] == [("Größe", 0), ("zip", 4)]
    assert model.ignored == ("--label", "price, EUR")
    page = (empty / "run" / "report.html").read_text()
    assert "are left out, as asked" in page
    # On the very file, with nothing said of columns.
    called = call("predict", "run/model.onnx", "t.csv")
    assert called.code == 0
    assert "not used (label)" in called.err
    said = [line.split(",")[1] for line in (empty / "predictions.csv").read_text().splitlines()[1:]]
    assert np.mean([a == row[-1] for a, row in zip(said, rows, strict=True)]) > 0.9
    assert call("fit", "t.csv", *marks, *asked, "--json", "-q").code == 0
    other = call("fit", "t.csv", "--ignore", "--label", "--category", "zip", *asked, "-q")
    assert other.code == 2
    assert "belongs to another command (ignore was '--label; price, EUR', is '--label'" in other.complaint


@pytest.mark.parametrize("time", ["banana", "10", "0s", "-3m", "1d", "1h30m", "nan s"])
def test_a_time_that_is_none(empty, time):
    called = call("fit", "digits", "--time", time)
    assert called.code == 2
    assert "write it as 90s, 10m or 1h" in called.err.splitlines()[-1]
    assert not list(empty.iterdir())
