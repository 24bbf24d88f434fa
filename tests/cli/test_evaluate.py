from __future__ import annotations

import json

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score

import attar
from tests.cli.conftest import call


def test_a_line_and_one_for_each_class(finished, empty) -> None:
    with np.load(finished.source) as file:
        x, y = file["x_test"][:40], file["y_test"][:40]
    np.savez(empty / "new.npz", x=x, y=np.where(np.arange(40) < 30, y, -1))
    model = finished.model
    said = attar.load(model).predict(x)[:30]
    called = call("evaluate", model, "new.npz")
    assert called.code == 0, called.err
    lines = called.out.splitlines()
    assert lines[0].startswith(
        f"right on {100 * accuracy_score(y[:30], said):.1f} % of 30 labelled samples (90 % interval "
    )
    assert f"; {100 * balanced_accuracy_score(y[:30], said):.1f} % in the mean over the classes (" in lines[0]
    assert len(lines) == 2 + len(np.unique(y))
    assert all("  precision " in line and "  AUC " in line for line in lines[2:])
    called = call("evaluate", model, "new.npz", "--json")
    found = json.loads(called.out)
    assert found["n"] == 30
    assert found["accuracy"] == accuracy_score(y[:30], said)
    assert sum(one["n"] for one in found["classes"]) == 30
    assert all(0 < one["precision"] <= 1 and 0.5 < one["auc"] <= 1 for one in found["classes"])


def test_without_a_label_there_is_nothing_to_judge_by(finished, empty) -> None:
    with np.load(finished.source) as file:
        np.save(empty / "bare.npy", file["x_test"][:5])
    called = call("evaluate", finished.model, "bare.npy")
    assert called.code == 2
    assert called.err == "attar: bare.npy: no sample is labelled; give labels, as of attar fit\n"
