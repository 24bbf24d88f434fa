"""Random Fourier features: an explicit map whose inner product is a Gaussian kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from attar._settings import check_counts
from attar.represent._parts import FloatArray
from attar.represent.base import Representation
from attar.represent.raw import normalised
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    from attar.kinds.base import Kind

# Pairs of samples from whose distances the length scale is taken.
_PAIRS = 2000
# Samples that are closer are the same: float32 has no weights for so short a length scale.
_SAME = 1e-30


class RandomFeatures(Representation):
    """Random Fourier features, z(x) = √(2/D) cos(W x + b), so that z(x)·z(x') ≈ exp(−‖x − x'‖² / 2ℓ²).

    x is normalised first; W has normal entries of deviation 1/ℓ, b is uniform in [0, 2π). The length scale ℓ is the
    median distance between two training samples.

    References:
        Rahimi, Recht, Random Features for Large-Scale Kernel Machines, 2007, algorithm 1,
        https://papers.nips.cc/paper/3182-random-features-for-large-scale-kernel-machines

    Arguments:
        dim: number of features D.
        kind: "image", "series", "table", "text" of token ids, or a kind that has already learnt, as a graph needs;
            None: from the number of axes.
        random_state: seed of W and b.

    Attributes:
        length_scale_: ℓ.

    Example:
        >>> X = np.random.default_rng(0).standard_normal((50, 4))
        >>> RandomFeatures(32, random_state=0).fit_transform(X).shape
        (50, 32)
    """

    def __init__(self, dim: int = 512, *, kind: str | Kind | None = None, random_state: int | None = None) -> None:
        self.dim = dim
        self.kind = kind
        self.random_state = random_state

    @usual_defaults()
    def _fit(self, X: FloatArray) -> None:
        check_counts(self, "dim")
        rng = np.random.default_rng(self.random_state)
        flat = normalised(self.kind, X)
        pairs = rng.integers(len(X), size=(2, min(_PAIRS, len(X) ** 2)))
        with torch.no_grad():
            a, b = (flat(torch.tensor(X[i])).double() for i in pairs)
        distances = (a - b).norm(dim=1)
        apart = distances[distances > _SAME]
        self.length_scale_ = float(apart.median()) if len(apart) else 1.0
        weight = rng.standard_normal((self.dim, a.shape[1])) / self.length_scale_
        self.dim_ = self.dim
        self._module = nn.Sequential(flat, _Cosine(weight, rng.uniform(0, 2 * np.pi, self.dim))).eval()


class _Cosine(nn.Module):
    weight: Tensor
    offset: Tensor

    def __init__(self, weight: FloatArray, offset: FloatArray) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(weight.T.copy(), dtype=torch.float32))
        self.register_buffer("offset", torch.tensor(offset, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cos(x @ self.weight + self.offset) * math.sqrt(2 / self.weight.shape[1])
