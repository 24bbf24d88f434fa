from __future__ import annotations

import sys

import numpy as np
import pytest

from attar.data.timeseries import read_ts
from attar.errors import DataError, LabelError, MissingExtraError

pytest.importorskip("aeon")

HEAD = "@problemName X\n@timeStamps {stamps}\n@univariate false\n@equalLength {equal}\n@classLabel {labels}\n@data\n"


def write(path, body, stamps="false", equal="true", labels="true Banana -1 nan"):
    path.write_text(HEAD.format(stamps=stamps, equal=equal, labels=labels) + body)
    return path


def test_labels_are_as_the_header_writes_them(tmp_path):
    raw = read_ts(write(tmp_path / "a.ts", "1,-2:3,4:Banana\n5,6:7,?:-1\n5,6:7,8:nan\n"))
    assert raw.y == ["Banana", "-1", "nan"]
    assert raw.exact
    assert raw.kind == "series"
    assert np.array_equal(raw.x[:2], [[[1, -2], [3, 4]], [[5, 6], [7, np.nan]]], equal_nan=True)


def test_different_lengths_and_no_labels(tmp_path):
    raw = read_ts(write(tmp_path / "a.ts", "1,2:3,4\n5:7\n", equal="false", labels="false"))
    assert [item.shape for item in raw.x] == [(2, 2), (2, 1)]
    assert raw.y is None


@pytest.mark.parametrize(
    ("body", "options", "message"),
    [
        ("", {}, "no series after @data"),
        ("1,2:3\n", {}, "label '3' is not among"),
        ("1,2:3:Banana\n1:2:Banana\n", {}, "not a readable .ts file"),
        ("1,2:3,x:Banana\n", {}, "not a readable .ts file"),
        ("1:2:a\n3:4:A\n", {"labels": "true a A"}, "class 'a' of @classLabel differs from another"),
        ("(0,1):Banana\n", {"stamps": "true"}, "time stamps"),
    ],
)
def test_broken_files(tmp_path, body, options, message):
    with pytest.raises(DataError, match=message):
        read_ts(write(tmp_path / "a.ts", body, **options))


def test_files_that_are_no_ts(tmp_path):
    path = tmp_path / "a.ts"
    path.write_text("const a: number = 1;\n")
    with pytest.raises(DataError, match="no @data line"):
        read_ts(path)
    path.write_bytes(b"\xff\x00\xff\n@data")
    with pytest.raises(DataError, match="no UTF-8"):
        read_ts(path)
    path.write_text("@targetLabel true\n@univariate true\n@equalLength true\n@data\n1,2:0.5\n")
    with pytest.raises(LabelError, match="regress"):
        read_ts(path)


def test_without_aeon(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "aeon.datasets", None)
    with pytest.raises(MissingExtraError, match=r"attar\[series\]"):
        read_ts(write(tmp_path / "a.ts", "1:2:Banana\n"))
