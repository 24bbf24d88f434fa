from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from attar.compress.answers import check_classes
from attar.compress.budget import Budget
from attar.compress.distillation import distill
from attar.compress.factorization import factorize
from attar.compress.given import class_codes, gathered, samples_for
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


class Complex(nn.Module):
    def __init__(self, trained: bool) -> None:
        super().__init__()
        self.turned = nn.Parameter(torch.randn(4, 4, dtype=torch.complex64), trained)
        self.last = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last((x.to(torch.complex64) @ self.turned).abs())
        return y


def test_complex_weights_are_not_trained() -> None:
    x = torch.randn(20, 4)
    for way in (quantize, partial(distill, teacher=torch.zeros(20, 2))):
        with pytest.raises(CompressionError, match="turned has complex numbers"):
            way(Complex(trained=True), x=x, epochs=1)
        way(Complex(trained=False), x=x, epochs=1)


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


@pytest.mark.parametrize("name", ["distill", "factorize", "prune", "quantize", "squeeze"])
@pytest.mark.parametrize("within", [torch.inference_mode, partial(torch.device, "meta")], ids=["inference", "device"])
def test_inference_mode_and_device_of_the_caller_do_not_matter(name, within, monkeypatch) -> None:
    x, model, student = torch.tensor(X, dtype=torch.float32), net(), nn.Linear(8, 3)
    monkeypatch.setitem(WAYS, "distill", lambda net, x, y: distill(student, net, x, y, epochs=1))
    with within():
        made = WAYS[name](model, x, None)
    if isinstance(made, nn.Module):
        tensors = made.state_dict().values()
        assert not any(one.is_inference() or one.is_meta for one in tensors)


def test_a_student_that_cannot_be_trained_is_refused() -> None:
    with torch.inference_mode():
        student = nn.Linear(8, 3)
    with pytest.raises(CompressionError, match="student was made in"):
        distill(student, net(), X, epochs=1)


def test_samples_that_carry_a_gradient_are_taken_without_it() -> None:
    x = torch.randn(4, 8, requires_grad=True)
    assert not samples_for(net(), x).requires_grad


@pytest.mark.parametrize("name", ["distill", "squeeze"])
def test_answers_of_a_teacher_that_carry_a_gradient_are_taken_without_it(name) -> None:
    x = torch.tensor(X, dtype=torch.float32)
    teacher = net()
    if name == "distill":
        distill(net(), teacher(x), x, epochs=2, batch_size=16)
    else:
        squeeze(net(), x, teacher=teacher(x), bytes=1000, epochs=2, batch_size=16)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_teacher_has_a_precision_of_its_own() -> None:
    squeeze(net(), X, teacher=net().double(), bytes=1000, epochs=2)


ORDERS = {
    "backwards": lambda a: a[::-1].copy()[::-1],
    "bytes of another machine": lambda a: a.astype(a.dtype.newbyteorder()),
    "long": lambda a: a.astype(np.longdouble) if a.dtype.kind == "f" else a,
}


@pytest.mark.parametrize("as_given", ORDERS.values(), ids=ORDERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_in_any_order(as_given, dtype) -> None:
    x, y = X.astype(dtype), np.arange(64) % 3
    told = np.random.default_rng(1).standard_normal((64, 3))
    losses = distill(net(), told, x, y, epochs=2).losses
    assert distill(net(), as_given(told), as_given(x), as_given(y), epochs=2).losses == losses


def test_labels_that_must_not_be_written_to() -> None:
    y = np.arange(3)
    y.flags.writeable = False
    assert class_codes(y, 3).tolist() == [0, 1, 2]


def test_a_network_of_one_number_tells_two_classes_apart() -> None:
    check_classes(torch.tensor([-1, 0, 1]), torch.zeros(3, 1))
    check_classes(torch.tensor([9]), torch.zeros(1, 4, 2))
    for told in (torch.zeros(2, 1), torch.zeros(2)):
        with pytest.raises(CompressionError, match="y has a class 2, and the network tells 2 apart"):
            check_classes(torch.tensor([0, 2]), told)


def told(x):
    """Classes that samples tell, to see whether both stay together."""
    return (torch.as_tensor(x)[:, 0] > 0).long()


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch", [1, 7, 64, 100])
def test_a_loader_is_read_once_and_keeps_samples_and_labels_together(shuffle, batch) -> None:
    x = torch.tensor(X)
    found, y = gathered(DataLoader(TensorDataset(x, told(x)), batch, shuffle=shuffle))
    assert torch.equal(y, told(found))
    assert torch.equal(found.sort(0).values, x.sort(0).values)
    assert shuffle or torch.equal(found, x)


class Pictures(Dataset):
    """Items as torchvision has them, and as arrays."""

    def __init__(self, *items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(torch.ones(8), 1), (torch.zeros(8), 0)])


