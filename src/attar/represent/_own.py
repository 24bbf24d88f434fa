"""A network that attar did not write."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from attar.errors import DataError, first_line
from attar.training.modes import usual_defaults


@usual_defaults()
def own(name: str, network: object, x: Tensor) -> tuple[nn.Module, int]:
    """A copy of a network in evaluation mode on the processor, and how many numbers it makes of a sample.

    Arguments:
        name: of the argument that it was given as.
        network: from samples like `x` to `(n, d)`; it stays as it is.
        x: at least one sample.

    Raises:
        DataError: it is no module, cannot take the samples, or makes something else of them.
    """
    if not isinstance(network, nn.Module):
        raise DataError(f"{name} is {network!r:.60}; give a torch.nn.Module")
    copied, shape = deepcopy(network).cpu().eval(), tuple(x.shape)
    try:
        with torch.no_grad():
            z = copied(x)
    except Exception as error:  # whatever a network of others raises
        raise DataError(f"{name} cannot take samples {shape}: {first_line(error)}") from None
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != len(x) or not z.is_floating_point():
        made = f"{z.dtype} {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
        raise DataError(
            f"{name} makes {made} of samples {shape}; it must return floats (n, d): pool and flatten its output"
        )
    if not torch.isfinite(z).all():
        raise DataError(f"{name} makes NaN or infinite numbers of samples, some of which may have missing values")
    return copied, z.shape[1]
