from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from attar.adapt import propagate as room
from attar.adapt.axes import principal_axes
from attar.adapt.calibration import sharpened, sharpness
from attar.adapt.propagate import (
    Frame,
    LabelPropagation,
    label_distributions,
    neighbour_graph,
    propagated,
    spread,
)
from attar.adapt.selftrain import SelfTrainedProbe
from attar.errors import DataError, LabelError

EVEN = np.ones(3)


def samples(n=40, d=6, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def some_labels(n, k=3, every=4):
    return np.where(np.arange(n) % every == 0, np.arange(n) // every % k, -1)


def test_graph_equals_a_naive_loop() -> None:
    points, k = Frame.learn(samples()).place(samples()), 5
    graph = neighbour_graph(points, k)
    p = points.astype(np.float64)
    n, cosine = len(p), p @ p.T
    near = []
    for i in range(n):
        others = sorted((j for j in range(n) if j != i), key=lambda j: -cosine[i, j])
        near.append(others[:k])
    scale = np.median([1 - cosine[i, near[i][-1]] for i in range(n)])
    w = np.zeros((n, n))
    for i in range(n):
        for j in near[i]:
            w[i, j] = w[j, i] = np.exp((cosine[i, j] - 1) / scale)
    degree = w.sum(1)
    assert graph.scale == pytest.approx(scale, rel=1e-5)
    np.testing.assert_allclose(graph.weights.toarray(), w / np.sqrt(np.outer(degree, degree)), atol=1e-5)


@pytest.mark.parametrize("alpha", [0.5, 0.9, 0.95])
def test_spread_equals_the_closed_form(alpha) -> None:
    points = Frame.learn(samples()).place(samples())
    s = neighbour_graph(points, 5).weights
    seeds = np.eye(3)[np.arange(40) % 3] * (np.arange(40)[:, None] % 4 == 0)
    exact = (1 - alpha) * np.linalg.solve(np.eye(40) - alpha * s.toarray(), seeds)
    # The spectral radius of S is 1, so what the power iteration leaves out is at most its last power of α.
    np.testing.assert_allclose(spread(s, seeds, alpha), exact, atol=2 * room._TOLERANCE)
    np.testing.assert_array_equal(
        label_distributions(spread(s, seeds, alpha), EVEN).argmax(1), label_distributions(exact, EVEN).argmax(1)
    )


def test_columns_are_spread_on_their_own() -> None:
    s = neighbour_graph(Frame.learn(samples()).place(samples()), 5).weights
    seeds = np.random.default_rng(0).random((40, 7))
    whole = spread(s, seeds, 0.9)
    before = seeds.copy()
    for i in range(7):
        np.testing.assert_array_equal(whole[:, [i]], spread(s, seeds[:, [i]], 0.9))
    np.testing.assert_array_equal(seeds, before)


def test_parts_without_a_label_are_of_each_class_by_its_mass() -> None:
    # Two islands, and labels on the first only.
    w = sparse.block_diag([np.array([[0, 1.0], [1.0, 0]])] * 2).tocsr()
    spread_out = spread(w, np.array([[1.0, 0], [0, 1], [0, 0], [0, 0]]), 0.5)
    np.testing.assert_allclose(label_distributions(spread_out, np.array([3.0, 1.0]))[2:], [[0.75, 0.25]] * 2)
    p = label_distributions(spread_out, np.ones(2))
    np.testing.assert_array_equal(p[2:], 0.5)
    assert p[0, 0] > 0.5 > p[1, 0]
    np.testing.assert_allclose(p.sum(1), 1)


@pytest.mark.parametrize("mass", [[1, 1, 1], [5, 1, 2]])
def test_classes_have_their_mass(mass) -> None:
    f = np.random.default_rng(0).random((30, 3)) * [1, 10, 100]
    p = label_distributions(f, np.array(mass))
    by_hand = f / f.sum(0) * mass
    np.testing.assert_allclose(p, by_hand / by_hand.sum(1, keepdims=True), rtol=1e-12)
    # Ten times the seeds of a class change nothing, and no more does ten times the mass of all.
    np.testing.assert_allclose(label_distributions(f * [1, 10, 1], 10 * np.array(mass)), p, rtol=1e-12)


def test_several_labellings_are_spread_as_each_alone(monkeypatch) -> None:
    weights = neighbour_graph(Frame.learn(samples()).place(samples()), 5).weights
    labels = [some_labels(40), np.roll(some_labels(40), 1), some_labels(40, 2)]
    masses = [EVEN, np.array([1.0, 2, 3]), np.array([1.0, 1, 0])]
    monkeypatch.setattr(room, "_SPREAD", 2 * 3 * 40)
    found = list(propagated(weights, labels, masses, 0.9))
    assert len(found) == 3
    assert list(propagated(weights, [], [], 0.9)) == []
    for p, y, mass in zip(found, labels, masses):
        seeds = (y[:, None] == np.arange(3)).astype(float)
        np.testing.assert_allclose(p, label_distributions(spread(weights, seeds, 0.9), mass), atol=1e-12)


def test_a_rare_class_is_no_more_frequent_than_its_labels_say() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(1500) < 0.05).astype(int)
    x = rng.standard_normal((1500, 5)) + y[:, None]
    known = np.full(1500, -1)
    known[:60] = y[:60]
    # As two classes of the same mass it was right on 74 %.
    assert LabelPropagation().fit(x, known).score(x[60:], y[60:]) > 0.93


def test_probabilities_are_about_as_often_right_as_they_say() -> None:
    x, y = load_digits(return_X_y=True)
    known = np.where(np.isin(np.arange(len(y)), np.random.default_rng(1).permutation(len(y))[:80]), y, -1)
    p = LabelPropagation().fit(x, known).predict_proba(x)[known < 0]
    right = (p.argmax(1) == y[known < 0]).mean()
    assert abs(p.max(1).mean() - right) < 0.06


def test_sharpened_probabilities_keep_their_order_and_undo() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(4), 20)
    np.testing.assert_allclose(sharpened(p, 1.0), p, atol=1e-12)
    np.testing.assert_allclose(sharpened(p, 3.0), p**3 / (p**3).sum(1, keepdims=True), atol=1e-12)
    np.testing.assert_allclose(sharpened(sharpened(p, 3.0), 1 / 3), p, atol=1e-9)
    # A model that is right wherever it is unsure says so more clearly; of nothing held out nothing follows.
    assert sharpness(np.full((50, 2), [0.6, 0.4]), np.zeros(50, int)) > 2
    assert sharpness(np.full((50, 2), [0.9, 0.1]), np.arange(50) % 2) < 0.5
    assert sharpness(np.full((3, 2), np.nan), np.zeros(3, int)) == 1