def test_data_sets_of_all_sorts() -> None:
    x = torch.tensor(X)
    before = torch.get_rng_state()
    for data, codes in (
        (TensorDataset(x), None),
        (TensorDataset(x, told(x)), told(x)),
        (Pictures(*X), None),
        (Pictures(*((one, int(one[0] > 0)) for one in X)), told(x)),
    ):
        found, y = gathered(data)
        assert torch.equal(found, x)
        assert (y is None) if codes is None else torch.equal(y, codes)
    assert gathered(Stream())[1].tolist() == [1, 0]
    assert torch.equal(before, torch.get_rng_state())
    assert gathered(X, None)[0] is X
    given = np.arange(64)
    assert gathered(TensorDataset(x), given)[1] is given


@pytest.mark.parametrize("name", [name for name in WAYS if name != "compress"])
def test_every_way_takes_a_loader_with_its_labels(name) -> None:
    x = torch.tensor(X, dtype=torch.float32)
    data = TensorDataset(x, told(x))
    WAYS[name](net(), DataLoader(data, 16, shuffle=True), None)
    WAYS[name](net(), data, None)
    with pytest.raises(CompressionError, match="y is given beside a TensorDataset that has labels: leave y away"):
        WAYS[name](net(), data, told(x))
    with pytest.raises(CompressionError, match="y has a class 3, and the network tells 3 apart"):
        WAYS[name](net(), TensorDataset(x, torch.full((64,), 3)), None)


def test_compress_takes_a_loader_as_it_takes_tensors() -> None:
    x = torch.tensor(X, dtype=torch.float32)
    given = TensorDataset(x, told(x))
    budget = Budget(bytes=3000, accuracy_drop=0.9)
    one, other = compress(net(), budget, DataLoader(given, 10), epochs=2), compress(net(), budget, x, told(x), epochs=2)
    assert [(a.bytes, a.quality) for a in one.attempts] == [(a.bytes, a.quality) for a in other.attempts]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (TensorDataset(*[torch.zeros(4, 8)] * 3), "has 3 parts: give x, or x and a class code"),
        (Pictures({"x": torch.zeros(8)}), "do not make one tensor"),
        (Pictures(torch.zeros(8), torch.zeros(7)), "do not make one tensor: give numbers of one shape"),
        (DataLoader(Pictures(torch.zeros(8), torch.zeros(7)), 1), "do not make one tensor: give numbers of one shape"),
        (Pictures((torch.zeros(8), 1), torch.zeros(8)), "do not make one tensor"),
        (Pictures((torch.zeros(8), "cat")), "do not make one tensor"),
        (Pictures("cat"), "do not make one tensor"),
        (Pictures(object()), "do not make one tensor"),
        (Pictures(), "there are no samples in x, a Pictures"),
        (TensorDataset(torch.zeros(4, 8), torch.full((4,), 0.5)), "something else than class codes"),
    ],
)
def test_items_that_are_no_samples_are_refused_in_one_line(data, why) -> None:
    with pytest.raises(CompressionError, match=why) as error:
        quantize(net(), data, epochs=1)
    assert "\n" not in str(error.value)


