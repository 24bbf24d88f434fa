"""Channels taken out of the tensors of a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from attar.compress.channels import Component, Coupling
from attar.compress.widths import say_width


def narrow(model: nn.Module, coupled: Coupling, components: Iterable[Component]) -> None:
    """Take the indices of some components out of all tensors of a network; what layers say of their widths follows."""
    for name, axes in gone(components).items():
        owners = [(model.get_submodule(path), attribute) for path, attribute in coupled.owners[name]]
        tensor: Tensor = getattr(*owners[0])
        value = tensor.detach()
        for axis, indices in axes.items():
            kept = torch.ones(value.shape[axis], dtype=torch.bool)
            kept[list(indices)] = False
            value = value.index_select(axis, kept.nonzero()[:, 0])
        new = nn.Parameter(value, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else value
        for layer, attribute in owners:
            setattr(layer, attribute, new)
            say_width(layer)


def silence(model: nn.Module, coupled: Coupling, components: Iterable[Component]) -> None:
    """Let the layers of a network read nothing from the channels of some components."""
    for name, axes in gone(components).items():
        path, attribute = coupled.owners[name][0]
        tensor = getattr(model.get_submodule(path), attribute)
        for axis, indices in axes.items():
            if (name, axis) in coupled.readers:
                with torch.no_grad():
                    tensor.index_fill_(axis, torch.tensor(sorted(indices)), 0.0)


def gone(components: Iterable[Component]) -> dict[str, dict[int, set[int]]]:
    """The indices of some components, by the name of the tensor and its axis."""
    found: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for component in components:
        for (name, axis), indices in component.items():
            found[name][axis].update(indices)
    return found
