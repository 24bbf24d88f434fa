"""Many small networks trained in one pass, each exactly as it would be alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attar._settings import is_amount
from attar.errors import DataError, TrainingError
from attar.risk.stacked import Stack

# Batches are drawn, and losses judged, for so many steps at a time.
_BLOCK = 100
# Networks no wider than this, or of no more channels, are padded to one width: below it, time goes into calls rather
# than into arithmetic.
_NARROW, _FEW = 16, 4
# Samples times networks that are answered at a time where risks are measured.
_CHUNK = 8192
# Of the step t and its share of all steps.
_SCHEDULES: dict[str, Callable[[int, float], float]] = {
    "constant": lambda _t, _share: 1.0,
    "inverse square root": lambda t, _share: (1 + t / 512) ** -0.5,
    "cosine": lambda _t, share: (1 + math.cos(math.pi * share)) / 2,
}
# Sees, after some steps, which networks these are, and what answers samples `(n, *shape)` with outputs `(K, n, m)`.
Look = Callable[[int, list[int], Callable[[Tensor], Tensor]], None]


@dataclass(frozen=True)
class Recipe:
    """How networks are trained; what is the same for all that are trained together.

        SGD:   v ← μ v + g,  w ← w − ηₜ v          Adam:  as torch.optim.Adam, β = (μ, 0.999)
        ηₜ = η · 1   |   η (1 + t / 512)^(−½)   |   η (1 + cos(π t / T)) / 2

    References:
        Nakkiran et al., Deep Double Descent, 2020, https://arxiv.org/abs/1912.02292 (the schedules)

    Arguments:
        loss: "cross-entropy" or "squared error", summed over the outputs of a sample; the mean over samples.
        optimizer: "sgd" or "adam".
        momentum: μ.
        weight_decay: λ, of which λ w is added to a gradient.
        schedule: "constant", "inverse square root" or "cosine", in steps t of T.

    Raises:
        DataError: another name, or a number that is out of range.
    """

    loss: str = "cross-entropy"
    optimizer: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"

    def __post_init__(self) -> None:
        for name, known in (
            ("loss", ("cross-entropy", "squared error")),
            ("optimizer", ("sgd", "adam")),
            ("schedule", tuple(_SCHEDULES)),
        ):
            if getattr(self, name) not in known:
                raise DataError(f"{name} is {getattr(self, name)!r}: give one of {', '.join(known)}")
        if not (is_amount(self.momentum) and self.momentum < 1 and is_amount(self.weight_decay)):
            raise DataError(
                f"momentum is {self.momentum} and weight_decay {self.weight_decay}: "
                "give one from 0 to below 1, and one that is not negative"
            )


@dataclass(frozen=True)
class Training:
    """What one of the networks is trained on, and how fast.

    Arguments:
        y: targets of all samples `(n, m)`.
        lr: learning rate η.
        batch_size: samples of a step.
        steps: how many.
        seed: of the order of its samples.
        rows: those of the samples that it learns from; all where left out.
    """

    y: Tensor
    lr: float
    batch_size: int
    steps: int
    seed: int = 0
    rows: Tensor | None = None


def train_together(
    networks: Sequence[nn.Sequential],
    trainings: Sequence[Training],
    x: Tensor,
    recipe: Recipe,
    looks: Sequence[int] = (),
    look: Look | None = None,
    on_step: Callable[[int, int], None] | None = None,
) -> None:
    """Train networks of `plain_network` in place, as many at once as are alike in width, batch and steps.

    None sees another: each has its own samples in its own order, and a loss of its own.

    Arguments:
        networks: to train.
        trainings: one for each.
        x: samples `(n, *shape)`.
        recipe: common to all.
        looks: after how many steps `look` is called, and always after the last.
        look: see `Look`.
        on_step: is told how many steps of all are done, now and then.

    Raises:
        TrainingError: the loss of one became NaN or infinite.

    Example:
        >>> from attar.risk.stacked import plain_network
        >>> networks = [plain_network("mlp", (1,), 1, width, 1, seed=0) for width in (4, 8, 16)]
        >>> x = torch.linspace(-1, 1, 16)[:, None]
        >>> train_together(networks, [Training(x**2, 0.1, 4, 300)] * 3, x, Recipe("squared error"))
        >>> [bool((net(x) - x**2).abs().mean() < 0.1) for net in networks]
        [True, True, True]
    """
    groups = _alike(networks, trainings)
    total, done = sum(trainings[ids[0]].steps for ids in groups), 0
    for ids in groups:
        stack, alike = Stack([networks[i] for i in ids]), [trainings[i] for i in ids]
        last = alike[0].steps
        stops = {stop for stop in looks if 0 <= stop < last} | {last}
        for step, loss in _steps(stack, alike, x, recipe):
            if look and step in stops:
                look(step, ids, _answerer(stack, len(ids)))
            if step % _BLOCK == 0 or step == last:
                _hold_finite(loss, alike, step)
                if on_step:
                    on_step(done + step, total)
        done += last
        stack.unstack()


def _alike(networks: Sequence[nn.Sequential], trainings: Sequence[Training]) -> list[list[int]]:
    """Places of the networks that can be trained at once, group by group."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for i, (net, training) in enumerate(zip(networks, trainings)):
        first = next(net.parameters())
        # Up to the next power of two, so that little of the arithmetic is wasted on padding.
        width = max(_NARROW if first.ndim == 2 else _FEW, 1 << (len(first) - 1).bit_length())
        groups.setdefault((len(net), first.ndim, width, training.batch_size, training.steps), []).append(i)
    return list(groups.values())


