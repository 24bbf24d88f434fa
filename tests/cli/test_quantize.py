import json

import pytest

from attar.compress.budget import readable
from tests.cli.conftest import call


@pytest.fixture(scope="module")
def net(finished, tmp_path_factory):
    """The float network behind a finished run."""
    import torch
    from torch import nn

    from attar.deploy.meta import ModelMeta
    from attar.deploy.onnx import export

    file = tmp_path_factory.mktemp("net") / "net.onnx"
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3), nn.Softmax(1)).eval()
    export(layers, torch.zeros(1, 8, 8), file, ModelMeta("image", (8, 8), ("0", "1", "2"), ()))
    return file


def test_bytes_answers_time_and_accuracy_are_said(net, finished, empty) -> None:
    called = call("quantize", net, "--data", finished.source, "-o", "small.onnx")
    assert called.code == 0, called.err
    blank, size, speed, right, _, file = called.out.splitlines()
    assert (blank, file) == ("", "small.onnx")
    assert size.startswith(f"{readable(net.stat().st_size)} became {readable((empty / 'small.onnx').stat().st_size)}, ")
    assert size.endswith(" on 100 samples that it learnt nothing from.")
    assert " ms per sample, on one thread: " in speed
    assert right.startswith("It was right on ")
    assert "note        ranges of what goes into layers are those that 200 samples show" in called.err


def test_json_and_quiet(net, finished, empty) -> None:
    called = call("quantize", net, "--data", finished.source, "-o", "small.onnx", "--json", "--quiet")
    assert (called.code, called.err) == (0, "")
    found = json.loads(called.out)
    assert (found["way"], found["n_calibrated"], found["n_judged"]) == ("static", 200, 100)
    assert found["correctness"]["n"] == 100
    assert {"bytes", "bytes_before", "latency_ms", "latency_ms_before", "same", "cosine", "largest"} <= found.keys()
    called = call("quantize", net, "--bits", 8, "--dynamic", "-o", "other.onnx", "--quiet", "--seed", 3)
    assert (called.code, called.out, called.err) == (0, "", "")
    assert (empty / "other.onnx").exists()


def test_logits_are_told_as_json_too(net, finished, empty) -> None:
    import onnx

    model = onnx.load(net)
    before = next(node.input[0] for node in model.graph.node if node.op_type == "Softmax")
    model.graph.node.append(onnx.helper.make_node("Identity", [before], ["logits"]))
    model.graph.output[0].name = "logits"
    del model.metadata_props[:]
    onnx.save(model, empty / "logits.onnx")
    called = call("quantize", "logits.onnx", "--json", "--quiet")
    assert called.code == 0, called.err
    assert json.loads(called.out)["probabilities"] is False


def test_other_files_than_the_one_that_is_meant(net, finished, empty) -> None:
    before = net.read_bytes()
    called = call("quantize", net, "-o", net)
    assert (called.code, called.complaint) == (
        2,
        f"attar: {net}: is read from, and would be overwritten; name another file",
    )
    assert net.read_bytes() == before
    (empty / "small.attar").write_bytes(b"ATR.....")
    assert "`attar unpack`" in call("quantize", "small.attar").complaint
    assert call("quantize", net, "--method", "best").code == 2
