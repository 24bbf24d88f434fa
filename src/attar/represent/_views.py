"""What pretexts have in common that compare augmented views of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from attar.represent.pretext import Pretext

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from attar.kinds.base import Kind


class ViewPretext(Pretext):
    """An encoder trained to tell which views are of one sample.

    Arguments:
        strength: of the augmentation; 0 leaves the samples as they are.
    """

    strength: float

    # The other samples of a batch are what a sample is told from.
    _least_batch: ClassVar[int] = 2
    _amounts: ClassVar[tuple[str, ...]] = (*Pretext._amounts, "strength")

    def _two_views(self, kind: Kind, x: Tensor, generator: torch.Generator) -> Tensor:
        """Two views of each sample `(2n, …)`, first one of all and then another of all.

        They are one batch, so that each network is called once and batch normalisation cannot tell the views apart.
        """
        import torch

        return kind.view(torch.cat([x, x]), generator, self.strength)


def at_least_float32(z: Tensor) -> Tensor:
    """The same numbers in single precision, where they are in half precision.

    Rounding in half precision is as large as what two views of a sample differ by.
    """
    import torch

    return z.to(torch.promote_types(z.dtype, torch.float32))