def _hold_finite(loss: Tensor, trainings: Sequence[Training], step: int) -> None:
    """Refuse to go on where the loss `(K,)` of one is NaN or infinite."""
    broken = loss.isfinite().logical_not().nonzero()
    if len(broken):
        training = trainings[int(broken[0])]
        raise TrainingError(
            f"the loss of a network with learning rate {training.lr:g} and batches of {training.batch_size} is no "
            f"longer finite after {step} steps: lower the learning rate"
        )


def sample_order(seed: int, rows: Tensor) -> Iterator[Tensor]:
    """The rows in a random order, and then in another, without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield rows[torch.randperm(len(rows), generator=generator)]


def _batches(trainings: Sequence[Training], n: int) -> Iterator[Tensor]:
    """For each step the rows `(K, batch)`; batches run on from one epoch to the next."""
    size = trainings[0].batch_size
    orders = [sample_order(t.seed, torch.arange(n) if t.rows is None else t.rows) for t in trainings]
    left = [torch.empty(0, dtype=torch.long)] * len(orders)
    while True:
        for i, order in enumerate(orders):
            while len(left[i]) < _BLOCK * size:
                left[i] = torch.cat([left[i], next(order)])
        yield from torch.stack([rows[: _BLOCK * size].view(_BLOCK, size) for rows in left], 1)
        left = [rows[_BLOCK * size :] for rows in left]


def _steps(stack: Stack, trainings: Sequence[Training], x: Tensor, recipe: Recipe) -> Iterator[tuple[int, Tensor]]:
    """Step by step, from 0: how many are done, and the losses `(K,)` of the last."""
    k, n, steps = len(trainings), len(x), trainings[0].steps
    targets = torch.cat([t.y for t in trainings]).to(x)
    offset = n * torch.arange(k)[:, None]
    rates = torch.tensor([t.lr for t in trainings], dtype=x.dtype)
    update = _Update(stack.parameters, recipe)
    yield 0, x.new_zeros(k)
    for step, rows in zip(range(steps), _batches(trainings, n)):
        batch = x.index_select(0, rows.flatten()).view(*rows.shape, *x.shape[1:])
        y = targets.index_select(0, (rows + offset).flatten()).view(*rows.shape, -1)
        loss = losses(stack(batch), y, recipe.loss).mean(1)
        gradients = torch.autograd.grad(loss.sum(), stack.parameters)
        update(gradients, rates * _SCHEDULES[recipe.schedule](step, step / steps))
        yield step + 1, loss.detach()


def losses(outputs: Tensor, y: Tensor, loss: str) -> Tensor:
    """Of each sample `(…)` with outputs and targets `(…, m)`."""
    if loss == "cross-entropy":
        return -(outputs.log_softmax(-1) * y).sum(-1)
    return (outputs - y).square().sum(-1)


def _answerer(stack: Stack, k: int) -> Callable[[Tensor], Tensor]:
    @torch.no_grad()
    def answer(x: Tensor) -> Tensor:
        return torch.cat([stack(part.expand(k, *part.shape)) for part in torch.split(x, max(1, _CHUNK // k))], 1)

    return answer


class _Update:
    """SGD with momentum, or Adam, with a learning rate for each network."""

    def __init__(self, parameters: Sequence[Tensor], recipe: Recipe) -> None:
        self.parameters, self.recipe, self.step = parameters, recipe, 0
        self.first = [torch.zeros_like(p) for p in parameters]
        self.second = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def __call__(self, gradients: Sequence[Tensor], rates: Tensor) -> None:
        self.step += 1
        momentum, decay = self.recipe.momentum, self.recipe.weight_decay
        for parameter, g, first, second in zip(self.parameters, gradients, self.first, self.second):
            rate = rates.view(-1, *[1] * (parameter.ndim - 1))
            if decay:
                g = g.add(parameter, alpha=decay)
            if self.recipe.optimizer == "sgd":
                parameter.addcmul_(first.mul_(momentum).add_(g), rate, value=-1)
            else:
                first.lerp_(g, 1 - momentum)
                second.mul_(0.999).addcmul_(g, g, value=1 - 0.999)
                root = second.sqrt().div_(math.sqrt(1 - 0.999**self.step)).add_(1e-8)
                parameter.addcmul_(first / root, rate, value=-1 / (1 - momentum**self.step))