@pytest.mark.parametrize(("n", "d", "k"), [(50, 8, 8), (50, 20, 5), (20, 100, 5), (20, 100, 64)])
def test_frame_is_the_principal_subspace(n, d, k) -> None:
    z = samples(n, d)
    frame = Frame.learn(z, k)
    centred = z - z.mean(0, dtype=np.float64)
    kept = min(k, d, n - 1)
    assert frame.axes.shape == (d, kept)
    np.testing.assert_allclose(frame.axes.T @ frame.axes, np.eye(kept), atol=1e-4)
    if k < d:
        explained = np.square(centred @ frame.axes).sum()
        values = np.linalg.svd(centred, compute_uv=False) ** 2
        assert explained == pytest.approx(values[:kept].sum(), rel=1e-4)
    lengths = np.linalg.norm(frame.place(z), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-5)


def test_the_block_size_changes_nothing(monkeypatch) -> None:
    points = Frame.learn(samples(100)).place(samples(100))
    whole = neighbour_graph(points, 7)
    monkeypatch.setattr(room, "_BLOCK", 900)
    np.testing.assert_allclose(neighbour_graph(points, 7).weights.toarray(), whole.weights.toarray(), atol=1e-6)


def test_many_samples_and_classes_take_little_memory(monkeypatch) -> None:
    """The distributions of all neighbours side by side would be eleven times as many numbers as the answers."""
    monkeypatch.setattr(room, "_BLOCK", 2**16)
    fitted = LabelPropagation().fit(samples(300), np.arange(300) % 100)
    queries = samples(2000, seed=1)
    tracemalloc.start()
    try:
        p = fitted.predict_proba(queries)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * p.nbytes


def test_duplicates_do_not_cut_the_graph() -> None:
    z = np.repeat(samples(12), 15, axis=0)
    graph = neighbour_graph(Frame.learn(z).place(z), 10)
    assert graph.scale > 1e-3
    assert np.isfinite(graph.weights.data).all()
    y = np.full(len(z), -1)
    y[::15] = np.arange(12) % 2
    same = LabelPropagation().fit(z, y).predict(z).reshape(12, 15)
    assert (same == same[:, :1]).all()


