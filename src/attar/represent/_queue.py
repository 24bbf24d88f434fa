"""A queue of vectors that survives a checkpoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Queue(nn.Module):
    """The last vectors that were pushed, the oldest first; at the start, random ones of length one.

    Arguments:
        length: how many it holds.
        dim: of each.

    Example:
        >>> queue = Queue(3, 1)
        >>> for step in range(3):
        ...     queue.push(torch.tensor([[2.0 * step], [2.0 * step + 1]]))
        >>> queue.vectors.flatten().tolist()
        [3.0, 4.0, 5.0]
    """

    vectors: Tensor

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("vectors", F.normalize(torch.randn(length, dim), dim=1))

    @torch.no_grad()
    def push(self, vectors: Tensor) -> None:
        """Add `(n, dim)` at the end, and drop as many at the front; of more than it holds, the last remain."""
        both = torch.cat([self.vectors, vectors])
        self.vectors = both[len(both) - len(self.vectors) :]
