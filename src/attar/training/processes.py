"""One training over several processes: each holds a part of the batch, and all arrive where one process would."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from attar.errors import AttarError

_DRAWS = (torch.rand, torch.randn, torch.randint)
# Each process group has a number, and its own part of the store: addresses that an earlier one left are dead.
_numbers = count()
# In this process's part of the batch under way; 0: there is none.
_rows: ContextVar[int] = ContextVar("rows", default=0)


def processes() -> int:
    """How many train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def is_first() -> bool:
    """Whether this process is the one that writes and reports."""
    return processes() == 1 or dist.get_rank() == 0


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that torchrun has started; a group that there is already is used and left as it is."""
    if not dist.is_available() or dist.is_initialized() or not dist.is_torchelastic_launched():
        yield
        return
    store, rank, size = next(dist.rendezvous("env://"))  # type: ignore[attr-defined]
    own = dist.PrefixStore(f"attar/{next(_numbers)}", store)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=own, rank=rank, world_size=size)
    try:
        yield
    finally:
        dist.destroy_process_group()


def divisible(batch_size: int, n: int) -> int:
    """The largest batch of at most `batch_size` of `n` samples of which all processes take equally many.

    Raises:
        AttarError: there are more processes than samples in a batch.
    """
    size = min(batch_size, n)
    left = size % processes()
    if left == size:
        raise AttarError(f"a batch of {size} cannot be split over {processes()} processes; start at most {size}")
    return size - left if left else batch_size


def own_part(batch: Tensor) -> Tensor:
    """This process's part of the indices of a batch."""
    return batch if processes() == 1 else batch.chunk(processes())[dist.get_rank()]


def average(tensors: Sequence[Tensor]) -> None:
    """Put the mean over processes in place of each tensor."""
    if processes() == 1 or not tensors:
        return
    # One message for all: each waits for every process.
    flat = torch.cat([t.flatten() for t in tensors])
    dist.all_reduce(flat)
    flat /= processes()
    start = 0
    for t in tensors:
        t.copy_(flat[start : start + t.numel()].view_as(t))
        start += t.numel()


def begin_equal(module: nn.Module, seed: int) -> int:
    """Give every process the weights, the buffers and the seed of the first; returns the seed."""
    if processes() == 1:
        return seed
    for t in module.state_dict().values():
        dist.broadcast(t, src=0)
    agreed = torch.tensor(seed)
    dist.broadcast(agreed, src=0)
    return int(agreed)


def differ(number: int) -> bool:
    """Whether the processes hold different numbers."""
    if processes() == 1:
        return False
    numbers = [torch.tensor(0) for _ in range(processes())]
    dist.all_gather(numbers, torch.tensor(number))
    return len(set(map(int, numbers))) > 1


def of_each(x: Tensor) -> list[Tensor]:
    """What each process holds, in the order of the processes; they may differ in length. No gradient passes."""
    if processes() == 1:
        return [x]
    own = x.detach()
    count = torch.tensor([len(own)], device=own.device)
    counts = [torch.empty_like(count) for _ in range(processes())]
    dist.all_gather(counts, count)
    longest = int(max(counts))
    # The collective wants one length.
    padded = torch.cat([own, own.new_zeros(longest - len(own), *own.shape[1:])])
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return [part[: int(n)] for part, n in zip(parts, counts)]


def whole_batch(x: Tensor) -> Tensor:
    """The rows of a batch over all processes, in the order in which one process would have them.

    For a loss that compares a sample with others, or with statistics of the batch. Where a tensor holds the batch
    several times over, one copy after the other, so does the result. A row receives the gradients of all processes,
    each of which may look at it: as in `attar.represent.nt_xent`, of the sum of what they return.

    Example:
        >>> whole_batch(torch.arange(3))
        tensor([0, 1, 2])
    """
    rows = _rows.get()
    if not rows:
        return x
    whole: Tensor = cast(Any, _WholeBatch).apply(x, rows)
    return whole


def mean_of(total: Tensor, count: Tensor) -> Tensor:
    """A mean over the batches of all processes, for terms of which each process may have another number.

    Arguments:
        total: sum of this process's terms, a scalar.
        count: how many they are, a scalar.

    Returns:
        This process's share: the mean over processes of what each is given is the mean over terms; 0 of none.

    Example:
        >>> mean_of(torch.tensor(6.0), torch.tensor(3))
        tensor(2.)
    """
    if _rows.get():
        count = count.clone()
        dist.all_reduce(count)
        total = total * processes()
    return total / count.clamp(min=1)


class _WholeBatch(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: int) -> Tensor:
        ctx.rows = rows
        parts = [part.reshape(-1, rows, *x.shape[1:]) for part in of_each(x)]
        return torch.stack(parts, dim=1).flatten(0, 2)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad)
        return _own_rows(grad, ctx.rows), None


