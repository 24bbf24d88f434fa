"""What a kind answers about damaged samples: the network that repairs them, and how damage is drawn."""

# ruff: noqa: ARG002

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from attar.errors import DataError


class Restorable:
    """Samples of which only a part, a noisy copy or a coarse copy is seen.

    x̂ = f(y, s, σ, x₀),  y = s ⊙ x + σ ⊙ ε,  ε ~ N(0, 1)

    with x₀ a first estimate, and s what is known of each value of a normalised sample: 1, 0 where it is missing, and ½
    where the mean of a block stands for each of its values. All have the layout of a normalised sample, or broadcast
    to it.

    A kind overrides all but the last two, or nothing; those that have a resolution override these too.
    """

    name: ClassVar[str]
    # Whether samples can be seen at half of their resolution.
    resolutions: ClassVar[bool] = False

    def restorer(self, width: int = 32) -> nn.Module:
        """A network f(y, s, σ, x₀) to what `restoration_loss` and `restore` take; y is 0 where s is."""
        raise self._cannot()

    def observed(self, x: Tensor) -> Tensor:
        """Which values of raw samples are not missing: bool, in the layout of normalised samples."""
        raise self._cannot()

    def noise_level(self, sigma: float) -> Tensor:
        """A standard deviation in raw units, in those of normalised samples; 0 for values that noise does not suit."""
        raise self._cannot()

    def holes(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Values to blank out in normalised samples, drawn at random: bool."""
        raise self._cannot()

    def restoration_loss(self, x_hat: Tensor, x: Tensor, known: Tensor) -> Tensor:
        """How far x̂ is from normalised samples: a scalar, the mean over the values that are known."""
        raise self._cannot()

    def halved(self, x: Tensor) -> Tensor:
        """Normalised samples at half of their resolution: means of blocks."""
        raise self._cannot()

    def spread(self, x: Tensor) -> Tensor:
        """Samples at half of their resolution with each value repeated over its block, at the whole resolution."""
        raise self._cannot()

    def _cannot(self) -> DataError:
        return DataError(f"kind {self.name!r} does not say how samples are restored; use images, series or tables")
