"""PCA of parts that two processes hold, started by torchrun; this file is also what they run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA as Reference

from attar.errors import DataError
from attar.represent._moments import Moments, Root, Scatter, unpacked
from attar.represent.pca import PCA

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 6)) * np.logspace(0, -4, 6) @ np.linalg.qr(RNG.standard_normal((6, 6)))[0] + 1e4
# Unequal parts, the first in batches and the second with fewer samples than features.
PARTS = (X[:296], X[296:])
NAMES = ("components_", "explained_variance_", "mean_")


def work(folder: Path) -> None:
    """What each of the two processes does."""
    rank = int(os.environ["RANK"])
    pca = PCA().fit(iter(np.split(PARTS[rank], 4))).merge_processes()
    found = {name: getattr(pca, name) for name in NAMES} | {"count": np.array(pca.n_samples_)}
    with pytest.raises(DataError, match="different shapes in each process"):
        PCA().fit(X[:, : 3 + rank]).merge_processes()
    with pytest.raises(DataError, match="keeps no moments"):
        PCA(2, solver=("randomized", "covariance")[rank]).fit(X).merge_processes()
    np.savez(folder / f"{rank}.npz", **found)


@pytest.mark.slow
def test_two_processes_find_what_one_would(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", __file__]
    subprocess.run([*command, str(tmp_path)], check=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"})
    first, second = (np.load(tmp_path / f"{rank}.npz") for rank in range(2))
    exact = Reference(svd_solver="full").fit(X)
    assert first["count"] == len(X)
    np.testing.assert_allclose(first["explained_variance_"], exact.explained_variance_, atol=1e-10, rtol=0)
    np.testing.assert_allclose(np.abs(np.sum(first["components_"] * exact.components_, axis=1)), 1, atol=1e-12)
    for name in NAMES:
        np.testing.assert_array_equal(first[name], second[name])


def test_one_process_keeps_what_it_has() -> None:
    pca = PCA().fit(X)
    before = pca.components_
    np.testing.assert_array_equal(pca.merge_processes().components_, before)


@pytest.mark.parametrize("form", [Scatter, Root])
@pytest.mark.parametrize("n", [1, 4, 100])
def test_packed_moments_are_the_same_moments(form: type[Moments], n: int) -> None:
    one, more = form(6).update(X[:n]), form(6).update(X[n:])
    twin = unpacked(one.packed())
    assert type(twin) is form
    np.testing.assert_array_equal(twin.packed(), one.packed())
    np.testing.assert_array_equal(twin.merge(more).spectrum(6)[0], one.merge(more).spectrum(6)[0])


if __name__ == "__main__":
    work(Path(sys.argv[1]))
