import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor, nn

from attar.compress.packed import pack, unpack
from attar.compress.weights import quantize_weights
from attar.data.dataset import Column, Floats
from attar.deploy.folding import fold_batch_norm
from attar.deploy.meta import CHECKSUM, ModelMeta, is_whole
from attar.deploy.onnx import export, export_sklearn, weigh
from attar.deploy.session import load
from attar.errors import ExportError

Samples = Callable[..., Floats]


@pytest.mark.parametrize("n", [1, 2, 7, 64])
@pytest.mark.parametrize("kind", ["image", "series"])
def test_equals_torch(kind: str, n: int, request: pytest.FixtureRequest, samples: Samples) -> None:
    net, file = request.getfixturevalue(f"{kind}_net"), request.getfixturevalue(f"{kind}_file")
    x = samples(n, *((8, 8) if kind == "image" else (3, 40)))
    with torch.no_grad():
        expected = net(torch.from_numpy(x)).numpy()
    got = onnxruntime.InferenceSession(str(file)).run(["probabilities"], {"x": x})[0]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("kernel", "holes"), [(3, 2), (4, 3), (4, 1)])
def test_filters_with_holes_may_keep_the_length(kernel: int, holes: int, tmp_path: Path) -> None:
    filters = nn.Conv1d(2, 4, kernel, dilation=holes, padding="same")
    net = nn.Sequential(filters, nn.ReLU(), nn.AvgPool1d(12), nn.Flatten(), nn.Softmax(-1))
    x = torch.randn(5, 2, 12)
    export(net, x, tmp_path / "net.onnx", ModelMeta("series", (2, 12), tuple("abcd")))
    (got,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"x": x.numpy()})
    np.testing.assert_allclose(got, net(x).detach().numpy(), atol=1e-6)


PROGRAM = """
import torch
from pathlib import Path
from typing import NoReturn
from torch import nn
from attar.deploy.meta import CHECKSUM, ModelMeta, is_whole
from attar.deploy.onnx import export
torch.manual_seed(3)
net = nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3), nn.Softmax(-1))
export(net, torch.zeros(n, 2, 8), Path(path), ModelMeta("series", (2, 8), ("a", "b", "c")))
"""


def test_same_weights_give_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    there, here = tmp_path / "there.onnx", tmp_path / "here.onnx"
    subprocess.run([sys.executable, "-c", f"n = 1; path = {str(there)!r}" + PROGRAM], check=True)
    exec(PROGRAM, {"n": 5, "path": here})
    assert there.read_bytes() == here.read_bytes()


def test_nothing_of_the_exporting_program_is_left(image_file: Path) -> None:
    model = onnx.load(image_file)
    assert [entry.key for entry in model.metadata_props] == ["attar", "attar.crc32"]
    assert not model.producer_name
    assert all(not node.name and not node.doc_string and not node.metadata_props for node in model.graph.node)
    assert b"torch" not in image_file.read_bytes()
    assert b".py" not in image_file.read_bytes()
    assert {node.op_type for node in model.graph.node}.isdisjoint({"Constant", "Identity", "BatchNormalization"})
    assert model.ir_version <= 10


def test_little_more_than_the_weights(image_net: nn.Module, image_file: Path) -> None:
    weights = sum(p.numel() for p in fold_batch_norm(image_net, torch.zeros(1, 8, 8)).parameters())
    assert image_file.stat().st_size < 4 * weights + 1100


def test_the_module_is_not_changed(tmp_path: Path, image_net: nn.Module) -> None:
    net = copy.deepcopy(image_net).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    export(net, torch.zeros(3, 8, 8), tmp_path / "model.onnx", ModelMeta("image", (8, 8), tuple("abcdefghij")))
    assert net.training
    assert net.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


class Wrong(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3]


