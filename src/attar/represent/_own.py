"""A network that attar did not write."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from attar.errors import DataError, first_line
from attar.training.modes import seeded, usual_defaults


@usual_defaults()
def own_copy(name: str, network: object, x: Tensor, *, trained: bool = False) -> tuple[nn.Module, Tensor]:
    """A copy of a network in evaluation mode on the processor, and what it makes of samples.

    Arguments:
        name: of the argument that it was given as.
        network: from samples like `x` to `(n, d)`; it stays as it is.
        x: at least one sample, of float32.
        trained: whether the copy is to be trained.

    Raises:
        DataError: it is no module, cannot be copied, cannot take the samples, makes something else of them, or there is
            nothing in it to train.
    """
    if not isinstance(network, nn.Module):
        if hasattr(type(network), "module_"):
            raise DataError(f"{name} is a {type(network).__name__}; give its module_, once it is fitted")
        raise DataError(f"{name} is {network!r:.60}; give a torch.nn.Module")
    try:
        copied = deepcopy(network).cpu().eval()
    except Exception as error:  # whatever a network of others raises
        raise DataError(f"{name} cannot be copied: {first_line(error)}") from None
    with seeded(0), torch.no_grad():
        z = _vectors(name, copied, x)
        _vectors(name, copied, x[:1])  # where a squeeze() would drop the axis of the samples
    if not torch.isfinite(z).all():
        which = "with missing values; let it begin with torch.nan_to_num" if x.isnan().any() else f"{tuple(x.shape)}"
        raise DataError(f"{name} makes NaN or infinite numbers of samples {which}")
    if trained:
        with seeded(0):
            learns = _vectors(f"{name} in training mode", deepcopy(copied).train(), x).requires_grad
        if not learns:
            raise DataError(
                f"{name} has nothing to train: its parameters have no requires_grad, or it turns gradients off"
            )
    return copied, z


def _vectors(name: str, network: nn.Module, x: Tensor) -> Tensor:
    """What a network makes of samples; it is refused where that is not a float32 vector for each."""
    shape = tuple(x.shape)
    try:
        z = network(x)
    except Exception as error:  # whatever a network of others raises
        raise DataError(f"{name} cannot take float32 samples {shape}: {first_line(error)}") from None
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != len(x) or z.dtype != torch.float32:
        output = f"{z.dtype} {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
        raise DataError(
            f"{name} makes {output} of samples {shape}; it must return float32 (n, d): pool and flatten its output"
        )
    return z
