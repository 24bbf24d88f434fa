"""Principal components against scikit-learn's singular value decomposition, closed forms, and hostile input."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA as Reference
from torch.utils.data import DataLoader, TensorDataset

from attar.errors import DataError
from attar.represent._components import by_minka, by_parallel_analysis
from attar.represent._moments import Root
from attar.represent.pca import PCA

Samples = np.ndarray[Any, np.dtype[np.float64]]


def angle(a: Samples, b: Samples) -> float:
    """Sine of the largest principal angle between the row spaces."""
    return float(np.linalg.norm(b - b @ a.T @ a, 2))


def make(case: str, n: int, d: int, seed: int) -> Samples:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
    if case == "rank-deficient":
        return x[:, : d // 2] @ rotation[: d // 2]
    if case == "ill-conditioned":
        return x * np.logspace(0, -12, d) @ rotation
    if case == "graded":
        return x * np.logspace(0, -4.5, d) @ rotation
    if case == "offset":
        return x * np.linspace(1, 2, d) + 1e6 * (1 + rng.random(d))
    return x * np.linspace(1, 3, d)


def assert_equal_to_reference(pca: PCA, x: Samples) -> None:
    """Variances within 1e-10 of the largest; subspaces within 1e-8 above that floor, wherever there is a gap."""
    reference = Reference(svd_solver="full").fit(x)
    exact = reference.explained_variance_
    k = len(pca.explained_variance_)
    np.testing.assert_allclose(pca.explained_variance_, exact[:k], atol=1e-10 * exact[0], rtol=0)
    np.testing.assert_allclose(pca.mean_, x.mean(axis=0), rtol=1e-12, atol=1e-12)
    exact = np.append(exact, 0)
    for j in range(1, k + 1):
        if exact[j - 1] > 1e-10 * exact[0] and exact[j] < 0.7 * exact[j - 1]:
            assert angle(pca.components_[:j], reference.components_[:j]) < 1e-8


def split(x: Samples, cuts: list[float]) -> list[Samples]:
    edges = [0, *sorted(int(c * len(x)) for c in cuts), len(x)]
    return [x[a:b] for a, b in pairwise(edges) if b > a]


CASES = ["random", "rank-deficient", "ill-conditioned", "graded", "offset"]
cuts = st.lists(st.floats(0, 1), max_size=6)


@settings(max_examples=40, deadline=None)
@given(case=st.sampled_from(CASES), cuts=cuts, seed=st.integers(0, 99), n=st.integers(3, 60), d=st.integers(2, 12))
def test_equals_scikit_learn_for_any_split(case: str, cuts: list[float], seed: int, n: int, d: int) -> None:
    x = make(case, n, d, seed)
    assert_equal_to_reference(PCA().fit(x), x)
    assert_equal_to_reference(PCA().fit(iter(split(x, cuts))), x)


@settings(max_examples=30, deadline=None)
@given(case=st.sampled_from(CASES), cuts=cuts, seed=st.integers(0, 99), data=st.data())
def test_equals_scikit_learn_for_any_order_of_merging(case: str, cuts: list[float], seed: int, data: Any) -> None:
    x = make(case, 50, 7, seed)
    parts = [PCA().partial_fit(part) for part in split(x, cuts)]
    while len(parts) > 1:
        a = parts.pop(data.draw(st.integers(0, len(parts) - 1)))
        b = data.draw(st.integers(0, len(parts) - 1))
        parts[b] = parts[b].merge(a)
    assert parts[0].n_samples_ == 50
    assert_equal_to_reference(parts[0], x)


@pytest.mark.parametrize("solver", ["covariance", "qr"])
@pytest.mark.parametrize("case", ["random", "offset", "rank-deficient"])
def test_each_exact_solver(solver: str, case: str) -> None:
    x = make(case, 300, 20, 0)
    assert_equal_to_reference(PCA(solver=solver).fit(x), x)
    assert_equal_to_reference(PCA(solver=solver).fit(split(x, [0.1, 0.5])), x)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("n", "d", "k"), [(40, 41, 10), (60, 300, 3), (60, 300, 15), (200, 1000, 20)])
def test_a_few_components_of_fewer_samples_than_features(case: str, n: int, d: int, k: int) -> None:
    x = make(case, n, d, 0)
    pca = PCA(k).fit(x)
    assert_equal_to_reference(pca, x)
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(k), atol=1e-12)


@pytest.mark.parametrize("least", [-2, -4, -6, -9])
def test_what_products_would_blur_is_found_by_decomposition(least: float) -> None:
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.standard_normal((300, 8)))[0].T
    x = np.linalg.qr(rng.standard_normal((60, 8)))[0] * np.logspace(0, least, 8) @ directions
    x -= x.mean(axis=0)
    # Two more components than there are directions.
    pca, reference = PCA(10).fit(x), Reference(10, svd_solver="full").fit(x)
    np.testing.assert_allclose(pca.singular_values_, reference.singular_values_, atol=1e-14, rtol=0)
    for j in range(1, 9):
        assert angle(pca.components_[:j], reference.components_[:j]) < 1e-15 / np.logspace(0, least, 8)[j - 1] + 1e-13


def test_a_few_components_need_no_decomposition_of_all_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    x = make("offset", 60, 300, 0)
    exact = PCA(15, solver="qr").fit(x)
    monkeypatch.delattr(Root, "spectrum")
    np.testing.assert_allclose(PCA(15).fit(x).explained_variance_, exact.explained_variance_, rtol=1e-12)


def test_more_samples_may_follow_a_few() -> None:
    x = make("offset", 120, 50, 0)
    pca = PCA(5).fit(x[:30])
    assert_equal_to_reference(pca, x[:30])
    assert_equal_to_reference(pca.partial_fit(x[30:]), x)
    assert_equal_to_reference(PCA(5).fit(x[:40]).merge(PCA(5).fit(x[40:])), x)


def test_moments_of_two_forms_merge() -> None:
    x = make("random", 80, 6, 0)
    for first, second in (("covariance", "qr"), ("qr", "covariance")):
        merged = PCA(solver=first).fit(x[:30]).merge(PCA(solver=second).fit(x[30:]))
        assert_equal_to_reference(merged, x)


def test_batches_in_a_group_far_from_the_others() -> None:
    x = np.concatenate([make("random", 500, 5, 0), make("random", 3, 5, 1) + 1e7, make("random", 500, 5, 2) - 1e3])
    for solver in ("covariance", "qr"):
        assert_equal_to_reference(PCA(solver=solver).fit(iter(split(x, [0.4, 0.499, 0.6]))), x)


class TestFloat32:
    @pytest.mark.parametrize("offset", [0, 1000])
    def test_precision(self, offset: float) -> None:
        rng = np.random.default_rng(0)
        # Large enough that the products of parts run on threads.
        x = (rng.standard_normal((40_000, 96)) * np.linspace(3, 1, 96) + offset).astype(np.float32)
        exact = Reference(svd_solver="full").fit(x.astype(np.float64))
        pca = PCA(10).fit(x)
        np.testing.assert_allclose(pca.explained_variance_, exact.explained_variance_[:10], rtol=1e-5)
        np.testing.assert_allclose(pca.mean_, exact.mean_, rtol=1e-6, atol=1e-6)
        z = pca.transform(x[:50])
        assert z.dtype == np.float32
        np.testing.assert_allclose(z, (x[:50].astype(np.float64) - pca.mean_) @ pca.components_.T, atol=1e-4)

    def test_module_keeps_a_large_offset(self) -> None:
        import torch

        x = (make("random", 100, 6, 0) + 1e5).astype(np.float32)
        pca = PCA(3, whiten=True).fit(x)
        z = pca.module_(torch.from_numpy(x)).detach().numpy()
        np.testing.assert_allclose(z, pca.transform(x.astype(np.float64)), atol=1e-3)


class TestClosedForms:
    def test_an_ellipse(self) -> None:
        x = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
        pca = PCA().fit(x)
        np.testing.assert_allclose(pca.explained_variance_, [8 / 3, 2 / 3])
        np.testing.assert_allclose(pca.components_, np.eye(2), atol=1e-15)
        np.testing.assert_allclose(pca.explained_variance_ratio_, [0.8, 0.2])
        np.testing.assert_allclose(pca.singular_values_, np.sqrt([8, 2]))

    def test_signs_do_not_depend_on_the_samples_sign(self) -> None:
        x = make("random", 40, 5, 0)
        np.testing.assert_allclose(PCA().fit(x).components_, PCA().fit(-x).components_, atol=1e-12)
        components = PCA().fit(x).components_
        assert (components[np.arange(5), np.abs(components).argmax(axis=1)] > 0).all()

    def test_noise_variance_and_attributes_as_scikit_learn(self) -> None:
        x = make("random", 60, 8, 0)
        ours, reference = PCA(3).fit(x), Reference(3, svd_solver="full").fit(x)
        for name in ("noise_variance_", "explained_variance_ratio_", "singular_values_", "mean_"):
            np.testing.assert_allclose(getattr(ours, name), getattr(reference, name), rtol=1e-10)

    def test_whitening(self) -> None:
        x = make("offset", 200, 6, 0)
        z = PCA(4, whiten=True).fit(x).transform(x)
        np.testing.assert_allclose(np.cov(z.T), np.eye(4), atol=1e-9)

    def test_whitening_leaves_out_what_has_no_variance(self) -> None:
        x = make("rank-deficient", 50, 8, 0)
        for solver in ("covariance", "qr"):
            z = PCA(whiten=True, solver=solver).fit(x).transform(x)
            np.testing.assert_allclose(z.var(axis=0, ddof=1), [1] * 4 + [0] * 4, atol=1e-9)

    @pytest.mark.parametrize("whiten", [False, True])
    def test_inverse(self, whiten: bool) -> None:
        images = make("random", 30, 12, 0).reshape(30, 3, 4)
        pca = PCA(whiten=whiten).fit(images)
        np.testing.assert_allclose(pca.inverse_transform(pca.transform(images)), images, atol=1e-12)


class TestNumberOfComponents:
    @pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9, 0.999])
    def test_by_explained_variance(self, fraction: float) -> None:
        x = make("graded", 100, 10, 0)
        assert PCA(fraction).fit(x).dim_ == Reference(fraction, svd_solver="full").fit(x).n_components_

    @pytest.mark.parametrize("seed", range(5))
    def test_minka_as_scikit_learn(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((200, 4)) * [5, 4, 3, 2] @ rng.standard_normal((4, 10)) + rng.standard_normal((200, 10))
        assert PCA("mle").fit(x).dim_ == Reference("mle", svd_solver="full").fit(x).n_components_

    def test_minka_without_noise_is_the_rank(self) -> None:
        assert PCA("mle").fit(make("rank-deficient", 200, 8, 0)).dim_ == 4

    def test_minka_chooses_among_many_in_time_of_their_square(self) -> None:
        # With their cube this would take minutes.
        assert 1 <= by_minka(np.linspace(9, 1, 2000), 100_000) < 2000

    @pytest.mark.parametrize("n", [400, 25])
    def test_parallel_analysis_finds_what_was_planted(self, n: int) -> None:
        rng = np.random.default_rng(0)
        x = 4 * rng.standard_normal((n, 3)) @ np.linalg.qr(rng.standard_normal((30, 3)))[0].T * 3
        x = x + rng.standard_normal((n, 30))
        assert PCA("parallel", random_state=0).fit(x).dim_ == 3

    def test_parallel_analysis_of_noise_is_at_least_one(self) -> None:
        assert PCA("parallel", random_state=0).fit(np.random.default_rng(3).standard_normal((500, 20))).dim_ <= 2

    def test_streams_have_as_many_as_samples_allow(self) -> None:
        x = make("random", 20, 6, 0)
        pca = PCA(4)
        assert pca.partial_fit(x[:1]).dim_ == 1
        assert pca.partial_fit(x[1:3]).dim_ == 3
        assert_equal_to_reference(pca.partial_fit(x[3:]), x)
        assert pca.dim_ == 4


class TestRandomized:
    def test_close_to_exact_with_a_decaying_spectrum(self) -> None:
        x = make("graded", 300, 80, 0) + 1e4
        ours, exact = PCA(5, solver="randomized", random_state=0).fit(x), PCA(5).fit(x)
        np.testing.assert_allclose(ours.explained_variance_, exact.explained_variance_, rtol=1e-8)
        np.testing.assert_allclose(ours.explained_variance_ratio_, exact.explained_variance_ratio_, rtol=1e-8)
        assert angle(ours.components_, exact.components_) < 1e-6

    def test_needs_a_number_and_an_array(self) -> None:
        x = make("random", 30, 5, 0)
        with pytest.raises(DataError, match="needs n_components"):
            PCA(solver="randomized").fit(x)
        with pytest.raises(DataError, match="not batches"):
            PCA(2, solver="randomized").fit([x, x])
        with pytest.raises(DataError, match="no moments"):
            PCA(2, solver="randomized").fit(x).merge(PCA(2).fit(x))


class TestHostileInput:
    @pytest.mark.parametrize(
        "bad", [0, -1, 1.5, 0.0, "many", True, np.nan], ids=["zero", "negative", "1.5", "0.0", "many", "bool", "nan"]
    )
    def test_number_of_components(self, bad: Any) -> None:
        with pytest.raises(DataError, match="n_components="):
            PCA(bad).fit(make("random", 10, 4, 0))

    def test_more_components_than_samples_or_features(self) -> None:
        with pytest.raises(DataError, match=r"min\(n_samples, n_features\) = 3"):
            PCA(4).fit(make("random", 3, 9, 0))

    def test_solver(self) -> None:
        with pytest.raises(DataError, match="solver='svd'"):
            PCA(solver="svd").fit(make("random", 10, 4, 0))

    def test_one_sample(self) -> None:
        with pytest.raises(DataError, match="n_samples = 1"):
            PCA().fit([[1.0, 2.0]])

    def test_one_feature(self) -> None:
        assert_equal_to_reference(PCA().fit(make("random", 9, 1, 0)), make("random", 9, 1, 0))

    @pytest.mark.parametrize("solver", ["covariance", "qr"])
    @pytest.mark.parametrize("whiten", [False, True])
    def test_constant_samples(self, solver: str, whiten: bool) -> None:
        x = np.full((10, 3), 7.3)
        pca = PCA(solver=solver, whiten=whiten).fit(x)
        assert (pca.explained_variance_ratio_ == 0).all()
        np.testing.assert_allclose(pca.transform(x), 0, atol=1e-12)
        assert PCA(0.9).fit(x).dim_ == PCA("mle").fit(x).dim_ == PCA("parallel").fit(x).dim_ == 1

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("solver", ["covariance", "qr"])
    def test_what_rounding_leaves_of_constant_samples_is_no_variance(self, solver: str, dtype: type) -> None:
        for value in np.random.default_rng(0).normal(size=20) * 10.0 ** np.arange(-10, 10):
            x = np.full((700, 3), value, dtype)
            pca = PCA(solver=solver).fit([x[:10], x[10:101], x[101:]])
            assert (pca.explained_variance_ == 0).all()
            assert (pca.explained_variance_ratio_ == 0).all()
            x[0, 0] *= 1 + 100 * np.finfo(dtype).eps
            assert PCA(1, solver=solver).fit(x).explained_variance_ratio_[0] > 0.5

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_missing_and_infinite_values(self, bad: float, dtype: type, tmp_path: Path) -> None:
        x = make("random", 50, 4, 0).astype(dtype)
        x[30, 2] = bad
        mapped = np.memmap(tmp_path / "x", dtype=dtype, mode="w+", shape=x.shape)
        mapped[:] = x
        for samples in (x, mapped, [x[:20], x[20:]]):
            with pytest.raises(ValueError, match="Input X contains"):
                PCA().fit(samples)
        for samples in (x, mapped):
            with pytest.raises(ValueError, match="Input X contains"):
                PCA(2, solver="randomized").fit(samples)
        with pytest.raises(ValueError, match="Input X contains"):
            PCA().fit(x[:20]).transform(x)

    def test_too_large_to_sum(self) -> None:
        with pytest.raises(DataError, match="too large"):
            PCA().fit(np.full((100, 2), 1.7e308))

    @pytest.mark.parametrize("solver", ["auto", "covariance", "qr", "randomized"])
    @pytest.mark.parametrize(("dtype", "scale"), [(np.float64, 1e170), (np.float64, 1e300), (np.float32, 1e25)])
    def test_too_large_to_square(self, solver: str, dtype: type, scale: float) -> None:
        x = (make("random", 50, 4, 0) * scale).astype(dtype)
        if (solver, dtype) == ("qr", np.float32):  # its rows are float64
            np.testing.assert_allclose(PCA(2, solver=solver).fit(x).singular_values_[0] / scale, 22, rtol=0.2)
            return
        with pytest.raises(DataError, match="too large"):
            PCA(2, solver=solver, random_state=0).fit(x)
        if solver != "randomized":
            with pytest.raises(DataError, match="too large"):
                PCA(2, solver=solver).fit([x, x])
            with pytest.raises(DataError, match="too large"):
                PCA(2, solver=solver).partial_fit(x)

    @pytest.mark.parametrize("solver", ["covariance", "qr"])
    def test_a_part_that_is_refused_leaves_what_was_learnt(self, solver: str) -> None:
        x = make("random", 60, 4, 0)
        pca = PCA(2, solver=solver).partial_fit(x[:20])
        with pytest.raises(DataError, match="too large"):
            pca.partial_fit(np.full((3, 4), 1e200) * x[:3])
        far = PCA(2, solver=solver).fit(x * 1e154 / np.linalg.norm(x))
        for _ in range(2):
            with pytest.raises(DataError, match="too large"):
                far.merge(far)
        assert far.partial_fit(x).n_samples_ == 120
        with pytest.raises(ValueError, match="features"):
            pca.fit(x[:20, :3].repeat(2, 1)[:, :1])
        np.testing.assert_allclose(
            pca.partial_fit(x[20:]).explained_variance_, PCA(2, solver=solver).fit(x).explained_variance_
        )

    def test_what_was_not_kept_cannot_be_added_to(self) -> None:
        x = make("random", 30, 5, 0)
        pca = PCA(2, solver="randomized", random_state=0).fit(x)
        with pytest.raises(DataError, match="keeps no moments"):
            pca.partial_fit(x)
        assert pca.n_samples_ == 30

    def test_batches_of_a_loader(self) -> None:
        x = torch.rand(100, 6)
        batches = DataLoader(TensorDataset(x), batch_size=20)
        np.testing.assert_allclose(PCA().fit(batches).components_, PCA().fit(x.numpy()).components_, atol=1e-5)
        with pytest.raises(DataError, match="holds 2 arrays, such as samples and labels: give x alone"):
            PCA().fit(DataLoader(TensorDataset(x, torch.arange(100)), batch_size=20))
        # What is no array is a sample.
        assert PCA().fit(iter([x[:20].tolist()])).n_samples_ == 20

    @pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e-30, 1e150])
    def test_any_scale_that_can_be_squared(self, scale: float) -> None:
        x = make("random", 50, 4, 0)
        ours, plain = PCA(2).fit(x * scale), PCA(2).fit(x)
        assert np.isfinite(ours.components_).all()
        if scale > 1e-150:
            np.testing.assert_allclose(ours.explained_variance_ratio_, plain.explained_variance_ratio_)

    def test_batches(self) -> None:
        x = make("random", 10, 4, 0)
        for none in ([], [x[:0]]):
            with pytest.raises(DataError, match="no batch"):
                PCA().fit(iter(none))
        split = PCA(2).fit([x[:0], x[:4], x[4:4], x[4:], x[:0]])
        np.testing.assert_allclose(split.explained_variance_, PCA(2).fit(x).explained_variance_)
        assert split.n_components_ == split.dim_ == 2
        with pytest.raises(ValueError, match="X has 3 features, but PCA is expecting 4 features"):
            PCA().fit([x, x[:, :3]])
        with pytest.raises(DataError, match="cannot merge"):
            PCA().fit(x).merge(PCA().fit(x[:, :3]))


class TestMappedFiles:
    def test_equals_an_array(self, tmp_path: Path) -> None:
        for case in ("graded", "offset"):
            x = make(case, 60, 12, 0).reshape(60, 3, 4)
            mapped = np.memmap(tmp_path / case, dtype=x.dtype, mode="w+", shape=x.shape)
            mapped[:] = x
            mapped.flush()
            read = np.memmap(tmp_path / case, dtype=x.dtype, mode="r", shape=x.shape)
            pca = PCA().fit(read)
            assert pca.shape_ == (3, 4)
            assert_equal_to_reference(pca, x.reshape(60, 12))
            np.testing.assert_array_equal(pca.transform(read), PCA().fit(x).transform(x))

    @pytest.mark.parametrize("solver", ["auto", "covariance", "qr", "randomized"])
    @pytest.mark.parametrize("dtype", ["int16", "uint8", "bool", "float16", ">f4"])
    def test_numbers_of_every_type_are_read(self, solver: str, dtype: str, tmp_path: Path) -> None:
        x = (make("random", 60, 12, 0) * 40 + 120).clip(0, 255).astype(dtype)
        np.save(tmp_path / "x.npy", x)
        read = np.load(tmp_path / "x.npy", mmap_mode="r")
        one, other = (PCA(2, solver=solver, random_state=0).fit(samples) for samples in (read, x))
        np.testing.assert_allclose(one.components_, other.components_, atol=1e-12)

    def test_changes_that_were_not_written_stay(self, tmp_path: Path) -> None:
        np.memmap(tmp_path / "x", dtype=np.float64, mode="w+", shape=(20, 3))[:] = make("random", 20, 3, 0)
        copy_on_write = np.memmap(tmp_path / "x", dtype=np.float64, mode="c", shape=(20, 3))
        copy_on_write[:] += 1
        before = np.array(copy_on_write)
        PCA().fit(copy_on_write)
        np.testing.assert_array_equal(copy_on_write, before)

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform != "linux", reason="reads the peak memory from /proc")
    def test_memory_does_not_grow_with_the_file(self, tmp_path: Path) -> None:
        with (tmp_path / "x").open("wb") as file:
            file.truncate(400_000_000)
        code = (
            "import re, pathlib, numpy as np\nfrom attar.represent.pca import PCA\n"
            "def peak():\n"
            "    return int(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])\n"
            "before = peak()\n"
            f"x = np.memmap({str(tmp_path / 'x')!r}, dtype=np.float32, mode='r', shape=(1_000_000, 100))\n"
            "PCA(3).fit(x)\n"
            "print(peak() - before)"
        )
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert int(out) < 150_000


def test_parallel_analysis_bears_a_feature_whose_variance_is_lost_in_rounding():
    rng = np.random.default_rng(0)
    variances = np.array([4.0, 1.0, 0.0])
    lost = np.array([4.0, 1.0, -1e-9])
    chosen = [by_parallel_analysis(variances, one, 50, np.random.RandomState(0)) for one in (lost, np.maximum(lost, 0))]
    assert chosen[0] == chosen[1]
    assert PCA("parallel", random_state=0).fit(rng.standard_normal((50, 3)) * [9, 1, 1]).dim_ == 1


def test_its_module_is_in_single_precision_whatever_the_default_is() -> None:
    x = np.random.default_rng(0).random((20, 5), dtype=np.float32)
    pca = PCA(2).fit(x)
    torch.set_default_dtype(torch.float64)
    try:
        z = pca.module_(torch.tensor(x))
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(z.detach().numpy(), pca.transform(x), atol=1e-5)


def test_making_its_module_draws_nothing() -> None:
    pca = PCA(2).fit(make("random", 20, 5, 0))
    state = torch.get_rng_state()
    pca.module_  # noqa: B018
    assert torch.equal(torch.get_rng_state(), state)
