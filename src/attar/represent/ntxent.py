"""NT-Xent, the loss of SimCLR, exact and in memory linear in the batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F

from attar.errors import AttarError, DataError
from attar.represent._fused import Fused
from attar.training.processes import of_each, processes

# Rows and columns of the scores that are held at once. Long blocks keep the number of operations, each of which waits
# for all cores, small; tall ones would leave the cache between being multiplied, exponentiated and multiplied again.
BLOCK_CPU = (512, 8192)
BLOCK_GPU = (4096, 32768)


def nt_xent(z_i: Tensor, z_j: Tensor, temperature: float | Tensor = 0.5) -> Tensor:
    r"""Normalised temperature-scaled cross-entropy between two views of each sample.

    With the 2B vectors of both views scaled to length one, s(a, b) = z_a · z_b / T, and p(a) the other view of a,

    .. math:: L = \frac{1}{2B} \sum_a \Big[ \log \sum_{b \neq a} e^{s(a, b)} - s(a, p(a)) \Big]

    Scores are symmetric, so only blocks on and above the diagonal are computed, and no block is kept: memory is
    O(batch × dim) forward and backward. A zero vector has cosine 0 with every other and receives no gradient; NaN
    in gives NaN out. Half-precision vectors are compared in float32.

    Where torch.distributed is initialised, the B pairs are those of all processes: each process returns the loss
    of the whole batch, computes its own share of the scores, and receives the gradient of the sum over processes of
    what they return, so that averaging over processes (as DistributedDataParallel does) gives the gradient of one
    process with the whole batch.

    References:
        A Simple Framework for Contrastive Learning of Visual Representations (Chen et al., 2020), equation 1 and
        algorithm 1. https://arxiv.org/abs/2002.05709

    Arguments:
        z_i: vectors of the first view `(batch, dim)`, of any length.
        z_j: vectors of the second view `(batch, dim)`, in the same order.
        temperature: T > 0; a smaller one weighs near neighbours more. A tensor of one value receives its gradient.

    Returns:
        The loss, a scalar in nats: 0 for one pair, log(2B − 1) when all vectors are equal.

    Raises:
        DataError: shapes that differ, or are not `(batch, dim)`; an empty batch; no temperature above zero, or several.

    Example:
        >>> same = torch.ones(4, 8)
        >>> round(float(nt_xent(same, same)), 4) == round(math.log(7), 4)
        True
    """
    if not (isinstance(z_i, Tensor) and isinstance(z_j, Tensor)):
        raise DataError(
            f"nt_xent needs tensors of torch; got {type(z_i).__name__} and {type(z_j).__name__}, "
            "convert with torch.as_tensor"
        )
    if z_i.shape != z_j.shape or z_i.ndim != 2 or not z_i.numel():
        raise DataError(
            "nt_xent(z_i, z_j) needs two tensors of one shape, 'batch dim, batch dim -> ', with at least one pair; "
            f"got z_i of shape {tuple(z_i.shape)} and z_j of shape {tuple(z_j.shape)}"
        )
    if not (z_i.is_floating_point() and z_j.is_floating_point()):
        raise DataError(f"nt_xent needs floating-point vectors; got {z_i.dtype} and {z_j.dtype}, convert with .float()")
    if isinstance(temperature, Tensor) and temperature.numel() != 1:
        raise DataError(f"nt_xent needs one temperature; got a tensor of shape {tuple(temperature.shape)}")
    t = float(temperature.detach() if isinstance(temperature, Tensor) else temperature)
    if not 0 < t < math.inf:
        raise DataError(f"nt_xent needs a finite temperature above 0; got temperature={t}")
    dtype = torch.promote_types(torch.promote_types(z_i.dtype, z_j.dtype), torch.float32)
    # Autocast would redo the products in half precision, and log-sum-exp loses what it is for.
    with torch.autocast(z_i.device.type, enabled=False):
        z = torch.cat([_unit(z_i.to(dtype)), _unit(z_j.to(dtype))])
        if isinstance(temperature, Tensor) and temperature.requires_grad:
            # One, but with a gradient: z · z' / T is what it would be with vectors that are shorter by √T.
            z = z * (t / temperature.to(z)).sqrt()
        # Blocks share memory in a way that torch.compile does not follow.
        loss: Tensor = torch.compiler.disable(cast(Any, _NTXent).apply)(z, t)
    return loss


def _unit(z: Tensor) -> Tensor:
    """Scale rows to length one; those of zeros stay zero, and receive no gradient rather than an enormous one."""
    # Dividing by the largest entry first keeps the squares of very small and very large rows within range. The
    # result does not depend on that factor, so it needs no gradient.
    largest = z.detach().abs().amax(dim=1, keepdim=True)
    return F.normalize(z / torch.where(largest == 0, math.inf, largest), dim=1)


class _NTXent(torch.autograd.Function):
    r"""The loss from unit vectors: this process's rows a against the columns b of all processes.

    With L_a = log Σ_{b ≠ a} e^{s(a, b)} over N rows in all, the gradient is again a product with blocks of scores,

    .. math:: \frac{\partial L}{\partial z_a} = \frac{1}{N T} \Big[ \sum_{b \neq a}
              \big(e^{s(a, b) - L_a} + e^{s(a, b) - L_b}\big) z_b - 2 z_{p(a)} \Big]

    which needs L_b of the other processes, but no vector of gradients from them.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor, temperature: float) -> Tensor:
        columns = _gather(own)
        scaled = own / temperature
        total = _log_sum_exp(scaled, columns, temperature)
        partners = own.roll(len(own) // 2, dims=0)
        loss = _sum_over_processes((total - (scaled * partners).sum(dim=1)).sum()) / len(columns)
        ctx.save_for_backward(columns, _gather(total), own)
        ctx.temperature = temperature
        return loss

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None]:
        # torch's once_differentiable lets a second derivative through, silently wrong, where grad_loss is a constant.
        if torch.is_grad_enabled():
            raise AttarError("nt_xent has no second derivative; differentiate it without create_graph=True")
        columns, total, own = ctx.saved_tensors
        grad = _product(own / ctx.temperature, columns, total, ctx.temperature)
        grad -= 2 * own.roll(len(own) // 2, dims=0)
        return grad * (_sum_over_processes(grad_loss) / (ctx.temperature * len(columns))), None


def _bounded(dtype: torch.dtype, temperature: float) -> bool:
    """Whether e^s and its sums stay within range: |s| ≤ 1/T, cosines being bounded by one."""
    return 1 / temperature < 0.45 * math.log(torch.finfo(dtype).max)


def _blocks(scaled: Tensor, columns: Tensor) -> Iterator[tuple[slice, slice, int, Tensor]]:
    """Scores of own rows with columns, without what symmetry gives: rows, columns, "mirror", block.

    The block's columns from "mirror" on stand for their transpose too. The block is overwritten by the next one.
    Scores of a vector with itself are minus infinity.
    """
    height, width = BLOCK_CPU if scaled.device.type == "cpu" else BLOCK_GPU
    n = len(scaled)
    memory = scaled.new_empty(min(height, n) * min(width, len(columns)))
    for top in range(0, n, height):
        rows = slice(top, min(top + height, n))
        own = [slice(left, min(left + width, n)) for left in range(top, n, width)]
        others = [slice(left, min(left + width, len(columns))) for left in range(n, len(columns), width)]
        for cols in own + others:
            a, b = scaled[rows], columns[cols]
            block = memory[: len(a) * len(b)].view(len(a), len(b))
            torch.mm(a, b.T, out=block)
            if cols.start == top:
                block.fill_diagonal_(-math.inf)
            mirror = len(b) if cols.start >= n else max(0, rows.stop - cols.start)
            yield rows, cols, mirror, block


def _log_sum_exp(scaled: Tensor, columns: Tensor, temperature: float) -> Tensor:
    """L_a of own rows."""
    if _bounded(scaled.dtype, temperature):
        sums = scaled.new_zeros(len(scaled))
        for rows, cols, mirror, block in _blocks(scaled, columns):
            across, down = _exponential_sums(block, mirror)
            sums[rows] += across
            sums[cols][mirror:] += down
        return sums.log_()
    total = scaled.new_full((len(scaled),), -math.inf)
    for rows, cols, mirror, block in _blocks(scaled, columns):
        total[rows] = torch.logaddexp(total[rows], block.logsumexp(dim=1))
        if mirror < len(block[0]):
            mirrored = slice(cols.start + mirror, cols.stop)
            total[mirrored] = torch.logaddexp(total[mirrored], block[:, mirror:].logsumexp(dim=0))
    return total


def _product(scaled: Tensor, columns: Tensor, total: Tensor, temperature: float) -> Tensor:
    """Σ_b (e^{s(a, b) − L_a} + e^{s(a, b) − L_b}) z_b for own rows a."""
    bounded = _bounded(scaled.dtype, temperature)
    # One exponential instead of two, where e^s and e^{−L} are each within range.
    total = (-total).exp() if bounded else total
    out = torch.zeros_like(scaled)
    for rows, cols, mirror, block in _blocks(scaled, columns):
        a, b = total[rows, None], total[cols]
        weights = _weights(block, a, b, bounded)
        out[rows].addmm_(weights, columns[cols])
        if mirror < len(b):
            out[cols][mirror:].addmm_(weights[:, mirror:].T, columns[rows])
    return out


@Fused
def _exponential_sums(block: Tensor, mirror: int) -> tuple[Tensor, Tensor]:
    """Of e^s along each row, and along each column from "mirror" on."""
    # Compiled, e^s is never written; otherwise it takes the place of the scores.
    exponentials = block.exp() if torch.compiler.is_compiling() else block.exp_()
    return exponentials.sum(dim=1), exponentials[:, mirror:].sum(dim=0)


@Fused
def _weights(block: Tensor, a: Tensor, b: Tensor, bounded: bool) -> Tensor:
    """What `_product` multiplies with z_b, in the place of the scores; a and b of rows and columns as it has them."""
    return block.exp_().mul_(a + b) if bounded else (block - a).exp_().add_(block.sub_(b).exp_())


def _gather(own: Tensor) -> Tensor:
    """Rows of all processes, own ones first."""
    if processes() == 1:
        return own
    return torch.cat([own, *(part for rank, part in enumerate(of_each(own)) if rank != dist.get_rank())])


def _sum_over_processes(value: Tensor) -> Tensor:
    if processes() == 1:
        return value
    value = value.clone()
    dist.all_reduce(value)
    return value
