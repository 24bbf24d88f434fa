"""Numbers that must be finite: weights, what reaches a layer, and what a network answers."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from attar.compress.places import Place
from attar.errors import CompressionError


def check_weights(weights: Iterable[Place]) -> None:
    """Hold weights to finite numbers.

    Raises:
        CompressionError: one has another.
    """
    for place in weights:
        if not bool(place.value.isfinite().all()):
            raise CompressionError(f"{place.name}: some weights are not finite; train the network again")


def check_inputs(name: str, seen: Tensor) -> None:
    """Hold what a layer is given, or a sum over it, to finite numbers.

    Arguments:
        name: of the layer, for messages.
        seen: any shape.

    Raises:
        CompressionError: there is another.
    """
    if not bool(seen.isfinite().all()):
        raise CompressionError(f"{name}: some of its inputs are not finite; correct the samples")


def check_answers(answers: Iterable[Tensor], of: str = "network") -> None:
    """Hold what a network answers to real numbers that are finite.

    Arguments:
        answers: any shapes.
        of: whose they are, for messages.

    Raises:
        CompressionError: there is another.
    """
    answers = list(answers)
    other = next((one.dtype for one in answers if not one.is_floating_point()), None)
    if other is not None:
        raise CompressionError(
            f"the {of} answers with numbers of {other}: give real ones, such as the logits that classes are chosen by"
        )
    if not all(bool(one.isfinite().all()) for one in answers):
        raise CompressionError(
            f"the {of} answers some samples with NaN or infinity: give samples without missing or infinite values, or "
            f"mend the {of}"
        )
