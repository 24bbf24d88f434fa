import re
import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from attar import kinds
from attar.data.dataset import Column
from attar.errors import DataError
from attar.kinds import base
from attar.kinds.base import Kind, StandardiseBySample, moments

RNG = np.random.default_rng(0)


def _hostile(x: np.ndarray) -> np.ndarray:
    """Missing values here and there, far from zero."""
    x = (x * 3 + 50).astype(np.float32)
    x[RNG.random(x.shape) < 0.05] = np.nan
    return x


def _table() -> tuple[np.ndarray, tuple[Column, ...]]:
    x = _hostile(RNG.normal(size=(60, 5)))
    x[:, 2] = RNG.integers(0, 3, 60)
    x[4, 2] = np.nan
    x[:, 3] = RNG.normal(size=60)
    x[:, 4] = 7.0
    return x, (Column("a"), Column("b"), Column("c", ("r", "g", "b")), Column("d"), Column("e"))


def _text() -> np.ndarray:
    """Token ids, padded with missing values at the end; the last text is empty."""
    x = RNG.integers(2, 90, size=(60, 14)).astype(np.float32)
    x[np.arange(14) >= np.append(RNG.integers(1, 15, size=59), 0)[:, None]] = np.nan
    return x


CASES: dict[str, tuple[np.ndarray, tuple[Column, ...]]] = {
    "image": (_hostile(RNG.normal(size=(60, 8, 8))), ()),
    "image-colour": (_hostile(RNG.normal(size=(20, 20, 17, 3))), ()),
    "series": (_hostile(RNG.normal(size=(60, 2, 30))), ()),
    "table": _table(),
    "text": (_text(), ()),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Kind, np.ndarray]:
    x, columns = CASES[request.param]
    return kinds.of(request.param.partition("-")[0]).learn(x, columns), x


def test_every_kind_is_listed_under_its_own_name():
    for name in kinds.KINDS:
        assert kinds.of(name).name == name


@pytest.mark.parametrize(
    ("kind", "shape", "layouts"),
    [
        ("image", (6, 5), "(n, h, w) or (n, h, w, c)"),
        ("table", (6, 5, 4), "(n, features)"),
        ("series", (6, 5), "(n, channels, steps)"),
        ("series", (6, 5, 4, 3), "(n, channels, steps)"),
    ],
)
def test_samples_with_other_axes_than_their_kind_are_refused(kind, shape, layouts):
    complaint = re.escape(f"X has shape {shape}; give samples of kind {kind} as {layouts}")
    with pytest.raises(DataError, match=complaint):
        kinds.kind_of(kind, np.ones(shape, dtype=np.float32))


def test_a_kind_that_has_learnt_refuses_other_axes_too():
    learnt = kinds.of("image").learn(np.ones((2, 3, 3), dtype=np.float32))
    with pytest.raises(DataError, match="give samples of kind image"):
        kinds.kind_of(learnt, np.ones((6, 5), dtype=np.float32))


def test_an_unknown_kind_is_refused():
    with pytest.raises(DataError, match="use one of image, series, table"):
        kinds.of("smell")


def test_normalised_samples_are_finite_and_restored_where_known(case):
    kind, x = case
    z = kind.preprocess()(torch.from_numpy(x))
    assert torch.isfinite(z).all()
    known = ~np.isnan(x)
    np.testing.assert_allclose(kind.restore(z).numpy()[known], x[known], rtol=1e-5, atol=1e-4)


def test_an_encoder_and_a_decoder_suit_normalised_samples(case):
    kind, x = case
    z = kind.preprocess()(torch.from_numpy(x))
    code = kind.encoder(7, 4)(z)
    assert code.shape == (len(x), 7)
    assert kind.restore(kind.decoder(7, 4)(code)).shape == x.shape
    assert kind.reconstruction_loss(kind.decoder(7, 4)(code), z).shape == ()


