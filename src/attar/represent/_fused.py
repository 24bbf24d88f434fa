"""Functions of a block of numbers that a GPU runs in one pass over it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Generic, TypeVar

import torch
from torch import Tensor

Answer = TypeVar("Answer")


class Fused(Generic[Answer]):
    """A function of a tensor and more, compiled at its first call on a GPU; on a CPU it runs one operation at a time.

    Where the GPU's machine has no compiler, it runs one operation at a time there too. The answers are the same either
    way, up to rounding.

    Arguments:
        function: without state. It may overwrite its first argument, and what is left in there is not defined.

    Example:
        >>> doubled = Fused(lambda block: block.mul_(2))
        >>> doubled(torch.ones(2))
        tensor([2., 2.])
    """

    def __init__(self, function: Callable[..., Answer]) -> None:
        self.function = function
        self.can_compile = True

    def __call__(self, block: Tensor, *arguments: object) -> Answer:
        if block.device.type == "cpu" or not self.can_compile:
            return self.function(block, *arguments)
        try:
            return self.compiled(block, *arguments)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:
            # No compiler, or not one for this device: all that says so is a RuntimeError, before anything has run.
            self.can_compile = False
            return self.function(block, *arguments)

    @cached_property
    def compiled(self) -> Callable[..., Answer]:
        """For blocks of any size, since the last ones are smaller."""
        return torch.compile(self.function, dynamic=True)
