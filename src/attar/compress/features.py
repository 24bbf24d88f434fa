"""Distillation on features: what layers of a student say is led towards what layers of its teacher say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.errors import CompressionError
from attar.training.modes import evaluating

# What the layers of the student and those of the teacher have said of a batch, by name.
_Seen = tuple[dict[str, Tensor], dict[str, Tensor]]
_Pool = Callable[..., Tensor]
_POOLS: dict[int, _Pool] = {3: F.adaptive_avg_pool1d, 4: F.adaptive_avg_pool2d, 5: F.adaptive_avg_pool3d}


class Guides(nn.Module):
    """Mean over pairs of layers of ‖r(f_s) − f_t‖² / ‖f_t − mean f_t‖², with a linear map r that is learnt.

    The map is between channels, axis 1 of the features, and there is none where both have as many. Where features
    have places, those of the finer ones are averaged to the size of the coarser ones. The mean of f_t is that of the
    batch; where it is all there is, as in a batch of one, differences are taken as they are.

    References:
        Romero et al., FitNets: Hints for Thin Deep Nets, 2015, https://arxiv.org/abs/1412.6550, eq. 3

    Arguments:
        student: that is trained.
        teacher: that is not.
        pairs: name of a layer of the student, and of one of the teacher, as in `named_modules`.
        x: a few samples, from which the sizes are learnt.

    Raises:
        CompressionError: a network has no layer of that name, or one that gives no tensor, or features do not go
            together.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module, pairs: Mapping[str, str], x: Tensor) -> None:
        super().__init__()
        self.pairs = dict(pairs)
        # In tuples, so that the networks are not part of this module.
        self._watched = ((student, tuple(self.pairs)), (teacher, tuple(self.pairs.values())))
        for network, names in self._watched:
            known = dict(network.named_modules())
            unknown = [name for name in names if not name or name not in known]
            if unknown:
                raise CompressionError(
                    f"{type(network).__name__} has no layer {unknown[0]!r}; it has {', '.join(known)[2:200]}"
                )
        with self.watched() as seen, torch.no_grad(), evaluating(student, teacher):
            student(x)
            teacher(x)
        for (network, names), said in zip(self._watched, seen):
            silent = [name for name in names if not isinstance(said.get(name), Tensor)]
            if silent:
                raise CompressionError(f"{silent[0]} of {type(network).__name__} gives no tensor: pair layers that do")
        self.maps = nn.ModuleList()
        for (own, other), (f_s, f_t) in zip(self.pairs.items(), self._features(seen)):
            if f_s.ndim != f_t.ndim or f_s.ndim not in (2, *_POOLS):
                raise CompressionError(
                    f"{own} gives {tuple(f_s.shape)} and {other} gives {tuple(f_t.shape)}: pair others"
                )
            same = f_s.shape[1] == f_t.shape[1]
            self.maps.append(nn.Identity() if same else nn.Linear(f_s.shape[1], f_t.shape[1]))

    @property
    def teacher(self) -> nn.Module:
        """The network whose features lead."""
        return self._watched[1][0]

    @contextmanager
    def teaching_on(self, device: torch.device) -> Iterator[None]:
        """The teacher is on a device while this lasts, and on the CPU afterwards."""
        self.teacher.to(device)
        try:
            yield
        finally:
            self.teacher.cpu()

    @contextmanager
    def watched(self) -> Iterator[_Seen]:
        """What the layers say while this lasts."""
        seen: _Seen = ({}, {})
        with ExitStack() as hooks:
            for (network, names), said in zip(self._watched, seen):
                for name in names:
                    hooks.enter_context(network.get_submodule(name).register_forward_hook(partial(_keep, said, name)))
            yield seen

    def forward(self, seen: _Seen) -> Tensor:
        """The loss of a batch that both networks have seen."""
        losses = []
        for mapped, (f_s, f_t) in zip(self.maps, self._features(seen)):
            f_t = f_t.detach()
            if f_s.ndim > 2:
                size = tuple(min(a, b) for a, b in zip(f_s.shape[2:], f_t.shape[2:]))
                f_s, f_t = (one if one.shape[2:] == size else _POOLS[one.ndim](one, size) for one in (f_s, f_t))
            led = mapped(f_s.movedim(1, -1)).movedim(-1, 1)
            spread = (f_t - f_t.mean(0)).square().mean()
            losses.append((led - f_t).square().mean() / torch.where(spread > 0, spread, 1))
        return torch.stack(losses).mean()

    def _features(self, seen: _Seen) -> list[tuple[Tensor, Tensor]]:
        """Of each pair, those of the student and those of the teacher."""
        of_student, of_teacher = seen
        return [(of_student[own], of_teacher[other]) for own, other in self.pairs.items()]


def _keep(said: dict[str, Tensor], name: str, _: nn.Module, __: object, output: Tensor) -> None:
    said[name] = output