def _own_rows(whole: Tensor, rows: int) -> Tensor:
    """This process's part of what holds the batch once or several times over."""
    parts = whole.reshape(-1, processes(), rows, *whole.shape[1:])
    return parts[:, dist.get_rank()].flatten(0, 1)


def from_each(x: Tensor) -> Iterator[Tensor]:
    """A vector of each process, in the order of their ranks; one at a time, since together they may not fit.

    Arguments:
        x: of this process, `(length,)`; lengths may differ.

    Example:
        >>> list(from_each(torch.arange(3)))
        [tensor([0, 1, 2])]
    """
    if processes() == 1:
        yield x
        return
    for rank in range(processes()):
        length = torch.tensor(len(x))
        dist.broadcast(length, src=rank)
        sent = x.contiguous() if dist.get_rank() == rank else x.new_empty(int(length))
        dist.broadcast(sent, src=rank)
        yield sent


@contextmanager
def sharing(rows: int) -> Iterator[None]:
    """Within it, the rows of this process meet what they would meet in one process that holds the whole batch.

    Random numbers whose first axis is the batch (or several copies of it) are drawn for the whole batch, and this
    process keeps its own; so is dropout. Batch normalisation takes its moments over the whole batch. For one process
    nothing changes.

    Arguments:
        rows: samples in this process's part, as many as in any other's.
    """
    if processes() == 1:
        yield
        return
    before = _rows.set(rows)
    try:
        with _Share(rows):
            yield
    finally:
        _rows.reset(before)


class _Share(TorchFunctionMode):
    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        kwargs = kwargs or {}
        if func in _DRAWS and kwargs.get("generator") is not None:
            return self._draw(func, args, dict(kwargs))
        if func is F.batch_norm:
            return _batch_norm(*args, **kwargs)
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        return func(*args, **kwargs)

    def _draw(self, draw: Callable[..., Tensor], args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
        if "size" in kwargs:
            size = kwargs.pop("size")
        elif isinstance(args[-1], Sequence):
            *args, size = args
        else:  # as in torch.rand(2, 3)
            args, size = (), args
        if not size or size[0] % self.rows:
            return draw(*args, tuple(size), **kwargs)
        return _own_rows(draw(*args, (size[0] * processes(), *size[1:]), **kwargs), self.rows)

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or len(x) % self.rows:
            return F.dropout(x, p, training, inplace)
        factors = _own_rows(F.dropout(x.new_ones((len(x) * processes(), *x.shape[1:])), p), self.rows)
        return x.mul_(factors) if inplace else x * factors


def _batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` with moments over the rows of all processes."""
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    mean, var = _moments(x)
    if running_mean is not None and running_var is not None:
        n = x.numel() // len(mean) * processes()
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var * (n / max(n - 1, 1)), momentum)
    normalised: Tensor = cast(Any, _BatchNorm).apply(x, mean, var, weight, bias, eps)
    return normalised


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over all processes, which hold as many rows each."""
    # torch's own pass of batch normalisation over one process's rows, three times as fast as `var_mean`.
    exact = x.detach().to(torch.promote_types(x.dtype, torch.float32))  # under autocast, the answers of a convolution
    own = torch.stack(torch.ops.aten.batch_norm_update_stats(exact, None, None, 0.0))
    parts = [torch.empty_like(own) for _ in range(processes())]
    dist.all_gather(parts, own)
    means, variances = torch.stack(parts, dim=1)
    mean = means.mean(dim=0)
    return mean, variances.mean(dim=0) + (means - mean).square().mean(dim=0)


class _BatchNorm(torch.autograd.Function):
    """Normalisation by moments that depend on the rows of all processes.

    With x̂ = (x − μ) / σ, g = ∂L/∂y and means ⟨·⟩ over the rows of all processes,

    ∂L/∂x = w / σ · (g − ⟨g⟩ − x̂ ⟨x̂ g⟩)

    where L is the sum of what the processes return, as in `attar.represent.nt_xent`.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> Tensor:
        ctx.save_for_backward(x, mean, var, weight)
        ctx.eps = eps
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, var, weight = ctx.saved_tensors
        # As if the moments were constants; what they add is two more sums, which are among the results.
        grad_x, grad_weight, grad_bias = torch.ops.aten.native_batch_norm_backward(
            grad.contiguous(), x, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([grad_weight, grad_bias])
        dist.all_reduce(sums)
        scale = torch.rsqrt(var + ctx.eps)
        with_x, alone = sums / (x.numel() // len(mean) * processes())
        factor = scale if weight is None else weight * scale
        slope = factor * scale * with_x
        shape = (1, -1) + (1,) * (x.ndim - 2)
        grad_x.addcmul_(x, slope.view(shape), value=-1).add_((slope * mean - factor * alone).view(shape))
        affine = (None, None) if weight is None else (grad_weight, grad_bias)
        return grad_x, None, None, *affine, None
