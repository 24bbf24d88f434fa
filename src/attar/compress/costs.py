"""What a network costs to compute: multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from attar.compress.distillation import Samples, rows


def macs(model: nn.Module, x: Samples) -> int:
    """Multiply-accumulates of one sample: those of convolutions, matrix products, attention and recurrences.

    Zeros count like other numbers, for they are multiplied like other numbers. The model is not changed.

    Arguments:
        model: in evaluation mode for this.
        x: samples `(n, *shape)`, of which the first is used.

    Example:
        >>> macs(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 10)), torch.zeros(5, 1, 8, 8))
        2736
    """
    return macs_of_layers(model, x)[""]


def macs_of_layers(model: nn.Module, x: Samples) -> dict[str, int]:
    """Multiply-accumulates of one sample in each submodule, by its name in `named_modules`; "" is the whole."""
    top = type(model).__name__
    with FlopCounterMode(display=False) as counter, evaluated(model), unfused():
        model(rows(x, torch.arange(1)))
    counted = {name: sum(of.values()) // 2 for name, of in counter.get_flop_counts().items()}
    found = {name: counted.get(f"{top}.{name}", 0) for name, _ in model.named_modules()}
    return found | {"": counted.get("Global", 0)}


@contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """Evaluation without gradients, in which a transformer calls all of its layers."""
    training, fast = model.training, torch.backends.mha.get_fastpath_enabled()
    model.eval()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        model.train(training)


@contextmanager
def unfused() -> Iterator[None]:
    """Attention and recurrences are the matrix products that they consist of."""
    # Not `torch.backends.mkldnn.flags`: it warns of a type of number that only graphics processors have.
    onednn = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch._C._set_mkldnn_enabled(onednn)
