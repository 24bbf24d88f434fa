"""Which channels of a network belong together: those that can only be taken away at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from attar.compress.costs import evaluated

# A tensor, by the name of its first owner, and one of its axes.
Axis = tuple[str, int]
# An index on an axis. None stands for all that must stay.
Node = tuple[str, int, int] | None

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_RECURRENT = (nn.RNN, nn.LSTM, nn.GRU)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


@dataclass(frozen=True)
class Component:
    """Indices of tensors that go together or not at all.

    Arguments:
        indices: for each axis of a tensor.
    """

    indices: dict[Axis, tuple[int, ...]]


@dataclass(frozen=True)
class Coupling:
    """How the channels of a network belong together.

    Arguments:
        groups: components that lie on the same axes of the same tensors.
        readers: the axes by which layers read channels, rather than write them.
        owners: of each tensor, the layers, by name, each with the attribute that it has it by.
    """

    groups: tuple[tuple[Component, ...], ...]
    readers: frozenset[Axis]
    owners: dict[str, tuple[tuple[str, str], ...]]


def coupling(model: nn.Module, x: Tensor) -> Coupling:
    """Find out which channels belong together, by watching where not-a-number goes.

    A channel of what a layer writes is set to NaN. Whatever is computed from it (a sum, a concatenation, a
    flattening, a slice, batch normalisation, pooling, …) becomes NaN just where it depends on it, up to the layers that
    read it, where it is recorded and taken away. Channels that are read at one place belong together, and those that
    reach the output, or meet there with something that no layer writes, must stay. No operation needs to be known.

    Several channels are told apart by few runs: run b marks those whose number has bit b, and another all others. Where
    a reader depends on more than one (on a head of an attention, say), each channel is marked by itself.

    Arguments:
        model: in evaluation mode for this.
        x: a few samples `(n, *shape)`.
    """
    return _Probe(model, x).coupling()


class _Probe:
    def __init__(self, model: nn.Module, x: Tensor) -> None:
        self.model, self.x = model, x
        self.owners, self.names = _tensors(model)
        self.parents: dict[Node, Node] = {}
        self.writers = {layer: axes for layer in model.modules() if (axes := self._writes(layer))}
        self.readers = {layer: axes for layer in model.modules() if (axes := self._reads(layer))}
        self.marked: nn.Module | None = None
        self.mark = torch.zeros(0, dtype=torch.bool)
        self.seen: dict[Any, Tensor] = {}

    def coupling(self) -> Coupling:
        for layer, axes in self.writers.items():
            self._tie_groups(layer, axes)
        reached: dict[nn.Module, Tensor] = {}
        with self._watched(), evaluated(self.model):
            for layer in self.writers:
                for reader, matrix in self._dependencies(layer).items():
                    self._unite(layer, reader, matrix)
                    if isinstance(reader, nn.Module):
                        hit = matrix.any(0)
                        reached[reader] = reached.get(reader, torch.zeros_like(hit)) | hit
            # What the input, and layers that are left as they are, write.
            for source in (self.model, *(m for m in self.model.modules() if self._is_wall(m))):
                for reader, seen in self._run(source, torch.ones(1, dtype=torch.bool)).items():
                    self._keep(reader, seen)
        for reader in self.readers:
            width = self._width(reader)
            self._keep(reader, ~reached.get(reader, torch.zeros(width, dtype=torch.bool)))
        return self._result()

    # How layers write and read.

    def _name(self, layer: nn.Module, attribute: str) -> str | None:
        tensor = getattr(layer, attribute, None)
        return None if tensor is None else self.names.get(id(tensor))

    def _axes(self, layer: nn.Module, *attributes: tuple[str, int]) -> tuple[Axis, ...]:
        found = ((self._name(layer, attribute), axis) for attribute, axis in attributes)
        return tuple((name, axis) for name, axis in found if name is not None)

    def _writes(self, layer: nn.Module) -> tuple[Axis, ...]:
        """The axes of tensors along which the channels that a layer writes lie."""
        if type(layer) is nn.Linear or (type(layer) in _CONVOLUTIONS and not _depthwise(layer)):
            return self._axes(layer, ("weight", 0), ("bias", 0))
        return self._axes(layer, ("weight", 1)) if type(layer) is nn.Embedding else ()

    def _reads(self, layer: nn.Module) -> tuple[Axis, ...]:
        """The axes along which those that it reads lie; where it treats each by itself, those of its own."""
        if type(layer) is nn.Linear or (type(layer) in _CONVOLUTIONS and not _depthwise(layer)):
            return self._axes(layer, ("weight", 1))
        if type(layer) in _RECURRENT:
            return self._axes(layer, ("weight_ih_l0", 1), ("weight_ih_l0_reverse", 1))
        if type(layer) in (*_BATCH_NORMS, *_INSTANCE_NORMS):
            return self._axes(layer, *((name, 0) for name in ("weight", "bias", "running_mean", "running_var")))
        if _depthwise(layer) or (type(layer) is nn.PReLU and layer.num_parameters > 1):
            return self._axes(layer, ("weight", 0), ("bias", 0))
        return ()

    def _passes(self, layer: nn.Module) -> bool:
        """Whether a layer keeps channels apart, so that a mark goes on through it."""
        return _depthwise(layer) or type(layer) in (*_BATCH_NORMS, *_INSTANCE_NORMS, nn.PReLU)

    def _is_wall(self, layer: nn.Module) -> bool:
        """Whether a layer has tensors and cannot be made narrower."""
        if layer in self.writers or self._passes(layer):
            return False
        whole = parametrize.is_parametrized(layer) or not any(True for _ in layer.children())
        return whole and any(True for _ in (*layer.parameters(), *layer.buffers()))

    def _width(self, reader: nn.Module) -> int:
        if isinstance(reader, nn.modules.conv._ConvNd):
            return reader.in_channels
        name, axis = self.readers[reader][0]
        owner, attribute = self.owners[name][0]
        return int(getattr(self.model.get_submodule(owner), attribute).shape[axis])

    # Running with marks.

    @staticmethod
    def _axis_of(layer: nn.Module, x: Tensor) -> int:
        if isinstance(layer, nn.modules.conv._ConvNd):
            return x.ndim - 1 - len(layer.kernel_size)
        return 1 if isinstance(layer, (*_BATCH_NORMS, *_INSTANCE_NORMS, nn.GroupNorm, nn.PReLU)) else x.ndim - 1

    @contextmanager
    def _watched(self) -> Iterator[None]:
        handles: list[RemovableHandle] = []
        for layer in self.model.modules():
            if layer in self.writers or self._is_wall(layer):
                handles.append(layer.register_forward_hook(self._write))
            if layer in self.readers or self._is_wall(layer):
                handles.append(layer.register_forward_pre_hook(self._read, with_kwargs=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _write(self, layer: nn.Module, _: Any, output: Any) -> Any:
        if layer is not self.marked:
            return None
        if layer not in self.writers:
            return _everywhere_nan(output)
        axis = self._axis_of(layer, output)
        shape = [1] * output.ndim
        shape[axis] = -1
        return torch.where(self.mark.reshape(shape), torch.nan, output)

    def _read(self, layer: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        for value in (*args, *kwargs.values()):
            if isinstance(value, Tensor) and value.is_floating_point():
                axis = self._axis_of(layer, value)
                marked = value.detach().isnan().movedim(axis, 0).flatten(1).any(1)
                key = layer if layer in self.readers else None
                if key is None and not bool(marked.any()):
                    continue
                slot = key if key is not None else (layer, len(marked))
                self.seen[slot] = self.seen.get(slot, torch.zeros_like(marked)) | marked
        if self._passes(layer):
            return None
        return tuple(_clean(value) for value in args), {name: _clean(value) for name, value in kwargs.items()}

    def _run(self, source: nn.Module, mark: Tensor) -> dict[Any, Tensor]:
        """Where marks of what a layer writes, or of the input, are read."""
        self.marked, self.mark, self.seen = source, mark, {}
        x = torch.full_like(self.x, torch.nan) if source is self.model and self.x.is_floating_point() else self.x
        said = self.model(x)
        for i, value in enumerate(floats(said)):
            self.seen[i] = value.isnan().flatten()
        return self.seen

    def _dependencies(self, layer: nn.Module) -> dict[Any, Tensor]:
        """For each reader, and for the output, bool `(channels written, channels read)`."""
        name, axis = self.writers[layer][0]
        owner, attribute = self.owners[name][0]
        width = int(getattr(self.model.get_submodule(owner), attribute).shape[axis])
        numbers, bits = torch.arange(width), max(1, (width - 1).bit_length())
        ones = [self._run(layer, (numbers >> b & 1).bool()) for b in range(bits)]
        others = [self._run(layer, ~(numbers >> b & 1).bool()) for b in range(bits)]
        keys = {key for run in (*ones, *others) for key in run}

        def stacked(runs: list[dict[Any, Tensor]], key: Any, like: Tensor) -> Tensor:
            return torch.stack([run.get(key, torch.zeros_like(like)) for run in runs])

        found, mixed = {}, False
        for key in keys:
            like = next(run[key] for run in (*ones, *others) if key in run)
            one, other = stacked(ones, key, like), stacked(others, key, like)
            mixed |= bool((one & other).any())
            number = (one.long() << torch.arange(bits)[:, None]).sum(0)
            found[key] = (number == numbers[:, None]) & (one | other).any(0)
        if not mixed:
            return found
        runs = [self._run(layer, numbers == c) for c in range(width)]
        keys = {key for run in runs for key in run}
        return {key: stacked(runs, key, next(run[key] for run in runs if key in run)) for key in keys}

    # Which nodes are one.

    def _root(self, node: Node) -> Node:
        while (parent := self.parents.get(node, node)) != node:
            self.parents[node] = self.parents.get(parent, parent)
            node = parent
        return node

    def _join(self, a: Node, b: Node) -> None:
        a, b = self._root(a), self._root(b)
        if a != b:
            self.parents[a if b is None else b] = b if b is None else a

    def _tie_groups(self, layer: nn.Module, axes: tuple[Axis, ...]) -> None:
        """A weight and its bias; the channels at the same place of each group of a grouped convolution."""
        name, axis = axes[0]
        width = self._shape(name)[axis]
        groups = layer.groups if isinstance(layer, nn.modules.conv._ConvNd) else 1
        for c in range(width):
            self._join((name, axis, c), (name, axis, c % (width // groups)))
            for other, its_axis in axes[1:]:
                self._join((name, axis, c), (other, its_axis, c))

    def _shape(self, name: str) -> torch.Size:
        owner, attribute = self.owners[name][0]
        shape: torch.Size = getattr(self.model.get_submodule(owner), attribute).shape
        return shape

    def _nodes(self, reader: Any, channel: int) -> Iterator[Node]:
        """The indices by which a reader reads a channel."""
        if reader not in self.readers:
            yield None
            return
        for name, axis in self.readers[reader]:
            length = self._shape(name)[axis]
            if _depthwise(reader):
                many = reader.out_channels // reader.in_channels
                yield from ((name, axis, channel * many + k) for k in range(many))
            else:
                yield (name, axis, channel % length)

    def _unite(self, layer: nn.Module, reader: Any, matrix: Tensor) -> None:
        name, axis = self.writers[layer][0]
        for c, j in matrix.nonzero().tolist():
            for node in self._nodes(reader, j):
                self._join((name, axis, c), node)

    def _keep(self, reader: Any, channels: Tensor) -> None:
        if reader in self.readers:
            for j in channels.nonzero()[:, 0].tolist():
                for node in self._nodes(reader, j):
                    self._join(node, None)

    def _result(self) -> Coupling:
        components: dict[Node, dict[Axis, list[int]]] = defaultdict(lambda: defaultdict(list))
        for node in {*self.parents, *(self._root(node) for node in list(self.parents))}:
            root = self._root(node)
            if node is not None and root is not None:
                components[root][node[:2]].append(node[2])
        groups: dict[tuple[Axis, ...], list[Component]] = defaultdict(list)
        for found in components.values():
            indices = {axis: tuple(sorted(found[axis])) for axis in sorted(found)}
            groups[tuple(indices)].append(Component(indices))
        reading = {axis for layer, axes in self.readers.items() if not self._passes(layer) for axis in axes}
        ordered = (
            tuple(sorted(group, key=lambda one: tuple(one.indices.values())))
            for axes, group in sorted(groups.items())
            if len(group) > 1 and reading.intersection(axes)
        )
        return Coupling(tuple(ordered), frozenset(reading), self.owners)


def _tensors(model: nn.Module) -> tuple[dict[str, tuple[tuple[str, str], ...]], dict[int, str]]:
    """The owners of each parameter and buffer, by the name of the first; and that name by the tensor."""
    owners: dict[str, list[tuple[str, str]]] = {}
    names: dict[int, str] = {}
    for path, layer in model.named_modules():
        for attribute, tensor in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
            name = names.setdefault(id(tensor), f"{path}.{attribute}" if path else attribute)
            owners.setdefault(name, []).append((path, attribute))
    return {name: tuple(found) for name, found in owners.items()}, names


def _depthwise(layer: Any) -> bool:
    return type(layer) in _CONVOLUTIONS and layer.groups == layer.in_channels > 1


def _everywhere_nan(value: Any) -> Any:
    if isinstance(value, Tensor):
        return torch.full_like(value, torch.nan) if value.is_floating_point() else value
    return tuple(_everywhere_nan(one) for one in value) if isinstance(value, tuple | list) else value


def _clean(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_floating_point():
        return torch.where(value.isnan(), torch.zeros_like(value), value)
    return value


def floats(value: Any) -> list[Tensor]:
    """The tensors of real numbers in what a network says."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [tensor for part in parts for tensor in floats(part)]
