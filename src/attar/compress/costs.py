"""What a network costs to compute: multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from attar.compress.given import Samples, rows
from attar.training.modes import evaluating


def macs(model: nn.Module, x: Samples) -> int:
    """Multiply-accumulates of one sample: those of convolutions, matrix products, attention and recurrences.

    Zeros count like other numbers, for they are multiplied like other numbers, unless a layer is sparse.

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
    counts = {torch.ops.aten.mm: _products, torch.ops.aten.mv: _products}
    with _fixed(model), FlopCounterMode(display=False, custom_mapping=counts) as counter, evaluated(model), _unfused():
        model(rows(x, torch.arange(1)))
    counted = {name: sum(of.values()) // 2 for name, of in counter.get_flop_counts().items()}
    names = {layer: name for name, layer in model.named_modules()}
    found = dict.fromkeys(names.values(), 0)
    # What has several names is counted under that by which it is called.
    for name, layer in model.named_modules(remove_duplicate=False):
        found[names[layer]] += counted.get(f"{top}.{name}", 0)
    return found | {"": counted.get("Global", 0)}


@contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """Evaluation without gradients and without fused kernels."""
    with layer_by_layer(), evaluating(model), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        yield


@contextmanager
def layer_by_layer() -> Iterator[None]:
    """Transformers call each of their layers, and not one operation for all, which nothing else knows."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def _fixed(model: nn.Module) -> Iterator[None]:
    """Parameters without gradients: the counter takes a view of one, given to a layer, for the result of another."""
    trained = [one for one in model.parameters() if one.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_()


@contextmanager
def _unfused() -> Iterator[None]:
    """Recurrences are the matrix products that they consist of."""
    # Not `torch.backends.mkldnn.flags`: it warns of a type of number that only graphics processors have.
    onednn = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(onednn)


def _products(matrix: Tensor, other: Tensor, **_: Any) -> int:
    """Operations of a product, with each number of the matrix that it stores."""
    stored = matrix.values().numel() if matrix.layout is torch.sparse_csr else matrix.numel()
    return 2 * stored * (other.shape[1] if other.ndim == 2 else 1)


# Given the tensors, rather than their shapes.
_products._get_raw = True  # type: ignore[attr-defined]
