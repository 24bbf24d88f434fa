"""Several representations of the same samples as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attar.errors import DataError


class Beside(nn.Module):
    """Representations beside each other: z = (s₁ z₁, s₂ z₂, …).

    Arguments:
        parts: from the same input to representations `(n, dᵢ)`.
        scales: sᵢ of each, such as one over the spread of its representation, so that none drowns another.

    Raises:
        DataError: not one scale for each part.

    Example:
        >>> Beside([nn.Identity(), nn.Flatten()], [1.0, 2.0])(torch.tensor([[1.0, 3.0]])).tolist()
        [[1.0, 3.0, 2.0, 6.0]]
    """

    def __init__(self, parts: Sequence[nn.Module], scales: Sequence[float]) -> None:
        super().__init__()
        if len(parts) != len(scales):
            raise DataError(f"{len(parts)} parts but {len(scales)} scales; give one for each")
        self.parts, self.scales = nn.ModuleList(parts), tuple(scales)

    def forward(self, x: Tensor) -> Tensor:
        """All representations of the samples `(n, Σ dᵢ)`."""
        return torch.cat([scale * part(x) for part, scale in zip(self.parts, self.scales)], dim=1)
