"""Series at another sampling rate, within a network."""

from __future__ import annotations

import math
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of the sinc, to each side; and its band, so that little beyond half of the lower rate comes through.
_ZEROS, _BAND = 8, 0.95
# Rates are as whole numbers up to this one, which errs by less than a thousandth of a step in one.
_FINEST = 1000


class Resampled(nn.Module):
    """Normalised series `(n, channels, steps)` as if they had been sampled at another rate, their mean around them.

    y(t) = Σₛ x(s) c sinc(c (t − s)) cos²(π c (t − s) / 16) over |t − s| < 8 / c

    with t and s in steps of the old rate, and c = 0.95 min(1, new / old), below which frequencies are kept.

    References:
        Smith and Gossett, A flexible sampling-rate conversion method, 1984,
        https://doi.org/10.1109/ICASSP.1984.1172555

    Arguments:
        old: rate in Hz.
        new: rate that they get.

    Example:
        >>> Resampled(8000, 16000)(torch.zeros(2, 3, 100)).shape
        torch.Size([2, 3, 200])
    """

    kernels: Tensor

    def __init__(self, old: float, new: float) -> None:
        super().__init__()
        ratio = (Fraction(new) / Fraction(old)).limit_denominator(_FINEST)
        self.new, self.old = ratio.numerator, ratio.denominator
        band = _BAND * min(1.0, self.new / self.old)
        self.reach = math.ceil(_ZEROS / band)
        # One kernel for each of the new steps that fall into as many old ones.
        places = torch.arange(-self.reach, self.reach + self.old, dtype=torch.float64)
        apart = band * (places - torch.arange(self.new, dtype=torch.float64)[:, None] * self.old / self.new)
        window = torch.cos(apart.clamp(-_ZEROS, _ZEROS) * math.pi / (2 * _ZEROS)) ** 2
        self.register_buffer("kernels", (band * torch.sinc(apart) * window).float()[:, None])

    def forward(self, x: Tensor) -> Tensor:
        channels, steps = int(x.shape[1]), int(x.shape[2])
        wanted = -(-steps * self.new // self.old)
        # By fixed numbers, which a trace can keep: only the number of samples may be another one later.
        padded = F.pad(x.reshape(-1, 1, steps), (self.reach, self.reach + self.old))
        resampled = F.conv1d(padded, self.kernels, stride=self.old).transpose(1, 2).flatten(1)
        return resampled[:, :wanted].reshape(-1, channels, wanted)
