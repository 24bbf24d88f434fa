"""What holds for the house as a whole: its public face, and what stays unloaded until it is needed."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from torch import nn

import attar
from attar import compress, density, load, represent, risk
from attar.data.dataset import Column
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export

HEAVY = ("torch", "sklearn", "scipy", "pandas", "onnx", "onnxruntime", "pyarrow", "PIL", "lightning_fabric", "datasets")


def loaded_by(code, *arguments, cwd=None):
    """Which of the heavy packages a fresh interpreter has loaded at the end of `code`."""
    ending = f"import json, sys\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ending}", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=cwd,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


CLI = "from attar.cli.main import main\ntry: main()\nexcept SystemExit as left: assert not left.code, left.code"


def test_the_public_face():
    assert attar.__all__ == ["Learner", "draw", "evaluate", "explore", "load"]
    assert represent.__all__ == [
        *(
            "Autoencoder",
            "BYOL",
            "CCASSG",
            "KMeansConvolutions",
            "Masked",
            "MoCo",
            "PCA",
            "Pretrained",
            "RandomConvolutions",
            "RandomFeatures",
        ),
        *("Raw", "SimCLR", "TSTCC", "TfIdf", "nt_xent"),
    ]
    assert set(density.__all__) >= {
        *("Flow", "Gaussian", "Kernel", "Mixture", "ProbabilisticPCA"),
        *("frechet_distance", "interpolate", "sample", "two_sample_accuracy"),
    }


@pytest.mark.parametrize("package", [attar, represent])
def test_every_public_name_is_there_and_documented(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name).__doc__


@pytest.mark.parametrize("package", [attar, compress, density, represent, risk])
def test_checkers_of_types_see_the_names_that_there_are(package):
    tree = ast.parse(Path(package.__file__).read_text())
    (seen,) = (node.body for node in tree.body if isinstance(node, ast.If) and node.test.id == "TYPE_CHECKING")
    names = {alias.asname: (one.module, alias.name) for one in seen for alias in one.names}
    assert sorted(names) == package.__all__
    for shown, (module, name) in names.items():
        assert shown == name
        assert getattr(import_module(module), name) is getattr(package, name)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'attar' has no attribute 'Teacher'"):
        attar.Teacher  # noqa: B018


def test_the_version_is_that_of_the_package():
    assert version("attar") == attar.__version__


@pytest.mark.parametrize("code", ["import attar; dir(attar)", "from attar import density, represent, errors, kinds"])
def test_import_is_lazy(code):
    assert not loaded_by(code)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["fit", "--help"], ["predict", "--help"], ["quantize", "--help"]]
)
def test_help_loads_nothing(arguments):
    assert not loaded_by(CLI, *arguments)


def test_prediction_needs_onnxruntime_alone(tmp_path):
    x = np.random.default_rng(0).integers(17, size=(50, 8, 8)).astype(np.float32)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.Softmax(dim=1)).eval()
    export(network, torch.tensor(x[:1]), tmp_path / "m.onnx", ModelMeta("image", (8, 8), ("a", "b", "c"), ()))
    np.savez(tmp_path / "x.npz", x=x)
    loaded = loaded_by(CLI, "predict", "m.onnx", "x.npz", cwd=tmp_path)
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "sklearn", "scipy", "pandas", "onnx", "lightning_fabric", "datasets"}
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 51


def test_what_was_left_out_in_training_needs_nothing_in_a_prediction(tmp_path):
    columns = (Column("size"), Column("day", ("2024-01-01", "2024-01-02")))
    network = nn.Sequential(nn.Linear(2, 2), nn.Softmax(dim=1)).eval()
    meta = ModelMeta("table", (2,), ("a", "b"), columns, extra={"ignored": '["odd", "gone"]'})
    export(network, torch.zeros(1, 2), tmp_path / "m.onnx", meta)
    day = pa.array([1704067200000000000, 1704153600000000001, None], pa.timestamp("ns"))
    parquet.write_table(pa.table({"size": [1, 2, 3], "odd": [[1]] * 3, "day": day}), tmp_path / "x.parquet")
    loaded = loaded_by(CLI, "predict", "m.onnx", "x.parquet", cwd=tmp_path)
    assert not loaded & {"torch", "sklearn", "scipy", "pandas", "onnx", "lightning_fabric", "datasets"}
    said = load(tmp_path / "m.onnx").predict_proba(np.array([[1, 0], [2, 1], [3, np.nan]], np.float32)).max(1)
    written = [line.split(",") for line in (tmp_path / "predictions.csv").read_text().splitlines()]
    np.testing.assert_allclose([float(line[2]) for line in written[1:]][::2], said[::2], atol=1e-6)


def test_loading_a_model_needs_onnxruntime_alone():
    assert loaded_by("from attar import load") == {"onnxruntime"}
