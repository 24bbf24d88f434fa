"""What a kind answers about the parts of a sample, for tasks that hide some of them."""

# The answers of a kind without parts use none of their arguments.
# ruff: noqa: ARG002

from __future__ import annotations

from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from attar.errors import DataError


class PartEncoder(Protocol):
    """An encoder that also says what it made of each part; an `nn.Module`."""

    def __call__(self, x: Tensor) -> Tensor:
        """Encode whole normalised samples to `(n, dim)`; exports to ONNX."""

    def parts(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Encode each part to `(n, parts, dim)`.

        Arguments:
            x: normalised samples, as `Parts.hide` left them.
            hidden: bool `(n, parts)`; None: no part is. Where the kind leaves hiding to its encoder, what hidden
                parts hold has no influence.
        """


class Parts:
    """The parts of samples: patches of an image, segments of a series, cells of a row, tokens, nodes.

    z = f_θ(x̃),  x̂ = g_ψ(z, M, x̃),  x̃ = hide(x, M),  L = masked_loss(x̂, x, M)

    with M the hidden parts, drawn by whoever asks among those that are present, and at least one part of each sample
    visible. A kind whose samples hang together, such as the nodes of a graph, answers for a whole batch as for one
    sample: then every `n` of this file is 1, except for `PartEncoder.__call__`.

    A kind overrides all of this or nothing.
    """

    name: ClassVar[str]
    # Share of the parts to hide where nobody says otherwise.
    masking_ratio: ClassVar[float] = 0.5

    def part_encoder(self, dim: int, width: int = 64) -> nn.Module:
        """A `PartEncoder` whose inner vectors have the length `width`."""
        raise self._without_parts()

    def part_decoder(self, dim: int, width: int = 64) -> nn.Module:
        """A network g_ψ(z, hidden, x̃) to what `masked_loss` and `fill` take as x̂.

        It takes parts `(n, parts, dim)`, bool `(n, parts)` and the samples as the encoder was given them (what is
        present, or linked to what, can be seen there). Of what was encoded at hidden parts it may make nothing, and
        put a learnt vector in its place.
        """
        raise self._without_parts()

    def present(self, x: Tensor) -> Tensor:
        """Which parts of normalised samples hold something, rather than padding: bool `(n, parts)`."""
        raise self._without_parts()

    def hide(self, x: Tensor, hidden: Tensor, generator: torch.Generator) -> Tensor:
        """Normalised samples with the hidden parts blanked out or replaced; unchanged where the encoder skips them."""
        raise self._without_parts()

    def masked_loss(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """How far x̂ is from normalised samples: a scalar, the mean over hidden parts alone; 0 if there is none."""
        raise self._without_parts()

    def fill(self, x_hat: Tensor, x: Tensor, hidden: Tensor) -> Tensor:
        """Normalised samples with x̂ at the hidden parts, and as they are elsewhere."""
        raise self._without_parts()

    def _without_parts(self) -> DataError:
        return DataError(f"kind {self.name!r} does not say what the parts of a sample are; use another pretext task")
