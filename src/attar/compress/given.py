"""Networks, samples and labels as a caller gives them, before anything is computed of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, SequentialSampler

from attar.compress.checks import check_network
from attar.data.dataset import UNLABELLED, Ints
from attar.errors import CompressionError
from attar.training.modes import evaluating

Samples = Tensor | npt.NDArray[Any]
# All that `gathered` makes samples of: those of a loader or a data set are of items x, or (x, class code).
SampleSource = Samples | Dataset[Any] | DataLoader[Any]
# Class codes `(n,)`, -1 where unlabelled; None: no labels.
Labels = Ints | Tensor | None
View = Callable[[Tensor, torch.Generator], Tensor]

# Items of a data set that are read at once.
_AT_ONCE = 256


def gathered(x: SampleSource, y: Labels = None, teacher: nn.Module | Tensor | None = None) -> tuple[Samples, Labels]:
    """Samples and labels as arrays: those of a data set or a loader read once, in its order; others as they are.

    Arguments:
        x: samples, or what has items x, or (x, class code).
        y: class codes, where the items have none.
        teacher: its answers are one for each sample too, where it is no network.

    Raises:
        CompressionError: items are something else or of unequal shapes, labels are given twice, or what is given beside
            x cannot be in the order of a loader that shuffles.

    Example:
        >>> from torch.utils.data import TensorDataset
        >>> gathered(TensorDataset(torch.zeros(3, 2), torch.tensor([2, 0, 1])))[1]
        tensor([2, 0, 1])
    """
    if not isinstance(x, Dataset | DataLoader):
        return x, y
    kind = type(x).__name__
    # With a generator of its own, else that of the caller goes on.
    loader = x if isinstance(x, DataLoader) else DataLoader(x, _AT_ONCE, generator=torch.Generator())
    for name, given in (("y", y), ("teacher", None if isinstance(teacher, nn.Module) else teacher)):
        if given is not None and not _in_order(loader):
            raise CompressionError(
                f"{name} is given beside a {kind} with an order of its own: give a loader that does not shuffle, or "
                "all samples as one tensor"
            )
    parts: list[list[Tensor]] = []
    try:
        for batch in loader:
            items = list(batch) if isinstance(batch, list | tuple) else [batch]
            if len(items) not in (1, 2):
                raise CompressionError(f"an item of x, a {kind}, has {len(items)} parts: give x, or x and a class code")
            parts.append([torch.as_tensor(item).detach() for item in items])
        joined = [torch.cat(of) for of in zip(*parts, strict=True)]
    # Of what cannot be stacked or joined, torch says why.
    except (RuntimeError, TypeError, ValueError) as error:
        raise CompressionError(
            f"the items of x, a {kind}, do not make one tensor: give numbers of one shape, as x or as x and a class "
            f"code ({type(error).__name__}: {in_one_line(error, 120)})"
        ) from error
    if len(joined) == 2 and y is not None:
        raise CompressionError(f"y is given beside a {kind} that has labels: leave y away")
    if not joined:
        raise CompressionError(f"there are no samples in x, a {kind}: give at least one")
    return joined[0], joined[1] if len(joined) == 2 else y


def in_one_line(error: Exception, most: int = 200) -> str:
    """What an error of a network's or of torch's says, in so many characters at most.

    >>> in_one_line(ValueError("shapes differ:\\n  (2, 3)"))
    'shapes differ: (2, 3)'
    """
    return " ".join(str(error).split())[:most]


def samples_and_labels(model: nn.Module, x: SampleSource | None, y: Labels) -> tuple[Samples | None, Labels]:
    """`gathered`, and then `samples_for` a network that is checked; no samples stay none."""
    check_network(model)
    if x is None:
        return None, y
    x, y = gathered(x, y)
    return samples_for(model, x), y


def _in_order(loader: DataLoader[Any]) -> bool:
    """Whether it goes through its data set from the first sample to the last."""
    batches = loader.batch_sampler
    return type(batches) is BatchSampler and type(batches.sampler) is SequentialSampler


def samples_for(model: nn.Module, x: Samples, view: View | None = None) -> Samples:
    """Samples `(n, *shape)`, those that are floats in the precision of the network, where it has one.

    Arguments:
        model: that is to take them.
        x: samples as they are given.
        view: of them that the network takes; None: the samples as they are.

    Raises:
        CompressionError: they are neither a tensor nor an array of numbers, there are none, or the network takes
            something else.

    Example:
        >>> samples_for(nn.Linear(3, 1), np.zeros((2, 3))).dtype
        torch.float32
    """
    if isinstance(x, Dataset | DataLoader):
        raise CompressionError(
            f"x is of type {type(x).__name__}, and one batch of samples is needed here: give it as a tensor"
        )
    if not isinstance(x, Tensor) and not (isinstance(x, np.ndarray) and x.dtype.kind in "biuf"):
        of = f" of {x.dtype}" if isinstance(x, np.ndarray) else ""
        raise CompressionError(
            f"x is of type {type(x).__name__}{of}: give all samples as one tensor or array of numbers, or "
            "as a Dataset or DataLoader, and what is no sample by name"
        )
    if isinstance(x, Tensor) and x.layout != torch.strided:
        raise CompressionError("x is a sparse or nested tensor: give x.to_dense(), or one that is padded")
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise CompressionError("x has masked values: fill them, as in x.filled(0)")
    if not x.ndim or not len(x):
        raise CompressionError("there are no samples: give at least one as a row of x")
    check_network(model)
    samples = _as_precise(model, x.detach() if isinstance(x, Tensor) else _native(x))
    _try(model, samples, view)
    return samples


def _as_precise(model: nn.Module, x: Samples) -> Samples:
    precisions = {p.dtype for p in model.parameters() if p.is_floating_point()}
    floats = x.is_floating_point() if isinstance(x, Tensor) else x.dtype.kind == "f"
    if not floats or len(precisions) != 1:
        return x
    (precision,) = precisions
    if isinstance(x, Tensor):
        return x.to(precision)
    # An array that is right already stays where it is, which may be on disk. Else a copy: torch warns on sharing memory
    # with a read-only one.
    return x if str(precision) == f"torch.{x.dtype}" else torch.tensor(x).to(precision)


def as_tensor(values: Tensor | npt.NDArray[Any]) -> Tensor:
    """A tensor without a gradient; arrays are copied, in whatever order their numbers and bytes are."""
    if isinstance(values, np.ndarray):
        return torch.tensor(_native(values))
    return torch.as_tensor(values).detach()


def as_array(values: Tensor) -> npt.NDArray[Any]:
    """An array of the numbers of a tensor, of those that numpy does not have in single precision."""
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _native(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An array that torch takes: itself, or a copy in the byte order of the machine, of at most double precision."""
    dtype = np.dtype(np.float64) if x.dtype == np.longdouble else x.dtype.newbyteorder("=")
    return x if x.dtype == dtype and min(x.strides, default=0) >= 0 else np.ascontiguousarray(x, dtype)


