"""Plain networks of one architecture and different widths, computed side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attar._settings import check_count
from attar.errors import DataError
from attar.training.modes import seeded

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d}
_POOLS = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d}


def plain_network(net: str, shape: Sequence[int], outputs: int, width: int, depth: int, seed: int) -> nn.Sequential:
    """A network with PyTorch's usual random start.

        mlp:   h₀ = x,  hᵢ = ReLU(Wᵢ hᵢ₋₁ + bᵢ) of `width` units,                      y = W h + b
        conv:  hᵢ = ReLU(Wᵢ * hᵢ₋₁ + bᵢ) of 2ⁱ⁻¹ `width` channels, every second place,  y = W mean(h) + b

    Arguments:
        net: "mlp", or "conv" with kernels of 3 (3 × 3).
        shape: of a sample: any for "mlp", `(c, t)` or `(c, h, w)` for "conv".
        outputs: length of y.
        width: of the first layer.
        depth: hidden layers.
        seed: the parameters are those after `torch.manual_seed(seed)`.

    Raises:
        DataError: another name, a width or depth below 1, or samples of a shape that cannot be convolved.

    Example:
        >>> sum(p.numel() for p in plain_network("mlp", (20,), 10, width=5, depth=1, seed=0).parameters())
        165
    """
    if net not in ("mlp", "conv"):
        raise DataError(f'net is {net!r}: give "mlp" or "conv"')
    check_count("width", width)
    check_count("depth", depth)
    layers: list[nn.Module] = []
    with seeded(seed):
        if net == "mlp":
            sizes = [int(torch.Size(shape).numel())] + [width] * depth
            layers.append(nn.Flatten())
            for n_in, n_out in pairwise(sizes):
                layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        else:
            if len(shape) - 1 not in _CONVOLUTIONS:
                raise DataError(f"samples have shape {tuple(shape)}: a conv network takes (c, t) or (c, h, w)")
            sizes = [shape[0]] + [width * 2**i for i in range(depth)]
            for n_in, n_out in pairwise(sizes):
                layers += [_CONVOLUTIONS[len(shape) - 1](n_in, n_out, 3, stride=2, padding=1), nn.ReLU()]
            layers += [_POOLS[len(shape) - 1](1), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))


class Stack:
    """K networks of `plain_network` that differ in width, as one.

    Narrow ones are padded with units whose weights are all zero. Such a unit yields ReLU(0) = 0, and its gradient is
    zero, so that it stays as it is. Every layer is one batched product; before a convolution, the values that a kernel
    sees are gathered side by side, which takes less time than a grouped convolution.

    Arguments:
        networks: of one architecture.

    Example:
        >>> networks = [plain_network("mlp", (4,), 2, width, 1, seed=0) for width in (3, 5)]
        >>> x = torch.randn(2, 7, 4)
        >>> torch.allclose(Stack(networks)(x), torch.stack([net(a) for net, a in zip(networks, x)]), atol=1e-6)
        True
    """

    def __init__(self, networks: Sequence[nn.Sequential]) -> None:
        self._networks = networks
        self.parameters = [_padded(list(same)) for same in zip(*(net.parameters() for net in networks))]

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs `(K, n, m)` for the samples `(K, n, *shape)` that each network sees."""
        k, n = len(x), x.shape[1]
        sizes = x.shape[3:]
        parameters = iter(self.parameters)
        # Convolutions see (K, n, places, channels), linear layers (K, n, length).
        h = x.flatten(3).transpose(2, 3) if isinstance(self._networks[0][0], nn.Conv1d | nn.Conv2d) else x
        for layer in self._networks[0]:
            if isinstance(layer, nn.Linear):
                weight, bias = next(parameters), next(parameters)
                h = torch.baddbmm(bias.unsqueeze(1), h, weight.transpose(1, 2))
            elif isinstance(layer, nn.Conv1d | nn.Conv2d):
                weight, bias = next(parameters), next(parameters)
                seen, sizes = _seen(sizes)
                windows = F.pad(h, (0, 0, 1, 0)).index_select(2, seen)
                kernels = weight.flatten(3).permute(0, 3, 2, 1).flatten(1, 2)
                h = torch.baddbmm(bias.unsqueeze(1), windows.view(k, -1, kernels.shape[1]), kernels)
                h = h.view(k, n, -1, h.shape[-1])
            elif isinstance(layer, nn.ReLU):
                h = h.relu()
            elif isinstance(layer, nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d):
                h = h.mean(2)
            else:
                h = h.flatten(2)
        return h

    def unstack(self) -> None:
        """Put the parameters into the networks they came from."""
        with torch.no_grad():
            for stacked, same in zip(self.parameters, zip(*(net.parameters() for net in self._networks))):
                for values, parameter in zip(stacked, same):
                    parameter.copy_(values[tuple(map(slice, parameter.shape))])


@cache
def _seen(sizes: torch.Size) -> tuple[Tensor, torch.Size]:
    """What each kernel sees, place by place: 0 for the padding, else 1 + the place; and the sizes of what comes out."""
    places = F.pad(torch.arange(1, 1 + sizes.numel()).view(sizes), [1, 1] * len(sizes))
    for axis in range(len(sizes)):
        places = places.unfold(axis, 3, 2)
    return places.flatten(), places.shape[: len(sizes)]


def _padded(same: list[Tensor]) -> Tensor:
    shape = [max(sizes) for sizes in zip(*(p.shape for p in same))]
    stacked = same[0].new_zeros(len(same), *shape)
    for values, parameter in zip(stacked, same):
        values[tuple(map(slice, parameter.shape))] = parameter.detach()
    return stacked.requires_grad_()
