"""Everything that training needs to go on where it was killed, in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from attar._files import SEAL, is_whole, sealed, write_whole
from attar.errors import RunError, first_line
from attar.training.devices import random_state, set_random_state

# Names in the file: what a tensor belongs to, and its own name there.
_MODULE = "module."
_OPTIMIZER = "optimizer."
_RNG_LOSS = "rng.loss"
_RNG_GLOBAL = "rng.global"
_RNG_DEVICE = "rng.device"
_LOSSES = "losses"
_META = "attar"


@dataclass
class Position:
    """How far training has come.

    Arguments:
        step: how many optimiser steps have been taken.
        losses: of each step so far.
    """

    step: int
    losses: list[float]


@dataclass(frozen=True)
class Plan:
    """What decides the course of training; a checkpoint fits only the plan that it was written under.

    Arguments:
        n: number of samples.
        steps: in all.
        batch_size: samples in a batch.
        lr: highest learning rate.
        weight_decay: of weight matrices and kernels.
        seed: of the order of samples and of everything drawn in the loss.
        precision: of the loss.
        device: type of what is trained on.
        asked: a fingerprint of what else decides, such as samples; empty where others look after that.
    """

    n: int
    steps: int
    batch_size: int
    lr: float
    weight_decay: float
    seed: int
    precision: str = "32-true"
    device: str = "cpu"
    asked: str = ""

    @property
    def per_epoch(self) -> int:
        """Steps in a pass over all samples."""
        return max(1, self.n // self.batch_size)


def write(
    path: Path,
    plan: Plan,
    position: Position,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> None:
    """Write a checkpoint, whole or not at all.

    Arguments:
        path: of the checkpoint.
        plan: the course of training.
        position: how far it has come.
        module: whose weights and buffers are kept.
        optimizer: whose state is kept.
        generator: which the loss draws from.
    """
    tensors = {_MODULE + name: t for name, t in module.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"{_OPTIMIZER}{index}.{name}": t for name, t in state.items()}
    tensors[_RNG_LOSS] = generator.get_state()
    tensors[_RNG_GLOBAL] = torch.get_rng_state()
    if plan.device != "cpu":
        tensors[_RNG_DEVICE] = random_state(generator.device)
    tensors[_LOSSES] = torch.tensor(position.losses, dtype=torch.float64)
    # A copy of each: safetensors refuses two names for one memory, as tied weights have.
    whole = {name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}
    header = {_META: json.dumps({"plan": asdict(plan), "step": position.step})}
    write_whole(path, sealed(save(whole, metadata={**header, **SEAL})))


def read(
    path: Path,
    plan: Plan,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator,
) -> Position:
    """Bring module, optimiser and random states to where the checkpoint was written.

    Arguments:
        path: of the checkpoint; where there is none, nothing changes.
        plan: the course of training.
        module: as in `write`.
        optimizer: as in `write`.
        generator: as in `write`.

    Returns:
        How far training had come.

    Raises:
        RunError: the file is corrupt, or was written under another plan or for another network.
    """
    if not path.exists():
        return Position(0, [])
    remedy = f"delete {path} to start over"
    try:
        if not is_whole(path.read_bytes()):
            raise ValueError("its checksum is that of other bytes")
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_META])
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        # A checkpoint of earlier days does not say what else was asked.
        settings = {"asked": plan.asked, **header["plan"]}
        step, losses = int(header["step"]), [float(v) for v in tensors[_LOSSES].tolist()]
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"checkpoint {path} is corrupt ({error}); {remedy}") from error
    if settings != asdict(plan):
        raise RunError(f"checkpoint {path} belongs to a training with other settings or samples; {remedy}")
    try:
        module.load_state_dict(_under(tensors, _MODULE))
        _restore(optimizer, _under(tensors, _OPTIMIZER))
        generator.set_state(tensors[_RNG_LOSS])
        torch.set_rng_state(tensors[_RNG_GLOBAL])
        if plan.device != "cpu":
            set_random_state(generator.device, tensors[_RNG_DEVICE])
    except (RuntimeError, KeyError, ValueError, TypeError, IndexError) as error:
        raise RunError(f"checkpoint {path} belongs to another network ({first_line(error)}); {remedy}") from error
    return Position(step, losses)


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, t in tensors.items():
        index, _, key = name.partition(".")
        # In the order in memory that its parameter has, which a fused optimiser takes for granted.
        like = parameters[int(index)]
        state.setdefault(int(index), {})[key] = torch.empty_like(like).copy_(t) if t.shape == like.shape else t
    if len({frozenset(of_one) for of_one in state.values()}) > 1:
        raise KeyError("the optimiser does not keep the same of each parameter")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
