"""What a caller gives, and what comes of it, held to what it can be: each of these raises a `CompressionError`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from attar._settings import is_amount, is_count, is_positive
from attar.compress.places import Place
from attar.errors import CompressionError


def check_network(model: nn.Module) -> None:
    """Hold a network to layers that can be exchanged, which those of TorchScript cannot, and to numbers on the CPU."""
    if isinstance(model, str | Path | dict):
        instead = "module.load_state_dict(weights)" if isinstance(model, dict) else "attar.compress.load(file)"
        raise CompressionError(f"a {type(model).__name__} is no network: give a torch.nn.Module, as after {instead}")
    if not isinstance(model, nn.Module) or isinstance(model, torch.jit.ScriptModule):
        raise CompressionError(
            f"the network is a {type(model).__name__}, whose layers are fixed: give a torch.nn.Module"
        )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise CompressionError(f"{name} has no shape yet: call the network on some samples first")
        if tensor.is_meta:
            raise CompressionError(f"{name} is on the device meta and has no numbers: load them first")
        if tensor.device.type != "cpu":
            raise CompressionError(f"{name} is on the device {tensor.device}: give model.cpu(), and samples on the CPU")


def check_single(model: nn.Module) -> None:
    """Hold a network to single precision, in which files decode what they hold as integers."""
    check_network(model)
    other = next((p.dtype for p in model.parameters() if p.is_floating_point() and p.dtype != torch.float32), None)
    if other is not None:
        raise CompressionError(f"the network has weights of {other}: give model.float(), and samples of float32")


def check_choice(name: str, value: object, words: Sequence[str]) -> None:
    """Hold an argument to the words that it may be."""
    if value not in words:
        raise CompressionError(f"{name}={value!r} is unknown: take one of {', '.join(words)}")


def as_seed(seed: int) -> int:
    """A seed as torch takes it, which takes no numbers of numpy."""
    if not (is_count(seed, 0) and seed < 1 << 32):
        raise CompressionError(f"seed={seed!r}: it must be a whole number from 0, below 2**32")
    return int(seed)


def check_training(model: nn.Module, epochs: int, batch_size: int, lr: float, weight_decay: float) -> None:
    """Hold the settings of a training, and what is to be trained, to what they can be."""
    other = next((name for name, p in model.named_parameters() if p.is_complex() and p.requires_grad), None)
    if other is not None:
        raise CompressionError(
            f"{other} has complex numbers, which are not trained: give its real and its imaginary part as two weights, "
            "or let it need no gradient"
        )
    for name, value, least in (("epochs", epochs, 0), ("batch_size", batch_size, 1)):
        if not is_count(value, least):
            raise CompressionError(f"{name}={value!r}: it must be a whole number from {least}")
    if not is_positive(lr):
        raise CompressionError(f"lr={lr!r}: a learning rate is a number above 0")
    if not is_amount(weight_decay):
        raise CompressionError(f"weight_decay={weight_decay!r}: it must be a finite number from 0")


def check_two_epochs(epochs: int) -> None:
    """Hold a training of masks and codes to as many epochs as it needs."""
    if not is_count(epochs, 2):
        raise CompressionError(
            f"epochs={epochs!r}: it must be a whole number; masks take one, and rounding takes one: give at least 2"
        )


def check_weights(weights: Iterable[Place]) -> None:
    """Hold weights to finite numbers."""
    for place in weights:
        if not bool(place.value.isfinite().all()):
            raise CompressionError(f"{place.name}: some weights are not finite; train the network again")


def check_inputs(name: str, seen: Tensor) -> None:
    """Hold what a layer of that name is given, or a sum over it, to finite numbers."""
    if not bool(seen.isfinite().all()):
        raise CompressionError(f"{name}: some of its inputs are not finite; correct the samples")


def check_answers(answers: Iterable[Tensor], of: str = "network") -> None:
    """Hold what a network, or whoever it is of, answers to real numbers that are finite."""
    answers = list(answers)
    other = next((one.dtype for one in answers if not one.is_floating_point()), None)
    if other is not None:
        raise CompressionError(
            f"the {of} answers with numbers of {other}: give real ones, such as the logits that classes are chosen by"
        )
    if not all(bool(one.isfinite().all()) for one in answers):
        raise CompressionError(
            f"the {of} answers some samples with NaN or infinity: give samples without missing or infinite values, or "
            f"mend the {of}"
        )


def check_gradient(model: nn.Module, said: Tensor) -> None:
    """Hold a network to answers that can be followed back to its weights."""
    if not said.requires_grad:
        raise CompressionError(
            f"{type(model).__name__} turns gradients off, as by torch.no_grad(): let it answer with a gradient"
        )
