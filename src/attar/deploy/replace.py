"""Other layers in the place of those that a network has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn


def replace(model: nn.Module, instead: Mapping[nn.Module, nn.Module]) -> None:
    """Put layers in the place of others, also in lists, tuples and dicts of its own by which a network calls some."""
    for parent in list(model.modules()):
        for name, value in list(vars(parent).items()):
            vars(parent)[name] = _replaced(value, instead)


def _replaced(value: Any, instead: Mapping[nn.Module, nn.Module]) -> Any:
    if isinstance(value, nn.Module):
        return instead.get(value, value)
    if isinstance(value, dict | list):
        for key, one in list(value.items() if isinstance(value, dict) else enumerate(value)):
            if (new := _replaced(one, instead)) is not one:
                value[key] = new
    if isinstance(value, tuple):
        parts = [_replaced(one, instead) for one in value]
        if any(new is not one for new, one in zip(parts, value)):
            return value._make(parts) if hasattr(value, "_make") else tuple(parts)
    return value


def put(model: nn.Module, name: str, new: nn.Module) -> None:
    """Put a layer under the name of another, and, unless this has more names, wherever else the network has it."""
    old = model.get_submodule(name)
    model.set_submodule(name, new)
    if all(layer is not old for layer in model.modules()):
        replace(model, {old: new})
