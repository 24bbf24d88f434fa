"""Distillation on features: what layers of a student say is led towards what layers of its teacher say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar.errors import CompressionError
from attar.training.modes import evaluating

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
        # In a tuple, so that the networks are not part of this module.
        self._networks = (student, teacher)
        for network, names in ((student, self.pairs), (teacher, self.pairs.values())):
            known = dict(network.named_modules())
            for name in names:
                if not name or name not in known:
                    raise CompressionError(
                        f"{type(network).__name__} has no layer {name!r}; it has {', '.join(known)[2:200]}"
                    )
        with self.watched() as seen, torch.no_grad(), evaluating(*self._networks):
            for network in self._networks:
                network(x)
        said_by = (student, self.pairs, seen.of_student), (teacher, self.pairs.values(), seen.of_teacher)
        for network, names, said in said_by:
            for name in names:
                if not isinstance(said.get(name), Tensor):
                    raise CompressionError(f"{name} of {type(network).__name__} gives no tensor: pair layers that do")
        self.maps = nn.ModuleList()
        for (own, other), (f_s, f_t) in zip(self.pairs.items(), seen.pairs()):
            if f_s.ndim != f_t.ndim or f_s.ndim not in (2, *_POOLS):
                raise CompressionError(
                    f"{own} gives {tuple(f_s.shape)} and {other} gives {tuple(f_t.shape)}: pair others"
                )
            same = f_s.shape[1] == f_t.shape[1]
            self.maps.append(nn.Identity() if same else nn.Linear(f_s.shape[1], f_t.shape[1]))

    @property
    def teacher(self) -> nn.Module:
        """The network whose features lead."""
        return self._networks[1]

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
        seen, handles = _Seen({}, {}, self.pairs), []
        for network, names, said in zip(
            self._networks, (self.pairs, self.pairs.values()), (seen.of_student, seen.of_teacher)
        ):
            for name in names:
                keep = partial(_keep, said, name)
                handles.append(network.get_submodule(name).register_forward_hook(keep))
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()

    def forward(self, seen: _Seen) -> Tensor:
        """The loss of a batch that both networks have seen."""
        losses = []
        for mapped, (f_s, f_t) in zip(self.maps, seen.pairs()):
            f_t = f_t.detach()
            if f_s.ndim > 2:
                size = tuple(min(a, b) for a, b in zip(f_s.shape[2:], f_t.shape[2:]))
                f_s, f_t = (one if one.shape[2:] == size else _POOLS[one.ndim](one, size) for one in (f_s, f_t))
            led = mapped(f_s.movedim(1, -1)).movedim(-1, 1)
            spread = (f_t - f_t.mean(0)).square().mean()
            losses.append((led - f_t).square().mean() / torch.where(spread > 0, spread, 1))
        return torch.stack(losses).mean()


def _keep(said: dict[str, Tensor], name: str, _: nn.Module, __: object, output: Tensor) -> None:
    said[name] = output


class _Seen:
    """What the layers of both networks have said of a batch, by name."""

    def __init__(self, of_student: dict[str, Tensor], of_teacher: dict[str, Tensor], pairs: Mapping[str, str]) -> None:
        self.of_student, self.of_teacher, self._pairs = of_student, of_teacher, pairs

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Features of the student and of the teacher."""
        for own, other in self._pairs.items():
            yield self.of_student[own], self.of_teacher[other]
