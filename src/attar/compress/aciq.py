"""ACIQ: where to clip numbers of a known distribution before they are rounded, and how to set their moments right.

References:
    Banner, Nahshan, Soudry, Post training 4-bit quantization of convolutional networks for rapid-deployment, 2019,
    https://arxiv.org/abs/1810.05723
"""

from __future__ import annotations

import math

import torch
from scipy.optimize import brentq
from scipy.special import lambertw, ndtr
from torch import Tensor

# E|x| / √E[x²] is 0.80 for a normal and 0.71 for a Laplace distribution: whichever is nearer.
_BETWEEN = (math.sqrt(2 / math.pi) + math.sqrt(0.5)) / 2


def laplace_limit(levels: int) -> float:
    """Where to clip a Laplace distribution of scale b, in units of b (eqs. 3 to 7).

    α minimises 2 b² exp(−α / b) + α² / (3 L²): what is cut off, and what is rounded within −α … α. So α = b W(3 L²).

    Arguments:
        levels: L, how many values there are.

    Example:
        >>> [round(laplace_limit(2**bits), 2) for bits in (2, 3, 4)]
        [2.83, 3.9, 5.03]
    """
    return float(lambertw(3 * levels**2).real)


def normal_limit(levels: int) -> float:
    """Where to clip a normal distribution, in units of its standard deviation: the root a of

    2 (φ(a) − a Φ(−a)) = a / (3 L²) (appendix)

    Arguments:
        levels: L, how many values there are.

    Example:
        >>> [round(normal_limit(2**bits), 2) for bits in (2, 3, 4)]
        [1.71, 2.15, 2.56]
    """

    def slope(a: float) -> float:
        density = math.exp(-(a**2) / 2) / math.sqrt(2 * math.pi)
        return float(2 * (density - a * ndtr(-a)) - a / (3 * levels**2))

    return float(brentq(slope, 0, 40))


def spread(rows: Tensor, centre: Tensor, levels: int) -> Tensor:
    """How far from its centre each row is best clipped, by the distribution that its moments are closer to.

    Arguments:
        rows: numbers `(rows, k)`; those at the centre, such as the zeros that a ReLU leaves, are not counted.
        centre: of each row `(rows,)`.
        levels: L.

    Returns:
        α `(rows,)`.
    """
    away = (rows - centre[:, None]).abs()
    count = (away > 0).sum(1).clamp(min=1)
    mean, deviation = away.sum(1) / count, (away.square().sum(1) / count).sqrt()
    laplace = mean < _BETWEEN * deviation
    return torch.where(laplace, laplace_limit(levels) * mean, normal_limit(levels) * deviation)


def corrected(rows: Tensor, codes: Tensor, shift: bool = True) -> tuple[Tensor, Tensor]:
    """Step and code of zero with which codes have the mean and the norm of the numbers that they stand for.

    w' = mean(w) + ξ (v − mean(v)),  ξ = ‖w − mean(w)‖ / ‖v − mean(v)‖,  v the decoded numbers of a row (section 3.1)

    Arguments:
        rows: w `(rows, k)`.
        codes: q, floats of the same shape; v = s · (q − z) for any s and z yields the same.
        shift: whether the mean is corrected too; where it is not, 0 keeps the code 0.

    Returns:
        s and z, each `(rows,)`; z is no integer. Where all codes of a row are equal, s is |mean(w)|, so that q − z is
        ±1 without rounding; or 1 for 0.
    """
    if not shift:
        norms = rows.norm(dim=1), codes.norm(dim=1)
        return torch.where(norms[1] > 0, norms[0] / norms[1], 1), torch.zeros_like(norms[0])
    mean, place = rows.mean(1), codes.mean(1)
    norms = (rows - mean[:, None]).norm(dim=1), (codes - place[:, None]).norm(dim=1)
    single = torch.where(mean == 0, 1, mean.abs())
    scale = torch.where((norms[0] > 0) & (norms[1] > 0), norms[0] / norms[1], single)
    return scale, place - mean / scale
