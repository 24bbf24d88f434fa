"""The device that is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attar.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import nn

# Values in the data below which training is short, and rounds as little as it can.
_LITTLE = 2**20


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


def precision_of(asked: str, module: nn.Module, values: int, device: object) -> str:
    """The precision to train in, as Lightning Fabric names it.

    Arguments:
        asked: one of its names, or "auto": "bf16-mixed" for much data where a network has convolutions and the device
            multiplies bfloat16 itself. Those of images then take two thirds of the time; without convolutions, casting
            takes what products save.
        module: what is trained.
        values: in the data.
        device: as of `device_of`.

    Raises:
        DataError: there is no such device.

    Example:
        >>> from torch import nn
        >>> precision_of("auto", nn.Linear(2, 2), 10**9, "cpu"), precision_of("bf16-mixed", nn.Linear(2, 2), 4, "cpu")
        ('32-true', 'bf16-mixed')
    """
    from torch import nn

    if asked != "auto":
        return asked
    convolves = any(isinstance(layer, nn.Conv1d | nn.Conv2d) for layer in module.modules())
    return "bf16-mixed" if values >= _LITTLE and convolves and _multiplies_bfloat16(device_of(device)) else "32-true"


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Whether there are instructions for it; elsewhere it is emulated, at a fraction of the speed of float32."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Of old versions of torch nothing is known.
    found: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(value is True for name, value in found.items() if name.endswith("bf16"))


def random_state(device: torch.device) -> torch.Tensor:
    """The state of the generator that a device draws from where none is given."""
    import torch

    state: torch.Tensor = torch.get_device_module(device).get_rng_state(device)
    return state


def set_random_state(device: torch.device, state: torch.Tensor) -> None:
    """Bring that generator to a state."""
    import torch

    torch.get_device_module(device).set_rng_state(state, device)
