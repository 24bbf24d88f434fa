"""Linear layers that store and multiply only what is not zero."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from attar.compress.costs import evaluated
from attar.compress.given import Samples, rows, samples_for
from attar.compress.parametrizations import frozen
from attar.compress.places import exchange

# Each way is timed in turns, so often. Sparse is taken where it needs no more than this part of the time.
_TURNS = 15
_PART = 0.95
# Which there are sparse products of.
_DTYPES = (torch.float32, torch.float64)


class SparseLinear(nn.Module):
    """y = W x + b with W in compressed rows: time and memory are proportional to what is not zero.

    For inference: the weights are buffers.

    Arguments:
        linear: whose weight and bias are taken.

    Example:
        >>> linear = nn.Linear(4, 3)
        >>> _ = linear.weight.data.mul_(linear.weight > 0)
        >>> x = torch.randn(5, 4)
        >>> torch.allclose(SparseLinear(linear)(x), linear(x), atol=1e-6)
        True
    """

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        with warnings.catch_warnings():
            # torch says once that compressed rows are new.
            warnings.filterwarnings("ignore", "Sparse CSR tensor support")
            held = linear.weight.detach().to_sparse_csr()
        self.starts: Tensor
        self.columns: Tensor
        self.values: Tensor
        self.bias: Tensor | None
        # Indices of 32 bits are half of those that torch makes, and what the kernel takes.
        self.register_buffer("starts", held.crow_indices().int())
        self.register_buffer("columns", held.col_indices().int())
        self.register_buffer("values", held.values())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone())
        self.eval()

    @property
    def weight(self) -> Tensor:
        """W `(out, in)`, in compressed rows."""
        size = (self.out_features, self.in_features)
        return torch.sparse_csr_tensor(self.starts, self.columns, self.values, size, check_invariants=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(…, in)` to `(…, out)`."""
        samples = x.reshape(-1, self.in_features)
        # One sample has a kernel of its own, and several are quickest side by side.
        y = self.weight @ samples[0] if len(samples) == 1 else (self.weight @ samples.T.contiguous()).T
        y = y.reshape(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """Its shape, and the share of its numbers that are not zero."""
        share = self.values.numel() / (self.in_features * self.out_features)
        return f"in_features={self.in_features}, out_features={self.out_features}, density={share:.3f}"


def sparse_where_faster(model: nn.Module, x: Samples) -> nn.Module:
    """Return a copy in which each linear layer whose weight has zeros is sparse, if it is quicker so.

    Both ways are timed in turns on what reaches the layer, on one thread of this machine, for a batch of this size,
    and the quicker one is kept: so nothing becomes slower. Where both are about as quick, another run may choose the
    other; the answers then differ by the order of sums.

    Arguments:
        model: masks are fixed in the copy, which runs in Python alone: it is neither saved nor exported.
        x: one batch `(n, *shape)`, as large as those to come.

    Raises:
        CompressionError: there are no samples, they are no tensor or array, or the network takes something else.
    """
    x = samples_for(model, x)
    model = frozen(model)
    reached: dict[nn.Linear, Tensor] = {}
    linear = [
        layer
        for layer in model.modules()
        if type(layer) is nn.Linear and layer.weight.dtype in _DTYPES and not bool(layer.weight.all())
    ]

    def note(layer: nn.Linear, given: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        reached[layer] = (*given, *named.values())[0]  # which may be given by name

    with evaluated(model), ExitStack() as hooks:
        for layer in linear:
            hooks.enter_context(layer.register_forward_pre_hook(note, with_kwargs=True))
        model(rows(x, torch.arange(len(x))))
    quicker: dict[nn.Module, nn.Module] = {}
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for layer, inputs in reached.items():
            sparse = SparseLinear(layer)
            dense, less = seconds((layer, sparse), inputs)
            if less < _PART * dense:
                quicker[layer] = sparse
    finally:
        torch.set_num_threads(before)
    return exchange(model, quicker)


def seconds(ways: tuple[Callable[[Tensor], Tensor], ...], x: Tensor) -> list[float]:
    """The least CPU time of each on this thread, measured in turns: all else that the machine does only adds to it."""
    times: list[list[float]] = [[] for _ in ways]
    with torch.no_grad():
        for way in ways:
            way(x)
        for _ in range(_TURNS):
            for way, measured in zip(ways, times):
                start = time.thread_time()
                way(x)
                measured.append(time.thread_time() - start)
    return [min(measured) for measured in times]
