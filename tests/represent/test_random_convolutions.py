from __future__ import annotations

import copy
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from torch import nn

from attar import kinds
from attar.deploy.check import check
from attar.deploy.meta import ModelMeta
from attar.deploy.onnx import export
from attar.errors import DataError
from attar.represent import random_convolutions as room
from attar.represent.kmeans_convolutions import KMeansConvolutions
from attar.represent.random_convolutions import RandomConvolutions

SHAPES = [(1, 40), (3, 40), (8, 8), (8, 8, 3)]


def samples(shape, n=20, seed=0):
    return np.random.default_rng(seed).standard_normal((n, *shape)).astype(np.float32)


def naive(filters, x, stride=1):
    """One dilation, from the class's own words: loops over filters, channels, places and taps."""
    weight, thresholds = filters.weight.double().numpy(), filters.thresholds.double().numpy()
    seen = filters.channels.numpy()
    x = x.astype(np.float64)
    if filters.difference:
        x = np.diff(x, axis=2)
    n, channels, steps = x.shape
    taps, dilation = weight.shape[2], filters.dilation
    answers = np.zeros((n, len(weight), steps))
    for k in range(len(weight)):
        for place in range(steps):
            for tap in range(taps):
                at = place + (tap - taps // 2) * dilation
                if 0 <= at < steps:
                    for c in range(channels):
                        answers[:, k, place] += seen[k // 8, c, 0] * weight[k, 0, tap] * x[:, c, at]
    answers = answers[:, :, ::stride] + filters.bias.double().numpy()[:, None]
    steps = answers.shape[2]
    # The mean of the sign is the share above, but for scale and origin.
    above = [2 * (answers > b[:, None]).mean(2) - 1 for b in thresholds.T]
    strength = np.zeros((n, len(weight)))
    for i in range(n):
        for place in range(steps):
            for group in range(0, len(weight), 8):
                best = group + int(np.argmax(answers[i, group : group + 8, place]))
                strength[i, best] += max(answers[i, best, place], 0.0) / steps
    return np.concatenate([*above, np.sqrt(strength)], axis=1)


@pytest.mark.parametrize("difference", [False, True])
@pytest.mark.parametrize("dilation", [1, 4])
def test_features_equal_a_naive_loop(dilation, difference) -> None:
    x = samples((3, 36), n=4)
    generator = torch.Generator().manual_seed(0)
    filters = room._Filters(torch.tensor(x), 16, 2, dilation, difference, generator)
    np.testing.assert_allclose(filters(torch.tensor(x)).flatten(1).numpy(), naive(filters, x), atol=1e-4)


@pytest.mark.parametrize(("places", "stride"), [(36, 1), (35, 2), (12, 3), (5, 8)])
def test_of_many_places_some_are_looked_at(places, stride, monkeypatch) -> None:
    monkeypatch.setattr(room, "_PLACES", places)
    x = samples((3, 36), n=4)
    filters = room._Filters(torch.tensor(x), 8, 1, 2, False, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(filters(torch.tensor(x)).flatten(1).numpy(), naive(filters, x, stride), atol=1e-4)


def test_large_samples_are_looked_at_in_a_bounded_number_of_places(tmp_path) -> None:
    for shape, kind, sides in (((2, 20_000), "series", [6667]), ((100, 130), "image", [50, 65])):
        x = samples(shape, n=3)
        representation = RandomConvolutions(8, kind=kind, random_state=0).fit(x)
        filters = representation.module_[-1].filters[0]
        assert filters.cells.shape[1] == np.prod(sides) <= room._PLACES
        whole = nn.Sequential(representation.module_, nn.Softmax(dim=1)).eval()
        classes = tuple(map(str, range(representation.dim_)))
        export(whole, torch.tensor(x), tmp_path / "m.onnx", ModelMeta(kind, shape, classes))
        with torch.no_grad():
            check(tmp_path / "m.onnx", x, whole(torch.tensor(x)).numpy(), 0.05)


@pytest.mark.parametrize("shape", [(2, 8), (1, 40), (8, 8)])
def test_rounding_decides_nothing_where_samples_are_whole_numbers(shape) -> None:
    x = np.random.default_rng(0).integers(0, 101, (300, *shape)).astype(np.float32)
    module = RandomConvolutions(128, random_state=0).fit(x).module_
    exact = copy.deepcopy(module).double()(torch.tensor(x, dtype=torch.float64))
    np.testing.assert_allclose(module(torch.tensor(x)), exact, atol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_standardised(shape) -> None:
    representation = RandomConvolutions(16, random_state=0)
    z = representation.fit_transform(samples(shape, 60))[:, : representation.module_[-1].sizes[0]]
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
    assert z.std(0).max() <= 1 + 1e-3
    assert np.median(z.std(0)) > 0.95


def test_filters() -> None:
    module = RandomConvolutions(20, random_state=0).fit(samples((5, 64))).module_
    bank = module[-1]
    assert [f.dilation for f in bank.filters] == [1, 2, 4, 1, 2, 4]
    for f in bank.filters:
        assert f.weight.shape == (24, 1, 9)  # rounded up to groups of eight
        np.testing.assert_array_equal(f.weight.sum(2), 0)
        np.testing.assert_allclose(f.weight.abs().sum(2), 1, atol=0.05)
        steps = 128 * f.weight
        assert (steps == steps.round()).all()  # eight bits hold a weight
        assert steps.abs().max() <= 127
        assert f.channels.shape == (3, 5, 1)  # a group sees the same channels
        assert set(f.channels.unique().tolist()) <= {0.0, 1.0}
        assert f.channels.any(1).all()


@pytest.mark.parametrize(
    ("size", "dilations"),
    [
        ((9,), (1,)),
        ((40,), (1, 2, 4)),
        ((50_000,), (1, 2, 4, 8, 16, 32, 64, 128)),
        ((3, 3), (1,)),
        ((1,), (1,)),
        ((28, 28), (1, 2, 4)),
        ((90, 42), (1, 2, 4)),
        ((90, 43), (1, 2, 4, 8)),
    ],
)
def test_dilations(size, dilations) -> None:
    assert room._dilations(size) == dilations


@pytest.mark.parametrize("size", [(7,), (6, 5), (1, 4)])
def test_cells_average(size) -> None:
    cells = room._cells(size, 2)
    assert cells.shape[0] == np.prod(size)
    np.testing.assert_allclose(cells.sum(0), 1, atol=1e-6)
    a = torch.arange(float(np.prod(size))).reshape(size)
    if size == (6, 5):
        by_hand = [a[r, c].mean() for r in (slice(0, 3), slice(3, 6)) for c in (slice(0, 3), slice(3, 5))]
        torch.testing.assert_close(a.flatten() @ cells, torch.stack(by_hand))


@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 3), (37, 2), (1000, 1)])
def test_thresholds_are_quantiles(n, k) -> None:
    generator = torch.Generator().manual_seed(n)
    rows = torch.randn(16, n, generator=generator)
    rows[::2] = rows[::2].round()  # with ties
    at = torch.rand(16, k, generator=generator)
    at[0], at[1] = 0, 1
    assert torch.equal(room._quantiles(rows, at), torch.stack([torch.quantile(a, q) for a, q in zip(rows, at)]))


@pytest.mark.parametrize("shape", SHAPES)
def test_features_do_not_depend_on_how_many_go_at_once(shape, monkeypatch) -> None:
    x = samples(shape)
    at_once = RandomConvolutions(8, random_state=0).fit_transform(x)
    monkeypatch.setattr(room, "_ANSWERS_AT_ONCE", 1)
    one_by_one = RandomConvolutions(8, random_state=0).fit_transform(x)
    # An answer that equals its threshold is above it or not by rounding.
    assert np.isclose(one_by_one, at_once, atol=1e-3).mean() > 0.99


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("by_sample", [False, True])
@pytest.mark.parametrize("method", [RandomConvolutions, KMeansConvolutions])
def test_export(method, by_sample, shape, tmp_path) -> None:
    x = samples(shape)
    kind = "image" if len(shape) == 3 or shape[0] == shape[1] else "series"
    representation = method(8, by_sample=by_sample, random_state=0).fit(x)
    head = nn.Linear(representation.dim_, 2)
    nn.init.normal_(head.weight, std=0.01)
    whole = nn.Sequential(representation.module_, head, nn.Softmax(dim=1)).eval()
    export(whole, torch.tensor(x), tmp_path / "m.onnx", ModelMeta(kind, shape, ("a", "b")))
    with torch.no_grad():
        check(tmp_path / "m.onnx", x, whole(torch.tensor(x)).numpy(), 2e-3)


@pytest.mark.parametrize("shape", [(40,), *SHAPES])
def test_by_sample_neither_height_nor_reach_of_a_sample_matters(shape) -> None:
    x = samples(shape)
    rng = np.random.default_rng(1)
    # Powers of two, and steps of an eighth: float32 loses nothing of them.
    x = (8 * x).round() / 8
    factor = 2.0 ** rng.integers(-2, 3, size=(len(x), *(1 for _ in shape)))
    moved = (x * factor + 4).astype(np.float32)
    by_sample, alike = (RandomConvolutions(8, by_sample=b, random_state=0).fit(x) for b in (True, False))
    z, z_moved = by_sample.transform(x), by_sample.transform(moved)
    # An answer that is as large as its threshold is above it or not by rounding.
    assert np.isclose(z, z_moved, atol=1e-3).mean() > 0.99
    assert np.isclose(alike.transform(x), alike.transform(moved), atol=1e-3).mean() < 0.5


def test_by_sample_is_for_what_lies_along_an_axis() -> None:
    with pytest.raises(DataError, match="kind table lie along no axis"):
        RandomConvolutions(8, kind="table", by_sample=True).fit(samples((30,)))


def test_the_kind_decides_not_the_shape() -> None:
    x = samples((8, 10))
    image, series = (RandomConvolutions(8, kind=kind, random_state=0).fit(x) for kind in ("image", "series"))
    assert image.module_[-1].filters[0].weight.ndim == 4
    assert series.module_[-1].filters[0].weight.ndim == 3
    learnt = RandomConvolutions(8, kind=kinds.of("image").learn(x), random_state=0).fit(x)
    np.testing.assert_array_equal(learnt.transform(x), image.transform(x))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 5), (2, 2), (3, 1)])
