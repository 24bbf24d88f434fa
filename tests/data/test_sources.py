from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from attar.data.dataset import Column, Form
from attar.data.quality import findings
from attar.data.sources import read, read_for_evaluation, read_for_network, read_for_prediction
from attar.errors import DataError, LabelError

rng = np.random.default_rng(0)


def pictures(folder, n=6, side=8):
    folder.mkdir(parents=True)
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (side, side), dtype=np.uint8)).save(folder / f"{i}.png")


def test_a_folder_with_a_labels_file_inside(tmp_path):
    pictures(tmp_path / "p")
    labels = tmp_path / "p" / "labels.csv"
    labels.write_text("id,label\n0,cat\n1.png,dog\n3,\n")
    dataset = read(str(tmp_path / "p"), labels=labels)
    assert dataset.classes == ("cat", "dog")
    assert dataset.y.tolist() == [0, 1, -1, -1, -1, -1]
    labels.write_text("a.png,cat\n")
    with pytest.raises(LabelError, match="1 of 1 ids names no sample"):
        read(str(tmp_path / "p"), labels=labels)


def test_classes_that_only_the_test_part_has_are_told_of_a_labels_file_too(tmp_path):
    pictures(tmp_path / "p" / "train")
    pictures(tmp_path / "p" / "test", n=2)
    labels = tmp_path / "labels.csv"
    rows = [f"train/{i},{'cat' if i < 3 else 'dog'}" for i in range(6)] + ["test/0,cat", "test/1,cow"]
    labels.write_text("\n".join(["id,label", *rows]))
    dataset = read(str(tmp_path / "p"), labels=labels)
    assert dataset.test is not None
    assert "classes that only the test part has, and no model can learn: 'cow'" in dataset.notes


def test_fractional_labels_are_called_alike_in_every_form_of_table(tmp_path):
    table = pd.DataFrame({"a": rng.normal(size=6), "label": [0.5, 1.0, 2.0] * 2})
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    found = [read(str(tmp_path / name)).classes for name in ("t.csv", "t.parquet")]
    assert found == [("0.5", "1", "2")] * 2


def test_ids_with_a_sign_of_addresses_are_matched_as_they_are(tmp_path):
    ids = [name for i in range(4) for name in (f"u{i}", f"u{i}@x.org")]
    rows = "".join(f"{name},{rng.normal()},{rng.normal()}\n" for name in ids)
    (tmp_path / "mail.csv").write_text(f"id,a,b\n{rows}")
    labels = tmp_path / "labels.csv"
    for labelled in (ids, ids[::2], ids[1::2]):
        labels.write_text("id,label\n" + "".join(f"{name},{'org' if '@' in name else 'no'}\n" for name in labelled))
        dataset = read(str(tmp_path / "mail.csv"), labels=labels)
        expected = {name: "org" if "@" in name else "no" for name in labelled}
        found = {str(dataset.ids[i]): dataset.classes[dataset.y[i]] for i in dataset.labelled}
        assert found == expected


def test_one_recording_of_several_channels_is_predicted_by_its_file(tmp_path):
    (tmp_path / "a.csv").write_text("at;p;q\n08:00;1,5;2\n08:01;3;4\n08:02;5;6\n")
    dataset = read_for_prediction(str(tmp_path / "a.csv"), Form("series", (2, 4)))
    assert dataset.ids.tolist() == ["a.csv"]
    assert np.array_equal(dataset.x, [[[1.5, 3, 5, np.nan], [2, 4, 6, np.nan]]], equal_nan=True)
    with pytest.raises(DataError, match="2 channels; the model takes 3"):
        read_for_prediction(str(tmp_path / "a.csv"), Form("series", (3, 4)))