def test_every_parameter_of_an_autoencoder_receives_a_gradient(case):
    kind, x = case
    z = kind.preprocess()(torch.from_numpy(x))
    network = nn.Sequential(kind.encoder(6, 4), kind.decoder(6, 4))
    kind.reconstruction_loss(network(z), z).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_view_is_seeded_keeps_shape_and_spares_its_input(case):
    kind, x = case
    z = kind.preprocess()(torch.from_numpy(x))
    before, state = z.clone(), torch.get_rng_state()
    one, same, other = (kind.view(z, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert one.shape == z.shape
    assert one.dtype == z.dtype
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(z, before)
    assert torch.equal(torch.get_rng_state(), state), "drew from the global generator"


def test_a_view_of_strength_zero_changes_nothing(case):
    kind, x = case
    z = kind.preprocess()(torch.from_numpy(x))
    for view in (kind.view, kind.strong_view):
        torch.testing.assert_close(view(z, torch.Generator(), 0.0), z, rtol=1e-4, atol=1e-4)


def test_a_strong_view_is_seeded_and_changes_at_least_as_much(case):
    kind, x = case
    z = kind.preprocess()(torch.from_numpy(x))
    one, same = (kind.strong_view(z, torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(one, same)
    ordinary = kind.view(z, torch.Generator().manual_seed(0))
    assert (one - z).square().mean() > 0.9 * (ordinary - z).square().mean()


def test_what_has_no_time_has_no_sequence(case):
    kind, x = case
    if kind.name == "series":
        return
    z = kind.preprocess()(torch.from_numpy(x))
    with pytest.raises(DataError, match=f"samples of kind {kind.name} have no order in time"):
        kind.sequence(kind.encoder(4, 4), z)


def test_a_stronger_view_is_further_away(case):
    kind, x = case
    z = kind.preprocess()(torch.from_numpy(x))
    near, far = ((kind.view(z, torch.Generator().manual_seed(0), s) - z).square().mean() for s in (0.2, 1.0))
    assert 0 < near < far


def test_students_go_from_large_to_tiny(case):
    kind, x = case
    z = kind.preprocess()(torch.from_numpy(x))
    students = kind.students(5)
    sizes = [s.parameters for s in students]
    assert sizes == sorted(sizes, reverse=True)
    assert len({s.name for s in students}) == len(students)
    assert sizes[0] > 20_000
    assert sizes[-1] < 4_000
    for student in students:
        network = student.build()
        assert sum(p.numel() for p in network.parameters()) == student.parameters
        assert network(z).shape == (len(x), 5)


def test_a_drawing_stands_alone(case):
    kind, x = case
    for sample in (x[0], np.full_like(x[0], np.nan), np.zeros_like(x[0])):
        drawn = kind.draw(sample)
        assert drawn.startswith(("data:image/png;base64,", "<svg "))
        assert "nan" not in drawn.partition("base64")[0]
        assert len(drawn) < 12_000


def test_constant_and_missing_data_stay_finite():
    for name, shape in {"image": (4, 6, 6), "series": (4, 2, 9), "table": (4, 3)}.items():
        for value in (0.0, 1e6, np.nan):
            x = np.full(shape, value, dtype=np.float32)
            kind = kinds.of(name).learn(x)
            z = kind.preprocess()(torch.from_numpy(x))
            assert torch.isfinite(z).all()
            assert torch.isfinite(kind.view(z, torch.Generator())).all()


def test_moments_equal_numpy_in_float64_far_from_zero():
    x = (RNG.normal(size=(5000, 3, 4)) + 1e4).astype(np.float32)
    x[RNG.random(x.shape) < 0.1] = np.nan
    mean, std = moments(x, axis=1)
    np.testing.assert_allclose(mean, np.nanmean(x.astype(np.float64), axis=(0, 2)), rtol=1e-13)
    np.testing.assert_allclose(std, np.nanstd(x.astype(np.float64), axis=(0, 2)), rtol=1e-9)


def test_of_large_samples_fewer_go_through_a_network_at_once():
    def batch(shape):
        return kinds.of("series").learn(np.zeros((2, *shape), dtype=np.float32)).batch(256)

    assert [batch((1, 128)), batch((9, 900)), batch((1, 2**15)), batch((1, 2**20))] == [256, 256, 64, 8]


def test_moments_of_large_samples_take_little_memory(monkeypatch):
    monkeypatch.setattr(base, "_NUMBERS", 2**14)
    x = RNG.random((200, 2, 5000), dtype=np.float32)
    tracemalloc.start()
    try:
        mean, _ = moments(x, axis=1)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(mean, x.mean(axis=(0, 2), dtype=np.float64), rtol=1e-13)
    assert most < x.nbytes / 4


def test_rounding_noise_is_not_a_spread_but_a_small_scale_is():
    x = np.stack([np.full(100, 1e6) + np.arange(100) % 2 * 0.0625, RNG.normal(size=100) * 1e-12], axis=1)
    _, (noise, small) = moments(x.astype(np.float32), axis=1)
    assert noise == 1.0
    assert 0 < small < 1e-11


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("name", CASES)
def test_preprocessing_and_encoder_run_in_onnxruntime(name, tmp_path):
    import onnxruntime

    x, columns = CASES[name]
    kind = kinds.of(name.partition("-")[0]).learn(x, columns)
    module = nn.Sequential(kind.preprocess(), kind.encoder(6, 4)).eval()
    path = tmp_path / "model.onnx"
    torch.onnx.export(
        module,
        (torch.from_numpy(x[:2]),),
        path,
        input_names=["x"],
        output_names=["z"],
        dynamic_axes={"x": {0: "n"}, "z": {0: "n"}},
        opset_version=18,
        dynamo=False,
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for batch in (x[:1], x):
        (got,) = session.run(None, {"x": batch})
        with torch.inference_mode():
            expected = module(torch.from_numpy(batch)).numpy()
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 40), (2, 6, 5)])
def test_samples_standardised_each_by_itself(shape):
    x = RNG.normal(size=(20, *shape)) * 10.0 ** RNG.integers(-3, 4, size=(20, shape[0], *(1 for _ in shape[1:])))
    x[RNG.random(x.shape) < 0.1] = np.nan
    x[3, 1], x[4, 0] = 7.0, np.nan
    places = tuple(range(2, x.ndim))
    expected = np.zeros_like(x)
    for i, c in np.ndindex(x.shape[:2]):
        known = x[i, c][~np.isnan(x[i, c])]
        if len(known) and known.std():
            expected[i, c] = np.nan_to_num((x[i, c] - known.mean()) / known.std())
    standardise = StandardiseBySample()
    z = standardise(torch.tensor(x)).numpy()
    np.testing.assert_allclose(z, expected, atol=1e-12)
    # Neither height nor reach of a channel matters, and a second time changes nothing.
    moved = x * RNG.uniform(0.1, 10, size=(20, shape[0], *(1 for _ in places))) + 5
    np.testing.assert_allclose(standardise(torch.tensor(moved)).numpy(), expected, atol=1e-9)
    whole = torch.tensor(RNG.normal(size=(20, *shape)))
    torch.testing.assert_close(standardise(standardise(whole)), standardise(whole))


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_a_sample_of_any_size_is_standardised_by_itself(scale):
    x = torch.tensor(RNG.normal(size=(4, 1, 50)), dtype=torch.float32)
    torch.testing.assert_close(StandardiseBySample()(x * scale), StandardiseBySample()(x), rtol=1e-4, atol=1e-5)


def test_constant_samples_far_from_zero_are_zero():
    x = torch.full((1, 1, 1000), 0.1) + 1e6
    assert (StandardiseBySample()(x) == 0).all()


def test_samples_that_are_standardised_each_by_itself_already():
    x = RNG.normal(size=(30, 2, 50))
    alone = (x - x.mean(2, keepdims=True)) / x.std(2, keepdims=True)
    series = kinds.of("series")
    for values, differ in (
        (alone, False),
        (5 * alone + 3, False),
        (x, True),
        (alone * RNG.uniform(0.5, 2, (30, 2, 1)), True),
    ):
        values = values.astype(np.float32)
        assert series.learn(values).differ(values) == differ


def test_only_what_has_places_is_standardised_each_by_itself(case):
    kind, x = case
    if kind.name in ("image", "series"):
        z = kind.preprocess_by_sample()(torch.from_numpy(x))
        assert z.shape == kind.preprocess()(torch.from_numpy(x)).shape
        assert torch.isfinite(z).all()
    else:
        with pytest.raises(DataError, match=f"kind {kind.name} lie along no axis"):
            kind.preprocess_by_sample()
