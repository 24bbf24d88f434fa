"""Samples and labels as a caller gives them, before anything is computed of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from attar.data.dataset import UNLABELLED
from attar.errors import CompressionError

if TYPE_CHECKING:
    from attar.compress.distillation import Samples
    from attar.data.dataset import Ints


def samples_for(model: nn.Module, x: Samples) -> Samples:
    """Samples `(n, *shape)`, those that are floats in the precision of the network, where it has one.

    Raises:
        CompressionError: they are neither a tensor nor an array of numbers.

    Example:
        >>> samples_for(nn.Linear(3, 1), np.zeros((2, 3))).dtype
        torch.float32
    """
    if not isinstance(x, Tensor) and not (isinstance(x, np.ndarray) and x.dtype.kind in "biuf"):
        of = f" of {x.dtype}" if isinstance(x, np.ndarray) else ""
        raise CompressionError(
            f"x is of type {type(x).__name__}{of}: give samples as a tensor or an array of numbers, and other "
            "arguments by name"
        )
    precisions = {p.dtype for p in model.parameters() if p.is_floating_point()}
    floats = x.is_floating_point() if isinstance(x, Tensor) else x.dtype.kind == "f"
    if not floats or len(precisions) != 1:
        return x
    (precision,) = precisions
    if isinstance(x, Tensor):
        return x.to(precision)
    # An array that is right already stays where it is, which may be on disk. Else a copy: torch warns on sharing memory
    # with a read-only one.
    return x if str(precision) == f"torch.{x.dtype}" else torch.tensor(x).to(precision)


def class_codes(y: Ints | Tensor | None, n: int) -> Tensor:
    """Class codes `(n,)` of so many samples, -1 where unlabelled, as all are where there are none.

    Raises:
        CompressionError: they are no whole numbers, or not one for each sample.

    Example:
        >>> class_codes(np.array([2, -1]), 2), class_codes(None, 2)
        (tensor([ 2, -1]), tensor([-1, -1]))
    """
    if y is None:
        return torch.full((n,), UNLABELLED)
    try:
        given = torch.as_tensor(y)
        codes = given.long()
    except (TypeError, ValueError):
        given = codes = torch.empty(0, 0)
    if codes.ndim != 1 or not torch.equal(given.to(torch.float64), codes.to(torch.float64)):
        raise CompressionError("y holds something else than class codes: give whole numbers, -1 where unlabelled")
    if len(codes) != n:
        raise CompressionError(f"{len(codes)} labels for {n} samples: give one for each, -1 where unlabelled")
    return codes
