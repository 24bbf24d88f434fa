"""PCA against scikit-learn, in memory and from a file larger than memory should hold.

    OMP_NUM_THREADS=1 python benchmarks/pca.py [FOLDER]

In memory: 60 000 x 784 in float32, 16 components, against `covariance_eigh`; the median of alternating repetitions.
From a mapped file of 2 GB (made in FOLDER, or where temporary files go, and deleted), against `IncrementalPCA` with
its own size of batches on a twentieth of the file, since it takes the same time for each sample; and the peak of
resident memory of a process that fits the whole file. CPU time, so that threads which wait count too.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA as Reference
from sklearn.decomposition import IncrementalPCA

from attar.represent import PCA

N, D, K, HIDDEN, REPEATS = 60_000, 784, 16, 64, 5
ROWS = 2_000_000_000 // (4 * D)
SHARE = 20
CHUNK = 20_000


def samples(n: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Samples of rank 64 and noise."""
    mixing = np.random.default_rng(1).standard_normal((HIDDEN, D), dtype=np.float32)
    return rng.standard_normal((n, HIDDEN), dtype=np.float32) @ mixing + rng.standard_normal((n, D), dtype=np.float32)


def seconds(work: Callable[[], Any]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def in_memory() -> None:
    """Print the time in one run, and how far the results are apart."""
    X = samples(N, np.random.default_rng(0))
    ours, theirs = PCA(K), Reference(K, svd_solver="covariance_eigh")
    taken = np.array([[seconds(lambda: ours.fit(X)), seconds(lambda: theirs.fit(X))] for _ in range(REPEATS)])
    a, b = np.median(taken, axis=0)
    error = np.abs(ours.explained_variance_ / theirs.explained_variance_ - 1).max()
    print(f"{N} x {D}, k = {K}: attar {a:.2f} s, covariance_eigh {b:.2f} s: {b / a:.2f} times")
    print(f"largest relative difference of a variance {error:.1e}", flush=True)


def fill(path: Path) -> None:
    """Write the file: the same samples over and over, since their values do not matter."""
    some = samples(CHUNK, np.random.default_rng(0))
    with path.open("wb") as file:
        for start in range(0, ROWS, CHUNK):
            some[: ROWS - start].tofile(file)


def mapped(path: Path) -> npt.NDArray[np.float32]:
    """The file as an array."""
    return np.memmap(path, dtype=np.float32, mode="r", shape=(ROWS, D))


def child(path: Path) -> None:
    """Fit the whole file, and print time and peak in megabytes of this process."""
    X = mapped(path)
    taken = seconds(lambda: PCA(K).fit(X))
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    print(taken, int(found[1]) / 1e3 if found else float("nan"))


def from_file(folder: str | None) -> None:
    """Print times and the peak of memory."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        path = Path(made) / "samples.f32"
        fill(path)
        done = subprocess.run(
            [sys.executable, __file__, "child", str(path)], capture_output=True, text=True, check=True
        )
        ours, peak = map(float, done.stdout.split())
        part = mapped(path)[: ROWS // SHARE]
        theirs = SHARE * seconds(lambda: IncrementalPCA(K).fit(part))
        print(f"{ROWS} x {D} from a file of {path.stat().st_size / 1e9:.2f} GB: attar {ours:.1f} s, peak {peak:.0f} MB")
        print(f"IncrementalPCA {theirs:.0f} s: {theirs / ours:.1f} times")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(Path(sys.argv[2]))
    else:
        in_memory()
        from_file(sys.argv[1] if len(sys.argv) > 1 else None)
