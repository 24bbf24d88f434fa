from __future__ import annotations

import numpy as np
import pytest

from attar.data import builtin
from attar.data.arrays import build
from attar.errors import DataError, MissingExtraError


@pytest.mark.parametrize(
    ("name", "kind", "shape", "classes", "test"),
    [
        ("digits", "image", (1797, 8, 8), 10, None),
        ("breast-cancer", "table", (569, 30), 2, None),
        ("wine", "table", (178, 13), 3, None),
        ("iris", "table", (150, 4), 3, None),
        ("arrow-head", "series", (211, 1, 251), 3, 175),
        ("basic-motions", "series", (80, 6, 100), 4, 40),
        ("gunpoint", "series", (200, 1, 150), 2, 150),
        ("italy-power-demand", "series", (1096, 1, 24), 2, 1029),
        ("japanese-vowels", "series", (640, 12, 29), 9, 370),
        ("pickup-gesture-wiimote-z", "series", (100, 1, 361), 10, 50),
        ("unit-test", "series", (42, 1, 24), 2, 22),
    ],
)
def test_each_set(name, kind, shape, classes, test):
    if test is not None:
        pytest.importorskip("aeon")
    dataset = build(builtin.read_builtin(name), where=name)
    assert dataset.kind == kind
    assert dataset.x.shape == shape
    assert len(dataset.classes) == classes
    assert (dataset.y >= 0).all()
    assert (None if dataset.test is None else len(dataset.test)) == test


def test_classes_have_their_names():
    dataset = build(builtin.read_builtin("breast-cancer"), where="breast-cancer")
    assert dataset.classes == ("benign", "malignant")
    assert np.bincount(dataset.y).tolist() == [357, 212]
    assert dataset.columns[0].name == "mean radius"


def test_names_however_written():
    for name in ("Basic_Motions", "basicmotions", "BasicMotions"):
        assert builtin.find(name) == "basic-motions"
    assert builtin.find("digit") is None
    assert "'wine'" in builtin.suggest("wines")
    assert "hf:owner/name" in builtin.suggest("somewhere/else.csv")


def test_a_set_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setattr(builtin, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"attar\[series\]"):
        builtin.read_builtin("gunpoint")

    class Spec:
        origin = str(tmp_path / "aeon" / "__init__.py")

    monkeypatch.setattr(builtin, "find_spec", lambda name: Spec)
    with pytest.raises(DataError, match="no longer brings"):
        builtin.read_builtin("gunpoint")
