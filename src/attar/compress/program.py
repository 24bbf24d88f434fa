"""A network as a list of operations: what it computes, without the code that computed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from attar.compress.operations import function
from attar.errors import CompressionError


@dataclass(frozen=True)
class Result:
    """What an operation gave; 0 is the input, i that of the i-th step."""

    of: int


@dataclass(frozen=True)
class Stored:
    """A tensor of the network, by its name."""

    name: str


@dataclass(frozen=True)
class Step:
    """One operation.

    Arguments:
        operation: its name in `operations`.
        arguments: numbers, strings, dtypes, `Result`, `Stored`, and lists of these.
        named: the same, by name.
    """

    operation: str
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]


@dataclass(frozen=True)
class Listing:
    """What a program computes.

    Arguments:
        steps: in their order.
        outputs: what is given back; one alone is not put into a tuple.
        example: one sample of the input `(1, *shape)`; the values do not matter.
    """

    steps: tuple[Step, ...]
    outputs: tuple[Result, ...]
    example: Tensor


class Program(nn.Module):
    """Computes a list of operations.

    Its tensors are those of the network that it was made from, under their names, in modules that have nothing else:
    they can be listed, trained, moved and compressed like those of any network. What else it has is private, so that a
    tensor may have any name that torch allows.
    """

    def __init__(self, listing: Listing) -> None:
        super().__init__()
        self._listing = listing
        self._last = _last_uses(listing)

    def forward(self, x: Tensor) -> Any:
        """What the network says of a batch `(n, *shape)`."""
        results: dict[int, Any] = {0: x}
        for i, step in enumerate(self._listing.steps, start=1):
            results[i] = computed(self, step, results)
            for spent in self._last.get(i, ()):
                del results[spent]
        given = tuple(results[one.of] for one in self._listing.outputs)
        return given[0] if len(given) == 1 else given

    def extra_repr(self) -> str:
        """The number of operations."""
        return f"{len(self._listing.steps)} operations"


def listed(program: Program) -> Listing:
    """What a program computes."""
    return program._listing


def computed(program: Program, step: Step, results: Mapping[int, Any]) -> Any:
    """What a step gives, from what those before it gave."""

    def filled(argument: Any) -> Any:
        if isinstance(argument, Result):
            return results[argument.of]
        if isinstance(argument, Stored):
            return held(program, argument.name)
        return [filled(one) for one in argument] if isinstance(argument, list | tuple) else argument

    named = {key: filled(one) for key, one in step.named.items()}
    return function(step.operation)(*(filled(one) for one in step.arguments), **named)


def hold(program: Program, name: str, tensor: Tensor) -> None:
    """Give a program a tensor under its name; a parameter stays one.

    Raises:
        CompressionError: there cannot be a tensor of that name.
    """
    *path, last = name.split(".")
    owner: nn.Module = program
    try:
        for part in path:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner.get_submodule(part)
        if isinstance(tensor, nn.Parameter):
            owner.register_parameter(last, tensor)
        else:
            owner.register_buffer(last, tensor)
    except (KeyError, TypeError, AttributeError) as error:
        raise CompressionError(f"a tensor cannot be called {name[:60]!r}: {error}") from error


def held(program: Program, name: str) -> Tensor:
    """The tensor of a name, as it is computed with."""
    tensor: Tensor = attrgetter(name)(program)
    return tensor


def references(step: Step, kind: type) -> list[Any]:
    """What a step refers to, in the order of its arguments."""
    return [one for one in tree_leaves((step.arguments, step.named)) if isinstance(one, kind)]


def stored_names(program: Program) -> list[str]:
    """The tensors of a program in the order in which they are first used."""
    return list(dict.fromkeys(one.name for step in listed(program).steps for one in references(step, Stored)))


def _last_uses(listing: Listing) -> dict[int, tuple[int, ...]]:
    """Which results are not needed after a step."""
    last: dict[int, int] = {i: i for i in range(1, len(listing.steps) + 1)}
    for i, step in enumerate(listing.steps, start=1):
        last.update({one.of: i for one in references(step, Result)})
    for one in listing.outputs:
        last.pop(one.of, None)
    spent: dict[int, list[int]] = {}
    for result, step_number in last.items():
        spent.setdefault(step_number, []).append(result)
    return {i: tuple(some) for i, some in spent.items()}
