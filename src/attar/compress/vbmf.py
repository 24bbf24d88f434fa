"""How many ranks of a noisy matrix are signal."""

from __future__ import annotations

import torch
from scipy.optimize import brentq
from torch import Tensor

# Variances of the noise that are compared, on a logarithmic scale.
_TRIED = 2000
# Singular values below this part of the largest are rounding.
_ROUNDING = 1e-6


def vbmf_rank(matrix: Tensor) -> int:
    """The rank of a matrix under Gaussian noise of unknown variance, by empirical variational Bayes.

    With singular values γ of an L × M matrix, L ≤ M, α = L / M and x = γ² / (M σ²), those with x > x̄ are signal:
    x̄ = (1 + τ̄) (1 + α / τ̄), where φ(τ̄) + φ(τ̄ / α) = 0 with φ(z) = log(1 + z) / z − ½. The variance σ² minimises

    ∑ x − log x + [x > x̄] (log(1 + τ) + α log(1 + τ / α) − τ),  τ = ½ (x − 1 − α + √((x − 1 − α)² − 4 α))

    L and M count the rows and columns that may have noise of their own: one of zeros has none, and of those that are
    equal one has. Where they depend on each other otherwise, there is a direction without noise, hence σ = 0, and the
    rank is that of the matrix.

    References:
        Nakajima et al., Global Analytic Solution of Fully-observed Variational Bayesian Matrix Factorization, 2013,
        https://jmlr.org/papers/v14/nakajima13a.html, theorem 2 and corollary 1

    Arguments:
        matrix: `(l, m)`.

    Example:
        >>> draws = torch.Generator().manual_seed(0)
        >>> a, b, noise = (torch.randn(*shape, generator=draws) for shape in ((60, 4), (4, 90), (60, 90)))
        >>> vbmf_rank(a @ b + 0.3 * noise), vbmf_rank(noise)
        (4, 0)
    """
    low, high = sorted(len(rows[rows.any(1)].unique(dim=0)) for rows in (matrix, matrix.T))
    values = torch.linalg.svdvals(matrix.double())
    rank = int((values > _ROUNDING * values[0]).sum())
    if rank < low or rank == 0:
        # Without noise there is nothing to estimate.
        return rank
    values = values[:low]
    alpha = low / high

    def phi(z: float) -> float:
        return float(torch.log1p(torch.tensor(z, dtype=torch.float64))) / z - 0.5

    least = brentq(lambda t: phi(t) + phi(t / alpha), 1e-6, 10.0)
    bound = (1 + least) * (1 + alpha / least)
    squares = values.square() / high
    # The noise explains at least the smallest value, and at most everything.
    variances = torch.logspace(0, 1, _TRIED, dtype=torch.float64)
    lowest, highest = squares[-1] / bound, squares.mean()
    variances = lowest * (highest / lowest) ** variances.log10()
    x = squares / variances[:, None]
    shifted = x - 1 - alpha
    tau = 0.5 * (shifted + (shifted.square() - 4 * alpha).clamp(min=0).sqrt())
    gain = torch.log1p(tau.clamp(min=0)) + alpha * torch.log1p(tau.clamp(min=0) / alpha) - tau
    energy = (x - x.log() + torch.where(x > bound, gain, 0)).sum(1)
    return int((x[energy.argmin()] > bound).sum())