def test_tiny_samples(shape) -> None:
    z = RandomConvolutions(8, random_state=0).fit_transform(samples(shape))
    assert np.isfinite(z).all()


def test_constant_and_missing() -> None:
    x = np.ones((10, 2, 20), dtype=np.float32)
    x[:, 1] = np.nan
    assert np.isfinite(RandomConvolutions(8, random_state=0).fit_transform(x)).all()


def test_two_axes_are_series_of_one_channel() -> None:
    x = samples((1, 30))
    flat, series = (RandomConvolutions(8, random_state=0) for _ in range(2))
    np.testing.assert_allclose(flat.fit_transform(x[:, 0]), series.fit_transform(x), atol=1e-5)


def test_a_kind_that_cannot_be_is_refused_on_two_axes_too() -> None:
    x = samples((30,))
    for kind, complaint in (("nonsense", "unknown kind"), ("image", "as .n, h, w"), ("table", "no axis")):
        with pytest.raises(DataError, match=complaint):
            RandomConvolutions(8, kind=kind).fit(x)


def test_it_tells_rhythms_apart() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    time, phase = np.arange(60), rng.uniform(0, 2 * np.pi, (80, 1))
    x = np.sin(time * np.where(y, 0.5, 0.7)[:, None] + phase) + 0.5 * rng.standard_normal((80, 60))
    z = RandomConvolutions(32, random_state=0).fit_transform(x[:, None].astype(np.float32))
    assert RidgeClassifier(10.0).fit(z[:40], y[:40]).score(z[40:], y[40:]) > 0.9


