"""What a kind answers to a pretrained model of others, and to the finished file."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from torch import Tensor

from attar.data.dataset import Column, Floats
from attar.errors import DataError


class Translated:
    """Samples in the terms of something that was not made from them."""

    name: ClassVar[str]

    def given(self, x: Floats) -> object:
        """Raw samples `(n, *shape)` as any finished model of the kind takes them, whatever it was made from."""
        return x

    def translated(
        self,
        x: Floats,
        columns: tuple[Column, ...],
        tokenizer: Path | None,  # noqa: ARG002
        pad: int,  # noqa: ARG002
        vocabulary: int | None,  # noqa: ARG002
        places: int | None,  # noqa: ARG002
    ) -> tuple[Floats, tuple[Column, ...]]:
        """Raw samples and their columns in the terms of a pretrained model: texts are cut by its tokenizer.

        Arguments:
            x: raw samples `(n, *shape)`.
            columns: of them.
            tokenizer: the model's tokenizer file, if it has one.
            pad: id of its padding.
            vocabulary: number of ids that it knows; None: not said.
            places: number of tokens of a text that it has room for; None: of any.
        """
        return x, columns

    def backbone_inputs(self, x: Tensor, channels: int, size: tuple[int, int]) -> dict[str, Tensor]:  # noqa: ARG002
        """What a pretrained model of `transformers` takes, by name, from normalised samples.

        Arguments:
            x: normalised samples.
            channels: of the images that the model was made for.
            size: `(h, w)` of them.
        """
        raise DataError(f"there are no pretrained backbones for kind {self.name!r}; leave the backbone away")
