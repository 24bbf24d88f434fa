"""One layer as a product of thinner ones, so that what it answers to data changes least.

A layer is y = W p + b for a row of its inputs, or the patch p under a filter, of covariance Σ. Other weights W′ with
b′ = b + (W − W′) mean(p) err by E|y − y′|² = tr((W − W′) Σ (W − W′)ᵀ). Without data Σ = 1, and the error is that of W.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# Sweeps of alternating least squares.
_SWEEPS = 30
_LEAST = 1e-10
_TINY = torch.finfo(torch.float64).tiny


@dataclass(frozen=True)
class Task:
    """A weight and the data that it answers to.

    Arguments:
        weight: W `(out, in, high, wide)`, float64; high = wide = 1 for a linear layer.
        covariance: Σ of the patches `(in · high · wide,) * 2`; None: 1.
    """

    weight: Tensor
    covariance: Tensor | None = None

    def error(self, weight: Tensor) -> float:
        """E|y − y′|² / E|y − mean(y)|² of another weight, `(out, in · high · wide)`."""
        flat = self.weight.flatten(1)
        return float(_energy(flat - weight, self.covariance) / _energy(flat, self.covariance).clamp(min=_TINY))

    def spectrum(self) -> tuple[Tensor, Tensor]:
        """Variance of the answers along their principal axes, descending, and the axes, in columns."""
        flat = self.weight.flatten(1)
        values, axes = torch.linalg.eigh(flat @ self.times(flat).T)
        return values.flip(0).clamp(min=0), axes.flip(1)

    def times(self, weight: Tensor) -> Tensor:
        """Σ Wᵀ, transposed."""
        return weight if self.covariance is None else weight @ self.covariance


@dataclass(frozen=True)
class Chain:
    """Layers one after another in place of one.

    Arguments:
        weights: of each layer, `(out, in, high, wide)`; one input per group where they are fewer.
        composed: the weight that they amount to `(out, in · high · wide)`.
    """

    weights: tuple[Tensor, ...]
    composed: Tensor


def channel(task: Task, rank: int) -> Chain:
    """W ≈ U V, V = Uᵀ W: the filter with fewer outputs, and a layer of width 1 to all outputs.

    With U the first principal axes of the answers, no W′ of that rank has a smaller error. Without data it is the
    truncated singular value decomposition.

    References:
        Eckart, Young, The approximation of one matrix by another of lower rank, 1936,
        https://doi.org/10.1007/BF02288367
        Zhang et al., Accelerating Very Deep Convolutional Networks, 2016, https://arxiv.org/abs/1505.06798, eq. 3

    Example:
        >>> w = torch.tensor([[3.0, 0.0], [0.0, 1.0]], dtype=torch.float64).reshape(2, 2, 1, 1)
        >>> channel(Task(w), 1).composed
        tensor([[3., 0.],
                [0., 0.]], dtype=torch.float64)
    """
    u = task.spectrum()[1][:, :rank]
    v = torch.einsum("or,oihw->rihw", u, task.weight)
    return Chain((v, u[:, :, None, None]), u @ v.flatten(1))


def tucker(task: Task, rank_out: int, rank_in: int) -> Chain:
    """Fewer inputs, the filter between fewer inputs and outputs, and all outputs (Tucker-2).

    References:
        Kim et al., Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile Applications, 2016,
        https://arxiv.org/abs/1511.06530
    """
    w = task.weight
    # Inputs x ≈ Π x with Π = A⁺ U Uᵀ A, where A² = ∑ over outputs and places of what w makes of two inputs.
    values, axes = torch.linalg.eigh(torch.einsum("oihw,ojhw->ij", w, w))
    root = values.clamp(min=0).sqrt()
    a = axes * root @ axes.T
    inverse = axes * torch.where(root > _LEAST * root.max(), 1 / root, 0) @ axes.T
    u = torch.linalg.eigh(a @ _of_channels(task) @ a)[1].flip(1)[:, :rank_in]
    first, back = u.T @ a, inverse @ u
    core = torch.einsum("oihw,ir->orhw", w, back)
    reduced = torch.einsum("orhw,ri->oihw", core, first)
    last = Task(reduced, task.covariance).spectrum()[1][:, :rank_out]
    core = torch.einsum("os,orhw->srhw", last, core)
    return _refitted(task, (first[:, :, None, None], core), torch.einsum("srhw,ri->sihw", core, first))


def spatial(task: Task, rank: int) -> Chain:
    """A filter of one column, and one of one row.

    References:
        Jaderberg, Vedaldi, Zisserman, Speeding up Convolutional Neural Networks with Low Rank Expansions, 2014,
        https://arxiv.org/abs/1405.3866, scheme 2
        Tai et al., Convolutional Neural Networks with Low-rank Regularization, 2016, https://arxiv.org/abs/1511.06067
    """
    out, n_in, high, wide = task.weight.shape
    u, s, _ = torch.linalg.svd(task.weight.permute(1, 2, 0, 3).reshape(n_in * high, -1), full_matrices=False)
    column = (u * s)[:, :rank].T.reshape(-1, n_in, high)
    rank = len(column)
    # As a weight of patches: for each place along the row, the column there.
    middle = torch.zeros(rank, wide, n_in, high, wide, dtype=column.dtype)
    for w in range(wide):
        middle[:, w, :, :, w] = column
    last, composed = _least_squares(task, middle.reshape(rank * wide, -1))
    return Chain((column[..., None], last.reshape(out, rank, 1, wide)), composed)


def canonical(task: Task, rank: int) -> Chain:
    """A sum of products of one vector over inputs, one over places and one over outputs (CP).

    References:
        Lebedev et al., Speeding-up Convolutional Neural Networks Using Fine-tuned CP-Decomposition, 2015,
        https://arxiv.org/abs/1412.6553
    """
    tensor = task.weight.flatten(2)
    factors = [_start(tensor, axis, rank) for axis in range(3)]
    for _ in range(_SWEEPS):
        for axis in range(3):
            a, b = (factors[i] for i in range(3) if i != axis)
            products = torch.einsum("ir,jr->ijr", a, b).reshape(-1, rank)
            unfolded = tensor.movedim(axis, 0).flatten(1)
            factors[axis] = divided(unfolded @ products, (a.T @ a) * (b.T @ b))
            if axis != 2:
                factors[axis] = factors[axis] / factors[axis].norm(dim=0).clamp(min=_LEAST)
    _, inputs, places = factors
    middle = torch.einsum("ir,kr->rik", inputs, places).reshape(rank, *task.weight.shape[1:])
    depthwise = places.T.reshape(rank, 1, *task.weight.shape[2:])
    return _refitted(task, (inputs.T[:, :, None, None], depthwise), middle)


def _refitted(task: Task, before: tuple[Tensor, ...], middle: Tensor) -> Chain:
    """The last layer, of width 1, anew by least squares."""
    last, composed = _least_squares(task, middle.flatten(1))
    return Chain((*before, last[:, :, None, None]), composed)


def _least_squares(task: Task, middle: Tensor) -> tuple[Tensor, Tensor]:
    """The U for which U M errs least, for a given M, and U M."""
    seen = task.times(middle)
    u = divided(task.weight.flatten(1) @ seen.T, middle @ seen.T)
    return u, u @ middle


def divided(a: Tensor, square: Tensor) -> Tensor:
    """A S⁻¹ of a symmetric, non-negative S; along directions that S does not have, 0."""
    values, axes = torch.linalg.eigh(square)
    inverse = torch.where(values > _LEAST * values.max(), 1 / values, 0)
    result: Tensor = a @ (axes * inverse) @ axes.T
    return result


def _start(tensor: Tensor, axis: int, rank: int) -> Tensor:
    """Singular vectors, and beyond them fixed pseudo-random numbers."""
    unfolded = tensor.movedim(axis, 0).flatten(1)
    u = torch.linalg.svd(unfolded, full_matrices=False)[0][:, :rank]
    generator = torch.Generator().manual_seed(axis)
    more = torch.randn(len(u), rank - u.shape[1], generator=generator, dtype=u.dtype)
    return torch.cat([u, more / len(u) ** 0.5], 1)


def _of_channels(task: Task) -> Tensor:
    """The covariance of the input channels, in the mean of the places."""
    n_in, high, wide = task.weight.shape[1:]
    if task.covariance is None:
        return torch.eye(n_in, dtype=task.weight.dtype)
    blocks = task.covariance.reshape(n_in, high * wide, n_in, high * wide)
    return blocks.diagonal(dim1=1, dim2=3).mean(-1)


def _energy(weight: Tensor, covariance: Tensor | None) -> Tensor:
    return (weight if covariance is None else weight @ covariance).mul(weight).sum()
