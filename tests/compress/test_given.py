from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from attar.compress.distillation import distill
from attar.compress.factorization import factorize
from attar.compress.given import check_classes, class_codes, samples_for
from attar.compress.pruning import prune
from attar.compress.quantization import quantize
from attar.compress.search import compress
from attar.compress.squeezing import squeeze
from attar.errors import BudgetError, CompressionError

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
    assert samples_for(nn.Embedding(4, 3), ids) is ids
    assert samples_for(nn.Flatten(), X) is X


def test_codes_of_any_type() -> None:
    for y in ([1, -1, 0], np.array([1, -1, 0], np.int8), np.array([1.0, -1, 0]), torch.tensor([1, -1, 0])):
        assert class_codes(y, 3).tolist() == [1, -1, 0]


def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(net())


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(8, 3)

    def forward(self, x, z):
        return self.line(x + z)


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(8, 3)

    def forward(self, x):
        return {"logits": self.line(x)}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_network_that_is_none_or_not_ready_is_refused(way) -> None:
    for model, why in (
        (scripted(), "layers are fixed"),
        (net().state_dict(), r"is no network: give .* after module.load_state_dict\(weights\)"),
        ("net.attar", r"a str is no network: give .* after attar.compress.load\(file\)"),
        (nn.Sequential(nn.LazyLinear(4), nn.Linear(4, 3)), "0.weight has no shape yet"),
        (net().to("meta"), "0.weight is on the device meta"),
        (Two(), "does not take x of shape"),
    ):
        with pytest.raises(CompressionError, match=why):
            way(model, X, None)
    with pytest.raises(CompressionError, match="does not take x of shape"):
        way(net(), X[:, :5], None)
    with pytest.raises(CompressionError, match="no samples"):
        way(net(), X[:0], None)


@pytest.mark.parametrize("name", [name for name in WAYS if name != "factorize"])
def test_a_network_that_answers_with_something_else_than_a_tensor_is_refused(name) -> None:
    with pytest.raises(CompressionError, match="does not give one tensor"):
        WAYS[name](Named(), X, None)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_classes_that_the_network_does_not_have_are_refused(way) -> None:
    with pytest.raises(CompressionError, match="y has a class 3, and the network tells 3 apart"):
        way(net(), X, [0, 1, 2, 3] * 16)
    with pytest.raises(CompressionError, match="y has a class -2"):
        way(net(), X, [0, 1, 2, -2] * 16)


def test_settings_of_training_that_cannot_be_are_refused() -> None:
    for settings in ({"epochs": -1}, {"epochs": 1.5}, {"batch_size": 0}, {"lr": -1.0}, {"lr": float("nan")}):
        with pytest.raises(CompressionError, match=next(iter(settings))):
            quantize(net(), X, **{"epochs": 1} | settings)
    for settings in ({"temperature": 0.0}, {"alpha": 2.0}):
        with pytest.raises(CompressionError, match=next(iter(settings))):
            distill(net(), net(), X, epochs=1, **settings)
    for settings in ({"bytes": "1KB"}, {"bytes": 400, "batch_size": 0}):
        with pytest.raises(CompressionError, match=list(settings)[-1]):
            squeeze(net(), X, epochs=2, **settings)
    with pytest.raises(CompressionError, match="float64"):
        squeeze(net().double(), X, epochs=2, bytes=400)
    with pytest.raises(CompressionError, match="epochs"):
        compress(net(), "1KB", X, epochs=1)
    with pytest.raises(BudgetError, match="budget=500"):
        compress(net(), 500, X)


def test_a_teacher_that_answers_otherwise_is_refused() -> None:
    for teacher, why in ((torch.zeros(64, 4), "teacher of shape"), (torch.full((64, 3), torch.nan), "NaN or infinity")):
        with pytest.raises(CompressionError, match=why):
            distill(net(), teacher, X, epochs=1)
    # One number a sample and a row of one are not to be taken for each other.
    with pytest.raises(CompressionError, match="teacher of shape"):
        distill(nn.Linear(8, 1), torch.zeros(64), X, epochs=1)


def test_a_student_may_take_views_alone() -> None:
    distill(nn.Linear(16, 3), net(), X, epochs=1, view=lambda x, _: torch.cat([x, x], 1))


@pytest.mark.parametrize("name", ["distill", "factorize", "prune", "quantize", "squeeze"])
def test_gradients_and_precision_of_the_caller_do_not_matter(name) -> None:
    x = torch.tensor(X, dtype=torch.float32)
    with torch.no_grad():
        WAYS[name](net(), x, None)
    model = net()
    torch.set_default_dtype(torch.float64)
    try:
        WAYS[name](model, x, None)
    finally:
        torch.set_default_dtype(torch.float32)


def test_samples_that_carry_a_gradient_are_taken_without_it() -> None:
    x = torch.randn(4, 8, requires_grad=True)
    assert not samples_for(net(), x).requires_grad


def test_a_network_of_one_number_tells_two_classes_apart() -> None:
    check_classes(torch.tensor([-1, 0, 1]), torch.zeros(3, 1))
    check_classes(torch.tensor([9]), torch.zeros(1, 4, 2))
    for told in (torch.zeros(2, 1), torch.zeros(2)):
        with pytest.raises(CompressionError, match="y has a class 2, and the network tells 2 apart"):
            check_classes(torch.tensor([0, 2]), told)
