"""Which channels a layer reads from which others, found out by watching where not-a-number goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from attar.compress.costs import evaluated
from attar.compress.widths import axis_of, is_wall, keeps_apart, reads, writes

# A layer that reads channels; or a place where they must stay: a layer that cannot be made narrower, or the output.
Reader = nn.Module | tuple[str, int]


class Marks:
    """Runs of a network in which some channels are NaN.

    Whatever is computed from a marked channel (a sum, a concatenation, a flattening, a slice, a normalisation by
    fixed statistics, pooling, …) is NaN just where it depends on it, up to the layers that read it. There the mark is
    noted and taken away. No operation needs to be known.

    Arguments:
        model: in evaluation mode for this.
        x: a few samples `(n, *shape)`.
    """

    def __init__(self, model: nn.Module, x: Tensor) -> None:
        self.model, self.x = model, x
        self._source: nn.Module | None = None
        self._mark = torch.zeros(0, dtype=torch.bool)
        self._seen: dict[Reader, Tensor] = {}

    def dependencies(self, layer: nn.Module, width: int) -> dict[Reader, Tensor]:
        """Bool `(channels that the layer writes, channels read)` for each reader that they reach.

        Several channels are told apart by few runs: run b marks those whose number has bit b, and another all others.
        Where a reader depends on more than one (on a head of an attention, say), each is marked by itself.
        """
        numbers = torch.arange(width)
        bits = [(numbers >> b & 1).bool() for b in range(max(1, (width - 1).bit_length()))]
        runs = self._runs(layer, [*bits, *(~bit for bit in bits)])
        pairs = {reader: seen.chunk(2) for reader, seen in runs.items()}
        if any(bool((one & other).any()) for one, other in pairs.values()):
            return self._runs(layer, [numbers == c for c in range(width)])
        found = {}
        for reader, (one, other) in pairs.items():
            number = (one.long() << torch.arange(len(bits))[:, None]).sum(0)
            found[reader] = (number == numbers[:, None]) & (one | other).any(0)
        return found

    def reached_from(self, source: nn.Module) -> dict[Reader, Tensor]:
        """Bool `(channels read,)`: which depend on anything that a layer writes; of the model itself, on its input."""
        return self._run(source, torch.ones(1, dtype=torch.bool))

    @contextmanager
    def watched(self) -> Iterator[None]:
        """All runs are within this."""
        with evaluated(self.model), ExitStack() as hooks:
            for layer in self.model.modules():
                if writes(layer) or is_wall(layer):
                    hooks.enter_context(layer.register_forward_hook(self._written))
                if reads(layer) or is_wall(layer):
                    hooks.enter_context(layer.register_forward_pre_hook(self._read, with_kwargs=True))
            yield

    def _runs(self, layer: nn.Module, marks: list[Tensor]) -> dict[Reader, Tensor]:
        runs = [self._run(layer, mark) for mark in marks]
        like = {reader: seen for run in runs for reader, seen in run.items()}
        return {
            reader: torch.stack([run.get(reader, torch.zeros_like(seen)) for run in runs])
            for reader, seen in like.items()
        }

    def _run(self, source: nn.Module, mark: Tensor) -> dict[Reader, Tensor]:
        self._source, self._mark, self._seen = source, mark, {}
        said = self.model(_nan(self.x) if source is self.model else self.x)
        for i, value in enumerate(floats(said)):
            self._seen["output", i] = value.isnan().flatten()
        return self._seen

    def _written(self, layer: nn.Module, _: Any, output: Any) -> Any:
        if layer is not self._source:
            return None
        if not writes(layer):
            return _nan(output)
        shape = [1] * output.ndim
        shape[axis_of(layer, output)] = -1
        return torch.where(self._mark.reshape(shape), torch.nan, output)

    def _read(self, layer: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        for i, value in enumerate(floats((*args, *kwargs.values()))):
            marked = value.isnan().movedim(axis_of(layer, value), 0)[..., None].flatten(1).any(1)
            # What comes after the input, such as the first state of a recurrent layer, keeps its width.
            reader = layer if reads(layer) and not i else (f"wall {id(layer)}", len(marked))
            self._seen[reader] = self._seen.get(reader, torch.zeros_like(marked)) | marked
        if keeps_apart(layer):
            return None
        return _clean((args, kwargs))


def floats(value: Any) -> list[Tensor]:
    """The tensors of real numbers in what a network says."""
    if isinstance(value, Tensor):
        return [value.detach()] if value.is_floating_point() else []
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else ()
    return [tensor for part in parts for tensor in floats(part)]


def _nan(value: Any) -> Any:
    return tree_map_only(Tensor, lambda one: torch.full_like(one, torch.nan) if one.is_floating_point() else one, value)


def _clean(value: Any) -> Any:
    return tree_map_only(Tensor, lambda one: one.masked_fill(one.isnan(), 0), value)
