"""The mean and the covariance of what reaches a layer, believed as far as there are samples."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

# Of the largest variance: what is less is that of sums in single precision.
_NOISE = 1e-6
# Of the power method, which the largest variance need not be known any better by.
_STEPS = 10


class Moments:
    """Sums over rows that come in lots, and what they say of rows that were not seen.

    With m and S the mean and the covariance of the rows, V the squared error of m, and n = tr S / V the number of
    independent rows that would know m as well:

        Σ = (1 − ρ) S + ρ tr(S) / p · 1,  ρ = min(1, ((1 − 2/p) tr S² + tr² S) / ((n + 1 − 2/p) (tr S² − tr² S / p)))
        W μ = max(0, 1 − tr(W Σ Wᵀ) / ((n − 1) |W m|²)) W m for weights W

    Rows of one sample, as the patches of a picture, are alike, so V is told by how far the means of samples are apart.
    One sample says nothing of others: then W μ = 0 and Σ ∝ 1, as without data. Of many, μ = m and Σ = S. Where more
    rows lie in fewer dimensions, p is that of these, and 1 is the projection on them.

    References:
        James, Stein, Estimation with Quadratic Loss, 1961, https://doi.org/10.1007/978-1-4612-0919-5_30
        Chen, Wiesel, Eldar, Hero, Shrinkage Algorithms for MMSE Covariance Estimation, 2010,
        https://arxiv.org/abs/0907.4698, eq. 23 (ρ)

    Arguments:
        width: of a row.

    Example:
        >>> one, many, sum_of = Moments(2), Moments(2), torch.ones(1, 2, dtype=torch.float64)
        >>> one.take(torch.tensor([[3.0, 1.0]]), torch.arange(1))
        >>> many.take(torch.tensor([[3.0, 1.0], [1.0, 1.0]]).repeat(5000, 1), torch.arange(10000))
        >>> one.mean_of(sum_of).tolist(), many.mean_of(sum_of).round(decimals=2).tolist()
        ([0.0], [3.0])
        >>> many.covariance.round(decimals=2).abs().tolist()
        [[1.0, 0.0], [0.0, 0.0]]
    """

    def __init__(self, width: int) -> None:
        self.rows = self.samples = 0
        # Of what is above the mean of the first lot: sums of squares in single precision keep nothing beside a mean
        # that is much larger than what varies.
        self._base = torch.zeros(width, dtype=torch.float64)
        self._total = torch.zeros(width, dtype=torch.float64)
        self._products = torch.zeros(width, width, dtype=torch.float64)
        # Of the means of samples: how many, their sum, and that of their squares.
        self._means, self._between, self._squares = 0, torch.zeros(width, dtype=torch.float64), 0.0

    def take(self, rows: Tensor, of: Tensor) -> None:
        """Take a lot into account.

        Arguments:
            rows: `(rows, width)`.
            of: for each the number of its sample, counted from 0 over all lots.
        """
        rows = rows.double()
        if not self.rows:
            self._base = rows.mean(0)
        rows = rows - self._base
        self.rows += len(rows)
        self.samples = max(self.samples, int(of.max()) + 1)
        self._total += rows.sum(0)
        single = rows.float()
        self._products += (single.T @ single).double()
        which, places, counts = of.unique(return_inverse=True, return_counts=True)
        means = rows.new_zeros(len(which), rows.shape[1]).index_add_(0, places, rows) / counts[:, None]
        self._means += len(means)
        self._between += means.sum(0)
        self._squares += float(means.square().sum())

    @property
    def seen_mean(self) -> Tensor:
        """The m of the rows, `(width,)`."""
        return self._base + self._total / max(self.rows, 1)

    @property
    def seen_covariance(self) -> Tensor:
        """The S of the rows, `(width, width)`."""
        above = self._total / max(self.rows, 1)
        return self._products / max(self.rows, 1) - torch.outer(above, above)

    @cached_property  # asked for when all is taken
    def covariance(self) -> Tensor:
        """The Σ of rows that were not seen, `(width, width)`."""
        seen, n = self.seen_covariance, self._independent()
        trace, squares = float(seen.trace()), float(seen.square().sum())
        one, dimensions = torch.eye(len(seen), dtype=seen.dtype), len(seen)
        if trace <= 0:
            return one
        # They lie in so many dimensions at least.
        if trace**2 / squares < n - 1:
            within = _projection(seen)
            fewer = round(float(within.trace()))
            one, dimensions = (within, fewer) if fewer < n - 1 else (one, dimensions)
        few, uneven = 1 - 2 / dimensions, squares - trace**2 / dimensions
        rho = min(1.0, (few * squares + trace**2) / ((n + few) * uneven)) if (n + few) * uneven > 0 else 1.0
        return (1 - rho) * seen + rho * trace / dimensions * one

    def mean_of(self, weight: Tensor) -> Tensor:
        """The W μ of rows that were not seen, `(out,)`, of weights `(out, width)`."""
        answer, n = weight @ self.seen_mean, self._independent()
        length = (n - 1) * float(answer.square().sum())
        error = float((weight @ self.covariance).mul(weight).sum())
        return answer * max(0.0, 1 - error / length) if length > 0 else torch.zeros_like(answer)

    def _independent(self) -> float:
        """The n of the rows; 0 of one sample."""
        if self.samples < 2 or self._means < 2:
            return 0.0
        about = self._squares - float(self._between.square().sum()) / self._means
        # A layer that is called several times has seen no more samples for that.
        error = about / (self._means - 1) / self.samples
        trace = float(self.seen_covariance.trace())
        # Means that are all alike leave each row to speak for itself.
        return min(trace / error, self.rows) if error > 0 else float(self.rows)


def _projection(covariance: Tensor) -> Tensor:
    """The projection on the directions in which anything varies, `(width, width)`."""
    least = _NOISE * float(torch.linalg.vector_norm(covariance @ _widest(covariance)))
    varies = covariance.diagonal() > least
    block = covariance[varies][:, varies]
    # Mostly whole columns vary or do not, which takes a tenth of the time to find out.
    if not torch.linalg.cholesky_ex(block - least * torch.eye(len(block), dtype=block.dtype)).info:
        return torch.diag(varies.to(covariance.dtype))
    values, axes = torch.linalg.eigh(covariance)
    spanned = axes[:, values > least]
    within: Tensor = spanned @ spanned.T
    return within


def _widest(covariance: Tensor) -> Tensor:
    """About the direction of most variance, of length 1."""
    v = covariance[:, covariance.diagonal().argmax()]
    for _ in range(_STEPS):
        v = covariance @ (v / torch.linalg.vector_norm(v))
    direction: Tensor = v / torch.linalg.vector_norm(v)
    return direction
