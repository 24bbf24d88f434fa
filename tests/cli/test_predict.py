import csv
import errno
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from attar.deploy.predictions import write_predictions
from attar.deploy.session import load
from attar.training.progress import Silent
from tests.cli.conftest import call


def rows(file):
    with file.open(newline="") as opened:
        return list(csv.reader(opened))


@pytest.fixture
def samples(finished, empty):
    with np.load(finished.source) as arrays:
        np.savez("new.npz", x=arrays["x_test"])
        return arrays["x_test"]


def test_a_label_and_its_probability_for_each_sample(finished, empty, samples):
    called = call("predict", finished.model, "new.npz", "-o", "said/p.csv")
    assert called.code == 0
    assert called.out == "said/p.csv: 100 predictions\n"
    head, *lines = rows(empty / "said" / "p.csv")
    assert head == ["id", "label", "probability"]
    assert [line[0] for line in lines] == [str(i) for i in range(100)]
    model = load(finished.model)
    p = model.predict_proba(samples)
    assert [line[1] for line in lines] == model.classes[p.argmax(1)].astype(str).tolist()
    np.testing.assert_allclose([float(line[2]) for line in lines], p.max(1), atol=1e-6)


def test_the_name_of_the_file_says_how_it_is_written(finished, empty, samples):
    model = load(finished.model)
    p = model.predict_proba(samples)
    names = ["id", "label", "probability", *(f"probability of {name}" for name in model.meta.classes)]
    read = {
        "p.csv": lambda file: [dict(zip(names, line)) for line in rows(file)[1:]],
        "p.tsv": lambda file: list(csv.DictReader(file.read_text().splitlines(), delimiter="\t")),
        "p.json": lambda file: json.loads(file.read_text()),
        "p.jsonl": lambda file: [json.loads(line) for line in file.read_text().splitlines()],
        "p.PARQUET": lambda file: pq.read_table(file).to_pylist(),
    }
    for name, of in read.items():
        assert call("predict", finished.model, "new.npz", "--probabilities", "-q", "-o", name).code == 0
        found = of(empty / name)
        assert [list(one) for one in found] == [names] * 100
        assert [str(one["label"]) for one in found] == model.classes[p.argmax(1)].astype(str).tolist()
        np.testing.assert_allclose([[float(one[name]) for name in names[3:]] for one in found], p, atol=1e-6)


def test_a_dash_is_the_standard_output(finished, empty, samples):
    del samples
    assert call("predict", finished.model, "new.npz", "-q").code == 0
    called = call("predict", finished.model, "new.npz", "-o", "-")
    assert called.out == (empty / "predictions.csv").read_text()
    assert called.err.endswith("standard output: 100 predictions\n")
    assert not (empty / "-").exists()


def test_who_reads_no_more_is_told_nothing(finished, samples, monkeypatch):
    del samples

    class Closed:
        @property
        def buffer(self):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):  # which typer makes an exit code of, without a word
        write_predictions(finished.model, "new.npz", Path("-"), strict=False, progress=Silent())


def test_a_file_of_another_kind_is_refused_before_anything_is_read(empty):
    called = call("predict", "none.onnx", "none.npz", "-o", "p.xlsx", "-q")
    assert called.code == 2
    assert called.complaint == (
        "attar: p.xlsx: predictions are written to .csv, .txt, .tsv, .json, .jsonl, .parquet; name --out so"
    )


def test_quiet_writes_the_same_and_says_nothing(finished, empty, samples):
    del samples
    assert call("predict", finished.model, "new.npz").code == 0
    called = call("predict", finished.model, "new.npz", "-o", "q.csv", "--quiet")
    assert (called.code, called.out, called.err) == (0, "", "")
    assert (empty / "q.csv").read_bytes() == (empty / "predictions.csv").read_bytes()


@pytest.mark.parametrize("out", ["m.onnx", "new.npz", "./new.npz", "link"])
def test_neither_the_model_nor_the_samples_are_overwritten(finished, empty, samples, out):
    del samples
    (empty / "m.onnx").write_bytes(finished.model.read_bytes())
    (empty / "link").symlink_to("m.onnx")
    before = {name: (empty / name).read_bytes() for name in ("m.onnx", "new.npz")}
    called = call("predict", "m.onnx", "new.npz", "-o", out)
    assert called.code != 0
    assert "which would be overwritten; choose another file with --out" in called.err
    assert before == {name: (empty / name).read_bytes() for name in before}


def test_nodes_and_edges_are_not_overwritten(finished, empty):
    (empty / "nodes.csv").write_text("a\n1\n")
    (empty / "edges.csv").write_text("0,0\n")
    assert "choose another file with --out" in call("predict", finished.model, ".", "-o", "edges.csv").err
    assert (empty / "edges.csv").read_text() == "0,0\n"


def not_there(_):
    return "none.onnx", "new.npz", "attar: none.onnx: no such model file; "


def not_a_model(at):
    (at / "m.onnx").write_bytes(b"PK\x03\x04not a model")
    return "m.onnx", "new.npz", "attar: m.onnx: not an ONNX model that onnxruntime can run; "


def not_of_attar(at):
    from onnx import TensorProto, helper, save

    info = helper.make_tensor_value_info
    node = helper.make_node("Identity", ["x"], ["y"])
    ends = info("x", TensorProto.FLOAT, [1]), info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), at / "m.onnx")
    return "m.onnx", "new.npz", "attar: m.onnx: an ONNX model, but not one of attar's; "


def no_samples(_):
    return None, "nowhere", "attar: nowhere: no such file or folder; "


def other_samples(at):
    np.save(at / "table.npy", np.zeros((5, 3)))
    return None, "table.npy", "attar: table.npy"


@pytest.mark.parametrize(
    "bad", [not_there, not_a_model, not_of_attar, no_samples, other_samples], ids=lambda bad: bad.__name__
)
def test_bad_input_is_one_line_and_leaves_nothing(finished, empty, samples, bad):
    del samples
    model, source, said = bad(empty)
    before = sorted(empty.rglob("*"))
    called = call("predict", model or finished.model, source, "--quiet")
    assert called.code == 2
    assert called.complaint.startswith(said)
    assert sorted(empty.rglob("*")) == before


def test_a_place_that_cannot_be_written(finished, empty, samples):
    del samples
    (empty / "file").touch()
    called = call("predict", finished.model, "new.npz", "-o", "file/p.csv", "--quiet")
    assert called.code == 2
    assert called.complaint.startswith("attar: file/p.csv: cannot be written")


def test_another_unit_is_noted(finished, empty, samples):
    assert "is the unit another?" not in call("predict", finished.model, "new.npz").err
    np.savez("shares.npz", x=samples / np.float32(255), y=[0] * len(samples))
    assert "is the unit another?" in call("predict", finished.model, "shares.npz").err
    assert "is the unit another?" in call("evaluate", finished.model, "shares.npz").err