def test_channels_to_predict_are_those_of_the_model_in_any_order(tmp_path):
    def folder(name, header, rows):
        (tmp_path / name).mkdir()
        for i in "ab":
            (tmp_path / name / f"{i}.csv").write_text(f"{header}\n{rows}\n")
        return str(tmp_path / name)

    assert read(folder("train", "p,q", "1,2\n3,4")).channels == ("p", "q")
    new = Form("series", (2, 2), columns=(Column("p"), Column("q")))
    other = read_for_prediction(folder("other", "r,q,p", "9,2,1\n9,4,3"), new)
    assert other.x.tolist() == [[[1, 3], [2, 4]]] * 2
    assert "1 column is not used (r)" in other.notes
    with pytest.raises(DataError, match="no column 'q', which the model needs; it has p"):
        read_for_prediction(folder("less", "p", "1\n3"), new)
    still = read(folder("still", "p,q", "1,2\n3,2"))
    assert "1 of 2 channels never changes (channel 'q'); --ignore q leaves it out" in still.notes
    assert "(channel 'q');" in findings(still, np.arange(2), [])[2].said
    with pytest.raises(DataError, match=r"recording 0 \(a.csv\), channel 'q', step 1 is infinite"):
        read(folder("loud", "p,q", "1,2\n3,inf"))
    # Without names they are taken in their order; those of a table that is taken for series are steps.
    (tmp_path / "t.csv").write_text("id,s,t\na,1,2\nb,3,4\n")
    assert read(str(tmp_path / "t.csv"), kind="series").channels == ()
    nameless = folder("nameless", "1,2", "3,4")
    assert read(nameless).channels == ()
    assert read_for_prediction(nameless, new).x.tolist() == other.x.tolist()


def test_labels_of_files_that_are_skipped(tmp_path):
    pictures(tmp_path / "p")
    (tmp_path / "p" / "3.png").write_bytes(b"not an image")
    labels = tmp_path / "l.csv"
    labels.write_text("id,label\n0,cat\n1,dog\n3,dog\n")
    dataset = read(str(tmp_path / "p"), labels=labels)
    assert dataset.y.tolist() == [0, 1, -1, -1, -1]
    assert dataset.notes[-1] == "1 label is of a file that cannot be read"
    assert any("1 of 6 images cannot be read" in note for note in dataset.notes)
    labels.write_text("id,label\n0,cat\n1,dog\n9,dog\n")
    with pytest.raises(LabelError, match=r"1 of 3 ids names no sample \('9'\)"):
        read(str(tmp_path / "p"), labels=labels)


def test_a_labels_file_replaces_other_labels(tmp_path):
    (tmp_path / "t.csv").write_text("id,a,label\nr,1,u\ns,2,v\n")
    (tmp_path / "l.csv").write_text("r,w\ns,NA\n")
    dataset = read(str(tmp_path / "t.csv"), labels=tmp_path / "l.csv")
    assert dataset.y.tolist() == [0, -1]
    assert dataset.classes == ("w",)
    assert [c.name for c in dataset.columns] == ["a"]
    assert any("set aside" in note for note in dataset.notes)
    assert any("1 label is 'NA'" in note for note in dataset.notes)
    # A column that holds labels is no feature beside a file of them.
    other = read(str(tmp_path / "t.csv"), labels=tmp_path / "l.csv", label_column="a")
    assert [c.name for c in other.columns] == ["label"]
    assert other.classes == ("w",)
    with pytest.raises(LabelError, match="no such labels file"):
        read("digits", labels=tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "no such file or folder; give a file"),
        ("~nobody-of-this-name/x", "no such file or folder; give a file"),
        ("digit", "did you mean the built-in set 'digits'"),
        ("/dev/null", "neither a file nor a folder"),
        ("a\0b", "a.b"),
        ("x" * 5000, "cannot be read|no such"),
    ],
)
def test_sources_that_are_not_there(source, message):
    with pytest.raises(DataError, match=message):
        read(source)


@pytest.mark.parametrize("shape", [(3,), (3, 4)])
def test_an_array_without_a_sample_is_told_where_a_network_takes_it(tmp_path, shape):
    np.save(tmp_path / "x.npy", np.zeros((0, *shape)))
    with pytest.raises(DataError, match=r"x\.npy: empty"):
        read_for_network(str(tmp_path / "x.npy"), shape)