@pytest.mark.parametrize("z", [np.ones((6, 3)), np.arange(6.0)[:, None], samples(2, 3), samples(3, 1)], ids=str)
def test_degenerate_samples_have_finite_answers(z) -> None:
    y = np.full(len(z), -1)
    y[:2] = 0, 1
    model = LabelPropagation().fit(z, y)
    for p in (model.label_distributions_, model.predict_proba(z), model.predict_proba(1e3 * z + 1)):
        assert np.isfinite(p).all()
        np.testing.assert_allclose(p.sum(1), 1)


@pytest.mark.parametrize("n", [4, 40])
def test_module_is_the_same_map(n) -> None:
    z, y = samples(n, 5), some_labels(n, 2, 2 if n == 4 else 4)
    model = LabelPropagation().fit(z, y)
    new = np.concatenate([z, samples(30, 5, seed=1)])
    with torch.no_grad():
        p = torch.softmax(model.to_module()(torch.tensor(new)), dim=1)
    np.testing.assert_allclose(p.numpy(), model.predict_proba(new), atol=2e-4)


def test_whichever_of_many_duplicates_is_asked_says_the_same() -> None:
    rng = np.random.default_rng(0)
    z = rng.standard_normal((20, 8)).astype(np.float32)[rng.integers(0, 20, 400)]
    y = np.where(np.arange(400) < 30, rng.integers(0, 3, 400), -1)
    fitted = LabelPropagation().fit(z, y)
    for one in np.unique(z, axis=0):
        same = fitted.label_distributions_[(z == one).all(1)]
        np.testing.assert_allclose(same, same[:1].repeat(len(same), 0), atol=1e-12)
    np.testing.assert_allclose(fitted.label_distributions_.sum(1), 1)
    order = rng.permutation(400)
    turned = LabelPropagation().fit(z, y)
    turned.graph_ = replace(turned.graph_, points=turned.graph_.points[order])
    turned.label_distributions_ = turned.label_distributions_[order]
    np.testing.assert_allclose(turned.predict_proba(z), fitted.predict_proba(z), atol=1e-5)
    with torch.no_grad():
        said = fitted.to_module()(torch.from_numpy(z)).softmax(1).numpy()
    np.testing.assert_allclose(said, fitted.predict_proba(z), atol=1e-4)


def test_labels_travel_along_rings() -> None:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 400)
    ring = np.arange(400) % 2
    # Two rings on a sphere: one label each, and straight lines cannot tell them apart.
    z = np.stack([np.cos(angle), np.sin(angle), np.where(ring, 0.9, -0.9) * np.ones(400)], axis=1)
    known = np.where(np.arange(400) < 2, ring, -1)
    assert LabelPropagation().fit(z, known).score(z, ring) == 1.0


def test_better_than_its_labels_alone_on_digits() -> None:
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    known = np.full(len(y), -1)
    known[order[:60]] = y[order[:60]]
    assert LabelPropagation().fit(x, known).score(x, y) > 0.88


@pytest.mark.parametrize("offset", [1e4, 1e9])
@pytest.mark.parametrize("head", [LabelPropagation(), SelfTrainedProbe()])
def test_far_from_zero_the_answers_are_the_same(head, offset) -> None:
    # Steps that a float64 of the size of the offset has, and a float32 has not.
    x, y = samples().astype(np.float64).round(3), some_labels(40)
    p = head.fit(x, y).predict_proba(x)
    far = head.fit(x + offset, y)
    np.testing.assert_allclose(far.predict_proba(x + offset), p, atol=1e-4)
    # What is exported takes float32.
    assert {t.dtype for t in far.to_module().state_dict().values()} == {torch.float32}


@pytest.mark.parametrize("head", [LabelPropagation, SelfTrainedProbe])
@pytest.mark.parametrize("power", [-90, -50, 40, 90])
def test_the_unit_of_samples_counts_nothing(head, power) -> None:
    """As of currents in picoamperes: below 1e-12, what was no unit vector was taken for one."""
    x, unit = samples(200), np.float32(2.0**power)
    known = np.where(np.arange(200) % 5, -1, x[:, 0] > 0)
    one, other = head().fit(x, known), head().fit(unit * x, known)
    np.testing.assert_allclose(other.predict_proba(unit * x), one.predict_proba(x), atol=1e-6)
    with torch.no_grad():
        said = torch.softmax(other.to_module()(torch.tensor(unit * x)), dim=1).numpy()
    np.testing.assert_allclose(said, one.predict_proba(x), atol=1e-4)


@pytest.mark.parametrize("head", [LabelPropagation, SelfTrainedProbe])
@pytest.mark.parametrize("unit", [1e-200, 1e-40, 1e40, 1e200])
def test_a_unit_that_float32_does_not_hold_is_refused(head, unit) -> None:
    with pytest.raises(DataError, match="which float32 does not hold"):
        head().fit(unit * samples().astype(np.float64), some_labels(40))


