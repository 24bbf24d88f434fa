"""Fewer channels, neurons and heads: the network that remains is an ordinary, narrower one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from attar.compress.attention import split_heads
from attar.compress.channels import Axis, Component, Coupling, coupling, narrow, silence
from attar.compress.costs import evaluated, macs, macs_of_layers
from attar.compress.given import Labels, Samples, rows
from attar.compress.importance import effects
from attar.compress.marks import floats
from attar.compress.masks import Scope
from attar.compress.places import copied
from attar.compress.reconstruct import drop_biases, give_biases, reconstruct
from attar.compress.widths import following, is_wall
from attar.errors import CompressionError
from attar.training.progress import Progress, Silent

Criterion = Literal["magnitude", "taylor", "scale"]
# Samples that a narrowed network is compared on, and by how much its answers may differ, for sums in another order.
_SAMPLES, _TOLERANCE = 4, 1e-4
# Of a number of multiply-accumulates, relatively.
_EXACT = 1e-9
_WHY = "the network says its width elsewhere too"


@torch.random.fork_rng(devices=[])  # new layers draw weights, which are then replaced
def narrowed(
    model: nn.Module,
    amount: float,
    x: Samples,
    y: Labels = None,
    *,
    scope: Scope = "global",
    criterion: Criterion = "magnitude",
    seed: int = 0,
    progress: Progress | None = None,
) -> nn.Module:
    """Return a narrower copy that needs fewer multiply-accumulates by a share.

    Channels that belong together (see `coupling`) go together; each time those of least importance, by "taylor" for the
    multiply-accumulates that they cost, and what reads them makes up for them (see `reconstruct`). Widths become
    multiples of eight where there are many, since those are quick to compute with, unless that saved more than all that
    is asked for. One of each group stays at least, the output keeps its width, and a group that cannot go (the rest
    would compute something else than the network with these channels silent) is left as it is; so less may be saved.

    References:
        Li et al., Pruning Filters for Efficient ConvNets, 2017, https://arxiv.org/abs/1608.08710
        Fang et al., DepGraph: Towards Any Structural Pruning, 2023, https://arxiv.org/abs/2301.12900

    Arguments are those of `prune`, besides:
        scope: "layer": all groups lose the same share of their channels.
        criterion: "magnitude": √(sum of w² of all weights that go), over the mean of the group; "taylor": mean of
            (Σ g w)² over the weights that read the channels, the squared first-order change of the loss without them;
            "scale": |γ| of the batch normalisation.

    Raises:
        CompressionError: there is nothing that could go.
    """
    progress = progress or Silent()
    original, model = model, copied(model).eval()
    few = rows(x, torch.arange(min(_SAMPLES, len(x))))
    split_heads(model, few)
    give_biases(model)
    coupled = coupling(model, few)
    for name, layer in model.named_modules():
        if is_wall(layer) and any(p.ndim > 1 for p in layer.parameters()):
            progress.say(f"{name}: keeps its width, since a {type(layer).__name__} cannot be made narrower")
    scores = _scores(model, coupled, x, y, criterion, seed)
    groups = _removable(model, coupled, scores, few, progress)
    if not groups:
        raise CompressionError(f"{type(model).__name__} has no channels that could be taken away: prune its weights")
    costs = _Costs(model, coupled, few)
    whole = costs.total
    _choose(costs, groups, amount, scope, additive=criterion == "taylor")
    reconstruct(model, coupled, [one for group in groups for one in group.components[: group.gone]], x)
    narrower = _narrowest(model, coupled, groups, few, progress)
    if (saved := whole - macs(narrower, few)) < amount * whole * (1 - _EXACT):
        progress.say(f"{saved / whole:.1%} of the work is saved, less than {amount:.1%}: nothing else can go")
    drop_biases(narrower, original)
    return narrower


def _removable(
    model: nn.Module, coupled: Coupling, scores: Sequence[Sequence[float]], x: Tensor, progress: Progress
) -> list[_Group]:
    """The groups of which some components can go, ordered by their scores."""
    groups = []
    for components, of_group in zip(coupled.groups, scores):
        group = _Group(components, of_group)
        if of_group and group.find_counter(model, coupled, x):
            groups.append(group)
        else:
            progress.say(f"{group.name}: left as it is, since {_WHY if of_group else 'it has no batch norm'}")
    return groups


def _narrowest(
    model: nn.Module, coupled: Coupling, groups: Sequence[_Group], x: Tensor, progress: Progress
) -> nn.Module:
    """The network without what is gone of as many groups as can go together, the first ones first."""
    narrower = model
    going: list[_Group] = []
    for group in groups:
        if not group.gone:
            continue
        less = _without(model, coupled, [*going, group], x)
        if less is None:
            progress.say(f"{group.name}: left as it is, since {_WHY}")
        else:
            narrower = less
            going.append(group)
    return narrower


class _Group:
    """Components on the same axes of the same tensors, the least important first; `gone` of them are taken away."""

    def __init__(self, components: Sequence[Component], scores: Sequence[float]) -> None:
        order = sorted(range(len(scores)), key=lambda i: scores[i])
        self.components = [components[i] for i in order] or list(components)
        self.scores = [scores[i] for i in order]
        self.name = next(iter(components[0]))[0].rpartition(".")[0]
        self.gone = 0
        # A submodule and its attribute that says how many there are, such as the number of heads.
        self.counter: tuple[str, str] | None = None

    def block(self) -> int:
        """How many go next: to a multiple of eight, where many are left; 0: none."""
        left = len(self.components) - self.gone
        single = min(len(indices) for indices in self.components[0].values()) == 1
        step = 1 if not single or left <= 8 else 4 if left <= 16 else 8
        return 0 if left == 1 else left % step or step

    def find_counter(self, model: nn.Module, coupled: Coupling, x: Tensor) -> bool:
        """Whether some can go; where a number of a submodule has to follow, `counter` says which."""
        self.gone = self.block()
        for counter in (None, *self._counters(model)):
            self.counter = counter
            if _without(model, coupled, [self], x) is not None:
                self.gone = 0
                return True
        return False

    def _counters(self, model: nn.Module) -> list[tuple[str, str]]:
        """Numbers of the layers around that equal the number of components."""
        parts = self.name.split(".")
        around = {path: model.get_submodule(path) for path in (".".join(parts[:i]) for i in range(len(parts), -1, -1))}
        many = len(self.components)
        return [
            (path, name)
            for path, layer in around.items()
            for name, value in vars(layer).items()
            if type(value) is int and value == many
        ]


def _without(model: nn.Module, coupled: Coupling, groups: Sequence[_Group], x: Tensor) -> nn.Module | None:
    """A narrower copy, without the components of some groups that are gone.

    None where it does not answer as the network of full width does when nothing reads these components.
    """
    components = [one for group in groups for one in group.components[: group.gone]]
    silent, less = copied(model), copied(model)
    silence(silent, coupled, components)
    narrow(less, coupled, components)
    for group in groups:
        if group.counter is not None:
            path, attribute = group.counter
            setattr(less.get_submodule(path), attribute, len(group.components) - group.gone)
    with evaluated(silent), evaluated(less), following(less):
        expected = floats(silent(x))
        try:
            got = floats(less(x))
        except Exception:  # whatever the network raises, its widths are written down elsewhere too
            return None
    same = (
        a.shape == b.shape and bool((a - b).abs().max() <= _TOLERANCE * a.abs().max()) for a, b in zip(expected, got)
    )
    return less if all(same) else None


class _Costs:
    """Multiply-accumulates by the widths: those of a layer are proportional to the numbers of its weight."""

    def __init__(self, model: nn.Module, coupled: Coupling, x: Tensor) -> None:
        counted = macs_of_layers(model, x)
        self.total: float = counted[""]
        self.of: dict[str, float] = {}
        self.width: dict[Axis, int] = {}
        for name, owners in coupled.owners.items():
            shape = getattr(model.get_submodule(owners[0][0]), owners[0][1]).shape
            self.width |= {(name, axis): length for axis, length in enumerate(shape)}
            self.of[name] = sum(
                counted[path] * _part(model.get_submodule(path), attribute) for path, attribute in owners
            )

    def saved(self, component: Component, n: int) -> float:
        """What so many components like this one cost."""
        left: dict[str, float] = {}
        for axis, indices in component.items():
            left[axis[0]] = left.get(axis[0], 1.0) * (1 - n * len(indices) / self.width[axis])
        return sum(self.of[name] * (1 - share) for name, share in left.items())

    def take(self, component: Component, n: int) -> None:
        """Let them go."""
        self.total -= self.saved(component, n)
        for axis, indices in component.items():
            less = self.width[axis] - n * len(indices)
            self.of[axis[0]] *= less / self.width[axis]
            self.width[axis] = less


def _part(layer: nn.Module, attribute: str) -> float:
    """How much of the work of a layer is that of a weight."""
    weights = {name: p.numel() for name, p in layer.named_parameters(recurse=False) if name.startswith("weight")}
    return weights.get(attribute, 0) / max(sum(weights.values()), 1)


def _choose(costs: _Costs, groups: Sequence[_Group], amount: float, scope: Scope, additive: bool) -> None:
    """Let components go until enough is saved, or no more can go."""
    asked = amount * costs.total
    # Shares of shares are not exact, and no channel is to go for that.
    enough = (costs.total - asked) * (1 + _EXACT)

    def importance(group: _Group) -> float:
        """Of the components that go next, in the order in which groups give up some."""
        if scope == "layer":
            return group.gone / len(group.components)
        n = group.block()
        return sum(group.scores[group.gone : group.gone + n]) / (costs.saved(group.components[0], n) if additive else n)

    while costs.total > enough:
        able = [group for group in groups if group.block() and costs.saved(group.components[0], group.block()) > 0]
        if not able:
            return
        group = min(able, key=importance)
        one, n = group.components[0], group.block()
        if costs.saved(one, n) > asked:
            # A width that is quick to compute with is not worth more than all that is asked for.
            n = next(i for i in range(1, n + 1) if costs.saved(one, i) >= costs.total - enough)
        costs.take(one, n)
        group.gone += n


def _scores(
    model: nn.Module, coupled: Coupling, x: Samples, y: Labels, criterion: Criterion, seed: int
) -> list[list[float]]:
    """The importance of each component of each group; empty where the criterion does not apply."""
    if criterion == "taylor":
        total = [torch.zeros(len(group)) for group in coupled.groups]
        for effect in effects(model, x, y, seed):
            sums = {axis: _along(effect[axis[0]], axis[1]) for axis in coupled.readers if axis[0] in effect}
            for i, group in enumerate(coupled.groups):
                total[i] += _sums(group, sums).square()
        return [one.tolist() for one in total]
    if criterion == "scale":
        scales = {
            (name, 0): model.get_parameter(name).detach().abs()
            for name, ((path, attribute), *_) in coupled.owners.items()
            if attribute == "weight" and isinstance(model.get_submodule(path), _BatchNorm)
        }
        return [_sums(g, scales).tolist() if scales.keys() & g[0].keys() else [] for g in coupled.groups]
    weights = {name: w.detach().square() for name, w in model.named_parameters() if w.ndim > 1}
    squares = {(name, axis): _along(w, axis) for name, w in weights.items() for axis in range(w.ndim)}
    found = [_sums(group, squares).sqrt() for group in coupled.groups]
    return [(one / one.mean().clamp(min=torch.finfo(one.dtype).tiny)).tolist() for one in found]


def _along(tensor: Tensor, axis: int) -> Tensor:
    return tensor.movedim(axis, 0).flatten(1).sum(1)


def _sums(group: Sequence[Component], vectors: Mapping[Axis, Tensor]) -> Tensor:
    """For each component the sum of the numbers at its indices."""

    def one(component: Component) -> Tensor:
        # What reads them may have no effect.
        parts = [vectors[a][list(i)].sum() for a, i in component.items() if a in vectors]
        return sum(parts, torch.zeros(()))

    return torch.stack([one(component) for component in group])