def test_what_is_in_an_order_is_not_given_beside_a_loader_that_shuffles() -> None:
    data = TensorDataset(torch.tensor(X))
    mixed = DataLoader(data, 8, shuffle=True)
    with pytest.raises(CompressionError, match="y is given beside a DataLoader with an order of its own"):
        gathered(mixed, np.zeros(64))
    with pytest.raises(CompressionError, match="teacher is given beside a DataLoader with an order of its own"):
        distill(net(), torch.zeros(64, 3), mixed, epochs=1)
    distill(net(), torch.zeros(64, 3), DataLoader(data, 8), epochs=1)
    distill(net(), net(), mixed, epochs=1)


SEEDED = {
    "compress": lambda net, x=X, **how: compress(net, "20KB", x, **how),
    "distill": lambda net, x=X, **how: distill(nn.Linear(8, 3), net, x, **how),
    "factorize": lambda net, x=X, **how: factorize(net, x, ranks={"0": 2}, **how),
    "prune": lambda net, x=X, **how: prune(net, 0.5, x=x, **how),
    "quantize": lambda net, x=X, **how: quantize(net, x, **how),
    "squeeze": lambda net, x=X, **how: squeeze(net, x, bytes=1000, **how),
}


@pytest.mark.parametrize("way", SEEDED.values(), ids=SEEDED)
@pytest.mark.parametrize("seed", [None, -1, 1.5, "a", True, 2**32])
def test_what_is_no_seed_is_refused(way, seed) -> None:
    with pytest.raises(CompressionError, match=f"seed={seed!r}: it must be a whole number"):
        way(net(), seed=seed)


@pytest.mark.parametrize("name", ["compress", "factorize", "prune", "quantize", "squeeze"])
def test_a_seed_is_judged_before_samples_are_read(name) -> None:
    class Unread(Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, _):
            raise AssertionError("read")

    with pytest.raises(CompressionError, match="seed=-1"):
        SEEDED[name](net(), Unread(), seed=-1)


@pytest.mark.parametrize("name", ["distill", "factorize", "prune", "quantize", "squeeze"])
def test_settings_may_be_numbers_of_numpy(name) -> None:
    sized = {} if name in ("factorize", "prune") else {"batch_size": np.int64(16)}
    SEEDED[name](net(), seed=np.int64(2**32 - 1), epochs=np.int64(2), lr=np.float32(1e-3), **sized)


def test_settings_of_training_are_judged() -> None:
    for decay in (None, -1, "a", float("nan")):
        with pytest.raises(CompressionError, match="weight_decay="):
            distill(nn.Linear(8, 3), net(), X, weight_decay=decay)
    for epochs in (None, 2.0, "a", True, 1):
        for way in ("compress", "squeeze"):
            with pytest.raises(CompressionError, match=r"epochs=.* give at least 2"):
                SEEDED[way](net(), epochs=epochs)


@pytest.mark.parametrize("x", [torch.eye(8).to_sparse(), np.ma.masked_greater(X, 1.0)], ids=["sparse", "masked"])
def test_samples_that_are_not_all_there_are_refused(x) -> None:
    with pytest.raises(CompressionError, match=r"give x\.to_dense|has masked values"):
        samples_for(net(), x)
    assert samples_for(net(), np.ma.masked_array(X)).dtype == torch.float32


def test_labels_may_be_rows_of_a_table() -> None:
    column = pd.Series([2, 0, -1, 1], index=[7, 5, 1, 3])
    for labels in (column, column.astype("Int64"), column.astype("category"), column.astype(float)):
        assert class_codes(labels, 4).tolist() == [2, 0, -1, 1]
    with pytest.raises(CompressionError, match="y holds something else than class codes"):
        class_codes(column.astype(str), 4)


def test_masked_labels_are_none() -> None:
    assert class_codes(np.ma.masked_equal([2, 0, 1], 0), 3).tolist() == [2, -1, 1]