@pytest.mark.parametrize("n_cells", [1, 3])
def test_signs_are_the_same_in_onnxruntime_without_its_slow_operator(n_cells, tmp_path) -> None:
    cells = room._cells([12], n_cells).T.contiguous()

    class Signs(torch.nn.Module):
        def forward(self, d):
            return room._MeanSign.apply(d, cells), room._IsZero.apply(-d.abs())

    d = torch.tensor([0.0, -0.0, 1e-20, -1e-20, 1e30, -1e30, 3e38, -3e38, 1.0, -1.0, 0.0, 2.0]).expand(2, 4, 12).clone()
    d[1] = d[1].roll(5, -1) * torch.tensor([1.0, 0.0, -1.0, 0.5])[:, None]
    net, file = Signs(), tmp_path / "signs.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (d,), file, input_names=["d"], opset_version=18, dynamo=False)
    assert "Sign" not in {node.op_type for node in onnx.load(file).graph.node}
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for found, expected in zip(session.run(None, {"d": d.numpy()}), net(d)):
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


def test_a_gradient_passes_by_what_has_no_slope() -> None:
    x = torch.from_numpy(samples((2, 40))).requires_grad_()
    module = RandomConvolutions(16, random_state=0).fit(samples((2, 40))).module_
    module(x)[:, -8:].sum().backward()
    assert x.grad is not None
    assert x.grad.nan_to_num().abs().sum() > 0  # the root of a strength of zero has none


def test_numbers_of_numpy_are_numbers() -> None:
    x = samples((3, 40))
    z, of_numpys = (RandomConvolutions(n, k, random_state=0).fit_transform(x) for n, k in ((8, 2), np.array([8, 2])))
    np.testing.assert_array_equal(of_numpys, z)
