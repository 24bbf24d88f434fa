"""What a damaged sample would have been, were samples normally distributed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

if TYPE_CHECKING:
    from attar.kinds.base import Kind

# Samples that directions are learnt from, and the numbers in these.
MOST, NUMBERS = 2048, 2**23
# Directions, and the numbers in all products of two of them, which are held at once.
DIRECTIONS, PRODUCTS = 64, 2**18
# Least variance of a value outside of the directions, as a share of the mean variance.
LEAST = 1e-4


@dataclass(frozen=True)
class Conditional:
    r"""The mean of a sample given a damaged one, under a normal distribution of few directions and noise.

    .. math:: x = \mu + W z + e, \quad z \sim N(0, I), \; e \sim N(0, \psi I), \qquad
        E[x \mid y] = \mu + W \hat z + \frac{s \psi}{\psi + \sigma^2} \odot (y - \mu_s - W_s \hat z)

    It is the Wiener filter for noise, linear regression for gaps, and both where both are; :math:`\mu_s` and
    :math:`W_s` are as coarse as y is, s is 1 where a value is seen. Variances are drawn towards their mean as far as
    the samples are few.

    References:
        Tipping and Bishop, Probabilistic Principal Component Analysis, 1999, https://doi.org/10.1111/1467-9868.00196
        Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices, 2004,
        https://doi.org/10.1016/S0047-259X(03)00096-4

    Arguments:
        mean: μ `(1, *shape)` of normalised samples.
        directions: Wᵀ `(k, *shape)`.
        rest: ψ.
    """

    mean: Tensor
    directions: Tensor
    rest: float

    @classmethod
    def learn(cls, x: Tensor) -> Self:
        """From normalised samples `(n, *shape)`, of large ones the first."""
        d = x[0].numel()
        flat = x[: max(2, NUMBERS // d)].flatten(1)
        n = len(flat)
        mean = flat.mean(0)
        centred = flat - mean
        _, singular, directions = torch.linalg.svd(centred, full_matrices=False)
        variances = singular.square() / n
        # α of Ledoit and Wolf: the error of the covariance, as a share of how far it is from one without directions.
        average = variances.sum() / d
        spread = variances.square().sum() - d * average.square()
        chance = (centred.square().sum(1).square().mean() - variances.square().sum()) / n
        drawn = float((chance / spread).clamp(0, 1)) if spread > 0 else 1.0
        variances = (1 - drawn) * variances + drawn * average
        k = max(0, min(DIRECTIONS, int((PRODUCTS / d) ** 0.5), d - 1, len(variances)))
        rest = max(float((d * average - variances[:k].sum()) / (d - k)), LEAST * float(average)) or 1.0
        scaled = directions[:k] * (variances[:k] - rest).clamp(min=0).sqrt()[:, None]
        return cls(mean.reshape(1, *x.shape[1:]), scaled.reshape(k, *x.shape[1:]), rest)

    def __call__(self, kind: Kind, y: Tensor, share: Tensor, level: Tensor) -> Tensor:
        """E[x | y], of what is seen as `attar.kinds.restorable` says."""
        coarse = ((share > 0) & (share < 1)).flatten(1).any(1).expand(len(y))
        seen = (share > 0).to(y.dtype).expand_as(y)
        level = level.expand_as(y)
        out = torch.empty_like(y)
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            for some, blurred in ((~coarse, False), (coarse, True)):
                if some.any():
                    out[some] = self._given(kind, y[some], seen[some], level[some], blurred)
        return out

    def _given(self, kind: Kind, y: Tensor, seen: Tensor, level: Tensor, blurred: bool) -> Tensor:
        n, k = len(y), len(self.directions)
        mean, directions = self.mean, self.directions
        if blurred:
            mean, directions = (kind.spread(kind.halved(part)) for part in (mean, directions))
        wide, w = self.directions.flatten(1), directions.flatten(1)
        weights = (seen / (self.rest + level.square())).flatten(1)
        apart = (y - mean).flatten(1)
        precision = torch.eye(k) + (weights @ (w[:, None] * w).flatten(0, 1).T).reshape(n, k, k)
        z = torch.linalg.solve(precision, (weights * apart) @ w.T)
        kept = self.rest * weights * (apart - z @ w)
        estimate: Tensor = self.mean + (z @ wide + kept).reshape(y.shape)
        return estimate
