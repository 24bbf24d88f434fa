from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, precision_score, roc_auc_score

from attar.adapt.intervals import estimate
from attar.deploy.session import load
from attar.errors import LabelError
from attar.evaluation import area_under_roc, evaluate
from tests.conftest import people


def test_figures_are_those_of_scikit_learn(tmp_path, images) -> None:
    model = load(images.folder / "model.onnx")
    x, y = load_digits(n_class=6, return_X_y=True)
    x, y = x[200:300].reshape(-1, 8, 8), y[200:300]
    np.savez(tmp_path / "new.npz", x=x, y=y)
    found = evaluate(images.folder / "model.onnx", str(tmp_path / "new.npz"))
    said = model.predict(x)
    assert found.n == 100
    assert found.accuracy == (said == y).mean()
    assert found.interval == estimate((said == y).astype(float), None)[1]
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(y, said))
    assert found.balanced_interval == estimate((said == y).astype(float), None, classes=y)[1]
    assert found.balanced_interval[0] < found.balanced_accuracy < found.balanced_interval[1]
    assert found.classes == ("0", "1", "2", "3", "4", "5")
    assert found.confusion.tolist() == confusion_matrix(y, said, labels=range(6))[:, :5].tolist()
    assert "labels that the model does not know, and cannot get right: '5'" in found.notes
    wanted = precision_score(y, said, labels=range(5), average=None)
    assert found.precisions == (*(pytest.approx(one) for one in wanted), None)
    p = model.predict_proba(x)
    assert found.areas == (*(pytest.approx(roc_auc_score(y == i, p[:, i])) for i in range(5)), None)


def test_the_area_of_equal_scores_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(5, size=40).astype(np.float32), rng.random(40) < 0.3
    assert area_under_roc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))
    assert area_under_roc(scores, np.ones(40, bool)) is None
    assert area_under_roc(scores, np.zeros(40, bool)) is None


def test_only_the_test_part_of_a_source_is_judged_and_files_say_labels_and_groups(tmp_path, images) -> None:
    x, y = load_digits(n_class=5, return_X_y=True)
    x, y = x[:60].reshape(-1, 8, 8), y[:60]
    np.savez(tmp_path / "parts.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    model = images.folder / "model.onnx"
    found = evaluate(model, str(tmp_path / "parts.npz"))
    assert found.n == 20
    assert any("alone is judged" in note for note in found.notes)
    np.savez(tmp_path / "unlabelled.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:])
    found = evaluate(model, str(tmp_path / "unlabelled.npz"))
    assert found.n == 40
    assert not any("alone is judged" in note for note in found.notes)
    np.savez(tmp_path / "bare.npz", x=x)
    lines = "".join(f"{i},{y[i]},{i // 10}\n" for i in range(50))
    (tmp_path / "about.csv").write_text(f"id,label,patient\n{lines}")
    (tmp_path / "alone.csv").write_text("id,label\n" + "".join(f"{i},{y[i]}\n" for i in range(50)))
    alone = evaluate(model, str(tmp_path / "bare.npz"), labels=tmp_path / "alone.csv")
    grouped = evaluate(model, str(tmp_path / "bare.npz"), labels=tmp_path / "about.csv")
    assert alone.n == grouped.n == 50
    assert alone.accuracy == grouped.accuracy
    assert grouped.interval[0] < alone.interval[0]


def test_one_group_tells_little_of_others(tmp_path, images) -> None:
    x, y = load_digits(n_class=5, return_X_y=True)
    np.savez(tmp_path / "one.npz", x=x[:40].reshape(-1, 8, 8), y=y[:40], groups=["ann"] * 40)
    found = evaluate(images.folder / "model.onnx", str(tmp_path / "one.npz"))
    assert found.n == 40
    assert found.interval[1] - found.interval[0] > 0.9


def test_a_table_is_matched_by_name_and_windows_are_told(tmp_path, table, series) -> None:
    frame, y = people()
    frame = frame[frame.columns[::-1]].assign(label=y, family=np.arange(len(y)) // 4, person=0)
    frame.to_csv(tmp_path / "people.csv", index=False)
    found = evaluate(table.folder / "model.onnx", str(tmp_path / "people.csv"), group_column="family")
    assert found.n == len(y)
    assert "the samples are of 20 groups: those of one are judged together" in found.notes
    alone = evaluate(table.folder / "model.onnx", str(tmp_path / "people.csv"))
    assert [note for note in alone.notes if "person" in note] == ["2 columns are not used (family, person)"]
    shape = load(series.folder / "model.onnx").shape
    whole = np.random.default_rng(0).standard_normal((3, shape[0], 5 * shape[1])).astype(np.float32)
    step = shape[1] // 2
    windows = np.stack([one[:, i * step : i * step + shape[1]] for one in whole for i in range(8)])
    known = load(series.folder / "model.onnx").classes[0]
    np.savez(tmp_path / "windows.npz", x=windows, y=np.full(24, known))
    found = evaluate(series.folder / "model.onnx", str(tmp_path / "windows.npz"))
    assert found.notes[-1].startswith("the samples are 24 windows of 3 recordings")
    # Each second one does not overlap with the next that has a label.
    np.savez(tmp_path / "few.npz", x=windows, y=np.where(np.arange(24) % 2, "", known))
    few = evaluate(series.folder / "model.onnx", str(tmp_path / "few.npz"))
    assert (few.n, few.notes[-1]) == (12, found.notes[-1])
    right = (load(series.folder / "model.onnx").predict(windows[::2]) == known).astype(float)
    assert few.interval == estimate(right, np.repeat(np.arange(3), 4))[1]


def test_what_cannot_be_judged_is_refused(tmp_path, images) -> None:
    np.savez(tmp_path / "bare.npz", x=np.zeros((3, 8, 8)))
    with pytest.raises(LabelError, match="no sample is labelled"):
        evaluate(images.folder / "model.onnx", str(tmp_path / "bare.npz"))


def test_labels_that_are_typed_otherwise_than_the_model_s_classes_are_said(tmp_path, images) -> None:
    x, y = load_digits(n_class=5, return_X_y=True)
    np.savez(tmp_path / "new.npz", x=x[:40].reshape(-1, 8, 8), y=[f"{digit}" if digit else "0 ." for digit in y[:40]])
    found = evaluate(images.folder / "model.onnx", str(tmp_path / "new.npz"))
    assert "labels that may be meant for classes of the model: '0 .' for '0'; write them alike" in found.notes
