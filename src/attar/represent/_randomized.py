"""A few principal components of many features, by subspace iteration over parts that can be read again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from attar.represent._moments import Floats64, Root
from attar.represent._parts import FloatArray

OVERSAMPLING = 10
ITERATIONS = 6


def randomized(
    parts: Callable[[], Iterator[FloatArray]], n: int, d: int, k: int, generator: np.random.RandomState
) -> tuple[Floats64, Floats64, float, Floats64]:
    """Mean `(d,)`, k largest eigenvalues of the scatter, its trace, and the eigenvectors `(k, d)`.

    Memory is O(d k + part), and the samples are read `ITERATIONS` + 2 times.

    References:
        Finding structure with randomness (Halko, Martinsson, Tropp, 2011), algorithms 4.4 and 5.1.
        https://arxiv.org/abs/0909.4061
    """
    first = next(parts())[:1].astype(np.float64)[0]
    # Sums of differences from one sample: a large common offset costs no precision.
    mean = first + sum((np.sum(x - first, axis=0) for x in parts()), np.zeros(d)) / n
    basis = generator.standard_normal((d, min(k + OVERSAMPLING, n, d)))
    trace = 0.0
    for step in range(ITERATIONS):
        image = np.zeros_like(basis)
        for x in parts():
            centred = (x - mean).astype(x.dtype, copy=False)
            image += centred.T @ (centred @ basis.astype(x.dtype, copy=False))
            if step == 0:
                trace += float(np.einsum("ij,ij->", centred, centred, dtype=np.float64))
        basis = np.linalg.qr(image)[0]
    projected = Root(basis.shape[1])
    for x in parts():
        projected.update((x - mean) @ basis)
    values, vectors = projected.spectrum(k)
    return mean, values, trace, vectors @ basis.T
