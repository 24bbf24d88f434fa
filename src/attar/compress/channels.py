"""Which channels of a network belong together, and can only be taken away at once; and how they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from scipy.cluster.hierarchy import DisjointSet
from torch import Tensor, nn

from attar.compress.checks import check_answers
from attar.compress.costs import evaluated
from attar.compress.marks import Marks, Reader, floats
from attar.compress.widths import depthwise, is_wall, keeps_apart, read_width, reads, say_width, writes

# A tensor, by the name of its first owner, and one of its axes.
Axis = tuple[str, int]
# An index on an axis. None stands for all that must stay.
Node = tuple[str, int, int] | None
# Indices that go together or not at all, by the axes of tensors.
Component = dict[Axis, tuple[int, ...]]
# Of a tensor, the layers, by name, each with the attribute that it has it by.
Owners = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Coupling:
    """How the channels of a network belong together.

    Arguments:
        groups: components that lie on the same axes of the same tensors, two at least.
        readers: the axes by which layers read channels, rather than write them.
        owners: of each tensor, by its name.
    """

    groups: tuple[tuple[Component, ...], ...]
    readers: frozenset[Axis]
    owners: dict[str, Owners]


def coupling(model: nn.Module, x: Tensor) -> Coupling:
    """Find out which channels belong together.

    Channels that are read at one place belong together: those that are added, say. What is read from the input or from
    a layer that cannot be made narrower must stay, and so must what reaches the output. Shared weights are one tensor,
    and so belong together without more; of a grouped convolution, the channels at the same place in each group do.

    Arguments:
        model: in evaluation mode for this.
        x: a few samples `(n, *shape)`.

    Raises:
        CompressionError: an answer is not finite.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
        >>> (group,) = coupling(net, torch.zeros(1, 1, 4, 4)).groups
        >>> group[1]
        {('0.bias', 0): (1,), ('0.weight', 0): (1,), ('2.weight', 1): (4, 5, 6, 7)}
    """
    with evaluated(model):
        check_answers(floats(model(x)))
    marks, union = Marks(model, x), _Union(model)
    reached: dict[Reader, Tensor] = {}
    with marks.watched():
        for layer in model.modules():
            if not writes(layer):
                continue
            nodes = union.written(layer)
            for reader, matrix in marks.dependencies(layer, len(nodes)).items():
                for c, j in matrix.nonzero().tolist():
                    union.join(nodes[c], *union.read(reader, j))
                reached[reader] = reached.get(reader, torch.zeros_like(matrix[0])) | matrix.any(0)
        for source in (model, *(layer for layer in model.modules() if is_wall(layer))):
            for reader, seen in marks.reached_from(source).items():
                union.keep(reader, seen)
    for layer in model.modules():
        if reads(layer) and not (keeps_apart(layer) and not union.axes(layer, reads(layer))):
            union.keep(layer, ~reached.get(layer, torch.zeros(read_width(layer), dtype=torch.bool)))
    return union.result()


class _Union:
    """Nodes that are one."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.nodes = DisjointSet([None])
        self.names: dict[int, str] = {}
        owners: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for path, layer in model.named_modules():
            for attribute, tensor in (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False)):
                name = self.names.setdefault(id(tensor), f"{path}.{attribute}" if path else attribute)
                owners[name].append((path, attribute))
        self.owners: dict[str, Owners] = {name: tuple(found) for name, found in owners.items()}
        self.shapes = {
            name: getattr(model.get_submodule(path), key).shape for name, ((path, key), *_) in owners.items()
        }

    def axes(self, layer: nn.Module, along: tuple[tuple[str, int], ...]) -> list[Axis]:
        tensors = ((getattr(layer, attribute, None), axis) for attribute, axis in along)
        return [(self.names[id(tensor)], axis) for tensor, axis in tensors if tensor is not None]

    def written(self, layer: nn.Module) -> list[Node]:
        """The node of each channel that a layer writes."""
        first, *others = self.axes(layer, writes(layer))
        nodes: list[Node] = [(*first, c) for c in range(self.shapes[first[0]][first[1]])]
        groups = layer.groups if isinstance(layer, nn.modules.conv._ConvNd) else 1
        for c, node in enumerate(nodes):
            self.join(node, nodes[c % (len(nodes) // groups)], *((*axis, c) for axis in others))
        return nodes

    def read(self, reader: Reader, channel: int) -> Iterator[Node]:
        """The nodes by which it is read."""
        if not isinstance(reader, nn.Module):
            yield None
            return
        for name, axis in self.axes(reader, reads(reader)):
            if depthwise(reader):
                many = reader.out_channels // reader.in_channels
                yield from ((name, axis, channel * many + k) for k in range(many))
            else:
                yield (name, axis, channel % self.shapes[name][axis])

    def keep(self, reader: Reader, channels: Tensor) -> None:
        """Let what is read by these channels stay."""
        if isinstance(reader, nn.Module):
            for j in channels.nonzero()[:, 0].tolist():
                self.join(None, *self.read(reader, j))

    def join(self, first: Node, *others: Node) -> None:
        for node in (first, *others):
            self.nodes.add(node)
            self.nodes.merge(first, node)

    def result(self) -> Coupling:
        groups: dict[tuple[Axis, ...], list[Component]] = defaultdict(list)
        for nodes in self.nodes.subsets():
            # A channel by itself is read nowhere, and with None go those that must stay.
            if len(nodes) > 1 and None not in nodes:
                found: dict[Axis, list[int]] = defaultdict(list)
                for name, axis, index in sorted(nodes):
                    found[name, axis].append(index)
                groups[tuple(found)].append({axis: tuple(indices) for axis, indices in found.items()})
        layers = [layer for layer in self.model.modules() if not keeps_apart(layer)]
        readers = frozenset(axis for layer in layers for axis in self.axes(layer, reads(layer)))
        ordered = (
            tuple(sorted(group, key=lambda one: tuple(one.values())))
            for axes, group in sorted(groups.items())
            if len(group) > 1 and readers.intersection(axes)
        )
        return Coupling(tuple(ordered), readers, self.owners)


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
