"""The samples themselves, normalised and flattened: the baseline of every other representation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from attar.kinds import kind_of
from attar.represent._parts import FloatArray
from attar.represent.base import Representation
from attar.training.modes import usual_defaults

if TYPE_CHECKING:
    from attar.kinds.base import Kind


class Raw(Representation):
    """Each value of a sample, normalised as its kind does it.

    Arguments:
        kind: "image", "series", "table", "text" of token ids, or a kind that has already learnt, as a graph needs;
            None: from the number of axes.

    Example:
        >>> import numpy as np
        >>> Raw().fit_transform(np.array([[1.0, np.nan], [3.0, 5.0], [2.0, 5.0]])).shape
        (3, 3)
    """

    def __init__(self, *, kind: str | Kind | None = None) -> None:
        self.kind = kind

    @usual_defaults()
    def _fit(self, X: FloatArray) -> None:
        self._module = normalised(self.kind, X)
        with torch.no_grad():
            self.dim_ = int(self._module(torch.tensor(X[:1])).shape[1])


def normalised(kind: str | Kind | None, x: FloatArray) -> nn.Module:
    """A module from raw samples to flat normalised ones."""
    learnt = kind_of(kind, x)
    return nn.Sequential(learnt.preprocess(), learnt.flat()).eval()
