"""The device that is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attar.errors import DataError

if TYPE_CHECKING:
    import torch


def device_of(name: object) -> torch.device:
    """The device of a name.

    Arguments:
        name: "cpu"; "cuda" or "cuda:1", a GPU (of AMD too); "auto": a GPU where torch finds one, else the processor.

    Raises:
        DataError: there is no such device here.

    Example:
        >>> device_of("cpu")
        device(type='cpu')
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    remedy = 'give "cpu", "cuda", "cuda:1" or "auto"'
    try:
        device = torch.device(name)  # type: ignore[call-overload]
    except (RuntimeError, TypeError):
        raise DataError(f"device is {name!r}: {remedy}") from None
    if device.type == "cpu":
        return torch.device("cpu")
    if device.type != "cuda":
        raise DataError(f"device is {name!r}, on which attar does not train: {remedy}")
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = device.index or 0
    if index >= found:
        are = "no GPU" if not found else f"{found} of them, counted from 0"
        raise DataError(f'device is {name!r}, and torch {torch.__version__} finds {are} here: give "cpu" or "auto"')
    return torch.device(device.type, index)


def random_state(device: torch.device) -> torch.Tensor:
    """The state of the generator that a device draws from where none is given."""
    import torch

    state: torch.Tensor = torch.get_device_module(device).get_rng_state(device)
    return state


def set_random_state(device: torch.device, state: torch.Tensor) -> None:
    """Bring that generator to a state."""
    import torch

    torch.get_device_module(device).set_rng_state(state, device)
