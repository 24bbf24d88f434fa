import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from attar.compress import save
from attar.compress.budget import readable
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from tests.cli.conftest import call


@pytest.fixture
def network(empty):
    torch.manual_seed(0)
    save(nn.Linear(6, 3), empty / "net.attar", torch.randn(1, 6))
    return empty / "net.attar"


def test_a_file_that_is_there_is_written_anew_only_where_it_is_named(network, empty) -> None:
    (empty / "net.onnx").write_bytes(b"from elsewhere")
    called = call("unpack", "net.attar")
    assert called.code == 2
    assert called.complaint.startswith("attar: net.onnx: is there already; ")
    assert (empty / "net.onnx").read_bytes() == b"from elsewhere"
    assert call("unpack", "net.attar", "-o", "net.onnx").out == "net.onnx\n"
    assert (empty / "net.onnx").read_bytes() != b"from elsewhere"


@pytest.mark.parametrize("folder", [".", "/", "here"])
def test_a_folder_is_not_unpacked(folder, empty) -> None:
    Path("here").mkdir()
    called = call("unpack", folder)
    assert (called.code, called.complaint) == (2, f"attar: {folder}: is a folder; name an .attar file in it")


def test_a_file_is_not_unpacked_over_itself(network, empty) -> None:
    before = network.read_bytes()
    assert call("unpack", "net.attar", "-o", "./net.attar").complaint.startswith(
        "attar: net.attar: is the file itself; "
    )
    shutil.copy("net.attar", "other.onnx")
    assert call("unpack", "other.onnx").code == 2
    assert network.read_bytes() == (empty / "other.onnx").read_bytes() == before


def test_each_file_is_said_with_what_it_is_for(network, empty) -> None:
    net = nn.Sequential(nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 3))
    export(net, torch.randn(1, 40), empty / "big.onnx", ModelMeta("table", (40,), ("a", "b", "c")))
    said = call("compress", "big.onnx", "--budget", "4KB", "-o", "small").out.splitlines()
    bytes_ = (empty / "small" / "model.onnx").stat().st_size
    assert said[-3:] == [
        "small/model.attar  (for attar unpack)",
        f"small/model.onnx  (for onnxruntime, {readable(bytes_)})",
        "small/compress.html",
    ]


def test_other_files_than_the_one_that_is_meant(network, empty) -> None:
    (empty / "run").mkdir()
    for command in (("compress", "run", "--budget", "1KB"), ("predict", "run", "x.npz")):
        assert "run: is a folder" in call(*command).complaint
    assert "`attar unpack`" in call("predict", "net.attar", "x.npz").complaint
