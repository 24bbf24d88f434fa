"""The cells of a table as vectors, and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
from torch import Tensor, nn


class Cells(nn.Module):
    """A vector for each column of a row: the sum of its values, each times a learnt vector.

    hᵢ = Σ_{j of column i} xⱼ wⱼ

    A number scales its vector, and a category, whose indicator is 1, chooses one. Bias is what positions are for.

    References:
        Gorishniy et al., Revisiting Deep Learning Models for Tabular Data, 2021, https://arxiv.org/abs/2106.11959

    Arguments:
        owner: the column that each value of a row belongs to.
        width: length of the vectors.

    Example:
        >>> vectors, present = Cells([0, 1, 1], 16)(torch.tensor([[0.3, 0.0, 1.0]]))
        >>> vectors.shape
        torch.Size([1, 2, 16])
    """

    belongs: Tensor

    def __init__(self, owner: Sequence[int], width: int) -> None:
        super().__init__()
        # A matrix of zeros and ones, because the exporter to ONNX gets a sum by index wrong for batches.
        belongs = torch.arange(max(owner) + 1).unsqueeze(1) == torch.tensor(owner)
        self.register_buffer("belongs", belongs.float(), persistent=False)
        self.vectors = nn.Parameter(torch.randn(len(owner), width) / sqrt(width))

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Embed `(n, values)` to `(n, columns, width)`; all are present, for that a cell is missing says something."""
        return self.belongs @ (x.unsqueeze(2) * self.vectors), None


class Uncells(nn.Module):
    """From a vector for each column to its values, each by a linear map of its own.

    xⱼ = ⟨h_{owner(j)}, wⱼ⟩ + bⱼ

    Arguments:
        owner: the column that each value belongs to.
        width: length of the vectors.

    Example:
        >>> Uncells([0, 1, 1], 16)(torch.zeros(5, 2, 16)).shape
        torch.Size([5, 3])
    """

    owner: Tensor

    def __init__(self, owner: Sequence[int], width: int) -> None:
        super().__init__()
        self.register_buffer("owner", torch.tensor(owner), persistent=False)
        self.vectors = nn.Parameter(torch.randn(len(owner), width) / sqrt(width))
        self.bias = nn.Parameter(torch.zeros(len(owner)))

    def forward(self, h: Tensor) -> Tensor:
        """Map `(n, columns, width)` to `(n, values)`."""
        return (h.index_select(1, self.owner) * self.vectors).sum(dim=2) + self.bias
