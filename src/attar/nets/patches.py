"""Images and series cut into equal patches, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch.nn.functional as F
from torch import Tensor, nn


def grid(size: Sequence[int], patch: Sequence[int]) -> tuple[int, ...]:
    """How many patches there are along each axis; the last may reach over the edge.

    Example:
        >>> grid((28, 30), (4, 4))
        (7, 8)
    """
    return tuple(-(-s // p) for s, p in zip(size, patch))


def cut(x: Tensor, size: Sequence[int], patch: Sequence[int]) -> Tensor:
    """Cut `(n, channels, *size)` into `(n, patches, channels · prod(patch))`, with zeros beyond the edge.

    Example:
        >>> import torch
        >>> cut(torch.arange(5.0).reshape(1, 1, 5), (5,), (2,))
        tensor([[[0., 1.],
                 [2., 3.],
                 [4., 0.]]])
    """
    # The size is given, for of a traced tensor's own the exporter to ONNX cannot round up a quotient.
    places = grid(size, patch)
    beyond = [(0, g * p - s) for s, p, g in zip(size, patch, places)]
    x = F.pad(x, [b for pair in reversed(beyond) for b in pair])
    if len(size) == 1:
        return x.reshape(-1, x.shape[1], *places, *patch).permute(0, 2, 1, 3).flatten(2)
    x = x.reshape(-1, x.shape[1], places[0], patch[0], places[1], patch[1])
    return x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def join(patches: Tensor, channels: int, size: Sequence[int], patch: Sequence[int]) -> Tensor:
    """Put together `(n, channels, *size)` from what `cut` made of it.

    Example:
        >>> import torch
        >>> x = torch.rand(2, 3, 5, 7)
        >>> torch.equal(join(cut(x, (5, 7), (2, 4)), 3, (5, 7), (2, 4)), x)
        True
    """
    x = patches.reshape(-1, *grid(size, patch), channels, *patch)
    if len(size) == 1:
        return x.permute(0, 2, 1, 3).flatten(2)[:, :, : size[0]]
    return x.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)[:, :, : size[0], : size[1]]


def spread(values: Tensor, size: Sequence[int], patch: Sequence[int]) -> Tensor:
    """Give each of `(n, patches)` to the whole area of its patch: `(n, 1, *size)`.

    Example:
        >>> import torch
        >>> spread(torch.tensor([[True, False]]), (3,), (2,))
        tensor([[[ True,  True, False]]])
    """
    return join(values.unsqueeze(2).expand(-1, -1, prod(patch)), 1, size, patch)


class Patches(nn.Module):
    """A vector for each patch, by a linear map, and which patches hold anything but zeros.

    Arguments:
        channels: of the input.
        size: `(h, w)` of an image or `(steps,)` of a series.
        patch: of one patch, likewise.
        width: length of the vectors.
        with_padding: a patch of zeros is padding; otherwise all patches are present.

    Example:
        >>> import torch
        >>> vectors, present = Patches(1, (5,), (2,), 16, with_padding=True)(torch.tensor([[[1.0, 0, 0, 0, 2]]]))
        >>> vectors.shape, present
        (torch.Size([1, 3, 16]), tensor([[ True, False,  True]]))
    """

    def __init__(
        self, channels: int, size: Sequence[int], patch: Sequence[int], width: int, *, with_padding: bool = False
    ) -> None:
        super().__init__()
        self.size, self.patch = tuple(size), tuple(patch)
        self.with_padding = with_padding
        self.linear = nn.Linear(channels * prod(patch), width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Embed `(n, channels, *size)` to `(n, patches, width)`."""
        patches = cut(x, self.size, self.patch)
        return self.linear(patches), (patches != 0).any(dim=2) if self.with_padding else None


class Unpatch(nn.Module):
    """From a vector for each patch to the patch, by a linear map, and all of them put together.

    Arguments:
        channels: of the output.
        size: `(h, w)` of an image or `(steps,)` of a series.
        patch: of one patch, likewise.
        width: length of the vectors.

    Example:
        >>> import torch
        >>> Unpatch(3, (5, 7), (2, 2), 16)(torch.zeros(1, 12, 16)).shape
        torch.Size([1, 3, 5, 7])
    """

    def __init__(self, channels: int, size: Sequence[int], patch: Sequence[int], width: int) -> None:
        super().__init__()
        self.channels, self.size, self.patch = channels, tuple(size), tuple(patch)
        self.linear = nn.Linear(width, channels * prod(patch))

    def forward(self, h: Tensor) -> Tensor:
        """Map `(n, patches, width)` to `(n, channels, *size)`."""
        return join(self.linear(h), self.channels, self.size, self.patch)