def test_fitting_on_a_graph_that_is_there() -> None:
    z, y = samples(), some_labels(40)
    frame = Frame.learn(z)
    graph = neighbour_graph(frame.place(z), 10)
    one, other = LabelPropagation().fit(z, y), LabelPropagation().fit_graph(frame, graph, y)
    np.testing.assert_array_equal(one.label_distributions_, other.label_distributions_)
    assert list(other.classes_) == [0, 1, 2]


def test_too_few_classes() -> None:
    with pytest.raises(LabelError, match="fewer than two classes"):
        LabelPropagation().fit(samples(), np.where(np.arange(40) == 0, 5, -1))


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"alpha": 1.0}, "alpha=1.0"),
        ({"alpha": 2}, "alpha=2"),
        ({"alpha": 0}, "alpha=0"),
        ({"n_neighbors": 0}, "n_neighbors=0"),
        ({"n_neighbors": 2.5}, "n_neighbors=2.5"),
    ],
)
def test_settings_out_of_their_range_are_refused_by_name(settings, complaint) -> None:
    with pytest.raises(DataError, match=f"LabelPropagation needs .* got {complaint}"):
        LabelPropagation(**settings).fit(samples(), some_labels(40))


@pytest.mark.parametrize("head", [LabelPropagation(), SelfTrainedProbe()])
def test_a_fit_that_fails_leaves_the_head_as_it_was(head) -> None:
    x = samples()
    p = head.fit(x, some_labels(40)).predict_proba(x)
    before = dict(vars(head))
    with pytest.raises(LabelError):
        head.fit(x[:, :3], np.zeros(40, int))
    assert vars(head) == before
    np.testing.assert_array_equal(head.predict_proba(x), p)


def test_a_single_sample_has_no_neighbour() -> None:
    with pytest.raises(ValueError, match="minimum of 2"):
        LabelPropagation().fit(samples()[:1], [0])


def test_not_fitted() -> None:
    with pytest.raises(NotFittedError):
        LabelPropagation().predict(samples())


def test_many_samples_are_compared_where_neighbours_are_close() -> None:
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 400)
    # Classes are narrow in ten directions, and three wide ones say nothing.
    centres = 1.5 * generator.standard_normal((4, 10))
    x = np.concatenate(
        [centres[y] + 0.5 * generator.standard_normal((1600, 10)), 6 * generator.standard_normal((1600, 3))], 1
    )
    x = (x @ np.linalg.qr(generator.standard_normal((13, 13)))[0]).astype(np.float32)
    known = np.full(1600, -1)
    known[[0, 400, 800, 1200]] = np.arange(4)
    mean = x.mean(0)
    widest = Frame(mean, principal_axes(x - mean, 64))
    graph = neighbour_graph(widest.place(x))
    before = (LabelPropagation().fit_graph(widest, graph, known).answer(widest.place(x)).argmax(1) == y).mean()
    after = LabelPropagation().fit(x, known).score(x, y)
    assert before < 0.7
    assert after > 0.99
    # Of fewer samples the axes are the widest.
    np.testing.assert_allclose(cosines(Frame.learn(x[:999]), x[:999]), cosines(by_width(x[:999]), x[:999]), atol=1e-5)


def by_width(x):
    mean = x.mean(0, dtype=np.float64).astype(np.float32)
    return Frame(mean, principal_axes(x - mean, 64))


def cosines(frame, x):
    return frame.place(x) @ frame.place(x).T


def test_where_all_neighbours_are_the_same_the_axes_are_the_widest() -> None:
    x = np.repeat(samples(20, 4), 60, axis=0)
    np.testing.assert_allclose(cosines(Frame.learn(x), x), cosines(by_width(x), x), atol=1e-5)
    assert np.isfinite(LabelPropagation().fit(x, some_labels(1200)).predict_proba(x)).all()


@pytest.mark.parametrize("shape", [(30, 50), (30, 3), (1100, 1200), (1100, 3)])
@pytest.mark.parametrize("head", [LabelPropagation, SelfTrainedProbe])
def test_samples_that_are_all_the_same_have_an_answer(shape, head) -> None:
    x, y = np.ones(shape, np.float32), np.full(shape[0], -1)
    y[:4] = [0, 1, 0, 1]
    p = head().fit(x, y).predict_proba(x)
    np.testing.assert_allclose(p.sum(1), 1)
    np.testing.assert_allclose(p, p[:1].repeat(len(x), 0))
