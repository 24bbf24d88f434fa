"""Where a network keeps its weights: each once, with all the layers that share it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch.nn.utils.parametrize as parametrize
from torch import Tensor, fx, nn

from attar.deploy.replace import replace


@dataclass(frozen=True, eq=False)
class Place:
    """A tensor of a network.

    Arguments:
        name: as in `named_parameters`, of the first layer that owns it.
        owners: layers, each with the attribute by which it has the tensor; more than one where it is shared.
    """

    name: str
    owners: tuple[tuple[nn.Module, str], ...]

    @property
    def layer(self) -> nn.Module:
        """The first owner."""
        return self.owners[0][0]

    @property
    def value(self) -> Tensor:
        """The tensor that the layer computes with."""
        return cast(Tensor, getattr(*self.owners[0]))

    def chain(self) -> list[nn.Module]:
        """Its parametrisations, the one that is applied first in front."""
        layer, name = self.owners[0]
        return list(getattr(layer.parametrizations, name)) if parametrize.is_parametrized(layer, name) else []

    def original(self) -> Tensor:
        """What the layer keeps: the tensor itself where there is no parametrisation."""
        layer, name = self.owners[0]
        if not parametrize.is_parametrized(layer, name):
            return self.value
        return cast(Tensor, getattr(layer.parametrizations, name).original)

    def replace(self, value: Tensor) -> None:
        """Give all owners this parameter, without parametrisations."""
        parameter = nn.Parameter(value.detach().clone())
        for layer, name in self.owners:
            bare(layer, name)
            layer.register_parameter(name, parameter)

    def wrap(self, parametrization: nn.Module) -> None:
        """Put a parametrisation between the tensor, in all layers that share it, and its use."""
        for layer, name in self.owners:
            _own_class(layer)
            parametrize.register_parametrization(layer, name, parametrization, unsafe=True)


def places(model: nn.Module) -> list[Place]:
    """Every parameter, and every tensor that is kept as integers, in the order of the network's layers.

    Example:
        >>> tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        >>> tied[1].weight = tied[0].weight
        >>> [(place.name, len(place.owners)) for place in places(tied)]
        [('0.weight', 2), ('0.bias', 1), ('1.bias', 1)]
    """
    found: dict[int, tuple[str, list[tuple[nn.Module, str]]]] = {}
    for prefix, layer in model.named_modules():
        if isinstance(layer, parametrize.ParametrizationList) or decodes(prefix):
            continue
        own = dict(layer.named_parameters(recurse=False, remove_duplicate=False))
        if parametrize.is_parametrized(layer):
            own |= {name: listed.original for name, listed in layer.parametrizations.items()}
        for name, tensor in own.items():
            path = f"{prefix}.{name}" if prefix else name
            found.setdefault(id(tensor), (path, []))[1].append((layer, name))
    return [Place(name, tuple(owners)) for name, owners in found.values()]


def exchange(model: nn.Module, instead: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """Put layers in the place of others, under all the names that a network has for these.

    Arguments:
        model: changed in place.
        instead: what stands for which layer.

    Returns:
        The model; where it is itself one of the layers, what stands for it.
    """
    for parent in model.modules():
        # Else the fused kernel takes the weights of its layers alone,
        if isinstance(parent, nn.TransformerEncoderLayer) and any(child in instead for child in parent.children()):
            parent.activation_relu_or_gelu = 0
        # and gives them what only it can take.
        if isinstance(parent, nn.TransformerEncoder):
            parent.use_nested_tensor = False
    replace(model, instead)
    return instead.get(model, model)


def replaceable(
    model: nn.Module, instead: Mapping[nn.Module, nn.Module], holds: Callable[[], bool]
) -> dict[nn.Module, nn.Module]:
    """Those of the layers that others can stand for, all at once or each by itself; the network stays as it is.

    Arguments:
        model: of the layers.
        instead: what is to stand for which layer.
        holds: whether the network is right as it is then; whatever it raises says no.
    """

    def stand(some: Collection[nn.Module]) -> bool:
        # Not by `exchange`, which leaves marks in transformers.
        replace(model, {old: instead[old] for old in some})
        try:
            return holds()
        # Whatever a network does with what is no such layer has an exception of its own.
        except Exception:
            return False
        finally:
            replace(model, {instead[old]: old for old in some})

    return dict(instead) if stand(instead) else {old: new for old, new in instead.items() if stand([old])}


def copyable(model: nn.Module) -> nn.Module:
    """The network itself, in which recurrent layers let go of the weights that they have just computed: torch refuses
    to copy what they keep of them while these carry a gradient."""
    for layer in model.modules():
        if isinstance(layer, nn.RNNBase) and parametrize.is_parametrized(layer):
            layer._flat_weights = [None if one is None else one.detach() for one in layer._flat_weights]
    return model


def copied(model: nn.Module) -> nn.Module:
    """A deep copy, also of layers that keep what they have just computed, which torch refuses to copy; of a network
    that is wrapped for several devices or by the compiler, it is one of what is inside."""
    model = _inside(model)
    kept = (tensor for layer in model.modules() for tensor in _tensors(list(vars(layer).values())))
    new = copy.deepcopy(model, {id(tensor): tensor.detach().clone() for tensor in kept if not tensor.is_leaf})
    for layer in list(new.modules()):
        if isinstance(layer, fx.GraphModule) and not isinstance(layer, _CopiedWhole):
            _set_apart(layer)
    return new


class _CopiedWhole(fx.GraphModule):
    """A traced network that is copied with the parametrisations of its own tensors, which torch's way does not find."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _CopiedWhole:
        new = memo[id(self)] = object.__new__(type(self))
        new.__dict__ = copy.deepcopy(self.__dict__, memo)
        # torch has the tensors of a parametrised layer in its class, which then cannot be compiled anew.
        if not parametrize.is_parametrized(new):
            _set_apart(new)
        return new


def _set_apart(layer: fx.GraphModule) -> None:
    """Give a traced network a class of its own, as torch does: what is compiled of its graph is kept in that."""
    bases = type(layer).__bases__
    bases = bases if _CopiedWhole in bases else (_CopiedWhole, *bases)
    layer.__class__ = type(type(layer).__name__, bases, {})
    layer.graph = layer.graph


def _inside(model: nn.Module) -> nn.Module:
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        # What torch.compile gives, whose class cannot be had without loading the compiler.
        elif "_orig_mod" in model._modules:
            model = cast(nn.Module, model._orig_mod)
        else:
            return model


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _tensors(one)


def bare(layer: nn.Module, name: str) -> None:
    """Take a tensor and its parametrisations from a layer."""
    if not parametrize.is_parametrized(layer, name):
        delattr(layer, name)
        return
    # Not by `remove_parametrizations`: that changes the class, which copies of the layer share with it.
    _own_class(layer)
    lists = cast(nn.ModuleDict, layer.parametrizations)
    del lists[name]
    delattr(type(layer), name)
    if not len(lists):
        del layer.parametrizations
        layer.__class__ = type(layer).__bases__[0]


def _own_class(layer: nn.Module) -> None:
    """Give a layer with parametrisations a class that no copy of it shares: torch keeps them as properties of it."""
    if parametrize.is_parametrized(layer):
        old = type(layer)
        layer.__class__ = type(old.__name__, old.__bases__, dict(old.__dict__))


def decodes(path: str) -> bool:
    """Whether a module of that name belongs to a parametrisation rather than to the network."""
    return "parametrizations" in path.split(".")
