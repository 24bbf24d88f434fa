from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from attar.compress.distillation import distill
from attar.compress.factorization import factorize
from attar.compress.given import class_codes, samples_for
from attar.compress.pruning import prune
from attar.compress.quantization import quantize
from attar.compress.search import compress
from attar.compress.squeezing import squeeze
from attar.errors import CompressionError

X = np.random.default_rng(0).standard_normal((64, 8))
WAYS = {
    "compress": lambda net, x, y: compress(net, "20KB", x, y, epochs=2),
    "distill": lambda net, x, y: distill(nn.Linear(8, 3), net, x, y, epochs=1),
    "factorize": lambda net, x, y: factorize(net, x, ranks={"0": 2}, y=y, epochs=1),
    "prune": lambda net, x, y: prune(net, 0.5, x=x, y=y, criterion="taylor", epochs=1),
    "quantize": lambda net, x, y: quantize(net, x, y=y, epochs=1),
    "squeeze": lambda net, x, y: squeeze(net, x, y, bytes=1000, epochs=2),
}


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "compress" else name for name in WAYS]
)
def test_samples_in_double_precision_will_do(name) -> None:
    WAYS[name](net(), X, None)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_are_no_samples_or_labels_is_refused(way) -> None:
    for x in (X.tolist(), pd.DataFrame(X), X.astype(str), 5):
        with pytest.raises(CompressionError, match="x is of type"):
            way(net(), x, None)
    for y in (["a"] * 64, np.array(["a"] * 64), np.full(64, 0.5), np.zeros((64, 1))):
        with pytest.raises(CompressionError, match="y holds something else than class codes"):
            way(net(), X, y)
    with pytest.raises(CompressionError, match="3 labels for 64 samples"):
        way(net(), X, [0, 1, 2])


def test_floats_are_brought_to_the_precision_of_the_network_and_nothing_else_is_touched() -> None:
    for precision in (torch.float32, torch.float64, torch.bfloat16):
        for x in (X, X.astype(np.float32), torch.tensor(X), torch.tensor(X).half()):
            assert samples_for(net().to(precision), x).dtype in (precision, np.dtype("float32"), np.dtype("float64"))
    single, ids = X.astype(np.float32), np.arange(4)[:, None]
    assert samples_for(net(), single) is single
    assert samples_for(net(), ids) is ids
    assert samples_for(nn.Flatten(), X) is X


def test_codes_of_any_type() -> None:
    for y in ([1, -1, 0], np.array([1, -1, 0], np.int8), np.array([1.0, -1, 0]), torch.tensor([1, -1, 0])):
        assert class_codes(y, 3).tolist() == [1, -1, 0]