def _try(model: nn.Module, x: Samples, view: View | None) -> None:
    few = x[:2].clone() if isinstance(x, Tensor) else as_tensor(x[:2])
    with torch.no_grad(), torch.random.fork_rng(devices=[]), evaluating(model):
        try:
            model(few if view is None else view(few, torch.Generator().manual_seed(0)))
        # Whatever a network does with samples that are none of its own has an exception of its own.
        except Exception as error:
            raise CompressionError(
                f"{type(model).__name__} does not take x of shape {tuple(x.shape)} and {few.dtype} alone: "
                f"{type(error).__name__}: {in_one_line(error)}"
            ) from error


def class_codes(y: Labels, n: int) -> Tensor:
    """Class codes `(n,)` of so many samples, -1 where unlabelled, as all are where there are none.

    Raises:
        CompressionError: they are no whole numbers, or not one for each sample.

    Example:
        >>> class_codes(np.array([2, -1]), 2), class_codes(None, 2)
        (tensor([ 2, -1]), tensor([-1, -1]))
    """
    if y is None:
        return torch.full((n,), UNLABELLED)
    try:
        # Of a column of a table, torch asks for the row called 0, and of masked labels for those below the mask.
        given = as_tensor(np.ma.filled(y, UNLABELLED) if hasattr(y, "__array__") and not isinstance(y, Tensor) else y)
        codes = given.long()
    except (TypeError, ValueError):
        given = codes = torch.empty(0, 0)
    if codes.ndim != 1 or not torch.equal(given.to(torch.float64), codes.to(torch.float64)):
        raise CompressionError("y holds something else than class codes: give whole numbers, -1 where unlabelled")
    if len(codes) and int(codes.min()) < UNLABELLED:
        raise CompressionError(f"y has a class {int(codes.min())}: give whole numbers from 0, -1 where unlabelled")
    if len(codes) != n:
        raise CompressionError(f"{len(codes)} labels for {n} samples: give one for each, -1 where unlabelled")
    return codes


def rows(x: Samples, which: Tensor) -> Tensor:
    """Some samples, of a tensor or of an array on disk or in memory."""
    return x[which] if isinstance(x, Tensor) else torch.from_numpy(x[which.numpy()])


def with_example(module: nn.Module, x: Samples | None) -> nn.Module:
    """The network, with one of the samples as its `example`, by which `save` finds what it computes; none is replaced.

    Example:
        >>> with_example(nn.Linear(3, 1), np.zeros((2, 3), dtype=np.float32)).example
        tensor([[0., 0., 0.]])
    """
    if x is not None and not hasattr(module, "example"):
        module.example = rows(x, torch.arange(1)).clone()
    return module