class NoOnnx(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvalsh(x[:, :, None] * x[:, None, :])


class Blind(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.bias.expand(len(x), 4), dim=1)


class Says(nn.Module):
    def __init__(self, say: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.say = say

    def forward(self, x: Tensor) -> object:
        return self.say(x)


class NotCopied(nn.Linear):
    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("locks stay where they are")


@pytest.mark.parametrize(
    ("module", "match"),
    [
        (Says(lambda x: x[:, :, 0]), "does not take the example: too many indices"),
        (Says(nn.BatchNorm2d(4).eval()), "does not take the example: expected 4D input"),
        (Says(lambda x: (x, x)), "gives a tuple for 2 samples"),
        (NotCopied(4, 4), "cannot be copied: locks stay"),
        (Wrong(), "one per class"),
        (Blind(), "without looking at its samples"),
        (NoOnnx(), "no ONNX form"),
        (nn.Linear(5, 4), "does not take the example"),
        (nn.Linear(4, 4).double(), "does not take the example"),
    ],
)
def test_a_module_that_cannot_be_exported_leaves_nothing(tmp_path: Path, module: nn.Module, match: str) -> None:
    with pytest.raises(ExportError, match=match) as error:
        export(module, torch.zeros(1, 4), tmp_path / "model.onnx", ModelMeta("table", (4,), tuple("abcd")))
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit to the size of files")
def test_a_full_disk_is_not_the_fault_of_the_module(tmp_path: Path) -> None:
    import resource

    module, before = nn.Sequential(nn.Linear(4, 4), nn.Softmax(1)), resource.getrlimit(resource.RLIMIT_FSIZE)
    meta = ModelMeta("table", (4,), tuple("abcd"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            export(module, torch.zeros(1, 4), tmp_path / "model.onnx", meta)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_weighed_rounded_and_restored_files_are_whole(tmp_path: Path, series_file: Path) -> None:
    file, small, packed, restored = (tmp_path / name for name in ("w.onnx", "q.onnx", "p.attar", "r.onnx"))
    file.write_bytes(series_file.read_bytes())
    weigh(file, [1, 2, 1, 1])
    quantize_weights(file, small)
    pack(file, packed)
    unpack(packed, restored)
    for one in (file, small, restored):
        assert onnx.load(one).metadata_props[-1].key == CHECKSUM
        assert is_whole(one.read_bytes())
    assert small.read_bytes() == restored.read_bytes()


def test_an_example_without_a_sample_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="holds no sample"):
        export(nn.Linear(4, 4), torch.zeros(0, 4), tmp_path / "model.onnx", ModelMeta("table", (4,), tuple("abcd")))


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    meta = ModelMeta("table", (4,), tuple("abcd"))
    file = tmp_path / "model.onnx"
    export(nn.Sequential(nn.Linear(4, 4), nn.Softmax(1)), torch.zeros(1, 4), str(file), meta)
    assert load(str(file)).predict(np.zeros((3, 4))).shape == (3,)


def test_categories_come_in_as_strings(table_file: Path) -> None:
    session = onnxruntime.InferenceSession(str(table_file))
    assert [(value.name, value.shape) for value in session.get_inputs()] == [("x", ["n", 2]), ("categories", ["n", 3])]
    feed = {
        "x": np.array([[7, 8], [7, np.nan], [0, 0]], np.float32),
        "categories": np.array([["red", "blue", "S"], ["grün", "", "L"], ["unheard", "red", "xl"]], dtype=object),
    }
    expected = [[7, 2, 8, 0, 1], [7, 1, 9, 9, 0], [0, 9, 0, 2, 9]]  # TableNet shows what it gets, missing as 9
    np.testing.assert_array_equal(session.run(None, feed)[0], expected)


def test_a_table_of_categories_alone(tmp_path: Path) -> None:
    columns = (Column("a", ("u", "", "v")), Column("b", ("1", "2")))
    net = nn.Sequential(nn.Linear(2, 2, bias=False))
    net[0].weight.data = torch.eye(2)
    export(net, torch.zeros(1, 2), tmp_path / "m.onnx", ModelMeta("table", (2,), ("a", "b"), columns))
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    assert [value.name for value in session.get_inputs()] == ["categories"]
    got = session.run(None, {"categories": np.array([["v", "2"], ["", "1"]], dtype=object)})[0]
    np.testing.assert_array_equal(got[0], [2, 1])
    assert np.isnan(got[1, 0])  # "" is a missing value even where a category is called so


def test_trees_take_strings_too(tmp_path: Path) -> None:
    x, y = load_wine(return_X_y=True)
    x = np.column_stack([x[:, :3], np.random.default_rng(0).integers(0, 3, len(x))]).astype(np.float32)
    columns = (Column("p"), Column("q"), Column("r"), Column("s", ("a", "b", "c")))
    forest = RandomForestClassifier(5, random_state=0).fit(x, y)
    export_sklearn(forest, 4, tmp_path / "m.onnx", ModelMeta("table", (4,), ("0", "1", "2"), columns))
    np.testing.assert_allclose(load(tmp_path / "m.onnx").predict_proba(x), forest.predict_proba(x), atol=1e-6)


@pytest.mark.parametrize("kind", ["image", "series", "trees"])
def test_answers_are_weighed_in_the_file(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    file = tmp_path / "model.onnx"
    if kind == "trees":
        x, y = load_wine(return_X_y=True)
        x = x.astype(np.float32)
        forest = RandomForestClassifier(5, random_state=0).fit(x, y)
        export_sklearn(forest, x.shape[1], file, ModelMeta("table", x.shape[1:], ("a", "b", "c")))
    else:
        file.write_bytes(request.getfixturevalue(f"{kind}_file").read_bytes())
        x = request.getfixturevalue("samples")(9, *((8, 8) if kind == "image" else (3, 40)))
    before = load(file)
    p = before.predict_proba(x)
    w = np.linspace(0.2, 5, p.shape[1])
    weigh(file, w)
    after = load(file)
    np.testing.assert_allclose(after.predict_proba(x), p * w / (p * w).sum(1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(after.predict_proba(x[:1]), after.predict_proba(x)[:1], atol=1e-6)
    assert after.meta == before.meta
