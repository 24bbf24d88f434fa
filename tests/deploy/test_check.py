from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from attar.data.dataset import Floats
from attar.deploy.check import check
from attar.deploy.graph import write
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.deploy.session import load
from attar.errors import ExportError, ModelError

Samples = Callable[..., Floats]


def test_returns_the_largest_difference(image_file: Path, samples: Samples) -> None:
    x = samples(30, 8, 8)
    expected = load(image_file).predict_proba(x).astype(np.float64)
    assert check(image_file, x, expected, 0.0) < 1e-6
    expected[13, 2] += 0.25
    assert check(image_file, x, expected, 0.3) == pytest.approx(0.25, abs=1e-6)
    with pytest.raises(ExportError, match=r"0\.25 in a probability of sample 13"):
        check(image_file, x, expected, 0.2)


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_few_samples(image_file: Path, samples: Samples, n: int) -> None:
    x = samples(n, 8, 8)
    check(image_file, x, load(image_file).predict_proba(x), 1e-6)


def test_nothing_to_compare(image_file: Path, samples: Samples) -> None:
    with pytest.raises(ExportError, match="no samples"):
        check(image_file, samples(0, 8, 8), np.zeros((0, 10)), 1)
    with pytest.raises(ExportError, match="shape"):
        check(image_file, samples(2, 8, 8), np.zeros((2, 9)), 1)
    with pytest.raises(ExportError, match="shape"):
        check(image_file, samples(2, 8, 8), np.zeros((1, 10)), 1)


def test_answers_for_other_samples_are_not_compared(image_file: Path, samples: Samples) -> None:
    x = samples(5, 8, 8)
    expected = load(image_file).predict_proba(x)
    with pytest.raises(ExportError, match=r"3 samples are compared with answers of shape \(5, 10\)"):
        check(image_file, x[:3], expected, 1e-6)


@pytest.mark.parametrize("side", ["answer", "reference"])
def test_nan_is_never_equal(tmp_path: Path, side: str) -> None:
    path = tmp_path / "m.onnx"
    export(
        nn.Sequential(nn.Linear(2, 2), nn.Softmax(-1)), torch.zeros(1, 2), path, ModelMeta("table", (2,), ("a", "b"))
    )
    x = np.zeros((3, 2), np.float32)
    expected = load(path).predict_proba(x)
    if side == "answer":
        x[1] = np.nan
    else:
        expected[1] = np.nan
    with pytest.raises(ExportError, match="sample 1"):
        check(path, x, expected, 1e9)


def test_a_frozen_batch_dimension_is_found(tmp_path: Path, image_file: Path, samples: Samples) -> None:
    model = onnx.load(image_file)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 9
    write(model, tmp_path / "m.onnx")
    x = samples(9, 8, 8)
    with pytest.raises(ModelError, match="does not run"):
        check(tmp_path / "m.onnx", x, load(image_file).predict_proba(x), 1e-3)


def test_tables_are_compared_by_their_codes(table_file: Path) -> None:
    x = np.array([[1, 2, 3, 0, 1], [np.nan] * 5], np.float32)
    assert check(table_file, x, np.nan_to_num(x, nan=9), 0) == 0