def test_label_columns_belong_to_tables(tmp_path):
    pictures(tmp_path / "p")
    for source in ("digits", str(tmp_path / "p")):
        with pytest.raises(LabelError, match="label column"):
            read(source, label_column="a")


def test_a_built_in_name_wins_over_a_folder_and_says_so(tmp_path, monkeypatch):
    pictures(tmp_path / "iris")
    monkeypatch.chdir(tmp_path)
    dataset = read("iris")
    assert dataset.kind == "table"
    assert any("./iris" in note for note in dataset.notes)
    assert read("./iris").kind == "image"


def test_errors_name_the_file(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,\ninf,\n")
    with pytest.raises(DataError, match=r"t.csv: row 1, column 'a' is infinite"):
        read(str(tmp_path / "t.csv"))
    (tmp_path / "t.csv").write_text("a,b\n,\n,\n")
    with pytest.raises(DataError, match=r"t.csv: column 'a', column 'b' have no value"):
        read(str(tmp_path / "t.csv"))
    np.savez(tmp_path / "t.npz", x_train=np.full((20, 5), np.nan), x_test=np.zeros((4, 5)))
    with pytest.raises(DataError, match=r"t.npz: .*have no value"):
        read(str(tmp_path / "t.npz"))


def test_kind_can_be_said(tmp_path):
    np.save(tmp_path / "a.npy", rng.normal(size=(4, 7)))
    assert read(str(tmp_path / "a.npy"), kind="series").x.shape == (4, 1, 7)
    (tmp_path / "t.csv").write_text("a,b,label\n1,2,x\n3,4,y\n")
    assert read(str(tmp_path / "t.csv"), kind="series").x.shape == (2, 1, 2)


def test_a_column_of_the_model_that_is_called_like_labels_is_no_label_beside_a_file_of_them(tmp_path):
    (tmp_path / "t.csv").write_text("x1,y,sick\n1,2,no\n3,4,yes\n")
    (tmp_path / "labels.csv").write_text("id,label\n0,no\n1,yes\n")
    columns = read(str(tmp_path / "t.csv"), label_column="sick").columns
    found = read_for_evaluation(
        str(tmp_path / "t.csv"), Form("table", (2,), columns=columns), labels=tmp_path / "labels.csv"
    )
    assert (found.x.tolist(), found.y.tolist(), found.classes) == ([[1, 2], [3, 4]], [0, 1], ("no", "yes"))


def test_reading_for_prediction(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,label,y,grade,b\nr,u,1,01,2\ns,v,3,1,4\nt,v,5,3,6\n")
    columns = [Column("b"), Column("y"), Column("grade", ("01", "02"))]
    dataset = read_for_prediction(str(path), Form("table", (3,), columns=columns))
    assert np.array_equal(dataset.x, [[2, 1, 0], [4, 3, 0], [6, 5, np.nan]], equal_nan=True)
    assert dataset.ids.tolist() == ["r", "s", "t"]
    assert (dataset.y == -1).all()
    pictures(tmp_path / "p", side=12)
    dataset = read_for_prediction(str(tmp_path / "p"), Form("image", (8, 8)))
    assert dataset.x.shape == (6, 8, 8)
    assert "6 of 6 images are resized" in dataset.notes[0]
    np.savez(tmp_path / "s.npz", x_train=np.zeros((3, 64)), y_train=[0, 1, 0], x_test=np.ones((2, 64)), y_test=[0, 1])
    dataset = read_for_prediction(str(tmp_path / "s.npz"), Form("table", (64,)))
    assert len(dataset) == 5
    assert dataset.test is None


@pytest.mark.parametrize("texts", [("2020-01-02", "2020-01-03"), ("08:30", "09:30")])
@pytest.mark.parametrize("form", ["when,label\n{},{}\n", '{{"when": "{}", "label": "{}"}}\n'])
def test_categories_that_look_like_dates_stay_those_of_the_model(tmp_path, texts, form):
    path = tmp_path / ("t.csv" if "," in form.split(":")[0] else "t.jsonl")
    head, line = form.splitlines(keepends=True) if path.suffix == ".csv" else ("", form)
    path.write_text(head + line.format(texts[0], "a") + line.format("never", "b") + line.format(texts[1], "a"))
    learnt = read(str(path))
    path.write_text(head + line.format(texts[1], "a") + line.format(texts[0], "b"))
    assert read_for_prediction(str(path), Form("table", (1,), columns=learnt.columns)).x.tolist() == [[1], [0]]


def test_what_is_fitted_is_what_is_predicted(tmp_path):
    pictures(tmp_path / "p", side=9)
    Image.fromarray(rng.integers(0, 256, (20, 14, 3), dtype=np.uint8)).save(tmp_path / "p" / "z.png")
    (tmp_path / "t.csv").write_text("c,label,v\nred,a,1\nblue,b,\nred,a,3\n")
    for source in (tmp_path / "p", tmp_path / "t.csv"):
        learnt = read(str(source))
        again = read_for_prediction(str(source), Form(learnt.kind, learnt.x.shape[1:], columns=learnt.columns))
        assert np.array_equal(learnt.x, again.x, equal_nan=True)
        assert learnt.ids.tolist() == again.ids.tolist()


def test_files_load_nothing_heavy(tmp_path):
    pictures(tmp_path / "p")
    (tmp_path / "t.csv").write_text("c,label,v\nred,a,1\nblue,b,\n")
    import pyarrow.csv as arrow_csv
    import pyarrow.parquet as parquet

    parquet.write_table(arrow_csv.read_csv(tmp_path / "t.csv"), tmp_path / "t.parquet")
    code = f"""
import sys
import attar.data.sources as s
light = {{"torch", "sklearn", "pandas", "onnx", "scipy", "aeon", "datasets"}}
assert not ({{*light, "pyarrow", "PIL"}} & set(sys.modules)), set(sys.modules)
from attar.data.dataset import Column, Form
columns = [Column("c", ("red",)), Column("v")]
s.read_for_prediction({str(tmp_path / "p")!r}, Form("image", (8, 8)))
for form in ("csv", "parquet"):
    s.read_for_prediction({str(tmp_path / "t.")!r} + form, Form("table", (2,), columns))
print(sorted(light & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_ten_thousand_rows_in_well_under_a_second(tmp_path):
    x = rng.normal(size=(10_000, 64)).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x)
    np.save(tmp_path / "a.npy", x)
    lines = [",".join(f"{value:.4f}" for value in row) for row in x[:500]] * 20
    (tmp_path / "a.csv").write_text("\n".join([",".join(f"p{i}" for i in range(64)), *lines]))
    for form in ("npz", "npy", "csv"):
        start = time.process_time()
        read_for_prediction(str(tmp_path / f"a.{form}"), Form("table", (64,)))
        assert time.process_time() - start < 1


@pytest.mark.parametrize("wrong", ["unbekannt", "31/02/2023"])
def test_columns_that_a_model_does_not_take_need_not_be_in_order(tmp_path, wrong):
    days = [f"{i + 1:02}/05/2023" for i in range(28)]
    path = tmp_path / "t.csv"
    path.write_text("when,n,x\n" + "".join(f"{day},{i},1.5\n" for i, day in enumerate([*days, wrong])))
    with pytest.raises(DataError, match=f"row 28, column 'when' is '{wrong}' where a date"):
        read(str(path))
    found = read_for_prediction(str(path), Form("table", (1,), columns=[Column("x")]))
    np.testing.assert_array_equal(found.x, np.full((29, 1), 1.5))
    assert found.notes == ("2 columns are not used (when, n)",)
    with pytest.raises(DataError, match=f"row 28, column 'when' is '{wrong}' where a date"):
        read_for_prediction(str(path), Form("table", (1,), columns=[Column("when")]))
