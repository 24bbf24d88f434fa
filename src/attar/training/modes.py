"""Training or evaluation, which each module has of its own, and what torch has for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from attar.training.devices import set_random_state

if TYPE_CHECKING:
    import torch
    from torch import nn


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Evaluation mode while this lasts; afterwards each module is in the mode it was in.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Dropout().eval())
        >>> with evaluating(net):
        ...     net.training
        False
        >>> net.training, net[1].training
        (True, False)
    """
    modes = [(module, module.training) for network in networks for module in network.modules()]
    try:
        for network in networks:
            network.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def usual_defaults() -> Iterator[None]:
    """Gradients, single precision and the processor while this lasts, whatever the caller has turned off or set.

    Example:
        >>> import torch
        >>> with torch.inference_mode(), usual_defaults():
        ...     torch.ones(1, requires_grad=True).exp().requires_grad
        True
    """
    import torch

    dtype = torch.get_default_dtype()
    # Only where it is needed: with a device set, each small operation takes three times as long.
    device = nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu")
    torch.set_default_dtype(torch.float32)
    try:
        with torch.inference_mode(False), torch.enable_grad(), device:
            yield
    finally:
        torch.set_default_dtype(dtype)


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """What is drawn without a generator, as fresh weights and dropout are, follows from a seed while this lasts.

    The generators of devices other than the processor and the one given are left alone, which `torch.manual_seed`
    seeds too.

    Example:
        >>> import torch
        >>> with seeded(0):
        ...     one = torch.rand(3)
        >>> with seeded(0):
        ...     bool((torch.rand(3) == one).all())
        True
    """
    import torch

    other = None if device is None or device.type == "cpu" else device
    with torch.random.fork_rng([] if other is None else [other.index], device_type=other.type if other else "cuda"):
        torch.default_generator.manual_seed(seed)
        if other is not None:
            set_random_state(other, torch.Generator(other).manual_seed(seed).get_state())
        yield
